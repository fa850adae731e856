"""Proof of the nowcast: what it said at past moments, against what later became true.

Eighteen months of the simulated force are drawn, and cut off at twenty Mondays, a fortnight apart.
At a cut the triangle holds what the landing would have held on that day: crimes that were reported,
recorded and cancelled by then. The pipeline is not run. Times, and which crimes are due, are those
of the simulation, so errors of reading and linking are not in these figures. The truth is which of
the crimes due are recorded in the end, also beyond the eighteen months.

Cases:
    main: the nowcast has all the history that there is.
    short_history: it has thirteen weeks of it.
    delays_halved, delays_doubled: from eight weeks before the cut on delays are half or twice as
        long, and nobody knows it.
    delays_shorter, delays_longer: a smaller change, to 0.7 or 1.4 times as long.
    ..._4_weeks_ago, ..._20_weeks_ago, ..._40_weeks_ago: they are half or twice as long from so many
        weeks before the cut on.

Where the nowcast says that the delays have changed, it is withheld, and neither its limits nor its
errors count. The product never completes thirteen weeks alone; this case shows why.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdi import paths
from cdi.files import write_json
from cdi.monitoring.weeks import TOGETHER, complete_weeks, cumulative_triangle
from cdi.variant import Variant
from cdi_force.clock import DAY
from cdi_force.details import NEVER, add_details
from cdi_force.generate import window_start
from cdi_force.quotas import VIOLENCE
from cdi_force.scenario import load_scenario
from cdi_force.year import FRAME, JUSTIFIED, NO_LOG, RECORDED, Year, take_rows
from cdi_force.years import simulate_window

MONTHS = 18
CUTS = 20
WEEK = 7 * DAY
BETWEEN_CUTS = 2 * WEEK
SHORT_HISTORY_WEEKS = 13
# By what delays are multiplied, and from how many weeks before the cut on.
DELAY_CHANGES = {
    "main": (1.0, 0),
    "short_history": (1.0, 0),
    "delays_halved": (0.5, TOGETHER),
    "delays_doubled": (2.0, TOGETHER),
    "delays_shorter": (0.7, TOGETHER),
    "delays_longer": (1.4, TOGETHER),
    "delays_halved_4_weeks_ago": (0.5, 4),
    "delays_doubled_4_weeks_ago": (2.0, 4),
    "delays_halved_20_weeks_ago": (0.5, 20),
    "delays_doubled_20_weeks_ago": (2.0, 20),
    "delays_halved_40_weeks_ago": (0.5, 40),
    "delays_doubled_40_weeks_ago": (2.0, 40),
}
# `violence` stands for a part of the force: it is violence of all logs.
UNIVERSES = ("frame", "all", "violence")
Crimes = dict[str, NDArray[Any]]
# Which crimes go through a change, the moments of all crimes, and whether it adds or takes away.
Change = tuple[NDArray[np.bool_], NDArray[np.int64], float]
SPANS = {"last_8_weeks": slice(-TOGETHER, None), "newest_week": slice(-1, None)}


def run_nowcast(seeds: int, say_progress: Callable[[int, int], None]) -> list[dict[str, Any]]:
    """Nowcast the simulated force at past moments; rows also go to ``<state>/nowcast.json``.

    Args:
        seeds: How many forces are simulated; SEED is that of the first.
        say_progress: Is told how many are done, and of how many.

    Returns:
        One row per case, universe and span of weeks: how many cuts there are, and in which share of
        them the nowcast is withheld; of the cuts where it is shown, in which share the limits hold
        what became true, and half-width and errors in percentage points, all None if there is no
        such cut; and in which share of all cuts the limits hold or the nowcast is withheld.
    """
    chosen = Variant.chosen()
    nowcast_seed = partial(nowcast_force, chosen.scenario, months=MONTHS, cuts=CUTS)
    results: list[dict[str, Any]] = []
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        jobs = pool.map(nowcast_seed, range(chosen.seed, chosen.seed + seeds))
        for done, results_of_seed in enumerate(jobs, start=1):
            results += results_of_seed
            say_progress(done, seeds)
    rows = list(_summarise_results(results))
    figures = {
        "is_simulated": True,
        "scenario": chosen.scenario,
        "months": MONTHS,
        "seeds": [chosen.seed, chosen.seed + seeds - 1],
        "cuts_a_seed": CUTS,
        "figures": rows,
    }
    paths.home().mkdir(parents=True, exist_ok=True)
    write_json(paths.home() / "nowcast.json", figures)
    return rows


def nowcast_force(name: str, seed: int, months: int, cuts: int) -> list[dict[str, Any]]:
    """Nowcast one simulated force at all its cuts.

    Args:
        name: The scenario.
        seed: The seed.
        months: How many months of it.
        cuts: At how many Mondays.

    Returns:
        For each case, cut, universe and span of weeks what was said, and what became true.
    """
    loaded = load_scenario(name)
    year = simulate_window(loaded, seed, months)
    add_details(year, seed)
    first = window_start(loaded, months)
    results = []
    for case, cut, universe in product(DELAY_CHANGES, _list_mondays(year, cuts), UNIVERSES):
        factor, weeks_ago = DELAY_CHANGES[case]
        crimes = _scale_delays(_select_crimes(year, universe), cut - weeks_ago * WEEK, factor)
        history = SHORT_HISTORY_WEEKS if case == "short_history" else (cut - first) // WEEK
        for span, rates in _nowcast_cut(crimes, cut, history):
            results.append({"case": case, "universe": universe, "span": span, **rates})
    return results


def _list_mondays(year: Year, cuts: int) -> list[int]:
    """Local midnights at which the Mondays of the cuts begin; the last lies in the window."""
    days = np.arange(year.clock.end - WEEK, year.clock.end + 1, DAY)
    local = year.clock.local(days) // DAY
    (monday,) = days[(local + 3) % 7 == 0][-1:]
    return [int(monday) - BETWEEN_CUTS * cut for cut in reversed(range(cuts))]


def _select_crimes(year: Year, universe: str) -> Crimes:
    """The crimes that logs report: their moments, and what becomes of them in the end."""
    crimes = year.crimes
    groups = np.array([offence.group for offence in year.scenario.settings.offences])
    is_in = crimes["universe"] != NO_LOG
    if universe == "frame":
        is_in &= crimes["universe"] == FRAME
    elif universe == "violence":
        is_in &= groups[crimes["offence"]] == VIOLENCE
    selected = take_rows(crimes, np.flatnonzero(is_in))
    cancelled = year.records["cancelled"][np.maximum(selected["record"], 0)]
    return {
        "reported": selected["reported"],
        "recorded": np.where(selected["has_record"], selected["recorded"], NEVER),
        "cancelled": np.where(selected["has_record"], cancelled, NEVER),
        "is_due": selected["fate"] != JUSTIFIED,
        "is_kept": selected["fate"] == RECORDED,
    }


def _scale_delays(crimes: Crimes, since: int, factor: float) -> Crimes:
    """The same crimes, but the delay of those reported since a moment is multiplied."""
    delay = np.where(crimes["recorded"] < NEVER, crimes["recorded"] - crimes["reported"], 0)
    change = np.where(crimes["reported"] >= since, (factor - 1) * delay, 0).astype(np.int64)
    return crimes | {
        "recorded": crimes["recorded"] + change,
        "cancelled": crimes["cancelled"] + np.where(crimes["cancelled"] < NEVER, change, 0),
    }


def _nowcast_cut(crimes: Crimes, cut: int, history: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the nowcast says at a cut of each span of weeks, and what became true."""
    start = cut - history * WEEK
    known = (crimes["reported"] >= start) & (crimes["reported"] < cut)
    reported_crimes = {name: column[known] for name, column in crimes.items()}
    reported, recorded_at, cancelled_at, is_due, is_kept = (
        reported_crimes[name] for name in ("reported", "recorded", "cancelled", "is_due", "is_kept")
    )
    week = (reported - start) // WEEK

    def build_triangle(changes: list[Change]) -> Any:
        """Count changes by the week of the report and the weeks that went by until the change."""
        weeks = [week[concerned] for concerned, _, _ in changes]
        # a change before the report would be in no week of the triangle
        change_weeks = [
            np.maximum((moment[concerned] - start) // WEEK, week[concerned])
            for concerned, moment, _ in changes
        ]
        signs = [np.full(len(own), sign) for own, (_, _, sign) in zip(weeks, changes, strict=True)]
        delays = np.concatenate(change_weeks) - np.concatenate(weeks)
        return cumulative_triangle(np.concatenate(weeks), delays, np.concatenate(signs), history)

    is_recorded, is_cancelled = recorded_at < cut, cancelled_at < cut
    is_reported = np.ones(len(week), bool)
    completed = complete_weeks(
        build_triangle([(is_recorded, recorded_at, 1.0), (is_cancelled, cancelled_at, -1.0)]),
        # a crime whose record is cancelled rightly is due no more
        build_triangle(
            [(is_reported, reported, 1.0), (is_cancelled & ~is_due, cancelled_at, -1.0)]
        ),
    )
    for span, weeks_of_span in SPANS.items():
        is_in = np.isin(week, np.arange(history)[weeks_of_span])
        truth = int((is_in & is_kept).sum()) / int((is_in & is_due).sum())
        rate, low, high = completed.rate(weeks_of_span)
        so_far = completed.so_far(weeks_of_span)
        # a change of the delays reaches up to the newest week, which is in both spans
        is_withheld = completed.delay_change is not None
        rates = {"truth": truth, "rate": rate, "low": low, "high": high, "so_far": so_far}
        yield span, rates | {"is_withheld": is_withheld}


def _summarise_results(results: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """One row per case, universe and span of weeks, over all cuts."""
    keys = list(dict.fromkeys((row["case"], row["universe"], row["span"]) for row in results))
    for key in keys:
        rows = [row for row in results if (row["case"], row["universe"], row["span"]) == key]
        truth, rate, low, high, so_far = (
            100 * np.array([row[name] for row in rows])
            for name in ("truth", "rate", "low", "high", "so_far")
        )
        is_withheld = np.array([row["is_withheld"] for row in rows])
        is_held = (low <= truth) & (truth <= high)
        error, naive_error = (rate - truth)[~is_withheld], (so_far - truth)[~is_withheld]
        yield {
            **dict(zip(("case", "universe", "span"), key, strict=True)),
            "cuts": len(rows),
            "withheld": _average(is_withheld),
            "holds_or_withheld": _average(is_held | is_withheld),
            "coverage": _average(is_held[~is_withheld]),
            "half_width": _average(((high - low) / 2)[~is_withheld]),
            "nowcast_bias": _average(error),
            "nowcast_error": _average_squares(error),
            "naive_bias": _average(naive_error),
            "naive_error": _average_squares(naive_error),
        }


def _average(values: NDArray[Any]) -> float | None:
    """The mean with four decimals; None of nothing."""
    return round(float(values.mean()), 4) if len(values) else None


def _average_squares(values: NDArray[Any]) -> float | None:
    """The root of the mean square with four decimals; None of nothing."""
    return round(float(np.sqrt((values**2).mean())), 4) if len(values) else None
