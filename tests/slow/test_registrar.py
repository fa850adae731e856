"""`make registrar` of one small force of two months, through decisions, learning and audits."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.slow.conftest import SCENARIOS, proof

REGISTRARS, AUDITS = 5, 150
CASES = ("nobody decided", "decided", "learnt from all", "learnt by lot")


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("registrar")
    options = {
        "--scenario": SCENARIOS / "fifth",
        "--months": 2,
        "--seed": 7,
        "--seeds": 1,
        "--months-read": 1,
        "--registrars": REGISTRARS,
        "--audits": AUDITS,
    }
    given = [f"{text}" for option in options.items() for text in option]
    done = proof("registrar", *given, home=home, seconds=3600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIMULATED" in done.stdout
    made: dict[str, Any] = json.loads((Path(home) / "registrar.json").read_text())
    return made


def test_people_err_in_one_of_twenty(figures: dict[str, Any]) -> None:
    (force,) = figures["forces"]
    rows = [row[order] for row in force["yields"] for order in ("desk", "random")]
    decided = sum(row["decided"] for row in rows)
    wrong = sum(row["wrongly_dismissed"] + row["wrongly_confirmed"] for row in rows)
    assert wrong / decided == pytest.approx(0.05, abs=4 * (0.05 * 0.95 / decided) ** 0.5)


def test_the_desks_order_finds_more_that_can_still_be_recorded(figures: dict[str, Any]) -> None:
    desk, random = (figures["yield"][order] for order in ("desk", "random"))
    assert desk["logs"] == random["logs"]
    assert desk["found_per_log"]["mean"] > random["found_per_log"]["mean"]
    assert desk["found_in_time"]["mean"] > random["found_in_time"]["mean"]
    assert desk["found_grave"]["mean"] > random["found_grave"]["mean"]


def test_decisions_in_order_flatter_the_list(figures: dict[str, Any]) -> None:
    labels = figures["labels"]
    assert labels["order"]["bias_of_missed"]["mean"] > labels["sample"]["bias_of_missed"]["mean"]


def test_the_interval_holds_whoever_decided(figures: dict[str, Any]) -> None:
    for row in figures["audits"]:
        assert row["audits"] == AUDITS, row
        # four standard errors of 150 audits below 93%
        assert row["holds"] > 0.93 - 4 * (0.93 * 0.07 / AUDITS) ** 0.5, row
    assert {row["case"] for row in figures["audits"]} == set(CASES)
