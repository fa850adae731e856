"""Invented sources for the tests of this folder: a control room's calls and a records system."""

import csv
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from cdi.onboarding.profile import ColumnProfile, profile_columns
from cdi.onboarding.reading import Sample, read_file_sample

# None of these may be in any file or on any screen.
PERSONAL = ("Jane Quill", "07700 900123", "12 Larch Road", "quill@example.org", "says her husband")
RARE = "XRARE9"  # nine calls have this type
TYPES = {"BURG": "Burglary residential", "ASLT": "Assault", "ALRM": "Burglar alarm", "ZZ": "Zebra"}


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as CSV; the first has all columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def invent_calls(count: int = 400) -> list[dict[str, Any]]:
    """Invent calls whose number is the year in two digits and a serial with zeros."""
    draw = random.Random(1)  # noqa: S311 -- invented rows, no secret
    start = datetime(2026, 1, 5, 8)
    rows = []
    for place in range(count):
        received = start + timedelta(hours=3 * place)
        code = RARE if 50 <= place < 59 else list(TYPES)[draw.randrange(4)]
        rows.append(
            {
                "CAD Event Number": f"26{place * 7 + 11:09d}",
                "Time Received": f"{received:%m/%d/%Y %H:%M}",
                "Time Closed": f"{received + timedelta(hours=1):%m/%d/%Y %H:%M}"
                if place % 3
                else "",
                "Nature Code": code,
                "Nature Description": TYPES.get(code, "Rare thing"),
                "Disposition": draw.choice(["REPORT WRITTEN", "GONE ON ARRIVAL", "DUPLICATE"]),
                "Beat": f"B{draw.randrange(9)}",
                "Officer Initiated": "Y" if place % 4 == 0 else "N",
                "Caller Name": PERSONAL[0] if place % 2 else "Sam Other",
                "Caller Phone": PERSONAL[1],
                "Incident Address": PERSONAL[2],
                "Remarks": f"{PERSONAL[4]} {PERSONAL[3]} {place}",
                "Responding": "Quill" if place % 2 else "Other",
            }
        )
    return rows


def invent_records(count: int = 400) -> list[dict[str, Any]]:
    """Invent the record of every third call, with the year in four digits and a bare serial."""
    rows = []
    for call in invent_calls(count)[::3]:
        received = datetime.strptime(call["Time Received"], "%m/%d/%Y %H:%M")
        reported = received + timedelta(minutes=40)
        rows.append(
            {
                "Report Number": f"2026{int(call['CAD Event Number'][2:])}",
                "Reported Date": f"{reported:%Y-%m-%dT%H:%M:%S}",
                "Offense Code": "220" if len(rows) % 2 else "13B",
                "Offense Description": "Burglary" if len(rows) % 2 else "Simple assault",
                "Case Status": "UNFOUNDED" if len(rows) % 5 == 0 else "OPEN",
                "Victim Name": PERSONAL[0],
                "Victim Race": "W",
            }
        )
    return rows


def read_rows(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    dataset: str = "calls",
) -> Sample:
    """Read rows as a sample, by way of a file."""
    return read_file_sample(con, dataset, write_csv(folder / f"{dataset}.csv", rows))


def profile_rows(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    dataset: str = "calls",
    is_day_first: bool | None = None,
) -> dict[str, ColumnProfile]:
    """Profile the columns of rows, by their names as delivered."""
    sample = read_rows(con, folder, rows, dataset)
    return {p.header: p for p in profile_columns(con, sample, is_day_first)}
