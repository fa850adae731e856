"""Running the rules: border 1 on a landed batch, border 2 on the private file before publishing.

Every rule runs as SQL inside DuckDB. A result is a plain dictionary (see `RESULT_COLUMNS`), kept
beside the batch as ``validation.json`` and published as the table ``data_quality``.
"""

from collections.abc import Iterable
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
from cdi.quality.page import write_validation_page
from cdi.quality.releases import apply_waivers, batch_content_id, version_content_id
from cdi.quality.results import batch_results, write_results_file, write_results_table
from cdi.quality.rules import Suite, load_suite, suite_names
from cdi.quality.running import run_suites
from cdi.quality.tables import checked_columns, derive_columns, open_batch, open_files, quote_names
from cdi.sql import connect, fetch_dicts, ident


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
        open_batch(con, agency, batch)
        suite = load_suite("landing", batch.manifest["dataset"])
        derive_columns(con, suite)
    results, failing_rows = run_suites(work, [suite])
    with connect(work) as con:
        batch = _quarantine_rows(con, suite, batch, failing_rows, results)
        open_files(con, agency, batch)
        files = load_suite("landing", "files")
        derive_columns(con, files)
    results += run_suites(work, [files])[0]
    work.unlink()
    names = {"dataset": batch.manifest["dataset"], "batch_id": batch.manifest["batch_id"]}
    results = [{**names, **result} for result in results]
    failed = apply_waivers(agency, batch_content_id(batch), results)
    write_results_file(batch.folder, results)
    if failed:
        name = "validation.html"
        title = f"Refused batch {names['batch_id']}"
        write_validation_page(batch.folder / name, agency, results, title)
        page = refuse_batch(batch) / name
        raise GateError(
            "GATE-LANDING",
            f"batch {names['batch_id']} of {agency.agency}/{names['dataset']} was refused:\n"
            + _raise_if_broken(failed),
            f"look at {page}; have the file delivered again, correct agencies/{agency.agency}, or "
            f"have two people release it ({paths.CDI} release {agency.agency})",
            [r["rule_id"] for r in failed],
        )
    return accept_batch(batch), results


def find_refusals(agency: Agency, batch: Batch) -> dict[int, list[str]]:
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
        open_batch(con, agency, batch)
        derive_columns(con, suite)
    _, queries = run_suites(work, [suite])
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


def check_marts(version: Version) -> list[dict[str, Any]]:
    """Check the private file; on success add the table `data_quality` and the validation page.

    Args:
        version: What was built.

    Returns:
        The results of both borders: of each batch it was built from, and of the marts.

    Raises:
        GateError: GATE-MARTS if a rule of severity `fail` does not hold; nothing is published.
    """
    suites = [load_suite("marts", name) for name in suite_names("marts")]
    with connect(version.file) as con:
        for suite in suites:
            derive_columns(con, suite)
    results, _ = run_suites(version.file, suites)
    with connect(version.file) as con:
        for suite in suites:
            con.execute(f"drop view {checked_columns(suite)}")
    failed = apply_waivers(version.agency, version_content_id(version), results)
    write_results_file(version.folder, results)
    results = batch_results(version) + results
    page = version.folder / "validation.html"
    write_validation_page(page, version.agency, results, f"Version {version.name}")
    if failed:
        raise GateError(
            "GATE-MARTS",
            f"version {version.name} of {version.agency.agency} was not published:\n"
            + _raise_if_broken(failed),
            f"look at {page}; the published version is untouched. Mend the cause, or have two "
            f"people release it ({paths.CDI} release {version.agency.agency})",
            [r["rule_id"] for r in failed],
        )
    with connect(version.file) as con:
        write_results_table(con, results)
    return results


def summarise_results(results: Iterable[dict[str, Any]]) -> str:
    """A few lines for the task's note: counts by severity, and each rule that did not hold."""
    results = list(results)
    broken = [r for r in results if not r["is_success"]]
    moved = [r for r in results if r["quarantined_count"]]
    lines = [f"{len(results)} rules checked, {len(results) - len(broken)} hold"]
    lines += [
        f"- {r['severity'].upper()} {r['rule_id']} ({r['table_name']}.{r['column_name'] or '*'}): "
        f"{_count_results(r)}. {r['reason']}"
        + (f" Released by {r['released_by']}." if r.get("released_by") else "")
        for r in broken
    ]
    lines += [f"- {r['rule_id']}: {r['quarantined_count']:,} rows quarantined" for r in moved]
    return "\n".join(lines)


def _count_results(result: dict[str, Any]) -> str:
    if result["error"]:
        return result["error"]
    if result["unexpected_count"] is None:
        return f"observed {result['observed_value']}"
    of = f" of {result['element_count']:,}" if result["element_count"] else ""
    told = f" ({result['observed_value']})" if result["table_name"] == "files" else ""
    return f"{result['unexpected_count']:,}{of} rows{told}"


def _raise_if_broken(failed: list[dict[str, Any]]) -> str:
    return "\n".join(f"    {r['rule_id']}: {_count_results(r)}. {r['reason']}" for r in failed)


# ---------------------------------------------------------------------- consequences


def _quarantine_rows(
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
        from read_parquet('{quote_names(batch.quarantine)}')
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
    con.execute(
        f"drop view {checked_columns(suite)}; drop view rows; alter table kept rename to rows"
    )
    replace_parquet(con, "rows", batch.rows)
    replace_parquet(con, "quarantine", batch.quarantine)
    by_rule = dict(con.execute("select rule_id, count(*) from moved group by 1").fetchall())
    for result in results:
        result["quarantined_count"] = by_rule.get(result["rule_id"])
    return recount_batch(batch, {row["source_file"]: row["n"] for row in counts})
