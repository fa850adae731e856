"""The figures that a query gives, from small tables."""

import re
from datetime import datetime
from typing import Any

import duckdb
import pytest

from cdi.audit.tables import TABLES
from cdi.render import _make_environment
from cdi.report.contract import SQL, Table
from cdi.report.figures import count_outcomes, summary_text
from cdi.sql import create_table, fetch_dicts, read_query

CRIMES = """
    create table fct_calls as from range(9);
    create schema rules;
    create table rules.offence_groups as
    from (values ('theft', true), ('fraud', false)) as v (offence_group, is_headline);
    create table fct_reported_crimes as
    from (values
        ('theft', 'recorded'), ('theft', 'unrecorded'), ('theft', 'justified'),
        ('theft', 'too_recent'), ('theft', 'wrongly_cancelled'), ('theft', 'source_missing'),
        ('theft', null),
        ('fraud', 'recorded'), ('fraud', 'unrecorded'), ('fraud', 'unrecorded'),
        ('fraud', 'justified'), ('fraud', 'too_recent')
    ) as v (offence_group, outcome);
    create table recording_rate as
    select 'all' as universe, 'standard' as ruleset, 'total' as breakdown, 'all' as offence_group,
        0.5 as recording_rate;
    create table release as select 'm1' as text_model_version;
"""


def test_fraud_is_in_no_count_beside_the_rate_that_leaves_it_out() -> None:
    with duckdb.connect() as con:
        con.execute(CRIMES)
        (page,) = fetch_dicts(con, read_query(SQL / "all_calls.sql"))
        summary = count_outcomes(con)
    counted = ("reported", "recorded", "unrecorded", "justified", "too_recent")
    assert [page[f"all_{name}"] for name in counted] == [6, 1, 1, 1, 1]
    assert (page["calls"], float(page["all_rate"])) == (9, 0.5)
    assert page["all_recorded"] / (page["all_recorded"] + page["all_unrecorded"]) == 0.5
    assert summary == {
        "calls": 9, "reported": 6, "recorded": 1, "suspected": 1, "justified": 1, "too_recent": 1,
        "wrongly_cancelled": 1, "source_missing": 1,
    }  # fmt: skip


def test_the_summary_calls_outcomes_as_pages_do_and_they_add_up() -> None:
    counts = {
        "calls": 9, "reported": 1225, "recorded": 10, "justified": 2, "suspected": 3,
        "wrongly_cancelled": 4, "too_recent": 1200, "source_missing": 6,
    }  # fmt: skip
    rates = {"strict": None, "standard": None, "inclusive": None}
    lines = summary_text({**counts, "rates": rates, "audited": None, "range": None}).splitlines()
    assert lines[1:8] == [
        "reported crimes           1,225",
        "recorded                     10",
        "no record needed              2",
        "suspected missed              3",
        "wrongly cancelled             4",
        "still in time             1,200",
        "cannot be judged              6",
    ]


def test_what_cannot_be_judged_yet_is_not_called_needless() -> None:
    with duckdb.connect() as con:
        con.execute("""
            create schema codes;
            create schema rules;
            create table codes.closures (code varchar, name varchar);
            create table rules.outcomes as
            from (values
                ('justified', 1, 'No record needed'), ('too_recent', 2, 'Still in time'),
                ('source_missing', 3, 'Cannot be judged'), ('unrecorded', 4, 'Suspected missed'),
                ('wrongly_cancelled', 5, 'Wrongly cancelled'), ('recorded', 6, 'Recorded')
            ) as v (outcome, outcome_order, outcome_name);
            create table recording_rate as
            select 'frame' as universe, 'standard' as ruleset, v.*, 'all' as offence_group,
                10 as recorded_count, 2 as wrongly_cancelled_count, 3 as unrecorded_count,
                4 as justified_count, 5 as too_recent_count, 6 as source_missing_count,
                15 as rate_base_count
            from (values ('total', 'all'), ('disposition', 'NFA'))
                as v (breakdown, disposition_code);
        """)
        rows = con.execute(read_query(SQL / "lost.sql")).fetchall()
    assert rows == [
        ("Reported crimes", 30, "stays"),
        ("No record needed", 4, "no record needed"),
        ("Still in time", 5, "not in the rate"),
        ("Cannot be judged", 6, "not in the rate"),
        ("Should be recorded", 15, "stays"),
        ("Closed: NFA", 3, "lost"),
        ("Wrongly cancelled", 2, "lost"),
        ("Recorded", 10, "stays"),
    ]


