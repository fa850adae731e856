"""The tables of a simulated year, what their numbers mean, and the tools that draw them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdi_force.clock import Clock
from cdi_force.scenario import Scenario

Table = dict[str, NDArray[Any]]
Bools = NDArray[np.bool_]

# Kinds of logs: with a crime code and a crime; with a crime hidden under another code; with a crime
# code and no crime; without either; a second log about the same incident.
FRAME_CRIME, HIDDEN, FRAME_NO_CRIME, NO_CRIME, DUPLICATE = range(5)
# What becomes of a crime in the end.
RECORDED, WRONGLY_CANCELLED, UNRECORDED, JUSTIFIED = range(4)
FATES = ("recorded", "wrongly_cancelled", "unrecorded", "justified")
# Universes: a crime code on the log; hidden under another code; reported without a log.
FRAME, HIDDEN_ONLY, NO_LOG = range(3)
UNIVERSES = ("frame", "hidden", "no_log")
# Kinds of account: tells the crime; sounds like one and is none; cannot be decided; tells nothing.
TOLD, NEAR_MISS, AMBIGUOUS, BLAND = range(4)
# How the record names its log: correctly; in an odd format; mistyped; not at all.
CLEAN, ODD, MISTYPED, BLANK = range(4)
CHANNELS = ("999", "101", "ONLINE", "PARTNER", "OFFICER", "COUNTER")


def draw_choice(rng: np.random.Generator, weights: Mapping[Any, float], n: int) -> NDArray[Any]:
    """Draw keys in proportion to their weights."""
    keys = np.array(list(weights))
    cumulated = np.cumsum(np.array(list(weights.values()), float))
    place = np.searchsorted(cumulated, rng.random(n) * cumulated[-1], side="right")
    return np.asarray(keys[np.minimum(place, len(keys) - 1)])


def draw_exactly(rng: np.random.Generator, n: int, share: float) -> Bools:
    """Draw a random subset that holds exactly this share, rounded to whole rows."""
    chosen = np.zeros(n, bool)
    chosen[rng.permutation(n)[: round(n * share)]] = True
    return chosen


def take_rows(table: Table, rows: NDArray[Any]) -> Table:
    """Take some rows of a table."""
    return {name: column[rows] for name, column in table.items()}


@dataclass
class Year:
    """A simulated year.

    Attributes:
        scenario: What was simulated.
        clock: The year's hours; moments are seconds since 1970, UTC.
        as_of: When the extract was made.
        codes: The codes under which logs are opened and closed, in the order of their numbers.
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
    """For each wanted key, pick a random place among the equal keys of an ordered array."""
    low = np.searchsorted(ordered, wanted, side="left")
    high = np.searchsorted(ordered, wanted, side="right")
    place = low + (rng.random(len(wanted)) * (high - low)).astype(np.int64)
    return np.minimum(place, len(ordered) - 1)


class Draw:
    """What every step of a draw reads: the year, the random numbers, the offences as arrays."""

    def __init__(self, year: Year, seeds: list[int], volume: float) -> None:
        """Turn the offences of the scenario into arrays.

        Args:
            year: To be filled.
            seeds: Of all chance. What a scenario may add has random numbers of its own, made of
                these seeds and one more, so that it changes nothing of a scenario without it.
            volume: Size of the force, 1.0 as published.
        """
        self.year = year
        self.seeds = seeds
        self.rng = np.random.default_rng(seeds)
        self.volume = volume
        self.settings = year.scenario.settings
        self.closings = year.scenario.closings
        self.hard = self.settings.hardness
        self.offences = self.settings.offences
        self.groups = year.scenario.groups
        self.group_of = np.array([self.groups.index(o.group) for o in self.offences])
        self.opening_of = np.array([year.codes.index(o.opening) for o in self.offences])
        self.da_share = np.array([o.da for o in self.offences])
        self.is_rape = np.array([o.is_rape for o in self.offences])
        self.is_child = np.array(["child" in o.key for o in self.offences])
        self.profile_of = np.array([o.profile for o in self.offences])

    def result_of(self, code: str) -> int:
        """Number of a result code."""
        return self.closings.results.index(code)
