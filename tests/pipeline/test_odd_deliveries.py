"""What real deliveries are like: calls that share a record, codes spelt otherwise, no records.

Agencies of five calls, each through a whole run.
"""

import csv
import io
import json
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from cdi.report.explain import explain_call
from cdi.report.headline import read_version_headline
from tests.conftest import CALL_HEADER, CALLS, RECORD_HEADER, RECORDS, SmallAgency, alone, csv_bytes


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallAgency]:
    """R1 names T-0001. T-0002 names R1 in its own field, and nobody recorded anything for it.

    The file holds rows of another dataset too, and T-0004 has a code that is spelt otherwise. So
    has R2, which was cancelled for a reason that only the agency's own map knows.
    """
    with alone(tmp_path_factory.mktemp("odd")) as odd:
        calls = odd.settings["sources"]["calls"]
        calls["columns"]["record_reference"] = "record"
        calls["rows"] = {"from": "kind", "matches": "log"}
        odd.settings["loose_code_maps"] = ["call_types", "cancellation_codes"]
        odd.settings["cancelled_statuses"] = ["CANX"]
        odd.settings["sources"]["crime_records"]["columns"]["cancellation_code"] = "reason"
        odd.write_settings()
        named = {"T-0002": "r1", "T-0003": "R9"}
        rows = [[*row, named.get(row[0], ""), "log"] for row in CALLS]
        rows[3][4] = "the-ft"
        visits = [[*row[:-1], "visit"] for row in rows[:2]]
        odd.write("calls.csv", csv_bytes([*CALL_HEADER, "record", "kind"], rows + visits))
        odd.write_text(
            "cancellation_codes.csv",
            "code,name,cancellation_code,note\nAdd verifiable info,More information,C2,\n",
        )
        cancelled = ["R2", "", "2026-01-06 08:00", "A1", "CANX", "N", "add-verifiable info"]
        records = [*([*row, ""] for row in RECORDS), cancelled]
        odd.write("records.csv", csv_bytes([*RECORD_HEADER, "reason"], records))
        assert odd.run()
        yield odd


def test_the_second_call_that_names_a_record_is_a_further_report_of_a_recorded_crime(
    odd: SmallAgency,
) -> None:
    assert odd.rows(
        "select call_id, record_key, has_report, has_crime_record, linked_record_count, "
        "reported_crime_count, recorded_crime_count from fct_calls where call_id <= 'T-0003' "
        "order by 1"
    ) == [
        ("T-0001", None, True, True, 1, 1, 1),
        ("T-0002", "R1", True, True, 0, 1, 0),
        ("T-0003", "R9", False, False, 0, 0, 0),
    ]
    assert odd.rows(
        "select call_id, crime_record_id, outcome_strict, outcome, outcome_inclusive, reason_code "
        "from fct_reported_crimes where call_id <= 'T-0002' order by 1"
    ) == [
        ("T-0001", "R1", "recorded", "recorded", "recorded", None),
        ("T-0002", None, "justified", "justified", "justified", "ALREADY_RECORDED"),
    ]
    assert odd.rows("select crime_record_id, call_id from links") == [("R1", "T-0001")]
    assert odd.rows("select call_id from unrecorded_crimes where call_id <= 'T-0002'") == []
    console = Console(file=io.StringIO(), width=200)
    explain_call(odd.agency, "T-0002", console)
    assert isinstance(console.file, io.StringIO)
    told = " ".join(console.file.getvalue().split())
    assert "names the record R1" in told
    assert "reason Already counted or recorded direct" in told
    assert "crime record R1, which belongs to call T-0001" in told


def test_rows_that_are_left_out_are_counted_in_what_is_published(odd: SmallAgency) -> None:
    """The file has seven rows, two of them of another dataset."""
    assert odd.rows(
        "select read_count, accepted_count, left_out_count from conservation "
        "where dataset = 'calls'"
    ) == [(5, 5, 2)]
    page = (odd.published / "validation.html").read_text(encoding="utf-8")
    counts = page.split('<tr><th scope="row">calls</th>')[1].split("</tr>")[0]
    assert re.findall(r">(\d+)<", counts) == ["5", "5", "0", "0", "0", "2"]


def test_a_code_that_is_spelt_otherwise_is_that_of_a_loose_map_and_shown_as_it_came(
    odd: SmallAgency,
) -> None:
    assert odd.rows(
        "select final_type_code, final_offence_group from fct_calls where call_id >= 'T-0004' "
        "order by call_id"
    ) == [("the-ft", "theft"), ("THEFT", "theft")]


def test_a_cancellation_under_an_own_code_names_the_columns_that_the_agency_does_not_deliver(
    odd: SmallAgency,
) -> None:
    assert odd.rows(
        "select crime_record_id, cancellation_code, is_wrongly_cancelled, missing_columns "
        "from cancellations"
    ) == [("R2", "C2", None, "victim_told_at offence_class cancelled_by_role")]
    page = (odd.published / "report.html").read_text(encoding="utf-8")
    assert (
        "1: It cannot be checked: the agency does not deliver who decided (cancelled_by_role) or "
        "the class of the offence (offence_class) or when the victim was told (victim_told_at)"
    ) in page


def test_an_agency_without_crime_records_is_published_without_a_claim_about_them(
    small: SmallAgency,
) -> None:
    del small.settings["sources"]["crime_records"]
    small.settings["crime_records"] = "none"
    small.write_settings()
    assert small.run()
    """T-0004 is a duplicate, and T-0005 came four hours before the end of what is known."""
    assert small.rows("select call_id, outcome from fct_reported_crimes order by 1") == [
        ("T-0001", "source_missing"),
        ("T-0002", "source_missing"),
        ("T-0004", "justified"),
        ("T-0005", "too_recent"),
    ]
    assert small.rows("select call_id from unrecorded_crimes where outcome = 'unrecorded'") == []
    assert small.rows("select * from weekly_rates") == []
    told = json.loads((small.published / "figures.json").read_text(encoding="utf-8"))
    assert told["headline"] == (
        "There is no rate: 2 reported crimes are past the time limit, but no crime records were "
        "delivered for that time, so nothing can be said about them. No crime records are "
        "delivered, so it is not known which crimes can still be recorded in time."
    )
    headline = read_version_headline(small.published / "recording.duckdb")
    assert headline.line == "no rate yet · no crime records are delivered"
    assert (headline.facts["in_time"], headline.facts["overdue"]) == (None, None)
    worklist = (small.published / "worklist" / "index.html").read_text(encoding="utf-8")
    assert "No crime records are delivered, so it is not known which" in worklist
    page = (small.published / "report.html").read_text(encoding="utf-8")
    assert "recorded so far" not in page
    assert "no reported crime is past its time limit" not in page
    (release,) = csv.DictReader((small.published / "open" / "release.csv").open(encoding="utf-8"))
    assert release["withheld_reason"] == "no crime records are delivered"
