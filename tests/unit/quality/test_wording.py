"""What the validation page says of a rule: expectation, value and threshold in words."""

import re

import pytest

from cdi.quality.rules import Rule, all_rules
from cdi.quality.wording import (
    describe_extent,
    describe_finding,
    describe_rule,
    name_batch,
    name_row,
)
from tests.conftest import SmallAgency


def rule_of(mostly: float | None, claim: str = "name their call") -> Rule:
    """A rule about each row."""
    kwargs = {"column": "x"} | ({} if mostly is None else {"mostly": mostly})
    kind = "expect_column_values_to_not_be_null"
    return Rule("X-1", "warn", "me", "because", "landing", "x", kind, kwargs,
                noun="crime records", claim=claim)  # fmt: skip


@pytest.mark.parametrize(
    ("mostly", "unexpected", "told"),
    [
        (0.5, 429, "64.2% of 1,200 crime records name their call; at least 50% needed"),
        (0.5, 0, "100.0% of 1,200 crime records name their call; at least 50% needed"),
        # 97.96% is too little, and must not read as 98.0%
        (0.98, 25, "97.9% of 1,200 crime records name their call; at least 98% needed"),
        (0.995, 1, "99.9% of 1,200 crime records name their call; at least 99.5% needed"),
        (0.9985, 2, "99.83% of 1,200 crime records name their call; at least 99.85% needed"),
        (None, 0, "All 1,200 crime records name their call"),
        (None, 3, "1,197 of 1,200 crime records name their call; all must"),
        (0, 12, "99.0% of 1,200 crime records name their call; the others are put in quarantine"),
    ],
)
def test_a_finding_names_value_and_threshold(
    mostly: float | None, unexpected: int, told: str
) -> None:
    assert describe_finding(rule_of(mostly), 1200, unexpected, None) == told


def test_without_a_row_nothing_is_found() -> None:
    assert describe_finding(rule_of(0.5), 0, 0, None) == "No crime records to check"
    assert describe_finding(rule_of(0.5), None, None, None) == "No crime records to check"


def test_one_row_alone_is_no_plural() -> None:
    found = describe_finding(rule_of(1), 1, 0, None)
    assert found == "All crime records name their call; checked: 1"


def test_a_rule_about_all_rows_says_what_was_observed() -> None:
    kwargs = {"column": "open_hours", "min_value": 0, "max_value": 168}
    median = Rule("X-1", "info", "me", "because", "landing", "x",
                  "expect_column_median_to_be_between", kwargs,
                  claim="The typical call is closed within {max_value} hours")  # fmt: skip
    assert describe_rule(median) == "The typical call is closed within 168 hours."
    assert describe_finding(median, 5, None, 3.25) == (
        "The typical call is closed within 168 hours; found: 3.25"
    )
    query = Rule("X-2", "fail", "me", "because", "marts", "x", "unexpected_rows_expectation", {},
                 claim="The offence groups add up to the total")  # fmt: skip
    assert describe_finding(query, None, 2, 2) == (
        "The offence groups add up to the total; rows against it: 2"
    )


def test_every_rule_is_a_sentence_that_holds_its_threshold() -> None:
    for rule in all_rules():
        sentence = describe_rule(rule)
        assert re.fullmatch(r"[A-Z0-9].*[^.]\.", sentence), sentence
        assert "{" not in sentence
        assert not re.search(r"\b(is|has)_\w+", sentence), sentence
        if 0 < rule.mostly < 1:
            assert f"{100 * rule.mostly:g}%" in sentence, rule.rule_id
        # a sentence after "at least 50% of calls" begins small, one about all rows does not
        assert rule.claim[0].islower() == rule.is_about_rows, rule.rule_id


@pytest.mark.parametrize(
    ("batch_id", "name"),
    [
        # midnight of London's summer is 23:00 of the day before
        ("20170331T2300_20170630T2300_v1", "Crime records, 1 April to 30 June 2017"),
        ("20260104T2300_20260105T2300_v1",
         "Crime records, 4 January 2026, 11pm to 5 January 2026, 11pm"),
        ("20260105T0000_20260106T0000_v3",
         "Crime records, 5 January 2026 (extraction 3 of these days)"),
        ("20260105T0000_20260107T0000_v1", "Crime records, 5 to 6 January 2026"),
        ("20251231T0000_20260102T0000_v1", "Crime records, 31 December 2025 to 1 January 2026"),
        ("20260105T1000_20260105T1100_v1",
         "Crime records, 5 January 2026, 10am to 5 January 2026, 11am"),
        ("something else", "Crime records something else"),
    ],
)  # fmt: skip
def test_a_batch_is_named_by_its_days(small: SmallAgency, batch_id: str, name: str) -> None:
    assert name_batch(small.agency, "crime_records", batch_id) == name


def test_a_row_is_named_by_its_file_and_line() -> None:
    assert name_row("calls.csv:000000003") == "calls.csv, line 3"
    assert name_row("2026-01-05:12") == "2026-01-05, line 12"
    assert name_row("something") == "something"


def test_a_rule_that_saw_no_value_says_so() -> None:
    """The median of the hours that calls were open, say, where none has a time of closing."""
    result = {"error": None, "unexpected_count": None, "observed_value": None}
    assert describe_extent(result) == "observed nothing"
    assert describe_extent({**result, "observed_value": "0.0"}) == "observed 0.0"


def test_a_rule_about_files_counts_files() -> None:
    result = {"error": None, "unexpected_count": 1, "element_count": 1, "observed_value": "0.2"}
    assert describe_extent({**result, "table_name": "files"}) == "1 of 1 files (0.2)"
    assert describe_extent({**result, "table_name": "calls"}) == "1 of 1 rows (0.2)"
