"""Damages what is kept, a file at a time: the proof `damage`.

Each trial flips one random bit, or makes one edit (`cdi_proofs.damage_edits`), and asks what a run
asks: is the source unchanged, can a version be planned, is what is published right, does `verify`
find anything, are the readings and the prepared project whole? Whoever names it by an error id has
noticed it. Then the damage is undone.

Damage that nobody names is kept, and after all trials it is put into a copy of the state, or into
several where the same file was damaged more than once: a build of each copy must publish the same
tables. Of the damage that was named, a sample is put
into a copy each, and a build must refuse it by name or publish the same tables.
"""

import logging
import os
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.agency.load import load_agency
from cdi.build.make import build_file
from cdi.build.prepare import is_whole
from cdi.build.version import hash_reading_code, plan_version
from cdi.errors import CdiError
from cdi.files import write_json
from cdi.learning.readings import open_readings
from cdi.local.run import default_interval
from cdi.publish.access import read_access_log
from cdi.steps.build import check_marts, publish_version, write_report
from cdi.steps.run import is_up_to_date
from cdi.steps.verify import verify_agency
from cdi_proofs.damage_edits import EDITS, replace_file
from cdi_proofs.damage_state import make_state, select_small_force

NAME = paths.SIMULATED
Say = Callable[[str], None]
ShowProgress = Callable[[int, int], None]

# What is kept below the state folder, by kind: patterns of its files. The first that fits counts.
# SIMULATED sources and truth stand for the police's own systems.
KINDS = {
    "accepted rows": r"landing/.*/batches/.*/rows\.parquet",
    "accepted quarantine": r"landing/.*/batches/.*/quarantine\.parquet",
    "manifest": r"landing/.*/batches/.*/manifest\.json",
    "results of a batch": r"landing/.*/batches/.*/validation\.\w+",
    "note of the newest batch": r"landing/.*/newest\.json",
    "tombstones": r"landing/.*/erased\.jsonl(\.seal)?",
    "description of weights": r"weights/.*\.(json|seal)",
    "weights": r"weights/.*/.*/.*/.*\.\w+",
    "decisions": r"decisions/.*\.csv(\.seal)?",
    "audit register": r"audit/.*/register\.jsonl(\.seal)?",
    "audit draw": r"audit/.*\.parquet(\.seal)?",
    "audit findings": r"audit/.*/findings/.*\.csv(\.seal)?",
    "published database": r"published/.*/recording\.duckdb",
    "published page": r"published/.*\.html",
    "published sheet": r"published/.*\.(csv|xlsx)",
    "open extract": r"published/.*/open/.*",
    "description of a version": r"published/.*\.json",
    "checksums": r"published/.*/SHA256SUMS(\.seal)?",
    "released quarter": r"released/.*\.parquet(\.seal)?",
    "access log": r"access/.*",
    "key": r"secrets/.*",
    "readings": r"readings/.*\.parquet",
    "prepared project": r"prepared/[^/]+/(\w+\.duckdb|\w+\.msgpack|run_results\.json|sums\.json)",
    "worksheets": r"audit/.*/worksheets/.*",
    "notes of losses": r"landing/.*/losses\.jsonl",
    "what dbt wrote last": r"dbt/.*",
    "rest of the prepared project": r"prepared/.*",
    "logs": r"airflow/.*",
    "empty or of locks": r".*/\.lock|made|.*\.torn|.*",
}
_NOT_KEPT = ("sources", "truth", "scenarios")


@dataclass(frozen=True)
class Trial:
    """One damage and who noticed it.

    Attributes:
        kind: A key of `KINDS`, or what an edit is about.
        what: The file and the bit, or the title of the edit.
        verdict: The error id; blank if nobody named it.
        files: Content of each file that the damage changed, by path below the state folder; None
            for a file that it removed.
    """

    kind: str
    what: str
    verdict: str
    files: dict[str, bytes | None] = field(repr=False, default_factory=dict)


