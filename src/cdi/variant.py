"""Which simulated force is meant: SCENARIO, MONTHS and SEED.

This is part of the product, and not of the simulated force, because the agency `simulated` takes
its period from the scenario, and whether an earlier audit is delivered. It reads only the keys
`period_end`, `audit` and `extends` of scenario.yaml and imports nothing slow, because Airflow loads
it with each DAG file.
"""

import os
import re
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from dateutil.relativedelta import relativedelta

from cdi import paths
from cdi.errors import CdiError
from cdi.files import parse_yaml

# The scenarios belong to the simulated force, whose package stands beside this one.
SHIPPED = Path(__file__).parents[1] / "cdi_force" / "scenarios"
MOST_MONTHS = 24  # two years of the same law; see `cdi_force.years`
_MOST_EXTENSIONS = 5  # a longer chain of `extends` can only be a circle


class ScenarioError(CdiError):
    """A scenario's folder does not follow the schema."""


class VariantError(CdiError):
    """SCENARIO, MONTHS or SEED has a value that cannot be used."""


def scenario_end(name: str) -> date:
    """Read the first day after a scenario's year, without loading the rest of the scenario.

    Args:
        name: Name of a shipped scenario, or path of a folder.

    Raises:
        ScenarioError: If there is no such scenario, or it has no `period_end` that is a date.
    """
    for folder in scenario_chain(find_scenario(name)):
        end = read_scenario_yaml(folder / "scenario.yaml").get("period_end")
        if type(end) is date:
            return end
        if end is not None:  # or the simulator could end the year at one date, and this at another
            raise ScenarioError(
                "SCENARIO-SCHEMA",
                f"{folder / 'scenario.yaml'}: period_end: '{end}' is not a date",
                "write it without quotation marks and without a time, e.g. 2017-07-01",
            )
    raise ScenarioError(
        "SCENARIO-SCHEMA", f"{find_scenario(name)}: no `period_end`", "add it, e.g. 2017-07-01"
    )


def first_day_of_months(end: date, months: int) -> date:
    """First day of the `months` months that end before a date."""
    return end - relativedelta(months=months)


def find_scenario(name: str) -> Path:
    """Find a scenario's folder.

    Args:
        name: Name of a shipped scenario, or path of a folder.

    Raises:
        ScenarioError: SCENARIO-UNKNOWN if there is no such folder with a scenario.yaml.
    """
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
    """List a scenario's folder and the scenarios that it extends, nearest first.

    Raises:
        ScenarioError: If one of them is missing, or they extend each other in a circle.
    """
    chain = [folder]
    while base := read_scenario_yaml(chain[-1] / "scenario.yaml").get("extends"):
        chain.append(find_scenario(str(base)))
        if len(chain) > _MOST_EXTENSIONS:
            raise ScenarioError(
                "SCENARIO-SCHEMA",
                f"{folder}: `extends` goes in a circle",
                "extend a shipped scenario",
            )
    return chain


def read_scenario_yaml(file: Path) -> dict[str, Any]:
    """Read one YAML file of a scenario.

    Raises:
        ScenarioError: SCENARIO-SCHEMA if it is not YAML, or not a mapping.
    """
    try:
        content = deepcopy(_parse_once(file.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise ScenarioError(
            "SCENARIO-SCHEMA", f"{file} is not YAML: {error}", "correct the file"
        ) from None
    if not isinstance(content, dict):
        raise ScenarioError("SCENARIO-SCHEMA", f"{file} is empty or not a mapping", "fill it in")
    return content


@lru_cache(maxsize=16)
def _parse_once(text: str) -> Any:
    """Parse YAML once: whoever loads the agency `simulated` reads its scenarios four times."""
    return parse_yaml(text)


@dataclass(frozen=True)
class Variant:
    """Which force is simulated.

    Attributes:
        scenario: Name of a shipped scenario, or path of a folder.
        months: How many months, counted back from the scenario's end; 1 to 24.
        seed: Seed of the simulation; the same scenario, months and seed give the same bytes.
    """

    scenario: str
    months: int
    seed: int

    @classmethod
    def chosen(cls) -> "Variant":
        """Read SCENARIO, MONTHS and SEED; the defaults stand in `cdi.paths`.

        Raises:
            VariantError: VARIANT-NUMBER if MONTHS is not 1 to 24, or SEED not a whole number.
        """
        name = os.environ.get("SCENARIO") or paths.DEFAULT_SCENARIO
        months = os.environ.get("MONTHS") or str(paths.DEFAULT_MONTHS)
        seed = os.environ.get("SEED") or str(paths.DEFAULT_SEED)
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

    @property
    def is_audited(self) -> bool:
        """Whether logs of the year before were audited: not if the scenario's `audit` is 0."""
        sizes: dict[str, Any] = {}
        for folder in scenario_chain(find_scenario(self.scenario)):
            audit = read_scenario_yaml(folder / "scenario.yaml").get("audit")
            sizes = (audit if isinstance(audit, dict) else {}) | sizes
        return any(sizes.get(name, True) for name in ("frame", "others"))

    def selected(self) -> AbstractContextManager[None]:
        """Set SCENARIO, MONTHS and SEED to this variant during a `with` block."""
        return paths.environment(
            SCENARIO=self.scenario, MONTHS=str(self.months), SEED=str(self.seed)
        )


def list_settings(variant: str) -> str:
    """Write the settings that choose a variant as people type them; blank for the default one.

    E.g. `MONTHS=1` for `calibrated_2017-1-1`.
    """
    defaults = (paths.DEFAULT_SCENARIO, str(paths.DEFAULT_MONTHS), str(paths.DEFAULT_SEED))
    return " ".join(
        f"{name}={value}"
        for name, value, default in zip(
            ("SCENARIO", "MONTHS", "SEED"), variant.rsplit("-", 2), defaults, strict=True
        )
        if value != default
    )


def check_is_landed(agency_id: str) -> None:
    """Refuse to answer for a simulated force that this state does not have, but others.

    In a new shell nobody has set MONTHS again. Without this check a command would say of the wrong,
    empty force that all is well, or would save a decision where nobody looks for it.

    Args:
        agency_id: The agency; a real one has no variants.

    Raises:
        VariantError: VARIANT-ABSENT.
    """
    landing = paths.landing(agency_id, "calls").parent
    if landing.name != paths.variant() or landing.is_dir() or not landing.parent.is_dir():
        return
    others = sorted(folder.name for folder in landing.parent.iterdir() if folder.is_dir())
    if others:
        raise VariantError(
            "VARIANT-ABSENT",
            f"this state has nothing of {landing.name}; it has {', '.join(others)}",
            "say which one you mean, before the command: "
            + ", or ".join(
                list_settings(other) or f"MONTHS={paths.DEFAULT_MONTHS}" for other in others
            ),
        )
