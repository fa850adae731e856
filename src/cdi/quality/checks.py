"""Check by the rules: border 1 on a landed batch, border 2 on the private file before publishing.

Every rule runs as SQL inside DuckDB. Its result (see `cdi.quality.results`) is kept beside the
batch as ``validation.json`` and published in the table ``data_quality``.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.agency.datasets import DATASETS
from cdi.agency.model import Agency
from cdi.build.version import Version
from cdi.errors import GateError
from cdi.keys import encrypt_texts
from cdi.landing.accept import accept_batch, begin_check, recount_batch, refuse_batch
from cdi.landing.batches import Batch, replace_parquet
from cdi.landing.quarantine import hidden_columns, hidden_expression
from cdi.quality.history import MARTS, add_run
from cdi.quality.page import write_validation_page
from cdi.quality.results import batch_results, write_results_file, write_results_table
from cdi.quality.rules import Suite, load_suite, suite_names
from cdi.quality.running import run_suites
from cdi.quality.samples import name_codes, name_refused, name_rows
from cdi.quality.tables import checked_columns, derive_columns, open_batch, open_files
from cdi.quality.waivers import apply_waivers, batch_content_id, version_content_id
from cdi.quality.wording import describe_extent, name_batch
from cdi.sql import connect, create_table, fetch_dicts, ident, read_query, write_database

SQL = Path(__file__).parent / "sql"


def check_batch(agency: Agency, batch: Batch) -> tuple[Batch | None, list[dict[str, Any]]]:
    """Check a pending batch; accept it, or refuse it and say why.

    Rows that break a quarantining rule are moved to the batch's quarantine first. Then the rules
    about whole files look at the counts that result from it.

    Args:
        agency: The agency that the batch belongs to.
        batch: A pending batch.

    Returns:
        The accepted batch (None if its content was accepted meanwhile) and the results of all
        rules.

    Raises:
        GateError: GATE-LANDING if a rule of severity `fail` does not hold and nobody waived it. The
            batch is kept under ``refused/``, where no build looks.
    """
    batch = begin_check(batch)
    work = batch.folder / ".check.duckdb"
    with connect(work) as con:
        open_batch(con, agency, batch)
        suite = load_suite("landing", batch.manifest["dataset"])
        derive_columns(con, suite)
    results, failing_rows = run_suites(work, [suite])
    with connect(work) as con:
        name_codes(con, suite, results)
        name_rows(con, failing_rows, results)
        batch = _quarantine_rows(con, agency, suite, batch, failing_rows, results)
        open_files(con, agency, batch)
        suite_of_files = load_suite("landing", "files")
        derive_columns(con, suite_of_files)
    results += run_suites(work, [suite_of_files])[0]
    name_refused(batch, results)
    work.unlink()
    dataset, batch_id = batch.manifest["dataset"], batch.manifest["batch_id"]
    results = [{"dataset": dataset, "batch_id": batch_id, **result} for result in results]
    failures = apply_waivers(agency, batch_content_id(batch), results)
    write_results_file(batch.folder, results)
    add_run(agency.agency, dataset, batch_id, results, datetime.now(UTC))
    if failures:
        page_name = "validation.html"
        write_validation_page(
            batch.folder / page_name,
            agency,
            results,
            f"Refused: {name_batch(agency, dataset, batch_id)}",
            [
                {
                    **batch.manifest,
                    "left_out": sum(file.get("left_out", 0) for file in batch.manifest["files"]),
                }
            ],
        )
        page = refuse_batch(batch) / page_name
        raise GateError(
            "GATE-LANDING",
            f"batch {batch_id} of {agency.agency}/{dataset} was refused:\n"
            + _list_failures(failures),
            f"look at {page}; have the file delivered again, correct {agency.folder}, or "
            f"have two people approve it ({paths.CDI} release {agency.agency})",
            [failure["rule_id"] for failure in failures],
        )
    return accept_batch(batch), results


def find_refusals(agency: Agency, batch: Batch) -> dict[int, list[str]]:
    """Find out which rows the landing would refuse, and why, before people's file is landed.

    Args:
        agency: The agency that the batch belongs to.
        batch: As `cdi.landing.extract.read_file_as_batch` makes it; it stays outside the landing.

    Returns:
        By the place of the row in its file, counted from 1: the rule id and the reason of each rule
        that it breaks. Empty if every row would be accepted.
    """
    suite = load_suite("landing", batch.manifest["dataset"])
    reasons = {rule.rule_id: rule.reason for rule in suite.rules}
    work = batch.folder / ".check.duckdb"
    with connect(work) as con:
        refusals = con.execute(
            "select source_line, concat_ws(': ', rule_id, detail) from read_parquet(?) "
            "order by all",
            [str(batch.quarantine)],
        ).fetchall()
        open_batch(con, agency, batch)
        derive_columns(con, suite)
    _, queries = run_suites(work, [suite])
    with connect(work, read_only=True) as con:
        for rule_id, query in _choose_quarantining(suite, queries).items():
            lines = con.execute(
                "select distinct cast(split_part(row_id, ':', -1) as bigint) "
                f"from ({query.rstrip(';')}) order by all"
            ).fetchall()
            refusals += [(line, f"{rule_id}: {reasons[rule_id]}") for (line,) in lines]
    reasons_by_line: dict[int, list[str]] = {}
    for line, reason in refusals:
        reasons_by_line.setdefault(line, []).append(reason)
    return reasons_by_line


def check_marts(version: Version) -> list[dict[str, Any]]:
    """Check the private file; write the validation page, and the table `data_quality` if it passes.

    Args:
        version: What was built.

    Returns:
        The results of both borders: of each batch that it was built from, and of the marts.

    Raises:
        GateError: GATE-MARTS if a rule of severity `fail` does not hold and nobody waived it;
            nothing is published.
    """
    suites = [load_suite("marts", name) for name in suite_names("marts")]
    with write_database(version.file) as con:
        for suite in suites:
            derive_columns(con, suite)
    results, _ = run_suites(version.file, suites)
    with write_database(version.file) as con:
        for suite in suites:
            con.execute(f"drop view {checked_columns(suite)}")
        row_counts = fetch_dicts(con, read_query(SQL / "row_counts.sql"))
    failures = apply_waivers(version.agency, version_content_id(version), results)
    write_results_file(version.folder, results)
    add_run(version.agency.agency, MARTS, version.name, results, datetime.now(UTC))
    results = batch_results(version) + results
    page = version.folder / "validation.html"
    write_validation_page(
        page, version.agency, results, f"Version {version.name}", row_counts, docs_root=""
    )
    if failures:
        raise GateError(
            "GATE-MARTS",
            f"version {version.name} of {version.agency.agency} was not published:\n"
            + _list_failures(failures),
            f"look at {page}; the published version is untouched. Correct the cause, or have two "
            f"people approve it ({paths.CDI} release {version.agency.agency})",
            [failure["rule_id"] for failure in failures],
        )
    with write_database(version.file) as con:
        write_results_table(con, results)
    return results


def summarise_results(results: Iterable[dict[str, Any]]) -> str:
    """Sum up for the task's note how many rules hold, and name each rule that does not."""
    results = list(results)
    broken = [result for result in results if not result["is_success"]]
    lines = [f"{len(results)} rules checked, {len(results) - len(broken)} hold"]
    lines += [
        f"- {result['severity'].upper()} {result['rule_id']} "
        f"({result['table_name']}.{result['column_name'] or '*'}): "
        f"{describe_extent(result)}. {result['reason']}"
        + (f" Approved by {result['released_by']}." if result.get("released_by") else "")
        for result in broken
    ]
    lines += [
        f"- {result['rule_id']}: {result['quarantined_count']:,} rows quarantined"
        for result in results
        if result["quarantined_count"]
    ]
    return "\n".join(lines)


