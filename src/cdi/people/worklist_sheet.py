"""The worklist as a sheet that people fill in, XLSX or CSV, and what they filled in.

Text of a log is never run as a formula: in XLSX it is typed as text, in CSV an apostrophe stands
before what a spreadsheet would take for one.
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
    """A column: its name, what it holds, how wide it is, and whether people fill it in."""

    name: str
    meaning: str
    width: int = 14
    is_filled_in: bool = False


COLUMNS = (
    SheetColumn("reported_crime_id", "The call, and which crime of it. Do not change it.", 22),
    SheetColumn("severity", "What stands first: rape, domestic abuse, child, weapon, other."),
    SheetColumn("time_limit", "Hours left to record it, or how long it is overdue."),
    SheetColumn("decision", "confirmed: a crime to be recorded; dismissed: none.", 12, True),
    SheetColumn("reason_code", "Of a dismissal: one of the sheet `reasons`.", 22, True),
    SheetColumn("decided_by", "Your staff number.", 12, True),
    SheetColumn("second_person", "Staff number of who agrees: to dismiss rape.", 14, True),
    SheetColumn("note", "Why, in words; names are masked when it is taken in.", 30, True),
    SheetColumn("first_account", "What was told first; names masked.", 60),
    SheetColumn("suspicion", "Why it is suspected, and the rule that answered.", 40),
    SheetColumn("offence_group_name", "Offence group.", 24),
    SheetColumn("district", "Police district of the call."),
    SheetColumn("received_on", "Day of the call, in the agency's time zone."),
    SheetColumn("final_type_name", "What the log was closed as.", 24),
    SheetColumn("disposition_code", "How it was closed."),
    SheetColumn("is_likely", "Likely, or only possible."),
    SheetColumn("miss_probability", "How likely the text model holds it for a miss; 0 to 1."),
    SheetColumn("non_crime_record_id", "Non-crime occurrence that may be it.", 18),
    SheetColumn("status", "suspected, or what was decided before."),
    SheetColumn("list_place", "Place on the list."),
    SheetColumn("version", "Version that the sheet was made from. Do not change it.", 26),
    SheetColumn("data", "SIMULATED where the data is invented."),
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
        file: Where.
        rows: A row of the list each, by the names of `COLUMNS`.
    """
    with file.open("w", newline="", encoding="utf-8-sig") as handle:  # the mark tells Excel UTF-8
        writer = csv.writer(handle, lineterminator="\r\n")
        writer.writerow(NAMES)
        writer.writerows([_guarded(row.get(name)) for name in NAMES] for row in rows)


