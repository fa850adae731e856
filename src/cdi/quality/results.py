"""What the rules found: the table `data_quality`, and the file of results beside a batch.

A result is a plain dictionary, see `RESULT_COLUMNS`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from cdi.build.version import Version
from cdi.errors import GateError
from cdi.files import read_json_list, write_json
from cdi.sql import comment, create_table

RESULTS_FILE = "validation.json"
HOLDS = "holds"
RELEASED = "released"
ERROR = "error"

RESULT_COLUMNS = {
    "border": "VARCHAR",
    "dataset": "VARCHAR",
    "batch_id": "VARCHAR",
    "table_name": "VARCHAR",
    "rule_id": "VARCHAR",
    "severity": "VARCHAR",
    "is_success": "BOOLEAN",
    "element_count": "BIGINT",
    "unexpected_count": "BIGINT",
    "quarantined_count": "BIGINT",
    "observed_value": "VARCHAR",
    "finding": "VARCHAR",
    "error": "VARCHAR",
    "column_name": "VARCHAR",
    "expectation_type": "VARCHAR",
    "owner": "VARCHAR",
    "reason": "VARCHAR",
    "released_by": "VARCHAR",
    "release_reason": "VARCHAR",
}

RESULT_MEANINGS = {
    "border": "landing: a batch before it was accepted; marts: this version before publishing.",
    "dataset": "Dataset of the batch; null for marts.",
    "batch_id": "Batch in the landing; null for marts.",
    "table_name": "What the rule is about.",
    "rule_id": "Rule: docs/rules.md.",
    "severity": "fail stops, warn reports, info counts.",
    "is_success": "Whether the rule holds.",
    "element_count": "Rows looked at.",
    "unexpected_count": "Rows against the rule.",
    "quarantined_count": "Rows that the rule moved to quarantine.",
    "observed_value": "What was observed, for rules about whole tables, files and codes.",
    "finding": "What was found beside what is needed, in words; null for old batches.",
    "error": "Why the rule could not be evaluated; such a rule does not hold.",
    "column_name": "Column or columns.",
    "expectation_type": "Expectation of Great Expectations.",
    "owner": "Who answers for it.",
    "reason": "Why the rule is there.",
    "released_by": "Staff numbers of the two people who approved the failure; null if nobody did.",
    "release_reason": "Why they did.",
}


def verdict_of(result: Mapping[str, Any]) -> str:
    """What came out: `holds`, `error`, `released`, or the severity of a rule that does not hold."""
    if result["is_success"]:
        return HOLDS
    if result["error"]:
        return ERROR
    return RELEASED if result.get("released_by") else str(result["severity"])


def write_results_file(folder: Path, results: list[dict[str, Any]]) -> None:
    """Write the results beside what was checked: a batch, or a version."""
    write_json(folder / RESULTS_FILE, results, sort_keys=True)


def read_results_file(folder: Path) -> list[dict[str, Any]]:
    """Read the results that stand beside a batch or a version."""
    return read_json_list(folder / RESULTS_FILE)


def batch_results(version: Version) -> list[dict[str, Any]]:
    """Read the results of all batches that a version is built from."""
    return [
        result
        for batches in version.batches.values()
        for batch in batches
        for result in read_results_file(batch.folder)
    ]


def create_results_table(
    con: duckdb.DuckDBPyConnection, results: Iterable[Mapping[str, Any]] = ()
) -> None:
    """Make the table `data_quality`, in place of what an earlier check of the same file made.

    Args:
        con: The private file.
        results: As `cdi.quality.checks` makes them; those of batches name their dataset and batch.
    """
    con.execute("drop table if exists main.data_quality")
    rows = [{name: result.get(name) for name in RESULT_COLUMNS} for result in results]
    create_table(con, "main.data_quality", RESULT_COLUMNS, rows)
    comment(
        con,
        "main.data_quality",
        "What each data-quality rule found, in incoming files and in the published tables. One row "
        "per rule, and per incoming batch.",
        RESULT_MEANINGS,
    )


def write_results_table(con: duckdb.DuckDBPyConnection, results: list[dict[str, Any]]) -> None:
    """Make the table `data_quality` from the results of both borders.

    Raises:
        GateError: GATE-MARTS if there is no result: a version that nothing checked must not pass.
    """
    create_results_table(con, results)
    if not results:
        raise GateError("GATE-MARTS", "no rule was checked", "look into expectations/")
