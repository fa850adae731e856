"""What the texts of a year are drawn from."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from cdi_force.narrative import _tell_missed_tersely
from cdi_force.texts import Bank
from cdi_force.year import FRAME_CRIME, Year


class Phrases:
    """A bank whose phrases of the kind `terse` all have the number 7."""

    def draw(self, rng: np.random.Generator, kind: str, *of: Any) -> int:
        """The number of that phrase."""
        assert kind == "terse"
        return 7


def tell(seed: int) -> list[int]:
    """The crimes of 400 missed logs, of which half are told tersely."""
    n = 400
    logs = {
        "kind": np.full(n, FRAME_CRIME),
        "has_record": np.zeros(n, np.bool_),
        "crime_1": np.zeros(n, np.int64),
        "offence": np.zeros(n, np.int64),
        "half": np.zeros(n, np.int64),
        "is_da": np.zeros(n, np.bool_),
    }
    offence = SimpleNamespace(key="theft", group="theft")
    scenario = SimpleNamespace(
        miss_law=SimpleNamespace(told_tersely=0.5), settings=SimpleNamespace(offences=[offence])
    )
    year = SimpleNamespace(scenario=scenario, logs=logs, clock=SimpleNamespace(start=1_467_327_600))
    _tell_missed_tersely(cast(Year, year), cast(Bank, Phrases()), seed)
    return np.flatnonzero(logs["crime_1"] == 7).tolist()


def test_another_seed_tells_other_missed_crimes_tersely() -> None:
    assert 150 < len(tell(1)) < 250
    assert tell(1) == tell(1)
    assert tell(1) != tell(2)
