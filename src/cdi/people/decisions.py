"""What people decide, as data: `.venv/bin/cdi decide` adds rows to them (design 5.14).

The file lies in the state folder and only grows. The next extraction lands it like any other
source; whatever else writes CSV files with these columns into that folder is read as well.
"""

import csv
import fcntl
import hashlib
import json
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.agency.datasets import DATASETS, DECISIONS
from cdi.agency.model import Agency
from cdi.errors import CdiError
from cdi.files import wait_for_lock
from cdi.landing.batches import Batch
from cdi.landing.extract import read_file_as_batch
from cdi.quality.checks import find_refusals
from cdi.quality.releases import Held, find_stopped
from cdi.sql import connect, fetch_dicts


def waive_check(
    agency: Agency, rule_id: str, reason: str, by: str, second_person: str, what: str | None = None
) -> Held:
    """Write down that two people release a failure; the next check of that content goes on.

    Args:
        agency: Whose.
        rule_id: The rule.
        reason: Why, in words.
        by: Staff number of who proposed it.
        second_person: Staff number of who confirmed it.
        what: Batch or version, where the rule stopped several.

    Returns:
        What was released.

    Raises:
        CdiError: RELEASE-NOTHING if the rule stopped nothing, RELEASE-WHICH if it stopped several
            things, RELEASE-NEVER if it may not be released, DECIDE-REFUSED if the decision is not
            in order, e.g. both are one person.
    """
    found = [h for h in find_stopped(agency) if h.rule_id == rule_id and what in (None, h.what)]
    if not found:
        raise CdiError(
            "RELEASE-NOTHING",
            f"{rule_id} stopped nothing of {agency.agency}" + (f" named {what}" if what else ""),
            f"see what is held: {paths.CDI} release {agency.agency}",
        )
    if len(found) > 1:
        raise CdiError(
            "RELEASE-WHICH",
            f"{rule_id} stopped {', '.join(h.what for h in found)}",
            "name one by --of",
        )
    if not found[0].is_releasable:
        raise CdiError(
            "RELEASE-NEVER",
            f"{rule_id} is never released: {found[0].told}",
            "mend the source, the rules or the code",
        )
    given = {
        "decision_kind": "released",
        "rule_id": rule_id,
        "content_id": found[0].content_id,
        "reason": reason,
        "decided_by": by,
        "second_person": second_person,
    }
    add_decision(agency, given)
    return found[0]


HEADER = [column.name for column in DATASETS[DECISIONS]]


def add_decision(agency: Agency, given: Mapping[str, Any]) -> str:
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
    row = _row(agency, given, f"D{secrets.token_hex(6)}")
    problems = _problems(agency, [row]).get(1)
    if problems:
        raise CdiError(
            "DECIDE-REFUSED",
            "the decision was not written:\n    " + "\n    ".join(problems),
            f"correct it and decide again; {paths.CDI} decide --help explains each part",
        )
    _append(_file(agency), [row])
    return row["decision_reference"]


def add_decisions_of_sheet(agency: Agency, file: Path) -> tuple[int, int]:
    """Add the decisions of a filled-in worklist, all of them or none.

    A row's reference is made of its content, so that a sheet that is given again adds nothing.

    Args:
        agency: Whose worklist.
        file: ``worklist.xlsx`` or ``worklist.csv`` of a version, with decisions filled in.

    Returns:
        How many were added, and how many had been before.

    Raises:
        CdiError: DECIDE-SHEET if it is no such sheet, DECIDE-REFUSED if a row is refused: every
            row in the message by its number in the sheet; nothing is written.
    """
    from cdi.people.worklist_sheet import read_worklist_sheet  # openpyxl, for sheets only

    given = read_worklist_sheet(file)
    rows = [_row(agency, values, _reference(values)) for values in given.values()]
    with wait_for_lock(paths.decisions(agency.agency)):  # the same sheet may be given twice
        known = _known(agency)
        new = {
            number: row
            for number, row in zip(given, rows, strict=True)
            if row["decision_reference"] not in known
        }
        problems = _problems(agency, list(new.values())) if new else {}
        if problems:
            numbers = list(new)
            told = [
                f"row {numbers[ordinal - 1]}: {'; '.join(problems[ordinal])}"
                for ordinal in sorted(problems)
            ]
            raise CdiError(
                "DECIDE-REFUSED",
                f"{file}: none of its {len(new)} decisions was written:\n    "
                + "\n    ".join(told),
                "correct these rows, save the sheet and give it again; docs/worklist.md",
            )
        if new:
            _append(_file(agency), list(new.values()))
    return len(new), len(given) - len(new)


