"""Batches on disk: their files, their manifests, and the order in which they were accepted."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.errors import StateError
from cdi.files import read_json, sha256_of_json, write_json, write_whole
from cdi.landing.seals import RESTORE, read_newest, seal_manifest, verify_batch, verify_order
from cdi.sql import naive_utc, scalar

QUARANTINE_COLUMNS = {
    "row_id": "VARCHAR",
    "source_file": "VARCHAR",
    "source_line": "BIGINT",
    "rule_id": "VARCHAR",
    "detail": "VARCHAR",
    "original_masked": "VARCHAR",
    "original_encrypted": "VARCHAR",
}

# what a manifest counts for each file; `read` is the sum of the others
FATES = ("read", "accepted", "quarantined", "duplicates", "erased")


@dataclass(frozen=True)
class Batch:
    """A batch on disk.

    Attributes:
        folder: Its folder, named by its id (while it is extracted or checked, by another name).
        manifest: What it was read from, its counts and its hashes.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def rows(self) -> Path:
        """The Parquet file of the accepted rows."""
        return self.folder / "rows.parquet"

    @property
    def quarantine(self) -> Path:
        """The Parquet file of the refused rows, with their rule ids."""
        return self.folder / "quarantine.parquet"


# What each manifest has; an accepted one has `ACCEPTED_KEYS` as well.
MANIFEST_KEYS = ("agency", "dataset", "as_of", "files", "content_sha256")
ACCEPTED_KEYS = ("batch_id", "seq")


def read_batch(folder: Path, keys: tuple[str, ...] = MANIFEST_KEYS) -> Batch:
    """Read a batch's manifest.

    Args:
        folder: The batch's folder.
        keys: What the manifest must have.

    Raises:
        StateError: LANDING-DAMAGED if it cannot be read: nobody knows then what the batch holds.
    """
    try:
        return Batch(folder, read_json(folder / "manifest.json", keys))
    except StateError as error:
        raise StateError(
            "LANDING-DAMAGED",
            f"the batch {folder} cannot be read: {error.message}",
            RESTORE,
        ) from error


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write a batch's manifest."""
    write_json(folder / "manifest.json", manifest, sort_keys=True)


