"""The worklist as a sheet, XLSX or CSV, for people; `cdi.people.filled_sheet` reads it back."""

import csv
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from cdi.people.sheet_cells import (
    AMBER,
    BLUE,
    make_csv_cell,
    make_heading,
    make_xlsx_cell,
    set_up_print,
)


class SheetColumn(NamedTuple):
    """A column of the sheet: its name, what it holds, and how it is shown.

    Attributes:
        name: In the header.
        meaning: For people, on the sheet `columns`.
        width: In letters.
        is_filled_in: Whether people fill it in.
        is_long: Whether its text is shown in several lines.
    """

    name: str
    meaning: str
    width: int = 14
    is_filled_in: bool = False
    is_long: bool = False


COLUMNS = (
    SheetColumn("reported_crime_id", "The log, and which of its crimes. Do not change it.", 22),
    SheetColumn("severity", "Its place in the order: rape, domestic abuse, child, weapon, other."),
    SheetColumn("record_by", "Record by this local time; blank if it is dismissed.", 18),
    SheetColumn("to_read", "now: one of the logs that can be read in a month; or later.", 18),
    SheetColumn("decision", "confirmed: must be recorded; dismissed: no record needed.", 12, True),
    SheetColumn("reason_code", "For a dismissal: a code of the sheet `reasons`.", 22, True),
    SheetColumn("decided_by", "Your staff number or sign-in name.", 12, True),
    SheetColumn("second_person", "The person who agrees; needed for rape.", 14, True),
    SheetColumn("note", "Why, in words. We mask names when we read the sheet.", 30, True),
    SheetColumn("first_account", "What was said first. Some names may remain.", 60, is_long=True),
    SheetColumn("closing_text", "How the log was closed. Some names may remain.", 60, is_long=True),
    SheetColumn("suspicion", "Why a crime is suspected, and by which rule.", 40, is_long=True),
    SheetColumn("offence_group_name", "Offence group.", 24),
    SheetColumn("district", "Police district of the log."),
    SheetColumn("received_on", "Day of the log, in the agency's time zone."),
    SheetColumn("final_type_name", "The type that the log was closed as.", 24),
    SheetColumn("disposition_code", "How it was closed."),
    SheetColumn("likelihood", "How likely it is a missed crime: very_likely, likely or possible."),
    SheetColumn("non_crime_record_id", "Non-crime occurrence that may be about it.", 18),
    SheetColumn("status", "suspected, or what was decided before."),
    SheetColumn("list_place", "Place on the list."),
    SheetColumn("version", "Version that the sheet was made from. Do not change it.", 26),
    SheetColumn("data", "SIMULATED if the data is invented."),
)
NAMES = [column.name for column in COLUMNS]
WHY_REFUSED = SheetColumn(
    "why_refused", "What to correct. Then give the sheet again.", 60, is_long=True
)
LAST_PRINTED = "suspicion"  # what comes after it would make the print too small to read
LOG_ADDRESS = "log_address"  # of a row, no column: where a reader finds its log
DECISIONS = ("confirmed", "dismissed")
SHEET = "worklist"

Rows = Sequence[Mapping[str, Any]]


def write_worklist_csv(file: Path, rows: Rows, columns: Sequence[SheetColumn] = COLUMNS) -> None:
    """Write the sheet as CSV.

    Args:
        file: The file to write.
        rows: The rows of the worklist, by the names of the columns.
        columns: The columns of the sheet.
    """
    names = [column.name for column in columns]
    # Excel reads a CSV file as UTF-8 only if it begins with the byte order mark ("-sig").
    with file.open("w", newline="", encoding="utf-8-sig") as handle:
        writer = csv.writer(handle, lineterminator="\r\n")
        writer.writerow(names)
        writer.writerows([make_csv_cell(row.get(name)) for name in names] for row in rows)