def _file(agency: Agency) -> Path:
    return paths.decisions(agency.agency) / "decisions.csv"


def _row(agency: Agency, given: Mapping[str, Any], reference: str) -> dict[str, str]:
    """A row of the file, as of now."""
    row = {name: "" for name in HEADER}
    row |= {name: str(given[name]) for name in HEADER if given.get(name) is not None}
    row["decision_reference"] = reference
    row["decided_at"] = f"{datetime.now(agency.zone):%Y-%m-%d %H:%M:%S}"
    return row


def _reference(given: Mapping[str, Any]) -> str:
    content = json.dumps(given, sort_keys=True).encode()
    return f"D{hashlib.sha256(content).hexdigest()[:12]}"


def _known(agency: Agency) -> set[str]:
    """References of the decisions in the file."""
    file = _file(agency)
    if not file.is_file():
        return set()
    with file.open(newline="", encoding="utf-8") as handle:
        return {row["decision_reference"] for row in csv.DictReader(handle)}


def _append(file: Path, rows: Sequence[Mapping[str, str]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", newline="", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # two people at once; goes when the file is closed
        writer = csv.DictWriter(handle, HEADER, lineterminator="\n")
        if file.stat().st_size == 0:
            writer.writeheader()
        writer.writerows(rows)


def _problems(agency: Agency, rows: Sequence[Mapping[str, str]]) -> dict[int, list[str]]:
    """What the landing's rules say of rows, then what the published version says: by ordinal."""
    with tempfile.TemporaryDirectory(prefix="cdi-") as scratch:
        file, folder = Path(scratch) / "decisions.csv", Path(scratch) / "batch"
        folder.mkdir()
        _append(file, rows)
        batch = read_file_as_batch(agency, DECISIONS, file, folder)
        told = find_refusals(agency, batch)
        # a release names no call: `cdi.quality.releases` looks at what it is about
        is_release = all(row["decision_kind"] == "released" for row in rows)
        return told or ({} if is_release else _unknown(agency, batch))


def _unknown(agency: Agency, batch: Batch) -> dict[int, list[str]]:
    """What the published version does not have, or holds too grave for one person."""
    published = paths.published(agency.agency) / "current" / "recording.duckdb"
    if not published.is_file():
        none = [f"no version of {agency.agency} is published that the decision could be about"]
        return {ordinal + 1: none for ordinal in range(batch.manifest["accepted"])}
    with connect(published, read_only=True) as con:
        rows = fetch_dicts(con, DECIDED, {"rows": str(batch.rows)})
    found = {row["ordinal"]: _against(row) for row in rows}
    return {ordinal: told for ordinal, told in found.items() if told}


def _against(row: Mapping[str, Any]) -> list[str]:
    told = []
    if not row["has_call"]:
        told.append(f"the published version has no call {row['call_id']}")
    elif not row["has_crime"]:
        told.append(f"the published version has no such reported crime of {row['call_id']}")
    if not row["has_record"]:
        told.append(f"the published version has no record {row['crime_record_id']}")
    if row["is_rape"] and row["decision_kind"] == "dismissed" and not row["second_person"]:
        told.append("a report of rape is dismissed by two people: name the second person")
    return told


DECIDED = """
    with decided as (
        select
            *,
            cast(split_part(row_id, ':', -1) as bigint) as ordinal,
            coalesce(call_key, upper(call_reference)) as call_id,
            coalesce(record_key, upper(record_reference)) as crime_record_id
        from read_parquet($rows)
    ),

    crimes as (
        select decided.ordinal, bool_or(reported.is_rape) as is_rape
        from outcomes.int_outcomes__reported_crimes as reported
        inner join decided on reported.call_id = decided.call_id
        where decided.crime_number is null or reported.crime_number = decided.crime_number
        group by decided.ordinal
    )

    select
        decided.ordinal,
        decided.call_id,
        decided.crime_record_id,
        decided.decision_kind,
        decided.second_person,
        decided.call_id is null or decided.call_id in (
            select call_id from main.fct_calls
        ) as has_call,
        decided.crime_record_id is null or decided.crime_record_id in (
            select crime_record_id from staging.stg_crime_records where not is_withdrawn
        ) as has_record,
        decided.decision_kind not in ('confirmed', 'dismissed')
        or crimes.ordinal is not null as has_crime,
        coalesce(crimes.is_rape, false) as is_rape
    from decided
    left join crimes on decided.ordinal = crimes.ordinal
    order by decided.ordinal
"""
