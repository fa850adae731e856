"""Learn how strongly agreement between a call and a crime record speaks for a link.

It is learnt from pairs that a reference proves: records that name the call they came from.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from cdi import paths
from cdi.files import hash_files, write_json
from cdi.landing.batches import Batch
from cdi.learning.weights import Weights
from cdi.scratch import open_scratch_database
from cdi.sql import connect, create_table, read_query, scalar

SQL = Path(__file__).parent / "sql"
# With fewer pairs that a reference proves, nothing is learnt: the shipped weights are used.
MIN_PROVEN = 500
# What decides which pairs are compared, and what their levels mean. Weights that were learnt under
# other levels say nothing of these.
COMPARED_BY = (
    "macros/link_levels.sql",
    "models/disclosure/int_disclosure__told_groups.sql",
    "models/linkage/int_linkage__calls.sql",
    "models/linkage/int_linkage__candidates.sql",
    "models/linkage/int_linkage__clock.sql",
    "models/linkage/int_linkage__comparisons.sql",
    "models/linkage/int_linkage__first_logs.sql",
    "models/linkage/int_linkage__near_references.sql",
    "models/linkage/int_linkage__records.sql",
)
_LEVELS = "levels.json"
MODELS = ("int_linkage__learnt_weights", "int_linkage__learnt_calibration")
# Tables of the landing that a build reads, in the order of `MODELS`; each is kept as a CSV file of
# the same name, without the version, which is the name of the file's folder.
TABLES = {
    "link_weights": {
        "comparison": "VARCHAR",
        "level": "VARCHAR",
        "match_count": "BIGINT",
        "other_count": "BIGINT",
        "weight": "DOUBLE",
        "weights_version": "VARCHAR",
    },
    "link_calibration": {
        "probability_from": "DOUBLE",
        "record_count": "BIGINT",
        "expected_count": "DOUBLE",
        "match_count": "BIGINT",
        "weights_version": "VARCHAR",
    },
}


def count_proven(batches: Mapping[str, Sequence[Batch]]) -> int:
    """Count the landed records whose reference names a landed call.

    This is a cheap look before anything is learnt.

    Args:
        batches: Accepted batches by dataset.
    """
    calls, records = (
        [str(batch.rows) for batch in batches.get(name, ())] for name in ("calls", "crime_records")
    )
    if not calls or not records:
        return 0
    with open_scratch_database() as con:
        query = read_query(SQL / "proven_records.sql")
        return int(scalar(con, query, {"records": records, "calls": calls}))


def has_matches(part: Path) -> bool:
    """Tell whether any record has the call that it names among its candidates.

    Where calls and records have too few details in common, such as times, places and persons, no
    record has a candidate, and nothing can be learnt from agreement.

    Args:
        part: A DuckDB file with `MODELS`.
    """
    with connect(part, read_only=True) as con:
        return bool(_count_matches(con))


def _count_matches(con: duckdb.DuckDBPyConnection) -> int:
    """Count the pairs of a record and the call that it names."""
    query = f"select max(match_count) from linkage.{MODELS[0]} where comparison = 'prior'"
    return int(scalar(con, query) or 0)


def write_links_weights(part: Path, folder: Path) -> Mapping[str, int]:
    """Write the weights that a private file has learnt, as CSV files in a fixed order.

    Args:
        part: A DuckDB file with `MODELS`.
        folder: Where to write.

    Returns:
        The number of weights, and of the proven pairs that they were learnt from.
    """
    with connect(part, read_only=True) as con:
        for model, (table, columns) in zip(MODELS, TABLES.items(), strict=True):
            # Rounded, since sums of floating-point numbers differ in their last bits between runs.
            selected = ", ".join(
                f"round({name}, 6) as {name}" if kind == "DOUBLE" else name
                for name, kind in columns.items()
                if name != "weights_version"
            )
            con.execute(
                f"copy (select {selected} from linkage.{model} order by all) to $file (header)",
                {"file": str(folder / f"{table}.csv")},
            )
        note_comparisons(folder)
        proven = _count_matches(con)
        count = scalar(con, f"select count(*) from linkage.{MODELS[0]}")
    return {"weights": int(count), "proven": proven}


def note_comparisons(folder: Path) -> None:
    """Note beside weights by which comparisons they were learnt.

    Args:
        folder: Of the weights.
    """
    write_json(folder / _LEVELS, {"compared_by": hash_files(paths.DBT_PROJECT, COMPARED_BY)})


def is_of_these_comparisons(learnt: Weights) -> bool:
    """Whether weights were learnt under the comparisons that this code makes.

    After an upgrade that compares otherwise they were not. Then the shipped weights are used, until
    the next training.

    Args:
        learnt: Weights of links.
    """
    file = learnt.folder / _LEVELS
    if not file.is_file():
        return False
    said = json.loads(file.read_text(encoding="utf-8"))
    return bool(said == {"compared_by": hash_files(paths.DBT_PROJECT, COMPARED_BY)})


def open_links_weights(con: duckdb.DuckDBPyConnection, learnt: Weights | None) -> None:
    """Make the tables `TABLES` of a build, from a version or empty.

    Args:
        con: The build's private file, with the schema `landing`.
        learnt: The version, if there is one.
    """
    for table, columns in TABLES.items():
        create_table(con, f"landing.{table}", columns)
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
    """Describe a version in a few lines, for the task's note."""
    counts = learnt.described["counts"]
    return (
        f"version {learnt.version}, learnt as of {learnt.as_of:%Y-%m-%d %H:%M} UTC\n"
        f"- {counts['weights']:,} weights from {counts['proven']:,} pairs that references prove"
    )
