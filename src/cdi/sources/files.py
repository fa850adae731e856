"""Source files: found by pattern, copied, decompressed and made UTF-8, within limits."""

import errno
import glob
import gzip
import hashlib
import io
import os
import re
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import glob_translate

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE
from cdi.agency.interval import Interval
from cdi.agency.mapping import SourceFile
from cdi.agency.model import Agency
from cdi.errors import SourceError
from cdi.remote import open_filesystem

PIECE_BYTES = 1 << 20  # files are read in pieces, as they may be larger than the memory
_GB = 1_000_000_000
# A CSV file of a force packs to a tenth; one that packs to a two-hundredth is filled with one sign.
_MOST_GB, _MOST_RATIO, _LEAST_GB = 50, 200, 1
_LOOK_BYTES = 64 << 20  # after so many bytes the disk is looked at again


@dataclass(frozen=True)
class FetchedFile:
    """A source file on the local disk.

    Attributes:
        name: Path below data_root, e.g. ``calls-2026-01-01.csv.gz``.
        path: The local copy, decompressed and, if it is text, in UTF-8.
        sha256: Hash of the bytes as delivered, before decompression; of a day of a live source,
            keyed hash of its rows in any order.
        as_of: The moment (UTC) at which the content was true; None means the interval's end.
        unexpected: Columns of a live source that were not read, as nobody mapped them.
    """

    name: str
    path: Path
    sha256: str
    as_of: datetime | None
    unexpected: tuple[str, ...] = ()


def fetch_files(
    agency: Agency,
    dataset: str,
    interval: Interval,
    folder: Path,
    storage_options: Mapping[str, Any] | None = None,
) -> tuple[list[FetchedFile], list[str]]:
    """Copy the files of one dataset to a local folder, decompress them, and make them UTF-8.

    Args:
        agency: The agency.
        dataset: A key of ``agency.sources``.
        interval: Chooses the days of paths with ``{date}``; other paths are always taken.
        folder: An empty local folder.
        storage_options: Options for fsspec, from the Airflow connection.

    Returns:
        The files in the order of agency.yaml, and the names of the files that are absent. Both are
        empty if each file is of a day, and the interval is to read none of them.

    Raises:
        SourceError: SRC-NOT-FOUND if all files are absent (for what people write, that is no
            error), SRC-NOT-A-FILE and SRC-OUTSIDE if a path is no file below data_root, SRC-GZIP
            if a file is damaged, SRC-MOVED if it still arrives, SRC-ENCODING if it is not in the
            encoding that agency.yaml names, SRC-SIZE if it is too large, SRC-EMPTY if it has no
            content, DISK-FULL if there is no room for it.
        CdiError: PLACE-KIND and HOST-KEY, as `open_filesystem`.
    """
    source = agency.sources[dataset]
    root = agency.root_of(dataset)
    filesystem, root_path = open_filesystem(root, storage_options)
    # A folder may have brackets in its name. A URL may have question marks, which stay as they are.
    place = glob.escape(root_path) if isinstance(filesystem, LocalFileSystem) else root_path
    # Two entries may match one file, and the file of a month is that of each of its days. Such a
    # file is read once, as the latest state that it is said to show.
    states: dict[str, datetime | None] = {}
    absent: list[str] = []
    for spec in source.files or ():
        for pattern, as_of in _expand_pattern(agency, spec, interval):
            matches = sorted(filesystem.glob(f"{place}/{pattern}"))
            if not matches:
                absent.append(pattern)
            for path in matches:
                before = states.get(path, as_of)
                states[path] = max(before, as_of, key=lambda state: state or interval.end)
    fetched: list[FetchedFile] = []
    for path, as_of in states.items():
        name = path.removeprefix(root_path).lstrip("/")
        _check_place(filesystem, root_path, path, name)
        target = folder / f"{len(fetched):04d}"
        copied = _Copy(filesystem, path, name, target, source.unpacked_gb, source.encoding)
        fetched.append(FetchedFile(name, target, copied.fetch(), as_of))
    if absent and not fetched and dataset not in BY_PEOPLE:
        fix = "check data_root and files in agency.yaml, or give the folder: "
        fix += f"make run AGENCY={agency.agency} DATA=<folder>"
        if root == str(paths.simulated_sources()):
            fix = "make simulate writes them, for the same SCENARIO, MONTHS and SEED"
        raise SourceError(
            "SRC-NOT-FOUND",
            f"no file of {agency.agency}/{dataset} at {root}: "
            f"{', '.join(absent[:3])}{' ...' if len(absent) > 3 else ''}",
            fix,
        )
    return fetched, list(dict.fromkeys(absent))


