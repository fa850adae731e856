"""When each source of an agency was last asked, also if it had nothing new.

An extraction that finds nothing new lands nothing. Without this note nobody could tell a quiet
night from a source that nobody asks, or from one that answers and is no longer filled.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE
from cdi.agency.model import Agency
from cdi.errors import StateError
from cdi.files import read_json, wait_for_lock, write_json


@dataclass(frozen=True)
class Asked:
    """When a source answered last.

    Attributes:
        at: When it answered, in UTC.
        unchanged_until: Up to when all that it holds has been landed, in UTC: the end of the newest
            interval in which it had nothing new. None if it always had something new.
        until: Up to when it was asked for, in UTC: the end of the newest interval.
        newest_day: The newest local day of which it had rows; None if no row told its day.
    """

    at: datetime
    unchanged_until: datetime | None
    until: datetime
    newest_day: date | None


def note_asked(
    agency_id: str,
    dataset: str,
    until: datetime,
    *,
    is_new: bool,
    now: datetime,
    clock: datetime | None = None,
    newest_day: date | None = None,
) -> None:
    """Note that a source answered.

    Args:
        agency_id: The agency.
        dataset: The dataset of the source.
        until: Up to when the source was asked for, in UTC.
        is_new: Whether it had anything new; whether that is accepted is not known yet.
        now: The moment, in UTC.
        clock: The source's own clock. A copy holds nothing of the time after it.
        newest_day: The newest local day of which it has rows.
    """
    folder = paths.asked(agency_id)
    with wait_for_lock(folder):
        before = read_asked(agency_id, dataset)
        # a backfill asks for days of long ago, so of each the newest stands
        unchanged = before.unchanged_until if before else None
        if not is_new:
            unchanged = max(filter(None, (unchanged, min(until, now, clock or now))))
        asked_until = min(until, now)
        if before:
            asked_until = max(asked_until, before.until)
            newest_day = max(filter(None, (before.newest_day, newest_day)), default=None)
        content = {
            "at": now.isoformat(),
            "unchanged_until": unchanged and unchanged.isoformat(),
            "until": asked_until.isoformat(),
            "newest_day": newest_day and newest_day.isoformat(),
        }
        write_json(folder / f"{dataset}.json", content)


def read_asked(agency_id: str, dataset: str) -> Asked | None:
    """Read when a source answered last; None if that is not known."""
    file = paths.asked(agency_id) / f"{dataset}.json"
    if not file.is_file():
        return None
    try:
        content = read_json(file, ["at", "unchanged_until", "until", "newest_day"])
        unchanged, day = content["unchanged_until"], content["newest_day"]
        return Asked(
            _read_moment(content["at"]),
            _read_moment(unchanged) if unchanged else None,
            _read_moment(content["until"]),
            date.fromisoformat(day) if day else None,
        )
    except (StateError, ValueError, TypeError):
        return None  # the next extraction writes it anew


def list_delivered(agency: Agency) -> list[str]:
    """Name the datasets that the agency's systems deliver, rather than people."""
    return [dataset for dataset in agency.sources if dataset not in BY_PEOPLE]


def _read_moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
