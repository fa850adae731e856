"""What dbt reads: views over the landed rows, the agency's code maps, settings and quarantine."""

from datetime import UTC, datetime
from typing import Any

import duckdb

from cdi.agency import code_maps
from cdi.agency.datasets import DATASETS, output_columns
from cdi.build.version import Version, batch_as_of, hash_code_parts
from cdi.files import sha256_of_json
from cdi.landing import batches as landing_batches
from cdi.learning.links import open_links_weights
from cdi.learning.text import open_text_weights
from cdi.sql import create_table, ident, literal

# ---------------------------------------------------------------------- what dbt reads


def open_landing(con: duckdb.DuckDBPyConnection, version: Version) -> None:
    """Make the schemas `landing` (views over Parquet) and `codes` (the agency's code maps)."""
    con.execute("create schema landing")
    con.execute("create schema codes")
    agency = version.agency
    for dataset in DATASETS:
        _view_rows(con, version, dataset)
    create_table(con, "landing.batches", BATCH_COLUMNS, _batch_rows(version))
    create_table(con, "landing.batch_files", FILE_COLUMNS, _file_rows(version))
    _collect_quarantine(con, version)
    open_links_weights(con, version.weights.get("links"))
    open_text_weights(
        con, version.weights.get("text"), sha256_of_json(hash_code_parts(agency))[:10]
    )
    newest = {
        name: max((batch_as_of(b) for b in some), default=None)
        for name, some in version.batches.items()
    }
    create_table(
        con,
        "landing.settings",
        SETTINGS_COLUMNS,
        [
            {
                "agency": agency.agency,
                "agency_name": agency.name,
                "is_simulated": agency.is_simulated,
                "calls": agency.calls,
                "timezone": agency.timezone,
                "licence": agency.licence,
                "cancelled_statuses": list(agency.cancelled_statuses),
                "as_of": naive_utc(version.as_of),
                "calls_as_of": naive_utc(newest["calls"]),
                "crime_records_as_of": naive_utc(newest["crime_records"]),
            }
        ],
    )
    for name, columns in (code_maps.CODE_MAPS | code_maps.OPTIONAL_MAPS).items():
        kinds = {c: "BOOLEAN" if c.startswith(("is_", "expects_")) else "VARCHAR" for c in columns}
        file = agency.folder / f"{name}.csv"
        if not file.is_file():
            create_table(con, f"codes.{name}", kinds, [])
            continue
        con.execute(
            f"create table codes.{name} as from read_csv($file, columns = $columns, "
            "header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"')",
            {"file": str(file), "columns": kinds},
        )


BATCH_COLUMNS = {
    "dataset": "VARCHAR", "batch_id": "VARCHAR", "seq": "INTEGER", "delivery": "VARCHAR",
    "as_of": "TIMESTAMP",
}  # fmt: skip
FILE_COLUMNS = {
    "dataset": "VARCHAR", "batch_id": "VARCHAR", "seq": "INTEGER", "source_file": "VARCHAR",
    "sha256": "VARCHAR", "as_of": "TIMESTAMP", "read_count": "BIGINT", "accepted_count": "BIGINT",
    "quarantined_count": "BIGINT", "duplicate_count": "BIGINT", "erased_count": "BIGINT",
}  # fmt: skip
SETTINGS_COLUMNS = {
    "agency": "VARCHAR", "agency_name": "VARCHAR", "is_simulated": "BOOLEAN", "calls": "VARCHAR",
    "timezone": "VARCHAR", "licence": "VARCHAR", "cancelled_statuses": "VARCHAR[]",
    "as_of": "TIMESTAMP", "calls_as_of": "TIMESTAMP", "crime_records_as_of": "TIMESTAMP",
}  # fmt: skip


def naive_utc(moment: datetime | None) -> datetime | None:
    """UTC without the zone, as the file's timestamps are."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else None


def _batch_rows(version: Version) -> list[dict[str, Any]]:
    return [
        {
            "dataset": name,
            "batch_id": batch.manifest["batch_id"],
            "seq": batch.manifest["seq"],
            "delivery": batch.manifest["delivery"],
            "as_of": naive_utc(batch_as_of(batch)),
        }
        for name, some in version.batches.items()
        for batch in some
    ]


def _file_rows(version: Version) -> list[dict[str, Any]]:
    return [
        {
            "dataset": name,
            "batch_id": batch.manifest["batch_id"],
            "seq": batch.manifest["seq"],
            "source_file": file["name"],
            "sha256": file["sha256"],
            "as_of": naive_utc(datetime.fromisoformat(file["as_of"])),
            "read_count": file["read"],
            "accepted_count": file["accepted"],
            "quarantined_count": file["quarantined"],
            "duplicate_count": file["duplicates"],
            "erased_count": file.get("erased", 0),
        }
        for name, some in version.batches.items()
        for batch in some
        for file in batch.manifest["files"]
        if datetime.fromisoformat(file["as_of"]) <= version.as_of
    ]


def _view_rows(con: duckdb.DuckDBPyConnection, version: Version, dataset: str) -> None:
    """A view over the dataset's accepted rows, with the place of each batch in the order.

    It has no rows if the agency has no such dataset. What a batch has no column for, as it was
    landed before the column was known, is null.
    """
    columns = output_columns(dataset)
    nulls = {name: f"cast(null as {kind}) as {ident(name)}" for name, kind in columns.items()}
    parts = []
    for batch in version.batches.get(dataset, []):
        landed = batch.manifest["columns"]
        names = ", ".join(ident(name) if name in landed else nulls[name] for name in columns)
        parts.append(
            f"select {names}, {int(batch.manifest['seq'])} as batch_seq "
            f"from read_parquet({literal(str(batch.rows))})"
        )
    # as-of questions: what a later file brought was not known yet
    known = f"where source_as_of <= {literal(str(naive_utc(version.as_of)))}::timestamp"
    if not parts:
        parts, known = [f"select {', '.join(nulls.values())}, 0 as batch_seq"], "where false"
    con.execute(f"create view landing.{dataset} as from ({' union all '.join(parts)}) {known}")


def _collect_quarantine(con: duckdb.DuckDBPyConnection, version: Version) -> None:
    columns = {"dataset": "VARCHAR", "batch_id": "VARCHAR", **landing_batches.QUARANTINE_COLUMNS}
    create_table(con, "landing.quarantined_rows", columns, [])
    for name, some in version.batches.items():
        for batch in some:
            # what is published never held the encrypted originals, not even for a moment
            con.execute(
                "insert into landing.quarantined_rows by name select $dataset as dataset, "
                "$batch as batch_id, * exclude (original_encrypted) from read_parquet($file)",
                {"dataset": name, "batch": batch.manifest["batch_id"],
                 "file": str(batch.quarantine)},
            )  # fmt: skip
