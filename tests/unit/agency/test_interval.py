"""Which days of a live source an interval reads: whole local days, whatever the clock does."""

from datetime import UTC, date, datetime

import pytest

from cdi.agency.interval import Interval
from tests.conftest import load_sample


@pytest.mark.parametrize(
    ("start", "end", "days", "first", "last"),
    [
        # a day of winter time, two days back
        ("2026-01-10 00:00", "2026-01-11 00:00", 2, "2026-01-09", "2026-01-10"),
        # an hour in the middle of a day reads that day whole, as far as it has come
        ("2026-01-10 13:00", "2026-01-10 14:00", 2, "2026-01-09", "2026-01-10"),
        # midnight of summer time is 23:00 of the day before in UTC
        ("2026-06-09 23:00", "2026-06-10 23:00", 1, "2026-06-10", "2026-06-10"),
        ("2026-06-09 23:00", "2026-06-10 23:30", 1, "2026-06-10", "2026-06-11"),
        # an interval that is longer than the days is read whole
        ("2026-03-01 00:00", "2026-04-01 23:00", 35, "2026-02-26", "2026-04-01"),
        ("2025-03-01 00:00", "2026-04-01 23:00", 35, "2025-03-01", "2026-04-01"),
    ],
)
def test_an_interval_is_widened_to_whole_local_days(
    start: str, end: str, days: int, first: str, last: str
) -> None:
    agency = load_sample().model_copy(update={"timezone": "Europe/London"})
    interval = Interval(*(datetime.fromisoformat(t).replace(tzinfo=UTC) for t in (start, end)))
    read = interval.widened(agency, days).days(agency)
    assert (read[0], read[-1]) == (date.fromisoformat(first), date.fromisoformat(last))
    assert len(read) == (read[-1] - read[0]).days + 1
