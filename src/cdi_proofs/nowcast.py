"""Proof of the nowcast: what it said at past moments, against what later became true.

Eighteen months of the simulated force are drawn, and cut off at twenty Mondays, a fortnight apart.
At a cut the triangle holds what the landing's versions of that day would: crimes reported, recorded
and cancelled by then. The pipeline is not run: times and what is due are the simulated ones, so
errors of reading and linking are not in these figures. What is true is what is recorded in the end,
among the crimes due, also beyond the eighteen months.

Cases:
    main: all the history there is.
    short_history: thirteen weeks of it.
    delays_halved, delays_doubled: so from eight weeks before the cut on, which nobody knows.
"""

import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdi import paths
from cdi.monitoring.weeks import TOGETHER, complete_weeks, cumulative_triangle
from cdi_force.clock import DAY
from cdi_force.details import add_details
from cdi_force.generate import window_start
from cdi_force.scenario import VIOLENCE, load_scenario
from cdi_force.year import FRAME, JUSTIFIED, NO_LOG, RECORDED, Year, take_rows
from cdi_force.years import simulate_window

MONTHS = 18
SEEDS = 10
CUTS = 20
WEEK = 7 * DAY
BETWEEN = 2 * WEEK
NEVER = np.iinfo(np.int64).max
SHORT = 13  # weeks
FACTORS = {"main": 1.0, "short_history": 1.0, "delays_halved": 0.5, "delays_doubled": 2.0}
UNIVERSES = ("frame", "all", "violence")  # violence of all logs: a part of the force
Crimes = dict[str, NDArray[Any]]
SPANS = {"last_8_weeks": slice(-TOGETHER, None), "newest_week": slice(-1, None)}


def run_nowcast(
    seeds: int, say: Callable[[int, int], None], months: int = MONTHS, cuts: int = CUTS
) -> list[dict[str, Any]]:
    """Nowcast the simulated force at past moments; also to ``<state>/nowcast.json``.

    Args:
        seeds: How many forces; SEED is the first.
        say: Is told how many are done, and of how many.
        months: Of each force.
        cuts: Of each force.

    Returns:
        One row per case, universe and span of weeks: cuts, and the shares of them whose limits
        hold what became true; half-width and errors in percentage points.
    """
    from cdi.variant import Variant

    chosen = Variant.chosen()
    work = partial(nowcast_force, chosen.scenario, months=months, cuts=cuts)
    found: list[dict[str, Any]] = []
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        jobs = pool.map(work, range(chosen.seed, chosen.seed + seeds))
        for done, some in enumerate(jobs, start=1):
            found += some
            say(done, seeds)
    rows = list(_summed(found))
    text = json.dumps(
        {
            "is_simulated": True, "scenario": chosen.scenario, "months": months,
            "seeds": [chosen.seed, chosen.seed + seeds - 1], "cuts_a_seed": cuts, "figures": rows,
        }, indent=2,
    )  # fmt: skip
    paths.home().mkdir(parents=True, exist_ok=True)
    (paths.home() / "nowcast.json").write_text(text + "\n", encoding="utf-8")
    return rows


def nowcast_force(name: str, seed: int, months: int, cuts: int) -> list[dict[str, Any]]:
    """All cuts of one simulated force: what was said, and what became true."""
    loaded = load_scenario(name)
    year = simulate_window(loaded, seed, months)
    add_details(year, seed)
    first = window_start(loaded, months)
    found = []
    for case, cut, universe in product(FACTORS, _mondays(year, cuts), UNIVERSES):
        crimes = _quicker(_crimes(year, universe), cut - TOGETHER * WEEK, FACTORS[case])
        history = SHORT if case == "short_history" else (cut - first) // WEEK
        for span, told in _at(crimes, cut, history):
            found.append({"case": case, "universe": universe, "span": span, **told})
    return found


def _mondays(year: Year, cuts: int) -> list[int]:
    """Local midnights to a Monday, the last one within the window, the others before it."""
    days = np.arange(year.clock.end - WEEK, year.clock.end + 1, DAY)
    local = year.clock.local(days) // DAY
    (monday,) = days[(local + 3) % 7 == 0][-1:]
    return [int(monday) - BETWEEN * cut for cut in reversed(range(cuts))]


