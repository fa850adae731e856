"""Proof on a force whose truth is known: how often the limits hold the true rate, and how wide.

Each replicate draws an audit of the simulated force's own frame, with the published version's own
predictions, lets unbiased auditors find the truth, and estimates. Predictions are learnt from the
one audit of the year before; this year's truth is read by the auditors alone.

Cases:
    main: as shipped.
    useless: the published version's predictions dealt out among the logs at random; those of the
        logs audited the year before too, so that there is nothing to learn.
    auditor_error: of the audited crimes, 5% of the recorded ones are taken for not recorded, and 5%
        of the others overlooked.
    comparator: without predictions, or with them in another way.
"""

import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cdi import paths
from cdi.audit.design import Options, Strata, draw_sample, round_to_total, stratify_frame
from cdi.audit.estimators import Estimate, Floats, estimate_ratio, fit_coefficients
from cdi.audit.intervals import domain_limits, force_limits, judge_reliability
from cdi.audit.predictions import (
    MATURE_DAYS,
    Frame,
    Period,
    Published,
    predict_frame,
    read_published,
)
from cdi.audit.rates import (
    FORCE,
    Assistance,
    Domain,
    estimate_domain_rate,
    estimate_force_rate,
    list_domains,
)
from cdi.sql import fetch_dicts

REPLICATES = 2_000
BATCH = 50  # replicates at once
PROCESSES = 2
UNIVERSES = ("frame", "all")
SIZES = (400, 1_500)
SEED = 20_170_701
ERROR = 0.05
LEAST_OF_CODE = 4  # logs of a code in the audit; codes with fewer are one stratum
IN_FRAME = 0.85  # of an audit of all logs, as inspectors would divide it

TRUTH = """
select
    call_id, offence_group, is_rape, is_domestic_abuse,
    outcome_as_of = 'recorded' as is_recorded
from read_parquet($truth)
where call_id is not null and outcome_as_of in ('recorded', 'wrongly_cancelled', 'unrecorded')
"""


@dataclass(frozen=True)
class Population:
    """A universe of the simulated force, its predictions and its truth.

    Attributes:
        frame: As published.
        shuffled: With predictions dealt out at random.
        in_frame: Logs with a crime code.
        true: Of the force and each domain: crimes recorded and due, per log.
    """

    frame: Frame
    shuffled: Frame
    in_frame: NDArray[np.bool_]
    true: dict[str, tuple[Floats, Floats]]


@dataclass(frozen=True)
class Plan:
    """One way to audit and estimate.

    Attributes:
        case: See the module.
        estimator: Its name in the figures.
        strata: And how many logs to audit in each.
        by: What is known of the frame; None for the plain ratio.
        parts: Domains to estimate.
        error: Share of audited crimes misjudged.
    """

    case: str
    estimator: str
    strata: Strata
    by: Assistance | None
    parts: list[Domain]
    error: float = 0.0


