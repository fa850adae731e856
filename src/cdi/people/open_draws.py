"""What people still have to read or decide of the draws of an agency's audits.

Each auditor has a list of their own, first and second readings in one, in an order by a keyed hash:
the order says nothing about a log, and nobody can tell which of their readings is a second one.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cdi.agency.model import Agency
from cdi.audit.draws import ADJUDICATOR, Draw, load_draw
from cdi.audit.register import Register
from cdi.errors import AuditError
from cdi.keys import derive_key
from cdi.people.saved_readings import draw_second_if_due, keep_others_out, read_differing

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    """A draw, and what was read of it.

    Attributes:
        agency: Whose audit.
        draw: The draw.
        read: Log and auditor of each reading that is kept.
        differing: Crimes that two auditors found, by the log on which they differ. Which of them
            read first cannot be told from the order.
    """

    agency: Agency
    draw: Draw
    read: frozenset[tuple[str, str]]
    differing: Mapping[str, Sequence[Sequence[Row]]]

    @cached_property
    def readers(self) -> dict[str, tuple[str, ...]]:
        """Who is to read each drawn log that is not erased."""
        rows = zip(self.draw.call_ids, self.draw.auditors, self.draw.seconds, strict=True)
        return {
            call_id: tuple(filter(None, names)) for call_id, *names in rows if call_id is not None
        }

    def find_auditor(self, name: str) -> str | None:
        """Find the auditor of this draw who signs in with a name; None if there is none."""
        names: list[str] = self.draw.facts["auditors"]
        return next((auditor for auditor in names if is_same(auditor, name)), None)

    def list_given(self, auditor: str) -> list[str]:
        """List the logs that an auditor is to read, or has read, in the order of reading."""
        given = [call_id for call_id, names in self.readers.items() if auditor in names]
        return sorted(given, key=lambda call_id: self._lot(auditor, call_id))

    def list_left(self, auditor: str) -> list[str]:
        """List the logs that an auditor has still to read, in the order of reading."""
        return [log for log in self.list_given(auditor) if (log, auditor) not in self.read]

    def list_undecided(self) -> list[str]:
        """List the logs on which two auditors differ and the registrar has not decided."""
        undecided = [log for log in self.differing if (log, ADJUDICATOR) not in self.read]
        return sorted(undecided, key=lambda call_id: self._lot(ADJUDICATOR, call_id))

    @property
    def left_count(self) -> int:
        """How many readings are left, of all auditors."""
        return sum(
            (call_id, auditor) not in self.read
            for call_id, names in self.readers.items()
            for auditor in names
        )

    @property
    def is_open(self) -> bool:
        """Whether anything is left to read or to decide; nothing, if the draw has no rate."""
        if self.draw.expired_count:
            return False
        return bool(self.left_count or self.draw.awaits_second or self.list_undecided())

    def _lot(self, auditor: str, call_id: str) -> bytes:
        return _draw_lot(self.agency, self.draw.draw_id, auditor, call_id)


def is_auditor(agency: Agency, name: str) -> bool:
    """Whether a name that somebody signed in with is an auditor's: in agency.yaml, or in a draw."""
    drawn = (auditor for line in Register(agency.agency).draws() for auditor in line["auditors"])
    return any(is_same(auditor, name) for auditor in (*agency.auditors, *drawn))


def is_same(auditor: str, name: str) -> bool:
    """Whether an auditor's staff number is a name; letters count as the same in any case."""
    return auditor.strip().casefold() == name.strip().casefold()


def list_open_draws(agency: Agency) -> tuple[list[Progress], list[str]]:
    """List the draws of which something is left, the newest first.

    Returns:
        The draws; and why others cannot be read, e.g. because a file of theirs was changed.

    Raises:
        AuditError: AUDIT-REGISTER if the register is not as it was written.
    """
    found, problems = [], []
    for line in reversed(Register(agency.agency).draws()):
        try:
            progress = find_progress(agency, line["draw_id"])
        except AuditError as error:
            problems.append(error.message)
            continue
        if progress.is_open:
            found.append(progress)
    return found, problems


def find_progress(agency: Agency, draw_id: str) -> Progress:
    """Find a draw and what was read of it.

    If all first readings are there and somebody was killed before the second ones were drawn, they
    are drawn now.

    Raises:
        AuditError: AUDIT-UNKNOWN if there is no such draw; see `cdi.audit.draws.load_draw`.
    """
    draw = load_draw(agency.agency, draw_id)
    if draw.awaits_second:
        with keep_others_out(agency):
            draw = draw_second_if_due(agency, load_draw(agency.agency, draw_id))
    logs, differing = read_differing(agency, draw)
    return Progress(
        agency,
        draw,
        frozenset((row["call_id"], row["auditor_code"]) for row in logs),
        {
            call_id: sorted(
                (first, second),
                key=lambda crimes: _draw_lot(agency, draw_id, f"{crimes}", call_id),
            )
            for call_id, first, second in differing
        },
    )


def _draw_lot(agency: Agency, *parts: str) -> bytes:
    key = derive_key(agency.agency, "reading order")
    return hmac.digest(key, "\0".join(parts).encode(), "sha256")
