"""Errors that people read: they reach another process whole, and name a failure of the machine."""

import pickle
import re
import subprocess
from pathlib import Path

import duckdb
import pytest

from cdi.build import dbt
from cdi.errors import CdiError, GateError, SourceError, StateError, name_machine_failures


@pytest.mark.parametrize(
    "error",
    [
        SourceError("SRC-COLUMNS", "calls.csv has no column `number`", "add it to agency.yaml"),
        GateError("GATE", "2 rules did not hold", "read the page", broken=["CALL-01", "CALL-02"]),
    ],
)
def test_an_error_reaches_another_process_whole(error: CdiError) -> None:
    sent = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(sent) is type(error)
    assert str(sent) == str(error)
    assert (sent.rule_id, sent.message, sent.fix) == (error.rule_id, error.message, error.fix)
    assert vars(sent) == vars(error)


@pytest.mark.parametrize(
    ("told", "rule_id"),
    [
        ("12:00:00  Encountered an error:\n[Errno 28] No space left on device\n", "DISK-FULL"),
        ("Encountered an error:\nCompilation Error in model fct_calls\n", "BUILD-DBT"),
    ],
)
def test_what_dbt_tells_of_the_machine_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, rule_id: str
) -> None:
    failed = subprocess.CompletedProcess([], 2, told, "")
    monkeypatch.setattr(dbt, "start_dbt", lambda *arguments: failed)
    with pytest.raises(CdiError) as raised:
        dbt.call_dbt("testville", tmp_path / "a.duckdb", tmp_path, "build")
    assert raised.value.rule_id == rule_id
    assert told.splitlines()[1] in raised.value.message


@pytest.mark.parametrize("damage", ["emptied", "cut", "header", "block"])
def test_a_damaged_database_is_named_and_a_wrong_query_is_not(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "recording.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute("create table t as select md5(range::varchar) as hash from range(200000)")
    content = bytearray(file.read_bytes())
    if damage in ("header", "block"):
        content[5000 if damage == "header" else len(content) // 2] ^= 255
    file.write_bytes(content[: {"emptied": 0, "cut": len(content) // 2}.get(damage)])
    said = r"PUBLISHED-DAMAGED[^$]*run the build: it makes the version again"
    with (
        pytest.raises(StateError, match=said),
        name_machine_failures(),
        duckdb.connect(str(file), read_only=True) as con,
    ):
        con.execute("select min(hash) from t").fetchall()
    with pytest.raises(duckdb.CatalogException, match="no_table"), name_machine_failures():
        duckdb.sql("from no_table")


def test_a_damaged_file_of_a_source_is_no_published_one(tmp_path: Path) -> None:
    told = f'Could not read enough bytes from file "{tmp_path}/rows.parquet": attempted to read 8'
    with pytest.raises(duckdb.IOException, match=re.escape(told)), name_machine_failures():
        raise duckdb.IOException(told)
