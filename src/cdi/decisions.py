"""What people decide, as data: `cdi decide` adds a row to the agency's decisions (design 5.14).

The file lies in the state folder and only grows. The next extraction lands it like any other
source; whatever else writes CSV files with these columns into that folder is read as well.
"""

import csv
import fcntl
import secrets
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cdi import landing, paths
from cdi.agencies import Agency
from cdi.datasets import DATASETS, DECISIONS
from cdi.errors import CdiError
from cdi.quality import checks
from cdi.sql import connect, fetch_dicts

HEADER = [column.name for column in DATASETS[DECISIONS]]


def decide(agency: Agency, given: Mapping[str, Any]) -> str:
    """Add one decision to the agency's file.

    Args:
        agency: Whose call or record it is about.
        given: Columns of the dataset, save `decision_reference` and `decided_at`: those are made.

    Returns:
        The decision's reference.

    Raises:
        CdiError: DECIDE-REFUSED if a rule of the landing or the published version is against it;
            nothing is written.
    """
    row = {name: "" for name in HEADER}
    row |= {name: str(value) for name, value in given.items() if value is not None}
    row["decision_reference"] = f"D{secrets.token_hex(6)}"
    row["decided_at"] = f"{datetime.now(agency.zone):%Y-%m-%d %H:%M:%S}"
    problems = _problems(agency, row)
    if problems:
        raise CdiError(
            "DECIDE-REFUSED",
            "the decision was not written:\n    " + "\n    ".join(problems),
            "correct it and decide again; cdi decide --help explains each part",
        )
    _append(paths.decisions(agency.agency) / "decisions.csv", row)
    return row["decision_reference"]


def _append(file: Path, row: Mapping[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", newline="", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # two people at once; goes when the file is closed
        writer = csv.DictWriter(handle, HEADER, lineterminator="\n")
        if file.stat().st_size == 0:
            writer.writeheader()
        writer.writerow(row)


def _problems(agency: Agency, row: Mapping[str, str]) -> list[str]:
    """What the landing's rules say of the row, then what the published version says."""
    with tempfile.TemporaryDirectory(prefix="cdi-") as scratch:
        file, folder = Path(scratch) / "decision.csv", Path(scratch) / "batch"
        folder.mkdir()
        _append(file, row)
        batch = landing.read_file(agency, DECISIONS, file, folder)
        told = checks.refusals(agency, batch)
        # a release names no call: `cdi.quality.releases` looks at what it is about
        is_release = row["decision_kind"] == "released"
        return told or ([] if is_release else _unknown(agency, batch))


def _unknown(agency: Agency, batch: landing.Batch) -> list[str]:
    """What the published version does not have, or holds too grave for one person."""
    published = paths.published(agency.agency) / "current" / "recording.duckdb"
    if not published.is_file():
        return [f"no version of {agency.agency} is published that the decision could be about"]
    with connect(published, read_only=True) as con:
        (found,) = fetch_dicts(
            con,
            """
            with decided as (
                select *, coalesce(call_key, upper(call_reference)) as call_id,
                    coalesce(record_key, upper(record_reference)) as crime_record_id
                from read_parquet($rows)
            ),
            crimes as (
                select reported.is_rape
                from outcomes.int_outcomes__reported_crimes as reported
                inner join decided on reported.call_id = decided.call_id
                where decided.crime_number is null or reported.crime_number = decided.crime_number
            )
            select
                call_id,
                crime_record_id,
                decision_kind,
                second_person,
                call_id is null or call_id in (
                    select call_id from main.fct_calls
                ) as has_call,
                crime_record_id is null or crime_record_id in (
                    select crime_record_id from staging.stg_crime_records where not is_withdrawn
                ) as has_record,
                decision_kind not in ('confirmed', 'dismissed')
                or exists (from crimes) as has_crime,
                exists (from crimes where is_rape) as is_rape
            from decided
            """,
            {"rows": str(batch.rows)},
        )  # fmt: skip
    told = []
    if not found["has_call"]:
        told.append(f"the published version has no call {found['call_id']}")
    elif not found["has_crime"]:
        told.append(f"the published version has no such reported crime of {found['call_id']}")
    if not found["has_record"]:
        told.append(f"the published version has no record {found['crime_record_id']}")
    if found["is_rape"] and found["decision_kind"] == "dismissed" and not found["second_person"]:
        told.append("a report of rape is dismissed by two people: give --second-person")
    return told
