"""A disk that loses what was not synced: it records what a power cut would leave of a state."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class Disk:
    """What was synced of the files below a folder, and what was renamed without it.

    Attributes:
        folder: Only what lies below it counts.
        faults: A sentence for each rename that a power cut would have undone or emptied.
    """

    def __init__(self, folder: Path) -> None:
        """Begin with nothing synced."""
        self.folder = folder
        self.faults: list[str] = []
        self._synced: set[tuple[int, int, int]] = set()
        self._changed_folders: dict[Path, str] = {}

    def sync(self, handle: int) -> None:
        """Remember a file as it is now, or that the names in a folder are safe."""
        path = Path(f"/proc/self/fd/{handle}").readlink()
        self._synced.add(_state(os.stat(handle)))
        self._changed_folders.pop(path, None)

    def rename(self, path: Path, target: Path) -> None:
        """Look whether all that is renamed was synced; its folder must be synced later."""
        if not target.is_relative_to(self.folder):
            return
        # Nobody reads what is out of sight.
        if any(part.startswith(".") for part in target.relative_to(self.folder).parts):
            return
        self.faults += [f"{file} was renamed to {target} first" for file in self.lost_files(path)]
        self._changed_folders[target.parent] = f"{target.parent} has the name {target.name}"

    def lost_files(self, path: Path | None = None) -> list[Path]:
        """List the files at or below a path that a power cut would now leave empty or old."""
        files = [path] if path and not path.is_dir() else (path or self.folder).rglob("*")
        return sorted(
            file
            for file in files
            if file.is_file()
            and not file.is_symlink()
            and file.name != ".lock"
            and _state(file.stat()) not in self._synced
        )

    def problems(self) -> list[str]:
        """List all that a power cut would now undo, though it was told as done."""
        return [
            *self.faults,
            *(f"{name}, and was not synced after it" for name in self._changed_folders.values()),
            *(f"{file} was not synced" for file in self.lost_files()),
        ]


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def recorded(folder: Path) -> Iterator[Disk]:
    """Record each sync and each rename of this process."""
    disk = Disk(folder)
    fsync, replace, rename = os.fsync, os.replace, os.rename

    def record_sync(handle: int) -> None:
        fsync(handle)
        disk.sync(handle)

    def record_replace(path: Any, target: Any) -> None:
        disk.rename(Path(path), Path(target))
        replace(path, target)

    def record_rename(path: Any, target: Any) -> None:
        disk.rename(Path(path), Path(target))
        rename(path, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", record_sync)
        patch.setattr(os, "replace", record_replace)
        patch.setattr(os, "rename", record_rename)
        yield disk
