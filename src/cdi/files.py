"""Files that several processes may touch: locks, checksums, and writing a file whole."""

import contextlib
import fcntl
import hashlib
import json
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
