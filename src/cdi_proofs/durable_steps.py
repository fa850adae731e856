"""The steps whose power is cut by `cdi_proofs.durability`, and what is there after them.

All is done to the made-up agency of the tests, in a state folder of its own. Each step is run by
`perform_step` in a process of its own, which prints what a person or a task's note would be told.
"""

import csv
import json
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.audit.draws import load_draw
from cdi.audit.register import Register
from cdi.build.version import find_description, read_private_name
from cdi.cli import app
from cdi.console import say_line
from cdi.erasure.look import wanted_of
from cdi.erasure.traces import find_traces
from cdi.errors import AuditError, CdiError, name_machine_failures
from cdi.files import put_torn_rest_aside, read_json, sha256_of_file, write_json
from cdi.landing.batches import accepted_batches
from cdi.landing.tombstones import read_tombstones, things_of_reference
from cdi.people.audit import choose_period, draw_period, find_draw
from cdi.people.audit_sheet import HEADER
from cdi.people.worksheets import write_draw_worksheets
from cdi.scratch import keep_private
from cdi.sealed_files import find_damaged_files
from cdi.steps.build import check_marts, make_build, publish_version, write_report
from cdi.steps.extract import check_landing, extract
from cdi.steps.verify import verify_agency

SAMPLE = paths.REPO / "tests" / "agencies" / "sample"
AGENCY = "sample"
AUDITORS = ("1207", "1311")
# The version tells of this moment: by then all logs are old enough to be audited.
AS_OF = datetime(2017, 6, 1, tzinfo=UTC)
SEED = 7
READY = "ready"
# What differs between two equal runs: times, random references, and the hashes over them.
_OF_THE_MOMENT = ("at", "hash", "previous", "sample_hash")
_ALSO_OF_THE_MOMENT = ("decision_reference", "decided_at")
_RUN_RESULTS = "run_results"
Facts = Mapping[str, str]


@dataclass(frozen=True)
class DurableStep:
    """A step that is disturbed.

    Attributes:
        name: Its name.
        before: The disk that it begins with.
        run: Does it, and prints what is told.
        tells: Patterns of what is told as done, each with the parts of `look_at_state` that are
            then as after an undisturbed step.
        share: How many of a hundred cuts and kills it gets.
    """

    name: str
    before: str
    run: Callable[[Facts], None]
    tells: tuple[tuple[str, tuple[str, ...]], ...]
    share: int


def _days(agency: Agency) -> tuple[date, date, date]:
    """First day, the day from which the calls are delivered last, and the day after the last."""
    assert agency.coverage is not None  # noqa: S101  its agency.yaml gives it
    return agency.coverage.start, agency.coverage.end - timedelta(days=2), agency.coverage.end


def land_earlier_days(_facts: Facts) -> None:
    """Land all crime records, and all calls but those of the last two days."""
    agency = load_agency(AGENCY)
    first, last, end = _days(agency)
    for dataset, until in (("calls", last), ("crime_records", end)):
        _land(agency, dataset, first, until)


def land_last_days(_facts: Facts) -> None:
    """Extract and check the calls of the last two days."""
    agency = load_agency(AGENCY)
    _, last, end = _days(agency)
    _land(agency, "calls", last, end)


def _land(agency: Agency, dataset: str, start: date, end: date) -> None:
    extracted = extract(AGENCY, dataset, Interval.of_days(agency, start, end))
    say_line(extracted.note)
    if extracted.result:
        say_line(check_landing(AGENCY, dataset, extracted.result).note)


def build_version(_facts: Facts) -> None:
    """Build the private version."""
    say_line(make_build(AGENCY, AS_OF).note)


def check_and_report(_facts: Facts) -> None:
    """Check the private version and write its pages."""
    version = str(read_private_name(AGENCY))
    say_line(f"checked: {check_marts(AGENCY, version).note}")
    say_line(f"reported: {write_report(AGENCY, version).note}")


def publish(facts: Facts) -> None:
    """Publish the private version."""
    say_line(publish_version(AGENCY, facts["version"]).note)


def decide(facts: Facts) -> None:
    """Decide on one call."""
    _command("decide", AGENCY, "confirmed", "--by", "1207", "--call", facts["call"])


