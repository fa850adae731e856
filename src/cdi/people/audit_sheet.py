"""The auditors' worksheets: one per auditor, as XLSX and as CSV, written and read back.

A worksheet shows what is in each log, masked, and nothing that the pipeline made of it: no
prediction, no link, no other auditor. The XLSX file has the drawn logs on one sheet and the crimes
found in them on another, with drop-downs. The CSV file has both kinds of rows in one table: the
columns of the dataset `audit_readings`, and beside them those of the log.
"""

import csv
import logging
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from openpyxl import Workbook, load_workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from cdi import paths
from cdi.agency.datasets import DATASETS, READINGS
from cdi.errors import AuditError
from cdi.files import write_whole
from cdi.people.sheet_cells import make_csv_cell, make_printable, set_up_print

# Columns of the dataset: the first four name a reading and its crime, the rest is filled in.
HEADER = tuple(column.name for column in DATASETS[READINGS])
SHOWN = {
    "call_id": "Log number",
    "received_at": "Received",
    "opened_as": "Opened as",
    "closed_as": "Closed as",
    "result": "Result",
    "qualifiers": "Qualifiers",
    "account": "What was said (masked)",
    "closing": "How it was closed (masked)",
}
READ = {
    "due_count": "Crimes that should be recorded",
    "recorded_count": "How many of them are recorded",
    "audited_at": "Read on (date, time)",
}
CRIME = {
    "call_reference": "Log number",
    "crime_number": "Crime (1, 2, ...)",
    "offence_code": "Offence code",
    "domestic_abuse_code": "Domestic abuse (Y/N)",
    "recorded_code": "Recorded (Y/N)",
    "recorded_at": "Recorded on (date, time)",
    "rightly_classified_code": "Rightly classified (Y/N)",
    "record_reference": "Crime record number",
}
BOTH = {"first_reading": "First reading", "second_reading": "Second reading"}
WIDE = {"account", "closing", *BOTH}
SECOND = "second"  # marks the sheet of the second readings
CRIMES_A_LOG = 3  # blank rows for crimes, per log
MOMENT = "%Y-%m-%d %H:%M:%S"
LEAST_DATE = "36526"  # 2000-01-01, as spreadsheets count days

# The rate counts a crime whose record was rightly cancelled in neither of its two numbers.
OF_CANCELLED = (
    "Do not count a crime whose record was cancelled by the rules. If its record was cancelled "
    "against the rules, count it and {say_no}."
)
INSTRUCTIONS = """\
Draw {draw_id}. Sheet of auditor {auditor}: {count} logs.
1. Read each log on the sheet Logs to its end. The text is masked: look at the log itself where it
   is not clear.
2. Count the crimes that should be recorded under the Home Office Counting Rules and the National
   Crime Recording Standard, one by one. Write the number, or 0.
3. Search the crime system by hand for each of them: by place, time and persons, not by the log's
   reference alone.
4. A crime is recorded (Y) if it has a record of its own, made before the sample was drawn: one
   that was made since recorded a missed crime. {of_cancelled}
5. Write each crime on the sheet Crimes: its log, 1, 2, 3 within the log, its offence code (sheet
   Codes), and what you found.
6. Write when you read the log; times are local. A log without a time counts as not yet read.
7. Read all logs, in any order. Do not discuss them with anyone: {readers}.
8. Deliver the file: {cdi} audit findings {agency} <file>. If you deliver again, that replaces what
   you delivered before, and the register shows both deliveries.
No rate is worked out until every log of every sheet has been read."""
READERS = {
    "": "when all were read, another person reads some of them too",
    SECOND: "another person has read them before you, and you must not know what was found",
}
DECIDE = """\
Draw {draw_id}. Sheet of the force crime registrar: {count} logs on which two auditors differ.
Each line shows both readings. Read the log, decide, and fill in the sheet as an auditor does:
what you write replaces both. Deliver it: {cdi} audit findings {agency} <file>."""


