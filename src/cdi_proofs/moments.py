"""What the worklist holds of fresh misses, at moments of the year: part of `make scorecard`.

At each of thirty moments the force exports its last day as it stood then: no log holds what was
told later, and no record was made later. All exports go through the pipeline at once, in a state
folder of their own: whether a row stands on the list does not depend on the hours that are left.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.build.make import build_file
from cdi.build.version import plan_version
from cdi.steps.run import land_directly
from cdi.steps.train import learn_missing
from cdi.variant import Variant
from cdi_force.clock import DAY, HOUR
from cdi_force.details import add_details
from cdi_force.extracts import Writer
from cdi_force.generate import window_start
from cdi_force.narrative import write_narrative
from cdi_force.scenario import load_scenario
from cdi_force.texts import Bank
from cdi_force.truth import call_ids
from cdi_force.year import UNRECORDED, Year, take_rows
from cdi_force.years import simulate_window

MOMENTS = 30
SHOWN_HOURS = 24
FRESH_HOURS = 12


def score_moments() -> dict[str, Any]:
    """Measure how many fresh misses are on the list, of those that their log tells of by then.

    Returns:
        How many moments and misses of the last twelve hours before them there are, and which share
        of the misses the list holds.
    """
    variant = Variant.chosen()
    loaded = load_scenario(variant.scenario)
    bank = Bank(loaded.phrases, loaded.words)
    year = simulate_window(loaded, variant.seed, variant.months)
    write_narrative(year, bank, variant.seed)
    moments = _choose_moments(year, window_start(loaded, variant.months), variant.seed)
    audit = paths.simulated_sources() / "audit"  # a force that was never audited has none
    with tempfile.TemporaryDirectory(prefix="cdi-moments-") as folder:
        sources = Path(folder) / "sources"
        if audit.is_dir():
            shutil.copytree(audit, sources / "audit")
        fresh = [_export_day(year, bank, variant.seed, moment, sources) for moment in moments]
        with paths.environment(CDI_HOME=str(Path(folder) / "state"), CDI_DATA=str(sources)):
            agency = load_agency(paths.SIMULATED)
            interval = Interval.of_days(agency, *variant.period)
            land_directly(paths.SIMULATED, interval)
            learn_missing(paths.SIMULATED)
            # Only the worklist of the private file is read: no check, no page and no open extract.
            file = build_file(plan_version(agency))
            with duckdb.connect(str(file), read_only=True) as con:
                rows = con.execute("select call_id, is_likely from unrecorded_crimes").fetchall()
    return _score_list(year, fresh, rows) | {"moments": len(moments)}


def _choose_moments(year: Year, first: int, seed: int) -> list[int]:
    """Some moments, at least a day apart, so that no log is shown twice."""
    rng = np.random.default_rng([seed, 30])
    days = np.arange(first + 2 * DAY, year.clock.end - 2 * DAY, 2 * DAY)
    days = np.sort(rng.permutation(days)[:MOMENTS])
    return [int(moment) for moment in days + rng.integers(0, DAY, len(days))]


def _export_day(
    year: Year, bank: Bank, seed: int, moment: int, folder: Path
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Write the last day before a moment as it stood then.

    Returns:
        Rows of `year.crimes`: the fresh misses that their log tells of, and all crimes of the
        exported logs that had no record yet.
    """
    year.as_of = moment
    drawn = year.records["reported"]
    add_details(year, seed)
    logs, records, crimes = year.logs, year.records, year.crimes
    since = moment - SHOWN_HOURS * HOUR
    shown = np.flatnonzero((logs["received"] >= since) & (logs["received"] < moment))
    known = np.flatnonzero((records["reported"] >= since) & (records["recorded"] < moment))
    with duckdb.connect() as con:
        Writer(year, bank).write_some(con, folder, str(moment), shown, known)
    # The details have changed the time of the report, and those of another moment begin with it.
    records["reported"] = drawn
    log = take_rows(logs, np.maximum(crimes["log"], 0))
    is_in_shown_log = (
        (crimes["log"] >= 0)
        & (log["received"] >= since)
        & (log["received"] < moment)
        & (log["breakage"] == 0)
    )
    is_unrecorded = is_in_shown_log & ~(crimes["has_record"] & (crimes["recorded"] < moment))
    # The first account tells of the crime within a minute, or an entry does half-way to the end.
    half = (log["closed"] - log["received"]) // 2
    told_at = log["received"] + np.where(log["is_told_later"], half, 60)
    is_fresh_miss = (
        is_unrecorded
        & (crimes["fate"] == UNRECORDED)
        & crimes["is_decidable"]
        & crimes["is_said"]
        & (told_at < moment)
        & (log["received"] >= moment - FRESH_HOURS * HOUR)
    )
    return np.flatnonzero(is_fresh_miss), np.flatnonzero(is_unrecorded)


def _score_list(
    year: Year,
    fresh: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
    rows: list[tuple[str, bool]],
) -> dict[str, Any]:
    """Shares of the fresh misses that the list holds, counted by incident.

    Rows of the list do not say which crime of an incident they mean. Those that are recorded later
    are no misses, so the first rows of an incident are taken for them, and only further ones count.
    """
    place = {call_id: number for number, call_id in enumerate(call_ids(year))}
    incident, log_count = year.logs["primary"], len(year.logs["kind"])
    misses, recorded_later = np.zeros(log_count, int), np.zeros(log_count, int)
    for missed, unrecorded in fresh:
        np.add.at(misses, incident[year.crimes["log"][missed]], 1)
        np.add.at(recorded_later, incident[year.crimes["log"][unrecorded]], 1)
    recorded_later -= misses
    total = int(misses.sum())

    def share_held(listed: list[str]) -> float | None:
        listed_count = np.zeros(log_count, int)
        np.add.at(listed_count, incident[[place[call_id] for call_id in listed]], 1)
        held = np.minimum(misses, np.maximum(listed_count - recorded_later, 0)).sum()
        return round(float(held) / total, 5) if total else None

    return {
        "misses": total,
        "recall": share_held([call_id for call_id, _ in rows]),
        "recall_of_likely": share_held([call_id for call_id, is_likely in rows if is_likely]),
    }
