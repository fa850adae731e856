"""What `check-agency --connect` says of sources of files."""

import json

import pytest

from cdi.onboarding.connect import check_sources
from tests.conftest import CALL_HEADER, CALLS, RECORD_HEADER, RECORDS, SmallAgency, csv_bytes


def say_of_files(small: SmallAgency, dataset: str) -> list[tuple[str, str]]:
    """Level and text of what is said of the files of a dataset."""
    return [
        (finding.level, finding.told)
        for finding in check_sources(small.agency)
        if finding.key == f"sources.{dataset}.files"
    ]


def test_a_refused_file_takes_no_row_of_the_next(small: SmallAgency) -> None:
    """The first file has a refused line, and then no column that is wanted."""
    for dataset in ("calls", "crime_records"):
        small.settings["sources"][dataset] |= {"format": "jsonl"}
    small.write_settings()
    records = small.settings["sources"]["crime_records"]["columns"].values()
    headers = [each if isinstance(each, str) else each["from"] for each in records]
    row = json.dumps(dict.fromkeys(headers, "2026-01-05 10:00"))
    small.write("calls.jsonl", b'no JSON\n{"other": "x"}\n')
    small.write("records.jsonl", f"{row}\n{row}\n".encode())
    ((level, text),) = say_of_files(small, "calls")
    assert level == "stop" and "SRC-COLUMNS" in text
    assert say_of_files(small, "crime_records") == [
        ("fine", "records.jsonl has all mapped columns, and 2 rows; a run checks the rest")
    ]


def test_a_file_of_a_week_may_be_of_none_of_the_days_that_are_looked_at(
    small: SmallAgency,
) -> None:
    """The coverage ends on Wednesday, and the file of a week is read on its Sunday."""
    small.settings["sources"]["calls"]["files"] = [
        {"path": "calls-{date:%G-W%V}.csv", "as_of": "{date:%G-W%V}-7"}
    ]
    small.write_settings()
    ((level, text),) = say_of_files(small, "calls")
    assert level == "fine"
    assert text.startswith("no file is of yesterday or the day before, so none was read")
    assert [level for level, _ in say_of_files(small, "crime_records")] == ["fine"]


def list_lines(small: SmallAgency, *keys: str) -> list[str]:
    """The lines about some keys or columns."""
    return [finding.line for finding in check_sources(small.agency) if finding.key in keys]


def write_routes_and_reasons(small: SmallAgency) -> None:
    """Let twelve calls and records come by each of two routes, and the records be cancelled."""
    sources = small.settings["sources"]
    sources["calls"]["columns"]["source_channel"] = "channel"
    sources["crime_records"]["columns"] |= {"route": "channel", "cancellation_code": "reason"}
    small.write_settings()
    more = [("WEB", "Add verifiable info"), ("radio call", "C4")] * 12
    calls = [[f"T-{n:04}", *CALLS[0][1:], more[n][0]] for n in range(24)]
    records = [[f"R{n}", *RECORDS[0][1:], *more[n]] for n in range(24)]
    small.write("calls.csv", csv_bytes([*CALL_HEADER, "channel"], calls))
    small.write("records.csv", csv_bytes([*RECORD_HEADER, "channel", "reason"], records))


def test_routes_and_reasons_without_a_map_are_listed(small: SmallAgency) -> None:
    """C4 is one of the shared reasons, and needs no map."""
    write_routes_and_reasons(small)
    channel, route, reason = list_lines(small, "source_channel", "route", "cancellation_code")
    for line in (channel, route):
        assert line.startswith("look routes.csv: ")
        assert "no such file for the codes of 100.0% (24 of 24) rows" in line
        assert "WEB 50.0%, radio call 50.0%" in line
        assert "next step: write it with a row for each code" in line
    assert reason.startswith("look cancellation_codes.csv: ")
    assert "codes of 50.0% (12 of 24) rows with one: Add verifiable info 50.0%;" in reason


