"""`make audit-rehearsal` of a published year: twenty draws, and a second round."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cdi_proofs.pictures import make_pictures
from tests.slow.conftest import YEAR, proof

DRAWS = 20


@pytest.fixture(scope="module")
def rehearsed(published_year: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("rehearsal")
    shutil.copytree(published_year, home / "audit_rehearsal", symlinks=True)
    options = ("--draws", str(DRAWS), "--seed", str(YEAR.seed), "--scenario", YEAR.scenario)
    done = proof("audit-rehearsal", *options, home=home, seconds=3600)
    assert done.returncode == 0, done.stderr
    assert "SIMULATED" in done.stdout
    assert "extracting" not in done.stdout, "the published year was published again"
    made: dict[str, Any] = json.loads((home / "audit_rehearsal.json").read_text())
    made["home"] = str(home)
    return made


def test_the_true_rate_is_covered_in_17_of_20_and_the_interval_is_narrow(
    rehearsed: dict[str, Any],
) -> None:
    once = rehearsed["one_round"]
    assert rehearsed["audited"] == 1_500
    assert once["of"] == DRAWS
    assert once["covered"] >= 17
    assert once["half_width_max"] < 1.5


def test_a_first_round_comes_through_worksheets_landing_and_publication(
    rehearsed: dict[str, Any],
) -> None:
    """One interval misses the truth once in twenty times, so many audits tell whether it holds."""
    first = rehearsed["first_round"]
    assert first["recording_rate"] == first["recording_rate_in_memory"]
    assert first["audits"]["of"] == DRAWS
    assert first["audits"]["covered"] >= 17


def test_a_second_round_after_a_first_is_as_narrow_and_holds(rehearsed: dict[str, Any]) -> None:
    """The same months, the same seeds: without the first round's labels, and with them.

    What one first round teaches, and what its own chance makes of it, are of one size
    (docs/estimation.md), so that no single seed proves that the second is narrower.
    """
    again = rehearsed["second_round"]
    assert again["half_width_ratio"] < 1.1
    assert again["with_first_round"]["covered"] >= 17


def test_the_pictures_are_made_of_it(
    rehearsed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDI_HOME", rehearsed["home"])
    for file in make_pictures(tmp_path):
        assert "SIMULATED" in file.read_text(encoding="utf-8")
