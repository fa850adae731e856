"""A window of more than twelve months: two years of one law, joined."""

from pathlib import Path

import numpy as np
import pytest

from cdi_force.clock import DAY
from cdi_force.population import simulate_year
from cdi_force.scenario import Scenario, load_scenario
from cdi_force.year import Year
from cdi_force.years import simulate_window, simulate_year_before

SEED = 5
VOLUME = 0.05


@pytest.fixture(scope="module")
def loaded() -> Scenario:
    return load_scenario("calibrated_2017")


@pytest.fixture(scope="module")
def alone(loaded: Scenario) -> tuple[Year, Year]:
    """The earlier and the later year."""
    earlier = simulate_year(loaded, SEED, years_back=1, volume=VOLUME)
    return earlier, simulate_year(loaded, SEED, volume=VOLUME)


@pytest.fixture(scope="module")
def both(loaded: Scenario) -> Year:
    return simulate_window(loaded, SEED, 18, volume=VOLUME)


def _same(one: Year, other: Year) -> None:
    for table in ("logs", "crimes", "records"):
        left, right = getattr(one, table), getattr(other, table)
        assert left.keys() == right.keys()
        for name in left:
            assert np.array_equal(left[name], right[name]), (table, name)


def test_twelve_months_and_fewer_are_the_year_alone(
    loaded: Scenario, alone: tuple[Year, Year]
) -> None:
    for months in (1, 12):
        _same(simulate_window(loaded, SEED, months, volume=VOLUME), alone[1])


def test_the_second_of_two_years_is_the_year_that_would_be_alone(
    alone: tuple[Year, Year], both: Year
) -> None:
    """Times, codes and fates are the same; only numbers that point to rows are moved."""
    earlier, later = alone
    logs, crimes = len(earlier.logs["kind"]), len(earlier.crimes["offence"])
    for name, column in later.logs.items():
        moved = name in ("incident", "primary")
        assert np.array_equal(both.logs[name][logs:], column) != moved, name
    for name in ("offence", "fate", "recorded", "reported", "is_decidable"):
        assert np.array_equal(both.crimes[name][crimes:], later.crimes[name])
    assert both.as_of == later.as_of
    assert (both.clock.start, both.clock.end) == (earlier.clock.start, later.clock.end)


def test_what_points_to_a_row_points_to_the_same_thing(both: Year) -> None:
    crimes, records, logs = both.crimes, both.records, both.logs
    has_log, has_record = crimes["log"] >= 0, crimes["record"] >= 0
    assert np.array_equal(logs["incident"][crimes["log"][has_log]], crimes["incident"][has_log])
    assert np.array_equal(crimes["reported"][has_log], logs["received"][crimes["log"][has_log]])
    of = crimes["record"][has_record]
    assert np.array_equal(records["crime"][of], np.flatnonzero(has_record))
    assert np.array_equal(records["log"][of], crimes["log"][has_record])
    assert np.array_equal(records["recorded"][of], crimes["recorded"][has_record])
    assert np.array_equal(logs["primary"][logs["primary"]], logs["primary"])
    assert (np.diff(logs["received"]) >= 0).all()


def test_records_are_numbered_as_one_system_would(both: Year) -> None:
    number, recorded = both.records["number"], both.records["recorded"]
    assert len(np.unique(number)) == len(number)
    assert (np.diff(number) > 0).all()
    assert (np.diff(recorded) >= 0).all()
    days = both.logs["local_day"] * 10_000 + both.logs["serial"]
    assert len(np.unique(days)) == len(days)  # and so are the logs


def test_local_time_runs_on_from_one_year_to_the_next(alone: tuple[Year, Year], both: Year) -> None:
    earlier, later = alone
    moments = np.arange(earlier.clock.start, later.clock.end, DAY // 4)
    is_late = moments >= later.clock.start
    assert np.array_equal(both.clock.local(moments[is_late]), later.clock.local(moments[is_late]))
    assert np.array_equal(
        both.clock.local(moments[~is_late]), earlier.clock.local(moments[~is_late])
    )


def test_the_audited_year_lies_before_the_window(loaded: Scenario) -> None:
    for months, start in ((12, "2015-07-01"), (13, "2014-07-01")):
        audited = simulate_year_before(loaded, SEED, months, volume=VOLUME)
        local = audited.clock.local(np.array([audited.clock.start])).astype("datetime64[s]")
        assert str(local[0]) == f"{start}T00:00:00"


def test_eighteen_months_are_written_month_by_month(
    tmp_path: Path, loaded: Scenario, both: Year
) -> None:
    from cdi_force.details import add_details
    from cdi_force.extracts import Writer
    from cdi_force.generate import window_start
    from cdi_force.narrative import write_narrative
    from cdi_force.texts import Bank

    bank = Bank(loaded.phrases, loaded.words)
    write_narrative(both, bank, SEED)
    add_details(both, SEED)
    Writer(both, bank).write(tmp_path, window_start(loaded, 18))
    written = sorted(file.name for file in tmp_path.glob("calls-*"))
    assert len(written) == 18
    assert (written[0], written[-1]) == ("calls-2016-01.csv.gz", "calls-2017-06.csv.gz")
