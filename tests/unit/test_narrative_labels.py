"""The labelled narratives are whole, follow their guideline, and name real narratives."""

import csv
import gzip
import hashlib
import json
from collections import Counter

import pytest

from cdi import paths
from cdi.agency.code_maps import read_seed_values

FILE = paths.REPO / "tests" / "data" / "narrative_labels.csv"
NARRATIVES = paths.REPO.parent / "shared" / "data" / "ucsd" / "pulled_logs_2020.json.gz"


def labels() -> list[dict[str, str]]:
    with FILE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_each_narrative_has_one_label_and_a_group_exactly_if_it_discloses_a_crime() -> None:
    rows = labels()
    assert len({row["narrative_sha256"] for row in rows}) == len(rows) == 300
    groups = read_seed_values("offence_groups", "offence_group")
    for row in rows:
        assert {row[c] for c in ("reader_1", "reader_2", "discloses")} <= {"yes", "no", "unclear"}
        assert (row["offence_group"] in groups) == (row["discloses"] == "yes")


def test_the_stated_kappa_is_that_of_the_readers() -> None:
    rows = labels()
    agreed = sum(row["reader_1"] == row["reader_2"] for row in rows)
    assert agreed == 299
    first, second = (Counter(row[c] for row in rows) for c in ("reader_1", "reader_2"))
    by_chance = sum(first[label] * second[label] for label in first) / len(rows) ** 2
    kappa = (agreed / len(rows) - by_chance) / (1 - by_chance)
    stated = (paths.REPO / "docs" / "labelling.md").read_text(encoding="utf-8")
    assert f"(kappa {kappa:.2f})" in stated


def test_they_name_real_narratives() -> None:
    if not NARRATIVES.is_file():
        pytest.skip("the real narratives (../shared/data/ucsd) are not on this machine")
    with gzip.open(NARRATIVES, "rt", encoding="utf-8") as file:
        texts = {(row["SUMMARY"] or "").strip() for row in json.load(file)}
    known = {hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts}
    assert {row["narrative_sha256"] for row in labels()} <= known
