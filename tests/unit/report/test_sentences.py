"""What the report says of cancelled records and of reports of rape, from the tables behind it."""

import re
from collections.abc import Sequence

import duckdb

from cdi.render import render
from cdi.report.contract import SQL
from cdi.sql import fetch_dicts, read_query

WHY = "cannot be checked, as the source gives no reason that a rule knows"


def say(part: str, table: str, rows: Sequence[str]) -> str:
    """The text of a part of the report.

    Args:
        part: Name of its template and of the query that gives its figures.
        table: Name of the table behind it, and its columns.
        rows: Of that table.
    """
    with duckdb.connect() as con:
        con.execute(f"create table {table}")
        for row in rows:
            con.execute(f"insert into {table.partition(' ')[0]} values {row}")
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
    "reported_incident_code varchar, expected_incident_code varchar)"
)


def say_rape(*rows: str) -> str:
    """What is said of these reports of rape."""
    return say("rape", RAPE_REPORTS, rows)


def test_no_rape_is_called_recorded_in_time_where_no_time_is_known() -> None:
    assert say_rape(*["('crime', null, null, null)"] * 2, "('neither', null, null, null)") == (
        "Of 3 reports of rape 2 are recorded as a crime, 0 as a reported incident (N100) "
        "and 1 as neither."
    )


def test_late_records_of_rape_are_counted_where_times_are_known() -> None:
    said = say_rape(
        "('crime', false, null, null)",
        "('reported_incident', true, '100/02', '100/01')",
        "('neither', null, null, null)",
    )
    assert said == (
        "Of 3 reports of rape 1 is recorded as a crime, 1 as a reported incident (N100) "
        "and 1 as neither. 1 was recorded late. 1 has the wrong N100 sub-code."
    )
    in_time = say_rape("('crime', false, null, null)")
    assert in_time.startswith("Of 1 report of rape 1 is recorded")
    assert in_time.endswith("as neither. 0 were recorded late.")


def test_where_no_rape_was_reported_it_is_said() -> None:
    assert say_rape() == "No rape was reported."
