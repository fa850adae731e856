"""Times as people read them, in one style on all pages and in all messages: that of GOV.UK."""

from datetime import UTC, datetime
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
