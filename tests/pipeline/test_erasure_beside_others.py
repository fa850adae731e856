"""An erasure takes its own reference in every written form, and no byte of anything else.

What is expected is written down line by line when the files are made, and does not come from `cdi`.
"""

import contextlib
import html
import json
import re
import shutil
import sqlite3
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest

from cdi import paths
from cdi.errors import CdiError
from cdi.landing.batches import accepted_batches
from cdi.landing.tombstones import read_tombstones
from cdi.steps.retain import erase_reference
from tests.conftest import (
    CALL_HEADER,
    CALLS,
    RECORD_HEADER,
    RECORDS,
    SmallAgency,
    alone,
    csv_bytes,
    make_once,
)
from tests.traces import kinds_with

# Each pair begins alike, is cleaned to a like page name, or has signs that some format escapes.
AWKWARD = (
    "NM/2026/0001",
    "NM/2026/00012",
    "NM/2026/0001/2",
    "nm 2026 0007",
    "Über-Größe-12",
    "O'Neil\"77",
    "100%/2026/5",
    "A&B<7>-1234",
    "NM-2026-0001",
    "20260105",
    "2026",
)
COMMON = {"20260105", "2026"}
PLAIN = f"{string.ascii_letters}{string.digits}-"


def page(reference: str) -> str:
    """The name of a call's page, written apart from the product's own rule."""
    capitals = reference.replace("ß", "ẞ").upper()  # Python's would be SS
    return re.sub("_+", "_", "".join(c if c in PLAIN else "_" for c in capitals))


def forms(reference: str) -> list[str]:
    """How logs write a reference: raw, in URLs, in JSON (also twice), in HTML, as a page."""
    dumped = json.dumps(reference)[1:-1]
    return [
        reference,
        quote(reference, safe=""),
        quote(reference, safe="").lower(),
        dumped,
        dumped.replace("/", "\\/"),
        json.dumps(dumped)[1:-1],
        html.escape(reference),
        page(reference),
    ]


@dataclass
class Log:
    """A text file of which each line is known: its reference, its form there, and whose it is."""

    lines: list[tuple[str, str, str, str, bool]] = field(default_factory=list)

    def add(self, before: str, reference: str, form: str, after: str, *, goes: bool) -> None:
        """Add a line; `goes` if an erasure of the reference by testville writes over its form."""
        self.lines.append((before, reference, form, after, goes))

    def expected(self, erased: str = "") -> bytes:
        """The bytes of the file, after a reference was erased."""
        written = []
        for before, reference, form, after, goes in self.lines:
            is_gone = goes and reference == erased
            written.append(before + ("x" * len(form.encode()) if is_gone else form) + after)
        return ("\n".join(written) + "\n").encode()


def make_logs() -> dict[str, Log]:
    """Logs by their path below the state folder; each reference stands in each of its forms."""
    logs = {
        "access/testville.jsonl": Log(),
        "access/elsewhere.jsonl": Log(),
        "airflow/logs/api-server.log": Log(),
        "airflow/logs/dag_id=testville__build/run_id=r/task_id=t/attempt=1.log": Log(),
        "airflow/logs/dag_id=elsewhere__build/run_id=r/task_id=t/attempt=1.log": Log(),
    }
    access, other_access, server, task, other_task = logs.values()
    for reference in AWKWARD:
        start = '{"at": "2026-01-05T10:00:00.412070Z", "who": "2026", "what": "worklist/logs/'
        end = '.html", "version": "20260105T2300-20260105"}'
        access.add(start, reference, page(reference), end, goes=True)
        other_access.add(start, reference, page(reference), end, goes=False)
        for agency in ("testville", "elsewhere"):
            url = f'INFO 2026-01-05 10:00 "GET /cdi/{agency}/worklist/logs/'
            server.add(url, reference, page(reference), '.html" 200', goes=agency == "testville")
        for form in forms(reference):
            goes = reference not in COMMON
            time = '{"timestamp":"2026-01-05T10:00:00.20260105Z","event":"read\\n'
            task.add(time, reference, form, ' twice","lineno":2026}', goes=goes)
            other_task.add(time, reference, form, ' twice","lineno":2026}', goes=False)
            server.add("no agency: ", reference, form, ", at 20260105 in 2026", goes=goes)
    return logs


def make_airflow(file: Path) -> None:
    """A database like Airflow's, with what it has deleted still on free pages."""
    with contextlib.closing(sqlite3.connect(file)) as con:
        con.execute("pragma journal_mode = wal")
        con.execute("create table dag_run (id integer, dag_id, run_id, start_date, conf json)")
        con.execute("create table task_instance (id, dag_id, start_date, next_kwargs json)")
        con.execute("create table task_instance_note (ti_id, content)")
        con.execute("create table xcom (dag_id, key, value json)")
        con.execute("create table job (id, hostname)")
        for agency in ("testville", "elsewhere"):
            dag = f"{agency}__build"
            for n, reference in enumerate(AWKWARD):
                start = "2026-11-27 00:32"
                conf = json.dumps({"run_id": reference, "about": [reference, 2026]})
                task = f"{agency}-{n}"
                con.execute("insert into dag_run values (?, ?, ?, ?, ?)", [n, dag, n, start, conf])
                con.execute("insert into task_instance values (?, ?, ?, null)", [task, dag, start])
                note = f"looked at {reference}, in 2026"
                con.execute("insert into task_instance_note values (?, ?)", [task, note])
                con.execute("insert into xcom values (?, ?, ?)", [dag, n, json.dumps(reference)])
                if agency == "testville":
                    con.execute("insert into xcom values (?, 'old', ?)", [dag, reference])
        con.execute("delete from xcom where key = 'old'")
        con.commit()


