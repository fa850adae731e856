"""Which logs to audit: strata by risk, allocation, the draw, and the sample size for a precision.

Strata are cut by cumulated predicted standard deviation, and most of the audit is allocated by it
(Neyman 1934; Cochran 1977, chapters 5 and 5A), so that uncertain logs are drawn more often. A part
of the audit is allocated in proportion to the number of logs, and a fixed part goes to logs that
are not suspected: whoever learns what raises suspicion must not escape the audit.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cdi.audit.estimators import Design
from cdi.audit.predictions import Frame
from cdi.errors import AuditError

Floats = NDArray[np.float64]

# Share of the audit that is allocated by predicted standard deviation; the rest is allocated in
# proportion to the number of logs.
NEYMAN = 0.85
LEAST_PER_STRATUM = 8
LOGS_PER_STRATUM = 60  # audited logs that a stratum has on average
MOST_STRATA = 20
UNFLAGGED = 0.10  # least share of the audit that goes to logs which are not suspected
# How many times more often logs with such a crime are drawn than their variance alone asks for.
OVERSAMPLED = {"is_rape": 6.0, "is_domestic_abuse": 1.25}
DOUBLE_BLIND = 0.10  # share of the audited logs that a second auditor reads too


@dataclass(frozen=True)
class Options:
    """How an audit is drawn.

    Attributes:
        logs: Number of logs to audit.
        unflagged: Least share of them that are not suspected.
        oversampled: How many times more often logs are drawn that have a crime with this flag; of
            several flags of a log the first counts.
        double_blind: Share that a second auditor reads, not knowing what the first one found.
    """

    logs: int
    unflagged: float = UNFLAGGED
    oversampled: Mapping[str, float] = field(default_factory=lambda: dict(OVERSAMPLED))
    double_blind: float = DOUBLE_BLIND


@dataclass(frozen=True)
class Strata:
    """The strata of a frame, and how many logs to audit in each.

    Attributes:
        of_log: Stratum of each log of the frame.
        population: Number of logs of each stratum.
        audited: Number of logs to audit in each stratum.
    """

    of_log: NDArray[np.int64]
    population: NDArray[np.int64]
    audited: NDArray[np.int64]

    @cached_property
    def members(self) -> list[NDArray[np.int64]]:
        """Positions of the logs of each stratum."""
        order = np.argsort(self.of_log, kind="stable")
        return np.split(order, np.cumsum(self.population)[:-1])

    @property
    def probability(self) -> Floats:
        """Inclusion probability of each log of the frame."""
        return np.asarray((self.audited / self.population)[self.of_log])

    @property
    def design(self) -> Design:
        """Design of the audited logs, in the order of their strata."""
        drawn = np.repeat(np.arange(len(self.audited)), self.audited)
        return Design(drawn, self.population.astype(float))


def stratify_frame(frame: Frame, options: Options) -> Strata:
    """Cut a frame into strata and allocate the audit.

    Args:
        frame: Logs with predictions.
        options: Options of the draw.

    Raises:
        AuditError: AUDIT-SIZE if the audit is too small for its strata, or larger than the frame.
    """
    variance = frame.column("variance")
    # Logs with an oversampled crime are a part of their own; part 0 is the rest.
    boost, part = np.ones(len(variance)), np.zeros(len(variance), np.int64)
    for number, (flag, factor) in enumerate(options.oversampled.items(), start=1):
        rows = frame.has(flag) & (part == 0)
        boost[rows], part[rows] = factor, number
    size = boost * np.sqrt(variance)
    strata_count = int(np.clip(options.logs // LOGS_PER_STRATUM, 4, MOST_STRATA))
    # Suspected logs are cut apart from the others, except in a part that is too small to make up
    # one stratum.
    is_split = strata_count * np.bincount(part, size)[part] >= size.sum()
    of_log = cut_cells(2 * part + (is_split & frame.is_flagged), size, strata_count)
    population = np.bincount(of_log)
    has_flagged = np.bincount(of_log, frame.is_flagged) > 0
    audited = allocate_logs(
        population, np.bincount(of_log, size), options.logs, ~has_flagged, options.unflagged
    )
    return Strata(of_log, population, audited)


def cut_cells(cell: NDArray[np.int64], size: Floats, strata_count: int) -> NDArray[np.int64]:
    """Cut each cell into strata of about equal cumulated size; a small cell is one stratum.

    Args:
        cell: Number of the cell of each log.
        size: What is cumulated, of each log.
        strata_count: How many strata all cells together should have, about.

    Returns:
        Stratum of each log, from 0.
    """
    of_log, cut_so_far = np.zeros(len(cell), np.int64), 0
    for value in np.unique(cell):
        rows = np.flatnonzero(cell == value)
        number = max(1, round(strata_count * size[rows].sum() / size.sum()))
        order = rows[np.argsort(size[rows], kind="stable")]
        reached = np.cumsum(size[order]) / size[rows].sum()
        part = np.minimum((reached * number).astype(np.int64), number - 1)
        # One large log may reach over several cuts and leave a stratum empty: number anew.
        _, part = np.unique(part, return_inverse=True)
        of_log[order] = cut_so_far + part
        cut_so_far += int(np.max(part)) + 1
    return of_log


def allocate_logs(
    population: NDArray[np.int64],
    size: Floats,
    logs: int,
    is_unflagged: NDArray[np.bool_],
    unflagged: float,
) -> NDArray[np.int64]:
    """Divide an audit among strata.

    Args:
        population: Number of logs of each stratum.
        size: Cumulated predicted standard deviation of each stratum.
        logs: Number of logs to audit.
        is_unflagged: Which strata hold only logs that are not suspected.
        unflagged: Least share of the audit for these strata.

    Returns:
        Logs to audit in each stratum, `logs` in total.

    Raises:
        AuditError: AUDIT-SIZE if the strata need more logs, or hold fewer.
    """
    count = len(population)
    least = np.minimum(population, max(LEAST_PER_STRATUM, int(np.ceil(logs / (4 * count)))))
    if not least.sum() <= logs <= population.sum():
        raise AuditError(
            "AUDIT-SIZE",
            f"{logs} logs to audit: {count} strata need at least {least.sum()} and hold "
            f"{population.sum()}",
            "choose another number of logs, or a longer period",
        )
    wanted = NEYMAN * size / size.sum() + (1 - NEYMAN) * population / population.sum()
    share = wanted[is_unflagged].sum()
    if 0 < share < unflagged:
        wanted = np.where(
            is_unflagged, wanted * unflagged / share, wanted * (1 - unflagged) / (1 - share)
        )
    return round_to_total(wanted, least, population, logs)


def round_to_total(
    wanted: Floats, least: NDArray[np.int64], most: NDArray[np.int64], total: int
) -> NDArray[np.int64]:
    """Find whole numbers in proportion to what is wanted, within bounds, that add up to a total.

    Args:
        wanted: Share wanted of each.
        least: Least number of each.
        most: Largest number of each.
        total: What they add up to.
    """
    # Bounds make some numbers larger or smaller than wanted, so the scale of the rest is searched.
    low, high = 0.0, 2 * total / float(np.min(wanted[wanted > 0]))
    for _ in range(200):
        scale = (low + high) / 2
        share = np.clip(scale * wanted, least, most)
        low, high = (scale, high) if share.sum() < total else (low, scale)
    # What rounding down leaves over goes to the largest fractions.
    numbers = np.floor(share).astype(np.int64)
    order = np.argsort(-(share - numbers), kind="stable")
    is_free = numbers[order] < most[order]
    numbers[order[is_free][: total - numbers.sum()]] += 1
    return numbers


def draw_sample(strata: Strata, seed: int) -> NDArray[np.int64]:
    """Draw the logs: a simple random sample within each stratum.

    The same strata and seed give the same logs.

    Args:
        strata: With the number of logs to audit in each.
        seed: Of the random numbers.

    Returns:
        Positions in the frame, in the order of strata.
    """
    rng = np.random.default_rng(seed)
    drawn = [
        rng.choice(logs, audited, replace=False, shuffle=False)
        for logs, audited in zip(strata.members, strata.audited, strict=True)
    ]
    return np.concatenate(drawn)


def variance_wanted(points: float) -> float:
    """Turn the half-width of an interval at 95% into the variance of the rate.

    Args:
        points: Half-width, in percentage points.
    """
    return float((points / 100 / special.ndtri(0.975)) ** 2)


def predict_variance(frame: Frame, strata: Strata, share: Floats | None = None) -> float:
    """Predict the variance of an audited rate, if auditors make no errors.

    Args:
        frame: Logs with predictions.
        strata: With the number of logs to audit in each.
        share: Share of each log's crimes that is taken to be of the domain; all by default.
    """
    part = np.ones(len(frame.logs)) if share is None else share.astype(float)
    due = ((frame.column("recorded") + frame.column("missed")) * part).sum()
    within = np.bincount(strata.of_log, frame.column("variance") * part) / strata.population
    return float(strata.design.factor @ within / due**2)


def plan_logs(frame: Frame, options: Options, points: float, share: Floats | None = None) -> int:
    """Tell how many logs to audit for a rate to within +/- some percentage points.

    It is worked out from predicted variances: it holds if the logs are as uncertain as predicted.

    Args:
        frame: Logs with predictions.
        options: Options of the draw; its `logs` is not used.
        points: Half-width wanted of the interval at 95%, in percentage points.
        share: Share of each log's crimes that is taken to be of the domain; all by default.

    Returns:
        The smallest audit that is enough; all logs if none is.
    """
    wanted = variance_wanted(points)

    def is_enough(logs: int) -> bool:
        strata = stratify_frame(frame, replace(options, logs=logs))
        return predict_variance(frame, strata, share) <= wanted

    high = len(frame.logs)
    low = min(LEAST_PER_STRATUM * MOST_STRATA, high)
    return low + bisect_left(range(low, high), True, key=is_enough)
