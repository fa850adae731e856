"""The rules that are data: the seeds are whole and agree with each other and with the agencies."""

import csv
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from cdi import paths

FACT_RULES = paths.REPO / "expectations" / "marts" / "fct_reported_crimes.yaml"
AGENCIES = sorted(file.parent for file in (paths.REPO / "agencies").glob("*/agency.yaml"))
GROUPS = {
    "Violence against the person",
    "Sexual offences",
    "Robbery",
    "Burglary",
    "Vehicle offences",
    "Theft",
    "Arson and criminal damage",
    "Drug offences",
    "Possession of weapons",
    "Public order offences",
    "Miscellaneous crimes against society",
}


def rows(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with file.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def seed(name: str) -> list[dict[str, str]]:
    """The rows of a seed."""
    return rows(paths.DBT_PROJECT / "seeds" / f"{name}.csv")


def reason_codes() -> set[str]:
    return {row["reason_code"] for row in seed("reasons")}


def test_the_time_limits_cover_each_day_once() -> None:
    periods = sorted(
        (date.fromisoformat(row["valid_from"]), date.fromisoformat(row["valid_to"]))
        for row in seed("time_limits")
    )
    assert periods[0][0] == date(1900, 1, 1)
    assert periods[-1][1] == date(9999, 12, 31)
    assert all(first <= last for first, last in periods)
    for (_, last), (following, _) in pairwise(periods):
        assert following == last + timedelta(days=1)


def test_the_time_limit_fell_from_72_to_24_hours_in_april_2015() -> None:
    limits = {row["valid_from"]: row["limit_hours"] for row in seed("time_limits")}
    assert limits == {"1900-01-01": "72", "2015-04-01": "24"}


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("recording_decisions", "decision_id"),
        ("counting_rules", "counting_rule_id"),
        ("evidence_kinds", "evidence_kind"),
        ("outcomes", "outcome"),
        ("reasons", "reason_code"),
    ],
)
def test_no_two_rows_have_one_id(name: str, column: str) -> None:
    ids = [row[column] for row in seed(name)]
    assert len(set(ids)) == len(ids)


def test_the_outcomes_are_those_that_the_rules_allow_and_are_in_the_order_of_the_pages() -> None:
    suite = yaml.safe_load(FACT_RULES.read_text(encoding="utf-8"))
    (allowed,) = (
        rule["kwargs"]["value_set"]
        for rule in suite["expectations"]
        if rule["meta"]["rule_id"] == "MART-10"
    )
    outcomes = seed("outcomes")
    assert sorted(row["outcome"] for row in outcomes) == sorted(allowed)
    # pages show them in the order of the file, and queries in that of the column
    assert [row["outcome_order"] for row in outcomes] == list("123456")


def test_a_decision_row_has_a_reason_exactly_if_it_justifies() -> None:
    for row in seed("recording_decisions"):
        assert bool(row["reason_code"]) == (row["verdict"] == "justified"), row["decision_id"]


def test_each_reason_of_the_decision_table_is_a_known_one() -> None:
    decisions = seed("recording_decisions")
    named = {row[c] for row in decisions for c in ("reason_code", "closure_reason_code")} - {""}
    assert named
    assert named <= reason_codes()


def test_each_decision_row_names_its_page_and_a_period() -> None:
    for row in seed("recording_decisions"):
        assert row["rule_page"], row["decision_id"]
        assert date.fromisoformat(row["valid_from"]) <= date.fromisoformat(row["valid_to"])


def test_the_last_decision_row_asks_a_person_whatever_the_facts() -> None:
    last = max(seed("recording_decisions"), key=lambda row: int(row["priority"]))
    columns = list(last)
    facts = columns[columns.index("priority") + 1 : columns.index("verdict")]
    assert {"has_crime_evidence", "closure_reason_code", "text_reading"} <= set(facts)
    assert last["verdict"] == "needs_review"
    assert [last[fact] for fact in facts] == [""] * len(facts)
    assert (last["valid_from"], last["valid_to"]) == ("1900-01-01", "9999-12-31")


def test_only_a_justified_report_is_kept_as_a_reported_incident() -> None:
    kept = [row for row in seed("recording_decisions") if row["reported_incident_code"]]
    assert {row["verdict"] for row in kept} == {"justified"}


def test_an_excuse_is_never_the_reason_that_justifies() -> None:
    legitimate = {row["reason_code"] for row in seed("reasons") if row["is_legitimate"] == "true"}
    justifying = {row["reason_code"] for row in seed("recording_decisions")} - {""}
    assert justifying
    assert justifying <= legitimate


