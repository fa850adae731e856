"""The newest rows of a live source: so many days of them, as a look needs and memory holds."""

from datetime import datetime, timedelta

from cdi.agency.interval import Interval
from cdi.agency.model import Agency
from cdi.sources.reader import Reader

MOST_ROWS = 50_000  # more would say the same, and take longer
MOST_DAYS = 35
AHEAD_DAYS = 2  # rows that are later than the clock tell that a zone is wrong
_FIRST_YEAR = 1900


def choose_recent(reader: Reader, agency: Agency, now: datetime) -> Interval:
    """Choose the last days before a source's clock, and the two after it.

    Args:
        reader: The open source; it knows its moment.
        agency: Whose local days.
        now: The source's clock.

    Returns:
        At most `MOST_DAYS` before the clock's day, and so few that they have at most `MOST_ROWS`
        rows, if one day has not more.
    """
    today = now.astimezone(agency.zone).date()
    days = MOST_DAYS
    end = today + timedelta(days=AHEAD_DAYS)
    window = Interval.of_days(agency, today - timedelta(days=days), end)
    while days > 1 and reader.count(window) > MOST_ROWS:
        days //= 2
        window = Interval.of_days(agency, today - timedelta(days=days), end)
    return window


def find_newest(reader: Reader, agency: Agency, now: datetime) -> datetime | None:
    """Find the day of the newest row that is not later than a source's clock.

    It counts windows, as every kind of source can, and halves them. Nothing but counts is asked.

    Args:
        reader: The open source; it knows its moment.
        agency: Whose local days.
        now: The source's clock.

    Returns:
        A moment in that day; None if there is no row since 1900.
    """
    today = now.astimezone(agency.zone).date()
    end = today + timedelta(days=1)  # the day of the clock is whole
    longest = (today - today.replace(year=_FIRST_YEAR, month=1, day=1)).days

    def has_rows(days: int) -> bool:
        return reader.count(Interval.of_days(agency, end - timedelta(days=days), end)) > 0

    days = 1
    while not has_rows(days):
        if days == longest:
            return None
        days = min(days * 8, longest)
    least = days // 8  # so many days have no row
    while days - least > 1:
        middle = (least + days) // 2
        least, days = (least, middle) if has_rows(middle) else (middle, days)
    return min(now, datetime.combine(end - timedelta(days=days), datetime.max.time(), agency.zone))