def replace_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write a batch's manifest in place of the old one, with the same file mode.

    That of an accepted batch is sealed anew, over the files that are in the folder now.
    """
    file = folder / "manifest.json"
    if "link" in manifest:
        manifest = seal_manifest(folder, manifest)
    mode = file.stat().st_mode
    write_json(file, manifest, sort_keys=True, mode=mode)


MOVED_KEYS = ("at", "target", "snapshot")  # of the file; no snapshot: it is being moved


def moved_file(agency_id: str) -> Path:
    """The file that says that the agency is worked on elsewhere, and since when."""
    return paths.landing(agency_id, "moved.json")


def refuse_moved(agency_id: str) -> None:
    """Refuse to work on an agency that has moved to another machine: nothing may run twice.

    All that reads or adds to the landing asks, so that neither a task that comes late nor a
    colleague's command goes on with a state that is not the agency's any more.

    Raises:
        StateError: AGENCY-MOVED.
    """
    file = moved_file(agency_id)
    if not file.is_file():
        return
    moved = read_json(file, MOVED_KEYS)
    if moved["snapshot"] is None:
        raise StateError(
            "AGENCY-MOVED",
            f"{agency_id} is being moved to {moved['target']} since {moved['at']}",
            "wait until that has ended; if it was killed, give the command again",
        )
    raise StateError(
        "AGENCY-MOVED",
        f"{agency_id} has moved: on {moved['at']} it went to {moved['target']} (snapshot "
        f"{moved['snapshot']}), and whoever restored it there works on it",
        f"work there. If it was restored nowhere, remove {file}, and it is worked on here again",
    )


def accepted_batches(agency_id: str, dataset: str) -> list[Batch]:
    """List the accepted batches of a dataset, in the order of their acceptance.

    Raises:
        StateError: LANDING-DAMAGED if the manifest of one of them cannot be read; AGENCY-MOVED if
            the agency is worked on elsewhere.
    """
    refuse_moved(agency_id)
    home = paths.landing(agency_id, dataset) / "batches"
    keys = (*MANIFEST_KEYS, *ACCEPTED_KEYS)
    batches = [read_batch(folder, keys) for folder in home.glob("[!.]*/")]
    return sorted(batches, key=lambda batch: batch.manifest["seq"])


def verified_batches(agency_id: str, dataset: str) -> list[Batch]:
    """List the accepted batches of a dataset as `accepted_batches` does, and verify their seals.

    All their bytes are read, at the speed of the disk, so that no damage is built upon.

    Raises:
        StateError: LANDING-DAMAGED if one is not as it was accepted, LANDING-GAP if one is missing;
            AGENCY-MOVED if the agency is worked on elsewhere.
    """
    newest = read_newest(agency_id, dataset)
    batches = accepted_batches(agency_id, dataset)
    verify_order(paths.landing(agency_id, dataset), batches, newest)
    for batch in batches:
        verify_batch(agency_id, batch)
    return batches


def find_counterpart(
    agency_id: str, dataset: str, delivery: str, interval: tuple[str, str]
) -> Batch | None:
    """Find the accepted batch that a new one must differ from, to count as new.

    A snapshot replaces whatever came before, so it is compared with the newest state. Changes are
    compared with the latest batch of the same interval. Days are compared one by one, so there is
    no such batch (`newest_files`).

    Args:
        agency_id: The agency.
        dataset: The dataset.
        delivery: `snapshot`, `changes` or `days`.
        interval: Start and end of the new batch, as a manifest writes them.

    Raises:
        StateError: As `accepted_batches`.
    """
    accepted = accepted_batches(agency_id, dataset)
    if delivery == "snapshot":
        return max(accepted, key=lambda b: (b.manifest["as_of"], b.manifest["seq"]), default=None)
    if delivery == "days":
        return None
    of_interval = [batch for batch in accepted if interval_of(batch) == interval]
    return of_interval[-1] if of_interval else None


def newest_files(agency_id: str, dataset: str) -> dict[str, dict[str, Any]]:
    """Find the newest accepted version of each file of a live source, by the file's name.

    The newest is the one that tells the latest state, and of equal ones the last to arrive.

    Raises:
        StateError: As `accepted_batches`.
    """
    versions = [
        (file["as_of"], batch.manifest["seq"], file)
        for batch in accepted_batches(agency_id, dataset)
        if batch.manifest.get("is_live")
        for file in batch.manifest["files"]
    ]
    return {file["name"]: file for *_, file in sorted(versions, key=lambda version: version[:2])}


def holds_nothing_new(manifest: Mapping[str, Any]) -> bool:
    """Whether the landing has accepted the same content already.

    Args:
        manifest: That of a batch which is not accepted yet.

    Raises:
        StateError: As `accepted_batches`.
    """
    agency_id, dataset, delivery = (manifest[name] for name in ("agency", "dataset", "delivery"))
    if delivery == "days":
        newest = newest_files(agency_id, dataset)
        return all(
            file["sha256"] == newest.get(file["name"], {}).get("sha256")
            for file in manifest["files"]
        )
    interval = (manifest["interval_start"], manifest["interval_end"])
    counterpart = find_counterpart(agency_id, dataset, delivery, interval)
    return bool(
        counterpart and counterpart.manifest["content_sha256"] == manifest["content_sha256"]
    )


def find_copy(files: Sequence[Mapping[str, Any]], file: Mapping[str, Any]) -> str | None:
    """Find the first other file of a batch that has the same bytes and tells the same moment.

    Args:
        files: The files as the manifest lists them.
        file: One of them, or one that follows them; only those before it are looked at.
    """
    for other in files:
        if other["name"] == file["name"]:
            return None
        if (other["sha256"], other["as_of"]) == (file["sha256"], file["as_of"]):
            return str(other["name"])
    return None


def interval_of(batch: Batch) -> tuple[str, str]:
    """Start and end of the interval that a batch was extracted for, as its manifest writes them."""
    return batch.manifest["interval_start"], batch.manifest["interval_end"]


def batch_as_of(batch: Batch) -> datetime:
    """The moment at which a batch's content was true, in UTC without a zone."""
    return naive_utc(datetime.fromisoformat(batch.manifest["as_of"]))


def newest_as_of(agency_id: str, dataset: str) -> datetime | None:
    """The newest landed state of a dataset, in UTC without a zone; None if nothing is landed.

    Raises:
        StateError: As `accepted_batches`.
    """
    return max(map(batch_as_of, accepted_batches(agency_id, dataset)), default=None)


def remove_batch(folder: Path) -> None:
    """Remove a batch, if it is there; it is renamed first, so that nobody finds half of it."""
    hidden = folder.with_name(f".{folder.name}")
    shutil.rmtree(hidden, ignore_errors=True)  # left by a process that was killed
    if folder.is_dir():
        shutil.rmtree(folder.rename(hidden))


def write_parquet(con: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    """Write a query's rows to a Parquet file, compressed with zstd."""
    con.execute(f"copy ({query}) to $file (format parquet, compression zstd)", {"file": str(file)})


def write_batch_table(con: duckdb.DuckDBPyConnection, table: str, file: Path) -> None:
    """Write the table `rows` or `quarantine` to a Parquet file, always in the same order."""
    write_parquet(con, f"from {table} order by source_file, row_id", file)


def replace_parquet(con: duckdb.DuckDBPyConnection, table: str, file: Path) -> None:
    """Write a table in place of a batch's Parquet file, with the same file mode."""
    with write_whole(file) as temporary:
        write_batch_table(con, table, temporary)
        temporary.chmod(file.stat().st_mode)


def sum_counts(files: list[dict[str, Any]]) -> dict[str, int]:
    """Sum the counts of all files of a batch."""
    return {fate: sum(int(file[fate]) for file in files) for fate in FATES}


def hash_content(con: duckdb.DuckDBPyConnection) -> str:
    """Hash the tables `rows` and `quarantine`; the order of their rows does not matter."""
    accepted = scalar(
        con,
        "select sha256(string_agg(row_hash || source_as_of, '' order by row_hash, source_as_of)) "
        "from rows",
    )
    refused = scalar(
        con,
        "select string_agg(row_id || rule_id || original_masked, '' order by row_id) "
        "from quarantine",
    )
    return sha256_of_json([accepted, refused])
