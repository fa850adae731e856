"""What is kept of earlier checks: the last thirty runs, and thirty days."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdi import paths
from cdi.quality.history import (
    MARTS,
    SHOWN_RUNS,
    add_run,
    count_failures,
    list_verdicts,
    read_runs,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def results(**successes: bool) -> list[dict[str, object]]:
    """Results of rules that warn, by rule id."""
    return [
        {"rule_id": rule_id, "is_success": is_success, "severity": "warn", "error": None}
        for rule_id, is_success in successes.items()
    ]


def add(days_ago: float, name: str, about: str = MARTS, **successes: bool) -> None:
    """Write down a check of so many days ago."""
    add_run("a", about, name, results(**successes), NOON - timedelta(days=days_ago))


def test_a_warning_of_yesterday_is_still_there(state: Path) -> None:
    add(1, "v1", X=False, Y=True)
    add(0, "v2", X=True, Y=True)
    runs = read_runs("a")
    assert list_verdicts(runs, "X") == ["warn", "holds"]
    assert list_verdicts(runs, "Z") == []
    assert count_failures(runs, NOON) == {"X": 1}


def test_each_kind_of_verdict_is_told_apart(state: Path) -> None:
    kinds = [
        ("holds", {"is_success": True}),
        ("fail", {"severity": "fail"}),
        ("released", {"severity": "fail", "released_by": "ada, bo"}),
        ("error", {"severity": "info", "error": "no such column"}),
        ("info", {"severity": "info"}),
    ]
    for number, (_, more) in enumerate(kinds):
        result = {"rule_id": "X", "is_success": False, "severity": "warn", "error": None} | more
        add_run("a", MARTS, f"v{number}", [result], NOON + timedelta(minutes=number))
    runs = read_runs("a")
    assert list_verdicts(runs, "X") == [verdict for verdict, _ in kinds]
    assert count_failures(runs, NOON) == {"X": 3}  # neither what holds nor what only counts


def test_a_check_that_is_repeated_is_one_run_and_another_verdict_another(state: Path) -> None:
    add(2, "v1", X=False)
    add(1, "v1", X=False)
    add(0, "v1", X=True)
    assert list_verdicts(read_runs("a"), "X") == ["warn", "holds"]


def test_old_runs_go_but_the_newest_thirty_stay(state: Path) -> None:
    for number in range(SHOWN_RUNS + 5):
        add(100 - number, f"v{number}", X=number % 2 == 0)
    add(0, "last", X=True)
    runs = read_runs("a")
    assert len(runs) == SHOWN_RUNS
    assert count_failures(runs, NOON) == {}  # these are all older than thirty days
    for number in range(2 * SHOWN_RUNS):
        add(0, f"w{number}", X=False)
    runs = read_runs("a")
    assert len(runs) == 2 * SHOWN_RUNS + 1  # none of today is removed
    assert len(list_verdicts(runs, "X")) == SHOWN_RUNS


def test_datasets_and_versions_are_kept_apart_and_shown_in_order(state: Path) -> None:
    add(0, "v1", F=True)
    add(2, "b1", "calls", F=False)
    add(1, "b1", "crime_records", F=True)
    assert list_verdicts(read_runs("a"), "F") == ["warn", "holds", "holds"]
    assert {file.name for file in paths.check_history("a").glob("*.jsonl")} == {
        "marts.jsonl", "calls.jsonl", "crime_records.jsonl",
    }  # fmt: skip


@pytest.mark.parametrize("damage", ["{", "[]", '{"at": 1}', "\x00", '{"at": "x", "name": 1}'])
def test_a_damaged_line_is_left_out(state: Path, damage: str) -> None:
    add(1, "v1", X=False)
    file = paths.check_history("a") / "marts.jsonl"
    file.write_text(f"{damage}\n{file.read_text(encoding='utf-8')}", encoding="utf-8")
    assert list_verdicts(read_runs("a"), "X") == ["warn"]
    add(0, "v2", X=True)
    assert list_verdicts(read_runs("a"), "X") == ["warn", "holds"]
