"""What the rules found: the table `data_quality`, and the results beside a batch."""

import json
from pathlib import Path
from typing import Any

import duckdb

from cdi.build.version import Version
from cdi.errors import GateError
from cdi.quality import releases
from cdi.sql import comment, scalar

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
    "observed_value": "What was observed, for rules about a whole table or about files.",
    "error": "Why the rule could not be evaluated; such a rule does not hold.",
    "column_name": "Column or columns.",
    "expectation_type": "Expectation of Great Expectations.",
    "owner": "Who answers for it.",
    "reason": "Why the rule is there.",
    "released_by": "Staff numbers of the two people who released the failure; null if nobody did.",
    "release_reason": "Why they did.",
}


def write_results_file(folder: Path, results: list[dict[str, Any]]) -> None:
    text = json.dumps(results, indent=2, sort_keys=True)
    (folder / releases.RESULTS).write_text(text + "\n", encoding="utf-8")


def batch_results(version: Version) -> list[dict[str, Any]]:
    return [
        result
        for some in version.batches.values()
        for batch in some
        for result in json.loads((batch.folder / releases.RESULTS).read_text(encoding="utf-8"))
    ]


def create_results_table(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table `data_quality`, empty."""
    columns = ", ".join(f"{name} {kind}" for name, kind in RESULT_COLUMNS.items())
    con.execute(f"create or replace table main.data_quality ({columns})")
    comment(
        con,
        "main.data_quality",
        "What each data-quality rule found, at the landing and in the marts. One row per rule, and "
        "per batch at the landing.",
        RESULT_MEANINGS,
    )


def write_results_table(con: duckdb.DuckDBPyConnection, results: list[dict[str, Any]]) -> None:
    create_results_table(con)
    con.executemany(
        f"insert into main.data_quality values ({', '.join('$' + n for n in RESULT_COLUMNS)})",
        [{name: result.get(name) for name in RESULT_COLUMNS} for result in results],
    )
    if not scalar(con, "select count(*) from main.data_quality"):
        raise GateError("GATE-MARTS", "no rule was checked", "look into expectations/")
