"""Proof on a force whose truth is known: how often the limits hold the true rate, and how wide.

Each replicate draws an audit of the simulated force, by the predictions of its published version.
Unbiased auditors find the truth of the drawn logs, and the rate is estimated. The predictions were
learnt from the one audit of the year before; nobody but the auditors sees this year's truth.

Cases:
    main: the audit as the product does it, by auditors who are known to make no errors.
    useless: the predictions are dealt out among the logs at random. So are those of the logs that
        were audited the year before, so that there is nothing to learn.
    too_sure: the odds of each prediction are squared, so that what is unlikely is nearly ruled out.
    auditor_error: of the audited crimes 5% of the recorded ones are taken for not recorded, and 5%
        of the others are overlooked. A tenth of the logs is read a second time, by auditors who err
        as often; where two differ, the registrar finds the truth.
    auditor_error_uncorrected: the same without second readings.
    second_readings: the same with them, and without any error.
    comparator: an audit without predictions, or one that uses them in another way.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cdi import paths
from cdi.audit.design import (
    DOUBLE_BLIND,
    Options,
    Strata,
    draw_sample,
    round_to_total,
    stratify_frame,
)
from cdi.audit.estimators import Estimate, Floats, estimate_ratio, fit_coefficients
from cdi.audit.intervals import domain_limits, force_limits, judge_reliability
from cdi.audit.predictions import (
    LEAST_CHANCE,
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
    SecondReadings,
    bound_unseen,
    estimate_domain_rate,
    estimate_force_rate,
    limit_domain,
    list_domains,
)
from cdi.audit.second_readings import draw_second, expect_changes
from cdi.files import write_json
from cdi.sql import fetch_dicts
from cdi.variant import Variant
from cdi_proofs.published import run_simulated
from cdi_proofs.selection import check_names

Case = Literal[
    "main",
    "useless",
    "too_sure",
    "auditor_error",
    "auditor_error_uncorrected",
    "second_readings",
    "comparator",
]
REPLICATES_AT_A_TIME = 50
PROCESSES = 2
UNIVERSES = ("frame", "all")
SIZES = (400, 1_500)
SEED = 20_170_701
AUDITOR_ERROR = 0.05
# Codes of which an audit would hold fewer logs than this are put together into one stratum.
LEAST_LOGS_OF_CODE = 4
IN_FRAME = 0.85  # the share of an audit of all logs that inspectors would take from the frame

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
        frame: The frame with its published predictions.
        shuffled: The frame with predictions dealt out at random.
        in_frame: Which logs have a crime code.
        true: For the force and each domain, how many crimes of each log are recorded and due.
    """

    frame: Frame
    shuffled: Frame
    in_frame: NDArray[np.bool_]
    true: dict[str, tuple[Floats, Floats]]


@dataclass(frozen=True)
class Plan:
    """One way to audit and estimate.

    Attributes:
        case: One of the cases of this module.
        estimator: Its name in the figures.
        strata: The strata, and how many logs to audit in each.
        assistance: What is known of the frame; None for the plain ratio.
        domains: The domains to estimate.
        error: The share of audited crimes that is misjudged.
        twice: The share of audited logs that is read a second time.
    """

    case: Case
    estimator: str
    strata: Strata
    assistance: Assistance | None
    domains: list[Domain]
    error: float = 0.0
    twice: float = 0.0


