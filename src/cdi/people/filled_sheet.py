"""What people filled in on the sheet of a worklist: read back, or handed back where it is wrong."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from openpyxl import load_workbook

from cdi import paths
from cdi.errors import CdiError
from cdi.people.sheet_cells import read_csv_cell
from cdi.people.worklist_sheet import (
    COLUMNS,
    DECISIONS,
    SHEET,
    WHY_REFUSED,
    write_worklist_csv,
    write_worklist_xlsx,
)

CRIME_ID = re.compile(r"(.+)#(\d+)")
FILLED_IN = [column.name for column in COLUMNS if column.is_filled_in]
NEEDED = ["reported_crime_id", "version", *FILLED_IN]


class FilledSheet(NamedTuple):
    """What people filled in.

    Attributes:
        decisions: By the number of the row: columns of the dataset `decisions`, and the version
            that the sheet was made from. Rows that people left blank are not in it.
        problems: By the number of the row, all that is wrong with it as it stands.
        cells: By the number of the row, its cells by the names of the header.
    """

    decisions: dict[int, dict[str, Any]]
    problems: dict[int, list[str]]
    cells: dict[int, dict[str, Any]]


def read_worklist_sheet(file: Path) -> FilledSheet:
    """Read what people filled in.

    Args:
        file: A filled-in sheet, ``.xlsx`` or ``.csv``.

    Raises:
        CdiError: DECIDE-SHEET if it is not the sheet of a worklist.
    """
    lines = list(_read_lines(file))
    header = [str(cell or "").strip() for cell in lines[0]] if lines else []
    absent = [name for name in NEEDED if name not in header]
    if absent:
        raise _refuse_sheet(
            file,
            f"row 1: the columns {', '.join(absent)} are missing",
            "give the worklist.xlsx or worklist.csv of a version, with its header as it was",
        )
    sheet = FilledSheet({}, {}, {})
    row_of_crime: dict[str, int] = {}
    for number, line in enumerate(lines[1:], 2):
        cells = {name: cell for name, cell in zip(header, line, strict=False) if name}
        row = {name: _read_cell(cell) for name, cell in cells.items()}
        if not any(row.get(name) for name in FILLED_IN):
            continue
        sheet.cells[number] = cells
        problems = _find_slips(row)
        crime = CRIME_ID.fullmatch(row.get("reported_crime_id", ""))
        if crime:
            earlier = row_of_crime.setdefault(crime[0], number)
            if earlier != number:
                problems.append(f"{crime[0]} is decided in row {earlier} already")
            sheet.decisions[number] = {
                "decision_kind": row.get("decision", "").lower(),
                "call_reference": crime[1],
                "crime_number": int(crime[2]),
                "reason_code": row.get("reason_code", "").upper(),
                "reason": row.get("note", ""),
                "decided_by": row.get("decided_by", ""),
                "second_person": row.get("second_person", ""),
                "version": row.get("version", ""),
            }
        if problems:
            sheet.problems[number] = problems
    return sheet


def _find_slips(row: Mapping[str, str]) -> list[str]:
    """List what is wrong with a row that can be seen without the rules and the version."""
    absent = [name for name in NEEDED if name not in row]
    if absent:
        return [f"it ends before the columns {', '.join(absent)}"]
    problems = []
    if row["decision"].lower() not in DECISIONS:
        told = f'"{row["decision"]}" is not a decision' if row["decision"] else "decision is empty"
        problems.append(f"{told}. Use {' or '.join(DECISIONS)}")
    if row["decision"].lower() == "confirmed" and row.get("reason_code"):
        problems.append(
            f'a confirmed crime has no reason_code, but "{row["reason_code"]}" is in it. '
            "Empty it, or write dismissed"
        )
    if not row["decided_by"]:
        problems.append("decided_by is empty. Give your staff number or sign-in name")
    if not CRIME_ID.fullmatch(row["reported_crime_id"]):
        problems.append(
            f'reported_crime_id "{row["reported_crime_id"]}" is not a log with a number after #. '
            "Copy it from the worklist"
        )
    return problems


def write_refused_rows(file: Path, sheet: FilledSheet, reasons: Sequence[tuple[str, str]]) -> Path:
    """Hand back the rows with a problem, as a sheet that can be corrected and given again.

    Args:
        file: The sheet that was given.
        sheet: What was read of it, with all problems.
        reasons: Codes and names of the legitimate reasons.

    Returns:
        The file, beside the given one. It never replaces one: people may have worked on that.
    """
    target = _choose_name(file)
    columns = (WHY_REFUSED, *COLUMNS)
    rows = [
        sheet.cells[number] | {WHY_REFUSED.name: f"Row {number}: {'; '.join(problems)}."}
        for number, problems in sorted(sheet.problems.items())
    ]
    if target.suffix.lower() == ".csv":
        read = [{name: _read_cell(cell) for name, cell in row.items()} for row in rows]
        write_worklist_csv(target, read, columns)
    else:
        is_simulated = any(row.get("data") for row in rows)
        title = f"{'SIMULATED: ' if is_simulated else ''}Rows of {file.name} that were refused"
        write_worklist_xlsx(target, rows, reasons, title, datetime.now(), columns)
    return target


def _choose_name(file: Path) -> Path:
    """Choose a name beside a sheet that no file has: `worklist-refused.xlsx`, then `-refused-2`."""
    stem = re.sub(r"-refused(-\d+)?$", "", file.stem)
    number = 1
    while True:
        ending = "-refused" if number == 1 else f"-refused-{number}"
        target = file.with_name(f"{stem}{ending}{file.suffix}")
        if not target.exists():
            return target
        number += 1


def read_legitimate_reasons() -> list[tuple[str, str]]:
    """Read codes and names of the reasons for which a report may be dismissed, in their order."""
    seed = paths.DBT_PROJECT / "seeds" / "reasons.csv"
    with seed.open(newline="", encoding="utf-8") as handle:
        return sorted(
            (row["reason_code"], row["reason_name"])
            for row in csv.DictReader(handle)
            if row["is_legitimate"] == "true"
        )


def _refuse_sheet(file: Path, problem: str, fix: str) -> CdiError:
    return CdiError("DECIDE-SHEET", f"{file}: nothing was saved: {problem}", fix)


def _read_lines(file: Path) -> Iterator[Sequence[Any]]:
    """Read the rows of the sheet, its header first."""
    if not file.is_file():
        raise _refuse_sheet(file, "there is no such file", "give the path of the filled-in sheet")
    if file.suffix.lower() == ".csv":
        try:
            with file.open(newline="", encoding="utf-8-sig") as handle:
                yield from csv.reader(handle)
        except (UnicodeDecodeError, csv.Error) as error:
            raise _refuse_sheet(
                file, f"it is not CSV in UTF-8: {error}", "save it as .xlsx, or as CSV in UTF-8"
            ) from None
        return
    try:
        book = load_workbook(file, read_only=True, data_only=True)
    except Exception as error:  # openpyxl lets through whatever its readers of zip and XML raise
        raise _refuse_sheet(
            file, f"it cannot be opened: {error}", "save it as .xlsx or .csv"
        ) from None
    try:
        if SHEET not in book.sheetnames:
            raise _refuse_sheet(file, f"it has no sheet `{SHEET}`", "keep the sheet's name")
        yield from book[SHEET].iter_rows(values_only=True)
    finally:
        book.close()


def _read_cell(cell: Any) -> str:
    """Read a cell as text.

    A number loses the decimals that a spreadsheet gave it, and text loses the apostrophe that was
    set before it (`make_csv_cell`).
    """
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    text = " ".join(str(cell).split())
    return read_csv_cell(text)