def prove_damage_is_named(
    say: Say, show: ShowProgress, *, flips: int, edits: int, builds: int, seed: int
) -> dict[str, Any]:
    """Damage the state of a small simulated agency; the counts go to ``<state>/damage.json`` too.

    Args:
        say: Is told each step as it begins.
        show: Is told how many trials are done, and of how many.
        flips: How many bits are flipped, each in an undamaged state.
        edits: How many edits are made; the list begins anew if it is shorter.
        builds: How many of the named damages are built upon.
        seed: Of all that is chosen at random.

    Returns:
        The counts by kind and error id, and what was missed.
    """
    home = paths.home() / "damage"
    with select_small_force(home / "base", seed):
        make_state(say)
        if verdict := name_damage():
            raise CdiError("PROOF-STATE", f"the undamaged state is named {verdict}", f"see {home}")
        trials = []
        chance = random.Random(seed)  # noqa: S311 - to be the same each time
        for number in range(flips + edits):
            show(number, flips + edits)
            trials.append(
                _flip(chance, number) if number < flips else _edit(chance, number - flips)
            )
        show(flips + edits, flips + edits)
        base = paths.home()
    missed = _build_on_samples(say, show, base, home / "trial", seed, trials, builds)
    figures = _count(trials) | missed
    write_json(paths.home() / "damage.json", figures)
    return figures


def name_damage() -> str:
    """Ask all that a run and `.venv/bin/cdi verify` ask; returns the first error id, or a blank.

    An exception without an id is returned by its name with a question mark: it stops the run, but
    it tells nobody what to do.
    """
    with _collect_warnings() as warned:
        for ask in (_ask_run, _ask_verify, _ask_readings, _ask_prepared):
            try:
                ask()
            except CdiError as error:
                return error.rule_id
            except Exception as error:
                return f"?{type(error).__name__}"
            ids = [match[1] for text in warned if (match := re.match(r"\[([A-Z-]+)\]", text))]
            if ids:
                return ids[0]
    return ""


@cache
def _hash_reading_code() -> dict[str, str]:
    """Follows from the code and the undamaged weights, so it is worked out once."""
    return hash_reading_code(plan_version(load_agency(NAME)))


def _ask_run() -> None:
    is_up_to_date(NAME, default_interval(load_agency(NAME)))


def _ask_verify() -> None:
    verify_agency(load_agency(NAME), lambda _: None)
    list(read_access_log(NAME))


def _ask_readings() -> None:
    with duckdb.connect() as con:
        con.execute("create schema landing")
        open_readings(con, NAME, _hash_reading_code())


def _ask_prepared() -> None:
    for folder in sorted(paths.prepared().iterdir()):
        is_whole(folder)


@contextmanager
def _collect_warnings() -> Iterator[list[str]]:
    """Collect what is logged, with its arguments filled in."""
    texts: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: texts.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("cdi")
    logger.addHandler(handler)
    before, logger.propagate = logger.propagate, False
    try:
        yield texts
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


# ---------------------------------------------------------------------- the state


def _kind_of(name: str) -> str:
    return next(kind for kind, pattern in KINDS.items() if re.fullmatch(pattern, name))


def _list_files(home: Path) -> dict[str, tuple[int, int, int]]:
    """All files that are kept, with what tells that one was changed."""
    files = {}
    for folder, _, names in os.walk(home):
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - a state has thousands of files
            below = os.path.relpath(path, home)
            stat = os.lstat(path)
            if below.split("/")[0] not in _NOT_KEPT and not os.path.islink(path):  # noqa: PTH114
                files[below] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return files


