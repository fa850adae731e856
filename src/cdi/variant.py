"""Which simulated force is meant: SCENARIO, MONTHS and SEED.

It is in the product, and not with the simulated force, because the agency `simulated` takes its period
from the scenario; it reads two keys of one YAML file and nothing else, as each DAG file loads it.
"""

import os
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from cdi import paths
from cdi.errors import CdiError

# beside this package: the scenarios belong to the simulated force
SHIPPED = Path(__file__).parents[1] / "cdi_force" / "scenarios"


class ScenarioError(CdiError):
    """A scenario's folder is not as it must be."""


def scenario_end(name: str) -> date:
    """First day after a scenario's year, without loading its phrases.

    Raises:
        ScenarioError: If there is no such scenario, or it names no date.
    """
    for folder in scenario_chain(find_scenario(name)):
        end = read_scenario_yaml(folder / "scenario.yaml").get("period_end")
        if isinstance(end, date):
            return end
    raise ScenarioError(
        "SCENARIO-SCHEMA", f"{find_scenario(name)}: no `period_end`", "add it, e.g. 2017-07-01"
    )


def first_day_of_months(end: date, months: int) -> date:
    """First day of the last `months` months before a date."""
    month = end.year * 12 + end.month - 1 - months
    return date(month // 12, month % 12 + 1, end.day)


def find_scenario(name: str) -> Path:
    folder = SHIPPED / name if re.fullmatch(r"\w+", name) else Path(name).resolve()
    if not (folder / "scenario.yaml").is_file() and Path(name).is_dir():
        folder = Path(name).resolve()
    if not (folder / "scenario.yaml").is_file():
        shipped = ", ".join(sorted(file.parent.name for file in SHIPPED.glob("*/scenario.yaml")))
        raise ScenarioError(
            "SCENARIO-UNKNOWN",
            f"there is no {folder / 'scenario.yaml'}",
            f"choose one of {shipped}, or the path of your own folder; docs/simulation.md",
        )
    return folder


def scenario_chain(folder: Path) -> list[Path]:
    """The folder and all that it extends, nearest first."""
    chain = [folder]
    while base := read_scenario_yaml(chain[-1] / "scenario.yaml").get("extends"):
        chain.append(find_scenario(str(base)))
        if len(chain) > 5:
            raise ScenarioError(
                "SCENARIO-SCHEMA", f"{folder}: `extends` goes in a circle", "extend a shipped one"
            )
    return chain


def read_scenario_yaml(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ScenarioError(
            "SCENARIO-SCHEMA", f"{file} is not YAML: {error}", "correct the file"
        ) from None
    if not isinstance(content, dict):
        raise ScenarioError("SCENARIO-SCHEMA", f"{file} is empty or no mapping", "fill it")
    return content


MOST_MONTHS = 24  # two years of the same law; see `cdi_force.years`


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
        end = scenario_end(self.scenario)
        return first_day_of_months(end, self.months), end

    def selected(self) -> AbstractContextManager[None]:
        """Select this variant for all that runs within the block."""
        return paths.environment(
            SCENARIO=self.scenario, MONTHS=str(self.months), SEED=str(self.seed)
        )
