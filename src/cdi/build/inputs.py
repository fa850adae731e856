"""What dbt reads: views over the landed rows, the agency's code maps, settings and quarantine."""

from datetime import datetime
from typing import Any

import duckdb

from cdi.agency.code_maps import CODE_MAPS, CODED_COLUMNS, OPTIONAL_MAPS, spellings_query
from cdi.agency.datasets import DATASETS, READINGS, number_expressions, output_columns
from cdi.agency.teams import TEAM_COLUMNS, read_teams
from cdi.build.version import Version, hash_reading_code
from cdi.landing.batches import QUARANTINE_COLUMNS, batch_as_of
from cdi.landing.quarantine import hidden_columns, hidden_headers, published_expression
from cdi.learning.links import open_links_weights
from cdi.learning.readings import open_readings
from cdi.learning.text import open_text_weights
from cdi.sql import create_table, ident, literal, naive_utc

FILE_COLUMNS = {
    "dataset": "VARCHAR",
    "batch_id": "VARCHAR",
    "seq": "INTEGER",
    "source_file": "VARCHAR",
    "delivery": "VARCHAR",
    "sha256": "VARCHAR",
    "as_of": "TIMESTAMP",
    "read_count": "BIGINT",
    "accepted_count": "BIGINT",
    "quarantined_count": "BIGINT",
    "duplicate_count": "BIGINT",
    "erased_count": "BIGINT",
    "left_out_count": "BIGINT",
}
DRAWN_COLUMNS = {
    "draw_id": "VARCHAR",
    "call_id": "VARCHAR",
    "inclusion_probability": "DOUBLE",
}
SETTINGS_COLUMNS = {
    "agency": "VARCHAR",
    "agency_name": "VARCHAR",
    "is_simulated": "BOOLEAN",
    "calls": "VARCHAR",
    "timezone": "VARCHAR",
    "licence": "VARCHAR",
    "cancelled_statuses": "VARCHAR[]",
    "crime_record_columns": "VARCHAR[]",
    "logs_a_month": "INTEGER",
    "as_of": "TIMESTAMP",
    "calls_as_of": "TIMESTAMP",
    "crime_records_as_of": "TIMESTAMP",
}


def open_landing(con: duckdb.DuckDBPyConnection, version: Version) -> None:
    """Make the schemas `landing` (views over Parquet files) and `codes` (the agency's code maps).

    Args:
        con: The empty private file.
        version: What is built.
    """
    con.execute("create schema landing")
    con.execute("create schema codes")
    agency = version.agency
    for dataset in DATASETS:
        _create_rows_view(con, version, dataset)
    create_table(con, "landing.batch_files", FILE_COLUMNS, _list_files(version))
    _collect_quarantine(con, version)
    create_table(con, "landing.drawn_logs", DRAWN_COLUMNS, _list_drawn_logs(con, version))
    open_links_weights(con, version.weights.get("links"))
    open_text_weights(con, version.weights.get("text"))
    open_readings(con, agency.agency, hash_reading_code(version))
    newest = {
        name: max(map(batch_as_of, batches), default=None)
        for name, batches in version.batches.items()
    }
    settings = {
        "agency": agency.agency,
        "agency_name": agency.name,
        "is_simulated": agency.is_simulated,
        "calls": agency.calls,
        "timezone": agency.timezone,
        "licence": agency.licence,
        "cancelled_statuses": list(agency.cancelled_statuses),
        # What is not delivered at all is told apart from what is blank in a record.
        "crime_record_columns": sorted(
            agency.sources["crime_records"].columns if "crime_records" in agency.sources else ()
        ),
        "logs_a_month": agency.worklist.logs_a_month,
        "as_of": naive_utc(version.as_of),
        "calls_as_of": newest["calls"],
        "crime_records_as_of": newest.get("crime_records"),
    }
    create_table(con, "landing.settings", SETTINGS_COLUMNS, [settings])
    for name, columns in (CODE_MAPS | OPTIONAL_MAPS).items():
        types = {c: "BOOLEAN" if c.startswith(("is_", "expects_")) else "VARCHAR" for c in columns}
        file = agency.folder / f"{name}.csv"
        if not file.is_file():
            create_table(con, f"codes.{name}", types)
            continue
        con.execute(
            f"create table codes.{name} as from read_csv($file, columns = $columns, "
            "header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"')",
            {"file": str(file), "columns": types},
        )
    create_table(con, "codes.teams", TEAM_COLUMNS, read_teams(agency.folder))
    for name in agency.loose_code_maps:
        coded = {f"landing.{dataset}": used for dataset, used in CODED_COLUMNS[name].items()}
        con.execute(f"insert into codes.{name} {spellings_query(f'codes.{name}', coded)}")


