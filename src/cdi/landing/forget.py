"""Takes what was erased, or is older than its retention limit, out of a batch on disk."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from cdi.agency.datasets import LINEAGE, number_expressions, variant_columns
from cdi.agency.model import Agency
from cdi.files import write_text
from cdi.keys import decrypt_text
from cdi.landing.batches import (
    FATES,
    Batch,
    hash_content,
    replace_manifest,
    replace_parquet,
    sum_counts,
)
from cdi.landing.originals import originals_with_erased
from cdi.landing.rows import leave_out_rows, row_hash_expression
from cdi.landing.seals import UNFINISHED, verify_batch
from cdi.landing.tombstones import has_tombstones, open_tombstones
from cdi.scratch import open_scratch_database
from cdi.sql import fetch_dicts, ident, naive_utc, scalar


@dataclass
class Forgotten:
    """What `forget_in_batch` took out of a batch.

    Attributes:
        rows: Number of accepted rows that were removed.
        names: Number of accepted rows that lost the name of something erased.
        refused: Number of refused rows that were removed.
    """

    rows: int = 0
    names: int = 0
    refused: int = 0

    def __add__(self, other: "Forgotten") -> "Forgotten":
        """Add the counts of two batches."""
        return Forgotten(
            self.rows + other.rows, self.names + other.names, self.refused + other.refused
        )

    def __bool__(self) -> bool:
        """Return whether anything was taken out."""
        return bool(self.rows or self.names or self.refused)


def verify_untouched(agency: Agency, batch: Batch) -> None:
    """Compare a batch with its seal, unless an erasure was killed while it replaced its files.

    Args:
        agency: The agency in whose landing it is.
        batch: The batch.

    Raises:
        StateError: LANDING-DAMAGED if a file or the manifest is not as it was accepted.
    """
    if not (batch.folder / UNFINISHED).exists():
        verify_batch(agency.agency, batch)


def forget_in_batch(
    agency: Agency, batch: Batch, until: datetime, expired: Iterable[str] = ()
) -> Forgotten:
    """Take out of a batch what was erased or is older than its limit, and count it as erased.

    The caller holds the lock of the dataset (`cdi.files.wait_for_lock`). If this is killed, it can
    be done again.

    Args:
        agency: The agency, with its key rules and retention limits.
        batch: A batch that is accepted, pending, being checked or refused.
        until: What the retention limit counts back from, in UTC without a zone.
        expired: Keyed hashes of references without a tombstone whose rows are removed as well.

    Raises:
        StateError: LANDING-DAMAGED if an accepted batch is damaged; it must not be sealed anew.
    """
    unfinished = batch.folder / UNFINISHED
    verify_untouched(agency, batch)
    with open_scratch_database() as con:
        tombstones = open_tombstones(con, agency.agency, expired)
        con.execute("create table rows as from read_parquet(?)", [str(batch.rows)])
        forgotten = _forget_accepted(con, agency, batch, until)
        # Two rows of a file that differed only in an erased name are the same row now. An
        # extraction would take the second one for a duplicate, so it becomes one here.
        new_duplicates = con.execute(
            "delete from rows where row_id in (select row_id from rows qualify row_number() over "
            "(partition by source_file, row_hash order by row_id) > 1) returning source_file"
        ).fetchall()
        con.execute("create table quarantine as from read_parquet(?)", [str(batch.quarantine)])
        forgotten.refused = _forget_refused(con, agency, batch, until)
        duplicates = Counter(file for (file,) in new_duplicates)
        manifest = _recount_manifest(con, batch, duplicates) | {"tombstones": tombstones}
        if (
            forgotten
            or unfinished.exists()
            or _list_counts(manifest) != _list_counts(batch.manifest)
        ):
            write_text(unfinished, "")
            for table, file in (("rows", batch.rows), ("quarantine", batch.quarantine)):
                replace_parquet(con, table, file)
            replace_manifest(batch.folder, manifest)
            unfinished.unlink()
    return forgotten


def _forget_accepted(
    con: duckdb.DuckDBPyConnection, agency: Agency, batch: Batch, until: datetime
) -> Forgotten:
    """Take erased and expired rows out of the table `rows`, and erased names out of the others.

    A row that lost a name gets the hash and the numbers that a new extraction would give it.
    """
    dataset = batch.manifest["dataset"]
    numbers = number_expressions(dataset)
    landed = [str(row[0]) for row in con.execute("describe rows").fetchall()]
    derived = {*numbers, *variant_columns(dataset)}
    columns = [name for name in landed if name not in LINEAGE and name not in derived]
    removed = leave_out_rows(con, agency, dataset, "rows", columns, until=until)
    is_same = " and ".join(
        f"r.{ident(name)} is not distinct from o.{ident(name)}" for name in columns
    )
    con.execute(
        f"create table changed as select r.row_id from rows as r join read_parquet(?) as o "
        f"using (row_id) where not ({is_same})",
        [str(batch.rows)],
    )
    # A batch that was landed by an earlier version of the product has no numbers.
    renewed = {name: sql for name, sql in numbers.items() if name in landed}
    renewed["row_hash"] = row_hash_expression(columns)
    assignments = ", ".join(f"{ident(name)} = {sql}" for name, sql in renewed.items())
    con.execute(f"update rows set {assignments} where row_id in (select row_id from changed)")
    return Forgotten(rows=removed, names=int(scalar(con, "select count(*) from changed")))


def _forget_refused(
    con: duckdb.DuckDBPyConnection, agency: Agency, batch: Batch, until: datetime
) -> int:
    """Take expired rows, and rows that hold an erased reference, out of the table `quarantine`.

    Of an accepted row only the name goes, but a refused row goes as a whole: what was not read
    cannot be edited safely.
    """
    rows = fetch_dicts(con, "from quarantine")
    expired_files = _find_expired_files(agency, batch, until)
    removed = [row["row_id"] for row in rows if row["source_file"] in expired_files]
    if has_tombstones(con):
        texts = [
            decrypt_text(agency.agency, row["original_encrypted"])
            if row["original_encrypted"]
            else row["original_masked"] or ""
            for row in rows
        ]
        holds_erased = originals_with_erased(con, agency, batch.manifest["dataset"], texts)
        removed += [row["row_id"] for row, holds in zip(rows, holds_erased, strict=True) if holds]
    con.execute(
        "delete from quarantine where list_contains($removed::varchar[], row_id)",
        {"removed": removed},
    )
    return len(set(removed))


def _find_expired_files(agency: Agency, batch: Batch, until: datetime) -> set[str]:
    """Find the files whose refused rows are too old.

    A row that could not be read has no time of its own, so the time of its file counts.
    """
    days = agency.sources[batch.manifest["dataset"]].retention_days
    if days is None:
        return set()
    limit = until - timedelta(days=days)
    return {
        file["name"]
        for file in batch.manifest["files"]
        if naive_utc(datetime.fromisoformat(file["as_of"])) < limit
    }


def _recount_manifest(
    con: duckdb.DuckDBPyConnection, batch: Batch, new_duplicates: Mapping[str, int]
) -> dict[str, Any]:
    """Count again what the tables hold; a row that is in neither of them any more was erased."""
    query = "select source_file, count(*) from {} group by all"
    accepted, quarantined = (
        dict(con.execute(query.format(table)).fetchall()) for table in ("rows", "quarantine")
    )
    files = []
    for file in batch.manifest["files"]:
        counts = {
            "accepted": accepted.get(file["name"], 0),
            "quarantined": quarantined.get(file["name"], 0),
            "duplicates": file["duplicates"] + new_duplicates.get(file["name"], 0),
        }
        removed = sum(file[fate] for fate in counts) - sum(counts.values())
        files.append({**file, **counts, "erased": file.get("erased", 0) + removed})
    changed = {"files": files, "content_sha256": hash_content(con)}
    return {**batch.manifest, **changed, **sum_counts(files)}


def _list_counts(manifest: Mapping[str, Any]) -> list[list[int]]:
    return [[file.get(fate, 0) for fate in FATES] for file in manifest["files"]]
