"""A data interval: the span of time that one extraction covers."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from cdi.agency.model import Agency


@dataclass(frozen=True)
class Interval:
    """A data interval [start, end), both UTC and timezone-aware."""

    start: datetime
    end: datetime

    @classmethod
    def of_days(cls, agency: Agency, start: date, end: date) -> "Interval":
        """Local midnight of ``start`` to local midnight of ``end``."""
        return cls(midnight(agency, start), midnight(agency, end))

    def days(self, agency: Agency) -> list[date]:
        """The local days that begin inside the interval."""
        day = self.start.astimezone(agency.zone).date()
        if midnight(agency, day) < self.start:
            day += timedelta(days=1)
        found = []
        while midnight(agency, day) < self.end:
            found.append(day)
            day += timedelta(days=1)
        return found


def midnight(agency: Agency, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=agency.zone).astimezone(UTC)
