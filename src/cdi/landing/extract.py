"""Extract one dataset of an agency for one data interval into a pending batch."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE
from cdi.agency.interval import Interval
from cdi.agency.load import check_patterns
from cdi.agency.model import Agency
from cdi.files import sha256_of_json
from cdi.keys import derive_key
from cdi.landing.batches import (
    Batch,
    accepted_batches,
    find_counterpart,
    read_batch,
    replace_manifest,
    write_manifest,
)
from cdi.landing.rows import write_rows
from cdi.sources.files import FetchedFile, fetch_files


def _hash_reading_code() -> str:
    """Hash the code that turns bytes into rows: if it changes, everything is extracted anew."""
    package = Path(__file__).parents[1]
    files = [
        package / "keys.py",
        *(package / "agency" / name for name in ("datasets.py", "interval.py", "key_rules.py")),
        *sorted((package / "sources").glob("*.py")),
        *sorted((package / "landing").glob("*.py")),
    ]
    return sha256_of_json([file.read_text(encoding="utf-8") for file in files])


def _source_fingerprint(agency: Agency, dataset: str, files: list[FetchedFile]) -> str:
    return sha256_of_json(
        {
            "files": [(f.name, f.sha256, f.as_of) for f in files],
            "source": agency.sources[dataset].model_dump(by_alias=True),
            "key_rules": {k: [r.model_dump() for r in v] for k, v in agency.key_rules.items()},
            "timezone": agency.timezone,
            "code": _hash_reading_code(),
            "key": derive_key(agency.agency, "fingerprint").hex()[:16],
        }
    )


def _reference_batch(agency: Agency, dataset: str, interval: Interval) -> Batch | None:
    """The batch that new content must differ from to count as new."""
    return find_counterpart(
        agency.agency,
        dataset,
        agency.sources[dataset].delivery,
        (interval.start.isoformat(), interval.end.isoformat()),
    )


def extract_dataset(
    agency: Agency,
    dataset: str,
    interval: Interval,
    storage_options: Mapping[str, Any] | None = None,
) -> Batch | None:
    """Extract one dataset for one interval into a pending batch.

    Args:
        agency: The agency.
        dataset: A key of ``agency.sources``.
        interval: Data interval, UTC.
        storage_options: For fsspec, from the Airflow connection.

    Returns:
        The pending batch, to be checked and accepted; None if the sources hold nothing new, or
        nobody has decided or audited anything yet.

    Raises:
        AgencyError: If agency.yaml has a regular expression that is none.
        SourceError: If a file is absent, damaged or not what agency.yaml says; nothing is landed.
    """
    check_patterns(agency)
    # a backfill runs many intervals at once: each has its own folder, which a killed one leaves
    folder = paths.landing(agency.agency, dataset) / "pending"
    working = folder / f".{_interval_name(interval)}"
    shutil.rmtree(working, ignore_errors=True)
    scratch, target = working / "fetched", working / "batch"
    scratch.mkdir(parents=True)
    target.mkdir()
    try:
        files, absent = fetch_files(agency, dataset, interval, scratch, storage_options)
        if not files:
            return None
        fingerprint = _source_fingerprint(agency, dataset, files)
        newest = _reference_batch(agency, dataset, interval)
        if newest and newest.manifest["source_fingerprint"] == fingerprint:
            return None
        manifest = write_rows(agency, dataset, interval, files, target)
        if newest and newest.manifest["content_sha256"] == manifest["content_sha256"]:
            return None
        batch_id = _next_batch_id(agency, dataset, interval)
        manifest |= {
            "batch_id": batch_id,
            "source_fingerprint": fingerprint,
            "absent_files": absent,
        }
        write_manifest(target, manifest)
        shutil.rmtree(folder / batch_id, ignore_errors=True)
        return read_batch(target.rename(folder / batch_id))
    finally:
        shutil.rmtree(working)


def read_file_as_batch(agency: Agency, dataset: str, file: Path, folder: Path) -> Batch:
    """Read one local file as an extraction would, into a batch that stays outside the landing.

    Args:
        agency: Whose file.
        dataset: What it holds.
        file: The file, decompressed.
        folder: An empty folder for the batch.
    """
    now = datetime.now(UTC)
    fetched = FetchedFile(file.name, file, hashlib.sha256(file.read_bytes()).hexdigest(), None)
    write_manifest(folder, write_rows(agency, dataset, Interval(now, now), [fetched], folder))
    return read_batch(folder)


def adopt_source(agency: Agency, dataset: str) -> None:
    """Take the source as it stands for what the newest batch was read from.

    For what people of this house write: an erasure changes source and batch alike.
    """
    known = accepted_batches(agency.agency, dataset)
    with tempfile.TemporaryDirectory(prefix="cdi-") as scratch:
        now = datetime.now(UTC)
        files, _ = fetch_files(agency, dataset, Interval(now, now), Path(scratch))
    if known and files:
        batch = max(known, key=lambda b: (b.manifest["as_of"], b.manifest["seq"]))
        read_from = {"source_fingerprint": _source_fingerprint(agency, dataset, files)}
        replace_manifest(batch.folder, batch.manifest | read_from)


def is_source_unchanged(
    agency: Agency,
    dataset: str,
    interval: Interval,
    storage_options: Mapping[str, Any] | None = None,
) -> bool:
    """Whether the sources hold nothing new for the interval; writes nothing to the landing."""
    newest = _reference_batch(agency, dataset, interval)
    if newest is None and dataset not in BY_PEOPLE:
        return False
    with tempfile.TemporaryDirectory(prefix="cdi-") as scratch:
        files, _ = fetch_files(agency, dataset, interval, Path(scratch), storage_options)
        if newest is None or not files:
            return not files
        return bool(
            newest.manifest["source_fingerprint"] == _source_fingerprint(agency, dataset, files)
        )


def _interval_name(interval: Interval) -> str:
    return f"{interval.start:%Y%m%dT%H%M}_{interval.end:%Y%m%dT%H%M}"


def _next_batch_id(agency: Agency, dataset: str, interval: Interval) -> str:
    name = _interval_name(interval)
    accepted = accepted_batches(agency.agency, dataset)
    version = 1 + sum(batch.manifest["batch_id"].startswith(name) for batch in accepted)
    return f"{name}_v{version}"
