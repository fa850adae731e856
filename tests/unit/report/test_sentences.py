"""What the report says of counts, cancelled records and rape, from the tables behind it."""

import re
from collections.abc import Sequence

import duckdb

from cdi.render import render
from cdi.report.contract import SQL
from cdi.sql import fetch_dicts, read_query

WHY = "cannot be checked, as the source does not give all that the checks need"


def say(part: str, table: str, rows: Sequence[str], others: Sequence[str] = ()) -> str:
    """The text of a part of the report.

    Args:
        part: Name of its template and of the query that gives its figures.
        table: Name of the table behind it, and its columns.
        rows: Of that table.
        others: Statements that make what else the query reads.
    """
    with duckdb.connect() as con:
        con.execute(f"create table {table}")
        for row in rows:
            con.execute(f"insert into {table.partition(' ')[0]} values {row}")
        for statement in others:
            con.execute(statement)
        (values,) = fetch_dicts(con, read_query(SQL / f"{part}.sql"))
    page = render(f"{part}.html.j2", v=values, show=values.__getitem__)
    return " ".join(re.sub(r"<[^>]+>", "", page).split())


CANCELLATIONS = "cancellations (record_kind varchar, is_rape boolean, is_wrongly_cancelled boolean)"


def say_cancelled(*rows: str) -> str:
    """What is said of these cancelled records."""
    return say("cancelled", CANCELLATIONS, rows)


def test_what_cannot_be_checked_is_not_called_cancelled_by_the_rules() -> None:
    assert say_cancelled(*["('crime', false, null)"] * 3, "('n100', true, null)") == (
        f"3 cancelled crimes {WHY}. 1 cancelled N100 {WHY}."
    )


def test_what_was_checked_is_counted_beside_what_was_not() -> None:
    said = say_cancelled(
        "('crime', true, true)", "('crime', true, null)", "('crime', false, false)",
        "('n100', true, false)",
    )  # fmt: skip
    assert said == (
        f"1 of 3 cancelled crimes was cancelled against the rules; 1 {WHY}. "
        f"1 of 2 cancelled rapes was cancelled against the rules; 1 {WHY}. "
        "0 of 1 cancelled N100 were cancelled against the rules."
    )


def test_of_rape_and_n100_nothing_is_said_where_none_was_cancelled() -> None:
    assert say_cancelled("('crime', false, false)") == (
        "0 of 1 cancelled crimes were cancelled against the rules."
    )
    assert say_cancelled() == "No record was cancelled."


RAPE_REPORTS = (
    "rape_reports (kept_as varchar, is_late boolean, "
    "reported_incident_code varchar, expected_incident_code varchar, outcome varchar)"
)


def say_rape(*rows: str) -> str:
    """What is said of these reports of rape."""
    return say("rape", RAPE_REPORTS, rows)


def test_no_rape_is_called_recorded_in_time_where_no_time_is_known() -> None:
    assert say_rape(
        *["('crime', null, null, null, 'recorded')"] * 2,
        "('neither', null, null, null, 'unrecorded')",
    ) == (
        "Of 3 reports of rape 2 are recorded as a crime, 0 as a reported incident (N100) "
        "and 1 as neither."
    )


def test_late_records_of_rape_are_counted_where_times_are_known() -> None:
    said = say_rape(
        "('crime', false, null, null, 'recorded')",
        "('reported_incident', true, '100/02', '100/01', 'justified')",
        "('neither', null, null, null, 'unrecorded')",
    )
    assert said == (
        "Of 3 reports of rape 1 is recorded as a crime, 1 as a reported incident (N100) "
        "and 1 as neither. 1 was recorded late. 1 has the wrong N100 sub-code."
    )
    in_time = say_rape("('crime', false, null, null, 'recorded')")
    assert in_time.startswith("Of 1 report of rape 1 is recorded")
    assert in_time.endswith("as neither. 0 were recorded late.")


def test_crimes_of_rape_that_were_cancelled_are_told_apart() -> None:
    said = say_rape(
        "('crime', false, null, null, 'recorded')",
        "('crime', false, null, null, 'justified')",
        "('crime', false, null, null, 'wrongly_cancelled')",
    )
    assert said.startswith(
        "Of 3 reports of rape 3 are recorded as a crime (2 of them were cancelled), 0 as"
    )


def test_where_no_rape_was_reported_it_is_said() -> None:
    assert say_rape() == "No rape was reported."


RATES = (
    "recording_rate (universe varchar, ruleset varchar, breakdown varchar, offence_group varchar, "
    "recording_rate double, rate_base_count bigint, recorded_count bigint, "
    "unrecorded_count bigint, wrongly_cancelled_count bigint, justified_count bigint, "
    "too_recent_count bigint, source_missing_count bigint, withheld_reason varchar)"
)
RELEASE = "create table release as select 'v1' as text_model_version"


def say_frame(too_recent: int, source_missing: int) -> str:
    """What is said of crimes in crime-coded logs, of which so many cannot be judged."""
    counts = f"100, 70, 25, 5, 40, {too_recent}, {source_missing}"
    row = f"('frame', 'standard', 'total', 'all', 0.7, {counts}, null)"
    return say("frame", RATES, [row], [RELEASE])


