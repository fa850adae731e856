"""Source files, through fsspec: found by pattern, copied and decompressed."""

import gzip
import hashlib
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec

from cdi.agency.datasets import BY_PEOPLE
from cdi.agency.interval import Interval, midnight
from cdi.agency.model import Agency, SourceFile
from cdi.errors import SourceError


@dataclass(frozen=True)
class FetchedFile:
    """A source file on local disk.

    Attributes:
        name: Path below data_root, e.g. ``calls-2026-01-01.csv.gz``.
        path: The local copy, decompressed.
        sha256: Of the bytes as delivered.
        as_of: UTC; what the file says is the state at this time (None: the interval's end).
    """

    name: str
    path: Path
    sha256: str
    as_of: datetime | None


def fetch_files(
    agency: Agency,
    dataset: str,
    interval: Interval,
    folder: Path,
    storage_options: Mapping[str, Any] | None = None,
) -> tuple[list[FetchedFile], list[str]]:
    """Copy the files of one dataset to ``folder``, decompressed.

    Args:
        agency: Whose files.
        dataset: A key of ``agency.sources``.
        interval: Chooses the days of paths with ``{date}``; other paths are taken whole.
        folder: An empty local folder.
        storage_options: For fsspec, from the Airflow connection.

    Returns:
        The files in the order of agency.yaml, and the names of daily files that are not there.

    Raises:
        SourceError: SRC-NOT-FOUND if there is no file at all (people may have written none),
            SRC-GZIP if one is damaged, SRC-EMPTY if one has no byte.
    """
    source = agency.sources[dataset]
    place = agency.root_of(dataset)
    fs, root = fsspec.core.url_to_fs(place, **dict(storage_options or {}))
    found: list[FetchedFile] = []
    absent: list[str] = []
    for spec in source.files:
        for pattern, as_of in _expand_pattern(agency, spec, interval):
            matches = sorted(fs.glob(f"{root}/{pattern}"))
            if not matches:
                absent.append(pattern)
            for match in matches:
                name = match.removeprefix(root).lstrip("/")
                found.append(_fetch_file(fs, match, name, folder / f"{len(found):04d}", as_of))
    if not found and dataset not in BY_PEOPLE:
        raise SourceError(
            "SRC-NOT-FOUND",
            f"no file of {agency.agency}/{dataset} at {place}: "
            f"{', '.join(absent[:3])}{' ...' if len(absent) > 3 else ''}",
            "check data_root and files in agency.yaml, or give the folder: make run DATA=<folder>; "
            "the simulated force's files come from `make simulate`",
        )
    return found, absent


def _expand_pattern(
    agency: Agency, spec: SourceFile, interval: Interval
) -> list[tuple[str, datetime | None]]:
    """The globs of one entry, with the as_of that each file speaks of."""
    if not spec.is_daily:
        if spec.as_of is None:
            return [(spec.path, None)]
        local = spec.as_of.replace(tzinfo=spec.as_of.tzinfo or agency.zone)
        return [(spec.path, local.astimezone(UTC))]
    return [
        (spec.path.format(date=day), midnight(agency, day + timedelta(days=1)))
        for day in interval.days(agency)
    ]


def _fetch_file(
    fs: fsspec.AbstractFileSystem, path: str, name: str, target: Path, as_of: datetime | None
) -> FetchedFile:
    digest = hashlib.sha256()
    raw = target.with_suffix(".raw")
    with fs.open(path, "rb") as remote, raw.open("wb") as local:
        while chunk := remote.read(1 << 20):
            digest.update(chunk)
            local.write(chunk)
    if name.endswith(".gz"):
        try:
            with gzip.open(raw, "rb") as packed, target.open("wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
        except (EOFError, OSError, zlib.error) as error:
            raise SourceError(
                "SRC-GZIP",
                f"{name} is no whole gzip file: {error}",
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
