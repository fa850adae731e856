"""`make coverage` of a published year, with 400 replicates."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.slow.conftest import YEAR, proof

REPLICATES = 400
NOMINAL = 0.95
DOMAIN = 0.90


@pytest.fixture(scope="module")
def rows(published_year: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    home = tmp_path_factory.mktemp("coverage")
    shutil.copytree(published_year, home, symlinks=True, dirs_exist_ok=True)
    options = (
        *("--replicates", str(REPLICATES)),
        *("--seed", str(YEAR.seed), "--scenario", YEAR.scenario),
    )
    done = proof("coverage", *options, home=home, seconds=3600)
    assert done.returncode == 0, done.stdout + done.stderr
    made: list[dict[str, Any]] = json.loads((home / "coverage.json").read_text())
    return made


def _main(rows: list[dict[str, Any]], case: str = "main") -> list[dict[str, Any]]:
    found = [row for row in rows if row["case"] == case and row["domain"] == "force"]
    assert {(row["universe"], row["audited"]) for row in found} == {
        (universe, size) for universe in ("frame", "all") for size in (400, 1500)
    }
    assert all(row["replicates"] == REPLICATES for row in found)
    return found


def test_the_forces_interval_holds_the_true_rate(rows: list[dict[str, Any]]) -> None:
    """In as many audits as it promises, less three standard errors of a share of so many audits.

    One that holds in more is not wrong; that it is not too wide is the next test.
    """
    error = (NOMINAL * (1 - NOMINAL) / REPLICATES) ** 0.5
    for row in _main(rows):
        assert row["coverage"] >= NOMINAL - 3 * error, row


def test_the_interval_is_narrower_than_without_predictions(rows: list[dict[str, Any]]) -> None:
    for row in _main(rows):
        assert row["ratio_to_classical"] < (0.72 if row["universe"] == "frame" else 0.67), row


def test_useless_predictions_cost_little_and_the_interval_holds(rows: list[dict[str, Any]]) -> None:
    for row in _main(rows, "useless"):
        assert row["coverage"] >= 0.90, row
        if row["universe"] == "frame":
            assert row["ratio_to_classical"] <= 1.07, row


def test_predictions_that_are_too_sure_do_no_harm(rows: list[dict[str, Any]]) -> None:
    for row in _main(rows, "too_sure"):
        assert 0.92 <= row["coverage"] <= 0.985, row


def test_domains_hold_or_are_withheld(rows: list[dict[str, Any]]) -> None:
    domains = [row for row in rows if row["case"] == "main" and row["domain"] != "force"]
    shown = [row for row in domains if row["coverage"] is not None]
    assert len({row["domain"] for row in shown}) >= 8
    for row in shown:
        assert row["coverage"] >= DOMAIN, row
    withheld = [row for row in domains if row["coverage"] is None]
    assert withheld
    assert all(row["withheld"] == 1 for row in withheld)


def test_without_second_readings_errors_go_unnoticed(
    rows: list[dict[str, Any]],
) -> None:
    """Of 80 recorded crimes in 100 four are overlooked: a rate of 80 reads 77."""
    for row in _main(rows, "auditor_error_uncorrected"):
        assert -5 < row["bias"] < -2, row


def test_second_readings_correct_auditors_who_err(rows: list[dict[str, Any]]) -> None:
    """The interval holds, and is narrower than that of a classical audit without errors."""
    for row in _main(rows, "auditor_error"):
        assert 0.93 <= row["coverage"] <= 0.995, row
        assert -0.6 < row["bias"] < 0.6, row
        assert row["ratio_to_classical"] <= 0.8, row


def test_without_errors_second_readings_cost_no_width(rows: list[dict[str, Any]]) -> None:
    today = {(row["universe"], row["audited"]): row["half_width"] for row in _main(rows)}
    for row in _main(rows, "second_readings"):
        assert row["half_width"] <= 1.1 * today[row["universe"], row["audited"]], row