def decide_by_sheet(facts: Facts) -> None:
    """Give a filled-in worklist."""
    _command("decide", AGENCY, "--file", facts["worklist"])


def draw(_facts: Facts) -> None:
    """Draw an audit and write its worksheets; if it was drawn before, write them again."""
    agency = load_agency(AGENCY)
    first, _, end = _days(agency)
    period = choose_period(agency, "frame", first, end)
    try:
        drawn = draw_period(agency, period, AUDITORS, logs=60, seed=SEED)
    except AuditError as error:
        if error.rule_id != "AUDIT-REDRAWN":
            raise
        drawn = find_draw(agency)
    say_line(f"drawn: {drawn.draw_id}")
    for file in write_draw_worksheets(agency, drawn):
        say_line(f"written {file}")


def deliver_first(facts: Facts) -> None:
    """Take in the worksheet of the first auditor."""
    _command("audit", "findings", AGENCY, facts["sheet_1207"])


def deliver_second(facts: Facts) -> None:
    """Take in the worksheet of the second auditor."""
    _command("audit", "findings", AGENCY, facts["sheet_1311"])


def erase(facts: Facts) -> None:
    """Erase a call."""
    _command("erase", AGENCY, facts["erased"], "--reason", "request 12 of 2026")


def _command(*arguments: str) -> None:
    app(list(arguments), standalone_mode=False)


_DECIDED = (r"^decision \w+ written|^\d+ decisions? written", ("decisions",))
_ALL = ("batches", "decisions", "findings", "register", "draws", "sheets", "tombstones")
_ERASED = (r"^nothing of it is left", (*_ALL, "published", "traces"))
# the pages are told of later than the tables
_CHECKED = ((r"^checked:", ("private_tables",)), (r"^reported:", ("private",)))
STEPS = (
    DurableStep("extract", "earlier", land_last_days, ((r"^accepted as", ("batches",)),), 16),
    DurableStep("first build", "landed", build_version, ((r"^version", ("private",)),), 5),
    DurableStep("build", "prepared", build_version, ((r"^version", ("private",)),), 10),
    DurableStep("check", "built", check_and_report, _CHECKED, 7),
    DurableStep("publish", "reported", publish, ((r"^published|^version", ("published",)),), 16),
    DurableStep("decide", "published", decide, (_DECIDED,), 9),
    DurableStep("decide by sheet", "published", decide_by_sheet, (_DECIDED,), 9),
    DurableStep(
        "draw",
        "published",
        draw,
        ((r"^drawn:", ("register", "draws")), (r"^written", ("sheets",))),
        9,
    ),
    DurableStep(
        "take in a sheet", "read", deliver_second, ((r"logs read", ("findings", "register")),), 7
    ),
    DurableStep("erase", "unpublished", erase, (_ERASED,), 7),
    DurableStep("erase and publish", "audited", erase, (_ERASED,), 5),
)


def perform_step(run: Callable[[Facts], None], facts: Facts, told: Path) -> None:
    """Run a step as the only work of this process, which leads a process group of its own.

    Args:
        run: A function of this module.
        facts: What `prepare_disks` found out.
        told: Takes what is told, line by line.
    """
    os.setsid()
    for standard in (1, 2):
        os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), standard)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    keep_private()
    os.environ.update(facts_environment(facts))
    say_line(READY)
    # as `cdi.console.run_app` and the tasks of the DAGs do it
    try:
        with name_machine_failures():
            run(facts)
    except CdiError as error:
        say_line(f"Error {error}")
        sys.exit(1)


def facts_environment(facts: Facts) -> dict[str, str]:
    """The environment variables that choose the state folder and the agency."""
    return {"CDI_HOME": facts["home"], "CDI_AGENCIES": str(SAMPLE.parent), "COLUMNS": "200"}


# ---------------------------------------------------------------------- what is there