def test_each_class_that_counting_treats_apart_is_one_of_the_lexicon() -> None:
    told = {row["counting_class"] for row in seed("lexicon")} - {""}
    # rape is told apart for its offenders, and counted by its group
    assert {row["counting_class"] for row in seed("counting_rules")} == told - {"rape"}


def test_each_principal_crime_and_what_it_includes_is_a_known_group() -> None:
    known = {row["offence_group"] for row in seed("offence_groups")}
    pairs = [(row["principal_group"], row["included_group"]) for row in seed("principal_crimes")]
    assert {group for pair in pairs for group in pair} <= known
    assert len(set(pairs)) == len(pairs)
    # neither of two groups is part of the other: one of them would have to be left over
    assert not {(b, a) for a, b in pairs} & set(pairs)


def test_the_offence_groups_are_the_eleven_of_the_headline_and_fraud() -> None:
    groups = seed("offence_groups")
    headline = [row["offence_group_name"] for row in groups if row["is_headline"] == "true"]
    apart = [row["offence_group"] for row in groups if row["is_headline"] == "false"]
    assert sorted(headline) == sorted(GROUPS)
    assert apart == ["fraud"]
    assert len(groups) == 12


def test_an_evidence_strength_is_one_rank() -> None:
    ranks = {(row["evidence_strength"], int(row["rank"])) for row in seed("evidence_kinds")}
    assert ranks == {("certain", 3), ("likely", 2), ("possible", 1), ("supporting", 0)}


def test_the_rulesets_are_those_of_the_design() -> None:
    ranks = {row["evidence_strength"]: int(row["rank"]) for row in seed("evidence_kinds")}
    rulesets = {
        row["ruleset"]: (int(row["min_evidence_rank"]), float(row["min_link_probability"]))
        for row in seed("rulesets")
    }
    assert rulesets == {
        "strict": (ranks["certain"], 0.5),
        "standard": (ranks["likely"], 0.8),
        "inclusive": (ranks["possible"], 0.95),
    }
    assert len({row["ruleset_version"] for row in seed("rulesets")}) == 1


def test_a_ruleset_that_wants_more_of_the_evidence_wants_more_of_the_text_model() -> None:
    wanted = {row["ruleset"]: row["min_text_probability"] for row in seed("rulesets")}
    # strict takes certain evidence only, and a text is never certain
    assert wanted["strict"] == ""
    assert float(wanted["standard"]) > float(wanted["inclusive"]) > 0


def test_there_are_agencies_to_look_at() -> None:
    assert "nopd" in {folder.name for folder in AGENCIES}


@pytest.mark.parametrize("folder", AGENCIES, ids=lambda folder: folder.name)
def test_each_reason_of_an_agencys_closures_is_a_known_one(folder: Path) -> None:
    closures = rows(folder / "closures.csv")
    # of these two cities no code was seen, and a guessed one might justify that none was recorded
    assert closures or folder.name in {"austin", "tucson"}
    assert {row["reason_code"] for row in closures} - {""} <= reason_codes()


@pytest.mark.parametrize("folder", AGENCIES, ids=lambda folder: folder.name)
def test_each_reason_of_an_agencys_closures_has_a_decision_row(folder: Path) -> None:
    decided = {row["closure_reason_code"] for row in seed("recording_decisions")}
    # legitimate or not: the table says of each what follows
    assert {row["reason_code"] for row in rows(folder / "closures.csv")} - {""} <= decided


@pytest.mark.parametrize("folder", AGENCIES, ids=lambda folder: folder.name)
def test_a_closure_that_promises_a_record_gives_no_reason_to_have_none(folder: Path) -> None:
    legitimate = {row["reason_code"] for row in seed("reasons") if row["is_legitimate"] == "true"}
    for row in rows(folder / "closures.csv"):
        assert not (row["expects_record"] == "true" and row["reason_code"] in legitimate), row


@pytest.mark.parametrize("folder", AGENCIES, ids=lambda folder: folder.name)
@pytest.mark.parametrize("name", ["call_types", "offences"])
def test_each_offence_group_of_an_agencys_codes_is_a_known_one(folder: Path, name: str) -> None:
    known = {row["offence_group"] for row in seed("offence_groups")}
    codes = rows(folder / f"{name}.csv")
    assert {row["offence_group"] for row in codes} - {""} <= known
    # rape is counted apart in sexual offences (design 2); without a group it is an N100, no crime
    rape = {row["offence_group"] for row in codes if row["is_rape"] == "true"}
    assert rape <= {"sexual_offences", ""}
