"""What people decide, as data: `.venv/bin/cdi decide` adds rows to a file (design 5.14).

The file lies in the state folder and only grows. The next extraction lands it like any other
source. CSV files with the same columns that another program writes into that folder are landed too.
"""

import csv
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from cdi import paths
from cdi.agency.datasets import DATASETS, DECISIONS
from cdi.agency.model import Agency
from cdi.errors import CdiError
from cdi.files import put_torn_rest_aside, sha256_of_json, wait_for_lock
from cdi.landing.batches import Batch
from cdi.landing.extract import read_file_as_batch
from cdi.quality.checks import find_refusals
from cdi.quality.waivers import StoppingFailure, find_stopped
from cdi.scratch import scratch_folder
from cdi.sealed_files import append_sealed, verify_file
from cdi.sql import connect, fetch_dicts, read_query

SQL = Path(__file__).parent / "sql"
HEADER = [column.name for column in DATASETS[DECISIONS]]


def waive_check(
    agency: Agency, rule_id: str, reason: str, by: str, second_person: str, what: str | None = None
) -> StoppingFailure:
    """Write down that two people waive a failure; the next check of the same content goes on.

    Args:
        agency: The agency.
        rule_id: The rule that was broken.
        reason: Why it may pass, in words.
        by: Staff number of who proposed it.
        second_person: Staff number of who confirmed it.
        what: The batch or the version, if the rule stopped several.

    Returns:
        What was waived.

    Raises:
        CdiError: RELEASE-NOTHING if the rule stopped nothing, RELEASE-WHICH if it stopped several
            batches or versions, RELEASE-NEVER if it may not be waived, DECIDE-REFUSED if the
            decision is not in order, e.g. if both people are the same.
    """
    failures = [
        failure
        for failure in find_stopped(agency)
        if failure.rule_id == rule_id and what in (None, failure.what)
    ]
    if not failures:
        raise CdiError(
            "RELEASE-NOTHING",
            f"{rule_id} stopped nothing of {agency.agency}" + (f" named {what}" if what else ""),
            f"see what was stopped: {paths.CDI} release {agency.agency}",
        )
    if len(failures) > 1:
        raise CdiError(
            "RELEASE-WHICH",
            f"{rule_id} stopped {', '.join(failure.what for failure in failures)}",
            "name one with --of",
        )
    failure = failures[0]
    if not failure.is_releasable:
        raise CdiError(
            "RELEASE-NEVER",
            f"{rule_id} may never be released: {failure.told}",
            "correct the source, the rules or the code",
        )
    decision = {
        "decision_kind": "released",
        "rule_id": rule_id,
        "content_id": failure.content_id,
        "reason": reason,
        "decided_by": by,
        "second_person": second_person,
    }
    add_decision(agency, decision)
    return failure


def add_decision(agency: Agency, decision: Mapping[str, Any]) -> str:
    """Add one decision to the agency's file.

    Args:
        agency: The agency whose call or record it is about.
        decision: Columns of the dataset, except `decision_reference` and `decided_at`, which are
            filled in here.

    Returns:
        The reference of the decision.

    Raises:
        CdiError: DECIDE-REFUSED if a rule of the landing is broken, or if the published version
            does not have what the decision is about; nothing is written.
        StateError: STATE-DAMAGED if the file of decisions is not as it was written.
    """
    row = _make_row(agency, decision, f"D{secrets.token_hex(6)}")
    problems = _find_problems(agency, [row]).get(1)
    if problems:
        raise CdiError(
            "DECIDE-REFUSED",
            "the decision was not written:\n    " + "\n    ".join(problems),
            f"correct it and decide again; {paths.CDI} decide --help explains each part",
        )
    _keep_rows(agency, [row])
    return row["decision_reference"]


def add_decisions_of_sheet(agency: Agency, file: Path) -> tuple[int, int]:
    """Add the decisions of a filled-in worklist, all of them or none.

    The reference of a row is made from its content, so that giving a sheet again adds nothing.

    Args:
        agency: The agency whose worklist it is.
        file: ``worklist.xlsx`` or ``worklist.csv`` of a version, with decisions filled in.

    Returns:
        How many decisions were added, and how many had been added before.

    Raises:
        CdiError: DECIDE-SHEET if it is not such a sheet, DECIDE-REFUSED if rows are refused; the
            message names each of them by its number in the sheet, and nothing is written.
    """
    from cdi.people.worklist_sheet import read_worklist_sheet  # openpyxl takes a while to import

    decisions = read_worklist_sheet(file)
    rows = {
        number: _make_row(agency, decision, _hash_decision(decision))
        for number, decision in decisions.items()
    }
    # Two people may give the same sheet at once: the second must see what the first wrote.
    with wait_for_lock(paths.decisions(agency.agency)):
        references = _read_references(agency)
        new = {
            number: row
            for number, row in rows.items()
            if row["decision_reference"] not in references
        }
        problems = _find_problems(agency, list(new.values())) if new else {}
        if problems:
            numbers = list(new)
            lines = [
                f"row {numbers[ordinal - 1]}: {'; '.join(problems[ordinal])}"
                for ordinal in sorted(problems)
            ]
            raise CdiError(
                "DECIDE-REFUSED",
                f"{file}: none of its {len(new)} decisions was written:\n    "
                + "\n    ".join(lines),
                "correct these rows, save the sheet and give it again; see docs/worklist.md",
            )
        if new:
            _keep_rows(agency, list(new.values()))
    return len(new), len(rows) - len(new)


