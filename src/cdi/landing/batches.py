"""A batch on disk: its files, its manifest, and the order in which batches were accepted."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.files import sha256_of_json
from cdi.sql import scalar

QUARANTINE_COLUMNS = {
    "row_id": "VARCHAR",
    "source_file": "VARCHAR",
    "source_line": "BIGINT",
    "rule_id": "VARCHAR",
    "detail": "VARCHAR",
    "original_masked": "VARCHAR",
    "original_encrypted": "VARCHAR",
}


FATES = ("read", "accepted", "quarantined", "duplicates", "erased")  # the first is all the others


@dataclass(frozen=True)
class Batch:
    """One batch on disk."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def rows(self) -> Path:
        """Accepted rows."""
        return self.folder / "rows.parquet"

    @property
    def quarantine(self) -> Path:
        """Refused rows, with rule id."""
        return self.folder / "quarantine.parquet"


def read_batch(folder: Path) -> Batch:
    """Read a batch's manifest."""
    return Batch(folder, json.loads((folder / "manifest.json").read_text(encoding="utf-8")))


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write a batch's manifest."""
    text = json.dumps(manifest, indent=2, sort_keys=True)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")


def accepted_batches(agency: str, dataset: str) -> list[Batch]:
    """The accepted batches of a dataset, in the order of their acceptance."""
    folder = paths.landing(agency, dataset) / "batches"
    found = [read_batch(file.parent) for file in folder.glob("*/manifest.json")]
    return sorted(found, key=lambda batch: batch.manifest["seq"])


def find_counterpart(
    agency: str, dataset: str, delivery: str, interval: tuple[str, str]
) -> Batch | None:
    """A snapshot replaces whatever came before; changes are compared within their interval."""
    accepted = accepted_batches(agency, dataset)
    if delivery == "snapshot":
        return max(accepted, key=lambda b: (b.manifest["as_of"], b.manifest["seq"]), default=None)
    same = [b for b in accepted if interval_of(b) == interval]
    return same[-1] if same else None


def interval_of(batch: Batch) -> tuple[str, str]:
    return batch.manifest["interval_start"], batch.manifest["interval_end"]


def remove_batch(folder: Path) -> None:
    """Remove a batch, if it is there; by a rename first, so that nobody meets half of it."""
    hidden = folder.with_name(f".{folder.name}")
    shutil.rmtree(hidden, ignore_errors=True)  # of a process that was killed
    if folder.is_dir():
        shutil.rmtree(folder.rename(hidden))


def replace_parquet(con: duckdb.DuckDBPyConnection, table: str, file: Path) -> None:
    """Write a table in place of a batch's Parquet file, by a rename."""
    written = file.with_name(f".{file.name}.next")
    written.unlink(missing_ok=True)
    write_parquet(con, f"from {table} order by source_file, row_id", written)
    written.chmod(file.stat().st_mode)
    written.replace(file)


def replace_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as scratch:
        write_manifest(Path(scratch), manifest)
        file = Path(scratch) / "manifest.json"
        file.chmod((folder / "manifest.json").stat().st_mode)
        file.replace(folder / "manifest.json")


def write_parquet(con: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    """Write a query's rows to a Parquet file (zstd)."""
    con.execute(f"copy ({query}) to $file (format parquet, compression zstd)", {"file": str(file)})


def sum_counts(files: list[dict[str, Any]]) -> dict[str, int]:
    return {key: sum(int(file[key]) for file in files) for key in FATES}


def content_sha256(con: duckdb.DuckDBPyConnection) -> str:
    """Over the tables `rows` and `quarantine`, whatever the order of their rows."""
    content = scalar(
        con,
        "select sha256(string_agg(row_hash || source_as_of, '' order by row_hash, source_as_of)) "
        "from rows",
    )
    refused = scalar(
        con,
        "select string_agg(row_id || rule_id || original_masked, '' order by row_id) "
        "from quarantine",
    )
    return sha256_of_json([content, refused])


def newest_as_of(agency: str, dataset: str, as_of: datetime) -> datetime:
    """The newest state that is known of a dataset: what its retention limit counts from."""
    return max([as_of, *map(batch_as_of, accepted_batches(agency, dataset))])


def naive_utc(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(UTC).replace(tzinfo=None)


def batch_as_of(batch: Batch) -> datetime:
    return naive_utc(batch.manifest["as_of"])
