"""Which simulated force is meant: SCENARIO, MONTHS and SEED. Light, since DAG files read it."""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date

from cdi import paths
from cdi.errors import CdiError
from cdi.simulation import scenario

MOST_MONTHS = 24  # two years of the same law; see `cdi.simulation.years`


class VariantError(CdiError):
    """SCENARIO, MONTHS or SEED is not as it must be."""


@dataclass(frozen=True)
class Variant:
    """Which force is simulated.

    Attributes:
        scenario: Name of a shipped scenario, or path of a folder.
        months: Back from the scenario's end, 1 to 24.
        seed: Same scenario, months and seed: same bytes.
    """

    scenario: str
    months: int
    seed: int

    @classmethod
    def chosen(cls) -> "Variant":
        """As SCENARIO, MONTHS and SEED say; by default three months of the 2017 scenario, seed 1.

        Raises:
            VariantError: VARIANT-NUMBER if MONTHS or SEED is not a fitting number.
        """
        name = os.environ.get("SCENARIO") or paths.DEFAULT_SCENARIO
        months, seed = os.environ.get("MONTHS") or "3", os.environ.get("SEED") or "1"
        if not (months.isdecimal() and 1 <= int(months) <= MOST_MONTHS):
            raise VariantError(
                "VARIANT-NUMBER", f"MONTHS is '{months}'", f"give 1 to {MOST_MONTHS}"
            )
        if not seed.isdecimal():
            raise VariantError("VARIANT-NUMBER", f"SEED is '{seed}'", "give a whole number from 0")
        return cls(name, int(months), int(seed))

    @property
    def period(self) -> tuple[date, date]:
        """First day of the extract, and the first day after it."""
        end = scenario.period_end(self.scenario)
        return scenario.first_day(end, self.months), end

    def selected(self) -> AbstractContextManager[None]:
        """Select this variant for all that runs within the block."""
        return paths.environment(
            SCENARIO=self.scenario, MONTHS=str(self.months), SEED=str(self.seed)
        )