class _Undo:
    """Remembers the state, and puts back what a trial changed, removed or added."""

    def __init__(self) -> None:
        """Copy the state beside it, once, by hard links; an edit never writes into a file."""
        self.home = paths.home()
        self.copy = self.home.with_name(f"{self.home.name}.kept")
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.home, self.copy, symlinks=True, copy_function=os.link)
        self.before = _list_files(self.home)

    def changes(self) -> dict[str, bytes | None]:
        """The content of what was changed since; None for a file that is gone."""
        now = _list_files(self.home)
        changed = [name for name in {*now, *self.before} if now.get(name) != self.before.get(name)]
        return {
            name: (self.home / name).read_bytes() if name in now else None
            for name in sorted(changed)
        }

    def restore(self) -> None:
        """Put everything back."""
        for name in self.changes():
            file = self.home / name
            file.unlink(missing_ok=True)
            if name in self.before:
                file.parent.mkdir(parents=True, exist_ok=True)
                os.link(self.copy / name, file)
        self.before = _list_files(self.home)


_undo: dict[Path, _Undo] = {}


def _undo_of_home() -> _Undo:
    if paths.home() not in _undo:
        _undo[paths.home()] = _Undo()
    return _undo[paths.home()]


# ---------------------------------------------------------------------- trials


def _flip(chance: random.Random, number: int) -> Trial:
    """Flip a bit of a file; the kinds take turns, so that each of them is hit."""
    undo = _undo_of_home()
    by_kind: dict[str, list[str]] = {}
    for name, (_, size, _) in sorted(undo.before.items()):
        if size:
            by_kind.setdefault(_kind_of(name), []).append(name)
    kinds = [kind for kind in KINDS if kind in by_kind]
    kind = kinds[number % len(kinds)]
    name = chance.choice(by_kind[kind])
    file = paths.home() / name
    content = bytearray(file.read_bytes())
    place, bit = chance.randrange(len(content)), chance.randrange(8)
    content[place] ^= 1 << bit
    replace_file(file, bytes(content))
    return _judge(undo, kind, f"{name}, byte {place}, bit {bit}")


def _edit(chance: random.Random, number: int) -> Trial:
    undo = _undo_of_home()
    edit = EDITS[number % len(EDITS)]
    edit.apply(chance)
    return _judge(undo, f"edit: {edit.kind}", edit.title)


def _judge(undo: _Undo, kind: str, what: str) -> Trial:
    files = undo.changes()
    if not files:  # e.g. two batches changed places by a rename
        raise CdiError("PROOF-NOTHING", f"{what} changed nothing", "correct the edit")
    verdict = name_damage()
    undo.restore()
    return Trial(kind, what, verdict, files)


# ---------------------------------------------------------------------- builds


def _build_on_samples(
    say: Say,
    show: ShowProgress,
    base: Path,
    trial_home: Path,
    seed: int,
    trials: list[Trial],
    builds: int,
) -> dict[str, Any]:
    """Build on the undamaged state, on all damage that nobody named, and on some that was named."""
    say("a build on the undamaged state")
    tables, verdict = _build_on_copy(base, trial_home, seed, {})
    if verdict:
        raise CdiError("PROOF-STATE", f"the undamaged state is not built: {verdict}", "see it")
    built: list[dict[str, Any]] = []
    missed: list[str] = []
    for group in _group_by_files([trial for trial in trials if not trial.verdict]):
        say(f"a build on {len(group)} damages that nobody named, together")
        together = {name: content for trial in group for name, content in trial.files.items()}
        found, verdict = _build_on_copy(base, trial_home, seed, together)
        outcome = verdict or _compare_tables(tables, found)
        built.append({"damage": f"{len(group)} that nobody named, together", "outcome": outcome})
        if outcome != "equal":
            missed += [f"{trial.kind}: {trial.what}" for trial in group]
    named = [trial for trial in trials if trial.verdict]
    chance = random.Random(seed)  # noqa: S311 - to be the same each time
    sample = chance.sample(named, min(builds, len(named)))
    for number, trial in enumerate(sample):
        show(number, len(sample))
        say(f"a build on a named damage: {trial.kind}, {trial.what}")
        found, verdict = _build_on_copy(base, trial_home, seed, trial.files)
        outcome = verdict or _compare_tables(tables, found)
        built.append({"damage": f"{trial.kind}: {trial.what}", "outcome": outcome})
        if outcome.startswith(("?", "other")):
            missed.append(f"{trial.kind}: {trial.what}: {outcome}")
    missed += [
        f"{trial.kind}: {trial.what}: {trial.verdict}"
        for trial in trials
        if trial.verdict.startswith("?")
    ]
    return {"built": built, "missed": missed}


