"""What becomes of spoiled files: each corruption through extraction and the checks of border 1.

Two agencies are tried whose files differ in everything: a small simulated force (monthly files,
snapshots) and the made-up sample of the tests (daily changes, two formats). Each has a batch that
was accepted before. Then the newest file of the next delivery is spoiled, one corruption at a time,
and what is accepted is compared, row by row, with what the clean delivery gives.

==============  =================================================================================
verdict         when
==============  =================================================================================
failed          extraction or check refused the batch, naming a rule; nothing is accepted
quarantined     all that was accepted is clean, and no row is gone that was not refused by a rule
warned          a `warn` rule that holds on the clean delivery does not hold
harmless        the accepted rows equal the clean ones, and no rule objects
missed          none of these: spoiled rows were accepted, or rows lost, and no rule says so
==============  =================================================================================
"""

import multiprocessing
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.agency.datasets import DATASETS
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.errors import CdiError, GateError
from cdi.files import read_json_list, write_json
from cdi.landing.batches import accepted_batches
from cdi.quality.waivers import is_broken
from cdi.steps.extract import check_landing, extract
from cdi_force.details import add_details
from cdi_force.extracts import Writer
from cdi_force.generate import window_start
from cdi_force.narrative import write_narrative
from cdi_force.population import simulate_year
from cdi_force.scenario import load_scenario
from cdi_force.texts import Bank
from cdi_proofs.corruptions import CORRUPTIONS
from cdi_proofs.corruptions.model import Corruption, Extract
from cdi_proofs.selection import check_names

SAMPLE = paths.REPO / "tests" / "agencies" / "sample"
MONTHS = 2  # of the simulated force: one was accepted before, one is delivered now
# The share of the force's size that is simulated. With fewer calls the rules on the hours of the
# day would have too few rows to judge.
VOLUME = 0.15
SEED = 33
VERDICTS = ("failed", "quarantined", "warned", "harmless", "missed")
FILES = {"calls": "calls", "crime_records": "crimes", "log_actions": "log_actions"}


@dataclass(frozen=True)
class Stage:
    """An agency with what was accepted before, and the clean delivery.

    Attributes:
        agency: Its name.
        state: State folder with the batch accepted before; copied for each try.
        data: The files of the clean delivery.
        environment: The environment variables that choose the agency.
        interval: First day of the delivery, and the day after its last.
    """

    agency: str
    state: Path
    data: Path
    environment: dict[str, str]
    interval: tuple[date, date]


@dataclass(frozen=True)
class Outcome:
    """What became of a delivery.

    Attributes:
        accepted: How often each row was accepted, by a hash of the columns that the marts read.
        refused: How many rows each rule refused.
        broken: Rules of severity `warn` that do not hold.
        stopped_by: The rule that refused the whole delivery, if one did.
        border: Who refused it: `reader` or `landing`.
    """

    accepted: Counter[str]
    refused: Counter[str]
    broken: tuple[str, ...]
    stopped_by: str | None = None
    border: str = "landing"


def prepare_stages(folder: Path) -> list[Stage]:
    """Make both agencies' files, and the batches that were accepted before.

    Args:
        folder: An empty folder.
    """
    return [stage_simulated(folder / "simulated"), stage_sample(folder / "sample")]


def stage_simulated(folder: Path) -> Stage:
    """Make a small simulated force: its files, and the batches of all months but the newest.

    Args:
        folder: An empty folder.
    """
    loaded = load_scenario(paths.DEFAULT_SCENARIO)
    year = simulate_year(loaded, SEED, volume=VOLUME)
    bank = Bank(loaded.phrases, loaded.words)
    write_narrative(year, bank, SEED)
    add_details(year, SEED)
    data, before = folder / "data", folder / "before"
    Writer(year, bank).write(data, window_start(loaded, MONTHS))
    before.mkdir()
    for name in FILES.values():
        shutil.copy(min(data.glob(f"{name}-*")), before)
    chosen = {"SCENARIO": paths.DEFAULT_SCENARIO, "MONTHS": str(MONTHS), "SEED": str(SEED)}
    environment = {**chosen, "CDI_AGENCIES": str(paths.REPO / "agencies")}
    with paths.environment(**environment):
        agency = load_agency(paths.SIMULATED)
    assert agency.coverage is not None  # noqa: S101  Variant gives it
    interval = (agency.coverage.start, agency.coverage.end)
    stage = Stage(paths.SIMULATED, folder / "state", data, environment, interval)
    _accept_earlier_batches(stage, before, interval, list(FILES))
    return stage