def _make_row(agency: Agency, decision: Mapping[str, Any], reference: str) -> dict[str, str]:
    """Make the row of a decision that is taken now."""
    row = {name: "" for name in HEADER}
    row |= {name: str(decision[name]) for name in HEADER if decision.get(name) is not None}
    row["decision_reference"] = reference
    # with its offset, as one hour of each autumn comes twice
    row["decided_at"] = f"{datetime.now(agency.zone):%Y-%m-%d %H:%M:%S%z}"
    return row


def _hash_decision(decision: Mapping[str, Any]) -> str:
    """Make the reference of a decision of a sheet: the same content has the same reference."""
    return f"D{sha256_of_json(decision)[:12]}"


def _read_references(agency: Agency) -> set[str]:
    """Read the references of the decisions in the file."""
    file = paths.decisions_file(agency.agency)
    verify_file(agency.agency, file, may_grow=True)
    put_torn_rest_aside(file)
    if not file.is_file():
        return set()
    with file.open(newline="", encoding="utf-8") as handle:
        return {row["decision_reference"] for row in csv.DictReader(handle)}


def _keep_rows(agency: Agency, rows: Sequence[Mapping[str, str]]) -> None:
    """Add rows to the agency's file; a file that was changed must not be sealed anew."""
    file = paths.decisions_file(agency.agency)
    with append_sealed(agency.agency, file) as text:  # two people may decide at once
        _write_rows(text, rows, has_header=file.stat().st_size > 0)


def _write_rows(text: TextIO, rows: Sequence[Mapping[str, str]], *, has_header: bool) -> None:
    writer = csv.DictWriter(text, HEADER, lineterminator="\n")
    if not has_header:
        writer.writeheader()
    writer.writerows(rows)


def _find_problems(agency: Agency, rows: Sequence[Mapping[str, str]]) -> dict[int, list[str]]:
    """Find what speaks against rows, by their place, counted from 1.

    The rules of the landing come first. Only rows that keep them are compared with the published
    version.
    """
    with scratch_folder() as scratch:
        file, folder = scratch / "decisions.csv", scratch / "batch"
        folder.mkdir()
        with file.open("w", newline="", encoding="utf-8") as text:
            _write_rows(text, rows, has_header=False)
        batch = read_file_as_batch(agency, DECISIONS, file, folder)
        refusals = find_refusals(agency, batch)
        # a waiver names no call: `cdi.quality.waivers` looks at what it is about
        is_waiver = all(row["decision_kind"] == "released" for row in rows)
        return refusals or ({} if is_waiver else _find_objections(agency, batch))


def _find_objections(agency: Agency, batch: Batch) -> dict[int, list[str]]:
    """Find decisions about what is not in the published version, or that need a second person."""
    published = paths.published(agency.agency) / "current" / "recording.duckdb"
    if not published.is_file():
        reasons = [f"no version of {agency.agency} is published that the decision could be about"]
        return {ordinal + 1: reasons for ordinal in range(batch.manifest["accepted"])}
    with connect(published, read_only=True) as con:
        rows = fetch_dicts(con, read_query(SQL / "decided.sql"), {"rows": str(batch.rows)})
    objections = {row["ordinal"]: _object_to_decision(row) for row in rows}
    return {ordinal: reasons for ordinal, reasons in objections.items() if reasons}


def _object_to_decision(row: Mapping[str, Any]) -> list[str]:
    """List what speaks against one decision; a row of `decided.sql`."""
    reasons = []
    if not row["has_call"]:
        reasons.append(f"the published version has no call {row['call_id']}")
    elif not row["has_crime"]:
        reasons.append(f"the published version has no such reported crime of {row['call_id']}")
    if not row["has_record"]:
        reasons.append(f"the published version has no record {row['crime_record_id']}")
    if row["is_rape"] and row["decision_kind"] == "dismissed" and not row["second_person"]:
        reasons.append("a report of rape is dismissed by two people: name the second person")
    return reasons
