"""What counts as noticed in a drill, and whether the scenario begins on the days that are told."""

from datetime import date, timedelta
from pathlib import Path

import pytest

import cdi_force
from cdi_proofs.drills import DRILLS, summarise_drills

SCENARIO = Path(cdi_force.__file__).parent / "scenarios" / "changed_practice"


def signal(name: str, weeks: int, *, is_new: bool = True) -> dict[str, object]:
    """A signal of a drill, in the week that begins so many weeks after the drill."""
    drill = DRILLS[name]
    return {
        "practice": drill.practice,
        "subject": drill.subject,
        "week_on": drill.begins_on + timedelta(weeks=weeks),
        "is_new": is_new,
    }


def test_the_scenario_changes_its_practice_on_the_days_of_the_drills() -> None:
    files = "".join(
        (SCENARIO / name).read_text(encoding="utf-8") for name in ("scenario.yaml", "miss_law.yaml")
    )
    for drill in DRILLS.values():
        assert f"day >= '{drill.begins_on}'" in files, drill
        assert drill.begins_on.weekday() == 0, drill
    assert files.count("day >= ") == len(DRILLS)


@pytest.mark.parametrize("name", DRILLS)
def test_a_signal_is_in_time_until_the_end_of_the_fourth_week(name: str) -> None:
    """The fourth week ends on day 28, the fifth on day 35."""
    for weeks, days, in_time in ((0, 7, 1), (3, 28, 1), (4, 35, 0)):
        figures = summarise_drills([[signal(name, weeks)]], [])
        (row,) = (row for row in figures["drills"] if row["drill"] == name)
        assert (row["days"], row["noticed_in_time"]) == ([days], in_time)


def test_what_came_before_or_is_of_something_else_is_not_noticed() -> None:
    name = "references are made up"
    other = signal(name, 1) | {"subject": "some"}
    figures = summarise_drills([[signal(name, -1)], [other], []], [])
    (row,) = (row for row in figures["drills"] if row["drill"] == name)
    assert (row["forces"], row["noticed_in_time"], row["days"]) == (3, 0, [None, None, None])


def test_each_signal_of_a_steady_force_is_a_false_alarm_once() -> None:
    name = "references are made up"
    lasting = [signal(name, 1), signal(name, 2, is_new=False), signal(name, 5)]
    figures = summarise_drills([], [lasting, []])
    assert (figures["false_alarms"], figures["most_in_a_force"]) == (2, 2)
    # of 52 weeks the first 24 are only compared with
    assert figures["years_looked_at"] == round(2 * 29 / 52, 2)


def test_the_days_lie_in_the_year_of_the_scenario() -> None:
    assert all(date(2016, 7, 1) < drill.begins_on < date(2017, 6, 3) for drill in DRILLS.values())
