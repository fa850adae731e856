"""Files that several processes may touch: locks, checksums, and writing a file whole."""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cdi.errors import BusyError


def sha256_of_json(value: Any) -> str:
    """Hash a value by its JSON text with sorted keys; what JSON has no form for, by `str`."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


@contextlib.contextmanager
def wait_for_lock(home: Path) -> Iterator[None]:
    """Wait until no other process writes to a folder, and keep others out meanwhile.

    Used for the landing of a dataset and for an agency's decisions. The lock goes with its process,
    however that ends.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def take_lock(folder: Path, what: str) -> Iterator[None]:
    """Take the lock of a folder, or refuse at once: one build of an agency at a time.

    The lock goes with its process, however that ends.

    Raises:
        BusyError: BUILD-BUSY if another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                "BUILD-BUSY",
                f"another build of {what} is running in {folder}",
                "wait for it; the lock goes when its process ends",
            ) from None
        yield


def sha256_of_file(file: Path) -> str:
    """Hash the bytes of a file, a piece at a time."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextlib.contextmanager
def write_whole(file: Path) -> Iterator[Path]:
    """Write a file under a temporary name beside it, then rename it: nobody ever meets half of it.

    Args:
        file: The file to make or to replace.

    Yields:
        The temporary file; it is removed if the block fails.
    """
    written = file.with_name(f".{file.name}.next")
    try:
        yield written
        written.replace(file)
    finally:
        written.unlink(missing_ok=True)


def write_text(file: Path, text: str) -> None:
    """Write a text file whole, in UTF-8; see `write_whole`."""
    with write_whole(file) as written:
        written.write_text(text, encoding="utf-8")


def write_json(file: Path, value: Any, *, sort_keys: bool = False) -> None:
    """Write a value as indented JSON, whole; see `write_whole`."""
    write_text(file, json.dumps(value, indent=2, sort_keys=sort_keys) + "\n")


def read_json(file: Path) -> Any:
    """Read a JSON file."""
    return json.loads(file.read_text(encoding="utf-8"))


def append_line(file: Path, line: str) -> None:
    """Append a line to a file and wait until it is on the disk.

    Args:
        file: Made, with its folder, if it is not there.
        line: Without its end.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as handle:
        handle.write(f"{line}\n")
        handle.flush()
        os.fsync(handle.fileno())
