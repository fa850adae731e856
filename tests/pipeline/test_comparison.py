"""What changed between two versions, and what changed it."""

import json

import pytest

from cdi.errors import BuildError
from cdi.people.decisions import add_decision
from cdi.report.comparison import choose_pair, compare_versions
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes


def test_each_change_is_shown_with_its_cause(ran: SmallAgency) -> None:
    with pytest.raises(BuildError, match="COMPARE-VERSION"):
        choose_pair("testville")
    first = ran.published.resolve()
    assert not (first / "comparison.json").exists()

    # a person dismisses the crime of T-0002
    add_decision(
        ran.agency,
        {
            "decision_kind": "dismissed",
            "call_reference": "T-0002",
            "decided_by": "1207",
            "reason_code": "GOOD_INTENT",
        },
    )
    ran.run()
    assert choose_pair("testville") == (first, ran.published.resolve())
    compared = compare_versions(*choose_pair("testville"))
    assert compared["causes"] == ["decisions of people"]
    assert compared["listed"] == {"decided": 1}
    assert [
        (row["reported_crime_id"], row["older_status"], row["newer_status"])
        for row in compared["listed_rows"]
    ] == [("T-0002#1", "suspected", "dismissed")]
    assert compared["links"] == {}
    rates = {
        row["ruleset"]: (row["older_rate"], row["newer_rate"])
        for row in compared["rates"]
        if row["breakdown"] == "total" and row["universe"] == "frame"
    }
    # one recorded of two that were due (the theft of the last evening is in time), then of one
    assert rates == dict.fromkeys(("strict", "standard", "inclusive"), (0.5, 1.0))
    written = json.loads((ran.published / "comparison.json").read_text(encoding="utf-8"))
    assert written["causes"] == compared["causes"]
    assert "decisions of people" in (ran.published / "report.html").read_text(encoding="utf-8")

    # a call is delivered anew, and a code map is corrected
    second = ran.published.resolve()
    ran.write("calls.csv", csv_bytes(CALL_HEADER, CALLS[:4]))
    closures = (ran.folder / "closures.csv").read_text(encoding="utf-8")
    ran.write_text("closures.csv", closures.replace("Duplicate,", "Duplicate of another,"))
    ran.run()
    compared = compare_versions(second, ran.published.resolve())
    assert compared["causes"] == ["data: new batches of calls", "the agency's folder"]
    assert compared["listed"] == {"went": 1}
    assert compared["listed_rows"][0]["reported_crime_id"] == "T-0005#1"
    # nothing that the rate counts has changed
    assert [row for row in compared["rates"] if row["breakdown"] == "total"] == []


def test_an_unknown_version_is_an_error_that_names_those_that_are_kept(ran: SmallAgency) -> None:
    with pytest.raises(BuildError, match=ran.published.resolve().name):
        choose_pair("testville", "20260107T0000-nonsense")
