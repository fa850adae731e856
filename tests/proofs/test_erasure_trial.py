"""The trial of erasures finds a reference wherever it stands, and a row of somebody else's."""

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cdi import paths
from cdi.errors import CdiError
from cdi_proofs import erasure_trial
from cdi_proofs.erasure_trial import _check_is_planted, _compare, _Content, prove_erasure

AWKWARD = "O'Neil\"717/å"


@pytest.fixture
def home(state: Path) -> Path:
    """A state folder in which no file names the reference."""
    (state / "airflow").mkdir(parents=True)
    (state / "landing").mkdir()
    with closing(sqlite3.connect(state / "airflow" / "airflow.db")) as con:
        con.execute("create table xcom (value text)")
        con.execute("insert into xcom values (?)", [json.dumps("somebody's note")])
        con.commit()
    pq.write_table(pa.table({"call": ["T-0001", "T-0002"]}), state / "landing" / "rows.parquet")
    return state


def look(home: Path) -> _Content:
    assert paths.home() == home
    return _Content("testville", [AWKWARD])


def change_note(home: Path, value: str) -> None:
    with closing(sqlite3.connect(home / "airflow" / "airflow.db")) as con:
        con.execute("update xcom set value = ?", [value])
        con.commit()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.log", f"took {AWKWARD} in".encode()),
        ("a.log", f"GET /logs/{quote(AWKWARD, safe='')} 200".encode()),
        ("a.json", json.dumps({"call": AWKWARD}).encode()),
        ("a.txt", AWKWARD.encode("utf-16-le")),
        ("a.gz", gzip.compress(f"of {AWKWARD}.".encode(), mtime=0)),
        ("O_NEIL_717_.html", b""),
    ],
)
def test_each_written_form_is_found(home: Path, name: str, content: bytes) -> None:
    assert look(home).found == {}
    (home / name).write_bytes(content)
    assert set(look(home).found) == {name}


def test_a_reference_in_tables_is_found_and_its_row_is_no_change_of_anothers(home: Path) -> None:
    change_note(home, json.dumps(AWKWARD))
    pq.write_table(pa.table({"call": ["T-0001", AWKWARD]}), home / "landing" / "rows.parquet")
    with duckdb.connect(str(home / "landing" / "a.duckdb")) as con:
        con.execute("create table t as select ? as call", [AWKWARD])
    before = look(home)
    assert set(before.found) == {"airflow/airflow.db", "landing/rows.parquet", "landing/a.duckdb"}
    change_note(home, "[erased]")
    pq.write_table(pa.table({"call": ["T-0001"]}), home / "landing" / "rows.parquet")
    assert _compare(before, look(home)) == []


def test_a_row_that_names_no_reference_and_is_changed_is_told(home: Path) -> None:
    before = look(home)
    change_note(home, "xxxxxx")
    pq.write_table(pa.table({"call": ["T-0001"]}), home / "landing" / "rows.parquet")
    told = "\n".join(_compare(before, look(home)))
    assert "airflow/airflow.db: lost" in told
    assert "landing/rows.parquet: lost" in told
    assert "T-0002" in told


def test_a_trial_begins_with_nothing_of_an_earlier_one(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was erased once is not landed again, so a second trial would have nothing to erase."""
    tombstones = state / "erasure" / "landing" / "tombstones.jsonl"
    tombstones.parent.mkdir(parents=True)
    tombstones.write_text("{}\n")
    there = []

    def stop(_: object) -> None:
        there.append(tombstones.exists())
        raise InterruptedError

    monkeypatch.setattr(erasure_trial, "ensure_force", stop)
    with pytest.raises(InterruptedError):
        prove_erasure(lambda _: None, references=1, seed=1)
    assert there == [False]


def test_a_reference_that_was_not_landed_proves_nothing(home: Path) -> None:
    (home / "a.log").write_text(AWKWARD)
    with pytest.raises(CdiError, match=r"PROOF-STATE.*O'Neil"):
        _check_is_planted(look(home), [AWKWARD])
    pq.write_table(pa.table({"call": ["T-0001", AWKWARD]}), home / "landing" / "rows.parquet")
    _check_is_planted(look(home), [AWKWARD])
