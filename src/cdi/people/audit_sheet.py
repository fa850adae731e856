"""What auditors fill in: one sheet per auditor as XLSX and as CSV, and its way back.

A sheet shows what was in the log, masked, and never what the pipeline made of it: no prediction, no
link, no second reader. The XLSX has the drawn logs on one sheet and the crimes found in them on
another, with drop-downs; the CSV has both kinds of rows in one table, the columns of the dataset
`audit_readings` and the log's own beside them.
"""

import csv
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

HEADER = tuple(column.name for column in DATASETS[READINGS])
SHOWN = {
    "call_id": "Log number",
    "received_at": "Received",
    "opened_as": "Opened as",
    "closed_as": "Closed as",
    "result": "Result",
    "qualifiers": "Qualifiers",
    "account": "What was told (masked)",
    "closing": "How it was closed (masked)",
}
READ = {
    "due_count": "Crimes that should be recorded",
    "recorded_count": "Of them recorded",
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
CRIMES_A_LOG = 3  # blank rows for crimes, on average
MOMENT = "%Y-%m-%d %H:%M:%S"
# what a spreadsheet would run, and characters that no spreadsheet file may hold
FORMULA = re.compile(r"^\s*[=+\-@|\t\r]")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")

INSTRUCTIONS = """\
Draw {draw_id}. Sheet of auditor {auditor}: {count} logs.
1. Read each log on the sheet Logs to its end. The text is masked: look at the log itself where it
   is not clear.
2. Count the crimes that the Home Office Counting Rules and the National Crime Recording Standard
   ask to record, one by one. Write the number, or 0.
3. Search the crime system by hand for each of them: by place, time and persons, not by the log's
   reference alone.
4. Recorded (Y) is a crime that has a record of its own that stands. A record that was cancelled
   against the rules is N.
5. Write each crime on the sheet Crimes: its log, 1, 2, 3 within the log, its offence code (sheet
   Codes), and what you found.
6. Write when you read the log; times are local. A log without it counts as not yet read.
7. Read all logs, in any order. Talk with nobody about them: some are read by two people.
8. Give the file back: {cdi} audit findings {agency} <file>. A second delivery takes the place of
   the first; the register keeps that there were two.
No rate is worked out before every log of every sheet was read."""
DECIDE = """\
Draw {draw_id}. Sheet of the force crime registrar: {count} logs on which two auditors differ.
Each line shows both readings. Read the log, decide, and fill in the sheet as an auditor does:
what you write counts in place of both. Give it back: {cdi} audit findings {agency} <file>."""


def safe_cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = UNPRINTABLE.sub(" ", value)
    return f"'{text}" if FORMULA.match(text) else text


def write_audit_sheet(
    folder: Path,
    facts: Mapping[str, Any],
    logs: Sequence[Mapping[str, Any]],
    codes: Iterable[tuple[str, str]],
) -> list[Path]:
    """Write one auditor's sheet.

    Args:
        folder: Where; made if absent.
        facts: agency, draw_id, auditor, is_simulated.
        logs: Columns of `SHOWN`, for the registrar also of `BOTH`; one row per log.
        codes: Offence codes that count as a crime, and their names.

    Returns:
        The XLSX and the CSV file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = "SIMULATED_" if facts["is_simulated"] else ""
    stem = f"{mark}{facts['draw_id']}_{facts['auditor']}"
    shown = SHOWN | (BOTH if logs and set(BOTH) <= set(logs[0]) else {})
    files = [folder / f"{stem}.xlsx", folder / f"{stem}.csv"]
    _write_xlsx(files[0], facts, logs, list(codes), shown)
    with files[1].open("w", newline="", encoding="utf-8") as handle:
        out = csv.writer(handle)
        out.writerow([*HEADER, *(name for name in shown if name != "call_id")])
        for log in logs:
            given = {
                "draw_id": facts["draw_id"],
                "call_reference": log["call_id"],
                "auditor_code": facts["auditor"],
                "crime_number": 0,
            }
            out.writerow(
                [safe_cell(given.get(name, "")) for name in HEADER]
                + [safe_cell(log[name]) for name in shown if name != "call_id"]
            )
    return files


def _write_xlsx(
    file: Path,
    facts: Mapping[str, Any],
    logs: Sequence[Mapping[str, Any]],
    codes: Sequence[tuple[str, str]],
    shown: Mapping[str, str],
) -> None:
    book = Workbook()
    about = book.active
    about.title = "Instructions"
    text = (DECIDE if set(BOTH) <= set(shown) else INSTRUCTIONS).format(
        count=len(logs), cdi=paths.CDI, **facts
    )
    for line in _banner(facts) + text.replace("\n   ", " ").splitlines():
        about.append([line])
        about.cell(about.max_row, 1).alignment = Alignment(wrap_text=True, vertical="top")
    about.column_dimensions["A"].width = 110
    about["A1"].font = Font(bold=True, size=14)
    # what reads the file back knows it by these two, not by its name
    about["C1"], about["D1"] = facts["draw_id"], facts["auditor"]
    about.column_dimensions["C"].hidden = about.column_dimensions["D"].hidden = True
    sheet = _sheet(book, "Logs", {**shown, **READ}, facts)
    for log in logs:
        _add(sheet, [log[name] for name in shown] + [None] * len(READ))
    last, first = 2 + max(1, len(logs)), len(shown) + 1
    _whole(sheet, first, last, "0 to 20")
    _whole(sheet, first + 1, last, "0 to the number before it")
    _moment(sheet, first + 2, last)
    crimes = _sheet(book, "Crimes", CRIME, facts)
    rows = 2 + max(50, CRIMES_A_LOG * len(logs))
    _choice(crimes, 1, rows, f"Logs!$A$3:$A${last}", "a log of the sheet Logs")
    _whole(crimes, 2, rows, "1, 2, 3 within the log", least=1)
    _choice(crimes, 3, rows, f"Codes!$A$3:$A${2 + max(1, len(codes))}", "a code of the sheet Codes")
    for place in (4, 5, 7):
        _choice(crimes, place, rows, '"Y,N"', "Y or N")
    _moment(crimes, 6, rows)
    listed = _sheet(book, "Codes", {"code": "Offence code", "name": "Offence"}, facts)
    for code in codes:
        _add(listed, list(code))
    book.save(file)


def _banner(facts: Mapping[str, Any]) -> list[str]:
    told = "SIMULATED: no real log, person or crime" if facts["is_simulated"] else "Crime audit"
    return [f"{told}. Draw {facts['draw_id']}, auditor {facts['auditor']}"]


def _sheet(
    book: Workbook, title: str, columns: Mapping[str, str], facts: Mapping[str, Any]
) -> Worksheet:
    """A sheet with the banner in its first row and the column headings in its second."""
    sheet = book.create_sheet(title)
    sheet.append(_banner(facts))
    sheet.append(list(columns.values()))
    for cell, name in zip(sheet[2], columns, strict=True):
        cell.font = Font(bold=True)
        cell.fill = PatternFill("solid", fgColor="DCE6F1")
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        sheet.column_dimensions[cell.column_letter].width = 60 if name in WIDE else 18
    sheet.freeze_panes = "B3"
    return sheet


def _add(sheet: Worksheet, values: Sequence[Any]) -> None:
    row = sheet.max_row + 1
    for place, value in enumerate(values, start=1):
        if value is None:
            continue
        is_text = isinstance(value, str)
        cell = sheet.cell(row, place, UNPRINTABLE.sub(" ", value) if is_text else value)
        if is_text:
            cell.data_type = "s"  # text whatever it begins with, never a formula
            cell.alignment = Alignment(wrap_text=True, vertical="top")


def _validate(sheet: Worksheet, place: int, last: int, rule: DataValidation, told: str) -> None:
    rule.showErrorMessage = rule.showInputMessage = True
    rule.errorTitle, rule.error, rule.prompt = "Not possible here", f"Write {told}.", told
    sheet.add_data_validation(rule)
    letter = sheet.cell(2, place).column_letter
    rule.add(f"{letter}3:{letter}{last}")


def _whole(sheet: Worksheet, place: int, last: int, told: str, least: int = 0) -> None:
    rule = DataValidation("whole", operator="between", formula1=str(least), formula2="20")
    _validate(sheet, place, last, rule, told)


def _choice(sheet: Worksheet, place: int, last: int, source: str, told: str) -> None:
    _validate(sheet, place, last, DataValidation("list", formula1=source), told)


def _moment(sheet: Worksheet, place: int, last: int) -> None:
    rule = DataValidation("date", operator="greaterThan", formula1="36526")
    _validate(sheet, place, last, rule, "date and time, e.g. 2026-01-31 14:30")


# ---------------------------------------------------------------------- the way back


def read_audit_sheet(file: Path) -> list[dict[str, str]]:
    """Rows of the dataset `audit_readings` that a filled-in sheet holds; unread logs have none.

    Args:
        file: An XLSX or CSV file as `write_audit_sheet` made it, filled in.

    Raises:
        AuditError: AUDIT-SHEET if it is none, or holds something that cannot be taken.
    """
    try:
        rows = _read_xlsx(file) if file.suffix.lower() == ".xlsx" else _read_csv(file)
    # a workbook is a ZIP file, but for one that is cut, empty or locked by a password
    except (OSError, KeyError, ValueError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise _unusable(file, str(error)) from None
    # a log counts as read once its counts are there; rows of its crimes go with it
    kept = [row for row in rows if any(row[n] for n in HEADER[4:])]
    for row in kept:
        for name, value in row.items():
            if value.startswith("="):
                raise _unusable(file, f"log {row['call_reference']}: {name} is a formula")
    return kept


def _unusable(file: Path, why: str) -> AuditError:
    return AuditError(
        "AUDIT-SHEET",
        f"{file.name} is no filled-in worksheet: {why}",
        f"fill in the file that `{paths.CDI} audit worksheets` made, "
        "and keep its sheets and headings",
    )


def _read_csv(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        missing = set(HEADER) - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"no column {', '.join(sorted(missing))}")
        rows = [{name: _text(row[name]) for name in HEADER} for row in reader]
    read_on = {
        (r["call_reference"], r["auditor_code"]): r["audited_at"]
        for r in rows
        if r["crime_number"] == "0"
    }
    for row in rows:  # the time is asked for once a log
        row["audited_at"] = row["audited_at"] or read_on.get(
            (row["call_reference"], row["auditor_code"]), ""
        )
    return rows


def _read_xlsx(file: Path) -> list[dict[str, str]]:
    book = load_workbook(file)
    about = book["Instructions"]
    given = {"draw_id": _text(about["C1"].value), "auditor_code": _text(about["D1"].value)}
    blank = dict.fromkeys(HEADER, "")
    rows, read_on = [], {}
    for log in _records(book["Logs"], {"call_reference": SHOWN["call_id"], **READ}):
        rows.append({**blank, **given, **log, "crime_number": "0"})
        read_on[log["call_reference"]] = log["audited_at"]
    for crime in _records(book["Crimes"], CRIME):
        if any(crime.values()):
            read_at = read_on.get(crime["call_reference"], "")
            rows.append({**blank, **given, **crime, "audited_at": read_at})
    return rows


def _records(sheet: Worksheet, columns: Mapping[str, str]) -> list[dict[str, str]]:
    headings = [cell.value for cell in sheet[2]]
    places = {name: headings.index(heading) for name, heading in columns.items()}
    return [
        {name: _text(row[place]) for name, place in places.items()}
        for row in sheet.iter_rows(min_row=3, values_only=True)
    ]


def _text(value: Any) -> str:
    """A cell as the landing reads it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:{MOMENT}}"
    if isinstance(value, date):
        return f"{value:%Y-%m-%d} 00:00:00"
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    text = text.strip()
    # dates typed as text, with or without seconds
    if re.fullmatch(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?", text):
        return f"{text} 00:00:00"[:19] if " " not in text else f"{text}:00"
    return text
