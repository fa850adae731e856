"""Run suites of Great Expectations on a DuckDB connection."""

import logging
import os
import threading
from pathlib import Path
from typing import Any

from cdi.quality.rules import SEVERITIES, Rule, Suite
from cdi.quality.tables import checked_columns
from cdi.quality.wording import describe_finding
from cdi.sql import ident

_IMPORTING = threading.Lock()


def import_great_expectations() -> None:
    """Import Great Expectations, which takes seconds; a second thread waits until it is done."""
    with _IMPORTING:
        os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
        # set before the import, which would write some 200 lines of its own into a task's log
        logging.getLogger("great_expectations").setLevel(logging.ERROR)
        import great_expectations  # noqa: F401

        from cdi.quality import gx_duckdb  # noqa: F401  registers `add_duckdb`


def run_suites(file: Path, suites: list[Suite]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Run suites on their views in a DuckDB file, all over one connection.

    Args:
        file: Has the view of each suite; see `cdi.quality.tables.derive_columns`.
        suites: What to run.

    Returns:
        The results; and by rule id the query that selects the rows against it, for each rule of the
        landing that found some and looks at one row at a time.
    """
    import_great_expectations()
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_duckdb(
        name="duckdb",
        connection_string=f"duckdb:///{file}",
        kwargs={"connect_args": {"read_only": True}},
    )
    results: list[dict[str, Any]] = []
    queries: dict[str, str] = {}
    for suite in suites:
        suite_results, suite_queries = _run_suite(source, suite)
        results += suite_results
        queries |= suite_queries
    # Both must be closed, or the file stays open in this process and no other may write to it.
    source.get_execution_engine().close()
    source.get_engine().dispose()
    return results, queries


def _run_suite(source: Any, suite: Suite) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Run one suite; returns its results, and queries of quarantining rules, as `run_suites`.

    Almost all rules hold almost always, and to learn no more than that costs Great Expectations a
    third. So the rules about each row are asked for a yes or no first, and what is wrong is asked
    of the others alone. Of an empty table Great Expectations tells less: it is asked everything.
    """
    table = checked_columns(suite)
    batch = (
        source.add_table_asset(name=suite.name, table_name=table)
        .add_batch_definition_whole_table("all")
        .get_batch()
    )
    row_count = _count_rows(source, table)
    about_rows = [rule for rule in suite.rules if row_count and rule.is_about_rows]
    answers = _validate(batch, suite, about_rows, {"result_format": "BOOLEAN_ONLY"}, mostly=False)
    kept = {rule_id for rule_id, answer in answers.items() if answer.success}
    broken = [rule for rule in suite.rules if rule.rule_id not in kept]
    # the rows of the landing have a key by which Great Expectations can name them
    has_row_ids = suite.table in ("rows", "files")
    details = _validate(
        batch,
        suite,
        broken,
        {
            "result_format": "SUMMARY",
            # Examples of what broke a rule are kept for files, where they name columns and
            # days. For rows they would be personal data.
            "partial_unexpected_count": 3 if suite.name == "files" else 0,
            "return_unexpected_index_query": True,
            **({"unexpected_index_column_names": ["row_id"]} if has_row_ids else {}),
        },
    )
    results = [
        _flatten_outcome(rule, details[rule.rule_id])
        if rule.rule_id in details
        else _flatten_outcome(rule, answers[rule.rule_id], row_count)
        for rule in suite.rules
    ]
    queries = {
        rule.rule_id: details[rule.rule_id].result["unexpected_index_query"]
        for rule, result in zip(suite.rules, results, strict=True)
        if has_row_ids and rule.is_about_rows and result["unexpected_count"]
    }
    return results, queries


def _validate(
    batch: Any,
    suite: Suite,
    rules: list[Rule],
    result_format: dict[str, Any],
    *,
    mostly: bool = True,
) -> dict[str, Any]:
    """Let Great Expectations evaluate rules; returns what it says of each, by rule id.

    Args:
        batch: Great Expectations' batch of the suite's view.
        suite: The suite.
        rules: Which of its rules.
        result_format: How much it shall say.
        mostly: Whether a share of the rows may break a rule that says so.
    """
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity

    if not rules:
        return {}
    expectations = [
        ExpectationConfiguration(
            type=rule.type,
            kwargs={k: v for k, v in rule.kwargs.items() if mostly or k != "mostly"},
            meta={"rule_id": rule.rule_id},
            severity=FailureSeverity(SEVERITIES[rule.severity]),
        ).to_domain_obj()
        for rule in rules
    ]
    suite_of_rules = gx.ExpectationSuite(name=suite.name, expectations=expectations)
    outcome = batch.validate(suite_of_rules, result_format=result_format)
    return {result.expectation_config.meta["rule_id"]: result for result in outcome.results}


def _count_rows(source: Any, table: str) -> int:
    """Count the rows of a view over Great Expectations' own connection."""
    with source.get_engine().connect() as con:
        return int(con.exec_driver_sql(f"select count(*) from {ident(table)}").scalar())


def _flatten_outcome(rule: Rule, outcome: Any, row_count: int | None = None) -> dict[str, Any]:
    """Great Expectations' result as one flat row.

    Args:
        rule: The rule.
        outcome: What Great Expectations says of it.
        row_count: How many rows there are, if no row breaks the rule and nothing more is known.
    """
    details = outcome.result or {}
    if row_count is not None:
        details = {"element_count": row_count, "unexpected_count": 0}
    unexpected = details.get("unexpected_count")
    observed = details.get("observed_value")
    if unexpected is None and rule.type == "unexpected_rows_expectation":
        unexpected = observed
    checked = details.get("element_count")
    if checked is not None:
        checked -= details.get("missing_count") or 0
    finding = describe_finding(rule, checked, unexpected, observed)
    if examples := details.get("partial_unexpected_list"):
        observed = "; ".join(dict.fromkeys(map(str, examples)))
    return {
        "border": rule.border,
        "table_name": rule.suite,
        "rule_id": rule.rule_id,
        "severity": rule.severity,
        "is_success": bool(outcome.success),
        "element_count": details.get("element_count"),
        "unexpected_count": unexpected,
        "quarantined_count": None,
        "observed_value": None if observed is None else str(observed),
        "finding": finding,
        "error": _describe_error(outcome.exception_info),
        "column_name": rule.column,
        "expectation_type": rule.type,
        "owner": rule.owner,
        "reason": rule.reason,
    }


def _describe_error(info: dict[str, Any] | None) -> str | None:
    """Say why a rule could not be evaluated; None if it could.

    Such a rule must never be taken for one that holds, so its result carries this message.
    """
    if not info:
        return None
    # Great Expectations gives either one report or one for each metric that failed.
    parts = [info] if "raised_exception" in info else list(info.values())
    # some messages end with a traceback, which says nothing to the reader of a page
    messages = [
        part["exception_message"].partition("Traceback")[0].strip()
        for part in parts
        if part.get("raised_exception")
    ]
    return "; ".join(messages) or None
