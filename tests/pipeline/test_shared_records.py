"""Two calls that name one crime record: one crime, reported twice and recorded once."""

import io

from rich.console import Console

from cdi.report.explain import explain_call
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes


def test_the_second_call_that_names_a_record_is_a_further_report_of_a_recorded_crime(
    small: SmallAgency,
) -> None:
    """R1 names T-0001. T-0002 names R1 in its own field, and nobody recorded anything for it."""
    small.settings["sources"]["calls"]["columns"]["record_reference"] = "record"
    small.write_settings()
    named = {"T-0002": "r1", "T-0003": "R9"}
    rows = [[*row, named.get(row[0], "")] for row in CALLS]
    small.write("calls.csv", csv_bytes([*CALL_HEADER, "record"], rows))
    assert small.run()
    assert small.rows(
        "select call_id, record_key, has_report, has_crime_record, linked_record_count, "
        "reported_crime_count, recorded_crime_count from fct_calls where call_id <= 'T-0003' "
        "order by 1"
    ) == [
        ("T-0001", None, True, True, 1, 1, 1),
        ("T-0002", "R1", True, True, 0, 1, 0),
        ("T-0003", "R9", False, False, 0, 0, 0),
    ]
    assert small.rows(
        "select call_id, crime_record_id, outcome_strict, outcome, outcome_inclusive, reason_code "
        "from fct_reported_crimes where call_id <= 'T-0002' order by 1"
    ) == [
        ("T-0001", "R1", "recorded", "recorded", "recorded", None),
        ("T-0002", None, "justified", "justified", "justified", "ALREADY_RECORDED"),
    ]
    assert small.rows("select crime_record_id, call_id from links") == [("R1", "T-0001")]
    assert small.rows("select call_id from unrecorded_crimes where call_id <= 'T-0002'") == []
    console = Console(file=io.StringIO(), width=200)
    explain_call(small.agency, "T-0002", console)
    assert isinstance(console.file, io.StringIO)
    told = " ".join(console.file.getvalue().split())
    assert "names the record R1" in told
    assert "reason Already counted or recorded direct" in told
    assert "crime record R1, which belongs to call T-0001" in told
