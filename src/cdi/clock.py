"""Times as people read them, in one style on all pages and in all messages: that of GOV.UK."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


def clock_time(moment: datetime) -> str:
    """Write the time of day: ``11:36pm``, ``7am``, ``midday`` or ``midnight``.

    Args:
        moment: A time, in the zone in which people shall read it. Seconds are left out, so a
            deadline never looks later than it is.
    """
    if moment.minute == 0 and moment.hour % 12 == 0:
        return "midday" if moment.hour else "midnight"
    minutes = f":{moment:%M}" if moment.minute else ""
    return f"{moment.hour % 12 or 12}{minutes}{'pm' if moment.hour >= 12 else 'am'}"


def day_and_time(moment: datetime) -> str:
    """Write a day and a time: ``30 June 2017, 11:36pm``.

    Args:
        moment: A time, in the zone in which people shall read it.
    """
    return f"{moment:%-d %B %Y}, {clock_time(moment)}"


def local_moment(moment: datetime, zone: str | ZoneInfo) -> str:
    """Write a time of a version's file as clocks of a place show it: ``30 June 2017, 11:36pm``.

    Args:
        moment: A time in UTC, without a zone.
        zone: The place, e.g. Europe/London.
    """
    local = ZoneInfo(zone) if isinstance(zone, str) else zone
    return day_and_time(moment.replace(tzinfo=UTC).astimezone(local))


def name_days(start: datetime, end: datetime) -> str:
    """Name an interval by its first and last day, or by times if it is not made of whole days.

    Args:
        start: Its start, in the zone in which people shall read it.
        end: Its end, in the same zone; the last day is the one before a midnight.
    """
    if start.time() != time.min or end.time() != time.min or end <= start:
        return f"{day_and_time(start)} to {day_and_time(end)}"
    last = end.date() - timedelta(days=1)
    if start.date() == last:
        return f"{last:%-d %B %Y}"
    if (start.year, start.month) == (last.year, last.month):
        return f"{start:%-d} to {last:%-d %B %Y}"
    year = "" if start.year == last.year else f" {start.year}"
    return f"{start:%-d %B}{year} to {last:%-d %B %Y}"