def look_at_state(facts: Facts, result: Path) -> None:
    """Write down what is in the state folder, as JSON, for a comparison with another run.

    A part that a reader could not read is an id of an error, or a whole traceback.

    Args:
        facts: What `prepare_disks` found out.
        result: The file to write.
    """
    os.environ.update(facts_environment(facts))
    parts: dict[str, Callable[[], Any]] = {
        "batches": _look_at_batches,
        "decisions": _look_at_decisions,
        "findings": lambda: _read_texts(paths.audit(AGENCY) / "findings"),
        "register": _look_at_register,
        "draws": _look_at_draws,
        "sheets": _look_at_sheets,
        "tombstones": _look_at_tombstones,
        "private": lambda: _look_at_version(paths.private(AGENCY), facts),
        "private_tables": lambda: _look_at_tables(paths.private(AGENCY), facts),
        "published": lambda: _look_at_version(paths.current(AGENCY), facts),
        "traces": lambda: _look_for_traces(facts),
        "damaged": _look_for_damage,
        "verify": _look_by_verify,
    }
    found = {name: _look_or_say_why(look) for name, look in parts.items()}
    result.write_text(json.dumps(found, default=str), encoding="utf-8")


def _look_or_say_why(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except CdiError as error:
        return f"[{error.rule_id}] {error.message}"
    except Exception:
        return traceback.format_exc()


def _look_at_batches() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for dataset in load_agency(AGENCY).sources:
        for batch in accepted_batches(AGENCY, dataset):
            names = ("seq", "content_sha256", "read", "accepted", "quarantined", "erased")
            found[f"{dataset} {batch.folder.name}"] = [
                *(batch.manifest[name] for name in names),
                _hash_rows(f"read_parquet('{batch.rows}')"),
                # originals of refused rows are encrypted with a salt of the moment
                _hash_rows(
                    f"(select * exclude original_encrypted from read_parquet('{batch.quarantine}'))"
                ),
            ]
    return found


def _hash_rows(table: str) -> list[Any]:
    with duckdb.connect() as con:
        return _hash_table(con, table)


def _hash_table(con: duckdb.DuckDBPyConnection, table: str) -> list[Any]:
    # the sum of the hashes does not depend on the order of the rows
    query = f"select count(*), cast(sum(hash(t)) as varchar) from {table} as t"
    return [list(row) for row in con.execute(query).fetchall()]


def _look_at_decisions() -> list[Any]:
    file = paths.decisions_file(AGENCY)
    put_torn_rest_aside(file)  # as whoever reads it does
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    kept = [
        {name: text for name, text in row.items() if name not in _ALSO_OF_THE_MOMENT}
        for row in rows
    ]
    return sorted({json.dumps(row, sort_keys=True) for row in kept})


def _look_at_register() -> list[Any]:
    lines = Register(AGENCY).entries()
    kept = [{k: v for k, v in line.items() if k not in _OF_THE_MOMENT} for line in lines]
    return sorted({json.dumps(line, sort_keys=True) for line in kept})


def _look_at_tombstones() -> list[str]:
    return sorted({hashed for line in read_tombstones(AGENCY) for hashed in line["hashes"]})


def _look_at_draws() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in Register(AGENCY).draws():
        drawn = load_draw(AGENCY, line["draw_id"])
        found[drawn.draw_id] = [drawn.call_ids, drawn.auditors, drawn.seconds]
    return found


def _look_at_sheets() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for folder in sorted(paths.audit(AGENCY).glob("*/worksheets")):
        found |= _read_texts(folder)
        found |= {file.name: file.stat().st_size > 0 for file in folder.glob("[!.]*.xlsx")}
    return found


def _read_texts(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text("utf-8-sig") for file in sorted(folder.glob("*.csv"))}


def _look_at_version(folder: Path, facts: Facts) -> dict[str, Any] | None:
    described = find_description(folder)
    if described is None:
        return None
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    tables = _look_at_tables(folder, facts)
    return {"version": described["version"], "tables": tables, "files": files}


def _look_at_tables(folder: Path, facts: Facts) -> dict[str, Any] | None:
    """Hash the tables of a version; the same bytes have the same tables, and are hashed once."""
    if find_description(folder) is None:
        return None
    file = folder / "recording.duckdb"
    hashed = Path(facts["hashed"]) / f"{sha256_of_file(file)}.json"
    if not hashed.exists():
        write_json(hashed, _hash_tables(file))
    return read_json(hashed)


def _hash_tables(file: Path) -> dict[str, Any]:
    with duckdb.connect(str(file), read_only=True) as con:
        names = con.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        return {
            f"{schema}.{name}": _hash_table(con, f'"{schema}"."{name}"')
            for schema, name in names
            if name != _RUN_RESULTS
        }


def _look_for_traces(facts: Facts) -> list[str]:
    """List the files that hold what is erased; none where a step erases nothing."""
    if "wanted" not in facts:
        return []
    wanted = pickle.loads(Path(facts["wanted"]).read_bytes())  # noqa: S301  written by this proof
    return sorted(str(file) for file, _ in find_traces(AGENCY, wanted))


def _look_for_damage() -> list[str]:
    """What a reader would take and is not whole: empty files, half batches, damaged versions.

    A file of lines may be empty: nothing was written to it yet.
    """
    problems = []
    put_torn_rest_aside(paths.decisions_file(AGENCY))  # as whoever reads it does
    for file in paths.home().rglob("*"):
        inner = file.relative_to(paths.home())
        is_read = not any(part.startswith(".") for part in inner.parts) and inner.parts[0] != "dbt"
        if is_read and file.is_file() and file.suffix != ".jsonl" and not file.stat().st_size:
            problems.append(f"{inner} is empty")
    for folder in sorted((paths.published(AGENCY) / "versions").glob("[!.]*/")):
        problems += [
            f"{folder.name}/{name} is damaged" for name in find_damaged_files(AGENCY, folder)
        ]
    for manifest in paths.home().glob("landing/*/*/[!b.]*/[!.]*/manifest.json"):  # not `batches`
        for name in ("rows.parquet", "quarantine.parquet"):
            _hash_rows(f"read_parquet('{manifest.parent / name}')")
    return problems


def _look_by_verify() -> str:
    verify_agency(load_agency(AGENCY), lambda _: None)
    return "verified"


# ---------------------------------------------------------------------- preparations


def find_facts(folder: Path) -> dict[str, str]:
    """Choose a call of the published version, and fill in its worklist.

    Args:
        folder: Where the filled-in worklist is written.
    """
    file = paths.current(AGENCY) / "recording.duckdb"
    with duckdb.connect(str(file), read_only=True) as con:
        calls = con.execute(
            "select min(call_id) from unrecorded_crimes where not is_rape"
        ).fetchall()
    source, target = file.parent / "worklist" / "worklist.csv", folder / "worklist.csv"
    with source.open(newline="", encoding="utf-8-sig") as handle:
        rows = list(csv.DictReader(handle))
    for row in rows[:25]:
        row |= {"decision": "confirmed", "decided_by": "1207", "note": "read,\nand heard"}
    _write_rows(target, rows)
    return {
        "call": str(calls[0][0]),
        "worklist": str(target),
    }


def fill_in_sheets(folder: Path) -> dict[str, str]:
    """Fill in the worksheets of the newest draw: no log tells of a crime.

    Returns:
        The file of each auditor, a log that was drawn, to be erased, and a file of what is looked
        for after its erasure.
    """
    agency = load_agency(AGENCY)
    drawn = find_draw(agency)
    files = {}
    read_at = f"{datetime.now(agency.zone):%Y-%m-%d %H:%M:%S}"
    for auditor in AUDITORS:
        (sheet,) = (paths.audit(AGENCY) / drawn.draw_id / "worksheets").glob(f"*_{auditor}.csv")
        with sheet.open(newline="", encoding="utf-8") as handle:
            rows = [{name: row[name] for name in HEADER} for row in csv.DictReader(handle)]
        for row in rows:
            row |= {"audited_at": read_at, "crime_number": "0"}
            row |= {"due_count": "0", "recorded_count": "0"}
        target = folder / f"filled_{auditor}.csv"
        _write_rows(target, rows)
        files[f"sheet_{auditor}"] = str(target)
    erased = str(drawn.call_ids[0])
    wanted = wanted_of(agency, things_of_reference(agency, erased))
    (folder / "wanted").write_bytes(pickle.dumps(wanted))
    return {**files, "erased": erased, "wanted": str(folder / "wanted")}


def _write_rows(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