def write_audit_sheet(
    folder: Path,
    facts: Mapping[str, Any],
    logs: Sequence[Mapping[str, Any]],
    codes: Iterable[tuple[str, str]],
) -> list[Path]:
    """Write one auditor's worksheet, unless somebody has written into it.

    Args:
        folder: Where to write; made if absent.
        facts: agency, draw_id, auditor, is_simulated, and part: empty, or `SECOND`.
        logs: One row per log, with the columns of `SHOWN`; for the registrar also those of `BOTH`.
        codes: Offence codes that count as a crime, and their names.

    Returns:
        The XLSX and the CSV file; one that was filled in is kept, and is not among them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain = folder / f"{_name_sheet(facts)}.csv"
    workbook = plain.with_suffix(".xlsx")
    files = [file for file in (workbook, plain) if not _keep_filled_in(file)]
    if plain in files:
        write_csv_sheet(folder, facts, logs)
    if workbook in files:
        with write_whole(workbook) as book:
            _write_xlsx(book, facts, logs, list(codes), _list_shown_columns(logs))
    return files


def _name_sheet(facts: Mapping[str, Any]) -> str:
    mark = "SIMULATED_" if facts["is_simulated"] else ""
    return f"{mark}{facts['draw_id']}_{facts['auditor']}" + (facts["part"] and f"_{facts['part']}")


def _keep_filled_in(file: Path) -> bool:
    """Tell whether somebody has written into a worksheet, and say that it is kept."""
    try:
        is_kept = file.is_file() and bool(read_audit_sheet(file))
    except AuditError:
        is_kept = True  # it cannot be read, so it may hold what somebody wrote
    if is_kept:
        logging.getLogger(__name__).warning(
            "[SHEET-KEPT] %s is kept as it is, because somebody has filled it in. To get a blank "
            "one with all its logs, move it away and give the command again.",
            file,
        )
    return is_kept


def write_csv_sheet(
    folder: Path, facts: Mapping[str, Any], logs: Sequence[Mapping[str, Any]]
) -> None:
    """Write the CSV file of a worksheet, in place of one that is there."""
    file = folder / f"{_name_sheet(facts)}.csv"
    shown = [name for name in _list_shown_columns(logs) if name != "call_id"]
    with (
        write_whole(file) as written,
        written.open("w", newline="", encoding="utf-8") as handle,
    ):
        out = csv.writer(handle)
        out.writerow([*HEADER, *shown])
        for log in logs:
            filled_in = {
                "draw_id": facts["draw_id"],
                "call_reference": log["call_id"],
                "auditor_code": facts["auditor"],
                "crime_number": 0,
            }
            out.writerow(
                [make_csv_cell(filled_in.get(name, "")) for name in HEADER]
                + [make_csv_cell(log[name]) for name in shown]
            )


def _list_shown_columns(logs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Give the columns that a sheet shows of its logs, and their headings."""
    return SHOWN | (BOTH if logs and set(BOTH) <= set(logs[0]) else {})


