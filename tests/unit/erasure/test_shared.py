"""Values of Airflow's database stay readable, and the database of a running Airflow is cleaned."""

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from cdi.erasure.shared import clean_shared_files, clean_value
from cdi.erasure.traces import Wanted, find_traces
from tests.conftest import SmallAgency

WANTED = Wanted(frozenset({"NM/2026/0001", "412070"}), agency="testville")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("see NM/2026/0001.", "see [erased]."),
        (b"see NM/2026/0001.", b"see [erased]."),
        (r'{"a": ["NM\/2026\/0001", 1]}', {"a": ["[erased]", 1]}),
        ('{"call": 412070, "run_id": "412070", "count": 5}', None),
        (412070, "[erased]"),
        (5, 5),
        (None, None),
    ],
)
def test_a_value_of_json_stays_json(value: object, expected: object) -> None:
    cleaned = clean_value(value, WANTED)
    if isinstance(value, str) and value.startswith("{"):
        expected = expected or {"call": "[erased]", "run_id": "412070", "count": 5}
        cleaned = json.loads(cleaned)
    elif value == 412070:
        cleaned = json.loads(cleaned)
    assert cleaned == expected


def test_the_database_of_a_running_airflow_is_cleaned(small: SmallAgency, state: Path) -> None:
    """Its processes have the database open, and have left content on free pages and in the log."""
    file = state / "airflow" / "airflow.db"
    file.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(file)) as running:
        running.executescript("pragma journal_mode = wal; pragma secure_delete = off")
        running.execute("create table xcom (dag_id, run_id, value json)")
        for dag in ("testville__build", "testville__build", "elsewhere__build"):
            run = (dag, "NM/2026/0001", '"NM/2026/0001"')
            running.execute("insert into xcom values (?, ?, ?)", run)
        running.execute("delete from xcom where rowid = 1")
        running.commit()
        clean_shared_files(small.agency, WANTED, lambda line: None)
        rows = running.execute("select run_id, value from xcom order by dag_id").fetchall()
        assert rows == [
            ("NM/2026/0001", '"NM/2026/0001"'),  # of another agency
            ("NM/2026/0001", '"[erased]"'),  # a run's id is none of ours to change
        ]
        running.execute("delete from xcom")
        running.commit()
    assert dict(find_traces("testville", WANTED)) == {file: "free pages of the file"}


def test_nothing_is_left_on_free_pages(small: SmallAgency, state: Path) -> None:
    file = state / "airflow" / "airflow.db"
    file.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(file)) as running:
        running.executescript("pragma journal_mode = wal; pragma secure_delete = off")
        running.execute("create table xcom (dag_id, value json)")
        row = ("testville__build", '"NM/2026/0001"')
        running.executemany("insert into xcom values (?, ?)", [row] * 500)
        running.execute("delete from xcom where rowid > 1")
        running.commit()
        clean_shared_files(small.agency, WANTED, lambda line: None)
        for part in file.parent.iterdir():
            assert b"NM/2026/0001" not in part.read_bytes(), part


def test_the_examples_of_the_documentation_are_not_searched(
    small: SmallAgency, state: Path
) -> None:
    version = state / "published" / "testville" / "versions" / "v1"
    page = version / "report.html"
    for file in (
        page,
        version / "docs" / "runbook.html",
        state / "prepared" / "docs-0123456789abcdef" / "runbook.html",
        state / "docs" / "runbook.html",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("for example NM/2026/0001", encoding="utf-8")
    assert dict(find_traces("testville", WANTED)) == {page: "bytes of the file"}
