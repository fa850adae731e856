"""Spoiled files end as their rule says; all of them: tests/slow/test_corruptions.py.

Which rule must notice is written here by hand; what is clean is what the unspoiled files give.
"""

import gzip
from collections import Counter
from pathlib import Path

import pytest

from cdi.errors import CdiError
from cdi_proofs.corruption_trial import (
    Outcome,
    Stage,
    attempt_corruption,
    clean_outcome,
    judge_outcome,
    load_stage_agency,
    spoil_files,
    stage_sample,
)
from cdi_proofs.corruptions import CORRUPTIONS
from cdi_proofs.corruptions.model import Corruption


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The sample with twelve of its fourteen days accepted."""
    return stage_sample(tmp_path_factory.mktemp("stage"))


@pytest.fixture(scope="module")
def clean(stage: Stage) -> Outcome:
    """The two days of calls that are spoiled below, as they are."""
    outcome = clean_outcome(stage, "calls")
    assert outcome.accepted.total() > 150
    assert not outcome.broken and not outcome.stopped_by
    return outcome


@pytest.mark.parametrize(
    ("name", "verdict", "rule_id"),
    [
        ("gzip_cut_off", "failed", "SRC-GZIP"),
        ("local_time_as_utc", "failed", "FILE-21"),
        ("column_blank", "failed", "FILE-08"),
        ("mixed_encodings", "quarantined", "READ-ENCODING"),
        ("day_missing", "warned", "FILE-16"),
        ("formulas_in_cells", "warned", "FILE-15"),
        ("rows_in_another_order", "harmless", None),
    ],
)
def test_a_spoiled_file_ends_as_its_rule_says(
    stage: Stage, clean: Outcome, name: str, verdict: str, rule_id: str | None
) -> None:
    (place,) = (n for n, c in enumerate(CORRUPTIONS) if (c.name, c.dataset) == (name, "calls"))
    found = attempt_corruption(stage, place, clean)
    assert found["verdict"] == verdict
    assert rule_id in (found["rules"] or [None])


def outcome(accepted: str, refused: int = 0, broken: tuple[str, ...] = ()) -> Outcome:
    return Outcome(Counter(accepted), Counter({"R-1": refused} if refused else {}), broken)


@pytest.mark.parametrize(
    ("spoiled", "verdict"),
    [
        (outcome("abcd"), "harmless"),
        (outcome("abc", refused=1), "quarantined"),
        (outcome("ab", refused=1), "missed"),  # one row is gone and nobody refused it
        (outcome("abcx", refused=1), "missed"),  # a spoiled row was accepted
        (outcome("abcdd"), "missed"),
        (outcome("abcx", broken=("W-1",)), "warned"),
        (outcome("abcd", broken=("W-1",)), "warned"),
        (outcome("abcx", broken=("W-0",)), "missed"),  # that rule is broken by the clean file too
        (Outcome(Counter(), Counter(), (), "SRC-GZIP", "reader"), "failed"),
    ],
)
def test_a_verdict_is_not_kinder_than_what_happened(spoiled: Outcome, verdict: str) -> None:
    clean = outcome("abcd", broken=("W-0",))
    assert judge_outcome(clean, spoiled)[0] == verdict


def test_names_are_unique_in_their_dataset_and_many() -> None:
    names = [(c.name, c.dataset) for c in CORRUPTIONS]
    assert len(names) == len(set(names))
    assert len({name for name, _ in names}) >= 40


def test_a_spoiled_file_is_another_than_the_clean_one(stage: Stage, tmp_path: Path) -> None:
    """Or a corruption would be harmless because it did nothing; the file may be packed anew."""
    found = 0
    for number, corruption in enumerate(CORRUPTIONS):
        if not corruption.befalls(load_stage_agency(stage)):
            continue
        folder = spoil_files(stage, corruption, tmp_path / str(number))
        (newest,) = (f for f in folder.iterdir() if f.stat().st_nlink == 1)
        assert newest.read_bytes() != (stage.data / newest.name).read_bytes(), corruption.name
        found += 1
    assert found >= 40


def test_a_corruption_that_changes_nothing_is_no_trial(stage: Stage, tmp_path: Path) -> None:
    idle = Corruption("idle", "calls", (), ("csv",), lambda extract: extract.write(extract.read()))
    with pytest.raises(CdiError, match="idle changes nothing in calls-2017-04-02") as error:
        spoil_files(stage, idle, tmp_path / "data")
    assert error.value.rule_id == "PROOF-NOTHING"


def test_blank_lines_stand_in_the_files_of_a_small_agency(stage: Stage, tmp_path: Path) -> None:
    (blank_lines,) = (c for c in CORRUPTIONS if (c.name, c.dataset) == ("blank_lines", "calls"))
    folder = spoil_files(stage, blank_lines, tmp_path / "data")
    name = "calls-2017-04-02.csv.gz"
    clean, spoiled = (gzip.decompress((f / name).read_bytes()) for f in (stage.data, folder))
    assert len(clean.splitlines()) < 100
    assert len(spoiled.splitlines()) - len(clean.splitlines()) >= 2
    assert [line for line in spoiled.splitlines() if line] == clean.splitlines()
