"""Auditors of the simulated force: they know what is true, and fill in their worksheets with it.

The crimes of a log are those that it reports, recorded or not at the extract's as_of, as `make
coverage` counts them. A duplicate of a log reports none. What the auditors write is SIMULATED.
"""

import csv
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.agency.model import Agency
from cdi.audit.draws import Draw
from cdi.people.audit import deliver_worksheet
from cdi.people.audit_sheet import HEADER, MOMENT
from cdi.people.worksheets import write_draw_worksheets
from cdi.sql import fetch_dicts
from cdi.variant import Variant
from cdi_force.scenario import load_scenario

CRIMES = """
select
    call_id, offence, is_domestic_abuse, crime_id, recorded_at,
    outcome_as_of = 'recorded' as is_recorded
from read_parquet($truth)
where call_id in (select unnest($ids))
    and outcome_as_of in ('recorded', 'wrongly_cancelled', 'unrecorded')
order by call_id, ordinal
"""


def fill_in_sheet(sheet: Path, target: Path, read_at: datetime) -> Path:
    """Fill in an auditor's CSV worksheet with what is true.

    Args:
        sheet: The worksheet, as `cdi.people.audit_sheet` wrote it.
        target: The filled-in file to write.
        read_at: The local time that is written down as the time of reading.

    Returns:
        The filled-in file.
    """
    with sheet.open(newline="", encoding="utf-8") as handle:
        assigned = [{name: row[name] for name in HEADER} for row in csv.DictReader(handle)]
    rows = true_readings(assigned, read_at)
    with target.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    return target


def read_whole_audit(agency: Agency, draw: Draw, read_at: datetime | None = None) -> None:
    """Fill in all worksheets of a draw with what is true, those of the second readings too.

    Args:
        agency: Whose audit.
        draw: The draw; nothing of it was delivered yet.
        read_at: The local time that is written down as the time of reading; by default now.
    """
    sheets = write_draw_worksheets(agency, draw)
    while sheets:
        sheet = sheets.pop(0)
        if sheet.suffix == ".csv":
            now = datetime.now(agency.zone).replace(tzinfo=None)
            filled = fill_in_sheet(sheet, sheet.with_name(f"filled_{sheet.name}"), read_at or now)
            sheets += deliver_worksheet(agency, filled).second_sheets


@cache
def _read_offence_codes(scenario: str) -> dict[str, str]:
    """The code of each offence; kept, as a scenario takes a quarter of a second to load."""
    return {offence.key: offence.code for offence in load_scenario(scenario).settings.offences}


def true_readings(assigned: Sequence[dict[str, Any]], read_at: datetime) -> list[dict[str, Any]]:
    """The rows of the dataset `audit_readings` for logs that were given to auditors.

    Args:
        assigned: draw_id, call_reference and auditor_code of each log.
        read_at: The local time that is written down as the time of reading.
    """
    codes = _read_offence_codes(Variant.chosen().scenario)
    crimes_by_log: dict[str, list[dict[str, Any]]] = {}
    values = {
        "truth": str(paths.truth() / "crimes.parquet"),
        "ids": [row["call_reference"] for row in assigned],
    }
    with duckdb.connect() as con:
        for crime in fetch_dicts(con, CRIMES, values):
            crimes_by_log.setdefault(crime["call_id"], []).append(crime)
    blank = dict.fromkeys(HEADER, "")
    rows = []
    for row in assigned:
        crimes = crimes_by_log.get(row["call_reference"], [])
        log = {**blank, **row, "audited_at": f"{read_at:{MOMENT}}"}
        counts = {
            "due_count": len(crimes),
            "recorded_count": sum(crime["is_recorded"] for crime in crimes),
        }
        rows.append({**log, "crime_number": 0, **counts})
        for number, crime in enumerate(crimes, start=1):
            rows.append(
                {
                    **log,
                    "crime_number": number,
                    "offence_code": codes[crime["offence"]],
                    "domestic_abuse_code": "Y" if crime["is_domestic_abuse"] else "N",
                    "recorded_code": "Y" if crime["is_recorded"] else "N",
                    "record_reference": crime["crime_id"] if crime["is_recorded"] else "",
                }
            )
    return rows
