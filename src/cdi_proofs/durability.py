"""Cuts the power, kills and fills the disk in the middle of each step: what was told stays true.

A small made-up agency has its state folder on a disk in a file (`cdi_proofs.cut_disk` says what a
cut of its power stands for, and what not). A step runs in a process of its own. At a random moment
its disk loses power, or it is killed with all that it started; or the disk has room for only so
many bytes, chosen at random. Then

- what the step had told as done must be there whole;
- nothing that a reader would take may be empty, cut or damaged, and the published version must be
  the one before the step or the one after it;
- a full disk must be named by an id, without a traceback;
- the same step, done once more, must succeed and leave what an undisturbed step leaves.
"""

import contextlib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.build.version import read_private_name
from cdi.errors import CdiError
from cdi.files import write_json
from cdi_proofs.cut_disk import CutDisk, copy_sparse, require_disks
from cdi_proofs.durable_steps import (
    AGENCY,
    READY,
    STEPS,
    DurableStep,
    Facts,
    build_version,
    check_and_report,
    decide,
    decide_by_sheet,
    deliver_first,
    draw,
    facts_environment,
    fill_in_sheets,
    find_facts,
    land_earlier_days,
    land_last_days,
    look_at_state,
    perform_step,
    publish,
)
from cdi_proofs.selection import check_names

# Steps with so few of a hundred rounds take long; they get a third of the full disks.
_DEAR = 5
_LONGEST = 300.0  # seconds; a step that takes longer hangs
# Copies of a process that has imported all: its start is not what is disturbed.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "cdi_proofs.durable_steps",
        "cdi.quality.gx_duckdb",
        "cdi.report.report",
        "cdi.report.worklist",
        "cdi.open_extract.write",
    ]
)
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Undisturbed:
    """A step that nothing disturbed.

    Attributes:
        seconds: How long it took.
        need: How many bytes of the disk it took at its peak.
        before: What was there before it; see `look_at_state`.
        after: What was there after it.
    """

    seconds: float
    need: int
    before: dict[str, Any]
    after: dict[str, Any]


class Workshop:
    """The disk, the images that steps begin with, and the processes that do them."""

    def __init__(self, folder: Path) -> None:
        """Begin with an empty folder."""
        self.folder = folder
        self.disk = CutDisk(folder / "disk.img", folder / "mounted")
        self.facts = {"home": str(self.disk.folder / "state"), "hashed": str(folder / "hashed")}
        Path(self.facts["hashed"]).mkdir(exist_ok=True)
        self.told = folder / "told.txt"
        self.process: Any = None

    def image(self, name: str) -> Path:
        """Name the image of a disk before a step."""
        return self.folder / f"{name}.img"

    def keep(self, name: str) -> None:
        """Keep the mounted disk as an image, and go on with it."""
        self.disk.unmount()
        copy_sparse(self.disk.file, self.image(name))
        self.disk.mount()

    def begin(self, run: Callable[[Facts], None], facts: Facts) -> Any:
        """Start a step in a process of its own, and wait until it has imported what it needs."""
        self.told.unlink(missing_ok=True)
        self.told.touch()
        process = _CONTEXT.Process(target=perform_step, args=(run, facts, self.told))
        process.start()
        self.process = process
        while not self.told.read_bytes() and process.is_alive():
            time.sleep(0.001)
        return process

    def finish(self, process: Any) -> str:
        """Wait for the end of a step; returns what it told."""
        process.join(_LONGEST)
        if process.is_alive():
            end_group(process)
            return f"Traceback: it hangs\n{self.read_told()}"
        return self.read_told()

    @contextlib.contextmanager
    def mounted(self, image: Path | None = None) -> Iterator[None]:
        """Mount the disk during the block, with the content of an image or as it is.

        A step that still runs at the end, as the proof was stopped, is killed.
        """
        if image is not None:
            self.disk.copy_from(image)
        self.disk.mount()
        try:
            yield
        finally:
            if self.process is not None and self.process.is_alive():
                end_group(self.process)
            self.disk.unmount()

    def read_told(self) -> str:
        """Read what the step told."""
        return self.told.read_text("utf-8", "replace").removeprefix(f"{READY}\n")

    def do(self, run: Callable[[Facts], None]) -> None:
        """Do a step that must succeed, for the preparations."""
        process = self.begin(run, self.facts)
        told = self.finish(process)
        if process.exitcode:
            raise RuntimeError(f"{run.__name__} failed undisturbed:\n{told}")

    def look(self, facts: Facts) -> dict[str, Any]:
        """Look at the state folder, in a process of its own."""
        result = self.folder / "look.json"
        result.unlink(missing_ok=True)
        process = _CONTEXT.Process(target=look_at_state, args=(facts, result))
        process.start()
        process.join()
        found: dict[str, Any] = json.loads(result.read_text("utf-8"))
        return found


