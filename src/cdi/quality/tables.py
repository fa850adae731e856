"""The tables that the rules of the landing look at.

These are the rows and the files of a batch, how both differ from the batches before, and the codes,
reasons and draws that some rules compare them with.
"""

from collections.abc import Sequence

import duckdb

from cdi import paths
from cdi.agency.code_maps import (
    CODE_MAPS,
    CODED_COLUMNS,
    OPTIONAL_MAPS,
    QUALIFIER_SEPARATORS,
    spellings_query,
)
from cdi.agency.datasets import READINGS
from cdi.agency.model import Agency
from cdi.landing.batches import Batch, accepted_batches, newest_files
from cdi.quality.deliveries import DELIVERY_COLUMNS, describe_deliveries
from cdi.quality.profile import measure_profile
from cdi.quality.rules import Suite
from cdi.sql import create_table, ident, literal

FILE_COLUMNS = {
    "row_id": "varchar",
    "dataset": "varchar",
    "delivery": "varchar",
    "read": "bigint",
    "delivered": "bigint",
    "accepted": "bigint",
    "quarantined": "bigint",
    "duplicates": "bigint",
    "erased": "bigint",
    "swallowed_lines": "bigint",
    "skipped_hour_rows": "bigint",
    "unexpected_columns": "varchar",
    "absent_file_count": "bigint",
    "undated_count": "bigint",
    "part_read": "bigint",
    "part_quarantined": "bigint",
    "batch_accepted": "bigint",
    "previous_accepted": "bigint",
    **DELIVERY_COLUMNS,
}


def open_batch(con: duckdb.DuckDBPyConnection, agency: Agency, batch: Batch) -> None:
    """Make the view `rows` of a batch, and the tables of codes and reasons that rules ask about.

    Args:
        con: The working file of the check.
        agency: The agency.
        batch: The batch that is checked.
    """
    con.execute(f"create view rows as from read_parquet({literal(str(batch.rows))})")
    for name in (*CODE_MAPS, *OPTIONAL_MAPS):
        con.execute(f"create table {name} (code varchar)")
        file = agency.folder / f"{name}.csv"
        # A map that the agency does not have stays empty, and then its rules ask for nothing.
        if file.is_file():
            con.execute(
                f"insert into {name} select code from read_csv($file, header = true, "
                "all_varchar = true)",
                {"file": str(file)},
            )
        columns = CODED_COLUMNS.get(name, {}).get(batch.manifest["dataset"])
        if name in agency.loose_code_maps and columns:
            con.execute(f"insert into {name} {spellings_query(name, {'rows': columns})}")
    con.execute(
        "create macro local_day(moment) as "
        f"cast(timezone({literal(agency.timezone)}, timezone('UTC', moment)) as date)"
    )
    # null: each of the words is listed
    con.execute(
        "create macro unlisted_qualifiers(words) as ("
        "select string_agg(distinct word, ', ' order by word) from (select trim(unnest("
        f"regexp_split_to_array(words, {literal(QUALIFIER_SEPARATORS)}))) as word) "
        "where word <> '' and word not in (select code from qualifiers))"
    )
    con.execute(
        "create table legitimate_reasons as select reason_code from read_csv($file) "
        "where is_legitimate",
        {"file": str(paths.DBT_PROJECT / "seeds" / "reasons.csv")},
    )
    if batch.manifest["dataset"] == READINGS:
        _create_drawn(con, agency)


def _create_drawn(con: duckdb.DuckDBPyConnection, agency: Agency) -> None:
    """Make the table `drawn`: which logs were drawn for an audit, and for which auditor.

    They are read from the register, which proves that nobody changed them since.
    """
    from cdi.audit.draws import read_assignments  # numpy and scipy, for audits only

    con.execute(
        "create table drawn (draw_id varchar, call_id varchar, auditor_code varchar, "
        "drawn_at timestamp)"
    )
    rows = read_assignments(agency.agency)
    if rows:
        con.execute(
            "insert into drawn by name select unnest($rows, recursive := true)",
            {"rows": rows},
        )


