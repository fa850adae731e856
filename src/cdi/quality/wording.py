"""Rules and their results in words, with the value that was found beside the threshold."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cdi.agency.model import Agency
from cdi.clock import name_days
from cdi.quality.rules import Rule

_LONG_FRACTION = re.compile(r"-?\b\d+\.\d{5,}\b")
_BATCH_ID = re.compile(r"(?P<start>\d{8}T\d{4})_(?P<end>\d{8}T\d{4})_v(?P<version>\d+)")


def describe_rule(rule: Rule) -> str:
    """Say what a rule expects.

    E.g. ``At least 50% of crime records name their call.``
    """
    if not rule.is_about_rows:
        return f"{rule.filled_claim}."
    if rule.mostly == 1:
        return f"All {rule.noun} {rule.filled_claim}."
    if rule.mostly == 0:
        return f"{_capitalise(rule.noun)} {rule.filled_claim}; others are put in quarantine."
    return f"At least {_write_threshold(rule.mostly)} of {rule.noun} {rule.filled_claim}."


def describe_finding(
    rule: Rule, checked: int | None, unexpected: int | None, observed: object
) -> str:
    """Say what was found beside what is needed.

    E.g. ``64.2% of 1,200 crime records name their call; at least 50% needed``. A share is rounded
    down, so that none that is too low reads as if it were enough.

    Args:
        rule: The rule.
        checked: How many rows it could look at; rows without a value do not count.
        unexpected: How many of them are against it; None if it looks at all rows at once.
        observed: What was observed, if it looks at all rows at once.
    """
    if not rule.is_about_rows:
        if unexpected is None:
            found = "nothing" if observed is None else _write_number(observed)
            return f"{rule.filled_claim}; found: {found}"
        return f"{rule.filled_claim}; rows against it: {unexpected:,}"
    if not checked or unexpected is None:
        return f"No {rule.noun} to check"
    kept = checked - unexpected
    if rule.mostly == 1:
        if not unexpected and checked == 1:  # the claim is written for several
            return f"All {rule.noun} {rule.filled_claim}; checked: 1"
        if not unexpected:
            return f"All {checked:,} {rule.noun} {rule.filled_claim}"
        return f"{kept:,} of {checked:,} {rule.noun} {rule.filled_claim}; all must"
    scale = 10 ** max(1, _count_decimals(100 * rule.mostly))
    share = f"{math.floor(100 * scale * kept / checked) / scale:.{len(str(scale)) - 1}f}%"
    needed = "the others are put in quarantine"
    if rule.mostly:
        needed = f"at least {_write_threshold(rule.mostly)} needed"
    return f"{share} of {checked:,} {rule.noun} {rule.filled_claim}; {needed}"


def describe_extent(result: Mapping[str, Any]) -> str:
    """Say in short how far a rule was broken, e.g. `3 of 120 rows`."""
    if result["error"]:
        return str(result["error"])
    if result["unexpected_count"] is None:
        return f"observed {shorten_decimals(result['observed_value']) or 'nothing'}"
    total = f" of {result['element_count']:,}" if result["element_count"] else ""
    # of files and codes; other rows may be about people
    observed = shorten_decimals(result["observed_value"])
    examples = f" ({observed})" if observed else ""
    noun = "files" if result["table_name"] == "files" else "rows"
    refused = f"; refused: {result['refused']}" if result.get("refused") else ""
    return f"{result['unexpected_count']:,}{total} {noun}{examples}{refused}"


def shorten_decimals(observed: str | None) -> str:
    """Write long fractions in what was observed as people read them, e.g. `536.566666` as `536.57`.

    A share is cut less, so that none that is too low reads as if it were enough.
    """

    def shorten(found: re.Match[str]) -> str:
        number = float(found[0])
        return f"{number:.6g}" if abs(number) < 1 else f"{number:,.2f}"

    return _LONG_FRACTION.sub(shorten, observed or "")


def name_batch(agency: Agency, dataset: str, batch_id: str) -> str:
    """Name a batch by its dataset and days, e.g. ``Crime records, 1 April to 30 June 2017``.

    Args:
        agency: Its time zone says which days they are.
        dataset: The dataset.
        batch_id: As the landing names it: start and end of the interval in UTC, and how often this
            interval has been extracted.
    """
    name = _capitalise(dataset.replace("_", " "))
    parts = _BATCH_ID.fullmatch(batch_id)
    if parts is None:
        return f"{name} {batch_id}"
    start, end = (
        datetime.strptime(parts[part], "%Y%m%dT%H%M").replace(tzinfo=UTC).astimezone(agency.zone)
        for part in ("start", "end")
    )
    again = "" if parts["version"] == "1" else f" (extraction {parts['version']} of these days)"
    return f"{name}, {name_days(start, end)}{again}"


def name_row(row_id: str) -> str:
    """Name a row by its file and its place in it, e.g. ``calls.csv, line 12``."""
    file, _, place = row_id.rpartition(":")
    return f"{file}, line {int(place)}" if file and place.isdigit() else row_id


def _write_threshold(share: float) -> str:
    """Write a share as a percentage with as many decimals as it needs."""
    return f"{100 * share:.6g}%"


def _count_decimals(number: float) -> int:
    return len(f"{number:.6g}".partition(".")[2])


def _write_number(observed: object) -> str:
    return f"{observed:,.6g}" if isinstance(observed, int | float) else str(observed)


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
