"""What the agency's staff are told before the time limit of a crime has passed, and when.

Two messages: a warning of the crimes that reach their deadline within the next hours, each crime
once; and a digest at each change of shift. A message holds counts, districts, severities and times:
no number of a log, no text and no name, since mail and chat are no place for them.

Nothing here reads a clock, a file or a database, so a test can ask for any minute of any day.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cdi.agency.model import Agency
from cdi.clock import clock_time

NO_DISTRICT = "no district"


@dataclass(frozen=True)
class OpenCrime:
    """A crime that is likely missed, and that nobody has decided.

    Attributes:
        key: A keyed hash of its number, by which it is remembered.
        due_at: When its time limit ends.
        district: As the data name it; None if it has none.
        severity: A code of the table `severities`.
    """

    key: str
    due_at: datetime
    district: str | None
    severity: str


@dataclass(frozen=True)
class Situation:
    """What the published version, and the decisions taken since, say at one moment.

    Attributes:
        agency: The agency.
        now: The moment.
        as_of: The state of knowledge that the version speaks of.
        crimes: All open crimes.
        severities: Codes of severities, the gravest first.
        decided: When crimes were decided, and how (`confirmed` or `dismissed`).
        known_until: Up to when the version shows all that the sources hold; None if not after
            its as_of.
        confirmed: When the time limits end of the crimes that were confirmed and have no record.
        unfilled: Which sources answer and are no longer filled, in words.
    """

    agency: Agency
    now: datetime
    as_of: datetime
    crimes: tuple[OpenCrime, ...]
    severities: tuple[str, ...]
    decided: tuple[tuple[datetime, str], ...] = ()
    known_until: datetime | None = None
    confirmed: tuple[datetime, ...] = ()
    unfilled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Memory:
    """What one connection was sent before.

    Attributes:
        warned: Keys of the crimes that it was warned of.
        missed: Keys of the crimes of warnings that it did not take.
        shift: The newest change of shift whose digest it was sent; None if it was sent none.
    """

    warned: frozenset[str] = frozenset()
    missed: frozenset[str] = frozenset()
    shift: datetime | None = None


@dataclass(frozen=True)
class Message:
    """A message, and what has to be remembered once it was sent.

    Attributes:
        subject: One line.
        text: Some lines of plain text.
        keys: Of the crimes that it warns of; none of a digest.
        shift: The change of shift of a digest; None of a warning.
    """

    subject: str
    text: str
    keys: tuple[str, ...] = field(default=(), repr=False)
    shift: datetime | None = None


def make_messages(situation: Situation, memory: Memory) -> list[Message]:
    """Make the messages that a connection has to be sent now, the warning first.

    Args:
        situation: What is known now.
        memory: What this connection was sent before.
    """
    near, missed = find_breaches(situation, memory)
    messages = [_write_warning(situation, near, missed)] if near or missed else []
    shift = last_shift_change(situation.agency, situation.now)
    if shift is not None and (memory.shift is None or memory.shift < shift):
        since = memory.shift or last_shift_change(situation.agency, shift - timedelta(seconds=1))
        messages.append(_write_digest(situation, shift, since or shift))
    return messages


def find_breaches(situation: Situation, memory: Memory) -> tuple[list[OpenCrime], list[OpenCrime]]:
    """Find the crimes that a connection has to be warned of now.

    Returns:
        Those whose deadline is near, and those whose deadline passed while the connection did not
        take the warning; the first deadline first.
    """
    until = situation.now + timedelta(hours=situation.agency.alerts.breach_hours)
    open_crimes = sorted(situation.crimes, key=lambda crime: (crime.due_at, crime.key))
    unwarned = [crime for crime in open_crimes if crime.key not in memory.warned]
    near = [crime for crime in unwarned if situation.now < crime.due_at <= until]
    missed = [
        crime for crime in unwarned if crime.due_at <= situation.now and crime.key in memory.missed
    ]
    return near, missed


def last_shift_change(agency: Agency, moment: datetime) -> datetime | None:
    """Find the newest change of shift that is not after a moment; None if there are no shifts.

    Each day of the calendar has each change of shift once. If the clock shows its time twice, the
    first counts; if the clock skips it, it is as long after midnight as on other days.
    """
    today = moment.astimezone(agency.zone).date()
    changes = [
        datetime.combine(day, time.fromisoformat(change), agency.zone).astimezone(UTC)
        for day in (today - timedelta(days=1), today)
        for change in agency.alerts.shift_changes
    ]
    return max((change for change in changes if change <= moment), default=None)


def is_late(situation: Situation) -> bool:
    """Whether the version is older than the agency's schedule allows; a quiet night is not."""
    known_until = situation.known_until or situation.as_of
    return situation.now > situation.agency.late_from(known_until)