def read_airflow(file: Path) -> dict[str, list[Any]]:
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as con:
        tables = ("dag_run", "task_instance", "task_instance_note", "xcom", "job")
        return {name: con.execute(f"select * from {name}").fetchall() for name in tables}


def replace_in_rows(rows: list[Any], reference: str) -> list[Any]:
    """The rows with `[erased]` where testville's content is the reference."""
    conf = {"run_id": reference, "about": ["[erased]", 2026]}
    known = {
        json.dumps({"run_id": reference, "about": [reference, 2026]}): json.dumps(conf),
        json.dumps(reference): '"[erased]"',
        f"looked at {reference}, in 2026": "looked at [erased], in 2026",
    }
    return [
        tuple(known.get(cell, cell) for cell in row)
        if any(str(cell).startswith("testville") for cell in row)
        else row
        for row in rows
    ]


@contextlib.contextmanager
def agency_in(folder: Path) -> Iterator[SmallAgency]:
    """Testville, whose calls have these references and name one another; no rule reads them."""
    with alone(folder) as agency:
        agency.settings["key_rules"] = {}
        agency.write_settings()
        calls = [
            [reference, *CALLS[0][1:-1], f"see {AWKWARD[n - 1]}." if n in (1, 2, 3, 10) else "-"]
            for n, reference in enumerate(AWKWARD)
        ]
        records = [
            [f"R-70000{n}", reference, *RECORDS[0][2:]] for n, reference in enumerate(AWKWARD)
        ]
        agency.write("calls.csv", csv_bytes(CALL_HEADER, calls))
        agency.write("records.csv", csv_bytes(RECORD_HEADER, records))
        yield agency


@pytest.fixture
def beside(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallAgency]:
    """The agency, landed, beside another one's logs and an Airflow's database."""

    def land(folder: Path) -> None:
        with agency_in(folder) as agency:
            for dataset in ("calls", "crime_records"):
                agency.extract_and_check(dataset)
            for name, log in make_logs().items():
                file = paths.home() / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(log.expected())
            make_airflow(paths.home() / "airflow" / "airflow.db")

    once = make_once(tmp_path_factory, "beside", land)
    shutil.copytree(once / "state", tmp_path / "state")
    with agency_in(tmp_path) as agency:
        yield agency


def hashes() -> dict[str, str]:
    """A hash of every file of the state, except locks."""
    return {
        str(file.relative_to(paths.home())): sha256(file.read_bytes()).hexdigest()
        for file in sorted(paths.home().rglob("*"))
        if file.is_file() and file.name != ".lock"
    }


def test_a_reference_that_nobody_has_is_refused_and_nothing_is_written(
    beside: SmallAgency,
) -> None:
    """Each stands in logs, in times of the database, or begins what somebody has."""
    before = hashes()
    for reference in ("2025", "00:32", "THEFT", "2026-11-27", "NM/2026", "0001"):
        with pytest.raises(CdiError, match="ERASE-UNKNOWN") as caught:
            erase_reference(beside.agency, reference, "request 12", lambda line: None)
        assert "no decision and no finding" in caught.value.message
    assert hashes() == before
    assert not read_tombstones("testville")


def landed(dataset: str, column: str) -> list[str | None]:
    (batch,) = accepted_batches("testville", dataset)
    query = f"select {column} from read_parquet('{batch.rows}') order by row_id"
    return [value for (value,) in duckdb.sql(query).fetchall()]


@pytest.mark.parametrize("reference", AWKWARD)
def test_every_form_of_a_reference_goes_and_every_other_byte_stays(
    beside: SmallAgency, reference: str
) -> None:
    before, rows = hashes(), read_airflow(paths.home() / "airflow" / "airflow.db")
    texts = landed("calls", "log_text_masked")
    lines: list[str] = []
    erase_reference(beside.agency, reference.lower(), "the request", lines.append)
    assert "nothing of it is left" in lines[-1]
    assert any("too common" in line for line in lines) == (reference in COMMON)
    # the logs: each line as it was, or with its own reference written over
    logs = make_logs()
    for name, log in logs.items():
        assert (paths.home() / name).read_bytes() == log.expected(reference), name
    # the database: named columns of testville's rows, and nothing on free pages or in the log
    file = paths.home() / "airflow" / "airflow.db"
    goes = reference not in COMMON
    assert read_airflow(file) == {
        table: replace_in_rows(content, reference) if goes else content
        for table, content in rows.items()
    }
    # the landing
    stays = [other for other in AWKWARD if other != reference]
    assert landed("calls", "call_reference") == stays
    assert landed("crime_records", "call_reference") == [
        other if other != reference else None for other in AWKWARD
    ]
    named = "[erased]" if goes else reference
    expected = [
        text and (text if text != f"see {reference}." else f"see {named}.")
        for other, text in zip(AWKWARD, texts, strict=True)
        if other != reference
    ]
    assert landed("calls", "log_text_masked") == expected
    if goes:
        traces = kinds_with(paths.home() / "landing", "testville", forms(reference)[:1])
        longer = any(reference in other for other in stays)
        assert longer or not traces
    # all else
    touched = {*logs, "airflow/airflow.db", "airflow/airflow.db-wal", "airflow/airflow.db-shm"}
    after = hashes()
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert not {name for name in changed - touched if not name.startswith("landing/testville/")}
