"""After an erasure no byte of a log is left, whatever keeps it; the search here is not `cdi`'s."""

import gzip
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest

from cdi import paths
from cdi.agency.model import Agency
from cdi.audit.draws import load_draw
from cdi.audit.register import Register
from cdi.erasure import take_out
from cdi.erasure.look import look_for_reference, wanted_of
from cdi.errors import BusyError, CdiError, StateError
from cdi.files import take_lock
from cdi.landing import batches, forget
from cdi.landing.batches import accepted_batches
from cdi.landing.tombstones import (
    add_tombstone,
    hash_references,
    read_hashes,
    read_tombstones,
    things_of_reference,
)
from cdi.people.audit import deliver_worksheet
from cdi.people.decisions import add_decision
from cdi.people.worksheets import write_draw_worksheets
from cdi.sql import connect, scalar
from cdi.steps import retain
from cdi.steps.retain import erase_reference
from cdi.steps.run import is_up_to_date
from tests.conftest import ELSEWHERE, SmallAgency
from tests.pipeline.test_audit_loop import (
    CALLS,
    NAMED,
    calls,
    draw_logs,
    filled,
    is_recorded,
    number,
    phrase,
    published_force,
    write_calls,
)
from tests.pipeline.test_decisions import row, write
from tests.traces import kinds_with


@pytest.fixture(scope="module")
def force(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallAgency]:
    """Published, drawn, audited in part and decided upon; a log is kept wherever one can be."""
    with published_force(tmp_path_factory) as agency:
        yield agency


@pytest.fixture(scope="module")
def log(force: SmallAgency) -> int:
    """A drawn log with a record and a refused row; it is put wherever else a log can be."""
    drawn = draw_logs(force)
    write_draw_worksheets(force.agency, drawn)
    n = next(n for n in NAMED if is_recorded(n) and number(n) in drawn.call_ids)
    auditor = drawn.auditors[drawn.call_ids.index(number(n))]
    deliver_worksheet(force.agency, filled(drawn, auditor))
    write(force, "a.csv", row("D1", call_reference=f"t{n:04d}"), row("D2", call_reference="T0001"))
    for dataset in ("decisions", "audit_readings"):
        force.extract_and_check(dataset)
    _as_if_killed(force)
    _as_if_airflow_ran(number(n))
    return n


def _as_if_killed(force: SmallAgency) -> None:
    """A refused batch, a pending one, and what a killed extraction leaves."""
    home = paths.landing("testville", "calls")
    (batch,) = accepted_batches("testville", "calls")
    for name in ("refused/older", "pending/later"):
        shutil.copytree(batch.folder, home / name)
    (home / "pending" / ".20260105" / "fetched").mkdir(parents=True)
    (home / "pending" / ".20260105" / "fetched" / "0000").write_bytes(
        gzip.decompress((force.data / "calls.csv.gz").read_bytes())
    )


def _as_if_airflow_ran(reference: str) -> None:
    home = paths.home()
    (home / "airflow" / "logs").mkdir(parents=True)
    (home / "airflow" / "logs" / "task.log").write_text(f"looked at {reference}.\nand at T-9999\n")
    (home / "access").mkdir()
    (home / "access" / "testville.jsonl").write_text(f'{{"what": "worklist/{reference}.html"}}\n')
    (home / "run.json").write_text('{"calls": 240}\n')
    with sqlite3.connect(home / "airflow" / "airflow.db") as con:
        con.execute("pragma journal_mode = wal")
        con.execute("create table xcom (dag_id text, key text, value json)")
        for key in ("old", "note"):
            con.execute("insert into xcom values ('testville__build', ?, ?)", [key, reference])
        con.execute("delete from xcom where key = 'old'")
    con.close()


def _count_numbers(rows: Path, call: str) -> int:
    """Count the landed rows that have the number of a call, whatever column it is in."""
    with connect() as con:
        columns = con.sql(f"from read_parquet('{rows}')").columns
        numbers = [name for name in columns if name.endswith("_no")]
        return int(
            scalar(
                con,
                f"select count(*) from read_parquet('{rows}') "
                f"where md5_number_lower('{call}') in ({', '.join(numbers)})",
            )
        )


def words(n: int) -> list[str]:
    """What must be nowhere: the reference as it stands and as people typed it, and its text."""
    return [number(n), f"t{n:04d}", phrase(n), phrase(n)[:30]]


class Erasure(NamedTuple):
    """What was found of a log before its erasure, and what the erasure told.

    Attributes:
        places: The files that held a word of it, as from `kinds_with`.
        files: The files in which the product found it.
        lines: What the erasure told.
    """

    places: dict[str, str]
    files: set[Path]
    lines: list[str]


