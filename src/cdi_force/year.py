"""The tables of a simulated year, what their numbers mean, and the draw that fills them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdi_force.clock import Clock
from cdi_force.scenario import Scenario

Table = dict[str, NDArray[Any]]
Bools = NDArray[np.bool_]

# kinds of logs
FRAME_CRIME, HIDDEN, FRAME_NO_CRIME, NO_CRIME, DUPLICATE = range(5)
# what becomes of a crime in the end
RECORDED, WRONGLY_CANCELLED, UNRECORDED, JUSTIFIED = range(4)
FATES = ("recorded", "wrongly_cancelled", "unrecorded", "justified")
# universes
FRAME, HIDDEN_ONLY, NO_LOG = range(3)
UNIVERSES = ("frame", "hidden", "no_log")
# kinds of account
TOLD, NEAR_MISS, AMBIGUOUS, BLAND = range(4)
# how a reference stands on the record
CLEAN, ODD, MISTYPED, BLANK = range(4)
CHANNELS = ("999", "101", "ONLINE", "PARTNER", "OFFICER", "COUNTER")


def draw_choice(rng: np.random.Generator, weights: Mapping[Any, float], n: int) -> NDArray[Any]:
    """Draw keys in proportion to their weights."""
    keys = np.array(list(weights))
    share = np.cumsum(np.array(list(weights.values()), float))
    at = np.searchsorted(share, rng.random(n) * share[-1], side="right")
    return np.asarray(keys[np.minimum(at, len(keys) - 1)])


def draw_exactly(rng: np.random.Generator, n: int, share: float) -> Bools:
    """A random subset that holds exactly this share, rounded."""
    chosen = np.zeros(n, bool)
    chosen[rng.permutation(n)[: round(n * share)]] = True
    return chosen


def take_rows(table: Table, rows: NDArray[Any]) -> Table:
    """Some rows of a table."""
    return {name: column[rows] for name, column in table.items()}


@dataclass
class Year:
    """A simulated year.

    Attributes:
        scenario: What was simulated.
        clock: The year's hours; moments are seconds since 1970, UTC.
        as_of: When the extract was made.
        logs: One row per log, in the order of receipt.
        crimes: One row per crime that was reported, by log or not; `log` is -1 without one.
        records: One row per occurrence of the records system, in the order of recording.
    """

    scenario: Scenario
    clock: Clock
    as_of: int
    codes: tuple[str, ...]
    logs: Table = field(default_factory=dict)
    crimes: Table = field(default_factory=dict)
    records: Table = field(default_factory=dict)


def pick_places(
    rng: np.random.Generator, ordered: NDArray[Any], wanted: NDArray[Any]
) -> NDArray[np.int64]:
    """For each wanted key a random place among the equal ones of an ordered array."""
    low = np.searchsorted(ordered, wanted, side="left")
    high = np.searchsorted(ordered, wanted, side="right")
    at = low + (rng.random(len(wanted)) * (high - low)).astype(np.int64)
    return np.minimum(at, len(ordered) - 1)


class Draw:
    """What every step of a draw reads: the year, the source of chance, the offences' columns."""

    def __init__(self, year: Year, rng: np.random.Generator, volume: float) -> None:
        """Turn the scenario's offences into arrays.

        Args:
            year: To be filled.
            rng: Source of chance.
            volume: Size of the force, 1.0 as published.
        """
        self.year = year
        self.rng = rng
        self.volume = volume
        self.settings = year.scenario.settings
        self.hard = self.settings.hardness
        self.offences = self.settings.offences
        self.groups = year.scenario.groups
        self.group_of = np.array([self.groups.index(o.group) for o in self.offences])
        self.opening_of = np.array([year.codes.index(o.opening) for o in self.offences])
        self.da_share = np.array([o.da for o in self.offences])
        self.is_rape = np.array([o.is_rape for o in self.offences])
        self.is_child = np.array(["child" in o.key for o in self.offences])
        self.profile_of = np.array([o.profile for o in self.offences])
