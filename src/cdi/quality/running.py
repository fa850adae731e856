"""Run suites of Great Expectations on a DuckDB connection."""

import logging
import os
from pathlib import Path
from typing import Any

from cdi.quality.rules import SEVERITIES, Rule, Suite
from cdi.quality.tables import checked_columns


def run_suites(file: Path, suites: list[Suite]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Run suites on their views in a DuckDB file, all over one connection.

    Args:
        file: Has the view of each suite; see `cdi.quality.tables.derive_columns`.
        suites: What to run.

    Returns:
        The results, and for each quarantining rule that found rows the query that selects them.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    # set before the import, which would write some 200 lines of its own into a task's log
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    from cdi.quality import gx_duckdb  # noqa: F401  registers `add_duckdb`

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
    """Run one suite; returns its results, and queries of quarantining rules, as `run_suites`."""
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity

    # only then must Great Expectations name the rows; it needs their key for it
    may_quarantine = any(rule.is_quarantining for rule in suite.rules)
    asset = source.add_table_asset(name=suite.name, table_name=checked_columns(suite))
    expectations = gx.ExpectationSuite(
        name=suite.name,
        expectations=[
            ExpectationConfiguration(
                type=rule.type,
                kwargs=rule.kwargs,
                meta={"rule_id": rule.rule_id},
                severity=FailureSeverity(SEVERITIES[rule.severity]),
            ).to_domain_obj()
            for rule in suite.rules
        ],
    )
    outcome = (
        asset.add_batch_definition_whole_table("all")
        .get_batch()
        .validate(
            expectations,
            result_format={
                "result_format": "SUMMARY",
                # Examples of what broke a rule are kept for files, where they name columns and
                # days. For rows they would be personal data.
                "partial_unexpected_count": 3 if suite.name == "files" else 0,
                "return_unexpected_index_query": True,
                **({"unexpected_index_column_names": ["row_id"]} if may_quarantine else {}),
            },
        )
    )
    by_id = {result.expectation_config.meta["rule_id"]: result for result in outcome.results}
    results = [_flatten_outcome(rule, by_id[rule.rule_id]) for rule in suite.rules]
    queries = {
        rule.rule_id: by_id[rule.rule_id].result["unexpected_index_query"]
        for rule, result in zip(suite.rules, results, strict=True)
        if rule.is_quarantining and result["unexpected_count"]
    }
    return results, queries


def _flatten_outcome(rule: Rule, outcome: Any) -> dict[str, Any]:
    """Great Expectations' result as one flat row."""
    details = outcome.result or {}
    unexpected = details.get("unexpected_count")
    observed = details.get("observed_value")
    if unexpected is None and rule.type == "unexpected_rows_expectation":
        unexpected = observed
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
