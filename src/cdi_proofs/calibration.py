"""The simulated figures of a whole year against the published ones: `make calibration`.

Counted in the truth, on what becomes of each crime in the end. A figure that the generator was set
to proves the plumbing, not the method (docs/simulation.md).
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.variant import Variant
from cdi_force.generate import ensure_force
from cdi_force.quotas import records_by_offence
from cdi_force.scenario import SEXUAL, VIOLENCE, Settings, load_scenario

RATE = """
    100.0 * count(*) filter (where outcome_final = 'recorded')
    / count(*) filter (where outcome_final in ('recorded', 'wrongly_cancelled', 'unrecorded'))
"""


def _published(settings: Settings) -> list[dict[str, Any]]:
    """Figures, what was published (or assumed), and how near the simulated one must be."""
    rates, volumes, references = settings.rates, settings.volumes, settings.references
    from_logs = "from crimes where call_id is not null and crime_id is not null"
    known: list[tuple[str, str, float, float]] = [
        ("all", f"select {RATE} from crimes where universe = 'frame'", 100 * rates.all, 0.3),
        ("violence", f"select {RATE} from crimes where universe = 'frame' and "
         f"offence_group = '{VIOLENCE}'", 100 * rates.violence_against_the_person, 0.5),
        ("sexual", f"select {RATE} from crimes where universe = 'frame' and "
         f"offence_group = '{SEXUAL}'", 100 * rates.sexual_offences, 1.0),
        ("records", "select count(*) from crimes where outcome_final = 'recorded'",
         volumes.records, volumes.records * 0.005),
        ("violence_records", "select count(*) from crimes where outcome_final = 'recorded' and "
         f"offence_group = '{VIOLENCE}'", volumes.violence_records,
         volumes.violence_records * 0.01),
        ("hidden", f"select {RATE} from crimes where universe = 'hidden'",
         100 * rates.hidden, 1.0),
        ("hidden_crimes", "select count(*) from crimes where universe = 'hidden'",
         volumes.hidden_crimes, volumes.hidden_crimes * 0.01),
        ("logs", "select count(*) from logs", volumes.logs, volumes.logs * 0.005),
        ("no_log_share", "select 100.0 * count(*) filter (where universe = 'no_log') / count(*) "
         "from crimes where outcome_final = 'recorded'", 100 * volumes.no_log_share, 0.5),
        ("no_usable_reference", f"select 100.0 * avg(1 - has_reference::int) {from_logs}",
         100 * references.none, 0.5),
    ]  # fmt: skip
    annual = records_by_offence(settings)
    for group in dict.fromkeys(offence.group for offence in settings.offences):
        expected = sum(
            int(n) for n, o in zip(annual, settings.offences, strict=True) if o.group == group
        )
        known.append(
            (f"records.{group}", "select count(*) from crimes where outcome_final = 'recorded' "
             f"and offence_group = '{group}'", expected, max(5.0, expected * 0.01))
        )  # fmt: skip
    return [
        {"figure": figure, "query": query, "published": published, "tolerance": tolerance}
        for figure, query, published, tolerance in known
    ]


def compare_figures(settings: Settings, truth: Path) -> list[dict[str, Any]]:
    """Compare the truth of a whole year with the scenario's figures.

    Args:
        settings: The scenario.
        truth: Folder of the truth.

    Returns:
        For each figure: figure, published, simulated, tolerance (percent points or counts), and
        basis: whether the figure was published, or is the scenario's assumption.
    """
    compared = []
    with duckdb.connect() as con:
        for name in ("crimes", "logs"):
            con.from_parquet(str(truth / f"{name}.parquet")).create_view(name)
        for row in _published(settings):
            (simulated,) = con.execute(row.pop("query")).fetchall()[0]
            compared.append(
                {
                    "figure": row["figure"],
                    "published": round(float(row["published"]), 4),
                    "simulated": round(float(simulated), 4),
                    "tolerance": round(float(row["tolerance"]), 4),
                    "basis": "published" if row["figure"] in settings.published else "assumption",
                }
            )
    return compared


def run_calibration() -> list[dict[str, Any]]:
    """Simulate twelve months of the chosen scenario and seed, compare, write calibration.json."""
    variant = replace(Variant.chosen(), months=12)
    with variant.selected():
        ensure_force()
        compared = compare_figures(load_scenario(variant.scenario).settings, paths.truth())
    text = json.dumps(compared, indent=2)
    (paths.home() / "calibration.json").write_text(text + "\n", encoding="utf-8")
    return compared


def is_met(figure: dict[str, Any]) -> bool:
    """Whether a simulated figure is within its tolerance."""
    return bool(abs(figure["simulated"] - figure["published"]) <= figure["tolerance"] + 1e-9)
