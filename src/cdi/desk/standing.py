"""Where each crime stands by the decisions of people, up to the last one that was written.

A version knows the decisions that were landed before it was built. The desk reads the file of
decisions itself, so that what is decided leaves the queue at once.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.agency.key_rules import find_canonical
from cdi.agency.model import Agency
from cdi.people.decision_file import (
    Row,
    find_link,
    is_settled,
    name_deciders,
    newest_links,
    read_decisions,
    read_number,
    standing_decisions,
)
from cdi.sealed_files import verify_file
from cdi.sql import connect

Decision = Mapping[str, Any]

SUSPECTED, CONFIRMED, DISMISSED = "suspected", "confirmed", "dismissed"
PROPOSED, PASSED, UNDONE = "proposed", "passed", "undone"
ABOUT_CRIMES = (CONFIRMED, DISMISSED, PROPOSED, PASSED, UNDONE)
# What waits for somebody else, and takes no effect before.
WAITING = (PROPOSED, PASSED)


@dataclass(frozen=True)
class Standing:
    """What people decided about the calls of an agency.

    Attributes:
        by_call: All decisions about a call, the oldest first.
        counting: The decision that counts for a crime; see `standing_decisions`.
        references: Those of all decisions in the file.
        links: The newest decision about each record and call; see `newest_links`.
        from_order: How many logs were decided that came up in the order of the queue.
        from_lot: How many that were drawn by lot.
        since_lot: How many of those in order came after the last one by lot.
    """

    by_call: Mapping[str, list[Decision]] = field(default_factory=dict)
    counting: Mapping[tuple[str, int | None], Decision] = field(default_factory=dict)
    references: frozenset[str] = frozenset()
    links: Mapping[tuple[str, str], Row] = field(default_factory=dict)
    from_order: int = 0
    from_lot: int = 0
    since_lot: int = 0

    def newest(self, call_id: str, crime_number: int) -> Decision | None:
        """The newest decision about a crime; None if nobody decided about it."""
        about = [
            row
            for row in self.by_call.get(call_id, [])
            if row["decision_kind"] in ABOUT_CRIMES
            and not row["record_reference"]
            and row["crime_number"] in ("", str(crime_number))
        ]
        return about[-1] if about else None

    def seen(self, call_id: str, crime_number: int | None = None) -> str:
        """The reference of the newest decision that concerns a crime, or anything of a call.

        A link concerns the whole call. A form carries this reference, so that what is decided
        meanwhile is noticed (`cdi.people.decisions.add_decision`). Blank if there is none.
        """
        about = [
            row["decision_reference"]
            for row in self.by_call.get(call_id, [])
            if crime_number is None or read_number(row) in (None, crime_number)
        ]
        return str(about[-1]) if about else ""

    def find_linked_call(self, record_id: str, in_version: str | None = None) -> str | None:
        """Find the log that a record is linked with, by people or else by the version.

        Args:
            record_id: The record, canonical.
            in_version: The log that the version links it with; people may have parted them since.
        """
        link = find_link(self.links, record_id)
        if link is not None:
            return link[0]
        newest = self.links.get((record_id, in_version)) if in_version else None
        return None if newest and newest["decision_kind"] == "null_link" else in_version

    def linked_by(self, record_id: str) -> str:
        """Who linked a record; blank if no link of people stands."""
        link = find_link(self.links, record_id)
        return name_deciders(link[1]) if link else ""

    def status(self, call_id: str, crime_number: int, *, is_rape: bool) -> str | None:
        """Where a crime stands; None if nobody decided about it.

        What was proposed or passed on changes nothing that was confirmed or dismissed. A rape that
        one person dismissed waits for the second one, as if that person had proposed it.
        """
        newest = self.newest(call_id, crime_number)
        if newest is None:
            return None
        counting = self.counting.get((call_id, crime_number)) or self.counting.get((call_id, None))
        if counting and is_settled(counting, is_rape=is_rape):
            return str(counting["decision_kind"])
        if newest["decision_kind"] in (DISMISSED, PROPOSED):
            return PROPOSED
        return PASSED if newest["decision_kind"] == PASSED else SUSPECTED


def has_effect(
    rows: Sequence[Decision], decision: Decision, crimes: Sequence[Mapping[str, Any]]
) -> bool:
    """Whether a decision changes figures.

    What waits for somebody else does not. What settles nothing, as a rape that one person dismisses
    or something taken back, does so only where a decision before it had settled something.

    Args:
        rows: All decisions about the call, the oldest first.
        decision: One of them.
        crimes: The call's crimes in the version, each with `crime_number` and `is_rape`.
    """
    if decision["record_reference"]:
        return True
    if decision["decision_kind"] in WAITING:
        return False
    before = [
        row
        for row in rows[: rows.index(decision)]
        if row["decision_kind"] in (CONFIRMED, DISMISSED, UNDONE)
        and not row["record_reference"]
        and (not decision["crime_number"] or row["crime_number"] in ("", decision["crime_number"]))
    ]
    return any(_settles_a_crime(row, crimes) for row in (decision, *before[-1:]))


def _settles_a_crime(decision: Decision, crimes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a decision settles one of the crimes that it is about, if nothing comes after it."""
    number = decision["crime_number"]
    are_rapes = [bool(c["is_rape"]) for c in crimes if number in ("", str(c["crime_number"]))]
    # a crime that the version no longer lists is not known to be a rape
    return any(is_settled(decision, is_rape=is_rape) for is_rape in are_rapes or [False])


