"""What the lexicon reads in real narratives whose labels nobody had seen when they were drawn."""

import csv
import gzip
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest
import yaml

from cdi import paths
from cdi.report.readings import MEASURED
from tests.lexicon_by_hand import hits, seed

SHARED = paths.REPO.parent / "shared" / "data"
DATA = paths.REPO / "tests" / "data"
LABELLINGS = SECOND, THIRD = "narrative_labels_2026", "narrative_labels_third"
FILES = {
    "ucsd/pulled_logs_2020.json.gz": "SUMMARY",
    "text/ucpd_chicago_incidents_2010_2019.csv.gz": "Comments / Nature of Fire",
    "text/texas_tech_crime_log.csv.gz": "Synopsis",
}
# What the report shows of real texts: first types that are no crime, then those that are one.
REPORTED = {
    "under types that are no crime" in row["texts"]: row
    for row in yaml.safe_load(MEASURED.read_text("utf-8"))
    if not row["is_simulated"]
}
CRIMES = {row["lexicon_id"] for row in seed("lexicon") if row["meaning"] == "crime"}


def narratives() -> Iterator[str]:
    """All narratives of the three logs; some more than once."""
    for name, column in FILES.items():
        with gzip.open(SHARED / name, "rt", encoding="utf-8", newline="") as file:
            rows = json.load(file) if ".json" in name else csv.DictReader(file)
            yield from ((row[column] or "").strip() for row in rows)


def says_crime(text: str) -> bool:
    """Whether the lexicon reads a crime in a text that is not explained away."""
    entries = [("call", "account", n, part) for n, part in enumerate(text.lower().split(" / "))]
    return any(name in CRIMES and not explained for _, _, _, name, explained in hits(entries))


Counts = Counter[tuple[bool, str, bool]]


@pytest.fixture(scope="module")
def counted() -> dict[tuple[str, str], Counts]:
    """By labelling and half: narratives by crime type, label and whether a crime was found."""
    if not SHARED.is_dir():
        pytest.skip("the real narratives (../shared/data) are not on this machine")
    texts = {hashlib.sha256(text.encode()).hexdigest()[:16]: text for text in narratives()}
    counts: dict[tuple[str, str], Counts] = defaultdict(Counter)
    for labelling in LABELLINGS:
        with (DATA / f"{labelling}.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found = says_crime(" ".join(texts[row["narrative_sha256"]].split()))
                kind = row["is_crime_type"] == "true", row["discloses"], found
                counts[labelling, row["half"]][kind] += 1
    return counts


@pytest.mark.parametrize(
    ("labelling", "halves", "least_recall", "least_precision"),
    [
        # phrases were written from it
        (SECOND, ("open",), {False: 0.85, True: 0.92}, {False: 0.93, True: 0.95}),
        # nobody saw it until they were
        (SECOND, ("shut",), {False: 0.80, True: 0.87}, {False: 0.85, True: 0.93}),
        # drawn when they were final
        (THIRD, ("open", "shut"), {False: 0.80, True: 0.92}, {False: 0.78, True: 0.93}),
    ],
)
def test_the_lexicon_reads_most_crimes_in_real_narratives(
    counted: dict[tuple[str, str], Counts],
    labelling: str,
    halves: tuple[str, ...],
    least_recall: dict[bool, float],
    least_precision: dict[bool, float],
) -> None:
    """The minima keep it from getting worse; docs/labelling.md has the figures."""
    counts = sum((counted[labelling, half] for half in halves), Counter())
    for half in halves:
        print(labelling, half, {f"{k}": n for k, n in sorted(counted[labelling, half].items())})  # noqa: T201
    for is_crime_type, least in least_recall.items():
        right = counts[is_crime_type, "yes", True]
        crimes = right + counts[is_crime_type, "yes", False]
        assert crimes >= 60
        assert right / crimes >= least
        precision = right / (right + counts[is_crime_type, "no", True])
        assert precision >= least_precision[is_crime_type]


def test_the_report_shows_what_was_read_where_no_writer_of_phrases_knew_the_labels(
    counted: dict[tuple[str, str], Counts],
) -> None:
    unseen = ((SECOND, "shut"), (THIRD, "open"), (THIRD, "shut"))
    counts = sum((counted[part] for part in unseen), Counter())
    for is_crime_type in (False, True):
        shown = REPORTED[not is_crime_type]
        right = counts[is_crime_type, "yes", True]
        assert shown["recall"] == [right, right + counts[is_crime_type, "yes", False]]
        assert shown["precision"] == [right, right + counts[is_crime_type, "no", True]]
