"""Files are private, and what killed processes left of scratch folders is removed."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import typer

from cdi import paths
from cdi.console import run_app
from cdi.errors import BusyError
from cdi.scratch import open_scratch_database, scratch_folder
from cdi.sql import connect, scalar


@pytest.fixture
def umask() -> Iterator[None]:
    """The usual umask before, and that of the tests after."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_what_a_command_writes_is_its_accounts_alone(
    state: Path, umask: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.mkdir(mode=0o755)
    app = typer.Typer()

    @app.command()
    def write() -> None:
        (state / "landing").mkdir()
        (state / "landing" / "rows").write_text("a row", encoding="utf-8")

    monkeypatch.setattr(sys, "argv", ["cdi"])
    with pytest.raises(SystemExit):
        run_app(app)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (state, *state.rglob("*"))}
    assert modes == {state: 0o700, state / "landing": 0o700, state / "landing" / "rows": 0o600}


HOLD = """
import sys
from cdi.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "rows.csv").write_text("Jane Example")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_only_folders_of_killed_processes_are_removed(state: Path) -> None:
    """One process is killed, another lives: a third that begins removes the folder of the first."""
    held = []
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "CDI_HOME": str(state)},
        )
        assert process.stdout is not None
        held.append((process, Path(process.stdout.readline().strip())))
    (killed, left), (living, kept) = held
    try:
        killed.kill()
        killed.wait()
        assert (left / "rows.csv").is_file()
        with scratch_folder() as folder:
            assert folder.is_dir()
            assert not left.exists()
            assert (kept / "rows.csv").is_file()
        assert not folder.exists()
    finally:
        living.communicate()
    assert not kept.exists()


def test_a_folder_of_an_older_release_without_a_lock_is_removed(state: Path) -> None:
    pending = paths.landing("a", "calls") / "pending"
    (pending / ".old" / "fetched").mkdir(parents=True)
    (pending / "batch").mkdir()
    with scratch_folder(pending, "new"):
        assert not (pending / ".old").exists()
    assert (pending / "batch").is_dir()


def test_two_processes_never_share_a_folder(state: Path) -> None:
    with scratch_folder(state, "interval") as folder:
        with pytest.raises(BusyError, match="SCRATCH-BUSY"), scratch_folder(state, "interval"):
            pass
        assert folder.is_dir()


# Sorting so many texts takes more memory than the limit of these tests.
_LARGE = "select md5(i::varchar) as text from range(3_000_000) as numbers (i) order by text"


def test_a_database_in_memory_writes_nothing_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with connect() as con:
        con.execute("set memory_limit = '60MB'")
        with pytest.raises(duckdb.OutOfMemoryException):
            con.execute(f"create table sorted as {_LARGE}")
        assert not list(tmp_path.rglob("*"))


def test_what_does_not_fit_into_memory_is_in_a_folder_for_scratch(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with open_scratch_database() as con:
        con.execute("set memory_limit = '60MB'")
        con.execute(f"create table sorted as {_LARGE}")
        spilled = [file for file in (state / "scratch").rglob("*.tmp") if file.stat().st_size]
        assert spilled
        assert scalar(con, "select count(distinct text) from sorted") == 3_000_000
        assert not list((tmp_path / "elsewhere").iterdir())
    assert not [path for path in (state / "scratch").iterdir() if path.is_dir()]
