"""What becomes of a decision that somebody sends from the page of a log.

Whatever was decided about the same crime since the page was loaded is shown first, and never
overwritten. What takes two people is proposed by one signed-in person and decided by another.
"""

from dataclasses import dataclass
from typing import Any

from cdi.desk.people import Person, Right
from cdi.desk.queue import Crime, read_crimes
from cdi.desk.standing import (
    CONFIRMED,
    DISMISSED,
    PASSED,
    PROPOSED,
    UNDONE,
    Standing,
    count_lost_decisions,
    read_standing,
)
from cdi.desk.versions import Shown, find_seen_version
from cdi.errors import CdiError
from cdi.people.decisions import add_decision

# The second person agrees to what the first proposed; this is written as a dismissal by both.
AGREED = "agreed"
KINDS = (CONFIRMED, DISMISSED, PASSED, UNDONE, AGREED, "link", "null_link")


@dataclass(frozen=True)
class Wish:
    """What somebody wants to decide.

    Attributes:
        kind: Of `KINDS`.
        call_id: The log.
        crime_number: Which crime of the log; None if it is about a record.
        record_id: The record that is to be linked with the log, or parted from it.
        taken_from: The log that the page showed the record to be linked with; blank if with none.
        reason_code: Of the legitimate reasons, for a dismissal.
        note: Why, in words.
        seen: Reference of the newest decision that the page showed; None if it showed none.
        evidence_hash: Hash of what the page showed.
        selection: `lot` if the log was drawn by lot, else `order`.
        version: Name of the version that the page showed; by default the current one.
    """

    kind: str
    call_id: str
    crime_number: int | None = None
    record_id: str = ""
    taken_from: str = ""
    reason_code: str = ""
    note: str = ""
    seen: str | None = None
    evidence_hash: str = ""
    selection: str = "order"
    version: str = ""

    @property
    def needed_right(self) -> Right:
        """What one must be allowed to do for this."""
        return Right.SECOND if self.kind == AGREED else Right.DECIDE


def decide(shown: Shown, person: Person, wish: Wish, reference: str) -> str:
    """Write a decision down; it is on the disk when this returns.

    Args:
        shown: The current version.
        person: Who decides; whoever calls this has looked at their rights.
        wish: What they decide.
        reference: Of the decision; a second one with the same reference is refused.

    Returns:
        The kind of decision that was written: a rape is only proposed to be dismissed.

    Raises:
        CdiError: DECIDE-LOST if the file lacks decisions that the version counts, so that nobody
            sees them, DECIDE-CONFLICT if somebody decided since the page was loaded, DECIDE-LINKED
            if somebody linked the record with another log since then, DECIDE-SECOND if the second
            person is the first, DECIDE-REFUSED if the decision is not in order.
    """
    if count_lost_decisions(shown.agency, shown.file, read_standing(shown.agency)):
        raise CdiError(
            "DECIDE-LOST",
            "decisions that this version counts are gone from the file of decisions. Operations "
            "must restore that file from the backup, or publish a version without them",
            "ask operations, and decide again after that",
        )
    crime = find_crime(shown, wish.call_id, wish.crime_number)
    # a new version may have been published while the page was open
    name, seen_version = find_seen_version(shown, wish.version)
    seen = find_crime(seen_version, wish.call_id, wish.crime_number)
    decision: dict[str, Any] = {
        "decision_reference": reference,
        "decision_kind": wish.kind,
        "call_reference": wish.call_id,
        "crime_number": wish.crime_number,
        "record_reference": wish.record_id or None,
        # one form serves all kinds, and a reason may be chosen before another button is pressed
        "reason_code": (wish.reason_code or None) if wish.kind == DISMISSED else None,
        "reason": wish.note or None,
        "decided_by": person.name,
        "version_seen": name,
        "evidence_hash": wish.evidence_hash,
        "seen_likelihood": seen["likelihood"] if seen else None,
        "selection": wish.selection,
    }
    if wish.kind == DISMISSED and takes_two(crime):
        decision["decision_kind"] = PROPOSED
    elif wish.kind == AGREED:
        decision |= _agree(read_standing(shown.agency), person, wish)
    add_decision(shown.agency, decision, wish.seen, wish.taken_from)
    return str(decision["decision_kind"])


def takes_two(crime: Crime | None) -> bool:
    """Whether a crime is dismissed by two people only: a rape is."""
    return crime is not None and bool(crime["is_rape"])


def find_crime(shown: Shown, call_id: str, crime_number: int | None) -> Crime | None:
    """Find a crime on the worklist of the version."""
    return next(
        (
            crime
            for crime in read_crimes(shown.file)
            if crime["call_id"] == call_id and crime["crime_number"] == crime_number
        ),
        None,
    )


def _agree(standing: Standing, person: Person, wish: Wish) -> dict[str, Any]:
    """Say what is written if the second person agrees: the proposal, as a dismissal by both."""
    proposal = standing.newest(wish.call_id, wish.crime_number or 0)
    waits = proposal and (
        proposal["decision_kind"] == PROPOSED
        or (proposal["decision_kind"] == DISMISSED and not proposal["second_person"])
    )
    if proposal is None or not waits:
        raise CdiError(
            "DECIDE-CONFLICT",
            "there is no longer a proposal that a second person could agree to",
            "look at the log again",
        )
    if person.is_same(proposal["decided_by"]):
        raise CdiError(
            "DECIDE-SECOND",
            "you proposed this yourself, and it takes two people",
            "ask a colleague to sign in and to look at it",
        )
    return {
        "decision_kind": DISMISSED,
        "decided_by": proposal["decided_by"],
        "second_person": person.name,
        "reason_code": proposal["reason_code"],
        "reason": wish.note or proposal["reason"],
    }