@pytest.fixture(scope="module")
def erasure(force: SmallAgency, log: int) -> Erasure:
    """The erasure of the log."""
    places = kinds_with(paths.home(), "testville", words(log))
    files = set(look_for_reference(force.agency, f"t{log:04d}"))
    (batch,) = accepted_batches("testville", "crime_records")
    assert _count_numbers(batch.rows, number(log)) == 1
    lines: list[str] = []
    erase_reference(force.agency, f"t{log:04d}", "request 12", lines.append)
    return Erasure(places, files, lines)


def test_not_a_byte_of_an_erased_log_is_left(
    force: SmallAgency, log: int, erasure: Erasure
) -> None:
    for place in (
        "access/testville.jsonl",
        "airflow/airflow.db",
        "airflow/logs/task.log",
        "worksheets",
        "audit/testville/findings",
        "frame.parquet",
        ".xlsx",
        "decisions/testville/a.csv",
        "landing/testville/decisions/batches",
        "landing/testville/crime_records/batches",
        "landing/testville/calls/pending/.",
        "landing/testville/calls/pending/later",
        "landing/testville/calls/refused/older",
        "rows.parquet",
        "quarantine.parquet",
        "recording.duckdb",
    ):
        assert any(place in name for name in erasure.places), f"it was not in {place} before"
    assert erasure.files >= {
        paths.home() / name for name in erasure.places if "published" not in name
    }
    assert kinds_with(paths.home(), "testville", words(log)) == {}
    assert "nothing of it is left" in erasure.lines[-1]
    # nor the number that stands for it, in the record that named it for instance
    for rows in (paths.home() / "landing").rglob("rows.parquet"):
        assert _count_numbers(rows, number(log)) == 0
    # and nothing else was lost
    assert force.rows("select count(*) from fct_calls") == [(CALLS - 1,)]
    assert force.rows(f"select count(*) from fct_calls where call_id = '{number(log + 1)}'") == [
        (1,)
    ]
    assert len(load_draw("testville", draws()[0]).holes) == 1
    assert "T0001" in (paths.decisions("testville") / "a.csv").read_text()
    assert "T-9999" in (paths.home() / "airflow" / "logs" / "task.log").read_text()
    assert len(list((paths.published("testville") / "versions").iterdir())) == 1
    (line,) = read_tombstones("testville")
    assert line["reason"] == "request 12"


def draws() -> list[str]:
    return [line["draw_id"] for line in Register("testville").draws()]


@pytest.mark.usefixtures("erasure")
def test_the_next_extraction_of_the_same_source_is_a_no_op(force: SmallAgency, log: int) -> None:
    assert read_tombstones("testville")
    assert number(log).encode() in gzip.decompress((force.data / "calls.csv.gz").read_bytes())
    assert is_up_to_date("testville", force.interval)
    assert not force.run()