def _crimes(year: Year, universe: str) -> Crimes:
    """Crimes that a log reports: when reported, recorded and cancelled, and what they were."""
    crimes = year.crimes
    groups = np.array([offence.group for offence in year.scenario.settings.offences])
    is_in = crimes["universe"] != NO_LOG
    if universe == "frame":
        is_in &= crimes["universe"] == FRAME
    elif universe == "violence":
        is_in &= groups[crimes["offence"]] == VIOLENCE
    some = take_rows(crimes, np.flatnonzero(is_in))
    cancelled = year.records["cancelled"][np.maximum(some["record"], 0)]
    return {
        "reported": some["reported"],
        "recorded": np.where(some["has_record"], some["recorded"], NEVER),
        "cancelled": np.where(some["has_record"], cancelled, NEVER),
        "is_due": some["fate"] != JUSTIFIED,
        "is_kept": some["fate"] == RECORDED,
    }


def _quicker(crimes: Crimes, since: int, factor: float) -> Crimes:
    """The same crimes; of those reported since a moment, the delay times a factor."""
    delay = np.where(crimes["recorded"] < NEVER, crimes["recorded"] - crimes["reported"], 0)
    change = np.where(crimes["reported"] >= since, (factor - 1) * delay, 0).astype(np.int64)
    return crimes | {
        "recorded": crimes["recorded"] + change,
        "cancelled": crimes["cancelled"] + np.where(crimes["cancelled"] < NEVER, change, 0),
    }


def _at(crimes: Crimes, cut: int, history: int) -> Iterator[tuple[str, dict[str, float]]]:
    """What was said at a cut of each span, and what became true."""
    start = cut - history * WEEK
    known = (crimes["reported"] >= start) & (crimes["reported"] < cut)
    of = {name: column[known] for name, column in crimes.items()}
    week = (of["reported"] - start) // WEEK

    def triangle(changes: list[tuple[NDArray[np.bool_], NDArray[np.int64], float]]) -> Any:
        """Of changes that some crimes go through at some moment."""
        parts = [(week[who], at[who], sign) for who, at, sign in changes]
        return cumulative_triangle(
            np.concatenate([some for some, _, _ in parts]),
            np.concatenate(
                [np.maximum((at - start) // WEEK, some) - some for some, at, _ in parts]
            ),
            np.concatenate([np.full(len(some), sign) for some, _, sign in parts]),
            history,
        )

    recorded, cancelled = of["recorded"] < cut, of["cancelled"] < cut
    rightly = cancelled & ~of["is_due"]
    made = complete_weeks(
        triangle([(recorded, of["recorded"], 1.0), (cancelled, of["cancelled"], -1.0)]),
        triangle(
            [(np.ones(len(week), bool), of["reported"], 1.0), (rightly, of["cancelled"], -1.0)]
        ),
    )
    for span, some in SPANS.items():
        is_in = np.isin(week, np.arange(history)[some])
        truth = int((is_in & of["is_kept"]).sum()) / int((is_in & of["is_due"]).sum())
        rate, low, high = made.rate(some)
        yield span, {
            "truth": truth, "rate": rate, "low": low, "high": high,
            "so_far": made.so_far(some),
        }  # fmt: skip


def _summed(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    keys = list(dict.fromkeys((row["case"], row["universe"], row["span"]) for row in found))
    for key in keys:
        rows = [row for row in found if (row["case"], row["universe"], row["span"]) == key]
        truth, rate, low, high, so_far = (
            100 * np.array([row[name] for row in rows])
            for name in ("truth", "rate", "low", "high", "so_far")
        )
        yield {
            **dict(zip(("case", "universe", "span"), key, strict=True)),
            "cuts": len(rows),
            "coverage": _round(((low <= truth) & (truth <= high)).mean()),
            "half_width": _round(((high - low) / 2).mean()),
            "nowcast_bias": _round((rate - truth).mean()),
            "nowcast_error": _round(np.sqrt(((rate - truth) ** 2).mean())),
            "naive_bias": _round((so_far - truth).mean()),
            "naive_error": _round(np.sqrt(((so_far - truth) ** 2).mean())),
        }


def _round(value: Any) -> float:
    return round(float(value), 4)