def read_population(recording: Path, truth: Path, period: Period) -> Population:
    """Read a universe.

    Args:
        recording: The simulated force's recording.duckdb.
        truth: Folder of its truth.
        period: To audit.

    Returns:
        The universe.
    """
    published = read_published(recording, period)
    frame, shuffled = predict_frame(published), predict_frame(_shuffled(published))
    ids = np.array(frame.logs["call_id"].to_pylist(), dtype=str)
    with duckdb.connect() as con:
        crimes = con.sql(TRUTH, params={"truth": str(truth / "crimes.parquet")}).to_arrow_table()
    of = np.array(crimes["call_id"].to_pylist(), dtype=str)
    position = np.minimum(np.searchsorted(ids, of), len(ids) - 1)
    crimes = crimes.filter(pa.array(ids[position] == of))
    position = position[ids[position] == of]
    is_recorded = np.asarray(crimes["is_recorded"])

    def count(rows: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        at = position[rows]
        return (
            np.bincount(at, is_recorded[rows], minlength=len(ids)),
            np.bincount(at, minlength=len(ids)).astype(float),
        )

    true = {FORCE: count(np.ones(len(position), bool))}
    group = np.array(crimes["offence_group"].to_pylist(), dtype=str)
    true |= {str(name): count(group == name) for name in np.unique(group)}
    true["rape"] = count(np.asarray(crimes["is_rape"]))
    true["domestic_abuse"] = count(np.asarray(crimes["is_domestic_abuse"]))
    for domain in list_domains(frame):
        if domain.logs is not None:
            y, m = true[FORCE]
            true[domain.name] = (y * domain.logs, m * domain.logs)
    in_frame = np.asarray(published.logs["is_in_frame"].to_numpy(zero_copy_only=False), bool)
    return Population(frame, shuffled, in_frame, true)


def _shuffled(published: Published) -> Published:
    """All that predicts, dealt out at random: among the logs, and among those audited earlier."""
    rng = np.random.default_rng(SEED)

    def deal(table: pa.Table, names: list[str], order: NDArray[np.int64]) -> pa.Table:
        for name in names:
            place = table.column_names.index(name)
            table = table.set_column(place, name, table[name].take(pa.array(order)))
        return table

    probabilities = ["crime_probability", "second_probability"]
    logs, audited = published.logs, published.audited
    order = rng.permutation(len(logs))
    ids = np.array(logs["call_id"].to_pylist(), dtype=str)
    new = dict(zip(ids[order].tolist(), ids.tolist(), strict=True))
    owners = pa.array([new[call_id] for call_id in published.crimes["call_id"].to_pylist()])
    place = published.crimes.column_names.index("call_id")
    return Published(
        deal(logs, ["recorded", "due", *probabilities], order),
        published.crimes.set_column(place, "call_id", owners),
        deal(audited, probabilities, rng.permutation(len(audited))),
    )


def list_plans(known: Population, universe: str, logs: int) -> list[Plan]:
    """All ways to audit so many logs of a universe; first the classical one, then main."""
    made = []
    parts = [domain for domain in list_domains(known.frame) if domain.name in known.true]
    classical = _proportional(known, logs) if universe == "frame" else _best_plain(known, logs)
    made.append(Plan("comparator", _classical(universe), classical, None, parts))
    strata = stratify_frame(known.frame, Options(logs))
    by = Assistance.of(known.frame, strata)
    made.append(Plan("main", "risk_greg", strata, by, parts))
    made.append(Plan("auditor_error", "risk_greg", strata, by, [], ERROR))
    made.append(Plan("comparator", "risk_ratio", strata, None, []))
    useless = stratify_frame(known.shuffled, Options(logs))
    made.append(
        Plan("useless", "risk_greg", useless, Assistance.of(known.shuffled, useless), [])
    )  # fmt: skip
    if universe == "frame":
        assisted = Assistance.of(known.frame, classical)
        made.append(Plan("comparator", "stratified_greg", classical, assisted, []))
    else:
        made.append(Plan("comparator", "85_15_ratio", _eighty_five(known, logs), None, []))
    return made


def _classical(universe: str) -> str:
    return "stratified_ratio" if universe == "frame" else "neyman_by_code_ratio"


def _codes(known: Population, logs: int) -> NDArray[np.int64]:
    """Strata by opening code, the rare ones together."""
    codes = np.array([code or "" for code in known.frame.logs["initial_type_code"].to_pylist()])
    _, code, count = np.unique(codes, return_inverse=True, return_counts=True)
    is_rare = count * logs / len(codes) < LEAST_OF_CODE
    return np.unique(np.where(is_rare[code], -1, code), return_inverse=True)[1]


def _with_sizes(of_log: NDArray[np.int64], wanted: Floats, logs: int) -> Strata:
    """As many audited logs of each stratum as wanted, at least two."""
    population = np.bincount(of_log)
    least = np.minimum(population, 2)
    audited = round_to_total(wanted / wanted.sum(), least, population, logs)
    return Strata(of_log, population, audited)


def _proportional(known: Population, logs: int) -> Strata:
    of_log = _codes(known, logs)
    return _with_sizes(of_log, np.bincount(of_log).astype(float), logs)


def _best_plain(known: Population, logs: int) -> Strata:
    """Neyman's allocation by opening code, with the true variances: better than can be had."""
    of_log = _codes(known, logs)
    y, m = known.true[FORCE]
    z = y - y.sum() / m.sum() * m
    count = np.bincount(of_log)
    variance = np.bincount(of_log, z**2) / count - (np.bincount(of_log, z) / count) ** 2
    return _with_sizes(of_log, np.asarray(count * np.sqrt(np.maximum(variance, 1e-6)), float), logs)


def _eighty_five(known: Population, logs: int) -> Strata:
    wanted = np.array([IN_FRAME, 1 - IN_FRAME])
    return _with_sizes((~known.in_frame).astype(np.int64), wanted, logs)


Figures = dict[str, dict[str, Floats]]  # by domain: rate, low, high, is_shown of each replicate


def replicate_audit(known: Population, plan: Plan, seeds: list[int]) -> Figures:
    """Audit and estimate once for each seed."""
    drawn = np.stack([draw_sample(plan.strata, seed) for seed in seeds])
    y, m = (values[drawn] for values in known.true[FORCE])
    if plan.error:
        rng = np.random.default_rng([SEED, *seeds])
        lost = rng.binomial(y.astype(int), plan.error)
        overlooked = rng.binomial((m - y).astype(int), plan.error)
        y, m = y - lost, m - overlooked
    by = plan.by
    if by is None:
        force = estimate_ratio(plan.strata.design, y, m)
    else:
        force = estimate_force_rate(drawn, y, m, by)
    found = {FORCE: _figures(force, force_limits, None if by is None else True)}
    if not plan.parts:
        return found
    whole = None if by is None else fit_coefficients(by.design, y, m, by.whole(drawn))
    for domain in plan.parts:
        y, m = (values[drawn] for values in known.true[domain.name])
        if by is None or whole is None:
            estimate = estimate_ratio(plan.strata.design, y, m)
            found[domain.name] = _figures(estimate, domain_limits, None)
        else:
            estimate = estimate_domain_rate(domain, drawn, y, m, by, whole)
            found[domain.name] = _figures(estimate, domain_limits, by.is_planned(domain))
    return found


def _figures(estimate: Estimate, limits: Any, is_planned: bool | None) -> dict[str, Floats]:
    """Limits of each replicate; where `is_planned` is None, nothing is withheld."""
    low, high = limits(estimate)
    is_shown = np.isfinite(estimate.rate)
    if is_planned is not None:
        is_shown &= ~judge_reliability(estimate).is_withheld & is_planned
    return {"rate": estimate.rate, "low": low, "high": high, "is_shown": is_shown}


_shared: dict[Any, Any] = {}  # what forked workers inherit, so that it is not sent to each


def _work(job: tuple[str, int, int, list[int]]) -> tuple[tuple[str, int, int], Figures]:
    from threadpoolctl import threadpool_limits

    universe, logs, number, seeds = job
    known: Population = _shared[universe]
    with threadpool_limits(1):
        return (universe, logs, number), replicate_audit(
            known, _shared[universe, logs][number], seeds
        )


def run_coverage(replicates: int, say: Callable[[int, int], None]) -> list[dict[str, Any]]:
    """Audit the published simulated force many times over; also to ``<state>/coverage.json``.

    Args:
        replicates: Of each way to audit.
        say: Is told how many batches are done, and of how many.

    Returns:
        One row per universe, size, estimator, case and domain.
    """
    from cdi.variant import Variant

    recording = paths.published(paths.SIMULATED) / "current" / "recording.duckdb"
    start, _ = Variant.chosen().period
    with duckdb.connect(str(recording), read_only=True) as con:
        as_of = fetch_dicts(con, "select as_of from release")[0]["as_of"]
    begin = as_of.replace(year=start.year, month=start.month, day=start.day, hour=0)
    end = as_of - timedelta(days=MATURE_DAYS)
    for universe in UNIVERSES:
        known = read_population(recording, paths.truth(), Period(universe, begin, end))
        _shared[universe] = known
        for logs in SIZES:
            _shared[universe, logs] = list_plans(known, universe, logs)
    rows = [row for key, found in _replicated(replicates, say) for row in _rows(key, found)]
    text = json.dumps(_with_ratios(rows), indent=2)
    (paths.home() / "coverage.json").write_text(text + "\n", encoding="utf-8")
    return rows


def _replicated(
    replicates: int, say: Callable[[int, int], None]
) -> Iterator[tuple[tuple[str, int, int], Figures]]:  # fmt: skip
    """Every plan's figures, the batches put together."""
    keys = [
        (universe, logs, number)
        for universe in UNIVERSES
        for logs in SIZES
        for number in range(len(_shared[universe, logs]))
    ]
    batches = [range(at, min(at + BATCH, replicates)) for at in range(0, replicates, BATCH)]
    # the same seeds for every plan: nothing is gained by a lucky run of one of them
    jobs = [(*key, [SEED + r for r in batch]) for key in keys for batch in batches]
    made: dict[tuple[str, int, int], list[Figures]] = {key: [] for key in keys}
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("fork")) as pool:
        for done, (key, figures) in enumerate(pool.map(_work, jobs), start=1):
            made[key].append(figures)
            say(done, len(jobs))
    for key, parts in made.items():
        yield (
            key,
            {
                domain: {
                    name: np.concatenate([part[domain][name] for part in parts])
                    for name in parts[0][domain]
                }
                for domain in parts[0]
            },
        )


