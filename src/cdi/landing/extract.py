"""Extracts a dataset of an agency for a data interval into a pending batch."""

import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE
from cdi.agency.interval import Interval
from cdi.agency.model import Agency
from cdi.agency.patterns import check_patterns
from cdi.files import sha256_of_file, sha256_of_json
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


def list_reading_code() -> list[Path]:
    """List the files of the code that turns source bytes into rows.

    Their content is part of a batch's fingerprint: if it changes, everything is extracted again.
    """
    package = Path(__file__).parents[1]
    return [
        package / "keys.py",
        package / "sql.py",
        *(
            package / "agency" / f"{module}.py"
            for module in ("datasets", "interval", "key_rules", "model")
        ),
        *sorted((package / "sources").rglob("*.py")),
        *sorted((package / "landing").rglob("*.py")),
        *sorted((package / "landing").rglob("*.sql")),
    ]


def _hash_source(agency: Agency, dataset: str, files: list[FetchedFile]) -> str:
    """Hash all that a batch's rows depend on: the files, their mapping, the code and the key."""
    code = [file.read_text(encoding="utf-8") for file in list_reading_code()]
    return sha256_of_json(
        {
            "files": [(file.name, file.sha256, file.as_of) for file in files],
            "source": agency.sources[dataset].model_dump(by_alias=True),
            "key_rules": {
                thing: [rule.model_dump() for rule in rules]
                for thing, rules in agency.key_rules.items()
            },
            "timezone": agency.timezone,
            "code": sha256_of_json(code),
            "key": derive_key(agency.agency, "fingerprint").hex()[:16],
        }
    )


def _find_reference_batch(agency: Agency, dataset: str, interval: Interval) -> Batch | None:
    """Find the batch that new content must differ from, to count as new."""
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
    """Extract a dataset for an interval into a pending batch.

    Args:
        agency: The agency.
        dataset: A key of ``agency.sources``.
        interval: The data interval.
        storage_options: Options for fsspec, from the Airflow connection.

    Returns:
        The pending batch, to be checked and accepted; None if the sources hold nothing new, or if
        people have not decided or audited anything yet.

    Raises:
        AgencyError: If DuckDB cannot read a regular expression in agency.yaml.
        SourceError: If a file is absent, damaged or not what agency.yaml says; nothing is landed.
    """
    check_patterns(agency)
    # A backfill extracts many intervals at once, so each has a working folder of its own. A killed
    # extraction leaves it behind, and the next one for the same interval removes it.
    folder = paths.landing(agency.agency, dataset) / "pending"
    working = folder / f".{_name_interval(interval)}"
    shutil.rmtree(working, ignore_errors=True)
    scratch, target = working / "fetched", working / "batch"
    scratch.mkdir(parents=True)
    target.mkdir()
    try:
        files, absent = fetch_files(agency, dataset, interval, scratch, storage_options)
        if not files:
            return None
        fingerprint = _hash_source(agency, dataset, files)
        reference = _find_reference_batch(agency, dataset, interval)
        if reference and reference.manifest["source_fingerprint"] == fingerprint:
            return None
        manifest = write_rows(agency, dataset, interval, files, target)
        if reference and reference.manifest["content_sha256"] == manifest["content_sha256"]:
            return None
        batch_id = _choose_batch_id(agency, dataset, interval)
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
    """Read a local file as an extraction would, into a batch that stays outside the landing.

    Args:
        agency: The agency.
        dataset: The dataset that the file holds.
        file: The file, decompressed.
        folder: An empty folder for the batch.
    """
    now = datetime.now(UTC)
    fetched = FetchedFile(file.name, file, sha256_of_file(file), None)
    write_manifest(folder, write_rows(agency, dataset, Interval(now, now), [fetched], folder))
    return read_batch(folder)


def adopt_source(agency: Agency, dataset: str) -> None:
    """Record the present source files as the origin of the newest batch.

    Called after an erasure edited both the files that people wrote and the batches that were read
    from them; otherwise the next extraction would take the edited files for new content.

    Args:
        agency: The agency.
        dataset: A dataset that people write, delivered as a snapshot.
    """
    now = datetime.now(UTC)
    newest = _find_reference_batch(agency, dataset, Interval(now, now))
    with tempfile.TemporaryDirectory(prefix="cdi-") as scratch:
        files, _ = fetch_files(agency, dataset, Interval(now, now), Path(scratch))
    if newest and files:
        fingerprint = _hash_source(agency, dataset, files)
        replace_manifest(newest.folder, newest.manifest | {"source_fingerprint": fingerprint})


def is_source_unchanged(
    agency: Agency,
    dataset: str,
    interval: Interval,
    storage_options: Mapping[str, Any] | None = None,
) -> bool:
    """Find out whether the sources hold nothing new, without writing to the landing.

    Args:
        agency: The agency.
        dataset: A key of ``agency.sources``.
        interval: The data interval.
        storage_options: Options for fsspec, from the Airflow connection.
    """
    reference = _find_reference_batch(agency, dataset, interval)
    if reference is None and dataset not in BY_PEOPLE:
        return False
    with tempfile.TemporaryDirectory(prefix="cdi-") as scratch:
        files, _ = fetch_files(agency, dataset, interval, Path(scratch), storage_options)
        if reference is None or not files:
            return not files
        return bool(
            reference.manifest["source_fingerprint"] == _hash_source(agency, dataset, files)
        )


def _name_interval(interval: Interval) -> str:
    return f"{interval.start:%Y%m%dT%H%M}_{interval.end:%Y%m%dT%H%M}"


def _choose_batch_id(agency: Agency, dataset: str, interval: Interval) -> str:
    """Name a batch by its interval, and by how often that interval was extracted."""
    name = _name_interval(interval)
    accepted = accepted_batches(agency.agency, dataset)
    version = 1 + sum(batch.manifest["batch_id"].startswith(name) for batch in accepted)
    return f"{name}_v{version}"
