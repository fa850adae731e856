"""Cells of the sheets for people: whatever a text says, a sheet can hold it and does not run it.

A caller's words may begin like a formula, and a spreadsheet would run it. So in XLSX such a cell is
marked as text, and in CSV an apostrophe stands before it. A text that was pasted into a log may
also have characters that no XLSX file can hold: a blank stands for each.
"""

import re
from typing import Any

from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FORMULA = re.compile(r"\s*[=+\-@|\t\r]")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


BLUE, AMBER = "FF1F4E79", "FF8A5200"  # of headings


def make_heading(sheet: Any, text: str, colour: str = BLUE) -> Cell:
    """Make the cell of a heading: white on a colour, in as many lines as it takes.

    Args:
        sheet: The sheet that the cell is for.
        text: Of the heading.
        colour: Behind it.
    """
    cell = WriteOnlyCell(sheet, text)
    cell.font = Font(bold=True, color="FFFFFFFF")
    cell.fill = PatternFill("solid", fgColor=colour)
    cell.alignment = Alignment(vertical="top", wrap_text=True)
    return cell


def make_printable(value: Any) -> Any:
    """Put a blank for each character that no XLSX file can hold.

    Args:
        value: Of a cell; only texts are changed.
    """
    return _UNPRINTABLE.sub(" ", value) if isinstance(value, str) else value


def make_csv_cell(value: Any) -> Any:
    """Make a value safe for CSV: no spreadsheet takes it for a formula.

    Args:
        value: Of a cell; only texts are changed.
    """
    text = make_printable(value)
    return f"'{text}" if isinstance(text, str) and _FORMULA.match(text) else text


def read_csv_cell(text: str) -> str:
    """Take away the apostrophe that `make_csv_cell` sets before a text.

    Args:
        text: Of a cell, which a person may have changed.
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


def mark_as_utf8(text: str) -> str:
    """Make a CSV text that every spreadsheet and program reads letter by letter.

    Excel reads a file as UTF-8 only if it begins with the byte order mark. Some programs take the
    mark for a part of the first column's name, so it is left out where Excel does not need it.

    Args:
        text: The whole text of a file.
    """
    return text if text.isascii() else f"\ufeff{text}"


def make_xlsx_cell(sheet: Any, value: Any) -> Any:
    """Return a value that XLSX can hold, as a cell of text if it would be taken for a formula.

    Args:
        sheet: The sheet that the cell is for.
        value: Of the cell.
    """
    value = make_printable(value)
    if not (isinstance(value, str) and _FORMULA.match(value)):
        return value
    cell = WriteOnlyCell(sheet, value)
    cell.data_type = "s"
    cell.quotePrefix = True
    return cell


def set_up_print(sheet: Any, title: str, paper: str = Worksheet.PAPERSIZE_A4) -> None:
    """Let a sheet print landscape, as wide as one page, with its title on each page.

    Args:
        sheet: The sheet.
        title: What it is.
        paper: One of openpyxl's sizes of paper.
    """
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = paper
    sheet.page_setup.fitToHeight = 0  # as many pages as it takes
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.oddHeader.center.text = title.replace("&", "&&")
    sheet.oddFooter.center.text = "Page &P of &N"