def _rows(key: tuple[str, int, int], found: Figures) -> Iterator[dict[str, Any]]:
    universe, logs, number = key
    plan: Plan = _shared[universe, logs][number]
    for domain, figures in found.items():
        y, m = _shared[universe].true[domain]
        truth = y.sum() / m.sum()
        shown = figures["is_shown"].astype(bool)
        low, high, rate = (figures[name][shown] for name in ("low", "high", "rate"))
        is_held = (low <= truth) & (truth <= high)
        yield {
            "universe": universe,
            "estimator": plan.estimator,
            "domain": domain,
            "audited": logs,
            "case": plan.case,
            "coverage": _mean(is_held),
            "half_width": _mean(50 * (high - low)),
            "ratio_to_classical": None,
            "bias": _mean(100 * (rate - truth)),
            "withheld": round(1 - float(shown.mean()), 4),
            "replicates": len(shown),
        }


def _mean(values: NDArray[Any]) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


def _with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Half-widths against those of the classical audit of as many logs."""
    classical = {
        (row["universe"], row["audited"], row["domain"]): row["half_width"]
        for row in rows
        if row["estimator"] == _classical(row["universe"])
    }
    for row in rows:
        of = classical.get((row["universe"], row["audited"], row["domain"]))
        if of and row["half_width"] is not None:
            row["ratio_to_classical"] = round(row["half_width"] / of, 4)
    return rows
