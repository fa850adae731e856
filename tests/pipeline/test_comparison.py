"""What changed between two versions, and what changed it."""

import pytest

from cdi.errors import BuildError
from cdi.report.comparison import choose_pair, compare_versions
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes


def test_each_change_is_shown_with_its_cause(ran: SmallAgency) -> None:
    with pytest.raises(BuildError, match="COMPARE-VERSION"):
        choose_pair("testville")
    first = ran.published.resolve()
    assert not (first / "comparison.json").exists()

    # decisions of people come through a sheet, so tests/pipeline/test_worklist.py compares them:
    # here a call is delivered anew, and a code map is corrected
    ran.write("calls.csv", csv_bytes(CALL_HEADER, CALLS[:4]))
    closures = (ran.folder / "closures.csv").read_text(encoding="utf-8")
    ran.write_text("closures.csv", closures.replace("Duplicate,", "Duplicate of another,"))
    ran.run()
    assert choose_pair("testville") == (first, ran.published.resolve())
    compared = compare_versions(*choose_pair("testville"))
    assert compared["causes"] == ["data: new batches of calls", "the agency's folder"]
    assert compared["listed"] == {"went": 1}
    assert compared["listed_rows"][0]["reported_crime_id"] == "T-0005#1"
    # nothing that the rate counts has changed
    assert [row for row in compared["rates"] if row["breakdown"] == "total"] == []


def test_an_unknown_version_is_an_error_that_names_those_that_are_kept(ran: SmallAgency) -> None:
    with pytest.raises(BuildError, match=ran.published.resolve().name):
        choose_pair("testville", "20260107T0000-nonsense")
