"""Files of auditors' readings (`cdi.paths.findings`), as rows of the dataset `audit_readings`."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.agency.model import Agency
from cdi.people.audit_sheet import HEADER
from cdi.sealed_files import verify_file

Row = Mapping[str, Any]


def read_delivered(agency: Agency, draw_id: str) -> tuple[list[Row], list[Row]]:
    """Read the readings of a draw that are kept, as `cdi.audit.findings` takes them.

    Args:
        agency: Whose audit.
        draw_id: Name of the draw.

    Returns:
        Rows of logs, rows of crimes.
    """
    logs: list[Row] = []
    crimes: list[Row] = []
    for row in read_rows(agency, draw_id):
        reading: dict[str, Any] = {**row, "call_id": row["call_reference"]}
        reading["is_recorded"] = row["recorded_code"] == "Y"
        (logs if row["crime_number"] == "0" else crimes).append(reading)
    return logs, crimes


def read_rows(agency: Agency, draw_id: str) -> list[dict[str, str]]:
    """Read all rows that are kept of a draw."""
    files = sorted(paths.findings(agency.agency).glob(f"{draw_id}_*.csv"))
    return [row for file in files for row in read_file(agency, file)]


def read_file(agency: Agency, file: Path) -> list[dict[str, str]]:
    """Read a file of readings, and prove it unchanged; it need not be there.

    Raises:
        StateError: STATE-DAMAGED if it is not as it was written.
    """
    verify_file(agency.agency, file)
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def write_rows(file: Path, rows: Iterable[Row]) -> None:
    """Write rows of readings as CSV."""
    with file.open("w", newline="", encoding="utf-8") as handle:
        out = csv.DictWriter(handle, HEADER, lineterminator="\n")
        out.writeheader()
        out.writerows(rows)


def place_of_row(row: Row) -> tuple[str, float]:
    """By log, its counts first: the file is the same by whatever road its readings came."""
    return row["call_reference"], float(row["crime_number"])
