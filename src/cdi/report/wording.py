"""Codes, names and times of a version's file in the words of its pages and of the terminal."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cdi.agency.model import Agency
from cdi.clock import clock_time, local_moment

VERDICTS = {
    "must_be_recorded": "A crime must be recorded",
    "justified": "No crime record is needed",
    "no_crime_reported": "No crime was reported",
    "needs_review": "A person must decide",
}
EFFECTS = {
    "additional": "recorded in addition",
    "included": "counted under the other crime",
    "principal": "the other crimes are counted under it",
}
# what the words of a log do, by the meaning that the lexicon gives them
MEANINGS = {
    "crime": "reports a crime",
    "no_crime": "explains why it is no crime",
    "unsure": "is not sure",
    "negates_clause": "denies what it says",
    "further_crime": "mentions further victims",
    "offenders": "mentions offenders",
    "domestic_abuse": "names a partner or former partner as the offender",
    "reason": "gives a reason not to record",
    "excuse": "gives a reason that the rules do not accept",
    "no_offences": "says that there was no crime",
    "relabel": "calls it something other than a crime",
    "recorded": "says that a crime was or will be recorded",
}
# subjects of the lexicon whose code does not read as words
SUBJECTS = {"asb": "anti-social behaviour", "historic_dealt_with": "dealt with long ago"}

# what changed, of `practice_changes`; {label} is the subject, or the first part of it
PRACTICES = {
    "closed_as_no_crime": "logs opened as {label} that are closed as no crime",
    "told_outside_frame": "reported crimes ({label}) in logs that are not crime-coded",
    "closing_code": "logs closed with {label}",
    "not_recorded_in_three_days": (
        "logs of {label} opened as crime that have no crime record within three days"
    ),
    "reference_refused": "crime records whose reference we do not believe",
}

# Which logs a figure counts: what people choose, and how the base of the figure says it.
UNIVERSES = {
    "frame": {
        "name": "Crime-coded logs",
        "base": "reported crimes in crime-coded logs, standard ruleset",
    },
    "all": {
        "name": "All logs",
        "base": "reported crimes in all logs, standard ruleset",
    },
}

FACT = "Fact; "  # begins the description of each column of the decision table that is a fact


def in_words(value: str) -> str:
    """A stable name as people would write it."""
    return value.replace("_", " ")


def fact_in_words(description: str) -> str:
    """What a fact asks, from its column's description."""
    text = description.removeprefix(FACT).strip().rstrip(".")
    return text[0].upper() + text[1:]


def yes_or_no(value: bool) -> str:
    """A truth value in words."""
    return "yes" if value else "no"


def answer_in_words(value: Any, reasons: Mapping[str, str]) -> str | None:
    """A fact's value in words; None where the fact is not known.

    Args:
        value: Of a column of `int_disclosure__facts`.
        reasons: Names of the legitimate reasons by their code.
    """
    if isinstance(value, bool):
        return yes_or_no(value)
    return None if value is None else reasons.get(value, in_words(str(value)))


def subject_in_words(code: str, name: str | None) -> str:
    """What an entry of the lexicon is about.

    Args:
        code: Its subject.
        name: Of the offence group or the reason that the subject is, if it is one.
    """
    return name or SUBJECTS.get(code) or in_words(code)


def local_time(moment: datetime | None, agency: Agency) -> str | None:
    """A time of the file (UTC) as the agency's clocks show it."""
    return None if moment is None else local_moment(moment, agency.zone)


def data_as_of(release: Mapping[str, Any]) -> str:
    """Up to when a version's data goes, in the agency's time, for the header of its pages.

    The header names the zone, so no other time on the page has to.

    Args:
        release: The row of the table `release`.
    """
    zone = release["timezone"]
    return f"data as of {local_moment(release['as_of'], zone)} (times of {zone})"


def deadline_in_words(due_at: datetime | None, now: datetime, agency: Agency) -> str | None:
    """Until when a crime must be recorded, or since when it should have been.

    Args:
        due_at: End of its time limit (UTC); None if it has none.
        now: The time it is (UTC).
        agency: Whose clocks are meant.

    Returns:
        For example `Record by 12:36am on 1 July`; the year is named if it is another one.
    """
    if due_at is None:
        return None
    local, today = (t.replace(tzinfo=UTC).astimezone(agency.zone) for t in (due_at, now))
    day = f"{local:%-d %B}" if local.year == today.year else f"{local:%-d %B %Y}"
    return f"{'Record by' if due_at > now else 'Overdue since'} {clock_time(local)} on {day}"