def _group_by_files(trials: list[Trial]) -> list[list[Trial]]:
    """Put trials together that damaged no file in common; one copy can hold all of a group."""
    groups: list[list[Trial]] = []
    for trial in trials:
        for group in groups:
            if all(trial.files.keys().isdisjoint(other.files) for other in group):
                group.append(trial)
                break
        else:
            groups.append([trial])
    return groups


def _build_on_copy(
    base: Path, home: Path, seed: int, damage: dict[str, bytes | None]
) -> tuple[dict[str, Any], str]:
    """Put a damage into a copy of the state, and build and publish there.

    Returns:
        What the published tables hold; and the error id if the build was refused, or if what the
        damage is about was withheld by name in what is published.
    """
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(base, home, symlinks=True, copy_function=os.link)
    for name, content in damage.items():
        file = home / name
        if content is None:
            file.unlink(missing_ok=True)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            file.write_bytes(content)
    # what a build writes to in place must not be the base's own file
    for folder in ("access", "secrets"):
        for file in (home / folder).rglob("*"):
            if file.is_file():
                replace_file(file, file.read_bytes())
    with select_small_force(home, seed), _collect_warnings():
        try:
            version = plan_version(load_agency(NAME))
            build_file(version)
            check_marts(NAME, version.name)
            write_report(NAME, version.name)
            publish_version(NAME, version.name)
        except CdiError as error:
            return {}, error.rule_id
        except Exception as error:
            return {}, f"?{type(error).__name__}"
        return _summarise_published(), _read_withheld()


def _summarise_published() -> dict[str, Any]:
    """Count and hash the rows of each published table, but those that tell of the build itself."""
    folder = paths.current(NAME)
    summary: dict[str, Any] = {}
    for file in ("recording.duckdb", "open/open.duckdb"):
        with duckdb.connect(str(folder / file), read_only=True) as con:
            names = con.execute(
                "select schema_name || '.' || table_name from duckdb_tables() "
                "where table_name <> 'run_results' order by 1"
            ).fetchall()
            for (name,) in names:
                query = f"select count(*), sum(hash(t)::hugeint) from {name} as t"
                summary[f"{file} {name}"] = con.execute(query).fetchone()
    return summary


def _read_withheld() -> str:
    """The id of the rule by which an audit is withheld in the published version; blank if none."""
    file = paths.current(NAME) / "recording.duckdb"
    with duckdb.connect(str(file), read_only=True) as con:
        rows = con.execute("select withheld_rule_id from audits").fetchall()
    return next((str(rule_id) for (rule_id,) in rows if rule_id), "")


def _compare_tables(before: dict[str, Any], after: dict[str, Any]) -> str:
    other = [name for name in {*before, *after} if before.get(name) != after.get(name)]
    return f"other: {', '.join(sorted(other))}" if other else "equal"


def _count(trials: list[Trial]) -> dict[str, Any]:
    counts = Counter((trial.kind, trial.verdict or "not named") for trial in trials)
    return {
        "is_simulated": True,
        "trials": len(trials),
        "named": sum(bool(trial.verdict) for trial in trials),
        "by_kind": [
            {"kind": kind, "verdict": verdict, "trials": number}
            for (kind, verdict), number in sorted(counts.items())
        ],
        "not_named": [f"{trial.kind}: {trial.what}" for trial in trials if not trial.verdict],
    }
