"""Running the rules: border 1 on a landed batch, border 2 on the private file before publishing.

Every rule runs as SQL inside DuckDB. A result is a plain dictionary (see `RESULT_COLUMNS`), kept
beside the batch as ``validation.json`` and published as the table ``data_quality``.
"""

import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.agency import code_maps
from cdi.agency.datasets import DATASETS, READINGS
from cdi.agency.model import Agency
from cdi.build.version import Version
from cdi.errors import GateError
from cdi.keys import encrypt_texts
from cdi.landing.accept import accept_batch, begin_check, recount_batch, refuse_batch
from cdi.landing.batches import Batch, accepted_batches, replace_parquet
from cdi.quality import pages, profile, releases
from cdi.quality.rules import SEVERITIES, Rule, Suite, load_suite, suite_names
from cdi.sql import comment, connect, fetch_dicts, ident, literal, scalar

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


def check_batch(agency: Agency, batch: Batch) -> tuple[Batch | None, list[dict[str, Any]]]:
    """Check a pending batch; accept it, or refuse it and say why.

    Rows that break a quarantining rule move to the batch's quarantine first; the rules about whole
    files see the counts after that.

    Args:
        agency: Whose batch.
        batch: A pending batch.

    Returns:
        The accepted batch (None if its content was accepted meanwhile) and the results of all
        rules.

    Raises:
        GateError: GATE-LANDING if a rule of severity `fail` does not hold. The batch is kept under
            ``refused/`` and no build sees it.
    """
    batch = begin_check(batch)
    work = batch.folder / ".check.duckdb"
    with connect(work) as con:
        _open_batch(con, agency, batch)
        suite = load_suite("landing", batch.manifest["dataset"])
        _derive(con, suite)
    results, failing_rows = _run(work, [suite])
    with connect(work) as con:
        batch = _quarantine(con, suite, batch, failing_rows, results)
        _open_files(con, agency, batch)
        files = load_suite("landing", "files")
        _derive(con, files)
    results += _run(work, [files])[0]
    work.unlink()
    names = {"dataset": batch.manifest["dataset"], "batch_id": batch.manifest["batch_id"]}
    results = [{**names, **result} for result in results]
    failed = releases.apply(agency, releases.of_batch(batch), results)
    _write(batch.folder, results)
    if failed:
        name = "validation.html"
        title = f"Refused batch {names['batch_id']}"
        pages.write_validation(batch.folder / name, agency, results, title)
        page = refuse_batch(batch) / name
        raise GateError(
            "GATE-LANDING",
            f"batch {names['batch_id']} of {agency.agency}/{names['dataset']} was refused:\n"
            + _explain(failed),
            f"look at {page}; have the file delivered again, correct agencies/{agency.agency}, or "
            f"have two people release it ({paths.CDI} release {agency.agency})",
            [r["rule_id"] for r in failed],
        )
    return accept_batch(batch), results


def refusals(agency: Agency, batch: Batch) -> dict[int, list[str]]:
    """Why rows of a batch that stays outside the landing would be refused, by the same rules.

    Args:
        agency: Whose batch.
        batch: As `cdi.landing.extract.read_file_as_batch` makes it.

    Returns:
        By the ordinal of the row in its file: rule id and reason of each rule that it breaks;
        empty if every row would be accepted.
    """
    suite = load_suite("landing", batch.manifest["dataset"])
    reasons = {rule.rule_id: rule.reason for rule in suite.rules}
    work = batch.folder / ".check.duckdb"
    with connect(work) as con:
        told = con.execute(
            "select source_line, concat_ws(': ', rule_id, detail) from read_parquet(?) "
            "order by all", [str(batch.quarantine)],
        ).fetchall()  # fmt: skip
        _open_batch(con, agency, batch)
        _derive(con, suite)
    _, queries = _run(work, [suite])
    with connect(work, read_only=True) as con:
        for rule_id, query in queries.items():
            lines = con.execute(
                "select distinct cast(split_part(row_id, ':', -1) as bigint) "
                f"from ({query.rstrip(';')}) order by all"
            ).fetchall()
            told += [(line, f"{rule_id}: {reasons[rule_id]}") for (line,) in lines]
    found: dict[int, list[str]] = {}
    for line, reason in told:
        found.setdefault(line, []).append(reason)
    return found


