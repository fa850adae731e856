"""The simulated figures of a whole year beside the published ones: `make calibration`.

They are counted in the truth, by what becomes of each crime in the end. That a figure is met which
the generator was set to shows that the generator works, not that the method does
(docs/simulation.md).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from cdi import paths
from cdi.files import write_json
from cdi.variant import Variant
from cdi_force.generate import ensure_force
from cdi_force.quotas import SEXUAL, VIOLENCE, records_by_offence
from cdi_force.scenario import Settings, load_scenario

RATE = """
    100.0 * count(*) filter (where outcome_final = 'recorded')
    / count(*) filter (where outcome_final in ('recorded', 'wrongly_cancelled', 'unrecorded'))
"""


class Figure(NamedTuple):
    """A figure of a whole year.

    Attributes:
        name: Its name.
        query: Counts it in the tables `crimes` and `logs` of the truth.
        published: What was published, or assumed.
        tolerance: How far the simulated figure may be from that.
    """

    name: str
    query: str
    published: float
    tolerance: float


def _list_figures(settings: Settings) -> list[Figure]:
    """The figures that the scenario is set to."""
    rates, volumes, references = settings.rates, settings.volumes, settings.references
    recorded = "select count(*) from crimes where outcome_final = 'recorded'"
    in_frame = f"select {RATE} from crimes where universe = 'frame'"
    violence = f"offence_group = '{VIOLENCE}'"
    no_log = (
        "select 100.0 * count(*) filter (where universe = 'no_log') / count(*) from crimes "
        "where outcome_final = 'recorded'"
    )
    no_reference = (
        "select 100.0 * avg(1 - has_reference::int) from crimes "
        "where call_id is not null and crime_id is not null"
    )

    def count_within(name: str, query: str, published: float, share: float) -> Figure:
        return Figure(name, query, published, published * share)

    figures = [
        Figure("all", in_frame, 100 * rates.all, 0.3),
        Figure(
            "violence", f"{in_frame} and {violence}", 100 * rates.violence_against_the_person, 0.5
        ),
        Figure(
            "sexual",
            f"{in_frame} and offence_group = '{SEXUAL}'",
            100 * rates.sexual_offences,
            1.0,
        ),
        count_within("records", recorded, volumes.records, 0.005),
        count_within(
            "violence_records", f"{recorded} and {violence}", volumes.violence_records, 0.01
        ),
        Figure(
            "hidden",
            f"select {RATE} from crimes where universe = 'hidden'",
            100 * rates.hidden,
            1.0,
        ),
        count_within(
            "hidden_crimes",
            "select count(*) from crimes where universe = 'hidden'",
            volumes.hidden_crimes,
            0.01,
        ),
        count_within("logs", "select count(*) from logs", volumes.logs, 0.005),
        Figure("no_log_share", no_log, 100 * volumes.no_log_share, 0.5),
        Figure("no_usable_reference", no_reference, 100 * references.none, 0.5),
    ]
    annual = records_by_offence(settings)
    for group in dict.fromkeys(offence.group for offence in settings.offences):
        expected = sum(
            int(records)
            for records, offence in zip(annual, settings.offences, strict=True)
            if offence.group == group
        )
        query = f"{recorded} and offence_group = '{group}'"
        figures.append(Figure(f"records.{group}", query, expected, max(5.0, expected * 0.01)))
    return figures


def compare_figures(settings: Settings, truth: Path) -> list[dict[str, Any]]:
    """Compare the truth of a whole year with the scenario's figures.

    Args:
        settings: The scenario.
        truth: Folder of the truth.

    Returns:
        For each figure its name, the published and the simulated value, the tolerance (percentage
        points or counts), and the basis: whether it was published or is the scenario's assumption.
    """
    compared = []
    with duckdb.connect() as con:
        for name in ("crimes", "logs"):
            con.from_parquet(str(truth / f"{name}.parquet")).create_view(name)
        for figure in _list_figures(settings):
            (simulated,) = con.execute(figure.query).fetchall()[0]
            compared.append(
                {
                    "figure": figure.name,
                    "published": round(float(figure.published), 4),
                    "simulated": round(float(simulated), 4),
                    "tolerance": round(float(figure.tolerance), 4),
                    "basis": "published" if figure.name in settings.published else "assumption",
                }
            )
    return compared


def run_calibration() -> list[dict[str, Any]]:
    """Simulate twelve months and compare; the figures also go to ``<state>/calibration.json``."""
    variant = replace(Variant.chosen(), months=12)
    with variant.selected():
        ensure_force()
        compared = compare_figures(load_scenario(variant.scenario).settings, paths.truth())
    write_json(paths.home() / "calibration.json", compared)
    return compared


def is_met(figure: dict[str, Any]) -> bool:
    """Whether a simulated figure is within its tolerance.

    Args:
        figure: A row of `compare_figures`.
    """
    return bool(abs(figure["simulated"] - figure["published"]) <= figure["tolerance"] + 1e-9)
