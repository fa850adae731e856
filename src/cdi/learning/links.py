"""Learns how to weigh agreement between a call and a record, from the links that keys prove."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from cdi.landing.batches import Batch
from cdi.learning.weights import Weights
from cdi.sql import connect, scalar

# fewer links proven by a reference teach nothing: the shipped weights are used
MIN_PROVEN = 500
MODELS = ("int_linkage__learnt_weights", "int_linkage__learnt_calibration")
# tables of the landing that a build reads; their files are named after them
TABLES = {
    "link_weights": {
        "comparison": "VARCHAR", "level": "VARCHAR", "match_count": "BIGINT",
        "other_count": "BIGINT", "weight": "DOUBLE", "weights_version": "VARCHAR",
    },
    "link_calibration": {
        "probability_from": "DOUBLE", "record_count": "BIGINT", "expected_count": "DOUBLE",
        "match_count": "BIGINT", "weights_version": "VARCHAR",
    },
}  # fmt: skip


def count_proven(batches: Mapping[str, Sequence[Batch]]) -> int:
    """Records whose reference names a landed call: a cheap look before anything is learnt."""
    calls, records = (
        [str(batch.rows) for batch in batches.get(name, ())] for name in ("calls", "crime_records")
    )
    if not calls or not records:
        return 0
    with connect() as con:
        return int(
            scalar(
                con,
                "select count(distinct r.record_key) "
                "from read_parquet($records, union_by_name = true) as r semi join "
                "read_parquet($calls, union_by_name = true) as c on r.call_key = c.call_key",
                {"records": records, "calls": calls},
            )
        )


def write_links_weights(part: Path, folder: Path) -> Mapping[str, int]:
    """Write what a private file has learnt, as CSV in a fixed order.

    Args:
        part: A DuckDB file with `MODELS`.
        folder: Where to write.

    Returns:
        How many weights, and from how many proven pairs.
    """
    with connect(part, read_only=True) as con:
        for model, (table, columns) in zip(MODELS, TABLES.items(), strict=True):
            shown = ", ".join(
                f"round({name}, 6) as {name}" if kind == "DOUBLE" else name
                for name, kind in columns.items()
                if name != "weights_version"
            )
            con.execute(
                f"copy (select {shown} from linkage.{model} order by all) to $file (header)",
                {"file": str(folder / f"{table}.csv")},
            )
        proven = scalar(
            con, f"select match_count from linkage.{MODELS[0]} where comparison = 'prior'"
        )
        count = scalar(con, f"select count(*) from linkage.{MODELS[0]}")
    return {"weights": int(count), "proven": int(proven)}


def open_links_weights(con: duckdb.DuckDBPyConnection, learnt: Weights | None) -> None:
    """Make the tables `TABLES` of a build, from a version or empty.

    Args:
        con: The build's private file, with the schema `landing`.
        learnt: The version, if there is one.
    """
    for table, columns in TABLES.items():
        typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        con.execute(f"create table landing.{table} ({typed})")
        if learnt is not None:
            kinds = {name: kind for name, kind in columns.items() if name != "weights_version"}
            con.execute(
                f"insert into landing.{table} by name select *, $version as weights_version "
                "from read_csv($file, columns = $columns, header = true, auto_detect = false, "
                "delim = ',')",
                {
                    "version": learnt.version,
                    "file": str(learnt.folder / f"{table}.csv"),
                    "columns": kinds,
                },
            )


def summarise_links(learnt: Weights) -> str:
    """A few lines for the task's note."""
    counts = learnt.described["counts"]
    return (
        f"version {learnt.version}, learnt as of {learnt.as_of:%Y-%m-%d %H:%M} UTC\n"
        f"- {counts['weights']:,} weights from {counts['proven']:,} pairs that references prove"
    )