def _write_warning(
    situation: Situation, near: Sequence[OpenCrime], missed: Sequence[OpenCrime]
) -> Message:
    agency = situation.agency
    hours = _count(agency.alerts.breach_hours, "hour")
    lines = []
    if near:
        by = _clock(near[0].due_at, agency.zone)
        subject = f"{_count(len(near), 'crime')} to record within {hours}"
        lines += [
            f"{_count(len(near), 'suspected missed crime')}: the time limit ends within "
            f"{hours}. Record the first by {by}.",
            *_by_district(near, agency.zone),
        ]
    else:
        subject = f"{_count(len(missed), 'crime')} not recorded in time"
    if missed:
        lines += [
            f"The time limit of {_count(len(missed), 'suspected missed crime')} ended while this "
            "warning could not be sent:",
            *_by_district(missed, agency.zone),
        ]
    keys = tuple(crime.key for crime in (*near, *missed))
    return Message(_head(agency, subject), _frame(situation, lines), keys)


def _write_digest(situation: Situation, shift: datetime, since: datetime) -> Message:
    agency, zone = situation.agency, situation.agency.zone
    in_time = [crime for crime in situation.crimes if crime.due_at > situation.now]
    in_time.sort(key=lambda crime: (crime.due_at, crime.key))
    overdue = Counter(crime.severity for crime in situation.crimes) - Counter(
        crime.severity for crime in in_time
    )
    decided = Counter(kind for at, kind in situation.decided if since < at <= shift)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(decided.items()))
    lines = [
        f"Change of shift at {_clock(shift, zone)}.",
        f"{_count(len(in_time), 'suspected missed crime')} can still be recorded in time.",
        *_by_district(in_time, zone),
        *_tell_confirmed(situation),
        f"{_count(overdue.total(), 'suspected missed crime')} overdue.",
        *(
            f"- {severity.replace('_', ' ')}: {overdue[severity]:,}"
            for severity in situation.severities
            if overdue[severity]
        ),
        f"{_count(decided.total(), 'crime')} decided between {_clock(since, zone)} and "
        f"{_clock(shift, zone)}{f': {kinds}' if kinds else ''}.",
    ]
    subject = f"{len(in_time):,} to record in time, {overdue.total():,} overdue"
    return Message(_head(agency, subject), _frame(situation, lines), shift=shift)


def _tell_confirmed(situation: Situation) -> list[str]:
    """Say how many confirmed crimes still wait for a record; nothing if none is in time."""
    count = sum(due_at > situation.now for due_at in situation.confirmed)
    if not count:
        return []
    crimes = f"{_count(count, 'confirmed crime')} {'has' if count == 1 else 'have'}"
    return [f"{crimes} no record yet and can still be recorded in time."]


def _head(agency: Agency, subject: str) -> str:
    mark = "SIMULATED: " if agency.is_simulated else ""
    return f"{mark}{agency.name}: {subject}"


def _frame(situation: Situation, lines: Iterable[str]) -> str:
    """Put around the lines of a message what each message says."""
    agency = situation.agency
    as_of = _clock(situation.as_of, agency.zone)
    age = _count(max(int((situation.now - situation.as_of) / timedelta(hours=1)), 0), "hour")
    before = []
    if agency.is_simulated:
        before.append("SIMULATED: invented data, no real force.")
    if is_late(situation):
        before.append(
            f"THE DATA ARE OLD: as of {as_of}, {age} ago. They should be newer. If anything was "
            "reported since, it is missing here. Contact operations."
        )
    if situation.unfilled:
        before.append(
            f"A SOURCE IS NO LONGER FILLED ({'; '.join(situation.unfilled)}). What was reported or "
            "recorded since is missing here. Contact operations."
        )
    after = [f"Data as of {as_of} ({age} old). Times are local ({agency.timezone})."]
    if agency.alerts.desk_url:
        after.append(agency.alerts.desk_url)
    return "\n".join([*before, *lines, *after])


def _by_district(crimes: Sequence[OpenCrime], zone: ZoneInfo) -> list[str]:
    """Count crimes by district, the district with the first deadline first.

    Args:
        crimes: The crimes, the first deadline first.
        zone: Of the times.
    """
    counts = Counter(crime.district for crime in crimes)
    first = {crime.district: crime.due_at for crime in reversed(crimes)}
    return [
        f"- {NO_DISTRICT if district is None else ' '.join(district.split())}: {count:,}, "
        f"{'by' if count == 1 else 'the first by'} {_clock(first[district], zone)}"
        for district, count in counts.items()
    ]


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _clock(moment: datetime, zone: ZoneInfo) -> str:
    """Write a moment as the agency's clocks show it; rounded down, so that nobody comes late."""
    local = moment.astimezone(zone)
    return f"{clock_time(local)} on {local:%-d %B}"