def _write_xlsx(
    file: Path,
    facts: Mapping[str, Any],
    logs: Sequence[Mapping[str, Any]],
    codes: Sequence[tuple[str, str]],
    shown_columns: Mapping[str, str],
) -> None:
    """Write the workbook: instructions, logs, crimes, and the offence codes to choose from."""
    book = Workbook()
    about = book.active
    about.title = "Instructions"
    text = (DECIDE if set(BOTH) <= set(shown_columns) else INSTRUCTIONS).format(
        count=len(logs),
        cdi=paths.CDI,
        readers=READERS[facts["part"]],
        of_cancelled=OF_CANCELLED.format(say_no="write N"),
        **facts,
    )
    for line in _banner_row(facts) + text.replace("\n   ", " ").splitlines():
        about.append([line])
        about.cell(about.max_row, 1).alignment = Alignment(wrap_text=True, vertical="top")
    about.column_dimensions["A"].width = 110
    set_up_print(about, _banner_row(facts)[0])
    about["A1"].font = Font(bold=True, size=14)
    # The file is recognised by these two cells when it is read back, whatever its name is then.
    about["C1"], about["D1"] = facts["draw_id"], facts["auditor"]
    about.column_dimensions["C"].hidden = about.column_dimensions["D"].hidden = True
    sheet = _add_sheet(book, "Logs", {**shown_columns, **READ}, facts)
    for log in logs:
        _add_row(sheet, [log[name] for name in shown_columns] + [None] * len(READ))
    # Rows 1 and 2 are banner and headings; columns are counted from 1 in the order of the headings.
    last, first = 2 + max(1, len(logs)), len(shown_columns) + 1
    _allow_number(sheet, first, last, "0 to 20")
    _allow_number(sheet, first + 1, last, "0 to the number before it")
    _allow_moment(sheet, first + 2, last)
    crimes = _add_sheet(book, "Crimes", CRIME, facts)
    rows = 2 + max(50, CRIMES_A_LOG * len(logs))
    code_range = f"Codes!$A$3:$A${2 + max(1, len(codes))}"
    _allow_choice(crimes, 1, rows, f"Logs!$A$3:$A${last}", "a log of the sheet Logs")
    _allow_number(crimes, 2, rows, "1, 2, 3 within the log", least=1)
    _allow_choice(crimes, 3, rows, code_range, "a code of the sheet Codes")
    for column in (4, 5, 7):
        _allow_choice(crimes, column, rows, '"Y,N"', "Y or N")
    _allow_moment(crimes, 6, rows)
    code_sheet = _add_sheet(book, "Codes", {"code": "Offence code", "name": "Offence"}, facts)
    for code in codes:
        _add_row(code_sheet, list(code))
    book.save(file)


def _banner_row(facts: Mapping[str, Any]) -> list[str]:
    title = "SIMULATED: no real log, person or crime" if facts["is_simulated"] else "Crime audit"
    return [f"{title}. Draw {facts['draw_id']}, auditor {facts['auditor']}"]


def _add_sheet(
    book: Workbook, title: str, columns: Mapping[str, str], facts: Mapping[str, Any]
) -> Worksheet:
    """Add a sheet with the banner in its first row and the column headings in its second."""
    sheet = book.create_sheet(title)
    sheet.append(_banner_row(facts))
    sheet.append(list(columns.values()))
    for cell, name in zip(sheet[2], columns, strict=True):
        cell.font = Font(bold=True)
        cell.fill = PatternFill("solid", fgColor="DCE6F1")
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        sheet.column_dimensions[cell.column_letter].width = 60 if name in WIDE else 18
    sheet.freeze_panes = "B3"
    set_up_print(sheet, _banner_row(facts)[0])
    sheet.print_title_rows = "1:2"
    return sheet


def _add_row(sheet: Worksheet, values: Sequence[Any]) -> None:
    row = sheet.max_row + 1
    for column, value in enumerate(values, start=1):
        if value is None:
            continue
        cell = sheet.cell(row, column, make_printable(value))
        if isinstance(value, str):
            cell.data_type = "s"  # a text, whatever it begins with, and never a formula
            cell.alignment = Alignment(wrap_text=True, vertical="top")


def _validate_column(
    sheet: Worksheet, column: int, last: int, rule: DataValidation, allowed: str
) -> None:
    """Let a spreadsheet accept only some values in a column, and say which."""
    rule.showErrorMessage = rule.showInputMessage = True
    rule.errorTitle, rule.error = "Not possible here", f"Write {allowed}."
    rule.prompt = allowed
    sheet.add_data_validation(rule)
    letter = sheet.cell(2, column).column_letter
    rule.add(f"{letter}3:{letter}{last}")


def _allow_number(sheet: Worksheet, column: int, last: int, allowed: str, least: int = 0) -> None:
    rule = DataValidation("whole", operator="between", formula1=str(least), formula2="20")
    _validate_column(sheet, column, last, rule, allowed)


def _allow_choice(sheet: Worksheet, column: int, last: int, source: str, allowed: str) -> None:
    _validate_column(sheet, column, last, DataValidation("list", formula1=source), allowed)


