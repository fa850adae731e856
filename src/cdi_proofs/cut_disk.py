"""A disk in a file, whose power can be cut and whose room can be taken.

A cut is the ioctl EXT4_IOC_SHUTDOWN with the flag NOLOGFLUSH: from then on the file system writes
nothing more, and all that was not synced is gone. Then the disk is mounted anew, which replays its
journal, as a machine does that starts again. What it does not stand for: a drive that says that it
has written what is still in its own cache, or that tears a sector.

ext4 guards programs that rename a file without syncing it. That guard is switched off, since other
file systems have none.
"""

import fcntl
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

from cdi.errors import MachineError

MEGABYTES = 256
_SHUTDOWN = 0x8004587D
_NOLOGFLUSH = 2
_TOOLS = ("mkfs.ext4", "mount", "umount", "fallocate", "cp")
_FILLER = "filler"
_PATIENCE = 20.0  # seconds until all processes of a killed group let go of the disk


def require_disks() -> None:
    """Refuse to begin where no disk can be made, mounted and cut.

    Raises:
        MachineError: PROOF-DISK.
    """
    problems = [f"there is no {tool}" for tool in _TOOLS if shutil.which(tool) is None]
    if sys.platform != "linux":
        problems.append("only Linux has such disks")
    elif os.geteuid() != 0:
        problems.append("only root may mount a disk")
    if problems:
        raise _refusal("; ".join(problems))


def _refusal(problem: str) -> MachineError:
    return MachineError(
        "PROOF-DISK",
        f"no disk can be made, mounted and cut here: {problem}",
        "run it as root on a Linux machine (not in a container without rights) with e2fsprogs",
    )


class CutDisk:
    """A small ext4 file system in a file.

    Attributes:
        file: The file that holds it.
        folder: Where it is mounted.
    """

    def __init__(self, file: Path, folder: Path) -> None:
        """Name the disk; `make` or `copy_from` makes its file."""
        self.file = file
        self.folder = folder

    def make(self) -> None:
        """Make an empty file system; all its room may be used (`-m 0`)."""
        self.file.unlink(missing_ok=True)
        with self.file.open("wb") as handle:
            handle.truncate(MEGABYTES << 20)
        lazy = "lazy_itable_init=0,lazy_journal_init=0"
        _call("mkfs.ext4", "-q", "-F", "-m", "0", "-E", lazy, "-J", "size=8", self.file)

    def copy_from(self, image: Path) -> None:
        """Take over the content of a disk that is not mounted."""
        copy_sparse(image, self.file)

    def mount(self) -> None:
        """Mount it, which replays its journal.

        Raises:
            MachineError: PROOF-DISK if that is not allowed here.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        _call("mount", "-o", "loop,noauto_da_alloc", self.file, self.folder)

    def unmount(self) -> None:
        """Unmount it as soon as no process uses it any more."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                _call("umount", self.folder)
                return
            except MachineError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def cut(self) -> None:
        """Cut the power: nothing more is written, and what was not synced is gone."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUTDOWN, struct.pack("I", _NOLOGFLUSH))
        except OSError as error:
            raise _refusal(str(error)) from error
        finally:
            os.close(handle)

    def free_bytes(self) -> int:
        """Tell how many bytes are free."""
        found = os.statvfs(self.folder)
        return found.f_bfree * found.f_bsize

    def fill(self, room: int) -> int:
        """Take all room but so many bytes, by a file outside of the state folder.

        Returns:
            How many bytes are left.
        """
        filler = self.folder / _FILLER
        size = self.free_bytes() - room
        while size > 0:
            try:
                _call("fallocate", "--length", str(size), filler)
                break
            except MachineError:  # the list of its own blocks takes room as well
                filler.unlink(missing_ok=True)
                size -= 4096
        return self.free_bytes()

    def empty(self) -> None:
        """Give the room back."""
        (self.folder / _FILLER).unlink(missing_ok=True)
        os.sync()


def copy_sparse(file: Path, target: Path) -> None:
    """Copy a file; its empty blocks take no room."""
    _call("cp", "--sparse=always", "--reflink=auto", file, target)


def _call(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise _refusal(done.stderr.strip() or f"{command[0]} failed")