def write_worklist_xlsx(
    file: Path,
    rows: Rows,
    reasons: Sequence[tuple[str, str]],
    title: str,
    made_at: datetime,
    columns: Sequence[SheetColumn] = COLUMNS,
) -> None:
    """Write the sheet as XLSX: frozen header, filters, lists to choose from, and ready to print.

    Args:
        file: The file to write.
        rows: As for `write_worklist_csv`; a time is the agency's local time. The first cell of a
            row links to its `log_address`, if it has one.
        reasons: Codes and names of the legitimate reasons.
        title: The title of the file; it says SIMULATED if the data is invented.
        made_at: The time that the file names as its own, so that equal builds write equal files.
        columns: The columns of the sheet.
    """
    book = Workbook(write_only=True)
    book.properties.title = title
    book.properties.creator = "cdi"
    book.properties.created = book.properties.modified = made_at
    sheet = book.create_sheet(SHEET)
    letters = {column.name: get_column_letter(n) for n, column in enumerate(columns, 1)}
    _lay_out(sheet, title, columns, letters, len(rows))
    # columns that people fill in have another colour
    sheet.append([make_heading(sheet, c.name, AMBER if c.is_filled_in else BLUE) for c in columns])
    for row in rows:
        cells = [_make_cell(sheet, row.get(column.name), column) for column in columns]
        if row.get(LOG_ADDRESS):
            cells[0] = _link_cell(sheet, cells[0], row[LOG_ADDRESS])
        sheet.append(cells)
    _offer_choice(sheet, letters["decision"], f'"{",".join(DECISIONS)}"', len(rows))
    _offer_choice(sheet, letters["reason_code"], f"reasons!$A$2:$A${len(reasons) + 1}", len(rows))
    meanings = [(column.name, column.meaning) for column in columns]
    for name, lines in (
        ("reasons", [("reason_code", "reason"), *reasons]),
        ("columns", [(title, ""), ("column", "meaning"), *meanings]),
    ):
        other = book.create_sheet(name)
        other.column_dimensions["A"].width, other.column_dimensions["B"].width = 28, 80
        for line in lines:
            other.append(line)
    book.save(file)


def _lay_out(
    sheet: Any,
    title: str,
    columns: Sequence[SheetColumn],
    letters: Mapping[str, str],
    row_count: int,
) -> None:
    """Set widths, filters and the print: A3 landscape, with the header on each page."""
    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = f"A1:{letters[columns[-1].name]}{row_count + 1}"
    for column in columns:
        dimension = sheet.column_dimensions[letters[column.name]]
        dimension.width = column.width
        if column.is_filled_in:
            dimension.number_format = "@"  # a staff number keeps its zeros
    set_up_print(sheet, title, Worksheet.PAPERSIZE_A3)
    sheet.print_title_rows = "1:1"
    sheet.print_area = f"A1:{letters[LAST_PRINTED]}{row_count + 1}"


def _make_cell(sheet: Any, value: Any, column: SheetColumn) -> Any:
    """Return the cell of a column: long text is wrapped, and a time is a date of the sheet."""
    cell = make_xlsx_cell(sheet, value)
    is_long = column.is_long and bool(value)
    if not (is_long or isinstance(value, datetime)):
        return cell
    if not isinstance(cell, Cell):
        cell = WriteOnlyCell(sheet, cell)
    if isinstance(value, datetime):
        cell.number_format = "ddd d mmm yyyy hh:mm"
    if is_long:
        cell.alignment = Alignment(vertical="top", wrap_text=True)
    return cell


def _link_cell(sheet: Any, cell: Any, address: str) -> Cell:
    """Return a cell as a link, which it looks like too."""
    linked = cell if isinstance(cell, Cell) else WriteOnlyCell(sheet, cell)
    linked.hyperlink = address
    linked.font = Font(color="FF0563C1", underline="single")
    return linked


def _offer_choice(sheet: Any, letter: str, formula: str, rows: int) -> None:
    """Offer a list to choose from in each row of a column."""
    choice = DataValidation(type="list", formula1=formula, allow_blank=True)
    choice.error = "Choose one from the list, or leave it blank."
    choice.add(f"{letter}2:{letter}{max(rows, 1) + 1}")
    sheet.data_validations.append(choice)