def write_worklist_xlsx(
    file: Path, rows: Rows, reasons: Sequence[tuple[str, str]], title: str, made_at: datetime
) -> None:
    """Write the sheet as XLSX: frozen header, filters, and lists to choose from.

    Args:
        file: Where.
        rows: As for `write_worklist_csv`.
        reasons: Codes and names of the legitimate reasons.
        title: Of the file; says SIMULATED where it is.
        made_at: When, as the file tells it.
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
    sheet.append(_header(sheet))
    for row in rows:
        sheet.append([_text_cell(sheet, row.get(name)) for name in NAMES])
    _choose(sheet, "decision", f'"{",".join(DECISIONS)}"', len(rows))
    _choose(sheet, "reason_code", f"reasons!$A$2:$A${len(reasons) + 1}", len(rows))
    listed = book.create_sheet("reasons")
    for line in [("reason_code", "reason"), *reasons]:
        listed.append(line)
    told = book.create_sheet("columns")
    for line in [(title, ""), ("column", "meaning"), *((c.name, c.meaning) for c in COLUMNS)]:
        told.append(line)
    for other in (listed, told):
        other.column_dimensions["A"].width, other.column_dimensions["B"].width = 28, 80
    book.save(file)


def read_worklist_sheet(file: Path) -> dict[int, dict[str, Any]]:
    """What people filled in, by the number of the row in the sheet; rows left blank are none.

    Args:
        file: A filled-in sheet, ``.xlsx`` or ``.csv``.

    Returns:
        Columns of the dataset `decisions`, and the version that the sheet was made from.

    Raises:
        CdiError: DECIDE-SHEET if it is not the sheet of a worklist, or a row is not as it must be.
    """
    lines = list(_lines(file))
    header = [str(cell or "").strip() for cell in lines[0]] if lines else []
    needed = ["reported_crime_id", "version", *(c.name for c in COLUMNS if c.is_filled_in)]
    absent = [name for name in needed if name not in header]
    if absent:
        raise _refused(
            file, [f"row 1: the columns {', '.join(absent)} are missing"],
            "give the worklist.xlsx or worklist.csv of a version, with its header as it was",
        )  # fmt: skip
    given: dict[int, dict[str, Any]] = {}
    problems: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines[1:], 2):
        row = {name: _told(cell) for name, cell in zip(header, line, strict=False) if name}
        if not any(row.get(c.name) for c in COLUMNS if c.is_filled_in):
            continue
        cut = [name for name in needed if name not in row]
        if cut:
            problems.append(f"row {number}: it ends before the columns {', '.join(cut)}")
            continue
        found = CRIME_ID.fullmatch(row["reported_crime_id"])
        if row["decision"].lower() not in DECISIONS:
            problems.append(f"row {number}: decision is neither {' nor '.join(DECISIONS)}")
        if not found:
            problems.append(f"row {number}: reported_crime_id is no call with a number after #")
            continue
        if found[0] in seen:
            problems.append(f"row {number}: {found[0]} is decided in row {seen[found[0]]} already")
        seen[found[0]] = number
        given[number] = {
            "decision_kind": row["decision"].lower(),
            "call_reference": found[1],
            "crime_number": int(found[2]),
            "reason_code": row["reason_code"].upper(),
            "reason": row["note"],
            "decided_by": row["decided_by"],
            "second_person": row["second_person"],
            "version": row["version"],
        }
    if problems:
        raise _refused(file, problems, "correct these rows and give the sheet again")
    return given


def _refused(file: Path, problems: Iterable[str], fix: str) -> CdiError:
    told = "\n    ".join(problems)
    return CdiError("DECIDE-SHEET", f"{file}: nothing was written:\n    {told}", fix)


def _lines(file: Path) -> Iterator[Sequence[Any]]:
    """The rows of the sheet, header first."""
    if not file.is_file():
        raise _refused(file, ["there is no such file"], "give the path of the filled-in sheet")
    if file.suffix.lower() == ".csv":
        try:
            with file.open(newline="", encoding="utf-8-sig") as handle:
                yield from csv.reader(handle)
        except (UnicodeDecodeError, csv.Error) as error:
            raise _refused(
                file, [f"it is no CSV in UTF-8: {error}"], "save it as .xlsx, or as CSV in UTF-8"
            ) from None
        return
    try:
        book = load_workbook(file, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises whatever zip and XML do
        raise _refused(
            file, [f"it cannot be opened: {error}"], "save it as .xlsx or .csv"
        ) from None
    try:
        if SHEET not in book.sheetnames:
            raise _refused(file, [f"it has no sheet `{SHEET}`"], "keep the sheet's name")
        yield from book[SHEET].iter_rows(values_only=True)
    finally:
        book.close()


def _told(cell: Any) -> str:
    """A cell as text: a number without the decimals that a spreadsheet gives it."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    text = " ".join(str(cell).split())
    return text[1:] if text.startswith("'") and FORMULA.match(text[1:]) else text


def _guarded(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def _header(sheet: Any) -> list[WriteOnlyCell]:
    cells = []
    for column in COLUMNS:
        cell = WriteOnlyCell(sheet, column.name)
        cell.font = Font(bold=True, color="FFFFFFFF")
        cell.fill = PatternFill("solid", fgColor="FF8A5200" if column.is_filled_in else "FF1F4E79")
        cell.alignment = Alignment(vertical="top", wrap_text=True)
        cells.append(cell)
    return cells


def _text_cell(sheet: Any, value: Any) -> Any:
    """A value as it is; text that a spreadsheet would take for a formula as a cell of text."""
    if not (isinstance(value, str) and FORMULA.match(value)):
        return value
    cell = WriteOnlyCell(sheet, value)
    cell.data_type = "s"
    cell.quotePrefix = True
    return cell


def _choose(sheet: Any, name: str, formula: str, rows: int) -> None:
    """A list to choose from, in each row of a column."""
    letter = get_column_letter(NAMES.index(name) + 1)
    choice = DataValidation(type="list", formula1=formula, allow_blank=True)
    choice.error = "Choose one of the list, or leave it blank."
    choice.add(f"{letter}2:{letter}{max(rows, 1) + 1}")
    sheet.data_validations.append(choice)