def _allow_moment(sheet: Worksheet, column: int, last: int) -> None:
    rule = DataValidation("date", operator="greaterThan", formula1=LEAST_DATE)
    _validate_column(sheet, column, last, rule, "date and time, e.g. 2026-01-31 14:30")


# ---------------------------------------------------------------------- the way back


def read_audit_sheet(file: Path) -> list[dict[str, str]]:
    """Read the rows of the dataset `audit_readings` from a filled-in worksheet.

    Args:
        file: An XLSX or CSV file that `write_audit_sheet` made and an auditor filled in.

    Returns:
        One row per log that was read, and one per crime in it; a log that was not read has none.

    Raises:
        AuditError: AUDIT-SHEET if it is not such a file, or holds a formula.
    """
    try:
        rows = _read_xlsx(file) if file.suffix.lower() == ".xlsx" else _read_csv(file)
    # A workbook is a ZIP file; one that is cut short, empty or locked by a password is not.
    except (OSError, KeyError, ValueError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise _unusable_sheet(file, str(error)) from None
    # A row with nothing but log, auditor and crime number is a log that was not read yet.
    filled_in = [row for row in rows if any(row[name] for name in HEADER[4:])]
    for row in filled_in:
        for name, value in row.items():
            if value.startswith("="):
                raise _unusable_sheet(file, f"log {row['call_reference']}: {name} is a formula")
    return filled_in


def _unusable_sheet(file: Path, why: str) -> AuditError:
    return AuditError(
        "AUDIT-SHEET",
        f"{file.name} is not a filled-in worksheet: {why}",
        f"fill in the file that `{paths.CDI} audit worksheets` made, "
        "and keep its sheets and headings",
    )


def _read_csv(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        missing = set(HEADER) - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"no column {', '.join(sorted(missing))}")
        rows = [{name: cell_text(row[name]) for name in HEADER} for row in reader]
    # The time is asked for once per log: rows of crimes take it from the row of their log.
    read_at = {
        (row["call_reference"], row["auditor_code"]): row["audited_at"]
        for row in rows
        if row["crime_number"] == "0"
    }
    for row in rows:
        key = (row["call_reference"], row["auditor_code"])
        row["audited_at"] = row["audited_at"] or read_at.get(key, "")
    return rows


def _read_xlsx(file: Path) -> list[dict[str, str]]:
    book = load_workbook(file)
    about = book["Instructions"]
    sheet_facts = {
        "draw_id": cell_text(about["C1"].value),
        "auditor_code": cell_text(about["D1"].value),
    }
    blank = dict.fromkeys(HEADER, "")
    rows, read_at = [], {}
    for log in _read_sheet(book["Logs"], {"call_reference": SHOWN["call_id"], **READ}):
        rows.append({**blank, **sheet_facts, **log, "crime_number": "0"})
        read_at[log["call_reference"]] = log["audited_at"]
    for crime in _read_sheet(book["Crimes"], CRIME):
        if any(crime.values()):
            audited_at = read_at.get(crime["call_reference"], "")
            rows.append({**blank, **sheet_facts, **crime, "audited_at": audited_at})
    return rows


def _read_sheet(sheet: Worksheet, headings: Mapping[str, str]) -> list[dict[str, str]]:
    """Read the rows below the headings, by column name; columns may have been moved."""
    present = [cell.value for cell in sheet[2]]
    places = {name: present.index(heading) for name, heading in headings.items()}
    return [
        {name: cell_text(row[place]) for name, place in places.items()}
        for row in sheet.iter_rows(min_row=3, values_only=True)
    ]


def cell_text(value: Any) -> str:
    """Turn the value of a cell, or of a field of a form, into the text that the landing reads."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:{MOMENT}}"
    if isinstance(value, date):
        return f"{value:%Y-%m-%d} 00:00:00"
    # Spreadsheets keep whole numbers as floating-point numbers too.
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    text = text.strip()
    # Dates that were typed as text get a time, and times get seconds.
    if re.fullmatch(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?", text):
        return f"{text}:00" if " " in text else f"{text} 00:00:00"
    return text
