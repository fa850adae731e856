"""The tables of rules are whole: every combination of facts has one answer, every rule a test."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise

import duckdb
import pytest

from cdi import paths
from tests.dbt.test_unit_tests import UNIT_TESTS

FACTS = (
    "has_crime_evidence", "closure_reason_code", "is_reason_contradicted", "is_repeat_log",
    "is_counted_elsewhere", "is_rape", "has_code_evidence", "text_reading", "is_record_promised",
)  # fmt: skip
READINGS = ("crime", "no_crime", "nothing")
UNKNOWN_REASON = "NO_ROW_KNOWS_ME"
# CRR 2026/27 p63: a report of rape is a crime or an N100, so these excuse none (p6 to 9, 12, 97)
NO_REASON_FOR_RAPE = {
    "NOT_NOTIFIABLE", "SCHOOLS", "FRAUD_REFERRED", "PUBLIC_ORDER_SPENT", "ROAD_DEATH",
    "CORP_MANSLAUGHTER", "COUNTER_ALLEGATION",
}  # fmt: skip
# CRR 2026/27 p62: an anonymous disclosure at a referral centre is an N100, which is of rape alone
REASONS_FOR_RAPE_ALONE = {"SARC"}
ALWAYS = ("1900-01-01", "9999-12-31")


def seed(name: str) -> list[dict[str, str]]:
    """The rows of a seed."""
    with (paths.DBT_PROJECT / "seeds" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


DECISIONS = seed("recording_decisions")


def asked(row: dict[str, str]) -> dict[str, str]:
    """The facts that a row of the decision table asks for, and the answer it wants."""
    return {fact: row[fact] for fact in FACTS if row[fact]}


def values(fact: str) -> list[str | None]:
    """Every value that a fact can have."""
    if fact == "closure_reason_code":
        return [None, UNKNOWN_REASON, *(row["reason_code"] for row in seed("reasons"))]
    return list(READINGS) if fact == "text_reading" else ["true", "false"]


def dates() -> list[str]:
    """The day before and the first day of every change, and today's rules."""
    starts = {row["valid_from"] for row in DECISIONS} - {ALWAYS[0]}
    ends = {row["valid_to"] for row in DECISIONS} - {ALWAYS[1]}
    changes = {date.fromisoformat(day) for day in starts}
    changes |= {date.fromisoformat(day) + timedelta(days=1) for day in ends}
    around = {day - timedelta(days=days) for day in changes for days in (0, 1)}
    return sorted(day.isoformat() for day in around | {date(2026, 4, 1)})


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Tables: `decisions`, `cases` (all combinations), `fits` (all rows of each), `answers`."""
    with duckdb.connect() as con:
        columns = ", ".join(f"{column} varchar" for column in DECISIONS[0])
        con.execute(f"create table loaded ({columns})")
        marks = ", ".join("?" for _ in DECISIONS[0])
        con.executemany(
            f"insert into loaded values ({marks})",
            [[value or None for value in row.values()] for row in DECISIONS],
        )
        con.execute(
            "create table decisions as select * replace (cast(priority as integer) as priority) "
            "from loaded"
        )
        sides = []
        for name in (*FACTS, "received_on"):
            some = dates() if name == "received_on" else values(name)
            con.execute(f"create table all_{name} ({name} varchar)")
            con.executemany(f"insert into all_{name} values (?)", [[value] for value in some])
            sides.append(f"all_{name}")
        con.execute(
            "create table cases as select row_number() over () as case_id, * "
            f"from {' cross join '.join(sides)}"
        )
        matches = " and ".join(f"(d.{fact} is null or c.{fact} = d.{fact})" for fact in FACTS)
        con.execute(
            "create table fits as select c.case_id, d.decision_id, d.priority from cases as c "
            "inner join decisions as d "
            f"on c.received_on between d.valid_from and d.valid_to and {matches}"
        )
        con.execute(
            "create table answers as select * from fits "
            "qualify priority = min(priority) over (partition by case_id)"
        )
        yield con


def test_the_facts_are_the_columns_between_priority_and_verdict() -> None:
    columns = list(DECISIONS[0])
    assert tuple(columns[columns.index("priority") + 1 : columns.index("verdict")]) == FACTS
    for row in DECISIONS:
        for fact, value in asked(row).items():
            assert value in values(fact), (row["decision_id"], fact)


def test_the_rules_changed_on_1_april_2015_and_on_no_other_day() -> None:
    assert dates() == ["2015-03-31", "2015-04-01", "2026-04-01"]


def test_every_combination_of_facts_has_exactly_one_answer(con: duckdb.DuckDBPyConnection) -> None:
    (cases,) = con.execute("select count(*) from cases").fetchall()[0]
    assert cases == (len(seed("reasons")) + 2) * 2**7 * len(READINGS) * len(dates())
    assert con.execute("select count(distinct case_id) from answers").fetchall() == [(cases,)]
    twice = con.execute(
        "select distinct list(decision_id order by decision_id) from answers "
        "group by case_id having count(*) > 1"
    ).fetchall()
    assert not twice


def test_no_two_rows_of_one_priority_fit_one_case(con: duckdb.DuckDBPyConnection) -> None:
    both = con.execute(
        "select a.decision_id, b.decision_id from fits as a inner join fits as b "
        "on a.case_id = b.case_id and a.priority = b.priority and a.decision_id < b.decision_id "
        "group by all"
    ).fetchall()
    assert not both


def test_every_row_but_the_last_answers_some_case_and_the_last_none(
    con: duckdb.DuckDBPyConnection,
) -> None:
    answering = {
        row for (row,) in con.execute("select distinct decision_id from answers").fetchall()
    }
    assert {row["decision_id"] for row in DECISIONS} - answering == {"D999"}


def test_a_case_whose_crime_evidence_is_not_known_goes_to_a_person(
    con: duckdb.DuckDBPyConnection,
) -> None:
    rows = con.execute(
        "select decision_id from decisions where has_crime_evidence is null"
    ).fetchall()
    assert rows == [("D999",)]


def test_nothing_is_a_crime_or_justified_without_crime_evidence(
    con: duckdb.DuckDBPyConnection,
) -> None:
    answers = con.execute(
        "select distinct c.has_crime_evidence, d.verdict = 'no_crime_reported' from answers "
        "inner join cases as c using (case_id) inner join decisions as d using (decision_id)"
    ).fetchall()
    assert sorted(answers) == [("false", True), ("true", False)]


def test_only_a_rape_is_kept_as_an_n100_and_only_from_april_2015(
    con: duckdb.DuckDBPyConnection,
) -> None:
    kept = con.execute(
        "select d.decision_id, min(c.received_on), bool_and(c.is_rape = 'true') from answers "
        "inner join cases as c using (case_id) inner join decisions as d using (decision_id) "
        "where d.reported_incident_code is not null group by 1 order by 1"
    ).fetchall()
    assert {row for row, _, _ in kept} == {"D170", "D310", "D315", "D320", "D330", "D370"}
    assert {(first, only_rape) for _, first, only_rape in kept} == {("2015-04-01", True)}
    known = {row["ho_code"] for row in seed("reported_incident_classes")}
    assert {row["reported_incident_code"] for row in DECISIONS} - {""} <= known


@pytest.mark.parametrize("reason", seed("reasons"), ids=lambda row: row["reason_code"])
def test_each_reason_has_a_row_of_its_kind(reason: dict[str, str]) -> None:
    code = reason["reason_code"]
    rows = [row for row in DECISIONS if row["closure_reason_code"] == code]
    if code == "RIGHTLY_CANCELLED":  # found in the record, not in the call
        assert not rows
    elif reason["is_legitimate"] == "true":
        assert rows
        told = {(row["is_rape"], row["verdict"], row["reason_code"]) for row in rows}
        for_rape = {("true", "needs_review", "")} if code in NO_REASON_FOR_RAPE else set()
        assert {row for row in told if row[1] != "justified"} == for_rape
        assert {row[1:] for row in told - for_rape} == {("justified", code)}
    else:
        assert [(row["verdict"], row["reason_code"]) for row in rows] == [("must_be_recorded", "")]


@pytest.mark.parametrize("reason", seed("reasons"), ids=lambda row: row["reason_code"])
def test_a_reason_alone_decides_as_its_kind_asks_today(
    reason: dict[str, str], con: duckdb.DuckDBPyConnection
) -> None:
    code = reason["reason_code"]
    found = con.execute(
        "select distinct c.is_rape, d.verdict from answers inner join cases as c using (case_id) "
        "inner join decisions as d using (decision_id) where c.closure_reason_code = ? "
        "and c.received_on = '2026-04-01' and c.has_crime_evidence = 'true' "
        "and c.is_reason_contradicted = 'false' and c.is_repeat_log = 'false' "
        "and c.is_counted_elsewhere = 'false' and c.text_reading <> 'no_crime'",
        [code],
    ).fetchall()
    is_reason = reason["is_legitimate"] == "true" and code != "RIGHTLY_CANCELLED"
    verdict = "justified" if is_reason else "must_be_recorded"
    of_rape = "needs_review" if code in NO_REASON_FOR_RAPE else verdict
    of_others = "must_be_recorded" if code in REASONS_FOR_RAPE_ALONE else verdict
    assert sorted(found) == [("false", of_others), ("true", of_rape)]


def periods(
    rows: list[dict[str, str]], *key: str
) -> dict[tuple[str, ...], list[tuple[date, date]]]:
    """The periods of the rows of each key, in order."""
    found = defaultdict(list)
    for row in rows:
        period = (date.fromisoformat(row["valid_from"]), date.fromisoformat(row["valid_to"]))
        found[tuple(row[column] for column in key)].append(period)
    return {name: sorted(some) for name, some in found.items()}


@pytest.mark.parametrize(
    ("table", "key"),
    [("recording_decisions", FACTS), ("counting_rules", ("counting_class",))],
    ids=["recording_decisions", "counting_rules"],
)
def test_the_periods_of_a_rule_follow_one_another_without_gap(
    table: str, key: tuple[str, ...]
) -> None:
    for name, some in periods(seed(table), *key).items():
        assert all(first <= last for first, last in some), name
        for (_, last), (following, _) in pairwise(some):
            assert following == last + timedelta(days=1), name
        # nothing was abolished so far: what once was a rule still is, in some form
        assert some[-1][1] == date.fromisoformat(ALWAYS[1]), name


def test_a_reason_that_is_no_n100_of_its_own_holds_at_all_times() -> None:
    by_reason = periods([row for row in DECISIONS if not row["is_rape"]], "closure_reason_code")
    starts = {name: min(some)[0] for (name,), some in by_reason.items()}
    assert REASONS_FOR_RAPE_ALONE.isdisjoint(starts)
    assert set(starts.values()) == {date(1900, 1, 1)}


def test_the_counting_rules_of_each_class_begin_with_the_first_day() -> None:
    for name, some in periods(seed("counting_rules"), "counting_class").items():
        assert some[0][0] == date(1900, 1, 1), name


def test_the_course_of_conduct_is_counted_in_three_ways_over_the_years() -> None:
    rows = [row for row in seed("counting_rules") if row["counting_class"] == "conduct_crime"]
    assert [(row["valid_from"], row["effect"]) for row in rows] == [
        ("1900-01-01", "included"), ("2018-04-01", "additional"), ("2023-05-15", "principal"),
    ]  # fmt: skip


def described(model: str) -> list[str]:
    """What the unit tests of a model say of themselves."""
    return [test["description"] for test in UNIT_TESTS if test["model"] == model]


@pytest.mark.parametrize("row", DECISIONS, ids=lambda row: row["decision_id"])
def test_each_decision_row_has_one_unit_test_that_names_its_page(row: dict[str, str]) -> None:
    start = f"{row['decision_id']}: {row['rule_page']}. "
    about = [text for text in described("int_disclosure__decisions") if text.startswith(start)]
    assert len(about) == 1


@pytest.mark.parametrize("row", DECISIONS, ids=lambda row: row["decision_id"])
def test_the_unit_test_of_a_decision_row_gives_every_fact_and_gets_its_answer(
    row: dict[str, str],
) -> None:
    (test,) = [
        test
        for test in UNIT_TESTS
        if test["model"] == "int_disclosure__decisions"
        and test["description"].startswith(f"{row['decision_id']}: ")
    ]
    (given,) = test["given"][0]["rows"]
    assert set(given) == {"call_id", "crime_number", "received_on", *FACTS}
    (answer,) = test["expect"]["rows"]
    for column in ("decision_id", "verdict", "reason_code", "reported_incident_code"):
        assert (answer[column] or "") == row[column]


@pytest.mark.parametrize("row", seed("counting_rules"), ids=lambda row: row["counting_rule_id"])
def test_each_counting_rule_has_a_unit_test(row: dict[str, str]) -> None:
    start = f"{row['counting_rule_id']}: "
    assert any(text.startswith(start) for text in described("int_disclosure__counting"))


@pytest.mark.parametrize(
    "row",
    seed("principal_crimes"),
    ids=lambda row: f"{row['principal_group']}-{row['included_group']}",
)
def test_each_principal_crime_has_a_unit_test(row: dict[str, str]) -> None:
    start = f"{row['principal_group']}, {row['included_group']}: {row['source']}. "
    assert any(text.startswith(start) for text in described("int_disclosure__counting"))


def test_names_of_the_rules_unit_tests_are_sentences() -> None:
    for test in UNIT_TESTS:
        if test["model"].startswith("int_disclosure__"):
            assert len(test["name"].split("_")) >= 5, test["name"]