def stage_sample(folder: Path) -> Stage:
    """Make the made-up sample: its files, and the batches of all days but the two newest.

    Args:
        folder: An empty folder.
    """
    data = folder / "data"
    shutil.copytree(SAMPLE / "data", data)
    environment = {"CDI_AGENCIES": str(SAMPLE.parent)}
    with paths.environment(**environment):
        agency = load_agency("sample")
    assert agency.coverage is not None  # noqa: S101  its agency.yaml gives it
    first, last = agency.coverage.start, agency.coverage.end - timedelta(days=2)
    stage = Stage("sample", folder / "state", data, environment, (last, agency.coverage.end))
    _accept_earlier_batches(stage, data, (first, last), ["calls", "crime_records"])
    return stage


def _accept_earlier_batches(
    stage: Stage, data: Path, days: tuple[date, date], datasets: Sequence[str]
) -> None:
    """Accept a batch of each dataset into the stage's state folder."""
    for dataset in datasets:
        _require_acceptance(stage, dataset, deliver_files(stage, stage.state, data, dataset, days))


def _require_acceptance(stage: Stage, dataset: str, outcome: Outcome) -> Outcome:
    """Return the outcome of a clean delivery, or fail if it was refused."""
    if outcome.stopped_by:
        raise GateError(
            "CORRUPTIONS-CLEAN",
            f"clean {dataset} of {stage.agency} was refused by {outcome.stopped_by}",
            "a rule gives a false alarm: correct it first",
        )
    return outcome


def deliver_files(
    stage: Stage, state: Path, data: Path, dataset: str, days: tuple[date, date] | None = None
) -> Outcome:
    """Extract and check one delivery.

    Args:
        stage: The agency.
        state: A state folder; the batch is added to it.
        data: The folder of the files.
        dataset: Which dataset of them.
        days: First day and the day after the last; by default those of the stage.
    """
    with paths.environment(**stage.environment, CDI_HOME=str(state), CDI_DATA=str(data)):
        agency = load_agency(stage.agency)
        interval = Interval.of_days(agency, *(days or stage.interval))
        try:
            batch_id = extract(stage.agency, dataset, interval).result
        except CdiError as error:
            return Outcome(Counter(), Counter(), (), error.rule_id, "reader")
        home = paths.landing(stage.agency, dataset)
        if batch_id is None:  # the same content as before
            return _read_outcome(accepted_batches(stage.agency, dataset)[-1].folder, dataset)
        try:
            check_landing(stage.agency, dataset, batch_id)
        except GateError:
            results = read_json_list(home / "refused" / batch_id / "validation.json")
            stopping_rules = [result["rule_id"] for result in results if is_broken(result)]
            return Outcome(Counter(), Counter(), (), stopping_rules[0])
        return _read_outcome(home / "batches" / batch_id, dataset)


def _read_outcome(batch: Path, dataset: str) -> Outcome:
    """What was accepted and refused of a batch, and which warnings it raised."""
    # The marts read a reference by its canonical form, if it has one, so that is compared.
    columns = [
        f"coalesce({c.key_name}, {c.name})" if c.kind == "reference" else ", ".join(c.outputs)
        for c in DATASETS[dataset]
    ]
    hashes = duckdb.execute(
        f"select sha256(cast(row({', '.join(columns)}, source_as_of) as varchar)) as content, "
        "count(*) from read_parquet(?) group by 1",
        [str(batch / "rows.parquet")],
    ).fetchall()
    refused = duckdb.execute(
        "select rule_id, count(*) from read_parquet(?) group by 1",
        [str(batch / "quarantine.parquet")],
    ).fetchall()
    broken = [
        result["rule_id"]
        for result in read_json_list(batch / "validation.json")
        if not result["is_success"] and result["severity"] == "warn"
    ]
    return Outcome(Counter(dict(hashes)), Counter(dict(refused)), tuple(dict.fromkeys(broken)))


def judge_outcome(clean: Outcome, spoiled: Outcome) -> tuple[str, list[str]]:
    """Judge a spoiled delivery by comparison with the clean one.

    Args:
        clean: What became of the clean delivery.
        spoiled: What became of the spoiled one.

    Returns:
        The verdict, and the rules that noticed something.
    """
    if spoiled.stopped_by:
        return "failed", [spoiled.stopped_by]
    refused = spoiled.refused - clean.refused
    broken = [rule for rule in spoiled.broken if rule not in clean.broken]
    if spoiled.accepted == clean.accepted and not (refused or broken):
        return "harmless", []
    lost_rows = clean.accepted - spoiled.accepted
    is_clean = not spoiled.accepted - clean.accepted
    if refused and is_clean and lost_rows.total() <= refused.total():
        return "quarantined", [rule for rule, _ in refused.most_common()]
    return ("warned", broken) if broken else ("missed", [])