# What was read last, by agency and file, with what tells that the file is still the same.
_READ: dict[str, tuple[tuple[int, int, int], Standing]] = {}


def read_standing(agency: Agency) -> Standing:
    """Read what people decided up to now.

    Raises:
        StateError: STATE-DAMAGED if the file of decisions is not as it was written.
    """
    file = paths.decisions_file(agency.agency)
    if not file.is_file():
        verify_file(agency.agency, file)  # where its seal is still there, the file was lost
        return Standing()
    found = file.stat()
    stamp = found.st_ino, found.st_size, found.st_mtime_ns
    known = _READ.get(str(file))
    if known is None or known[0] != stamp:
        known = stamp, _make_standing(agency)
        _READ[str(file)] = known
    return known[1]


def _make_standing(agency: Agency) -> Standing:
    rows = read_decisions(agency)
    typed = {row["call_reference"] for row in rows if row["call_reference"]}
    calls = find_canonical(agency, "call", sorted(typed))
    by_call: dict[str, list[Decision]] = defaultdict(list)
    selections: dict[str, str] = {}
    for row in rows:
        call_id = calls.get(row["call_reference"])
        if call_id:
            by_call[call_id].append(row)
            selections.setdefault(call_id, row["selection"])
    counts = Counter(selections.values())
    came = [selection for selection in selections.values() if selection in ("order", "lot")]
    since_lot = [*reversed(came), "lot"].index("lot")
    counting = standing_decisions(agency, rows)
    links = newest_links(agency, rows)
    return Standing(
        dict(by_call),
        counting,
        frozenset(row["decision_reference"] for row in rows),
        links,
        counts["order"],
        counts["lot"],
        since_lot,
    )


def count_lost_decisions(agency: Agency, version: Path, standing: Standing) -> int:
    """Count the decisions that a version knows of the agency's file and that the file has no more.

    An erasure takes decisions out of both.

    Args:
        agency: The agency.
        version: The tables of the version.
        standing: What the file has now.
    """
    name = paths.decisions_file(agency.agency).name  # other programs' files are their own
    known = _read_references(version, version.stat().st_mtime_ns, name)
    return len(known - standing.references)


@lru_cache(maxsize=8)
def _read_references(version: Path, modified_at: int, name: str) -> frozenset[str]:
    query = (
        "select decision_reference from staging.stg_decisions "
        "where not is_withdrawn and source_file = ?"
    )
    with connect(version, read_only=True) as con:
        rows = con.execute(query, [name]).fetchall()
    return frozenset(reference for (reference,) in rows)
