"""The state of a small simulated agency that has been through everything: part of `damage`.

A tenth of the force, six months: two deliveries, learnt weights, a quarter of the open extract, an
audit drawn, read and taken in, decisions, two erasures, an access log, and a published version.
"""

import csv
import gzip
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.build.version import read_current
from cdi.files import append_line
from cdi.landing.tombstones import add_tombstone, hash_references, things_of_reference
from cdi.local.run import default_interval
from cdi.people.audit import choose_period, draw_period
from cdi.people.decisions import add_decision
from cdi.publish.access import note_access
from cdi.steps.retain import erase_reference
from cdi.steps.run import land_directly
from cdi.steps.train import learn_links, learn_text
from cdi_force.past_audit import AUDITORS
from cdi_proofs.auditors import read_whole_audit
from cdi_proofs.published import run_simulated

MONTHS = 6
_SCENARIO = """extends: calibrated_2017
title: A tenth of the force
volumes: {logs: 30000, records: 3736, violence_records: 988, hidden_crimes: 500,
  frame_no_crime_logs: 1300, non_crime_occurrences: 5100, addresses: 9000}
"""
Say = Callable[[str], None]


def select_small_force(home: Path, seed: int) -> AbstractContextManager[None]:
    """Choose a state folder and the small force during a `with` block."""
    scenario = paths.home() / "scenarios" / "smallville"
    scenario.mkdir(parents=True, exist_ok=True)
    (scenario / "scenario.yaml").write_text(_SCENARIO, encoding="utf-8")
    return paths.environment(
        CDI_HOME=str(home),
        CDI_PREPARED=str(home / "prepared"),
        SCENARIO=str(scenario),
        MONTHS=str(MONTHS),
        SEED=str(seed),
    )


def make_state(say: Say) -> None:
    """Make the state in the chosen folder, unless it is there and whole."""
    mark = paths.home() / "made"
    if mark.is_file():
        return
    if read_current(paths.SIMULATED) is None:  # else an earlier try was stopped after it
        run_simulated(say)
    agency = load_agency(paths.SIMULATED)
    interval = default_interval(agency)
    say("a draw, its readings, decisions and looks")
    _run_audit(agency)
    _decide(agency)
    for number in range(20):
        note_access(agency.agency, f"user{number % 3}", "worklist/index.html", "v1", "daily work")
    say("a second delivery, and what is learnt from it")
    _leave_out_last_row(agency)
    land_directly(agency.agency, interval)
    learn_links(agency.agency)
    learn_text(agency.agency)
    say("an erasure, which publishes")
    erased, unknown = _find_plain_call(agency), "NMP-20990101-0001"
    hashes = hash_references(agency.agency, things_of_reference(agency, unknown))
    add_tombstone(agency.agency, hashes, "request 1", datetime.now(UTC))
    erase_reference(agency, erased, "request 2", lambda _: None)
    _leave_marks(agency, interval)
    mark.touch()


def read_published(agency: Agency, query: str) -> list[tuple[str, ...]]:
    """Query the published file."""
    file = paths.current(agency.agency) / "recording.duckdb"
    with duckdb.connect(str(file), read_only=True) as con:
        return con.execute(query).fetchall()


def _run_audit(agency: Agency) -> None:
    period = choose_period(agency, "frame")
    draw = draw_period(agency, period, AUDITORS, logs=150, seed=1)
    read_whole_audit(agency, draw)


def _decide(agency: Agency) -> None:
    query = "select distinct call_id from unrecorded_crimes order by call_id limit 12"
    for number, (call_id,) in enumerate(read_published(agency, query)):
        kind = ("confirmed", "dismissed")[number % 2]
        decision = {"decision_kind": kind, "call_id": call_id, "call_reference": call_id}
        reason = {"reason_code": "GOOD_INTENT"} if kind == "dismissed" else {}
        people = {"decided_by": "1207", "second_person": "1311"}
        add_decision(agency, {**decision, **reason, **people})


def _leave_out_last_row(agency: Agency) -> None:
    """Let the source of calls and of crime records lose a row, so that both are landed again."""
    for name in ("calls", "crimes"):
        file = sorted(Path(agency.root).glob(f"{name}-*.csv.gz"))[-1]
        lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
        file.write_bytes(gzip.compress(b"".join(lines[:-1]), mtime=0))


def _find_plain_call(agency: Agency) -> str:
    """Find a call that nobody decided about, so that little goes with it."""
    with (paths.decisions_file(agency.agency)).open(newline="", encoding="utf-8") as file:
        decided = {row["call_reference"] for row in csv.DictReader(file)}
    query = "select call_id from fct_calls order by hash(call_id)"
    return next(row[0] for row in read_published(agency, query) if row[0] not in decided)


def _leave_marks(agency: Agency, interval: Interval) -> None:
    """Leave what only people read: a note of a loss, and a log of Airflow."""
    home = paths.landing(agency.agency, "calls")
    append_line(home / "losses.jsonl", '{"at": "2026-01-01", "by": "a", "reason": "made up"}')
    log = paths.home() / "airflow" / "logs" / f"dag_id={agency.agency}__build" / "task.log"
    log.parent.mkdir(parents=True)
    first = interval.start + timedelta(days=1)
    log.write_text(f"{first:%Y-%m-%d %H:%M} nothing changed\n" * 40, encoding="utf-8")
