"""What the pipeline makes of two months of the simulated force, against what is true of it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdi import paths
from cdi.agency.load import load_agency
from cdi.local.run import default_interval
from cdi.report.contract import SQL as FIGURES_SQL
from cdi.report.worklist import SQL as REPORT_SQL
from cdi.sql import fetch_dicts, read_query
from cdi.steps.run import run_directly
from cdi.variant import Variant
from cdi_force.generate import ensure_force
from cdi_proofs.scorecard import run_scorecard
from cdi_proofs.walkthrough import PAGE, VARIANT, render_walkthrough
from tests import lexicon_by_hand
from tests.conftest import staged

TWO_MONTHS = Variant("calibrated_2017", 2, 3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """State folder after one run, without Airflow, on two months; the truth was out of reach."""
    home = tmp_path_factory.mktemp("simulated")
    with pytest.MonkeyPatch.context() as patch, TWO_MONTHS.selected():
        patch.setenv("CDI_HOME", str(home))
        patch.delenv("CDI_DATA", raising=False)
        ensure_force()
        (home / "truth").rename(home / "away")
        interval = default_interval(load_agency("simulated"))
        assert run_directly("simulated", interval)
        (home / "away").rename(home / "truth")
        yield home


def test_the_pipeline_lands_every_row_that_can_be_read(run: Path) -> None:
    hard = json.loads((paths.truth() / "hardness.json").read_text())
    file = run / "published" / "simulated" / "current" / "recording.duckdb"
    with duckdb.connect(str(file), read_only=True) as con:
        refused = dict(
            con.execute("select dataset, count(*) from quarantine group by all").fetchall()
        )
        assert refused["calls"] == hard["unparseable_calls"]["count"] > 0
        assert set(refused) <= {"calls", "crime_records"}
        (calls,) = con.execute("select count(*) from fct_calls").fetchone() or (0,)
        assert calls == hard["duplicate_logs"]["of"] - refused["calls"]
        assert con.execute("select is_simulated from release").fetchone() == (True,)
    # the history of references: each entry that sets one is read
    references = staged(
        load_agency(paths.SIMULATED),
        "select action_type, count(*), count(record_key) + count(cross_key) "
        "from staging.stg_log_actions where action_type in ('CASE REFERENCE', 'CROSS REFERENCE') "
        "group by all order by all",
    )
    assert [event for event, *_ in references] == ["CASE REFERENCE", "CROSS REFERENCE"]
    for _, entries, keys in references:
        assert entries == keys > 100


def test_weeks_and_districts_count_the_crimes_that_the_facts_hold(run: Path) -> None:
    file = run / "published" / "simulated" / "current" / "recording.duckdb"
    base = "outcome_standard in ('recorded', 'wrongly_cancelled', 'unrecorded', 'too_recent')"
    with duckdb.connect(str(file), read_only=True) as con:
        weeks = con.execute(
            "select reported_week_on, recorded_count, due_count from weekly_rates "
            "where universe = 'frame' and week_count = 1 order by all"
        ).fetchall()
        assert [str(week) for week, *_ in weeks] == [
            "2017-05-01",
            "2017-05-08",
            "2017-05-15",
            "2017-05-22",
            "2017-05-29",
            "2017-06-05",
            "2017-06-12",
            "2017-06-19",
        ]
        # London was an hour ahead of UTC all that time
        facts = con.execute(
            "select cast(date_trunc('week', reported_at + interval 1 hour) as date) as week, "
            "count(*) filter (where outcome_standard = 'recorded'), "
            f"count(*) filter (where {base}) "
            "from fct_reported_crimes where is_in_frame and offence_group <> 'fraud' "
            "and week between '2017-05-01' and '2017-06-19' group by week order by week"
        ).fetchall()
        assert weeks == facts
        districts = con.execute(
            "select district, recorded_count, due_count from district_rates "
            "where universe = 'frame' order by all"
        ).fetchall()
        assert len(districts) == 8
        assert (
            districts
            == con.execute(
                "select district, count(*) filter (where outcome_standard = 'recorded'), count(*) "
                "from fct_reported_crimes cross join release where is_in_frame "
                f"and offence_group <> 'fraud' and {base} and outcome_standard <> 'too_recent' "
                "and reported_at + interval 30 day <= as_of group by all order by all"
            ).fetchall()
        )
        compared = con.execute(
            "select count(*) filter (where compared = 'alike'), min(effective_count / due_count), "
            "max(effective_count / due_count) from district_rates where universe = 'frame'"
        ).fetchone()
        # the simulated districts have one law; crimes of one call share their fate
        assert compared is not None and compared[0] >= 7
        assert compared[1] == pytest.approx(compared[2])
        assert 0.7 < compared[1] < 1
    page = (file.parent / "report.html").read_text(encoding="utf-8")
    _, _, by_week = page.partition('<h2 id="weeks">')
    by_week, _, _ = by_week.partition("<h2")
    figures, _, _ = by_week.partition("</table>")
    assert figures.count("records still come in</td>") == 4  # of the weeks that ended in June
    assert "needs 26 weeks of data" in by_week


def test_the_lexicon_finds_what_reading_by_hand_finds(run: Path) -> None:
    file = run / "published" / "simulated" / "current" / "recording.duckdb"
    with duckdb.connect(str(file), read_only=True) as con:
        assert lexicon_by_hand.differing(con, logs=400, at_least=150) == set()


def test_the_scorecard_compares_it_with_the_truth(run: Path) -> None:
    scored = run_scorecard()
    assert scored == json.loads((run / "scorecard.json").read_text())
    assert scored["is_simulated"] and (scored["scenario"], scored["seed"]) == ("calibrated_2017", 3)
    assert scored["crimes_due"] > 2_000
    for key in ("precision", "recall"):
        assert 0.97 < scored["link"][key] <= 1
        # the bar of a year is 0.88; two months have fewer links to learn from
        assert 0.85 < scored["link"]["no_reference"][key] <= 1
        for universe in ("frame", "all", "no_link"):
            # nobody beats who knows the law by more than chance
            assert (
                scored["reported"][universe][key] <= scored["bayes_ceiling"][universe][key] + 0.01
            )
        assert scored["bayes_ceiling"]["frame"][key] > 0.95
    assert set(scored["link"]["rungs"]) == {
        "canonical_key",
        "written_back",
        "repaired_key",
        "scored",
    }
    blocks, ladder = scored["link"]["blocks"], scored["link"]["leftovers"]["ladder"]
    assert 0.85 < ladder["recall_no_reference"] <= blocks["no_reference"] <= 1
    truth = scored["rate"]["frame"]["all"]["truth"]
    assert truth == pytest.approx(0.801, abs=0.03)  # one month's chance, and what is not yet known
    assert scored["rate"]["all"]["all"]["truth"] < truth
    assert set(scored["rate"]["frame"]["violence_against_the_person"]) == {
        "truth",
        "strict",
        "standard",
        "inclusive",
    }
    assert sum(n for row in scored["outcomes"].values() for n in row.values()) > 3_000
    band = scored["rate"]["frame"]["all"]
    assert band["inclusive"] < band["standard"] < band["strict"]
    worklist, fresh = scored["worklist"], scored["fresh_misses"]
    assert worklist["likely"]["precision"] > worklist["precision"]
    assert worklist["recall"] > worklist["likely"]["recall"] > 0.5
    read = [point["logs_read"] for point in worklist["yield_curve"]]
    assert read == sorted(read) and read[0] > 0
    expected = {row["reading_part"]: row for row in worklist["expected_yield"]}
    assert list(expected) == ["now", "likely", "possible"]
    for part in expected.values():
        # more than that many rows, and fewer missed crimes in them than there are rows
        assert part["row_count"] > 250 and 0 < part["true_count"] < part["row_count"]
        assert part["lower_limit"] <= part["true_count"] <= part["upper_limit"]
    # two months have days for fewer moments than thirty
    assert fresh["moments"] == 29
    assert fresh["misses"] > 100
    assert fresh["recall"] > 0.8


def test_it_is_simulated_once_and_again_only_if_something_changed(run: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in paths.simulated_sources().rglob("*")}
    said: list[str] = []
    ensure_force(said.append)
    assert said == []
    assert before == {p: p.stat().st_mtime_ns for p in paths.simulated_sources().rglob("*")}


def test_each_variant_has_its_own_landing(run: Path) -> None:
    assert paths.landing("simulated", "calls") == (
        run / "landing" / "simulated" / "calibrated_2017-2-3" / "calls"
    )
    assert len(list((paths.landing("simulated", "calls") / "batches").iterdir())) == 1
    with Variant("calibrated_2014", 12, 3).selected():
        assert not paths.landing("simulated", "calls").exists()
        loaded = load_agency("simulated")
        assert loaded.coverage is not None and str(loaded.coverage.start) == "2012-11-01"


def test_each_query_of_the_cookbook_answers_its_question(run: Path) -> None:
    page = (paths.REPO / "docs" / "cookbook.md").read_text(encoding="utf-8")
    titles = re.findall(r"^## (\d+)\. ", page, re.M)
    queries = re.findall(r"^```sql\n(.*?)^```", page, re.M | re.S)
    assert [int(title) for title in titles] == list(range(1, 16)) and len(queries) == 15
    file = run / "published" / "simulated" / "current" / "recording.duckdb"
    answers = []
    with duckdb.connect(str(file), read_only=True) as con:
        for query in queries:
            answers.append(fetch_dicts(con, query))
            assert answers[-1], query
        sheet = fetch_dicts(con, read_query(REPORT_SQL / "worklist_rows.sql"), {"rows": 20})
        names_of_types = {row["name"] for row in fetch_dicts(con, "from codes.call_types")}
        (listed,) = fetch_dicts(con, read_query(FIGURES_SQL / "listed.sql"))
    assert [row["list_place"] for row in answers[4]] == [row["list_place"] for row in sheet[:20]]
    # the simulated force gives codes alone, so the name is that of its code map
    assert {row["final_type_name"] for row in sheet} <= names_of_types
    assert len(answers[5]) == listed["listed_in_time"] > 0
    headline = next(
        row for row in answers[1] if (row["universe"], row["ruleset"]) == ("frame", "standard")
    )
    by_group = sum(row["recorded_count"] for row in answers[2])
    assert by_group == headline["recorded_count"] > 0
    for row in answers[2]:  # a reader finds the rate in the counts beside it
        assert row["recording_rate"] == row["recorded_count"] / row["rate_base_count"], row
    assert [row["offence_group"] for row in answers[3]] == ["domestic_abuse", "rape"]
    for row in answers[3]:
        parts = ("recorded_count", "wrongly_cancelled_count", "unrecorded_count")
        assert sum(row[part] for part in parts) == row["rate_base_count"] > 0, row
    assert {row["lost_count"] for row in answers[14]} == {0}


def ask_cookbook(run: Path, number: int, *, change: str = "", condition: str = "") -> Any:
    """Answer a query of the cookbook, with a further condition, where a table was changed."""
    page = (paths.REPO / "docs" / "cookbook.md").read_text(encoding="utf-8")
    query = re.findall(r"^```sql\n(.*?)^```", page, re.M | re.S)[number - 1]
    query = re.sub(r"(?=^(?:group|order) by)", f"{condition}\n", query, count=1, flags=re.M)
    file = run / "published" / "simulated" / "current" / "recording.duckdb"
    with duckdb.connect(str(file), read_only=True) as con:
        if change:  # a temporary table hides the one of the file
            con.execute(f"create temp table {change}")
        return con.execute(query).fetchall()


def test_the_cookbook_quotes_no_rate_before_an_audit(run: Path) -> None:
    assert len(ask_cookbook(run, 2)) == 6  # two universes under three rulesets
    never_audited = "release as select * replace (null as text_model_version) from main.release"
    for number in (2, 3):
        assert ask_cookbook(run, number, change=never_audited) == []


def test_the_cookbook_counts_missed_crimes_by_result_as_the_report_does(run: Path) -> None:
    file = run / "published" / "simulated" / "current" / "recording.duckdb"
    with duckdb.connect(str(file), read_only=True) as con:
        of_report = con.execute(
            "select disposition_code, unrecorded_count from recording_rate where ruleset = "
            "'standard' and universe = 'frame' and breakdown = 'disposition' "
            "and unrecorded_count > 0"
        ).fetchall()
        without_theft = con.execute(
            "select coalesce(disposition_code, 'unknown'), count(*) from fct_reported_crimes "
            "where is_in_frame and outcome_standard = 'unrecorded' and offence_group <> 'theft' "
            "group by all"
        ).fetchall()
    found = ask_cookbook(run, 7, condition="and is_in_frame")
    assert dict(found) == dict(of_report)
    # the simulated force has no fraud, so thefts stand for it
    change = (
        "fct_reported_crimes as select * replace (if(offence_group = 'theft', 'fraud', "
        "offence_group) as offence_group) from main.fct_reported_crimes"
    )
    found = ask_cookbook(run, 7, change=change, condition="and is_in_frame")
    assert dict(found) == dict(without_theft) != dict(of_report)


def test_a_result_that_a_log_does_not_name_is_unknown_in_the_cookbook_as_in_the_report(
    run: Path,
) -> None:
    change = (
        "fct_reported_crimes as select * replace (nullif(disposition_code, 'NFA') as "
        "disposition_code) from main.fct_reported_crimes"
    )
    named, unnamed = dict(ask_cookbook(run, 7)), dict(ask_cookbook(run, 7, change=change))
    assert None not in unnamed
    assert unnamed["unknown"] == named["NFA"] + named.get("unknown", 0) > 0


TABLES_WITH_CRIMES = (
    "fct_calls",
    "fct_reported_crimes",
    "unrecorded_crimes",
    "recording_rate",
    "links",
    "cancellations",
    "bi_logs",
    "bi_crime_records",
    "bi_reported_crimes",
    "bi_recording_rate",
)


@pytest.mark.parametrize("table", TABLES_WITH_CRIMES)
def test_a_comment_says_of_each_column_with_nulls_what_a_null_means(run: Path, table: str) -> None:
    file = run / "published" / "simulated" / "current" / "recording.duckdb"
    with duckdb.connect(str(file), read_only=True) as con:
        comments = dict(
            con.execute(
                "select column_name, comment from duckdb_columns() where schema_name = 'main' "
                "and database_name = current_database() and table_name = ?",
                [table],
            ).fetchall()
        )
        (counts,) = con.execute(f"select count(columns(*)), count(*) from {table}").fetchall()
    *filled, rows = counts
    with_nulls = [name for name, count in zip(comments, filled, strict=True) if count < rows]
    assert [name for name in with_nulls if "null" not in comments[name].lower()] == []


# ---------------------------------------------------------------------- the page made from it


def test_the_walk_through_page_is_current(run: Path) -> None:
    assert VARIANT == TWO_MONTHS
    assert PAGE.read_text(encoding="utf-8") == render_walkthrough(), "make walkthrough"


def test_the_log_of_the_walk_through_goes_from_the_landing_to_a_rate() -> None:
    """It shows a link without a reference, a crime that was recorded and one that was missed."""
    page = PAGE.read_text(encoding="utf-8")
    assert page.split("\n## ")[0].count("SIMULATED log") == 1
    models = re.findall(r"^\*\*`([a-z_.]+)`\*\*", page, re.M)
    on_the_way = [
        "landing.calls",
        "landing.crime_records",
        "staging.stg_calls",
        "disclosure.int_disclosure__call_evidence",
        "disclosure.int_disclosure__facts",
        "disclosure.int_disclosure__decisions",
        "linkage.int_linkage__scored",
        "linkage.int_linkage__weights",
        "outcomes.int_outcomes__outcomes",
        "main.recording_rate",
    ]
    assert [name for name in models if name in on_the_way] == on_the_way
    truth = page.split("**What is true**")[1]
    assert truth.count(", recorded, as 12") == 1
    assert truth.count(", unrecorded") == 1
