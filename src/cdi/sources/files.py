"""Source files: found by pattern, copied through fsspec, and decompressed."""

import gzip
import hashlib
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec

from cdi.agency.datasets import BY_PEOPLE
from cdi.agency.interval import Interval
from cdi.agency.mapping import SourceFile
from cdi.agency.model import Agency
from cdi.errors import SourceError

_PIECE_BYTES = 1 << 20  # files are copied in pieces, as they may be larger than the memory


@dataclass(frozen=True)
class FetchedFile:
    """A source file on the local disk.

    Attributes:
        name: Path below data_root, e.g. ``calls-2026-01-01.csv.gz``.
        path: The local copy, decompressed.
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
    """Copy the files of one dataset to a local folder, and decompress them.

    Args:
        agency: The agency.
        dataset: A key of ``agency.sources``.
        interval: Chooses the days of paths with ``{date}``; other paths are always taken.
        folder: An empty local folder.
        storage_options: Options for fsspec, from the Airflow connection.

    Returns:
        The files in the order of agency.yaml, and the names of the files that are absent.

    Raises:
        SourceError: SRC-NOT-FOUND if there is no file at all (for what people write, that is no
            error), SRC-GZIP if a file is damaged, SRC-EMPTY if a file has no content.
    """
    source = agency.sources[dataset]
    root = agency.root_of(dataset)
    filesystem, root_path = fsspec.core.url_to_fs(root, **dict(storage_options or {}))
    fetched: list[FetchedFile] = []
    absent: list[str] = []
    for spec in source.files or ():
        for pattern, as_of in _expand_pattern(agency, spec, interval):
            matches = sorted(filesystem.glob(f"{root_path}/{pattern}"))
            if not matches:
                absent.append(pattern)
            for path in matches:
                name = path.removeprefix(root_path).lstrip("/")
                target = folder / f"{len(fetched):04d}"
                fetched.append(_fetch_file(filesystem, path, name, target, as_of))
    if not fetched and dataset not in BY_PEOPLE:
        raise SourceError(
            "SRC-NOT-FOUND",
            f"no file of {agency.agency}/{dataset} at {root}: "
            f"{', '.join(absent[:3])}{' ...' if len(absent) > 3 else ''}",
            "check data_root and files in agency.yaml, or give the folder: make run DATA=<folder>; "
            "the simulated force's files come from `make simulate`",
        )
    return fetched, absent


def _expand_pattern(
    agency: Agency, spec: SourceFile, interval: Interval
) -> list[tuple[str, datetime | None]]:
    """List the globs of an entry of `files`, each with the as_of of its files."""
    if not spec.is_daily:
        if not isinstance(spec.as_of, datetime):
            return [(spec.path, None)]
        local = spec.as_of.replace(tzinfo=spec.as_of.tzinfo or agency.zone)
        return [(spec.path, local.astimezone(UTC))]
    return [
        (
            spec.path.format(date=day),
            spec.as_of_day(day).replace(tzinfo=agency.zone).astimezone(UTC),
        )
        for day in interval.days(agency)
    ]


def _fetch_file(
    filesystem: fsspec.AbstractFileSystem,
    path: str,
    name: str,
    target: Path,
    as_of: datetime | None,
) -> FetchedFile:
    digest = hashlib.sha256()
    raw = target.with_suffix(".raw")
    with filesystem.open(path, "rb") as remote, raw.open("wb") as local:
        while piece := remote.read(_PIECE_BYTES):
            digest.update(piece)
            local.write(piece)
    if name.endswith(".gz"):
        try:
            with gzip.open(raw, "rb") as packed, target.open("wb") as plain:
                shutil.copyfileobj(packed, plain, _PIECE_BYTES)
        except (EOFError, OSError, zlib.error) as error:
            raise SourceError(
                "SRC-GZIP",
                f"{name} is not a complete gzip file: {error}",
                "have the file delivered again; nothing of it was taken",
            ) from None
        raw.unlink()
    else:
        raw.rename(target)
    if target.stat().st_size == 0:
        raise SourceError(
            "SRC-EMPTY", f"{name} is empty", "have the file delivered again; nothing was taken"
        )
    return FetchedFile(name, target, digest.hexdigest(), as_of)
