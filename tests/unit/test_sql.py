"""What is written into a DuckDB file stands in the file itself, or its writer is told."""

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from cdi.build import prepare
from cdi.sql import write_database

ROWS = 20_000

# A megabyte is less than the rows take: the limit stands for a disk that is full as the file is
# closed. The log beside the file has taken the rows before.
FULL_DISK = f"""
import resource, sys
from pathlib import Path
import duckdb
from cdi.sql import connect, write_database
with {{opener}}(Path(sys.argv[1])) as con:
    con.execute("set checkpoint_threshold = '1GB'")
    con.execute("create table t as select md5(range::varchar) as hash from range({ROWS})")
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
"""


def leave_log(file: Path) -> None:
    """Write a table that stands in the log beside the file, as a full disk leaves it."""
    with duckdb.connect(str(file)) as con:
        con.execute("pragma disable_checkpoint_on_shutdown")
        con.execute(f"create table t as select range from range({ROWS})")
    assert log_of(file).is_file()


def log_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.wal")


def count_rows(file: Path) -> int:
    with duckdb.connect(str(file), read_only=True) as con:
        return int(con.execute("select count(*) from t").fetchall()[0][0])


def test_what_was_written_stands_in_the_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.duckdb"
    leave_log(file)
    with write_database(file):
        pass
    copy = Path(shutil.copy(file, tmp_path / "copy.duckdb"))
    assert not log_of(file).exists()
    assert count_rows(copy) == ROWS


@pytest.mark.parametrize(("opener", "is_told"), [("write_database", True), ("connect", False)])
def test_a_disk_that_is_full_as_a_file_is_closed_is_told(
    tmp_path: Path, opener: str, is_told: bool
) -> None:
    """DuckDB alone passes over it, which is why the product writes by `write_database`."""
    file = tmp_path / "a.duckdb"
    program = FULL_DISK.format(opener=opener)
    done = subprocess.run(
        [sys.executable, "-c", program, file], capture_output=True, text=True, check=False
    )
    assert (done.returncode != 0) == is_told, done.stderr
    assert ("File too large" in done.stderr) == is_told
    assert log_of(file).is_file()
    assert count_rows(file) == ROWS


def test_the_tables_of_the_rules_stand_in_the_file_that_builds_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seed_on_a_full_disk(what: str, file: Path, target: Path, *options: str) -> None:
        leave_log(file)
        for name in ("partial_parse.msgpack", "run_results.json"):
            (target / name).write_text("made up", encoding="utf-8")

    monkeypatch.setenv("CDI_PREPARED", str(tmp_path / "prepared"))
    monkeypatch.setattr(prepare, "call_dbt", seed_on_a_full_disk)
    prepared = prepare.prepare_project()
    copy = Path(shutil.copy(prepared / prepare.FILE_NAME, tmp_path / "copy.duckdb"))
    assert count_rows(copy) == ROWS
