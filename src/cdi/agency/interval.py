"""A data interval: the span of time that one extraction covers."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from cdi.agency.model import Agency


@dataclass(frozen=True)
class Interval:
    """A data interval: start included, end excluded, both UTC with a zone."""

    start: datetime
    end: datetime

    @classmethod
    def of_days(cls, agency: Agency, start: date, end: date) -> "Interval":
        """Return the interval from local midnight of `start` to local midnight of `end`."""
        return cls(midnight(agency, start), midnight(agency, end))

    def days(self, agency: Agency) -> list[date]:
        """List the local days of which the interval holds all or a part."""
        day = self.start.astimezone(agency.zone).date()
        days = []
        while midnight(agency, day) < self.end:
            days.append(day)
            day += timedelta(days=1)
        return days

    def widened(self, agency: Agency, days: int) -> "Interval":
        """Return whole local days that hold the interval, and go back so many from their end.

        Args:
            agency: Whose local days.
            days: At least so many days.
        """
        start, end = (moment.astimezone(agency.zone).date() for moment in (self.start, self.end))
        if midnight(agency, end) < self.end:
            end += timedelta(days=1)
        return Interval.of_days(agency, min(start, end - timedelta(days=days)), end)


def midnight(agency: Agency, day: date) -> datetime:
    """Return the moment (UTC) at which a local day of the agency begins."""
    return datetime(day.year, day.month, day.day, tzinfo=agency.zone).astimezone(UTC)