def read_population(recording: Path, truth: Path, period: Period) -> Population:
    """Read a universe of the simulated force.

    Args:
        recording: The simulated force's recording.duckdb.
        truth: The folder of its truth.
        period: The period to audit.
    """
    published = read_published(recording, period)
    frame, shuffled = predict_frame(published), predict_frame(_shuffle_predictions(published))
    ids = np.array(frame.logs["call_id"].to_pylist(), dtype=str)
    with duckdb.connect() as con:
        crimes = con.sql(TRUTH, params={"truth": str(truth / "crimes.parquet")}).to_arrow_table()
    # Each crime gets the position of its log in the frame; crimes of other logs are left out.
    log_of_crime = np.array(crimes["call_id"].to_pylist(), dtype=str)
    position = np.minimum(np.searchsorted(ids, log_of_crime), len(ids) - 1)
    is_in_universe = ids[position] == log_of_crime
    crimes = crimes.filter(pa.array(is_in_universe))
    position = position[is_in_universe]
    is_recorded = np.asarray(crimes["is_recorded"])

    def count_by_log(chosen: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        logs = position[chosen]
        return (
            np.bincount(logs, is_recorded[chosen], minlength=len(ids)),
            np.bincount(logs, minlength=len(ids)).astype(float),
        )

    true = {FORCE: count_by_log(np.ones(len(position), bool))}
    group = np.array(crimes["offence_group"].to_pylist(), dtype=str)
    true |= {str(name): count_by_log(group == name) for name in np.unique(group)}
    true["rape"] = count_by_log(np.asarray(crimes["is_rape"]))
    true["domestic_abuse"] = count_by_log(np.asarray(crimes["is_domestic_abuse"]))
    for domain in list_domains(frame):
        if domain.logs is not None:
            y, m = true[FORCE]
            true[domain.name] = (y * domain.logs, m * domain.logs)
    in_frame = np.asarray(published.logs["is_in_frame"].to_numpy(zero_copy_only=False), bool)
    return Population(frame, shuffled, in_frame, true)


def _shuffle_predictions(published: Published) -> Published:
    """Deal out all that predicts at random: among the logs, and among those audited earlier."""
    rng = np.random.default_rng(SEED)

    def deal_out(table: pa.Table, names: list[str], order: NDArray[np.int64]) -> pa.Table:
        for name in names:
            place = table.column_names.index(name)
            table = table.set_column(place, name, table[name].take(pa.array(order)))
        return table

    probabilities = ["crime_probability", "second_probability"]
    logs, audited = published.logs, published.audited
    order = rng.permutation(len(logs))
    ids = np.array(logs["call_id"].to_pylist(), dtype=str)
    new_owners = dict(zip(ids[order].tolist(), ids.tolist(), strict=True))
    owners = pa.array([new_owners[call_id] for call_id in published.crimes["call_id"].to_pylist()])
    place = published.crimes.column_names.index("call_id")
    return Published(
        deal_out(logs, ["recorded", "due", *probabilities], order),
        published.crimes.set_column(place, "call_id", owners),
        deal_out(audited, probabilities, rng.permutation(len(audited))),
    )


def _square_odds(frame: Frame) -> Frame:
    """Make predictions too sure of themselves: square the odds of a missed crime in each log.

    The floor of the product (`LEAST_CHANCE`) is kept, as it would be.
    """
    missed, variance = frame.column("missed"), frame.column("variance")
    chance = np.clip(missed, LEAST_CHANCE, 1 - LEAST_CHANCE)
    surer = chance**2 / (chance**2 + (1 - chance) ** 2)
    surer = np.clip(surer, LEAST_CHANCE, 1 - LEAST_CHANCE)
    scale = surer * (1 - surer) / (chance * (1 - chance))
    logs = frame.logs
    for name, values in (("missed", missed * surer / chance), ("variance", variance * scale)):
        logs = logs.set_column(logs.column_names.index(name), name, pa.array(values))
    return Frame(logs, frame.crimes)


def list_plans(population: Population, universe: str, logs: int) -> list[Plan]:
    """List all ways to audit so many logs of a universe.

    Args:
        population: The universe.
        universe: Its name.
        logs: How many logs to audit.

    Returns:
        The plans: first the classical one, then `main`, then the others.
    """
    domains = [
        domain for domain in list_domains(population.frame) if domain.name in population.true
    ]
    classical = (
        _stratify_proportionally(population, logs)
        if universe == "frame"
        else _stratify_by_neyman(population, logs)
    )
    strata = stratify_frame(population.frame, Options(logs))
    assistance = Assistance.of(population.frame, strata)
    useless = stratify_frame(population.shuffled, Options(logs))
    no_assistance = Assistance.of(population.shuffled, useless)
    too_sure = _square_odds(population.frame)
    sure_strata = stratify_frame(too_sure, Options(logs))
    sure_assistance = Assistance.of(too_sure, sure_strata)
    if universe == "frame":
        assisted = Assistance.of(population.frame, classical)
        other = Plan("comparator", "stratified_greg", classical, assisted, [])
    else:
        other = Plan("comparator", "85_15_ratio", _stratify_by_frame(population, logs), None, [])
    return [
        Plan("comparator", _name_classical(universe), classical, None, domains),
        Plan("main", "risk_greg", strata, assistance, domains),
        Plan("auditor_error", "risk_greg", strata, assistance, [], AUDITOR_ERROR, DOUBLE_BLIND),
        Plan("auditor_error_uncorrected", "risk_greg", strata, assistance, [], AUDITOR_ERROR),
        Plan("second_readings", "risk_greg", strata, assistance, [], 0.0, DOUBLE_BLIND),
        Plan("comparator", "risk_ratio", strata, None, []),
        Plan("useless", "risk_greg", useless, no_assistance, []),
        Plan("too_sure", "risk_greg", sure_strata, sure_assistance, []),
        other,
    ]


def _name_classical(universe: str) -> str:
    """The estimator that other half-widths are compared with."""
    return "stratified_ratio" if universe == "frame" else "neyman_by_code_ratio"


def _stratify_by_code(population: Population, logs: int) -> NDArray[np.int64]:
    """The stratum of each log: its opening code, with the rare codes in one stratum."""
    codes = np.array(
        [code or "" for code in population.frame.logs["initial_type_code"].to_pylist()]
    )
    _, code, count = np.unique(codes, return_inverse=True, return_counts=True)
    is_rare = count * logs / len(codes) < LEAST_LOGS_OF_CODE
    return np.unique(np.where(is_rare[code], -1, code), return_inverse=True)[1]


def _share_out_logs(stratum_of_log: NDArray[np.int64], wanted: Floats, logs: int) -> Strata:
    """Audit as many logs of each stratum as wanted, but at least two."""
    sizes = np.bincount(stratum_of_log)
    audited = round_to_total(wanted / wanted.sum(), np.minimum(sizes, 2), sizes, logs)
    return Strata(stratum_of_log, sizes, audited)


def _stratify_proportionally(population: Population, logs: int) -> Strata:
    """Strata by opening code, each audited in proportion to its size."""
    stratum_of_log = _stratify_by_code(population, logs)
    return _share_out_logs(stratum_of_log, np.bincount(stratum_of_log).astype(float), logs)


def _stratify_by_neyman(population: Population, logs: int) -> Strata:
    """Neyman's allocation by opening code, with the true variances: better than can be had.

    The variance is that of the residuals of the ratio: recorded crimes less the rate times those
    due.
    """
    stratum_of_log = _stratify_by_code(population, logs)
    recorded, due = population.true[FORCE]
    residual = recorded - recorded.sum() / due.sum() * due
    count = np.bincount(stratum_of_log)
    mean = np.bincount(stratum_of_log, residual) / count
    variance = np.bincount(stratum_of_log, residual**2) / count - mean**2
    wanted = np.asarray(count * np.sqrt(np.maximum(variance, 1e-6)), float)
    return _share_out_logs(stratum_of_log, wanted, logs)


def _stratify_by_frame(population: Population, logs: int) -> Strata:
    """Two strata, logs with and without a crime code, as inspectors would divide an audit."""
    wanted = np.array([IN_FRAME, 1 - IN_FRAME])
    return _share_out_logs((~population.in_frame).astype(np.int64), wanted, logs)


# By domain: rate, low, high and is_shown of each replicate.
Figures = dict[str, dict[str, Floats]]
PlanKey = tuple[str, int, int]  # universe, logs to audit, number of the plan


def replicate_audit(population: Population, plan: Plan, seeds: list[int]) -> Figures:
    """Audit and estimate once for each seed, all seeds at once.

    Args:
        population: The universe.
        plan: How to audit and estimate.
        seeds: One for each replicate.
    """
    drawn = np.stack([draw_sample(plan.strata, seed) for seed in seeds])
    if plan.error or plan.twice:
        each = [
            _audit_by_people(population, plan, logs, seed)
            for logs, seed in zip(drawn, seeds, strict=True)
        ]
        return {FORCE: {name: np.stack([one[name] for one in each]) for name in each[0]}}
    recorded, due = (values[drawn] for values in population.true[FORCE])
    assistance = plan.assistance
    if assistance is None:
        estimate = estimate_ratio(plan.strata.design, recorded, due)
        figures = {FORCE: _compute_limits(estimate, force_limits, None)}
        for domain in plan.domains:
            recorded, due = (values[drawn] for values in population.true[domain.name])
            estimate = estimate_ratio(plan.strata.design, recorded, due)
            figures[domain.name] = _compute_limits(estimate, domain_limits, None)
        return figures
    estimate = estimate_force_rate(drawn, recorded, due, assistance)
    figures = {FORCE: _compute_limits(estimate, force_limits, is_planned=True)}
    if plan.domains:
        whole = fit_coefficients(assistance.design, recorded, due, assistance.whole(drawn))
        for domain in plan.domains:
            recorded, due = (values[drawn] for values in population.true[domain.name])
            estimate = estimate_domain_rate(domain, drawn, recorded, due, assistance, whole)
            unseen = bound_unseen(domain, drawn, recorded, due, assistance)
            (low, high), reliability = limit_domain(estimate, domain, unseen)
            is_shown = ~reliability.is_withheld & np.isfinite(estimate.rate)
            is_shown &= assistance.is_planned(domain)
            figures[domain.name] = {
                "rate": estimate.rate, "low": low, "high": high, "is_shown": is_shown.astype(float)
            }  # fmt: skip
    return figures


def _audit_by_people(
    population: Population, plan: Plan, drawn: NDArray[np.int64], seed: int
) -> dict[str, Floats]:
    """Estimate from the readings of auditors who err, some of the logs being read twice."""
    assistance = plan.assistance
    if assistance is None:
        raise ValueError(f"{plan.case} has no predictions")
    rng = np.random.default_rng([SEED, seed])
    true = population.true[FORCE][0][drawn], population.true[FORCE][1][drawn]
    first, second = (_read_logs(*true, plan.error, rng) for _ in range(2))
    final, twice = first, None
    if plan.twice:
        known, weight = assistance.force[drawn], assistance.design.weight
        expected = expect_changes(known, *first)
        logs = round(plan.twice * len(drawn))
        read_twice = draw_second(weight, expected, logs, [SEED, seed, 2])
        places = read_twice.places
        is_alike = np.all([a == b for a, b in zip(first, second, strict=True)], axis=0)[places]
        final = (first[0].copy(), first[1].copy())
        for best, truth in zip(final, true, strict=True):
            best[places] = np.where(is_alike, best[places], truth[places])
        twice = SecondReadings(read_twice, {FORCE: first}, expected).changes(FORCE, *final, 1.0)
    estimate = estimate_force_rate(drawn, *final, assistance, twice)
    return _compute_limits(estimate, force_limits, is_planned=True)


def _read_logs(
    recorded: Floats, due: Floats, error: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """What an auditor reads, who takes records for none and overlooks crimes: recorded and due."""
    taken_for_missed = rng.binomial(recorded.astype(int), error)
    overlooked = rng.binomial((due - recorded).astype(int), error)
    return recorded - taken_for_missed, due - overlooked


def _compute_limits(estimate: Estimate, limits: Any, is_planned: bool | None) -> dict[str, Floats]:
    """Rate and limits of each replicate; where `is_planned` is None, nothing is withheld."""
    low, high = limits(estimate)
    is_shown = np.isfinite(estimate.rate)
    if is_planned is not None:
        is_shown &= ~judge_reliability(estimate).is_withheld & is_planned
    return {"rate": estimate.rate, "low": low, "high": high, "is_shown": is_shown}


# What forked workers inherit: the universes, and the plans of each universe and number of logs.
# They are large, and sending them with each job would take longer than the job.
_populations: dict[str, Population] = {}
_plans: dict[tuple[str, int], list[Plan]] = {}


def _run_job(job: tuple[PlanKey, list[int]]) -> tuple[PlanKey, Figures]:
    """Replicate one plan for some seeds, in a worker."""
    key, seeds = job
    universe, logs, number = key
    plan = _plans[universe, logs][number]
    return key, replicate_audit(_populations[universe], plan, seeds)


def run_coverage(
    replicates: int,
    seeds: int,
    cases: Sequence[str],
    say: Callable[[str], None],
    say_progress: Callable[[int, int], None],
) -> list[dict[str, Any]]:
    """Publish simulated forces and audit each many times; also to ``<state>/coverage.json``.

    Args:
        replicates: How many audits of each plan.
        seeds: How many forces; SEED is that of the first.
        cases: The cases that are audited, beside the classical audit; none stands for all.
        say: Is told each step as it begins.
        say_progress: Is told how many batches of a force are done, and of how many.

    Returns:
        One row per seed, universe, size, estimator, case and domain.

    Raises:
        CdiError: PROOF-UNKNOWN if there is no such case.
    """
    check_names("case", cases, get_args(Case))
    first = Variant.chosen()
    rows: list[dict[str, Any]] = []
    for seed in range(first.seed, first.seed + seeds):
        with replace(first, seed=seed).selected():
            say(f"seed {seed}: simulating and publishing")
            run_simulated(lambda told: None)
            say(f"seed {seed}: auditing")
            _plan_audits(cases)
            of_force = [
                {"seed": seed, **row}
                for key, figures in _replicate_plans(replicates, say_progress)
                for row in _write_rows(key, figures)
            ]
        _add_ratios(of_force)
        rows += of_force
    write_json(paths.home() / "coverage.json", rows)
    return rows


def _plan_audits(cases: Sequence[str]) -> None:
    """Read the published force's universes, and plan its audits, for workers to inherit."""
    recording = paths.current(paths.SIMULATED) / "recording.duckdb"
    for universe in UNIVERSES:
        period = find_mature_period(recording, universe)
        population = read_population(recording, paths.truth(), period)
        _populations[universe] = population
        for logs in SIZES:
            classical, *others = list_plans(population, universe, logs)
            chosen = [plan for plan in others if not cases or plan.case in cases]
            _plans[universe, logs] = [classical, *chosen]


def find_mature_period(recording: Path, universe: str) -> Period:
    """Find the longest period of the chosen force that can be audited.

    Args:
        recording: Its recording.duckdb.
        universe: Of the audit.
    """
    start, _ = Variant.chosen().period
    with duckdb.connect(str(recording), read_only=True) as con:
        as_of = fetch_dicts(con, "select as_of from release")[0]["as_of"]
    begin = as_of.replace(year=start.year, month=start.month, day=start.day, hour=0)
    return Period(universe, begin, as_of - timedelta(days=MATURE_DAYS))


def _replicate_plans(
    replicates: int, say_progress: Callable[[int, int], None]
) -> Iterator[tuple[PlanKey, Figures]]:
    """Each plan with its figures, the batches put together."""
    keys = [
        (universe, logs, number)
        for universe in UNIVERSES
        for logs in SIZES
        for number in range(len(_plans[universe, logs]))
    ]
    # All plans get the same seeds, so that none looks better by a lucky run.
    batches = [
        [SEED + number for number in range(first, min(first + REPLICATES_AT_A_TIME, replicates))]
        for first in range(0, replicates, REPLICATES_AT_A_TIME)
    ]
    jobs = [(key, seeds) for key in keys for seeds in batches]
    parts: dict[PlanKey, list[Figures]] = {key: [] for key in keys}
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("fork")) as pool:
        for done, (key, figures) in enumerate(pool.map(_run_job, jobs), start=1):
            parts[key].append(figures)
            say_progress(done, len(jobs))
    for key, parts_of_plan in parts.items():
        yield (
            key,
            {
                domain: {
                    name: np.concatenate([part[domain][name] for part in parts_of_plan])
                    for name in names
                }
                for domain, names in parts_of_plan[0].items()
            },
        )


def _write_rows(key: PlanKey, figures: Figures) -> Iterator[dict[str, Any]]:
    """One row per domain of a plan: how often its limits hold the truth, and how wide they are."""
    universe, logs, number = key
    plan = _plans[universe, logs][number]
    for domain, values in figures.items():
        recorded, due = _populations[universe].true[domain]
        truth = recorded.sum() / due.sum()
        shown = values["is_shown"].astype(bool)
        low, high, rate = (values[name][shown] for name in ("low", "high", "rate"))
        is_held = (low <= truth) & (truth <= high)
        yield {
            "universe": universe,
            "estimator": plan.estimator,
            "domain": domain,
            "audited": logs,
            "case": plan.case,
            "coverage": _round_mean(is_held),
            "half_width": _round_mean(50 * (high - low)),
            "ratio_to_classical": None,
            "bias": _round_mean(100 * (rate - truth)),
            "withheld": round(1 - float(shown.mean()), 4),
            "held": int(is_held.sum()),
            "shown": int(shown.sum()),
            "replicates": len(shown),
        }


def _round_mean(values: NDArray[Any]) -> float | None:
    """The mean with four decimals; None of nothing."""
    return round(float(values.mean()), 4) if len(values) else None


def _add_ratios(rows: list[dict[str, Any]]) -> None:
    """Add to each row its half-width as a multiple of that of a classical audit of as many logs."""
    classical = {
        (row["universe"], row["audited"], row["domain"]): row["half_width"]
        for row in rows
        if row["estimator"] == _name_classical(row["universe"])
    }
    for row in rows:
        half_width = classical.get((row["universe"], row["audited"], row["domain"]))
        if half_width and row["half_width"] is not None:
            row["ratio_to_classical"] = round(row["half_width"] / half_width, 4)


def summarise_domains(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Put the forces of all seeds together: how often each domain's interval was shown and held.

    Args:
        rows: As from `run_coverage`.

    Returns:
        One row per universe, size and domain of `main`, and of the force's other cases: of all
        audits the share in which it was shown, of these the share that held, and the lowest such
        share of a force, with its seed and in how many audits it was shown; None if it never was.
    """
    found: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["case"] != "comparator":
            key = tuple(row[name] for name in ("universe", "audited", "case", "domain"))
            found.setdefault(key, []).append(row)
    summary = []
    for (universe, audited, case, domain), of_seeds in found.items():
        shown = sum(row["shown"] for row in of_seeds)
        where = [row for row in of_seeds if row["shown"]]
        lowest = min(where, key=lambda row: row["held"] / row["shown"], default=None)
        summary.append(
            {
                "universe": universe,
                "audited": audited,
                "case": case,
                "domain": domain,
                "shown": shown / sum(row["replicates"] for row in of_seeds),
                "held": sum(row["held"] for row in of_seeds) / shown if shown else None,
                "lowest": lowest and lowest["held"] / lowest["shown"],
                "lowest_seed": lowest and lowest["seed"],
                "lowest_shown": lowest and lowest["shown"],
            }
        )
    return summary
