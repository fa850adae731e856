"""The labelled narratives are whole, follow their guideline, and name real narratives."""

import csv
import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from cdi import paths
from cdi.agency.code_maps import read_seed_values

FILE = paths.REPO / "tests" / "data" / "narrative_labels.csv"
SECOND_FILE = paths.REPO / "tests" / "data" / "narrative_labels_2026.csv"
THIRD_FILE = paths.REPO / "tests" / "data" / "narrative_labels_third.csv"
NARRATIVES = paths.REPO.parent / "shared" / "data" / "ucsd" / "pulled_logs_2020.json.gz"


def labels(of: Path = FILE) -> list[dict[str, str]]:
    with of.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_each_narrative_has_one_label_and_a_group_exactly_if_it_discloses_a_crime() -> None:
    rows = labels()
    assert len({row["narrative_sha256"] for row in rows}) == len(rows) == 300
    groups = read_seed_values("offence_groups", "offence_group")
    for row in rows:
        assert {row[c] for c in ("reader_1", "reader_2", "discloses")} <= {"yes", "no", "unclear"}
        assert (row["offence_group"] in groups) == (row["discloses"] == "yes")


@pytest.mark.parametrize(
    ("of", "count", "agreed"), [(FILE, 300, 299), (SECOND_FILE, 1070, 1048), (THIRD_FILE, 902, 897)]
)
def test_the_stated_kappa_is_that_of_the_readers(of: Path, count: int, agreed: int) -> None:
    rows = labels(of)
    assert sum(row["reader_1"] == row["reader_2"] for row in rows) == agreed
    first, second = (Counter(row[c] for row in rows) for c in ("reader_1", "reader_2"))
    by_chance = sum(first[label] * second[label] for label in first) / len(rows) ** 2
    kappa = (agreed / len(rows) - by_chance) / (1 - by_chance)
    stated = (paths.REPO / "docs" / "labelling.md").read_text(encoding="utf-8")
    assert f"{agreed:,} of {count:,} (kappa {kappa:.2f})" in stated.replace("\n", " ")


@pytest.mark.parametrize(
    ("of", "before", "of_each_half"),
    [(SECOND_FILE, (FILE,), 535), (THIRD_FILE, (FILE, SECOND_FILE), 451)],
)
def test_later_labels_are_whole_and_new_and_half_of_them_was_shut(
    of: Path, before: tuple[Path, ...], of_each_half: int
) -> None:
    rows = labels(of)
    names = {row["narrative_sha256"] for row in rows}
    assert len(names) == len(rows) == 2 * of_each_half
    assert Counter(row["half"] for row in rows) == {"open": of_each_half, "shut": of_each_half}
    for earlier in before:
        assert not names & {row["narrative_sha256"] for row in labels(earlier)}
    groups = read_seed_values("offence_groups", "offence_group")
    for row in rows:
        assert {row[c] for c in ("reader_1", "reader_2", "discloses")} <= {"yes", "no", "unclear"}
        assert (row["offence_group"] in groups) == (row["discloses"] == "yes")
        # what both readers say is not settled otherwise
        if row["reader_1"] == row["reader_2"]:
            assert row["discloses"] == row["reader_1"]


def test_they_name_real_narratives() -> None:
    if not NARRATIVES.is_file():
        pytest.skip("the real narratives (../shared/data/ucsd) are not on this machine")
    with gzip.open(NARRATIVES, "rt", encoding="utf-8") as file:
        texts = {(row["SUMMARY"] or "").strip() for row in json.load(file)}
    known = {hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts}
    assert {row["narrative_sha256"] for row in labels()} <= known