def test_an_erased_log_is_not_among_those_whose_crimes_are_counted() -> None:
    rates = {"draw_id": "d1", "domain": "force", "recording_rate": 0.8, "audited_crimes": 40}
    audit = {
        "draw_id": "d1", "is_headline": True, "drawn_count": 60, "erased_count": 3,
        "frame_count": 900,
    }  # fmt: skip
    with duckdb.connect() as con:
        con.execute("create table release as select 'Europe/London' as timezone")
        for name, rows in (
            ("audits", [audit]),
            ("audited_rates", [rates]),
            ("audited_changes", []),
        ):
            columns = {column: kind for column, (kind, _) in TABLES[name]["columns"].items()}
            create_table(con, name, columns, [dict.fromkeys(columns) | row for row in rows])
        (found,) = fetch_dicts(con, read_query(SQL / "audited.sql"))
    assert [found[name] for name in ("audit_logs", "audit_drawn", "audited_crimes")] == [
        900,
        57,
        40,
    ]


def test_an_audit_is_named_by_its_months_and_no_two_have_one_name() -> None:
    periods = [  # in UTC; the last day is the one before the end, in local time
        (datetime(2025, 9, 30, 23), datetime(2025, 11, 1, 0)),
        (datetime(2025, 12, 1, 0), datetime(2026, 1, 1, 0)),
        (datetime(2026, 1, 1, 0), datetime(2026, 1, 15, 0)),
        (datetime(2025, 12, 1, 0), datetime(2026, 2, 1, 0)),
        (datetime(2026, 1, 15, 0), datetime(2026, 2, 1, 0)),
        (datetime(2026, 1, 15, 0), datetime(2026, 2, 1, 0)),
        (datetime(2026, 3, 31, 23), datetime(2026, 6, 30, 23)),
    ]
    audits = [
        {
            "draw_id": f"d{number}", "universe": "frame", "period_start": start,
            "period_end": end, "drawn_at": datetime(2026, 7, 1, number),
        }
        for number, (start, end) in enumerate(periods)
    ]  # fmt: skip
    rates = [
        {"draw_id": audit["draw_id"], "domain": "force", "recording_rate": 0.8} for audit in audits
    ]
    with duckdb.connect() as con:
        con.execute("create table release as select 'Europe/London' as timezone")
        for name, rows in (("audits", audits), ("audited_rates", rates)):
            columns = {column: kind for column, (kind, _) in TABLES[name]["columns"].items()}
            create_table(con, name, columns, [dict.fromkeys(columns) | row for row in rows])
        found = fetch_dicts(con, read_query(SQL / "history.sql"))
    assert [row["label"] for row in found] == [
        "October 2025",
        "December 2025",
        "1 January to 14 January 2026",
        "December 2025 to January 2026",
        "15 January to 31 January 2026, audit 1",
        "15 January to 31 January 2026, audit 2",
        "April to June 2026",
    ]


def test_an_audit_that_is_too_small_for_a_rate_is_told_until_a_later_one_has_one() -> None:
    """Of three periods: one audit is too small, one has a rate, one is not complete."""
    with duckdb.connect() as con:
        for table in ("audits", "audited_rates"):
            create_table(
                con, table, {name: kind for name, (kind, _) in TABLES[table]["columns"].items()}
            )
        for name, starts, reason, led in (
            ("small", 4, None, False),
            ("rated", 1, None, True),
            ("unread", 7, "not complete", False),
        ):
            con.execute(
                "insert into audits (draw_id, period_end, drawn_at, is_headline, withheld_rule_id, "
                "withheld_reason, next_step) values ($1, $2, $2, $3, $4, $5, $6)",
                [name, datetime(2017, starts + 3, 1), led, reason and "AUDIT-X", reason, reason],
            )
        con.execute(
            "insert into audited_rates (draw_id, domain, recording_rate, withheld_reason) values "
            "('small', 'force', null, 'fewer than 30'), ('small', 'rape', null, 'unplanned'), "
            "('rated', 'force', 0.8, null), ('rated', 'rape', null, 'unplanned')"
        )
        query = read_query(SQL / "withheld_audits.sql")
        told = [(row["draw_id"], row["withheld_rule_id"]) for row in fetch_dicts(con, query)]
        con.execute("update audits set is_headline = (draw_id = 'later')")
        con.execute(
            "insert into audits (draw_id, period_end, drawn_at, is_headline) "
            "values ('later', $1, $1, true)",
            [datetime(2018, 1, 1)],
        )
        later = [(row["draw_id"], row["withheld_rule_id"]) for row in fetch_dicts(con, query)]
    assert told == [("small", None), ("unread", "AUDIT-X")]
    assert later == [("unread", "AUDIT-X")]