def count_results(results: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Count the rules that were checked, and name those that did not hold; see `Step.counts`."""
    results = list(results)
    broken = Counter(str(result["rule_id"]) for result in results if not result["is_success"])
    return {
        "rules checked": len(results),
        **{f"broken: {rule_id}": count for rule_id, count in sorted(broken.items())},
    }


def _list_failures(failures: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"    {failure['rule_id']}: {describe_extent(failure)}. {failure['reason']}"
        for failure in failures
    )


def _choose_quarantining(suite: Suite, queries: dict[str, str]) -> dict[str, str]:
    """Choose the queries of the rules whose failing rows are moved to quarantine."""
    quarantining = {rule.rule_id for rule in suite.rules if rule.is_quarantining}
    return {rule_id: query for rule_id, query in queries.items() if rule_id in quarantining}


def _quarantine_rows(
    con: duckdb.DuckDBPyConnection,
    agency: Agency,
    suite: Suite,
    batch: Batch,
    queries: dict[str, str],
    results: list[dict[str, Any]],
) -> Batch:
    """Move the rows that break a quarantining rule from the batch's accepted rows to the refused.

    Args:
        con: The working file of the check.
        agency: The agency, whose mapping says what is read from texts.
        suite: Whose rules were run.
        batch: The copy of the batch that the check works on; its files are rewritten.
        queries: The query that selects the failing rows, by rule id.
        results: Of the suite; each is told how many rows were moved under its rule.

    Returns:
        The batch with its counts as they are now.
    """
    queries = _choose_quarantining(suite, queries)
    if not queries:
        return batch
    con.execute("create table failing (row_id varchar, rule_id varchar)")
    for rule_id, query in queries.items():
        con.execute(
            f"insert into failing select distinct row_id, $rule from ({query.rstrip(';')})",
            {"rule": rule_id},
        )
    # The quarantine is published, so it shows a refused row without its free text, even masked, and
    # hides what was read from such a text. The landing keeps the whole row, encrypted.
    dataset = batch.manifest["dataset"]
    texts = [
        name
        for column in DATASETS[dataset]
        if column.kind == "free_text"
        for name in column.outputs
    ]
    hidden = [
        f"{hidden_expression(ident(name))} as {ident(name)}"
        for name in sorted(hidden_columns(agency.sources[dataset], dataset))
    ]
    without_texts = f"exclude ({', '.join(map(ident, texts))})" if texts else ""
    with_hidden = f"replace ({', '.join(hidden)})" if hidden else ""
    shown = f"(select * {without_texts} {with_hidden} from rows)"
    # a row that breaks several rules is quarantined once, under the first of them
    con.execute(
        f"""
        create table moved as
        select r.row_id, r.source_file, first_broken.rule_id,
            cast(to_json(r) as varchar) as original_masked
        from {shown} as r
        join (select row_id, min(rule_id) as rule_id from failing group by 1) as first_broken
            using (row_id)
        """
    )
    originals = con.execute(
        "select row_id, cast(to_json(r) as varchar) from rows as r "
        "where row_id in (select row_id from moved)"
    ).fetchall()
    tokens = encrypt_texts(batch.manifest["agency"], [text for _, text in originals])
    create_table(
        con,
        "originals",
        {"row_id": "VARCHAR", "original_encrypted": "VARCHAR"},
        [
            {"row_id": row_id, "original_encrypted": token}
            for (row_id, _), token in zip(originals, tokens, strict=True)
        ],
    )
    con.execute(read_query(SQL / "quarantined_rows.sql"), {"quarantine": str(batch.quarantine)})
    con.execute("create table kept as from rows where row_id not in (select row_id from moved)")
    con.execute(
        f"drop view {checked_columns(suite)}; drop view rows; alter table kept rename to rows"
    )
    replace_parquet(con, "rows", batch.rows)
    replace_parquet(con, "quarantine", batch.quarantine)
    moved_by_rule, moved_by_file = (
        dict(con.execute(f"select {name}, count(*) from moved group by 1").fetchall())
        for name in ("rule_id", "source_file")
    )
    for result in results:
        result["quarantined_count"] = moved_by_rule.get(result["rule_id"])
    return recount_batch(batch, moved_by_file)
