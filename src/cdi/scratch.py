"""Private files: what this program writes is its account's alone, and what a kill left is removed.

Rows of people stand in clear for a short time, in folders for scratch. Each is held by a lock that
the operating system releases when its process ends, however it ends. So a folder whose lock is free
is held by no living process, and the next one that makes such a folder removes it.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb

from cdi import paths
from cdi.errors import BusyError
from cdi.files import wait_for_lock
from cdi.sql import connect, literal

PRIVATE_UMASK = 0o077


def keep_private() -> None:
    """Let this process, and those that it starts, write files that its account alone may read.

    The state folder of an older release may be open to all. It is closed, and so is all below it.
    """
    os.umask(PRIVATE_UMASK)
    # A folder of another account, e.g. a mounted one, is that account's to close.
    with contextlib.suppress(FileNotFoundError, PermissionError):
        paths.home().chmod(0o700)


@contextlib.contextmanager
def scratch_folder(parent: Path | None = None, name: str | None = None) -> Iterator[Path]:
    """Make a folder for the length of a `with` block, and remove what killed processes left.

    Args:
        parent: The folder to make it in; default: ``scratch/`` in the state folder.
        name: Its name; default: one that nobody has.

    Yields:
        The folder, empty but for its lock.

    Raises:
        BusyError: SCRATCH-BUSY if another process works in the folder of this name.
    """
    parent = parent or paths.home() / "scratch"
    folder = parent / f".{name or secrets.token_hex(8)}"
    with contextlib.ExitStack() as held:
        # Nobody may look for free locks between the making of a folder and the taking of its lock.
        with wait_for_lock(parent):
            _remove_leftovers(parent)
            if folder.exists():
                raise BusyError(
                    "SCRATCH-BUSY",
                    f"another process works in {folder}",
                    "wait for it; the folder is free when that process ends",
                )
            folder.mkdir(mode=0o700)
            lock = held.enter_context((folder / ".lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def open_scratch_database() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in memory that may put what does not fit into a folder for scratch.

    Yields:
        The connection; the folder is removed with all that is in it after the connection is closed.
    """
    with scratch_folder() as folder, connect() as con:
        con.execute(f"set temp_directory = {literal(str(folder))}")
        yield con


def _remove_leftovers(parent: Path) -> None:
    """Remove the folders for scratch that no living process holds; the caller has the lock."""
    for folder in parent.glob(".*/"):
        # It is held, or its process removes it just now.
        with (
            contextlib.suppress(BlockingIOError, FileNotFoundError),
            (folder / ".lock").open("w") as lock,
        ):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
