"""Take what was erased, or is older than its retention limit, out of a batch on disk."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from cdi.agency.datasets import LINEAGE
from cdi.agency.model import Agency
from cdi.keys import decrypt_text
from cdi.landing.batches import (
    FATES,
    Batch,
    content_sha256,
    naive_utc,
    replace_manifest,
    replace_parquet,
    sum_counts,
)
from cdi.landing.rows import leave_out_rows, row_hash_expression
from cdi.landing.tombstones import (
    has_tombstones,
    open_tombstones,
    read_tombstones,
    texts_with_erased,
)
from cdi.sql import connect, fetch_dicts, ident, scalar

# ---------------------------------------------------------------------- forgetting


@dataclass
class Forgotten:
    """What `forget_in_batch` took out of a batch.

    Attributes:
        rows: Accepted rows that are gone.
        names: Accepted rows that lost the name of something erased.
        refused: Refused rows that are gone.
    """

    rows: int = 0
    names: int = 0
    refused: int = 0

    def __add__(self, other: "Forgotten") -> "Forgotten":
        """Both together."""
        return Forgotten(
            self.rows + other.rows, self.names + other.names, self.refused + other.refused
        )

    def __bool__(self) -> bool:
        """Whether there was anything."""
        return bool(self.rows or self.names or self.refused)


def forget_in_batch(
    agency: Agency, batch: Batch, until: datetime, also: Iterable[str] = ()
) -> Forgotten:
    """Take out of a batch on disk what was erased or is older than is kept; count it as erased.

    The caller holds the lock (`locked`). Killed in the middle, it can be done again.

    Args:
        agency: With its key rules and limits.
        batch: Accepted, pending, being checked or refused.
        until: UTC without a zone: what the retention limit counts from.
        also: Keyed hashes of further references, that are in no tombstone.
    """
    with connect() as con:
        open_tombstones(con, agency.agency, also)
        con.execute("create table rows as from read_parquet(?)", [str(batch.rows)])
        done = _forget_accepted(con, agency, batch, until)
        again = con.execute(
            "delete from rows where row_id in (select row_id from rows qualify row_number() over "
            "(partition by source_file, row_hash order by row_id) > 1) returning source_file"
        ).fetchall()
        con.execute("create table quarantine as from read_parquet(?)", [str(batch.quarantine)])
        done.refused = _forget_refused(con, agency, batch, until)
        manifest = _recount_manifest(con, batch, Counter(file for (file,) in again))
        # of one that was killed: rows that only lost a name change no count
        unfinished = batch.folder / ".forgetting"
        if (
            done
            or unfinished.exists()
            or _counts_by_file(manifest) != _counts_by_file(batch.manifest)
        ):
            unfinished.touch()
            for table, file in (("rows", batch.rows), ("quarantine", batch.quarantine)):
                replace_parquet(con, table, file)
            replace_manifest(batch.folder, manifest)
            unfinished.unlink()
    return done


def _forget_accepted(
    con: duckdb.DuckDBPyConnection, agency: Agency, batch: Batch, until: datetime
) -> Forgotten:
    """Of the table `rows`; a row that lost a name has a new hash, as an extraction gives it."""
    described = con.execute("describe rows").fetchall()
    columns = [str(row[0]) for row in described if row[0] not in LINEAGE]
    gone = leave_out_rows(con, agency, batch.manifest["dataset"], "rows", columns, (until, None))
    same = " and ".join(f"r.{ident(name)} is not distinct from o.{ident(name)}" for name in columns)
    con.execute(
        f"create table changed as select r.row_id from rows as r join read_parquet(?) as o "
        f"using (row_id) where not ({same})",
        [str(batch.rows)],
    )
    con.execute(
        f"update rows set row_hash = {row_hash_expression(columns)} "
        "where row_id in (select row_id from changed)"
    )
    return Forgotten(rows=gone, names=int(scalar(con, "select count(*) from changed")))


def _forget_refused(
    con: duckdb.DuckDBPyConnection, agency: Agency, batch: Batch, until: datetime
) -> int:
    """Of the table `quarantine`: a refused row that holds an erased name goes whole."""
    rows = fetch_dicts(con, "from quarantine")
    old = _files_too_old(agency, batch, until)
    gone = [row["row_id"] for row in rows if row["source_file"] in old]
    if has_tombstones(con):
        texts = [
            decrypt_text(agency.agency, row["original_encrypted"])
            if row["original_encrypted"]
            else row["original_masked"] or ""
            for row in rows
        ]
        held = texts_with_erased(con, agency, texts)
        gone += [row["row_id"] for row, is_held in zip(rows, held, strict=True) if is_held]
    con.execute("delete from quarantine where list_contains($gone::varchar[], row_id)",
                {"gone": gone})  # fmt: skip
    return len(set(gone))


def _files_too_old(agency: Agency, batch: Batch, until: datetime) -> set[str]:
    """Files whose refused rows are not kept: what could not be read has no time of its own."""
    days = agency.sources[batch.manifest["dataset"]].retention_days
    if days is None:
        return set()
    limit = until - timedelta(days=days)
    return {file["name"] for file in batch.manifest["files"] if naive_utc(file["as_of"]) < limit}


def _recount_manifest(
    con: duckdb.DuckDBPyConnection, batch: Batch, again: Mapping[str, int]
) -> dict[str, Any]:
    """The manifest, with what the tables hold now; what is in neither any more was erased."""
    query = "select source_file, count(*) from {} group by all"
    accepted, quarantined = (
        dict(con.execute(query.format(table)).fetchall()) for table in ("rows", "quarantine")
    )
    files = []
    for file in batch.manifest["files"]:
        now = {
            "accepted": accepted.get(file["name"], 0),
            "quarantined": quarantined.get(file["name"], 0),
            "duplicates": file["duplicates"] + again.get(file["name"], 0),
        }
        left = sum(file[fate] for fate in now) - sum(now.values())
        files.append({**file, **now, "erased": file.get("erased", 0) + left})
    changed = {
        "files": files,
        "content_sha256": content_sha256(con),
        "tombstones": len(read_tombstones(batch.manifest["agency"])),
    }
    return {**batch.manifest, **changed, **sum_counts(files)}


def _counts_by_file(manifest: Mapping[str, Any]) -> list[list[int]]:
    return [[file.get(fate, 0) for fate in FATES] for file in manifest["files"]]
