"""Drills: are changes of practice noticed, and how often is one seen where there is none?

The scenario `changed_practice` is a force that begins to look better than it is, in four ways, one
after the other. The scenario `steady_practice` is the same force without them. Both are simulated
for a year and put through the pipeline, and `practice_changes` says what was noticed in which week.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.files import write_json
from cdi.monitoring.practices import LEAST_HISTORY
from cdi.sql import fetch_dicts
from cdi.variant import Variant
from cdi_proofs.published import publish_alone

CHANGED, STEADY = "changed_practice", "steady_practice"
MONTHS = 12
IN_TIME = timedelta(weeks=4)


@dataclass(frozen=True)
class Drill:
    """What is done differently, and by which row it should be noticed.

    Attributes:
        practice: Practice of `practice_changes`.
        subject: Its subject.
        begins_on: First day, as in the files of the scenario.
    """

    practice: str
    subject: str
    begins_on: date

    def noticed_after(self, signals: list[dict[str, Any]]) -> int | None:
        """How many days after its beginning a version could show it; None if it is never noticed.

        Args:
            signals: Rows of `practice_changes`.
        """
        weeks = [
            row["week_on"]
            for row in signals
            if (row["practice"], row["subject"]) == (self.practice, self.subject)
            and row["week_on"] >= self.begins_on
        ]
        if not weeks:
            return None
        return (min(weeks) + timedelta(weeks=1) - self.begins_on).days


DRILLS = {
    "assaults are closed as nuisance": Drill(
        "closed_as_no_crime", "violence_against_the_person, AS02", date(2017, 1, 2)
    ),
    "a closing code gets another use": Drill("closing_code", "UNTRACED, crime", date(2017, 2, 13)),
    "a supervisor stops crime at closing": Drill(
        "not_recorded_in_three_days", "district BRECK, 14 to 22", date(2017, 3, 27)
    ),
    "references are made up": Drill("reference_refused", "all", date(2017, 5, 8)),
}


def run_drills(seeds: int, say_progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Simulate forces with and without changes of practice, and see what is noticed.

    Figures also go to ``<state>/drills.json``.

    Args:
        seeds: How many forces of each kind; SEED is that of the first.
        say_progress: Is told how many forces are done, and of how many.

    Returns:
        Of each drill in how many forces it was noticed in time and after how many days; and how
        many signals the steady forces gave in how many years.
    """
    first = Variant.chosen().seed
    jobs = [
        (scenario, seed) for scenario in (CHANGED, STEADY) for seed in range(first, first + seeds)
    ]
    homes = [str(paths.home() / "drills" / f"{scenario}-{seed}") for scenario, seed in jobs]
    signals: dict[str, list[list[dict[str, Any]]]] = {CHANGED: [], STEADY: []}
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        found = pool.map(_publish_force, homes, *zip(*jobs, strict=True))
        for done, ((scenario, _), rows) in enumerate(zip(jobs, found, strict=True), start=1):
            signals[scenario].append(rows)
            say_progress(done, len(jobs))
    figures = summarise_drills(signals[CHANGED], signals[STEADY]) | {
        "is_simulated": True,
        "months": MONTHS,
        "seeds": [first, first + seeds - 1],
    }
    write_json(paths.home() / "drills.json", figures)
    return figures


def summarise_drills(
    changed: list[list[dict[str, Any]]], steady: list[list[dict[str, Any]]]
) -> dict[str, Any]:
    """Count what was noticed.

    Args:
        changed: Of each force whose practice changes, rows of `practice_changes`.
        steady: Of each force whose practice does not.
    """
    drills = []
    for name, drill in DRILLS.items():
        days = [drill.noticed_after(rows) for rows in changed]
        in_time = [day for day in days if day is not None and day <= IN_TIME.days]
        drills.append(
            {"drill": name, "forces": len(days), "noticed_in_time": len(in_time), "days": days}
        )
    weeks = round(MONTHS * 52 / 12) - LEAST_HISTORY + 1
    false_alarms = [[row for row in rows if row["is_new"]] for rows in steady]
    return {
        "drills": drills,
        "steady_forces": len(steady),
        "years_looked_at": round(len(steady) * weeks / 52, 2),
        "false_alarms": sum(map(len, false_alarms)),
        "most_in_a_force": max(map(len, false_alarms), default=0),
    }


def _publish_force(home: str, scenario: str, seed: int) -> list[dict[str, Any]]:
    """Publish a force in a state folder of its own; returns what was noticed."""
    with (
        publish_alone(Path(home), Variant(scenario, MONTHS, seed)) as published,
        duckdb.connect(str(published / "recording.duckdb"), read_only=True) as con,
    ):
        return fetch_dicts(con, "from practice_changes order by practice, subject, week_on")