def check_marts(planned: Version) -> list[dict[str, Any]]:
    """Check the private file; on success add the table `data_quality` and the validation page.

    Args:
        planned: What was built.

    Returns:
        The results of both borders: of each batch it was built from, and of the marts.

    Raises:
        GateError: GATE-MARTS if a rule of severity `fail` does not hold; nothing is published.
    """
    suites = [load_suite("marts", name) for name in suite_names("marts")]
    with connect(planned.file) as con:
        for suite in suites:
            _derive(con, suite)
    results, _ = _run(planned.file, suites)
    with connect(planned.file) as con:
        for suite in suites:
            con.execute(f"drop view {_checked(suite)}")
    failed = releases.apply(planned.agency, releases.of_version(planned), results)
    _write(planned.folder, results)
    results = _batch_results(planned) + results
    page = planned.folder / "validation.html"
    pages.write_validation(page, planned.agency, results, f"Version {planned.version}")
    if failed:
        raise GateError(
            "GATE-MARTS",
            f"version {planned.version} of {planned.agency.agency} was not published:\n"
            + _explain(failed),
            f"look at {page}; the published version is untouched. Mend the cause, or have two "
            f"people release it ({paths.CDI} release {planned.agency.agency})",
            [r["rule_id"] for r in failed],
        )
    with connect(planned.file) as con:
        _keep(con, results)
    return results


def evidence(results: Iterable[dict[str, Any]]) -> str:
    """A few lines for the task's note: counts by severity, and each rule that did not hold."""
    results = list(results)
    broken = [r for r in results if not r["is_success"]]
    moved = [r for r in results if r["quarantined_count"]]
    lines = [f"{len(results)} rules checked, {len(results) - len(broken)} hold"]
    lines += [
        f"- {r['severity'].upper()} {r['rule_id']} ({r['table_name']}.{r['column_name'] or '*'}): "
        f"{_count(r)}. {r['reason']}"
        + (f" Released by {r['released_by']}." if r.get("released_by") else "")
        for r in broken
    ]
    lines += [f"- {r['rule_id']}: {r['quarantined_count']:,} rows quarantined" for r in moved]
    return "\n".join(lines)


def _count(result: dict[str, Any]) -> str:
    if result["error"]:
        return result["error"]
    if result["unexpected_count"] is None:
        return f"observed {result['observed_value']}"
    of = f" of {result['element_count']:,}" if result["element_count"] else ""
    told = f" ({result['observed_value']})" if result["table_name"] == "files" else ""
    return f"{result['unexpected_count']:,}{of} rows{told}"


def _write(folder: Path, results: list[dict[str, Any]]) -> None:
    text = json.dumps(results, indent=2, sort_keys=True)
    (folder / releases.RESULTS).write_text(text + "\n", encoding="utf-8")


def _explain(failed: list[dict[str, Any]]) -> str:
    return "\n".join(f"    {r['rule_id']}: {_count(r)}. {r['reason']}" for r in failed)


# ---------------------------------------------------------------------- tables to check


def _open_batch(con: duckdb.DuckDBPyConnection, agency: Agency, batch: Batch) -> None:
    """A view on the batch's rows; the agency's codes, and the reasons, that rules ask about."""
    con.execute(f"create view rows as from read_parquet('{_quoted(batch.rows)}')")
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


def _open_files(con: duckdb.DuckDBPyConnection, agency: Agency, batch: Batch) -> None:
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
    profile.measure(con, agency, batch, before)
    con.execute(
        "create or replace table files as select files.*, profiles.* exclude (source_file) "
        "from files left join profiles on row_id = source_file"
    )


def _derive(con: duckdb.DuckDBPyConnection, suite: Suite) -> None:
    """The view that rules read: the table and the columns that they need besides."""
    extra = "".join(f", {sql} as {ident(name)}" for name, sql in suite.derive.items())
    con.execute(f"create or replace view {_checked(suite)} as select *{extra} from {suite.table}")


def _checked(suite: Suite) -> str:
    return f"checked_{suite.name}"


def _quoted(file: Path) -> str:
    return str(file).replace("'", "''")


# ---------------------------------------------------------------------- running


def _run(file: Path, suites: list[Suite]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Run suites on their views in a DuckDB file, all over one connection.

    Returns:
        The results, and for each quarantining rule that found rows the query that selects them.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    # before the import, which would tell a task's log some 200 lines of its own
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
        found, selecting = _run_suite(source, suite)
        results += found
        queries |= selecting
    # both, or the file stays open in this process
    source.get_execution_engine().close()
    source.get_engine().dispose()
    return results, queries


def _run_suite(source: Any, suite: Suite) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """One suite's results, and its quarantining queries; see `_run`."""
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity

    asset = source.add_table_asset(name=suite.name, table_name=_checked(suite))
    expected = gx.ExpectationSuite(
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
            expected,
            result_format={
                "result_format": "SUMMARY",
                # of files: which columns and days; rows may hold personal data
                "partial_unexpected_count": 3 if suite.name == "files" else 0,
                "return_unexpected_index_query": True,
                **({"unexpected_index_column_names": ["row_id"]} if _has_rows(suite) else {}),
            },
        )
    )
    by_id = {r.expectation_config.meta["rule_id"]: r for r in outcome.results}
    results = [_plain(rule, by_id[rule.rule_id]) for rule in suite.rules]
    queries = {
        rule.rule_id: by_id[rule.rule_id].result["unexpected_index_query"]
        for rule, result in zip(suite.rules, results, strict=True)
        if rule.is_quarantining and result["unexpected_count"]
    }
    return results, queries