def spoil_files(stage: Stage, corruption: Corruption, folder: Path) -> Path:
    """Put the delivery's files into a folder of their own, with the newest of a dataset spoiled.

    Args:
        stage: The agency.
        corruption: What goes wrong, and in which dataset.
        folder: Is made.

    Returns:
        The folder.

    Raises:
        CdiError: PROOF-NOTHING if the corruption leaves the file as it is.
    """
    folder.mkdir()
    for file in stage.data.iterdir():
        (folder / file.name).hardlink_to(file)
    earlier, newest = sorted(folder.glob(f"{FILES[corruption.dataset]}-*"))[-2:]
    extract_to_spoil = Extract(load_stage_agency(stage), corruption.dataset, newest, earlier)
    content = extract_to_spoil.read()
    newest.unlink()  # it is a link: writing through it would spoil the stage's own file
    extract_to_spoil.write(content)  # compressed anew, so that only the content can differ
    before = newest.read_bytes()
    corruption.apply(extract_to_spoil)
    if newest.read_bytes() == before:
        raise CdiError(
            "PROOF-NOTHING",
            f"{corruption.name} changes nothing in {newest.name}",
            "correct the corruption: it would count as harmless",
        )
    return folder


def load_stage_agency(stage: Stage) -> Agency:
    """Load the stage's agency, as its environment variables choose it."""
    with paths.environment(**stage.environment):
        return load_agency(stage.agency)


def attempt_corruption(stage: Stage, place: int, clean: Outcome) -> dict[str, Any]:
    """Try one corruption on one agency, in a copy of its state folder.

    Args:
        stage: The agency.
        place: Place of the corruption in `CORRUPTIONS`: its function cannot be sent to a process.
        clean: What became of the clean delivery.

    Returns:
        The verdict, with the rules that noticed something.
    """
    corruption = CORRUPTIONS[place]
    with tempfile.TemporaryDirectory(prefix="cdi-") as scratch:
        state = Path(scratch) / "state"
        shutil.copytree(stage.state, state)
        data = spoil_files(stage, corruption, Path(scratch) / "data")
        outcome = deliver_files(stage, state, data, corruption.dataset)
    verdict, rules = judge_outcome(clean, outcome)
    return {
        "name": corruption.name,
        "agency": stage.agency,
        "dataset": corruption.dataset,
        "verdict": verdict,
        "rule_id": rules[0] if rules else None,
        "rules": rules,
        "border": outcome.border if rules else None,
    }


def clean_outcome(stage: Stage, dataset: str) -> Outcome:
    """What becomes of the clean delivery, in a copy of the agency's state folder."""
    with tempfile.TemporaryDirectory(prefix="cdi-") as scratch:
        state = Path(scratch) / "state"
        shutil.copytree(stage.state, state)
        return deliver_files(stage, state, stage.data, dataset)


def run_corruptions(
    say: Callable[[str], None] = lambda _: None,
    say_progress: Callable[[int, int], None] = lambda _done, _total: None,
    only: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Try all corruptions on both agencies and write ``<state>/corruptions.json``.

    Args:
        say: Is told each step as it begins.
        say_progress: Is told how many tries are done, and of how many.
        only: Names of corruptions; by default all are tried.

    Returns:
        One entry per corruption and agency that it can befall.

    Raises:
        CdiError: PROOF-UNKNOWN if there is no such corruption.
        GateError: CORRUPTIONS-CLEAN if a clean delivery is refused.
    """
    check_names("corruption", only, (corruption.name for corruption in CORRUPTIONS))
    with tempfile.TemporaryDirectory(prefix="cdi-") as scratch:
        say("making two agencies' files")
        stages = prepare_stages(Path(scratch))
        tries = [
            (stage, place)
            for stage in stages
            for agency in [load_stage_agency(stage)]  # once, as it takes longer than a comparison
            for place, corruption in enumerate(CORRUPTIONS)
            if corruption.befalls(agency) and (not only or corruption.name in only)
        ]
        rows = []
        # Workers are started as new processes: DuckDB's threads do not survive a fork.
        workers = min(4, os.cpu_count() or 1)
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            say("taking the clean deliveries")
            by_name = {stage.agency: stage for stage in stages}
            delivered = {
                (agency, dataset): pool.submit(clean_outcome, by_name[agency], dataset)
                for agency, dataset in dict.fromkeys(
                    (stage.agency, CORRUPTIONS[place].dataset) for stage, place in tries
                )
            }
            # If the clean delivery is refused, it proves nothing that a spoiled one is refused too.
            clean = {
                (agency, dataset): _require_acceptance(by_name[agency], dataset, job.result())
                for (agency, dataset), job in delivered.items()
            }
            say("spoiling")
            jobs = [
                pool.submit(
                    attempt_corruption,
                    stage,
                    place,
                    clean[stage.agency, CORRUPTIONS[place].dataset],
                )
                for stage, place in tries
            ]
            for done, job in enumerate(as_completed(jobs), 1):
                rows.append(job.result())
                say_progress(done, len(jobs))
    order = {corruption.name: place for place, corruption in enumerate(CORRUPTIONS)}
    rows.sort(key=lambda row: (row["agency"], order[row["name"]]))
    paths.home().mkdir(parents=True, exist_ok=True)
    write_json(paths.home() / "corruptions.json", rows)
    return rows