def _list_files(version: Version) -> list[dict[str, Any]]:
    """The rows of `landing.batch_files`: the files that were known at the version's as_of."""
    return [
        {
            "dataset": name,
            "batch_id": batch.manifest["batch_id"],
            "seq": batch.manifest["seq"],
            "source_file": file["name"],
            "delivery": batch.manifest["delivery"],
            "sha256": file["sha256"],
            "as_of": naive_utc(datetime.fromisoformat(file["as_of"])),
            "read_count": file["read"],
            "accepted_count": file["accepted"],
            "quarantined_count": file["quarantined"],
            "duplicate_count": file["duplicates"],
            "erased_count": file.get("erased", 0),
            "left_out_count": file.get("left_out", 0),
        }
        for name, batches in version.batches.items()
        for batch in batches
        for file in batch.manifest["files"]
        if datetime.fromisoformat(file["as_of"]) <= version.as_of
    ]


def _list_drawn_logs(con: duckdb.DuckDBPyConnection, version: Version) -> list[dict[str, Any]]:
    """The rows of `landing.drawn_logs`: the draws of which readings came."""
    if not version.batches.get(READINGS):
        return []
    from cdi.audit.draws import read_drawn_logs  # numpy and scipy, for audits only

    rows = con.execute(f"select distinct draw_id from landing.{READINGS} order by draw_id")
    return read_drawn_logs(version.agency.agency, [draw_id for (draw_id,) in rows.fetchall()])


def _create_rows_view(con: duckdb.DuckDBPyConnection, version: Version, dataset: str) -> None:
    """Make the view over a dataset's accepted rows, each with its batch's place in the order.

    The view has no rows if the agency has no such dataset. If a batch was landed before the product
    knew a column, that column is null in its rows; numbers of its keys and texts are worked out.
    """
    columns = output_columns(dataset)
    nulls = {name: f"cast(null as {kind}) as {ident(name)}" for name, kind in columns.items()}
    absent = nulls | {
        name: f"{sql} as {ident(name)}" for name, sql in number_expressions(dataset).items()
    }
    parts = []
    for batch in version.batches.get(dataset, []):
        landed = batch.manifest["columns"]
        values = ", ".join(ident(name) if name in landed else absent[name] for name in columns)
        parts.append(
            f"select {values}, {int(batch.manifest['seq'])} as batch_seq "
            f"from read_parquet({literal(str(batch.rows))})"
        )
    # A build may ask what was known at an earlier date: leave out what a later file brought.
    condition = f"where source_as_of <= {literal(str(naive_utc(version.as_of)))}::timestamp"
    if not parts:
        parts, condition = [f"select {', '.join(nulls.values())}, 0 as batch_seq"], "where false"
    con.execute(f"create view landing.{dataset} as from ({' union all '.join(parts)}) {condition}")


def _collect_quarantine(con: duckdb.DuckDBPyConnection, version: Version) -> None:
    """Make the table of all refused rows, as masked text.

    Values that must not be seen are hidden here once more: an older batch may have been landed by
    code that still showed them.
    """
    columns = {"dataset": "VARCHAR", "batch_id": "VARCHAR", **QUARANTINE_COLUMNS}
    create_table(con, "landing.quarantined_rows", columns)
    shown = published_expression("original_masked", "$hidden::varchar[]")
    for dataset, batches in version.batches.items():
        source = version.agency.sources[dataset]
        hidden = hidden_headers(source, dataset) | hidden_columns(source, dataset)
        for batch in batches:
            # The encrypted originals are not read at all: a dropped table's pages stay in the file
            # until they are used again, so even for a moment they must not be in what is published.
            con.execute(
                "insert into landing.quarantined_rows by name select $dataset as dataset, "
                "$batch as batch_id, * exclude (original_encrypted) "
                f"replace ({shown} as original_masked) from read_parquet($file)",
                {
                    "dataset": dataset,
                    "batch": batch.manifest["batch_id"],
                    "file": str(batch.quarantine),
                    "hidden": sorted(hidden),
                },
            )
