"""Names samples of what breaks a rule: codes, files and lines, and never what is about a person."""

from typing import Any

import duckdb

from cdi.landing.batches import Batch
from cdi.quality.rules import Suite
from cdi.quality.tables import checked_columns
from cdi.sql import ident

# A code is named in a message if so many rows have it, and so many codes are named.
FEWEST_ROWS = 10
NAMED_CODES = 20
NAMED_ROWS = 3  # so many of the rows that break a rule are named on the validation page


def name_codes(con: duckdb.DuckDBPyConnection, suite: Suite, results: list[dict[str, Any]]) -> None:
    """Name the codes that break a rule about codes, the most frequent first.

    A code of few rows may be a name that was typed into the wrong column, so it is only counted.

    Args:
        con: The working file of the check.
        suite: Whose rules were run.
        results: Of the suite, in the order of its rules; what is observed is written into them.
    """
    for rule, result in zip(suite.rules, results, strict=True):
        if rule.codes is None or not result["unexpected_count"]:
            continue
        found = con.execute(
            f"select {ident(rule.codes)}, count(*) as row_count from {checked_columns(suite)} "
            f"where not {ident(rule.kwargs['column'])} group by 1 order by row_count desc, 1"
        ).fetchall()
        named = [(code, count) for code, count in found if count >= FEWEST_ROWS][:NAMED_CODES]
        rest = sum(count for _, count in found) - sum(count for _, count in named)
        words = [f"{code}: {count:,}" for code, count in named]
        result["observed_value"] = ", ".join([*words, *([f"others: {rest:,}"] if rest else [])])


def describe_refused_rows(batch: Batch) -> str:
    """Say which rules refused how many rows of a batch, e.g. `TYPE-VALUE (longitude): 400`.

    Of a value that is not of its column's type, the column is named as well.
    """
    found = duckdb.execute(
        "select rule_id, case when starts_with(rule_id, 'TYPE-') then detail end as named, "
        "count(*) as row_count from read_parquet(?) group by all order by all",
        [str(batch.quarantine)],
    ).fetchall()
    found.sort(key=lambda row: -row[2])
    return ", ".join(
        f"{rule_id}{f' ({named})' if named else ''}: {count:,}"
        for rule_id, named, count in found[:NAMED_CODES]
    )


def name_refused(batch: Batch, results: list[dict[str, Any]]) -> None:
    """Name the rules that refused the rows of a file, if they refused too many (FILE-03).

    Args:
        batch: The batch, with all its refused rows.
        results: Of the rules about files; what was refused is written into them.
    """
    for result in results:
        if result["column_name"] != "quarantined_share" or result["is_success"]:
            continue
        # not in what was observed, on which the approvals of a failure depend
        result["refused"] = describe_refused_rows(batch)
        result["finding"] += f"; refused rows: {result['refused']}"


def name_rows(
    con: duckdb.DuckDBPyConnection, queries: dict[str, str], results: list[dict[str, Any]]
) -> None:
    """Name some rows that break a rule by file and line, which say nothing of a person.

    Args:
        con: The working file of the check.
        queries: The query that selects the failing rows, by rule id.
        results: The ids of the rows are written into them.
    """
    for result in results:
        if query := queries.get(result["rule_id"]):
            rows = con.execute(
                f"select distinct row_id from ({query.rstrip(';')}) order by 1 limit {NAMED_ROWS}"
            ).fetchall()
            result["sample_rows"] = [row_id for (row_id,) in rows]
