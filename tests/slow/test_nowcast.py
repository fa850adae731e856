"""`cdi nowcast` from an empty state folder, on two simulated forces."""

import json
import os
import subprocess
from typing import Any

import pytest

from tests.conftest import REPO

SEEDS = 2
SPANS = ("last_8_weeks", "newest_week")
# 40 cuts a fortnight apart share six of their eight weeks with the next: of 90% promised, anything
# from three quarters on is no surprise; the ten seeds of `make nowcast` are held to 83-97%
LEAST = 0.75


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("nowcast") / "state"
    command = [REPO / ".venv" / "bin" / "python", "-m", "cdi_proofs", "nowcast"]
    subprocess.run(
        [*command, "--seeds", str(SEEDS), "--seed", "51"],
        cwd=REPO,
        env={**os.environ, "CDI_HOME": str(home)},
        check=True,
    )
    made: dict[str, Any] = json.loads((home / "nowcast.json").read_text())
    return made


def rows_of(told: dict[str, Any], case: str, span: str = "last_8_weeks") -> list[dict[str, Any]]:
    """The figures of a case: one row per universe, and none is missing."""
    rows = [row for row in told["figures"] if (row["case"], row["span"]) == (case, span)]
    assert sorted(row["universe"] for row in rows) == ["all", "frame", "violence"], case
    return rows


def test_it_says_what_was_simulated(told: dict[str, Any]) -> None:
    assert told["is_simulated"]
    assert (told["months"], told["seeds"], told["cuts_a_seed"]) == (18, [51, 52], 20)
    assert all(row["cuts"] == SEEDS * 20 for row in told["figures"])


def test_the_limits_hold_what_later_became_true(told: dict[str, Any]) -> None:
    for span in SPANS:
        for row in rows_of(told, "main", span):
            assert row["coverage"] >= LEAST, row


def test_the_plain_rate_is_far_too_low_and_the_nowcast_is_not(told: dict[str, Any]) -> None:
    for span in SPANS:
        for row in rows_of(told, "main", span):
            # illustrative delays: eight weeks of a true 80% read some 76%
            assert row["naive_bias"] < -3, row
            assert abs(row["nowcast_bias"]) < 0.6, row
            assert row["nowcast_error"] < row["naive_error"] / 3, row


def test_a_quarter_of_history_is_not_enough(told: dict[str, Any]) -> None:
    """What is recorded after a reopening comes up to half a year late: nobody has seen it yet."""
    for row in rows_of(told, "short_history"):
        assert row["nowcast_bias"] < -0.5, row


@pytest.mark.parametrize("case", ["delays_halved", "delays_doubled"])
def test_a_change_of_the_delays_withholds_the_nowcast(told: dict[str, Any], case: str) -> None:
    """Violence has too few crimes to show it each time."""
    for row in rows_of(told, case):
        least = 0.25 if row["universe"] == "violence" else 0.95
        assert row["withheld"] >= least, row


def test_a_nowcast_is_rarely_withheld_for_no_change(told: dict[str, Any]) -> None:
    """Also long after a change, as all that is learnt from came after it."""
    for case in ("main", "delays_halved_40_weeks_ago"):
        for span in SPANS:
            for row in rows_of(told, case, span):
                assert row["withheld"] <= 0.15, row  # a chance difference stays for some cuts


def test_figures_of_the_cuts_shown_are_none_where_all_are_withheld(told: dict[str, Any]) -> None:
    for row in told["figures"]:
        is_never_shown = row["withheld"] == 1
        for name in ("coverage", "half_width", "nowcast_bias", "nowcast_error", "naive_error"):
            assert (row[name] is None) == is_never_shown, row