def end_group(process: Any) -> None:
    """Kill a process and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.join()


def facts_of_step(step: DurableStep, facts: Facts) -> dict[str, str]:
    """Leave out what is looked for after an erasure, if the step erases nothing."""
    is_erasure = any("traces" in parts for _, parts in step.tells)
    return dict(facts) if is_erasure else without_search(facts)


def without_search(facts: Facts) -> dict[str, str]:
    """Leave out the search for what is erased, which takes longer than all other looks."""
    return {name: value for name, value in facts.items() if name != "wanted"}


def prepare_disks(shop: Workshop, say: Callable[[str], None]) -> None:
    """Make the image that each step begins with.

    Args:
        shop: Its folder is empty.
        say: Is told each image as it is begun.
    """
    home = Path(shop.facts["home"])
    landing: tuple[tuple[Callable[[Facts], None], str], ...] = (
        (land_earlier_days, "earlier"),
        (land_last_days, "landed"),
        (build_version, "built"),
        (check_and_report, "reported"),
    )
    shop.disk.make()
    with shop.mounted():
        for run, name in landing:
            say(f"preparing: {name}")
            shop.do(run)
            shop.keep(name)
        with paths.environment(**facts_environment(shop.facts)):
            shop.facts["version"] = str(read_private_name(AGENCY))
            shop.do(publish)
            shop.keep("published")
            shop.facts |= find_facts(shop.folder)
            for run in (decide, decide_by_sheet, draw):
                say(f"preparing: {run.__name__}")
                shop.do(run)
            shop.facts |= fill_in_sheets(shop.folder)
        shop.do(deliver_first)
        shop.keep("read")
        shop.keep("audited")
        shutil.rmtree(home / "published")
        shop.keep("unpublished")
    # What dbt made of the code is there, but no version.
    with shop.mounted(shop.image("built")):
        shutil.rmtree(home / "published")
    copy_sparse(shop.disk.file, shop.image("prepared"))


def measure_step(shop: Workshop, step: DurableStep) -> Undisturbed:
    """Do a step that nothing disturbs, twice: the second time must change nothing.

    Args:
        shop: After `prepare_disks`.
        step: The step.

    Raises:
        RuntimeError: If the step fails, or leaves something else when it is repeated.
    """
    facts = facts_of_step(step, shop.facts)
    with shop.mounted(shop.image(step.before)):
        before = shop.look(without_search(facts))
        free = least = shop.disk.free_bytes()
        process = shop.begin(step.run, facts)
        began = time.monotonic()
        while process.is_alive():
            least = min(least, shop.disk.free_bytes())
            time.sleep(0.005)
        seconds = time.monotonic() - began
        told = shop.finish(process)
        after = shop.look(facts)
        faults = [*judge_told(step, told, after, after), *judge_state(after, before, after)]
        if process.exitcode or faults or len(list_told(step, told)) < len(step.tells):
            raise RuntimeError(f"{step.name} failed undisturbed: {faults}\n{told}")
        shop.do(step.run)
        if differing := list_differences(after, shop.look(facts)):
            raise RuntimeError(f"{step.name} done twice differs in {', '.join(differing)}")
    return Undisturbed(seconds, free - least, before, after)


def disturb_step(
    shop: Workshop, step: DurableStep, kind: str, usual: Undisturbed, chance: random.Random
) -> dict[str, Any]:
    """Disturb a step once, and find out what became of it.

    Args:
        shop: After `prepare_disks`.
        step: The step.
        kind: `cut`, `kill` or `fill`.
        usual: The same step undisturbed.
        chance: Chooses the moment, or the room.

    Returns:
        What was done and told, the ids of errors, and the faults: what was lost, half or unnamed.
    """
    facts = facts_of_step(step, shop.facts)
    faults: list[str] = []
    with shop.mounted(shop.image(step.before)):
        room = shop.disk.fill(chance.randrange(usual.need)) if kind == "fill" else 0
        process = shop.begin(step.run, facts)
        began = time.monotonic()
        if kind == "fill":
            told = shop.finish(process)
            is_ended = process.exitcode == 0
            if "Traceback" in told or not (is_ended or list_error_ids(told)):
                faults.append(f"it ended without a named error:\n{told[-3000:]}")
            at: float = room
            shop.disk.empty()
        else:
            wait_for_moment(shop, step, process, usual, chance)
            at = round(time.monotonic() - began, 3)
            is_ended = process.exitcode is not None
            if kind == "cut":
                shop.disk.cut()
            end_group(process)
            told = shop.read_told()
        if kind == "cut":
            shop.disk.unmount()
            shop.disk.mount()
        is_told = bool(list_told(step, told))
        found = shop.look(facts if is_told else without_search(facts))
        faults += judge_told(step, told, found, usual.after)
        faults += judge_state(found, usual.before, usual.after)
        again = shop.begin(step.run, facts)
        told_again = shop.finish(again)
        if again.exitcode:
            faults.append(f"done again, it failed:\n{told_again[-3000:]}")
        else:
            end = shop.look(without_search(facts))  # an erasure searches itself
            faults += [f"done again, {part} differ" for part in list_differences(end, usual.after)]
    return {
        "step": step.name,
        "kind": kind,
        "at": at,
        "is_ended": is_ended,
        "told": list_told(step, told),
        "ids": list_error_ids("\n".join([told, told_again, str(found["verify"])])),
        "faults": faults,
    }


def wait_for_moment(
    shop: Workshop, step: DurableStep, process: Any, usual: Undisturbed, chance: random.Random
) -> None:
    """Wait until a random moment of a step: in each third round, until it tells a thing as done."""
    if chance.random() < 2 / 3:
        process.join(chance.uniform(0, usual.seconds))
        return
    count = chance.randint(1, len(step.tells))
    while process.is_alive() and len(list_told(step, shop.read_told())) < count:
        time.sleep(0.001)


def list_told(step: DurableStep, told: str) -> list[str]:
    """List what a step told as done, by its patterns."""
    return [pattern for pattern, _ in step.tells if re.search(pattern, told, re.MULTILINE)]


def list_error_ids(text: str) -> list[str]:
    """List the ids of errors and warnings in a text."""
    return sorted(set(re.findall(r"\[([A-Z]+-[A-Z]+)\]", text)))


def judge_told(
    step: DurableStep, told: str, found: dict[str, Any], after: dict[str, Any]
) -> list[str]:
    """List what was told as done and is not there as an undisturbed step leaves it."""
    return [
        f"told {pattern!r}, but {part} differ: {str(found[part])[:1000]}"
        for pattern, parts in step.tells
        if re.search(pattern, told, re.MULTILINE)
        for part in parts
        if found[part] != after[part]
    ]


def judge_state(found: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """List what a reader would take that is damaged, or neither the old nor the new."""
    faults = [f"damaged: {problem}" for problem in found["damaged"] or ()]
    if found["published"] not in (before["published"], after["published"]):
        faults.append(f"another version is published: {str(found['published'])[:1000]}")
    return faults


def list_differences(found: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """List the parts in which two looks at a state differ."""
    return [part for part in after if found[part] != after[part]]


def spread_rounds(
    cuts: int, kills: int, fills: int, steps: Sequence[DurableStep]
) -> list[tuple[DurableStep, str]]:
    """Spread the rounds over the steps: those that take long get fewer.

    They take turns, so that a run which is stopped has tried all of them.

    Args:
        cuts: Number of cuts of the power, of all steps.
        kills: Number of kills, of all steps.
        fills: Number of full disks of each step; a third of it where a step takes long.
        steps: The steps.
    """
    shares = sum(step.share for step in steps)
    placed = [
        ((place + 0.5) / count, step, kind)
        for step in steps
        for kind, count in (
            ("cut", -(-cuts * step.share // shares)),
            ("kill", -(-kills * step.share // shares)),
            ("fill", fills if step.share > _DEAR else -(-fills // 3)),
        )
        for place in range(count)
    ]
    return [(step, kind) for _, step, kind in sorted(placed, key=lambda row: row[0])]


def run_durability(
    say: Callable[[str], None],
    progress: Progress,
    *,
    cuts: int,
    kills: int,
    fills: int,
    seed: int,
    only: Sequence[str] = (),
) -> dict[str, Any]:
    """Cut, kill and fill, and write ``durability.json`` into the state folder.

    Args:
        say: Is told each step as it begins.
        progress: Is told how many rounds are done, and of how many.
        cuts: Number of cuts of the power; a few more, as each step gets at least one.
        kills: Number of kills, likewise.
        fills: Number of full disks of each step.
        seed: Of the moments and the rooms.
        only: Names of steps; all by default.

    Returns:
        The rounds, and a summary by step and kind.

    Raises:
        CdiError: PROOF-UNKNOWN if there is no such step, PROOF-EMPTY if there is nothing to do.
        MachineError: PROOF-DISK where no disk can be made, mounted and cut.
        RuntimeError: If a step fails that nothing disturbs.
    """
    check_names("step", only, (step.name for step in STEPS))
    steps = [step for step in STEPS if not only or step.name in only]
    plan = spread_rounds(cuts, kills, fills, steps)
    if not plan:
        raise CdiError(
            "PROOF-EMPTY", "no round is asked for", "give cuts, kills or fills of at least 1"
        )
    require_disks()
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    began = time.monotonic()
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="cdi-durability-") as folder:
        shop = Workshop(Path(folder))
        prepare_disks(shop, say)
        usual: dict[str, Undisturbed] = {}
        for place, (step, kind) in enumerate(plan):
            if step.name not in usual:
                say(f"measuring: {step.name}")
                usual[step.name] = measure_step(shop, step)
            say(f"{kind}: {step.name}")
            chance = random.Random(f"{seed} {place}")  # noqa: S311  to be the same each time
            rounds.append(disturb_step(shop, step, kind, usual[step.name], chance))
            progress(place + 1, len(plan))
            paths.home().mkdir(parents=True, exist_ok=True)
            outcome = {
                "seed": seed,
                "seconds": round(time.monotonic() - began),
                "usual_seconds": {name: round(step.seconds, 2) for name, step in usual.items()},
                "summary": summarise_rounds(rounds),
                "rounds": rounds,
            }
            write_json(paths.home() / "durability.json", outcome)
    return outcome


def summarise_rounds(rounds: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count the rounds by step and kind: disturbed, told, with faults, and the ids named."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rounds:
        groups.setdefault((row["step"], row["kind"]), []).append(row)
    return [
        {
            "step": step,
            "kind": kind,
            "rounds": len(rows),
            "disturbed": sum(not row["is_ended"] for row in rows),
            "told": sum(bool(row["told"]) for row in rows),
            "faulty": sum(bool(row["faults"]) for row in rows),
            "ids": dict(Counter(id_ for row in rows for id_ in row["ids"])),
        }
        for (step, kind), rows in groups.items()
    ]