def _expand_pattern(
    agency: Agency, spec: SourceFile, interval: Interval
) -> list[tuple[str, datetime | None]]:
    """List the globs of an entry of `files`, each with the as_of of its files.

    A file of a day is read by the interval in which its as_of lies. If none is given, that is the
    end of its day, so a run at 06:00 reads the file of yesterday, and not that of a day which has
    only begun.
    """
    if not spec.is_daily:
        if not isinstance(spec.as_of, datetime):
            return [(spec.path, None)]
        local = spec.as_of.replace(tzinfo=spec.as_of.tzinfo or agency.zone)
        return [(spec.path, local.astimezone(UTC))]
    # The end of a day is the start of the next, so the last moment before it tells the interval.
    earlier = timedelta(0) if spec.as_of else timedelta.resolution
    return [
        (spec.path.format(date=day), as_of)
        for day in interval.days(agency)
        for as_of in [spec.as_of_day(day).replace(tzinfo=agency.zone).astimezone(UTC)]
        if interval.start <= as_of - earlier < interval.end
    ]


def is_of_one_day(agency: Agency, dataset: str, name: str, as_of: datetime) -> bool:
    """Whether a file that was read is that of one day, as the file of a month beside it is not.

    The entries of `files` in agency.yaml say so: one for each day names it, or none for many days
    does. So a file that none of them names, as the entries were changed since, is one of a day.

    Args:
        agency: The agency.
        dataset: A key of ``agency.sources``.
        name: Path of the file below data_root, as its manifest has it.
        as_of: The moment at which its content was true.
    """
    moment = Interval(as_of - timedelta.resolution, as_of + timedelta.resolution)

    def is_named_by(specs: Iterable[SourceFile]) -> bool:
        return any(
            re.match(glob_translate(pattern), name)
            for spec in specs
            for pattern, _ in _expand_pattern(agency, spec, moment)
        )

    specs = agency.sources[dataset].files or ()
    of_many_days = [spec for spec in specs if not spec.is_of_one_day]
    return not is_named_by(of_many_days) or is_named_by(set(specs).difference(of_many_days))


def _check_place(
    filesystem: fsspec.AbstractFileSystem, root_path: str, path: str, name: str
) -> None:
    """Refuse what is no file, such as a pipe, which would be waited for, and links out of the root.

    Raises:
        SourceError: SRC-OUTSIDE, SRC-NOT-A-FILE.
    """
    is_local = isinstance(filesystem, LocalFileSystem)
    if is_local:
        real, root = os.path.realpath(path), os.path.realpath(root_path)
        if not Path(real).is_relative_to(root):
            raise SourceError(
                "SRC-OUTSIDE",
                f"{name} leads to {real}, which is outside of {root}",
                "put the file itself there, or correct data_root and files in agency.yaml",
            )
    # fsspec does not tell links that lead nowhere
    if not (Path(path).is_file() if is_local else filesystem.info(path)["type"] == "file"):
        raise SourceError(
            "SRC-NOT-A-FILE",
            f"{name} is a folder, a pipe, a device, or a link that leads nowhere",
            "remove it, or let `files` in agency.yaml match files alone",
        )


class Utf8Bytes:
    """Reads a text file of another encoding as bytes in UTF-8.

    A byte that the encoding does not have stays as it is, which is no UTF-8. So the reader refuses
    the row in which it is (READ-ENCODING), and all others are taken.
    """

    def __init__(self, file: io.BufferedReader, encoding: str, name: str) -> None:
        """Read from the file, which is opened for reading bytes; errors call it by the name."""
        self._encoding, self._name = encoding, name
        # Line ends stay as they are.
        self._text = io.TextIOWrapper(file, encoding, errors="surrogateescape", newline="")

    def read(self, size: int = -1, /) -> bytes:
        """Read so many characters, by default all; nothing at the end of the file.

        Raises:
            SourceError: SRC-ENCODING if the file is not in this encoding at all, for example if
                UTF-16 ends inside a character.
        """
        try:
            return self._text.read(size).encode("utf-8", "surrogateescape")
        except UnicodeError as error:
            raise SourceError(
                "SRC-ENCODING",
                f"{self._name} is not a text in {self._encoding}: {error}",
                "correct `encoding` of the source in agency.yaml, or have the file delivered again",
            ) from None


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


