"""The tables that the landing's rules look at: a batch's rows, files and profile, and what is known beside it."""

from pathlib import Path

import duckdb

from cdi import paths
from cdi.agency import code_maps
from cdi.agency.datasets import READINGS
from cdi.agency.model import Agency
from cdi.landing.batches import Batch, accepted_batches
from cdi.quality.profile import measure_profile
from cdi.quality.rules import Suite
from cdi.sql import ident, literal

# ---------------------------------------------------------------------- tables to check


def open_batch(con: duckdb.DuckDBPyConnection, agency: Agency, batch: Batch) -> None:
    """A view on the batch's rows; the agency's codes, and the reasons, that rules ask about."""
    con.execute(f"create view rows as from read_parquet('{quote_names(batch.rows)}')")
    for name in (*code_maps.CODE_MAPS, *code_maps.OPTIONAL_MAPS):
        con.execute(f"create table {name} (code varchar)")
        file = agency.folder / f"{name}.csv"
        if file.is_file():  # a map that the agency has not stays empty: its rules ask nothing
            con.execute(
                f"insert into {name} select code from read_csv($file, header = true, "
                "all_varchar = true)",
                {"file": str(file)},
            )
    con.execute(
        "create macro local_day(moment) as "
        f"cast(timezone({literal(agency.timezone)}, timezone('UTC', moment)) as date)"
    )
    con.execute(
        "create table legitimate_reasons as select reason_code from read_csv($file) "
        "where is_legitimate",
        {"file": str(paths.DBT_PROJECT / "seeds" / "reasons.csv")},
    )
    if batch.manifest["dataset"] == READINGS:
        _open_draws(con, agency)


def _open_draws(con: duckdb.DuckDBPyConnection, agency: Agency) -> None:
    """Which logs were drawn and given to whom: proven to be as the register has it."""
    from cdi.audit.register import read_assignments

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
    """A table of the batch's files: counts, what is absent, and how they differ from before."""
    manifest = batch.manifest
    before = accepted_batches(agency.agency, manifest["dataset"])
    # an unclosed quote makes one row of many lines
    swallowed = dict(
        con.execute(
            "select source_file, sum(len(original_masked) - len(replace(original_masked, chr(10), "
            "''))) from read_parquet(?) where rule_id = 'READ-QUOTE' group by 1",
            [str(batch.quarantine)],
        ).fetchall()
    )
    rows = [
        {
            "row_id": file["name"],
            "dataset": manifest["dataset"],
            "delivery": manifest["delivery"],
            "read": file["read"],
            "accepted": file["accepted"],
            "quarantined": file["quarantined"],
            "duplicates": file["duplicates"],
            "erased": file["erased"],
            "swallowed_lines": swallowed.get(file["name"]) or 0,
            "unexpected_column_count": len(file["unexpected_columns"]),
            "absent_file_count": len(manifest["absent_files"]),
            "batch_accepted": manifest["accepted"],
            "previous_accepted": before[-1].manifest["accepted"] if before else None,
        }
        for file in manifest["files"]
    ]
    con.execute(
        "create table files (row_id varchar, dataset varchar, delivery varchar, read bigint, "
        "accepted bigint, quarantined bigint, duplicates bigint, erased bigint, "
        "swallowed_lines bigint, "
        "unexpected_column_count bigint, absent_file_count bigint, batch_accepted bigint, "
        "previous_accepted bigint)"
    )
    con.execute("insert into files select unnest($rows, recursive := true)", {"rows": rows})
    measure_profile(con, agency, batch, before)
    con.execute(
        "create or replace table files as select files.*, profiles.* exclude (source_file) "
        "from files left join profiles on row_id = source_file"
    )


def derive_columns(con: duckdb.DuckDBPyConnection, suite: Suite) -> None:
    """The view that rules read: the table and the columns that they need besides."""
    extra = "".join(f", {sql} as {ident(name)}" for name, sql in suite.derive.items())
    con.execute(
        f"create or replace view {checked_columns(suite)} as select *{extra} from {suite.table}"
    )


def checked_columns(suite: Suite) -> str:
    return f"checked_{suite.name}"


def quote_names(file: Path) -> str:
    return str(file).replace("'", "''")