def open_files(con: duckdb.DuckDBPyConnection, agency: Agency, batch: Batch) -> None:
    """Make the table `files`: the counts of each file, and how it differs from the batches before.

    Args:
        con: The working file of the check, with its view or table `rows`.
        agency: The agency.
        batch: The batch that is checked.
    """
    manifest = batch.manifest
    earlier = accepted_batches(agency.agency, manifest["dataset"])
    # A quote that is never closed makes one row of many lines: count the lines that it swallowed.
    swallowed = dict(
        con.execute(
            "select source_file, sum(len(original_masked) - len(replace(original_masked, chr(10), "
            "''))) from read_parquet(?) where rule_id = 'READ-QUOTE' group by 1",
            [str(batch.quarantine)],
        ).fetchall()
    )
    # The days of a live source are parts of one reading: what is judged by its size is the reading.
    is_of_days = manifest["delivery"] == "days"
    whole, previously_accepted = _measure_reading(agency, batch, earlier)
    deliveries = describe_deliveries(agency, batch, earlier)
    rows = [
        {
            "row_id": file["name"],
            "dataset": manifest["dataset"],
            "delivery": manifest["delivery"],
            "read": file["read"],
            "delivered": None if is_of_days else file["read"],
            "accepted": file["accepted"],
            "quarantined": file["quarantined"],
            "duplicates": file["duplicates"],
            "erased": file["erased"],
            "swallowed_lines": swallowed.get(file["name"]) or 0,
            "skipped_hour_rows": file.get("skipped_hour_rows", 0),
            "unexpected_columns": ", ".join(file["unexpected_columns"]) or None,
            "absent_file_count": len(manifest["absent_files"]),
            "undated_count": 0 if number else manifest.get("undated", 0),
            "part_read": (whole if is_of_days else file)["read"],
            "part_quarantined": (whole if is_of_days else file)["quarantined"],
            "batch_accepted": whole["accepted"],
            "previous_accepted": previously_accepted,
            **deliveries[file["name"]],
        }
        for number, file in enumerate(manifest["files"])
    ]
    create_table(con, "files", FILE_COLUMNS, rows)
    confirmed = whole["accepted"] - manifest["accepted"] if is_of_days else None
    measure_profile(con, agency, batch, earlier, confirmed)
    con.execute(
        "create or replace table files as select files.*, profiles.* exclude (source_file) "
        "from files left join profiles on row_id = source_file"
    )


def _measure_reading(
    agency: Agency, batch: Batch, earlier: Sequence[Batch]
) -> tuple[dict[str, int], int | None]:
    """Count the rows of a reading, and the accepted rows of before that it takes the place of.

    A snapshot is a reading of its own, and takes the place of the batch before. A reading of days
    is all days that it read: those that changed are the batch, and those that it confirmed are as
    they were landed.

    Args:
        agency: The agency.
        batch: The batch that is checked.
        earlier: The accepted batches of the dataset, in the order of their acceptance.

    Returns:
        The numbers of rows that were read, accepted and quarantined; and the number of rows that
        were accepted before, None if there were none.
    """
    manifest = batch.manifest
    fates = ("read", "accepted", "quarantined")
    if manifest["delivery"] != "days":
        before = earlier[-1].manifest["accepted"] if earlier else None
        return {fate: manifest[fate] for fate in fates}, before
    newest = newest_files(agency.agency, manifest["dataset"])
    confirmed = [newest[name] for name in manifest["confirmed"]]
    replaced = [newest[file["name"]] for file in manifest["files"] if file["name"] in newest]
    whole = {fate: manifest[fate] + sum(file[fate] for file in confirmed) for fate in fates}
    return whole, sum(file["accepted"] for file in confirmed + replaced) or None


def derive_columns(con: duckdb.DuckDBPyConnection, suite: Suite) -> None:
    """Make the view that the rules of a suite look at: its table and the columns it derives."""
    derived = "".join(f", {sql} as {ident(name)}" for name, sql in suite.derive.items())
    con.execute(
        f"create or replace view {checked_columns(suite)} as select *{derived} from {suite.table}"
    )


def checked_columns(suite: Suite) -> str:
    """The name of the view that the rules of a suite look at."""
    return f"checked_{suite.name}"