def test_the_yearly_numbers_of_parts_are_no_more_exact_than_that_of_the_whole() -> None:
    counts = {"theft": 3383, "robbery": 999, "burglary": None}
    rates = [
        {"draw_id": "d1", "domain": domain, "recording_rate": 0.8, "unrecorded_year_count": count}
        for domain, count in {"force": 9103, **counts}.items()
    ]
    with duckdb.connect() as con:
        con.execute("create schema rules")
        con.execute(
            "create table rules.offence_groups "
            "(offence_group varchar, offence_group_name varchar, sort_order integer)"
        )
        for name, rows in (
            ("audits", [{"draw_id": "d1", "is_headline": True}]),
            ("audited_rates", rates),
        ):
            columns = {column: kind for column, (kind, _) in TABLES[name]["columns"].items()}
            create_table(con, name, columns, [dict.fromkeys(columns) | row for row in rows])
        found = fetch_dicts(con, read_query(SQL / "audited_parts.sql"))
    assert {row["domain"]: row["unrecorded_year_count"] for row in found} == {
        "theft": 3400, "robbery": 999, "burglary": None,
    }  # fmt: skip


BREAKDOWNS = {
    "closure": "disposition", "group": "offence_group", "month": "month", "route": "route",
    "theme": "theme",
}  # fmt: skip


@pytest.mark.parametrize("part", BREAKDOWNS)
def test_a_rate_of_a_part_can_be_worked_out_from_what_its_row_shows(
    part: str,
) -> None:
    with duckdb.connect() as con:
        con.execute("""
            create schema codes;
            create schema rules;
            create table codes.closures as select 'A' as code, 'Done' as name;
            create table rules.offence_groups as
            select 'A' as offence_group, 'Theft' as offence_group_name, 1 as sort_order;
            create table release as select 'm1' as text_model_version;
        """)
        con.execute(
            "create table recording_rate as select 'frame' as universe, 'standard' as ruleset, "
            "$breakdown as breakdown, 'A' as disposition_code, 'A' as offence_group, 'A' as route, "
            "*, recorded_count + unrecorded_count + wrongly_cancelled_count as rate_base_count, "
            "recorded_count / (rate_base_count) as recording_rate, true as is_mature "
            "from (values (24, 3, 3, 7, '2017-01-01'), (24, 3, 2, 7, '2017-02-01')) "
            "as v (recorded_count, unrecorded_count, wrongly_cancelled_count, justified_count, "
            "reported_month)",
            {"breakdown": BREAKDOWNS[part]},
        )
        rows = fetch_dicts(con, read_query(SQL / f"by_{part}.sql"))
    # 24 of 30 are 80%; on 29 crimes no rate is shown
    assert [row["recording_rate"] for row in rows] == [0.8, None]
    macros: Any = _make_environment().get_template("figure.html.j2").module
    page = str(macros.rate_table(Table(f"by_{part}", "By part", rows, {}), "Part"))
    titles, first, second = (
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>.*?</tr>", page)
    )
    assert titles[1:] == [
        "Recorded", "Suspected missed", "Wrongly cancelled", "No record needed",
        "Rate as the software reads it",
    ]  # fmt: skip
    assert first[1:] == ["24", "3", "3", "7", "80.0%"]
    assert second[1:] == ["24", "3", "2", "7", "–"]
