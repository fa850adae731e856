"""Several years in a row: a window of more than twelve months needs two of them."""

import numpy as np
from numpy.typing import NDArray

from cdi_force.clock import HOUR, Clock
from cdi_force.population import simulate_year
from cdi_force.records import number_records
from cdi_force.scenario import Scenario
from cdi_force.year import Table, Year, take_rows


def simulate_window(scenario: Scenario, seed: int, months: int, *, volume: float = 1.0) -> Year:
    """Simulate the scenario's year, and the year before it if the window reaches back so far.

    Both have the same law and the same quotas; the year alone is drawn as it always is.

    Args:
        scenario: What to simulate.
        seed: Same seed, same years.
        months: Of the window, back from the scenario's end; up to 24.
        volume: Size of the force, 1.0 as published.
    """
    year = simulate_year(scenario, seed, volume=volume)
    if months <= 12:
        return year
    return join_years(simulate_year(scenario, seed, years_back=1, volume=volume), year)


def simulate_year_before(
    scenario: Scenario, seed: int, months: int, *, volume: float = 1.0
) -> Year:
    """Simulate the year before the window of `simulate_window`: the one that was audited.

    The arguments are those of `simulate_window`.
    """
    return simulate_year(scenario, seed, years_back=1 if months <= 12 else 2, volume=volume)


def join_years(earlier: Year, later: Year) -> Year:
    """Join two years into one, before phrases and details are drawn.

    Args:
        earlier: Ends where the other begins.
        later: Of the same scenario.

    Returns:
        Both; records in the order of recording and numbered in it, as one system would.
    """
    hours = (later.clock.start - earlier.clock.start) // HOUR
    offsets = np.concatenate([earlier.clock.offsets[:hours], later.clock.offsets])
    clock = Clock(earlier.clock.start, later.clock.end, offsets)
    year = Year(later.scenario, clock, later.as_of, later.codes)
    logs, crimes = len(earlier.logs["kind"]), len(earlier.crimes["offence"])
    incidents = int(earlier.logs["incident"].max()) + 1
    beyond = {"incident": incidents, "log": logs, "primary": logs, "target": logs, "crime": crimes}
    year.logs = _append_table(earlier.logs, later.logs, beyond)
    year.crimes = _append_table(earlier.crimes, later.crimes, beyond)
    records = _append_table(earlier.records, later.records, beyond)
    year.records = take_rows(records, np.argsort(records["recorded"], kind="stable"))
    number_records(year)
    return year


def _append_table(earlier: Table, later: Table, beyond: dict[str, int]) -> Table:
    """Append a table to another, and move what points to rows behind the rows of the first.

    A column in `beyond` holds row numbers, or -1 for none.
    """

    def shift_rows(name: str) -> NDArray[np.int64]:
        column = later[name]
        return np.where(column >= 0, column + beyond[name], column) if name in beyond else column

    return {name: np.concatenate([earlier[name], shift_rows(name)]) for name in earlier}
