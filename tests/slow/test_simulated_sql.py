"""`make run AGENCY=simulated_sql`: the simulated force behind a PostgreSQL, and from its files."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdi import paths
from cdi.sql import fetch_dicts
from cdi_force.database import find_program
from tests.postgres import postgres_or_skip, published_contents
from tests.slow.conftest import MONTH, environment, processes_of


def test_a_database_gives_the_figures_of_the_files(
    published_month: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every published value is equal, save lineage and the agency's own name."""
    with postgres_or_skip():
        pass
    assert find_program("postgres")
    shutil.copytree(published_month, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.setenv("CDI_HOME", str(tmp_path))
    monkeypatch.delenv("CDI_DATA", raising=False)
    monkeypatch.setenv("SCENARIO", MONTH.scenario)
    monkeypatch.setenv("MONTHS", str(MONTH.months))
    monkeypatch.setenv("SEED", str(MONTH.seed))
    # the same key, so that hashed values can be compared
    key = paths.secrets() / f"{paths.SIMULATED}.key"
    other = paths.secrets() / f"{paths.SIMULATED_SQL}.key"
    other.write_bytes(key.read_bytes())
    other.chmod(0o600)

    done = subprocess.run(
        [sys.executable, "-m", "cdi_force.database",
         str(Path(sys.executable).with_name("cdi")), "run", "--agency", paths.SIMULATED_SQL],
        env=environment(tmp_path), capture_output=True, text=True, check=False, timeout=2400,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PostgreSQL on 127.0.0.1" in done.stdout
    assert "SIMULATED" in done.stdout
    assert processes_of(tmp_path) == []

    published = [
        paths.published(name) / "current" / "recording.duckdb"
        for name in (paths.SIMULATED, paths.SIMULATED_SQL)
    ]
    files, database = map(published_contents, published)
    assert len(files["main.fct_calls"]) > 4_000
    assert files.keys() == database.keys()
    unequal = {name for name in files if files[name] != database[name]}
    assert unequal == {"measures.release"}
    by_files, by_database = map(read_release, published)
    assert {name for name in by_files if by_files[name] != by_database[name]} == {
        "agency",
        "agency_name",
    }


def read_release(file: Path) -> dict[str, Any]:
    """The single row of `measures.release`."""
    with duckdb.connect(str(file), read_only=True) as con:
        (row,) = fetch_dicts(con, "from measures.release")
    return row