def test_the_parts_of_the_crimes_in_crime_coded_logs_add_up() -> None:
    due = (
        "Of the 100 that should be recorded, 70 are recorded, 5 were wrongly cancelled, and 25 are "
        "suspected to be missed."
    )
    assert say_frame(3, 0) == (
        "Of 143 reported crimes in crime-coded logs, 40 need no record for a reason that the rules "
        f"accept, and 3 have no record yet and are still in time. {due}"
    )
    assert say_frame(3, 7) == (
        "Of 150 reported crimes in crime-coded logs, 40 need no record for a reason that the rules "
        "accept, 3 have no record yet and are still in time, and 7 cannot be judged, as the crime "
        f"records that we have end before the time limit. {due}"
    )


def say_all_calls(**counts: int) -> str:
    """What is said of so many crimes of each outcome in two logs."""
    rows = [f"('{name}', 'theft')" for name, count in counts.items() for _ in range(count)]
    rows += ["(null, 'theft')", "('recorded', 'fraud')"]  # neither counts
    others = [
        RELEASE,
        f"create table {RATES}",
        "create table fct_calls as from range(2)",
        "create schema rules",
        "create table rules.offence_groups as "
        "from (values ('theft', true), ('fraud', false)) as t (offence_group, is_headline)",
    ]
    table = "fct_reported_crimes (outcome varchar, offence_group varchar)"
    return say("all_calls", table, rows, others)


def test_the_parts_of_the_crimes_in_all_logs_add_up() -> None:
    parts = {
        "recorded": 6,
        "justified": 5,
        "unrecorded": 4,
        "wrongly_cancelled": 3,
        "too_recent": 2,
    }
    begin = "All logs, crime-coded or not: in 2 logs the software found"
    said = (
        "6 are recorded, 5 need no record, 4 are suspected to be missed, 3 were wrongly cancelled"
    )
    assert say_all_calls(**parts) == (
        f"{begin} 20 reported crimes, of which {said}, and 2 have no record yet and are still in "
        "time."
    )
    assert say_all_calls(**parts, source_missing=1) == (
        f"{begin} 21 reported crimes, of which {said}, 2 have no record yet and are still in "
        "time, and 1 cannot be judged."
    )


def say_extremes(audited: Sequence[str]) -> str:
    """What is said of the worst and the best, of so many audited rates or else of three others."""
    others = [
        RELEASE,
        f"create table {RATES}",
        *(
            "insert into recording_rate by name select 'frame' as universe, "
            "'standard' as ruleset, 'offence_group' as breakdown, "
            f"'{name}' as offence_group, {rate} as recording_rate, "
            f"{count} as rate_base_count"
            for name, rate, count in (("theft", 0.8, 30), ("robbery", 0.1, 29), ("rape", 0.9, 99))
        ),
        "create table audits as select 'A' as draw_id, true as is_headline",
        "create schema rules",
        "create table rules.offence_groups (offence_group varchar, offence_group_name varchar)",
    ]
    table = (
        "audited_rates (domain varchar, recording_rate double, lower_limit double, "
        "upper_limit double, draw_id varchar, is_flagged boolean)"
    )
    return say("extremes", table, audited, others)


def test_worst_and_best_are_said_to_be_those_whose_rate_is_known() -> None:
    assert say_extremes([]) == (
        "Of the 2 kinds of crime whose rate is known well enough, the worst recorded is theft, "
        "0.8, and the best is rape, 0.9, as the software reads it."
    )
    audited = {
        "force": "0.8, 0.5, 0.9, 'A', false",
        "theft": "0.7, 0.5, 0.9, 'A', false",
        "fraud": "0.6, 0.5, 0.9, 'A', false",
        "rape": "0.1, 0.5, 0.9, 'A', true",  # uncertain
        "robbery": "null, null, null, 'A', false",  # not shown
    }
    assert say_extremes([f"('{part}', {row})" for part, row in audited.items()]) == (
        "Of the 2 kinds of crime whose audited rate is known well enough, the worst recorded is "
        "fraud, 0.6 (0.5 to 0.9), and the best is theft, 0.7 (0.5 to 0.9)."
    )


def say_headline(**values: object) -> str:
    """The sentence with which a report begins that no audit has taught."""
    values = {"withheld_reason": None, "rate_audited": None, "range_rows": 1, **values}
    page = render("headline.html.j2", v=values, show=values.__getitem__, release={})
    return " ".join(re.sub(r"<[^>]+>", "", page).split())


def test_crimes_whose_records_were_not_delivered_are_not_called_too_recent() -> None:
    assert say_headline(crimes_due=0, crimes_source_missing=2588) == (
        "There is no rate: 2588 reported crimes are past the time limit, but no crime records were "
        "delivered for that time, so nothing can be said about them."
    )
    assert say_headline(crimes_due=0, crimes_source_missing=1) == (
        "There is no rate: 1 reported crime is past the time limit, but no crime records were "
        "delivered for that time, so nothing can be said about it."
    )
    assert say_headline(crimes_due=0, crimes_source_missing=0) == (
        "There is no rate yet: no reported crime is past its time limit."
    )


def test_without_crime_records_no_crime_is_said_to_be_in_time() -> None:
    values = {"listed_in_time": 39, "listed_overdue": 0}
    said = [
        " ".join(re.sub(r"<[^>]+>", "", page).split())
        for page in (
            render("in_time.html.j2", v=values, show=values.__getitem__, release=release)
            for release in ({"crime_records_as_of": None}, {"crime_records_as_of": "2017-06-30"})
        )
    ]
    assert said == [
        "No crime records are delivered, so it is not known which crimes can still be recorded in "
        "time.",
        "39 crimes can still be recorded in time; 0 are overdue, in all logs.",
    ]
