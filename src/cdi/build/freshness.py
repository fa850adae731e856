"""Up to when a published version shows all that the sources hold, and which time it is there."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from cdi import paths
from cdi.agency.asked import list_delivered, read_asked
from cdi.agency.model import Agency


def known_until(agency: Agency, description: Mapping[str, Any]) -> datetime:
    """Find up to when a version shows all that the sources hold, in UTC.

    That is its as_of, or later if each live source has been asked since and had nothing new. A file
    that is the same as before says nothing of the time since: its export may have stopped. Neither
    does a live source that is no longer filled.

    Args:
        agency: The agency.
        description: Of the published version; see `cdi.build.version.find_description`.
    """
    as_of = datetime.fromisoformat(description["as_of"])
    as_of = as_of.replace(tzinfo=as_of.tzinfo or UTC)
    unchanged = []
    unfilled = find_unfilled(agency)
    for dataset in list_delivered(agency):
        asked = read_asked(agency.agency, dataset)
        if (
            not agency.sources[dataset].is_live
            or asked is None
            or asked.unchanged_until is None
            or dataset in unfilled
            or not _holds_all_landed(agency.agency, dataset, description)
        ):
            return as_of
        unchanged.append(asked.unchanged_until)
    return max(as_of, min(unchanged, default=as_of))


def find_unfilled(agency: Agency) -> dict[str, date]:
    """Find the live sources that answer and are no longer filled, and the newest day of each.

    A source counts as such if more than its `max_age_hours` lie between the end of its newest day
    with rows and the moment up to which it was asked for (SRC-UNFILLED). Its own clock does not
    count here: that of a copy stops together with the rows. Invented data, and a publication that
    is finished, get no newer.

    Args:
        agency: The agency.
    """
    if agency.is_simulated:
        return {}
    unfilled = {}
    for dataset in list_delivered(agency):
        source, asked = agency.sources[dataset], read_asked(agency.agency, dataset)
        if not source.is_live or asked is None or asked.newest_day is None:
            continue
        # on the local calendar, as one day of the year has 25 hours
        end_of_day = datetime.combine(asked.newest_day + timedelta(days=1), time.min)
        until = min(asked.until, agency.last_moment or asked.until)
        if source.is_too_old(until.astimezone(agency.zone).replace(tzinfo=None) - end_of_day):
            unfilled[dataset] = asked.newest_day
    return unfilled


def describe_unfilled(agency: Agency) -> tuple[str, ...]:
    """Name the sources that are no longer filled: ``calls: no row after 2 December 2026``.

    Args:
        agency: The agency.
    """
    return tuple(
        f"{dataset.replace('_', ' ')}: no row after {day:%-d %B %Y}"
        for dataset, day in find_unfilled(agency).items()
    )


def find_clock(agency: Agency, as_of: datetime, now: datetime) -> datetime:
    """Find the moment from which deadlines and ages are counted.

    Invented data and a finished publication get no newer. Against the clock of today each of their
    deadlines would be overdue, so their clock has stopped where the data ends.

    Args:
        agency: The agency.
        as_of: Up to when its published data goes, with its zone.
        now: The time that it is, with its zone.
    """
    end = agency.last_moment
    is_finished = end is not None and end <= now
    return as_of if agency.is_simulated or is_finished else now


def _holds_all_landed(agency_id: str, dataset: str, description: Mapping[str, Any]) -> bool:
    """Whether a version was built from all accepted batches; a build may have failed since."""
    landed = {
        folder.name for folder in (paths.landing(agency_id, dataset) / "batches").glob("[!.]*/")
    }
    return landed <= set(description["batches"].get(dataset, ()))
