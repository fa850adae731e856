"""Learns how to weigh agreement between a call and a record, from the links that keys prove."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from cdi.landing import Batch
from cdi.sql import connect, scalar
from cdi.weights import Weights

# fewer links proven by a reference teach nothing: the shipped weights are used
MIN_PROVEN = 500
FILE = "link_weights.csv"
MODEL = "int_linkage__learnt_weights"
COLUMNS = {
    "comparison": "VARCHAR", "level": "VARCHAR", "match_count": "BIGINT", "other_count": "BIGINT",
    "weight": "DOUBLE", "weights_version": "VARCHAR",
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


def write(part: Path, folder: Path) -> Mapping[str, int]:
    """Write the weights that a private file has learnt, as a CSV of a fixed order.

    Args:
        part: A DuckDB file with the model `MODEL`.
        folder: Where to write.
    """
    with duckdb.connect(str(part), read_only=True) as con:
        con.execute(
            "copy (select comparison, level, match_count, other_count, round(weight, 6) as weight "
            f"from linkage.{MODEL} order by comparison, level) to $file (header)",
            {"file": str(folder / FILE)},
        )
        rows, matches = con.execute(
            f"select count(*), sum(match_count) from linkage.{MODEL} where comparison = 'prior'"
        ).fetchall()[0]
    return {"weights": int(rows), "proven": int(matches or 0)}


def read_into(con: duckdb.DuckDBPyConnection, learnt: Weights) -> None:
    """Fill the table `landing.link_weights` of a build from a version."""
    kinds = {name: kind for name, kind in COLUMNS.items() if name != "weights_version"}
    con.execute(
        "insert into landing.link_weights by name "
        "select *, $version as weights_version from read_csv($file, columns = $columns, "
        "header = true, auto_detect = false, delim = ',')",
        {"version": learnt.version, "file": str(learnt.folder / FILE), "columns": kinds},
    )


def evidence(learnt: Weights) -> str:
    """A few lines for the task's note."""
    counts = learnt.described["counts"]
    return (
        f"version {learnt.version}, learnt as of {learnt.as_of:%Y-%m-%d %H:%M} UTC\n"
        f"- {counts['weights']:,} weights from {counts['proven']:,} links that references prove"
    )