def test_routes_and_reasons_that_a_map_has_are_fine(small: SmallAgency) -> None:
    """Codes that are compared loosely are those of the map, too."""
    write_routes_and_reasons(small)
    small.settings["loose_code_maps"] = ["routes"]
    small.write_settings()
    small.write_text("routes.csv", "code,name,route,note\nWeb,,,\nRADIO-CALL,,,\n")
    small.write_text(
        "cancellation_codes.csv",
        "code,name,cancellation_code,note\nAdd verifiable info,,C2,\n",
    )
    lines = list_lines(small, "source_channel", "route", "cancellation_code")
    assert [line.partition(": ")[2] for line in lines] == [
        "source_channel: 2 codes in use, each with a row",
        "route: 2 codes in use, each with a row",
        "cancellation_code: 2 codes in use, each with a row",
    ]


def test_types_of_log_entries_without_a_row_are_listed(small: SmallAgency) -> None:
    """Without a row an entry is read as what the caller told, also if it is the conclusion."""
    small.settings["sources"]["log_actions"] = {
        "files": [{"path": "actions*", "as_of": "2026-01-07"}],
        "delivery": "snapshot",
        "columns": {
            "call_reference": "log",
            "sequence_number": "no",
            "acted_at": {"from": "at", "format": "%Y-%m-%d %H:%M"},
            "action_type": "event",
            "action_text": "text",
        },
    }
    small.write_settings()
    entries = [
        ["T-0001", str(n), "2026-01-05 10:00", ("CALL", "CLOSE", "CLOSE")[n % 3], f"Text {n}."]
        for n in range(36)
    ]
    small.write("actions.csv", csv_bytes(["log", "no", "at", "event", "text"], entries))
    (line,) = list_lines(small, "action_type")
    assert line.startswith("look entry_types.csv: ")
    assert "no such file for the codes of 100.0% (36 of 36) rows" in line
    assert "CLOSE 66.7%, CALL 33.3%" in line
    small.write_text("entry_types.csv", "code,name,part,note\nCLOSE,,closing,\n")
    (line,) = list_lines(small, "action_type")
    assert "the codes of 33.3% (12 of 36) rows with one are not in it: CALL 33.3%;" in line
    assert "next step: add a row for each code" in line


def test_qualifiers_without_a_row_are_listed_word_by_word(small: SmallAgency) -> None:
    """Each word of a log needs a row of its own, letter for letter."""
    small.settings["sources"]["calls"]["columns"]["qualifiers"] = "marks"
    small.write_settings()
    rows = [[f"T-{n:04}", *CALLS[0][1:], ("DV; ALC", "DV|", "")[n % 3]] for n in range(36)]
    small.write("calls.csv", csv_bytes([*CALL_HEADER, "marks"], rows))
    (line,) = list_lines(small, "qualifiers")
    assert line.startswith("look qualifiers.csv: ")
    assert "no such file for the codes of 100.0% (36 of 36) words" in line
    assert "DV 66.7%, ALC 33.3%" in line
    small.write_text("qualifiers.csv", "code,name,qualifier,note\nDV,,domestic_abuse,\nalc,,,\n")
    (line,) = list_lines(small, "qualifiers")
    assert "the codes of 33.3% (12 of 36) words are not in it: ALC 33.3%;" in line
    small.write_text("qualifiers.csv", "code,name,qualifier,note\nDV,,domestic_abuse,\nALC,,,\n")
    assert [line.partition(": ")[2] for line in list_lines(small, "qualifiers")] == [
        "qualifiers: 2 codes in use, each with a row"
    ]


@pytest.mark.parametrize(
    ("form", "time", "told", "better"),
    [
        ("%Y-%m-%d %H:%M", "46027.5", "look like Excel serial dates", "excel_serial"),
        ("%m/%d/%Y %H%M", "1/5/2026 115", "without their leading zeros", "%m/%d/%Y %-H%M"),
    ],
)
def test_what_a_spreadsheet_made_of_times_is_named(
    small: SmallAgency, form: str, time: str, told: str, better: str
) -> None:
    """The next step names a format that reads them."""
    received = small.settings["sources"]["calls"]["columns"]["received_at"]
    received["format"] = form
    small.write_settings()
    small.write("calls.csv", csv_bytes(CALL_HEADER, [[row[0], time, *row[2:]] for row in CALLS]))
    key = "sources.calls.columns.received_at"
    (line,) = list_lines(small, key)
    assert line.startswith("stop ")
    assert told in line
    received["format"] = better
    small.write_settings()
    assert list_lines(small, key) == []
