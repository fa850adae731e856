"""When each source of an agency was last asked, also if it had nothing new.

An extraction that finds nothing new lands nothing. Without this note nobody could tell a quiet
night from a source that nobody asks.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

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
    """

    at: datetime
    unchanged_until: datetime | None


def note_asked(
    agency_id: str, dataset: str, until: datetime, *, is_new: bool, now: datetime
) -> None:
    """Note that a source answered.

    Args:
        agency_id: The agency.
        dataset: The dataset of the source.
        until: Up to when the source was asked for, in UTC.
        is_new: Whether it had anything new; whether that is accepted is not known yet.
        now: The moment, in UTC.
    """
    folder = paths.asked(agency_id)
    with wait_for_lock(folder):
        before = read_asked(agency_id, dataset)
        unchanged = before.unchanged_until if before else None
        if not is_new:
            # a backfill asks for days of long ago
            unchanged = max(filter(None, (unchanged, min(until, now))))
        content = {"at": now.isoformat(), "unchanged_until": unchanged and unchanged.isoformat()}
        write_json(folder / f"{dataset}.json", content)


def read_asked(agency_id: str, dataset: str) -> Asked | None:
    """Read when a source answered last; None if that is not known."""
    file = paths.asked(agency_id) / f"{dataset}.json"
    if not file.is_file():
        return None
    try:
        content = read_json(file, ["at", "unchanged_until"])
        at, unchanged = content["at"], content["unchanged_until"]
        return Asked(_read_moment(at), _read_moment(unchanged) if unchanged else None)
    except (StateError, ValueError, TypeError):
        return None  # the next extraction writes it anew


def list_delivered(agency: Agency) -> list[str]:
    """Name the datasets that the agency's systems deliver, rather than people."""
    return [dataset for dataset in agency.sources if dataset not in BY_PEOPLE]


def _read_moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
