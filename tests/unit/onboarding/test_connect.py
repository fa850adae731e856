"""What `check-agency --connect` says of sources of files."""

import json

from cdi.onboarding.connect import check_sources
from tests.conftest import SmallAgency


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
