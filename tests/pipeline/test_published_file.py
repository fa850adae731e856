"""What an analyst opens: few tables, views that explain themselves, a dictionary of both."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from cdi.docs import dictionary
from cdi.report.dictionary import render_dictionary

TABLES = {
    "fct_calls",
    "fct_reported_crimes",
    "dim_districts",
    "recording_rate",
    "unrecorded_crimes",
    "recording_timeliness",
    "cancellations",
    "data_quality",
    "links",
}
VIEWS = {
    "dim_evidence_kinds",
    "dim_offence_groups",
    "dim_reasons",
    "dim_rulesets",
    "auditability",
    "audit_strata",
    "audited_changes",
    "audited_logs",
    "audited_rates",
    "audits",
    "bi_crime_records",
    "bi_dates",
    "bi_logs",
    "bi_recording_rate",
    "bi_reported_crimes",
    "confirmed_misses",
    "conservation",
    "crimes_without_call",
    "district_rates",
    "likelihood_yields",
    "lineage",
    "link_calibration",
    "miss_causes_by_team",
    "practice_changes",
    "practice_weeks",
    "quarantine",
    "rape_reports",
    "recording_range",
    "recording_triangle",
    "records_clock",
    "release",
    "run_results",
    "service_given",
    "text_quality",
    "unrecorded_estimate",
    "weekly_rates",
    "word_changes",
    "worklist_accuracy",
    "worklist_backtest",
    "worklist_yield",
}


@pytest.fixture(scope="module")
def published(ran_once: Path) -> Path:
    """The current version's folder of a small agency."""
    return ran_once / "published" / "testville" / "current"


@pytest.fixture
def con(published: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(published / "recording.duckdb"), read_only=True) as opened:
        yield opened


@pytest.mark.parametrize(("kind", "names"), [("table", TABLES), ("view", VIEWS)])
def test_the_main_schema_holds_what_is_listed_and_no_more(
    con: duckdb.DuckDBPyConnection, kind: str, names: set[str]
) -> None:
    rows = con.execute(
        f"select {kind}_name from duckdb_{kind}s() where schema_name = 'main' and not internal"
    ).fetchall()
    assert {name for (name,) in rows} == names


def test_each_table_view_and_column_of_the_whole_file_explains_itself(
    con: duckdb.DuckDBPyConnection,
) -> None:
    columns = con.execute(
        "select schema_name, table_name, column_name, comment from duckdb_columns() "
        "where not internal"
    ).fetchall()
    assert {"main", "measures", "rules", "codes", "staging"} <= {column[0] for column in columns}
    assert len(columns) > 1000
    assert [column[:3] for column in columns if not column[3]] == []
    relations = con.execute(
        "select schema_name, table_name, comment from duckdb_tables() "
        "union all select schema_name, view_name, comment from duckdb_views() where not internal"
    ).fetchall()
    assert len(relations) > len(TABLES | VIEWS)
    assert [name for *name, comment in relations if "One row" not in (comment or "")] == []


def test_a_view_answers_as_its_table_does_from_another_database_too(published: Path) -> None:
    with duckdb.connect() as con:
        con.execute(f"attach '{published / 'recording.duckdb'}' as recording (read_only)")
        answers = [
            con.execute(f"from recording.{room}release").fetchall()
            for room in ("", "main.", "measures.")
        ]
    assert len(answers[0]) == 1
    assert answers[0] == answers[1] == answers[2]


def test_the_file_is_of_the_storage_version_of_the_oldest_duckdb_with_long_support(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """tests/slow/test_client.py opens it with one."""
    tags = con.execute(
        "select tags from duckdb_databases() where database_name = 'recording'"
    ).fetchone()
    assert tags is not None and tags[0]["storage_version"] == "v1.4.0+"


def test_the_texts_of_entries_are_compressed_as_declared(con: duckdb.DuckDBPyConnection) -> None:
    used = con.execute(
        "select distinct compression "
        "from pragma_storage_info('recording.disclosure.int_disclosure__log_entries') "
        "where column_name = 'entry' and segment_type = 'VARCHAR'"
    ).fetchall()
    assert used == [("ZSTD",)]


def test_the_lineage_goes_from_the_landing_to_the_marts(con: duckdb.DuckDBPyConnection) -> None:
    made_from = con.execute(
        """
        with recursive above as (
            select made_from from lineage where table_name = 'main.recording_rate'
            union
            select lineage.made_from from lineage join above on lineage.table_name = above.made_from
        )
        from above
        """
    ).fetchall()
    assert {
        ("main.fct_reported_crimes",),
        ("rules.rulesets",),
        ("landing.calls",),
        ("landing.crime_records",),
    } <= set(made_from)


def test_the_dictionary_tells_each_relation_and_column_of_main(
    con: duckdb.DuckDBPyConnection, published: Path
) -> None:
    page = (published / "dictionary.html").read_text(encoding="utf-8")
    assert "SIMULATED" in page and "://" not in page
    headings = set(re.findall(r'<h2 id="([a-z_.]+)">', page))
    assert headings >= TABLES | VIEWS | {"rules.time_limits", "codes.call_types"}
    section = page.split('<h2 id="fct_calls">')[1].split("</section>")[0]
    columns_on_page = set(re.findall(r"<code>(\w+)</code>", section))
    columns = con.execute(
        "select column_name from duckdb_columns() where table_name = 'fct_calls' and "
        "schema_name = 'main'"
    ).fetchall()
    assert columns_on_page == {name for (name,) in columns}


def test_the_dictionary_in_docs_is_current(con: duckdb.DuckDBPyConnection) -> None:
    assert dictionary.PAGE.read_text(encoding="utf-8") == render_dictionary(con), "make docs"


def test_each_link_into_the_documentation_leads_to_a_page_and_a_place(published: Path) -> None:
    followed = set()
    for page in published.rglob("*.html"):
        if page.is_relative_to(published / "docs") or page.name == "dbt_docs.html":
            continue
        text = page.read_text(encoding="utf-8")
        for link in set(re.findall(r'href="((?:\.\./)*docs/[^"]+)"', text)):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve()
            assert target.is_relative_to((published / "docs").resolve()), (page, link)
            assert f'id="{anchor}"' in target.read_text(encoding="utf-8") or not anchor, link
            followed.add(target.name)
        named = set(re.findall(r"docs/[a-z-]+\.md", text)) - {"docs/recording-decisions.md"}
        assert page.name == "dictionary.html" or not named, (page, named)
    pages = {"glossary", "rules", "linking", "recording-decisions"}
    assert followed >= {f"{name}.html" for name in pages}


def test_dbts_docs_hold_the_project_and_may_ask_nobody(published: Path) -> None:
    page = (published / "dbt_docs.html").read_text(encoding="utf-8")
    assert "INLINE DATA" not in page
    assert "default-src 'none'" in page.split("<head>")[1][:200]
    data, use, _ = page.partition('o("manifest","manifest.json"')
    assert use  # of dbt's page
    start = data.index('{"metadata": {"dbt_schema_version"')  # the data stands before its use
    manifest, _ = json.JSONDecoder().raw_decode(data[start:].replace("<\\/", "</"))
    assert "model.cdi.recording_rate" in manifest["nodes"]
    assert manifest["docs"]["doc.cdi.__overview__"]["block_contents"].startswith("# From calls")
    assert {"exposure.cdi.worklist", "exposure.cdi.desk"} <= set(manifest["exposures"])
    assert "metric.cdi.rate" in manifest["metrics"]