@pytest.mark.usefixtures("erasure")
def test_an_erasure_that_was_killed_is_finished_by_the_next_and_both_logs_stay_out(
    force: SmallAgency, log: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source is delivered anew, with one log more and both erased ones in it."""
    other = next(n for n in NAMED if is_recorded(n) and n not in (log, log + 1))
    more = [number(CALLS), "2026-01-06 23:00", "", "NOISE", "NOISE", "NONE", "N", "", "", "late"]
    write_calls(force, [*calls(), more])
    assert kinds_with(paths.home(), "testville", words(other))
    for owner, part in ((forget, "replace_manifest"), (retain, "_publish_remaining")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, part, _killed)
            with pytest.raises(KeyboardInterrupt):
                erase_reference(force.agency, number(other), "request 13", lambda line: None)
    assert kinds_with(paths.home(), "testville", words(other))
    assert force.run()  # as the schedule brings it, before anybody looks
    erase_reference(force.agency, number(other), "request 13", lambda line: None)
    assert kinds_with(paths.home(), "testville", [*words(log), *words(other)]) == {}
    newest = accepted_batches("testville", "calls")[-1].manifest
    # each log's own row, and a refused one
    assert (newest["read"], newest["erased"]) == (CALLS + 1 + len(NAMED), 4)
    assert newest["read"] == sum(newest[fate] for fate in batches.FATES[1:])
    assert force.rows(
        "select count(*) from conservation where read_count <> accepted_count "
        "+ quarantined_count + duplicate_count + erased_count"
    ) == [(0,)]
    assert force.rows("select sum(erased_count) > 0 from conservation") == [(True,)]
    assert force.rows("select count(*) from fct_calls") == [(CALLS - 1,)]


def test_an_erasure_that_was_killed_where_a_log_is_only_named_is_finished_by_the_next(
    told: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row goes, so no count differs; the published version holds the name still.

    Nothing refers to the log any more, but it was erased before, so it may be erased again.
    """
    hashes = hash_references("testville", things_of_reference(told.agency, ELSEWHERE))
    add_tombstone("testville", hashes, "request 15", datetime(2026, 1, 1, tzinfo=UTC))

    def naming() -> dict[str, str]:
        return kinds_with(paths.home(), "testville", [ELSEWHERE])

    with monkeypatch.context() as patch:
        patch.setattr(forget, "replace_manifest", _killed)
        with pytest.raises(KeyboardInterrupt):
            erase_reference(told.agency, ELSEWHERE, "request 16", lambda line: None)
    assert any("recording.duckdb" in name for name in naming())
    (*_, batch) = accepted_batches("testville", "calls")
    assert ELSEWHERE.encode() not in batch.rows.read_bytes()
    lines: list[str] = []
    erase_reference(told.agency, ELSEWHERE, "request 16", lines.append)
    assert "nothing of it is left" in lines[-1]
    assert naming() == {}
    (*_, batch) = accepted_batches("testville", "calls")
    assert not any(file.name.startswith(".") for file in batch.folder.iterdir())


def _killed(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_reference_that_nothing_refers_to_gets_no_tombstone(force: SmallAgency) -> None:
    before = read_hashes("testville")
    with pytest.raises(CdiError, match="ERASE-UNKNOWN"):
        erase_reference(force.agency, "T-8888", "request 14", lambda line: None)
    assert read_hashes("testville") == before


def test_a_reason_must_not_name_what_is_erased(force: SmallAgency) -> None:
    with pytest.raises(CdiError, match="ERASE-REASON"):
        erase_reference(force.agency, "T-0020", "the man of T-0020 asked", lambda line: None)


def test_what_is_left_is_told_and_fails(
    force: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that the erasure cannot change is named, not passed over."""
    file: Path = paths.audit("testville") / "notes.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("ask about T-0021")
    for part in ("take_out", "_publish_remaining"):
        monkeypatch.setattr(retain, part, lambda *arguments: True)
    with pytest.raises(CdiError, match="ERASE-LEFT") as caught:
        erase_reference(force.agency, "T-0021", "request 15", lambda line: None)
    assert str(file) in caught.value.message


@pytest.mark.parametrize("dataset", ["calls", "crime_records"])
def test_nothing_is_erased_while_a_batch_is_damaged(ran: SmallAgency, dataset: str) -> None:
    """A file that is cut may have held it, so the answer is not a traceback and not `done`."""
    ran.settings["sources"]["calls"]["retention_days"] = 30
    ran.write_settings()
    (batch,) = accepted_batches("testville", dataset)
    content = batch.rows.read_bytes()
    batch.rows.chmod(0o600)
    batch.rows.write_bytes(content[: len(content) // 2])
    for work in (
        lambda: look_for_reference(ran.agency, "T-0001"),
        lambda: erase_reference(ran.agency, "T-0001", "request 12", lambda _: None),
        lambda: retain.remove_expired(ran.agency, lambda _: None),
    ):
        with pytest.raises(StateError, match=f"LANDING-DAMAGED.*{dataset}"):
            work()
    assert read_tombstones("testville") == []


def test_what_is_decided_during_an_erasure_is_landed_after_it(
    ran: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be marked as landed with the rest of its file, and no version would show it."""
    write(ran, "a.csv", row("D1"), row("D2", call_reference="T0001"))
    ran.extract_and_check("decisions")
    paths.audit("testville").mkdir(parents=True)
    decision = {"decision_kind": "confirmed", "call_reference": "T-0002", "decided_by": "1207"}
    decider = Thread(target=add_decision, args=(ran.agency, decision))
    adopt = take_out.adopt_source

    def decide_first(agency: Agency, dataset: str) -> None:
        with pytest.raises(BusyError), take_lock(paths.audit("testville"), "readings"):
            pass
        decider.start()
        decider.join(timeout=3)
        assert decider.is_alive()  # it waits for the erasure
        adopt(agency, dataset)

    monkeypatch.setattr(take_out, "adopt_source", decide_first)
    things = things_of_reference(ran.agency, "T-0001")
    wanted = wanted_of(ran.agency, things)
    retain.take_out_reference(ran.agency, things, wanted, "request 12", lambda _: None)
    decider.join()
    ran.extract_and_check("decisions")
    staged = ran.staged("select published_call_id from staging.stg_decisions")
    assert staged == [("T-0002",), ("T-0002",)]
