"""The worklist as a sheet, XLSX or CSV: write it for people, and read back what they filled in.

A caller's words may begin like a formula, and a spreadsheet would run it. So in XLSX such a cell is
marked as text, and in CSV an apostrophe stands before it.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from cdi.errors import CdiError


class SheetColumn(NamedTuple):
    """A column of the sheet: its name, what it holds, its width, and whether people fill it in."""

    name: str
    meaning: str
    width: int = 14
    is_filled_in: bool = False


COLUMNS = (
    SheetColumn("reported_crime_id", "The call, and which crime of it. Do not change it.", 22),
    SheetColumn("severity", "Its place in the order: rape, domestic abuse, child, weapon, other."),
    SheetColumn("time_limit", "Hours left to record it, or how long it is overdue."),
    SheetColumn("to_read", "now: one of the logs that can be read in a month; or later.", 18),
    SheetColumn("decision", "confirmed: to be recorded; dismissed: not a crime.", 12, True),
    SheetColumn("reason_code", "For a dismissal: a code of the sheet `reasons`.", 22, True),
    SheetColumn("decided_by", "Your staff number.", 12, True),
    SheetColumn("second_person", "Staff number of who agrees; needed for rape.", 14, True),
    SheetColumn("note", "Why, in words; names are masked when it is read.", 30, True),
    SheetColumn("first_account", "What was said first; names are masked.", 60),
    SheetColumn("suspicion", "Why a crime is suspected, and by which rule.", 40),
    SheetColumn("offence_group_name", "Offence group.", 24),
    SheetColumn("district", "Police district of the call."),
    SheetColumn("received_on", "Day of the call, in the agency's time zone."),
    SheetColumn("final_type_name", "The type that the log was closed as.", 24),
    SheetColumn("disposition_code", "How it was closed."),
    SheetColumn("likelihood", "How likely a missed crime is: very_likely, likely or possible."),
    SheetColumn("non_crime_record_id", "Non-crime occurrence that may be about it.", 18),
    SheetColumn("status", "suspected, or what was decided before."),
    SheetColumn("list_place", "Place on the list."),
    SheetColumn("version", "Version that the sheet was made from. Do not change it.", 26),
    SheetColumn("data", "SIMULATED if the data is invented."),
)
NAMES = [column.name for column in COLUMNS]
DECISIONS = ("confirmed", "dismissed")
SHEET = "worklist"
FORMULA = re.compile(r"[=+\-@\t\r]")
CRIME_ID = re.compile(r"(.+)#(\d+)")

Rows = Sequence[Mapping[str, Any]]


def write_worklist_csv(file: Path, rows: Rows) -> None:
    """Write the sheet as CSV.

    Args:
        file: The file to write.
        rows: The rows of the worklist, by the names of `COLUMNS`.
    """
    # Excel reads a CSV file as UTF-8 only if it begins with the byte order mark ("-sig").
    with file.open("w", newline="", encoding="utf-8-sig") as handle:
        writer = csv.writer(handle, lineterminator="\r\n")
        writer.writerow(NAMES)
        writer.writerows([_guard_text(row.get(name)) for name in NAMES] for row in rows)


def write_worklist_xlsx(
    file: Path, rows: Rows, reasons: Sequence[tuple[str, str]], title: str, made_at: datetime
) -> None:
    """Write the sheet as XLSX: frozen header, filters, and lists to choose from.

    Args:
        file: The file to write.
        rows: As for `write_worklist_csv`.
        reasons: Codes and names of the legitimate reasons.
        title: The title of the file; it says SIMULATED if the data is invented.
        made_at: The time that the file names as its own, so that equal builds write equal files.
    """
    book = Workbook(write_only=True)
    book.properties.title = title
    book.properties.creator = "cdi"
    book.properties.created = book.properties.modified = made_at
    sheet = book.create_sheet(SHEET)
    sheet.freeze_panes = "B2"
    sheet.oddHeader.center.text = title.replace("&", "&&")
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(COLUMNS))}{len(rows) + 1}"
    for place, column in enumerate(COLUMNS, 1):
        dimension = sheet.column_dimensions[get_column_letter(place)]
        dimension.width = column.width
        if column.is_filled_in:
            dimension.number_format = "@"  # a staff number keeps its zeros
    sheet.append(_make_header(sheet))
    for row in rows:
        sheet.append([make_cell(sheet, row.get(name)) for name in NAMES])
    _offer_choice(sheet, "decision", f'"{",".join(DECISIONS)}"', len(rows))
    _offer_choice(sheet, "reason_code", f"reasons!$A$2:$A${len(reasons) + 1}", len(rows))
    meanings = [(column.name, column.meaning) for column in COLUMNS]
    for name, lines in (
        ("reasons", [("reason_code", "reason"), *reasons]),
        ("columns", [(title, ""), ("column", "meaning"), *meanings]),
    ):
        other = book.create_sheet(name)
        other.column_dimensions["A"].width, other.column_dimensions["B"].width = 28, 80
        for line in lines:
            other.append(line)
    book.save(file)


def read_worklist_sheet(file: Path) -> dict[int, dict[str, Any]]:
    """Read what people filled in.

    Args:
        file: A filled-in sheet, ``.xlsx`` or ``.csv``.

    Returns:
        By the number of the row in the sheet: columns of the dataset `decisions`, and the version
        that the sheet was made from. Rows that people left blank are not in it.

    Raises:
        CdiError: DECIDE-SHEET if it is not the sheet of a worklist, or if a row is not in order.
    """
    lines = list(_read_lines(file))
    header = [str(cell or "").strip() for cell in lines[0]] if lines else []
    filled_in = [column.name for column in COLUMNS if column.is_filled_in]
    needed = ["reported_crime_id", "version", *filled_in]
    absent = [name for name in needed if name not in header]
    if absent:
        raise _refuse_sheet(
            file,
            [f"row 1: the columns {', '.join(absent)} are missing"],
            "give the worklist.xlsx or worklist.csv of a version, with its header as it was",
        )
    decisions: dict[int, dict[str, Any]] = {}
    problems: list[str] = []
    row_of_crime: dict[str, int] = {}
    for number, line in enumerate(lines[1:], 2):
        row = {name: _read_cell(cell) for name, cell in zip(header, line, strict=False) if name}
        if not any(row.get(name) for name in filled_in):
            continue
        absent = [name for name in needed if name not in row]
        if absent:
            problems.append(f"row {number}: it ends before the columns {', '.join(absent)}")
            continue
        if row["decision"].lower() not in DECISIONS:
            problems.append(f"row {number}: decision is neither {' nor '.join(DECISIONS)}")
        crime = CRIME_ID.fullmatch(row["reported_crime_id"])
        if not crime:
            problems.append(f"row {number}: reported_crime_id is no call with a number after #")
            continue
        if crime[0] in row_of_crime:
            earlier = row_of_crime[crime[0]]
            problems.append(f"row {number}: {crime[0]} is decided in row {earlier} already")
        row_of_crime[crime[0]] = number
        decisions[number] = {
            "decision_kind": row["decision"].lower(),
            "call_reference": crime[1],
            "crime_number": int(crime[2]),
            "reason_code": row["reason_code"].upper(),
            "reason": row["note"],
            "decided_by": row["decided_by"],
            "second_person": row["second_person"],
            "version": row["version"],
        }
    if problems:
        raise _refuse_sheet(file, problems, "correct these rows and give the sheet again")
    return decisions


def _refuse_sheet(file: Path, problems: Iterable[str], fix: str) -> CdiError:
    lines = "\n    ".join(problems)
    return CdiError("DECIDE-SHEET", f"{file}: nothing was written:\n    {lines}", fix)


def _read_lines(file: Path) -> Iterator[Sequence[Any]]:
    """Read the rows of the sheet, its header first."""
    if not file.is_file():
        raise _refuse_sheet(file, ["there is no such file"], "give the path of the filled-in sheet")
    if file.suffix.lower() == ".csv":
        try:
            with file.open(newline="", encoding="utf-8-sig") as handle:
                yield from csv.reader(handle)
        except (UnicodeDecodeError, csv.Error) as error:
            raise _refuse_sheet(
                file, [f"it is no CSV in UTF-8: {error}"], "save it as .xlsx, or as CSV in UTF-8"
            ) from None
        return
    try:
        book = load_workbook(file, read_only=True, data_only=True)
    except Exception as error:  # openpyxl lets through whatever its readers of zip and XML raise
        raise _refuse_sheet(
            file, [f"it cannot be opened: {error}"], "save it as .xlsx or .csv"
        ) from None
    try:
        if SHEET not in book.sheetnames:
            raise _refuse_sheet(file, [f"it has no sheet `{SHEET}`"], "keep the sheet's name")
        yield from book[SHEET].iter_rows(values_only=True)
    finally:
        book.close()


def _read_cell(cell: Any) -> str:
    """Read a cell as text.

    A number loses the decimals that a spreadsheet gave it, and text loses the apostrophe that was
    set before it (`_guard_text`).
    """
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    text = " ".join(str(cell).split())
    return text[1:] if text.startswith("'") and FORMULA.match(text[1:]) else text


def _guard_text(value: Any) -> Any:
    """Set an apostrophe before text that a spreadsheet would take for a formula."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def _make_header(sheet: Any) -> list[WriteOnlyCell]:
    """Make the cells of the header; those of columns that people fill in have another colour."""
    cells = []
    for column in COLUMNS:
        cell = WriteOnlyCell(sheet, column.name)
        cell.font = Font(bold=True, color="FFFFFFFF")
        cell.fill = PatternFill("solid", fgColor="FF8A5200" if column.is_filled_in else "FF1F4E79")
        cell.alignment = Alignment(vertical="top", wrap_text=True)
        cells.append(cell)
    return cells


def make_cell(sheet: Any, value: Any) -> Any:
    """Return a value as it is, or a cell of text if a spreadsheet would take it for a formula.

    Args:
        sheet: The sheet that the cell is for.
        value: Of the cell.
    """
    if not (isinstance(value, str) and FORMULA.match(value)):
        return value
    cell = WriteOnlyCell(sheet, value)
    cell.data_type = "s"
    cell.quotePrefix = True
    return cell


def _offer_choice(sheet: Any, name: str, formula: str, rows: int) -> None:
    """Offer a list to choose from in each row of a column."""
    letter = get_column_letter(NAMES.index(name) + 1)
    choice = DataValidation(type="list", formula1=formula, allow_blank=True)
    choice.error = "Choose one of the list, or leave it blank."
    choice.add(f"{letter}2:{letter}{max(rows, 1) + 1}")
    sheet.data_validations.append(choice)
