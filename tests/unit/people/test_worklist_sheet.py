"""The worklist as a sheet: what is written, what a person fills in, what is read back."""

import csv
from datetime import datetime
from pathlib import Path

import pytest
from openpyxl import load_workbook

from cdi.errors import CdiError
from cdi.people import worklist_sheet
from cdi.people.filled_sheet import (
    read_legitimate_reasons,
    read_worklist_sheet,
    write_refused_rows,
)
from cdi.people.worklist_sheet import write_worklist_csv, write_worklist_xlsx

EVIL = '=HYPERLINK("https://example.org", "open")'
ROWS = [
    {
        "reported_crime_id": f"T-000{n}#1",
        "first_account": text,
        "closing_text": f"closed: {text}",
        "record_by": datetime(2017, 7, n, 0, 36),
        "version": "v1",
        "data": "SIMULATED",
    }
    for n, text in enumerate(["was pushed", EVIL, "+1", "-2 doors down", "@home"], 1)
]
FILLED = {
    "decision": "Dismissed",
    "reason_code": "good_intent",
    "decided_by": "0123",
    "note": "-5 is he",
}


@pytest.fixture(params=["csv", "xlsx"])
def sheet(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A sheet of five rows, in both forms."""
    file = tmp_path / f"worklist.{request.param}"
    if request.param == "csv":
        write_worklist_csv(file, ROWS)
    else:
        made_at = datetime(2026, 1, 7)
        reasons = [("GOOD_INTENT", "The caller was mistaken")]
        write_worklist_xlsx(file, ROWS, reasons, "SIMULATED: a & b", made_at)
    return file


def fill(file: Path, **rows: dict[str, object]) -> None:
    """Fill cells in, as a spreadsheet saves them: by number of the row, then by column."""
    if file.suffix == ".csv":
        lines = list(csv.reader(file.open(newline="", encoding="utf-8-sig")))
        for number, cells in rows.items():
            for name, value in cells.items():
                lines[int(number[1:]) - 1][lines[0].index(name)] = str(value)
        with file.open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows(lines)
        return
    book = load_workbook(file)
    page = book["worklist"]
    header = [cell.value for cell in page[1]]
    for number, cells in rows.items():
        for name, value in cells.items():
            page.cell(int(number[1:]), header.index(name) + 1).value = value
    book.save(file)


def test_text_of_a_log_is_never_a_formula(sheet: Path) -> None:
    if sheet.suffix == ".csv":
        lines = list(csv.DictReader(sheet.open(newline="", encoding="utf-8-sig")))
        accounts = [line["first_account"] for line in lines]
        assert accounts == ["was pushed", f"'{EVIL}", "'+1", "'-2 doors down", "'@home"]
        return
    page = load_workbook(sheet)["worklist"]
    column = worklist_sheet.NAMES.index("first_account") + 1
    cells = [page.cell(row, column) for row in range(2, 7)]
    assert [cell.value for cell in cells] == [row["first_account"] for row in ROWS]
    assert {cell.data_type for cell in cells} == {"s"}


def test_a_character_that_no_spreadsheet_can_hold_becomes_a_blank(tmp_path: Path) -> None:
    """A vertical tab is what a word processor pastes for a new line within a paragraph."""
    pasted = "was pushed\x0bthen hit\x01, \x1aran off\nto the bus"
    readable = "was pushed then hit ,  ran off\nto the bus"
    row = ROWS[0] | {"first_account": pasted, "closing_text": f"={pasted}"}
    xlsx, written = tmp_path / "worklist.xlsx", tmp_path / "worklist.csv"
    write_worklist_xlsx(xlsx, [row], [("GOOD_INTENT", "Mistaken")], "a", datetime(2026, 1, 7))
    write_worklist_csv(written, [row])
    page = load_workbook(xlsx)["worklist"]
    (line,) = csv.DictReader(written.open(newline="", encoding="utf-8-sig"))
    cells = {name: page.cell(2, n).value for n, name in enumerate(worklist_sheet.NAMES, 1)}
    assert (cells["first_account"], cells["closing_text"]) == (readable, f"={readable}")
    assert (line["first_account"], line["closing_text"]) == (readable, f"'={readable}")


def test_the_workbook_offers_what_may_be_chosen(tmp_path: Path) -> None:
    file = tmp_path / "a.xlsx"
    reasons = [("ADMIN", "Test"), ("GOOD_INTENT", "The caller was mistaken")]
    write_worklist_xlsx(file, ROWS, reasons, "SIMULATED: a", datetime(2026, 1, 7))
    book = load_workbook(file)
    page = book["worklist"]
    assert page.freeze_panes == "B2"
    assert page.auto_filter.ref.startswith("A1:")
    letter = {cell.value: cell.column_letter for cell in page[1]}
    offered = {str(v.sqref): v.formula1 for v in page.data_validations.dataValidation}
    assert offered == {
        f"{letter['decision']}2:{letter['decision']}6": '"confirmed,dismissed"',
        f"{letter['reason_code']}2:{letter['reason_code']}6": "reasons!$A$2:$A$3",
    }
    assert [row[0].value for row in book["reasons"].iter_rows(min_row=2)] == [r for r, _ in reasons]
    assert "SIMULATED" in page.oddHeader.center.text


def test_a_deadline_is_a_time_that_a_spreadsheet_can_sort(sheet: Path) -> None:
    if sheet.suffix == ".csv":
        lines = list(csv.DictReader(sheet.open(newline="", encoding="utf-8-sig")))
        assert lines[0]["record_by"] == "2017-07-01 00:36:00"
        return
    page = load_workbook(sheet)["worklist"]
    cell = page.cell(2, worklist_sheet.NAMES.index("record_by") + 1)
    assert cell.value == datetime(2017, 7, 1, 0, 36)
    assert cell.is_date


def test_a_row_links_to_its_log(tmp_path: Path) -> None:
    file = tmp_path / "a.xlsx"
    desk = "https://desk.example.org/cdi/desk/testville/log?call=T%2F1"
    rows = [
        ROWS[0] | {"log_address": "logs/T-0001.html"},
        ROWS[1] | {"reported_crime_id": "=T/1#1", "log_address": desk},
        ROWS[2] | {"log_address": None},
    ]
    write_worklist_xlsx(file, rows, [("ADMIN", "Test")], "SIMULATED: a", datetime(2026, 1, 7))
    cells = [row[0] for row in load_workbook(file)["worklist"].iter_rows(min_row=2)]
    assert [(cell.value, cell.data_type) for cell in cells] == [
        ("T-0001#1", "s"),
        ("=T/1#1", "s"),
        ("T-0003#1", "s"),
    ]
    assert [cell.hyperlink and cell.hyperlink.target for cell in cells] == [
        "logs/T-0001.html",
        desk,
        None,
    ]


def test_the_closing_text_stands_beside_the_first_account() -> None:
    place = worklist_sheet.NAMES.index("first_account")
    assert worklist_sheet.NAMES[place + 1] == "closing_text"


def test_a_print_has_what_is_read_and_its_header_on_each_page(tmp_path: Path) -> None:
    file = tmp_path / "a.xlsx"
    write_worklist_xlsx(file, ROWS, [("ADMIN", "Test")], "SIMULATED: a", datetime(2026, 1, 7))
    page = load_workbook(file)["worklist"]
    assert (page.page_setup.orientation, page.page_setup.paperSize) == ("landscape", 8)
    assert page.sheet_properties.pageSetUpPr.fitToPage
    assert page.page_setup.fitToHeight == 0
    assert page.print_title_rows == "$1:$1"
    printed = worklist_sheet.NAMES[: worklist_sheet.NAMES.index("suspicion") + 1]
    letter = page.cell(1, len(printed)).column_letter
    assert page.print_area == f"'worklist'!$A$1:${letter}$6"
    assert {"record_by", "decision", "first_account", "closing_text"} <= set(printed)


def test_a_sheet_left_blank_decides_nothing(sheet: Path) -> None:
    assert read_worklist_sheet(sheet) == ({}, {}, {})


def test_what_is_filled_in_is_read_by_row(sheet: Path) -> None:
    fill(sheet, r3=FILLED, r5={"decision": "confirmed", "decided_by": 1207.0})
    first = {
        "decision_kind": "dismissed",
        "call_reference": "T-0002",
        "crime_number": 1,
        "reason_code": "GOOD_INTENT",
        "reason": "-5 is he",
        "decided_by": "0123",
        "second_person": "",
        "version": "v1",
    }
    read = read_worklist_sheet(sheet)
    assert not read.problems
    decisions = read.decisions
    assert decisions[3] == first
    assert set(decisions) == {3, 5}
    if sheet.suffix == ".xlsx":  # a spreadsheet makes a number of what looks like one
        assert decisions[5]["decided_by"] == "1207"


def test_each_wrong_row_is_named_by_its_number(sheet: Path) -> None:
    fill(
        sheet,
        r2={"decision": "perhaps"},
        r3={"decided_by": "1207"},
        r4={**FILLED, "reported_crime_id": "T-0003"},
        r5=FILLED,
        r6={**FILLED, "reported_crime_id": "T-0004#1"},
    )
    assert read_worklist_sheet(sheet).problems == {
        2: [
            '"perhaps" is not a decision. Use confirmed or dismissed',
            "decided_by is empty. Give your staff number or sign-in name",
        ],
        3: ["decision is empty. Use confirmed or dismissed"],
        4: [
            'reported_crime_id "T-0003" is not a log with a number after #. '
            "Copy it from the worklist"
        ],
        6: ["T-0004#1 is decided in row 5 already"],
    }


def test_a_confirmed_crime_has_no_reason_to_dismiss_it(sheet: Path) -> None:
    fill(
        sheet,
        r2={**FILLED, "decision": "Confirmed"},
        r3={**FILLED, "decision": "Confirmed", "reason_code": ""},
    )
    assert read_worklist_sheet(sheet).problems == {
        2: [
            'a confirmed crime has no reason_code, but "good_intent" is in it. '
            "Empty it, or write dismissed"
        ]
    }


def test_refused_rows_are_handed_back_as_a_sheet_that_can_be_given_again(sheet: Path) -> None:
    fill(sheet, r3=FILLED, r5={"decision": "perhaps", "decided_by": "0815", "note": "-5 is he"})
    given = sheet.read_bytes()
    reasons = read_legitimate_reasons()
    refused = write_refused_rows(sheet, read_worklist_sheet(sheet), reasons)
    assert refused == sheet.with_name(f"worklist-refused{sheet.suffix}")
    again = read_worklist_sheet(refused)
    assert list(again.decisions) == [2]
    assert again.decisions[2] == {
        **read_worklist_sheet(sheet).decisions[5],
        "decision_kind": "perhaps",
        "reason": "-5 is he",
    }
    if sheet.suffix == ".xlsx":
        book = load_workbook(refused)
        page = book["worklist"]
        cells = dict(zip([c.value for c in page[1]], page[2], strict=True))
        assert "Row 5: " in cells["why_refused"].value
        assert cells["note"].data_type == "s"
        assert cells["record_by"].value == datetime(2017, 7, 4, 0, 36)
        assert book.properties.title.startswith("SIMULATED")
        codes = [row[0].value for row in book["reasons"].iter_rows(min_row=2)]
        assert codes == [code for code, _ in reasons]
    # corrected, it is in order; and what people may have corrected is never written over
    fill(refused, r2={"decision": "confirmed"})
    corrected = read_worklist_sheet(refused)
    assert not corrected.problems and corrected.decisions[2]["decided_by"] == "0815"
    second = write_refused_rows(refused, read_worklist_sheet(sheet), reasons)
    assert second == sheet.with_name(f"worklist-refused-2{sheet.suffix}")
    assert sheet.read_bytes() == given


def test_what_is_no_sheet_of_a_worklist_is_refused(tmp_path: Path) -> None:
    header, broken = tmp_path / "a.csv", tmp_path / "b.xlsx"
    header.write_text("reported_crime_id,decision\n", encoding="utf-8")
    broken.write_bytes(b"no workbook")
    ansi = tmp_path / "c.csv"
    ansi.write_bytes(f"{','.join(worklist_sheet.NAMES)}\nT-0001#1,caf\xe9\n".encode("cp1252"))
    for file, problem in (
        (header, "row 1: the columns version"),
        (broken, "cannot be opened"),
        (ansi, "not CSV in UTF-8"),
        (tmp_path / "d.csv", "no such file"),
        (tmp_path / "d.xlsx", "no such file"),
    ):
        with pytest.raises(CdiError, match=problem) as refused:
            read_worklist_sheet(file)
        assert refused.value.rule_id == "DECIDE-SHEET"
        assert str(file) in refused.value.message


def test_a_row_that_ends_early_is_refused_by_its_number(tmp_path: Path) -> None:
    file = tmp_path / "worklist.csv"
    write_worklist_csv(file, ROWS[:1])
    file.write_text(f"{file.read_text('utf-8')}T-0001#1,weapon,9 h,now,confirmed\n", "utf-8")
    (problem,) = read_worklist_sheet(file).problems[3]
    assert problem.startswith("it ends before the columns version, reason_code, decided_by")
