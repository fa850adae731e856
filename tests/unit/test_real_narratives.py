"""What the lexicon reads in real narratives whose labels nobody had seen when they were drawn."""

import csv
import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterator

import pytest
import yaml

from cdi import paths
from cdi.report.readings import MEASURED
from tests.lexicon_by_hand import hits, seed

SHARED = paths.REPO.parent / "shared" / "data"
LABELS = paths.REPO / "tests" / "data" / "narrative_labels_2026.csv"
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


@pytest.mark.parametrize(
    ("half", "least_recall", "least_precision"),
    [
        ("open", {False: 0.85, True: 0.92}, 0.90),  # phrases were written from it
        ("shut", {False: 0.80, True: 0.87}, 0.85),  # nobody saw it until they were written
    ],
)
def test_the_lexicon_reads_most_crimes_under_types_that_are_none(
    half: str, least_recall: dict[bool, float], least_precision: float
) -> None:
    """The minima keep it from getting worse; docs/labelling.md has the figures."""
    if not SHARED.is_dir():
        pytest.skip("the real narratives (../shared/data) are not on this machine")
    texts = {hashlib.sha256(text.encode()).hexdigest()[:16]: text for text in narratives()}
    with LABELS.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["half"] == half]
    counts: Counter[tuple[bool, str, bool]] = Counter()
    for row in rows:
        is_crime_type = row["is_crime_type"] == "true"
        found = says_crime(" ".join(texts[row["narrative_sha256"]].split()))
        counts[is_crime_type, row["discloses"], found] += 1
    print(half, {f"{kind}": n for kind, n in sorted(counts.items())})  # noqa: T201
    for is_crime_type, least in least_recall.items():
        right = counts[is_crime_type, "yes", True]
        assert right >= 50
        assert right / (right + counts[is_crime_type, "yes", False]) >= least
        assert right / (right + counts[is_crime_type, "no", True]) >= least_precision
        if half == "shut":
            shown = REPORTED[not is_crime_type]
            assert shown["recall"] == [right, right + counts[is_crime_type, "yes", False]]
            assert shown["precision"] == [right, right + counts[is_crime_type, "no", True]]
