"""Files that several processes may touch: locks, checksums, and writing a file in one step."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cdi.errors import BusyError


def sha256_of_json(value: Any) -> str:
    """Hash the JSON text of a value, with sorted keys; `str` writes what JSON cannot (dates)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


@contextlib.contextmanager
def wait_for_lock(home: Path) -> Iterator[None]:
    """Wait until no other process writes to a folder, then keep others out during the block.

    Used for the landing of a dataset and an agency's erasures, decisions and readings. The
    operating system releases the lock when the process ends, even if it is killed.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def take_lock(folder: Path, what: str) -> Iterator[None]:
    """Take the lock of a folder, or refuse at once: an agency has one build at a time.

    The operating system releases the lock when the process ends, even if it is killed.

    Args:
        folder: The folder; it is made if absent.
        what: What is built, for the error.

    Raises:
        BusyError: BUILD-BUSY if another process holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                "BUILD-BUSY",
                f"another build of {what} is running in {folder}",
                "wait for it; the lock ends with its process",
            ) from None
        yield


def hash_files(folder: Path, patterns: Iterable[str]) -> str:
    """Hash the names and the bytes of the files of a folder that may change a result.

    Args:
        folder: The folder.
        patterns: Which of its files; a test of dbt changes no result, and Python compiles what was
            hashed as text, so neither counts.
    """
    digest = hashlib.sha256()
    for file in sorted({f for p in patterns for f in folder.glob(p) if f.is_file()}):
        if file.parent.name not in ("unit_tests", "__pycache__"):
            digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def sha256_of_file(file: Path) -> str:
    """Hash the bytes of a file without reading all of it into memory."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextlib.contextmanager
def write_whole(file: Path) -> Iterator[Path]:
    """Write a file under a temporary name, then rename it, so that nobody reads half a file.

    Args:
        file: The file to make or to replace.

    Yields:
        The temporary file, in the same folder; it is removed if the block fails.
    """
    temporary = file.with_name(f".{file.name}.next")
    # A killed process may have left one, perhaps with read-only mode.
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder, if it is there: first its name in one step, then its files.

    Nobody finds half a folder under its name, not even if the removal is killed. What such a
    removal left goes with the next one beside it.
    """
    for leftover in folder.parent.glob(".removed-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if folder.is_dir():
        aside = Path(tempfile.mkdtemp(prefix=".removed-", dir=folder.parent))
        folder.rename(aside)  # an empty folder may be replaced
        shutil.rmtree(aside)


def write_text(file: Path, text: str) -> None:
    """Write a text file in UTF-8, in one step; see `write_whole`."""
    with write_whole(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(file: Path, value: Any, *, sort_keys: bool = False) -> None:
    """Write a value as indented JSON, in one step; see `write_whole`."""
    write_text(file, json.dumps(value, indent=2, sort_keys=sort_keys) + "\n")


def read_json(file: Path) -> Any:
    """Read a JSON file."""
    return json.loads(file.read_text(encoding="utf-8"))


def append_line(file: Path, line: str) -> None:
    """Append a line to a file and wait until it is on the disk.

    Args:
        file: The file; it is made, with its folder, if absent.
        line: The text, without a line break.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as handle:
        handle.write(f"{line}\n")
        handle.flush()
        os.fsync(handle.fileno())
