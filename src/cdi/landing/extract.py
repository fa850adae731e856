"""Extracts a dataset of an agency for a data interval into a pending batch."""

import hmac
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE, DECISIONS
from cdi.agency.interval import Interval
from cdi.agency.model import Agency
from cdi.agency.patterns import check_patterns
from cdi.files import put_torn_rest_aside, rename_durably, sha256_of_file, sha256_of_json
from cdi.keys import derive_key
from cdi.landing.batches import (
    Batch,
    accepted_batches,
    find_counterpart,
    holds_nothing_new,
    newest_files,
    read_batch,
    replace_manifest,
    write_manifest,
)
from cdi.landing.rows import write_rows
from cdi.scratch import scratch_folder
from cdi.sealed_files import verify_file
from cdi.sources.access import Access
from cdi.sources.fetch import Fetched, Known, fetch_source
from cdi.sources.files import FetchedFile


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
            for module in (
                "datasets",
                "interval",
                "key_rules",
                "mapping",
                "model",
                "records_on_calls",
            )
        ),
        *sorted((package / "sources").rglob("*.py")),
        *sorted((package / "sources").rglob("*.sql")),
        *sorted((package / "landing").rglob("*.py")),
        *sorted((package / "landing").rglob("*.sql")),
        *sorted(file for file in (package / "landing" / "words").iterdir() if file.is_file()),
    ]


# What says when and from where a source is read, and so does not change its rows.
_NOT_IN_ROWS = {"connection", "days", "max_age_hours", "unpacked_gb", "wait_hours"}


def _hash_source(agency: Agency, dataset: str, files: list[FetchedFile]) -> str:
    """Hash all that a batch's rows depend on: the files, and how they are read."""
    return sha256_of_json(
        {
            "files": [(file.name, file.sha256, file.as_of) for file in files],
            "reading": _hash_reading(agency, dataset),
        }
    )


def _hash_reading(agency: Agency, dataset: str) -> str:
    """Hash all that the rows of a source depend on besides its content: mapping, code and key."""
    code = [file.read_text(encoding="utf-8") for file in list_reading_code()]
    return sha256_of_json(
        {
            "source": agency.sources[dataset].model_dump(by_alias=True, exclude=_NOT_IN_ROWS),
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


@dataclass(frozen=True)
class Extraction:
    """What an extraction found.

    Attributes:
        fetched: What the source holds for the interval; its files are gone.
        batch: The pending batch; None if the source holds nothing new.
    """

    fetched: Fetched
    batch: Batch | None


def extract_dataset(
    agency: Agency,
    dataset: str,
    interval: Interval,
    access: Access | None = None,
) -> Extraction:
    """Extract a dataset for an interval into a pending batch.

    Args:
        agency: The agency.
        dataset: A key of ``agency.sources``.
        interval: The data interval.
        access: What the source's connection says; None if it has none.

    Returns:
        What was found. Its batch is to be checked and accepted; it is None if the source holds
        nothing new, or if people have not decided or audited anything yet.

    Raises:
        AgencyError: If DuckDB cannot read a regular expression in agency.yaml.
        SourceError: If a source is absent, damaged or not what agency.yaml says; nothing is landed.
    """
    check_patterns(agency)
    # A backfill extracts many intervals at once, so each has a working folder of its own. It holds
    # the source in clear; what a killed extraction left is removed by the next of the dataset.
    folder = paths.landing(agency.agency, dataset) / "pending"
    with scratch_folder(folder, _name_interval(interval)) as working:
        scratch, target = working / "fetched", working / "batch"
        scratch.mkdir()
        target.mkdir()
        fetched = _fetch(agency, dataset, interval, scratch, access)
        if not fetched.files:
            return Extraction(fetched, None)
        fingerprint = _hash_source(agency, dataset, fetched.files)
        reference = _find_reference_batch(agency, dataset, interval)
        if reference and reference.manifest["source_fingerprint"] == fingerprint:
            return Extraction(fetched, None)
        manifest = write_rows(agency, dataset, interval, fetched.files, target)
        if holds_nothing_new(manifest):
            return Extraction(fetched, None)
        batch_id = _choose_batch_id(agency, dataset, interval)
        manifest |= {
            "batch_id": batch_id,
            "source_fingerprint": fingerprint,
            "absent_files": fetched.absent,
            "confirmed": fetched.confirmed,
            "undated": fetched.undated,
        }
        write_manifest(target, manifest)
        for replaced in sorted(folder.glob(f"{_name_interval(interval)}_v*/")):
            shutil.rmtree(replaced, ignore_errors=True)
        return Extraction(fetched, read_batch(rename_durably(target, folder / batch_id)))


def _fetch(
    agency: Agency,
    dataset: str,
    interval: Interval,
    folder: Path,
    access: Access | None = None,
) -> Fetched:
    """Fetch what a source holds; of a live source, the days that are not as they were landed."""
    if dataset in BY_PEOPLE:
        for written in sorted(Path(agency.root_of(dataset)).glob("*.csv.seal")):
            verify_file(agency.agency, written.with_suffix(""), may_grow=dataset == DECISIONS)
    if dataset == DECISIONS:
        # The last cell of a row that was cut may look whole, e.g. a staff number of two digits.
        put_torn_rest_aside(paths.decisions_file(agency.agency))
    known: dict[str, Known] = {}
    key = b""
    if agency.sources[dataset].is_live:
        known = {
            name: Known(file["sha256"], file["read"])
            for name, file in newest_files(agency.agency, dataset).items()
        }
        key = hmac.digest(
            derive_key(agency.agency, "fingerprint"),
            _hash_reading(agency, dataset).encode(),
            "sha256",
        )
    return fetch_source(agency, dataset, interval, folder, access, known, key)


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
    with scratch_folder() as scratch:
        files = _fetch(agency, dataset, Interval(now, now), scratch).files
    if newest and files:
        fingerprint = _hash_source(agency, dataset, files)
        replace_manifest(newest.folder, newest.manifest | {"source_fingerprint": fingerprint})


def is_source_unchanged(agency: Agency, dataset: str, interval: Interval) -> bool:
    """Find out whether the files of a source hold nothing new, without writing to the landing.

    Args:
        agency: The agency.
        dataset: A key of ``agency.sources``.
        interval: The data interval.

    Returns:
        False for a live source, which would have to be read whole to tell, and for files behind a
        connection, which a run asks for with it.
    """
    source = agency.sources[dataset]
    if source.is_live or source.connection:
        return False
    reference = _find_reference_batch(agency, dataset, interval)
    if reference is None and dataset not in BY_PEOPLE:
        return False
    with scratch_folder() as scratch:
        files = _fetch(agency, dataset, interval, scratch).files
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
    # the highest version and not their number, as an earlier one may have been lost for good
    versions = [
        int(batch.manifest["batch_id"].removeprefix(f"{name}_v"))
        for batch in accepted_batches(agency.agency, dataset)
        if batch.manifest["batch_id"].startswith(f"{name}_v")
    ]
    return f"{name}_v{1 + max(versions, default=0)}"