def _has_rows(suite: Suite) -> bool:
    """Whether the suite may quarantine, so that Great Expectations must name the rows."""
    return any(rule.is_quarantining for rule in suite.rules)


def _plain(rule: Rule, outcome: Any) -> dict[str, Any]:
    """Great Expectations' result as one flat row."""
    details = outcome.result or {}
    unexpected = details.get("unexpected_count")
    observed = details.get("observed_value")
    if unexpected is None and rule.type == "unexpected_rows_expectation":
        unexpected = observed
    if told := details.get("partial_unexpected_list"):
        observed = "; ".join(dict.fromkeys(map(str, told)))
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
        "error": _error(outcome.exception_info),
        "column_name": rule.column,
        "expectation_type": rule.type,
        "owner": rule.owner,
        "reason": rule.reason,
    }


def _error(info: dict[str, Any] | None) -> str | None:
    """The message of a rule that could not be evaluated: never taken for one that holds."""
    if not info:
        return None
    parts = [info] if "raised_exception" in info else list(info.values())
    # without the traceback that some messages hold
    messages = [
        part["exception_message"].partition("Traceback")[0].strip()
        for part in parts
        if part.get("raised_exception")
    ]
    return "; ".join(messages) or None


# ---------------------------------------------------------------------- consequences


def _quarantine(
    con: duckdb.DuckDBPyConnection,
    suite: Suite,
    batch: Batch,
    queries: dict[str, str],
    results: list[dict[str, Any]],
) -> Batch:
    """Move the rows that break a quarantining rule out of the batch's accepted rows."""
    if not queries:
        return batch
    con.execute("create table failing (row_id varchar, rule_id varchar)")
    for rule_id, query in queries.items():
        con.execute(
            f"insert into failing select distinct row_id, $rule from ({query.rstrip(';')})",
            {"rule": rule_id},
        )
    # a row that breaks several rules is told under the first
    con.execute(
        "create table moved as select row_id, min(rule_id) as rule_id from failing group by 1"
    )
    # what is published shows no text of a refused row; the landing keeps it, encrypted
    texts = [
        name
        for column in DATASETS[batch.manifest["dataset"]]
        if column.kind == "free_text"
        for name in column.outputs
    ]
    shown = f"(select * exclude ({', '.join(map(ident, texts))}) from rows)" if texts else "rows"
    originals = con.execute(
        "select row_id, cast(to_json(r) as varchar) from rows as r "
        "where row_id in (select row_id from moved)"
    ).fetchall()
    tokens = encrypt_texts(batch.manifest["agency"], [text for _, text in originals])
    con.execute("create table originals (row_id varchar, original_encrypted varchar)")
    con.executemany(
        "insert into originals values (?, ?)",
        [(row_id, token) for (row_id, _), token in zip(originals, tokens, strict=True)],
    )
    con.execute(
        f"""
        create table quarantine as
        from read_parquet('{_quoted(batch.quarantine)}')
        union all by name
        select r.row_id, r.source_file,
            cast(split_part(r.row_id, ':', -1) as bigint) as source_line,
            m.rule_id, null as detail,
            cast(to_json(r) as varchar) as original_masked,
            o.original_encrypted
        from {shown} as r join moved as m using (row_id) join originals as o using (row_id)
        """
    )
    con.execute("create table kept as from rows where row_id not in (select row_id from moved)")
    counts = fetch_dicts(
        con, "select r.source_file, count(*) as n from rows r join moved using (row_id) group by 1"
    )
    con.execute(f"drop view {_checked(suite)}; drop view rows; alter table kept rename to rows")
    replace_parquet(con, "rows", batch.rows)
    replace_parquet(con, "quarantine", batch.quarantine)
    by_rule = dict(con.execute("select rule_id, count(*) from moved group by 1").fetchall())
    for result in results:
        result["quarantined_count"] = by_rule.get(result["rule_id"])
    return recount_batch(batch, {row["source_file"]: row["n"] for row in counts})


def _batch_results(planned: Version) -> list[dict[str, Any]]:
    return [
        result
        for some in planned.batches.values()
        for batch in some
        for result in json.loads((batch.folder / releases.RESULTS).read_text(encoding="utf-8"))
    ]


def create_results(con: duckdb.DuckDBPyConnection) -> None:
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


def _keep(con: duckdb.DuckDBPyConnection, results: list[dict[str, Any]]) -> None:
    create_results(con)
    con.executemany(
        f"insert into main.data_quality values ({', '.join('$' + n for n in RESULT_COLUMNS)})",
        [{name: result.get(name) for name in RESULT_COLUMNS} for result in results],
    )
    if not scalar(con, "select count(*) from main.data_quality"):
        raise GateError("GATE-MARTS", "no rule was checked", "look into expectations/")
