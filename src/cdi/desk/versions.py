"""The published version that the desk shows, how old its data is, and which time it is there."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdi import paths
from cdi.agency.load import load_agency
from cdi.agency.model import Agency, next_times
from cdi.build.freshness import describe_unfilled, find_clock, known_until
from cdi.build.version import read_description
from cdi.publish.access import current_folder
from cdi.report.wording import local_time
from cdi.sql import naive_utc

_VERSION_NAME = re.compile(r"\d{8}T\d{4}-[0-9a-f]{10}")


@dataclass(frozen=True)
class Shown:
    """The version that the desk shows.

    Attributes:
        agency: Whose version.
        folder: The version's own folder.
        as_of: Up to which moment its data goes (UTC, without a zone as in its tables).
        now: What the desk takes for now (UTC, without a zone); see `find_clock`.
        known_until: Up to when it shows all that the sources hold (UTC, without a zone).
        unfilled: Which sources answer and are no longer filled, in words.
    """

    agency: Agency
    folder: Path
    as_of: datetime
    now: datetime
    known_until: datetime
    unfilled: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The version's name."""
        return self.folder.name

    @property
    def file(self) -> Path:
        """The version's tables."""
        return self.folder / "recording.duckdb"

    @property
    def age(self) -> timedelta:
        """How old the data is."""
        return self.now - self.as_of

    @property
    def has_stopped(self) -> bool:
        """Whether the desk's clock has stopped at the end of the data."""
        return self.now == self.as_of

    @property
    def is_late(self) -> bool:
        """Whether the data is older than the schedule promises; a quiet night is not late."""
        return _in_utc(self.now) > self.agency.late_from(_in_utc(self.known_until))

    @property
    def next_at(self) -> datetime | None:
        """When the next run of the schedule begins (UTC); None for data that gets no newer."""
        if self.has_stopped:
            return None
        (following,) = next_times(
            self.agency.cron, _in_utc(self.now).astimezone(self.agency.zone), 1
        )
        return naive_utc(following)

    @property
    def effect_in_words(self) -> str:
        """When a decision takes effect: all pages say it in these words."""
        if self.next_at is None:
            seen = f"It is there when the foot of each page no longer says “Version {self.name}”"
        else:
            seen = f"It is expected soon after {local_time(self.next_at, self.agency)}"
        effect = "A decision takes effect in the next version, which the next build publishes"
        return f"{effect}. {seen}."


def find_shown(agency_id: str) -> Shown | None:
    """Find what the desk shows of an agency; None if nothing is published.

    Raises:
        CdiError: If the agency's folder is not in order.
    """
    folder = current_folder(agency_id)
    if folder is None:
        return None
    agency = load_agency(agency_id)
    description = read_description(folder)
    as_of = datetime.fromisoformat(description["as_of"])
    as_of = as_of.replace(tzinfo=as_of.tzinfo or UTC)
    now = find_clock(agency, as_of, datetime.now(UTC))
    until = known_until(agency, description)
    unfilled = describe_unfilled(agency)
    return Shown(agency, folder, naive_utc(as_of), naive_utc(now), naive_utc(until), unfilled)


def find_seen_version(current: Shown, name: str) -> tuple[str, Shown]:
    """Find the version that a page showed, which may have been replaced since.

    Args:
        current: The current version.
        name: What the page's form says; it is not believed if no version can have this name.

    Returns:
        Its name, and what it shows; the current version shows in its place if it was removed.
    """
    if not _VERSION_NAME.fullmatch(name):
        return current.name, current
    folder = paths.published(current.agency.agency) / "versions" / name
    is_kept = (folder / "recording.duckdb").is_file()
    return name, replace(current, folder=folder) if is_kept else current


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
