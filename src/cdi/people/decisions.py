"""People's decisions as data: `.venv/bin/cdi decide` and the desk add rows to a file (design 5.14).

The file lies in the state folder and only grows. The next extraction lands it like any other
source. CSV files with the same columns that another program writes into that folder are landed too.
"""

import enum
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from cdi import paths
from cdi.agency.datasets import DECISIONS
from cdi.agency.key_rules import find_canonical
from cdi.agency.model import Agency
from cdi.errors import CdiError
from cdi.files import wait_for_lock
from cdi.landing.batches import Batch
from cdi.landing.extract import read_file_as_batch
from cdi.people.decision_file import (
    HEADER,
    describe_decision,
    find_link,
    find_newest,
    keep_decisions,
    newest_links,
    read_decisions,
    write_decisions,
)
from cdi.quality.checks import find_refusals
from cdi.quality.waivers import StoppingFailure, find_stopped
from cdi.scratch import scratch_folder
from cdi.sql import connect, fetch_dicts, read_query

SQL = Path(__file__).parent / "sql"
# More than anybody writes by hand; Python reads no cell of a CSV file that is 13 times as long.
MOST_LETTERS = 10_000


class Unset(enum.Enum):
    """Stands for an argument that was not given, where None says something."""

    UNSET = enum.auto()


UNSET = Unset.UNSET

# Stands for who decided in a row of a sheet that does not say it, so that its other problems are
# found as well.
NOBODY = "nobody"


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


def add_decision(
    agency: Agency,
    decision: Mapping[str, Any],
    seen: str | Literal[Unset.UNSET] | None = UNSET,
    taken_from: str = "",
) -> str:
    """Add one decision to the agency's file.

    Args:
        agency: The agency whose call or record it is about.
        decision: Columns of the dataset, except `decided_at`, which is filled in here. With a
            `decision_reference` it is written only once.
        seen: Reference of the newest decision about the same crime (about the call, if it links or
            names no crime) that the person saw; None if they saw none. By default nobody asks.
        taken_from: The log from which the person knows that a link takes the record.

    Returns:
        The reference of the decision.

    Raises:
        CdiError: DECIDE-REFUSED if a rule of the landing is broken, or if the published version
            does not have what the decision is about; DECIDE-UNPUBLISHED if there is none;
            DECIDE-TWICE if the reference was written already; DECIDE-CONFLICT if somebody has
            decided since the person looked; DECIDE-LINKED if people linked the record with another
            log than the person knows of. Nothing is written.
        StateError: STATE-DAMAGED if the file of decisions is not as it was written.
    """
    reference = decision.get("decision_reference") or f"D{secrets.token_hex(6)}"
    row = make_row(agency, decision, reference)
    refuse_repetition(agency, reference)
    problems = find_problems(agency, [row]).get(1)
    if problems:
        raise CdiError(
            "DECIDE-REFUSED",
            "the decision was not saved:\n    " + "\n    ".join(problems),
            f"correct it and decide again; {paths.CDI} "
            f"{'release' if row['decision_kind'] == 'released' else 'decide'} --help explains "
            "each part",
        )
    with wait_for_lock(paths.decisions(agency.agency)):
        refuse_repetition(agency, reference)
        if seen is not UNSET:
            _refuse_conflict(agency, row, seen)
        _refuse_taking(agency, row, taken_from)
        keep_decisions(agency, [row])
    return row["decision_reference"]


def make_row(agency: Agency, decision: Mapping[str, Any], reference: str) -> dict[str, str]:
    """Make the row of a decision that is taken now.

    Args:
        agency: The agency, whose clock gives the time.
        decision: Columns of the dataset, and perhaps others, which are left out.
        reference: What the decision is known by.
    """
    row = {name: "" for name in HEADER}
    row |= {name: str(decision[name]) for name in HEADER if decision.get(name) is not None}
    row["decision_reference"] = reference
    # with its offset, as one hour of each autumn comes twice
    row["decided_at"] = f"{datetime.now(agency.zone):%Y-%m-%d %H:%M:%S%z}"
    return row


def refuse_repetition(agency: Agency, reference: str) -> None:
    """Refuse a decision that is written already, for example as its form was sent twice.

    Args:
        agency: The agency.
        reference: Of the decision.

    Raises:
        CdiError: DECIDE-TWICE, which says what was written.
        StateError: STATE-DAMAGED if the file of decisions is not as it was written.
    """
    for row in read_decisions(agency):
        if row["decision_reference"] == reference:
            raise CdiError(
                "DECIDE-TWICE",
                f"this is written already: {describe_decision(row)}",
                "look at the log again",
            )


