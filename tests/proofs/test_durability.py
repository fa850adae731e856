"""The proof of durability judges rightly; the proof itself needs root and hours."""

import os
from collections import Counter
from typing import Any

import pytest

from cdi.errors import MachineError
from cdi_proofs.cut_disk import require_disks
from cdi_proofs.durability import (
    judge_state,
    judge_told,
    list_differences,
    list_error_ids,
    spread_rounds,
)
from cdi_proofs.durable_steps import STEPS

EXTRACT, DRAW = (next(step for step in STEPS if step.name == name) for name in ("extract", "draw"))
TOLD = "ready\n163 rows read from 2 files\naccepted as batch 2: /state/landing\n"


def look(**parts: Any) -> dict[str, Any]:
    """What a look at a whole state finds, but for some parts."""
    return {"batches": {"b1": [1]}, "published": {"version": "v1"}, "damaged": [], **parts}


@pytest.mark.parametrize("batches", [{}, {"b1": [2]}, "[LANDING-DAMAGED] a file is missing"])
def test_a_batch_that_was_told_as_accepted_and_is_not_there_is_a_fault(batches: Any) -> None:
    (fault,) = judge_told(EXTRACT, TOLD, look(batches=batches), look())
    assert "batches differ" in fault
    # what was not told may be lost
    assert judge_told(EXTRACT, TOLD.splitlines()[1], look(batches=batches), look()) == []
    assert judge_told(EXTRACT, TOLD, look(), look()) == []


def test_each_thing_that_is_told_counts_by_itself() -> None:
    drawn = {"register": [1], "draws": {"d1": []}, "sheets": {"d1.csv": ""}}
    without_sheets = {**drawn, "sheets": {}}
    assert judge_told(DRAW, "drawn: d1\n", without_sheets, drawn) == []
    assert len(judge_told(DRAW, "drawn: d1\nwritten d1.csv\n", without_sheets, drawn)) == 1


def test_what_a_reader_would_take_must_be_whole_and_the_old_or_the_new() -> None:
    before, after = look(published=None), look()
    assert judge_state(before, before, after) == judge_state(after, before, after) == []
    assert len(judge_state(look(published={"version": "v2"}), before, after)) == 1
    assert len(judge_state(look(damaged=["a.json is empty", "b is empty"]), before, after)) == 2


def test_a_repeated_step_that_leaves_anything_else_is_a_fault() -> None:
    assert list_differences(look(), look()) == []
    assert list_differences(look(batches={}), look()) == ["batches"]


def test_ids_are_read_from_what_is_printed() -> None:
    text = "Error [DISK-FULL] no room\nlog: [STATE-TORN] cut; [[bold]] [x] [DISK-FULL]"
    assert list_error_ids(text) == ["DISK-FULL", "STATE-TORN"]


def test_each_step_is_disturbed_in_each_way_and_builds_twenty_times() -> None:
    counts = Counter((step.name, kind) for step, kind in spread_rounds(200, 200, 30, STEPS))
    assert len(counts) == 3 * len(STEPS)
    for kind in ("cut", "kill"):
        assert counts["build", kind] >= 20
        assert sum(count for (_, of), count in counts.items() if of == kind) >= 200
    # a run that is stopped early has tried all of them
    first = spread_rounds(200, 200, 30, STEPS)[:150]
    assert len({(step.name, kind) for step, kind in first}) == 3 * len(STEPS)


def test_without_the_right_to_mount_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MachineError, match=r"PROOF-DISK.*only root may mount"):
        require_disks()