@dataclass
class _Copy:
    """The copy of one file to the local disk.

    Attributes:
        filesystem: Where the file is.
        path: Its path there.
        name: Its path below data_root, for errors.
        target: The local file that is made, decompressed.
        unpacked_gb: The limit in agency.yaml.
        encoding: Of the file, by agency.yaml; None if it is UTF-8, or no text.
    """

    filesystem: fsspec.AbstractFileSystem
    path: str
    name: str
    target: Path
    unpacked_gb: int | None
    encoding: str | None

    def fetch(self) -> str:
        """Copy the file, decompress it, and make it UTF-8.

        Returns:
            The hash of its bytes as delivered.

        Raises:
            SourceError: SRC-GZIP, SRC-ENCODING, SRC-SIZE, SRC-EMPTY, DISK-FULL.
            SourceBusyError: SRC-MOVED if the file changes meanwhile, as while it still arrives.
        """
        most_bytes = (self.unpacked_gb or _MOST_GB) * _GB
        before = self._look()
        self._check_size(before[0] or 0, most_bytes)
        digest = hashlib.sha256()
        raw = self.target.with_suffix(".raw")
        with self.filesystem.open(self.path, "rb") as remote:
            for piece in self._write_pieces(remote, raw, most_bytes):
                digest.update(piece)
        if self._look() != before:
            from cdi.sources.reader import SourceBusyError  # takes a while to import

            raise SourceBusyError(
                "SRC-MOVED",
                f"{self.name} changed while it was copied",
                "try again when it has arrived; have files uploaded under a name that `files` in "
                "agency.yaml does not match, and renamed when they are whole",
            )
        if self.name.endswith(".gz"):
            self._unpack(raw, most_bytes)
            raw.unlink()
        else:
            raw.rename(self.target)
        if self.encoding:
            self.target.rename(raw)
            self._make_utf8(raw, self.encoding, most_bytes)
            raw.unlink()
        if self.target.stat().st_size == 0:
            raise SourceError(
                "SRC-EMPTY",
                f"{self.name} is empty",
                "have the file delivered again; nothing was taken",
            )
        return digest.hexdigest()

    def _look(self) -> tuple[int | None, Any]:
        """Give the size of the file and the time of its last change, as far as they are known."""
        self.filesystem.invalidate_cache()
        info = self.filesystem.info(self.path)
        return info.get("size"), info.get("mtime")

    def _unpack(self, raw: Path, most_bytes: int) -> None:
        if self.unpacked_gb is None:
            most_bytes = min(most_bytes, max(_MOST_RATIO * raw.stat().st_size, _LEAST_GB * _GB))
        try:
            with gzip.open(raw, "rb") as packed:
                for _ in self._write_pieces(packed, self.target, most_bytes):
                    pass
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise SourceError(
                "SRC-GZIP",
                f"{self.name} is not a complete gzip file: {error}",
                "have the file delivered again; nothing of it was taken",
            ) from None

    def _make_utf8(self, raw: Path, encoding: str, most_bytes: int) -> None:
        with raw.open("rb") as file:
            text = Utf8Bytes(file, encoding, self.name)
            for _ in self._write_pieces(text, self.target, most_bytes):
                pass

    def _write_pieces(self, source: _Readable, file: Path, most_bytes: int) -> Iterator[bytes]:
        """Write what is read to a file, within the limits, and give each piece."""
        size = looked_at = 0
        try:
            with file.open("wb") as target:
                while piece := source.read(PIECE_BYTES):
                    size += len(piece)
                    if size - looked_at >= _LOOK_BYTES or size > most_bytes:
                        # what was written is not free any more: as much again must be
                        self._check_size(size, most_bytes)
                        looked_at = size
                    target.write(piece)
                    yield piece
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise self._name_full_disk(size) from None

    def _check_size(self, size: int, most_bytes: int) -> None:
        """Refuse a file that is too large for its limit, or for what is free on the disk.

        At least as much must be free as the file takes, since the batch is made beside it, and
        other agencies need room as well.
        """
        if size > most_bytes:
            raise SourceError(
                "SRC-SIZE",
                f"{self.name} has more than {most_bytes / _GB:,.1f} GB, unpacked",
                "look whether it is the right file; if it is, give its source more `unpacked_gb` "
                "in agency.yaml",
            )
        if size > shutil.disk_usage(self.target.parent).free:
            raise self._name_full_disk(size)

    def _name_full_disk(self, size: int) -> SourceError:
        free = shutil.disk_usage(self.target.parent).free
        return SourceError(
            "DISK-FULL",
            f"there is no room for {self.name}: it has {size / _GB:,.1f} GB or more, and "
            f"{free / _GB:,.1f} GB are free at {self.target.parent}",
            "make room on the disk, then run it again; nothing of the file was taken",
        )