def _refuse_conflict(agency: Agency, row: Mapping[str, str], seen: str | None) -> None:
    """Refuse a decision if the newest one about the same thing is not the one that was seen."""
    number = row["crime_number"]
    crime = int(number) if number and not row["record_reference"] else None
    newest = find_newest(agency, read_decisions(agency), row["call_reference"], crime)
    if (newest["decision_reference"] if newest else None) == seen:
        return
    thing = (f"crime {crime} of " if crime else "") + row["call_reference"]
    told = (
        describe_decision(newest) if newest else "as if nobody had decided: a decision was erased"
    )
    raise CdiError(
        "DECIDE-CONFLICT",
        f"{thing} has changed since you opened it: {told}",
        "look at the log again and decide anew",
    )


def _refuse_taking(agency: Agency, row: Mapping[str, str], taken_from: str) -> None:
    """Refuse a link of a record that people linked with another log, unless the person knows it.

    The newest link counts, so the record would silently leave the log that it was linked with.
    """
    if row["decision_kind"] != "link" or not row["record_reference"]:
        return
    (record_id,) = find_canonical(agency, "record", [row["record_reference"].strip()]).values()
    (call_id,) = find_canonical(agency, "call", [row["call_reference"].strip()]).values()
    link = find_link(newest_links(agency, read_decisions(agency)), record_id)
    if link is None or link[0] in (call_id, taken_from):
        return
    linked, earlier = link
    raise CdiError(
        "DECIDE-LINKED",
        f"record {record_id} is already linked with log {linked}: {describe_decision(earlier)}",
        f"look at log {linked}; if the record is not of that log, take the link back there first: "
        f"{paths.CDI} decide {agency.agency} undone --call {linked} --record {record_id} "
        "--by STAFF_NUMBER",
    )


def find_problems(agency: Agency, rows: Sequence[Mapping[str, str]]) -> dict[int, list[str]]:
    """Find what speaks against rows, by their place, counted from 1.

    Args:
        agency: The agency.
        rows: Of decisions, with all columns of the dataset.

    Returns:
        All that the rules of the landing say of a row, with the rule's id before it, and then what
        the published version says.
    """
    with scratch_folder() as scratch:
        file, folder = scratch / "decisions.csv", scratch / "batch"
        folder.mkdir()
        with file.open("w", newline="", encoding="utf-8") as text:
            write_decisions(text, rows)
        batch = read_file_as_batch(agency, DECISIONS, file, folder)
        problems = find_refusals(agency, batch)
        for ordinal, row in enumerate(rows, 1):
            for name in (name for name, cell in row.items() if len(cell) > MOST_LETTERS):
                told = f"{name} has more than {MOST_LETTERS:,} letters"
                problems.setdefault(ordinal, []).append(told)
            for name in _find_unknown_people(agency, row):
                told = f"{name} may not decide; see `deciders` in agency.yaml"
                problems.setdefault(ordinal, []).append(told)
        # a waiver names no call: `cdi.quality.waivers` looks at what it is about
        if any(row["decision_kind"] != "released" for row in rows):
            for ordinal, objections in _find_objections(agency, batch).items():
                problems.setdefault(ordinal, []).extend(objections)
        return problems


def _find_unknown_people(agency: Agency, row: Mapping[str, str]) -> list[str]:
    """Find names under a decision that were typed and that the agency does not know.

    Who decides at the desk, or approves a failed check in Airflow, has signed in.
    """
    if not agency.deciders or row["evidence_hash"] or row["decision_kind"] == "released":
        return []
    known = {"", *(name.upper() for name in agency.deciders)}
    names = (row["decided_by"], row["second_person"])
    return [name for name in names if name.upper() not in known]


def _find_objections(agency: Agency, batch: Batch) -> dict[int, list[str]]:
    """Find decisions about what is not in the published version, or that need a second person."""
    published = paths.current(agency.agency) / "recording.duckdb"
    if not published.is_file():
        raise CdiError(
            "DECIDE-UNPUBLISHED",
            f"no version of {agency.agency} is published that the decision could be about",
            f"run the pipeline, then decide again: {paths.name_run(agency.agency)}",
        )
    with connect(published, read_only=True) as con:
        rows = fetch_dicts(con, read_query(SQL / "decided.sql"), {"rows": str(batch.rows)})
    objections = {row["ordinal"]: _object_to_decision(row) for row in rows}
    return {ordinal: reasons for ordinal, reasons in objections.items() if reasons}


def _object_to_decision(row: Mapping[str, Any]) -> list[str]:
    """List what speaks against one decision; a row of `decided.sql`."""
    reasons = []
    if not row["has_call"]:
        reasons.append(f"the published version has no log {row['call_id']}")
    elif not row["has_crime"]:
        reasons.append(f"the published version has no such reported crime of {row['call_id']}")
    if not row["has_record"]:
        reasons.append(f"the published version has no record {row['crime_record_id']}")
    if row["is_rape"] and row["decision_kind"] == "dismissed" and not row["second_person"]:
        reasons.append("two people must agree to dismiss a report of rape: name the second person")
    return reasons
