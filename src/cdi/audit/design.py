"""Which logs to audit: risk strata, allocation, the draw, and how many logs a precision needs.

Strata follow the cumulated predicted standard deviation, so that uncertain logs are drawn more
often; a part of the audit goes to all logs alike, and a fixed part to logs that nobody suspects:
whoever learns what raises suspicion must not escape the audit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cdi.audit.estimators import Design, Floats
from cdi.audit.predictions import Frame
from cdi.errors import AuditError

NEYMAN = 0.85  # of the audit by predicted variance; the rest in proportion to logs
LEAST_PER_STRATUM = 8
LOGS_PER_STRATUM = 60  # of the audit, about
MOST_STRATA = 20
UNFLAGGED = 0.10  # of the audit, at least, from logs that are not suspected
OVERSAMPLED = {"is_rape": 6.0, "is_domestic_abuse": 1.25}  # against their share by variance
DOUBLE_BLIND = 0.075  # read by a second auditor too


@dataclass(frozen=True)
class Options:
    """How an audit is drawn.

    Attributes:
        logs: To be audited.
        unflagged: Share from logs that are not suspected.
        oversampled: Flags of crimes, and by how much; the first that holds counts.
        double_blind: Share that a second auditor reads, not knowing the first's findings.
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
        population: Logs of each stratum.
        audited: Logs to audit of each.
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
        """Of the audited logs, in order of their strata."""
        drawn = np.repeat(np.arange(len(self.audited)), self.audited)
        return Design(drawn, self.population.astype(float))


def stratify_frame(frame: Frame, options: Options) -> Strata:
    """Cut a frame into strata and allocate the audit.

    Args:
        frame: With predictions.
        options: Of the draw.

    Returns:
        The strata.

    Raises:
        AuditError: AUDIT-SIZE if the audit is too small for its strata, or larger than the frame.
    """
    variance = frame.column("variance")
    boost, part = np.ones(len(variance)), np.zeros(len(variance), np.int64)
    for number, (flag, factor) in enumerate(options.oversampled.items(), start=1):
        rows = frame.has(flag) & (part == 0)
        boost[rows], part[rows] = factor, number
    size = boost * np.sqrt(variance)
    wanted = int(np.clip(options.logs // LOGS_PER_STRATUM, 4, MOST_STRATA))
    # suspected logs are apart, but for a part that has not weight enough for a stratum
    is_split = wanted * np.bincount(part, size)[part] >= size.sum()
    of_log = _cut(2 * part + (is_split & frame.is_flagged), size, wanted)
    population = np.bincount(of_log)
    flagged = np.bincount(of_log, frame.is_flagged) > 0
    audited = allocate_logs(
        population, np.bincount(of_log, size), options.logs, ~flagged, options.unflagged
    )
    return Strata(of_log, population, audited)


def _cut(cell: NDArray[np.int64], size: Floats, wanted: int) -> NDArray[np.int64]:
    """Strata within cells, of about equal cumulated size; a cell with little of it is one."""
    of_log, made = np.zeros(len(cell), np.int64), 0
    for value in np.unique(cell):
        rows = np.flatnonzero(cell == value)
        number = max(1, round(wanted * size[rows].sum() / size.sum()))
        order = rows[np.argsort(size[rows], kind="stable")]
        reached = np.cumsum(size[order]) / size[rows].sum()
        part = np.minimum((reached * number).astype(np.int64), number - 1)
        _, part = np.unique(part, return_inverse=True)
        of_log[order] = made + part
        made += int(np.max(part)) + 1
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
        population: Logs of each stratum.
        size: Cumulated predicted standard deviation of each.
        logs: To be audited.
        is_unflagged: Strata of logs that are not suspected.
        unflagged: Share of the audit that these must have.

    Returns:
        Logs to audit in each stratum, `logs` in total.

    Raises:
        AuditError: AUDIT-SIZE if that cannot be.
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
    own = wanted[is_unflagged].sum()
    if 0 < own < unflagged:
        wanted = np.where(
            is_unflagged, wanted * unflagged / own, wanted * (1 - unflagged) / (1 - own)
        )
    return round_to_total(wanted, least, population, logs)


def round_to_total(
    wanted: Floats, least: NDArray[np.int64], most: NDArray[np.int64], total: int
) -> NDArray[np.int64]:
    """Whole numbers in proportion to what is wanted, within bounds, that add up to the total."""
    low, high = 0.0, 2 * total / float(np.min(wanted[wanted > 0]))
    for _ in range(200):
        scale = (low + high) / 2
        share = np.clip(scale * wanted, least, most)
        low, high = (scale, high) if share.sum() < total else (low, scale)
    numbers = np.floor(share).astype(np.int64)
    order = np.argsort(-(share - numbers), kind="stable")
    is_free = numbers[order] < most[order]
    numbers[order[is_free][: total - numbers.sum()]] += 1
    return numbers


def draw_sample(strata: Strata, seed: int) -> NDArray[np.int64]:
    """Draw the logs: positions in the frame, in order of strata.

    The same strata and seed give the same logs.
    """
    rng = np.random.default_rng(seed)
    drawn = [
        rng.choice(logs, audited, replace=False, shuffle=False)
        for logs, audited in zip(strata.members, strata.audited, strict=True)
    ]
    return np.concatenate(drawn)


def plan_logs(
    frame: Frame, options: Options, points: float, share: Floats | None = None,
    level: float = 0.95,
) -> int:  # fmt: skip
    """How many logs to audit for a rate to within +/- some percentage points.

    From predicted variances only: an audit of logs as uncertain as predicted.

    Args:
        frame: With predictions.
        options: Of the draw; its `logs` is not used.
        points: Half-width wanted, in percentage points.
        share: Of each log's crimes, how much is taken to be of the domain; all by default.
        level: Of confidence.

    Returns:
        The smallest audit that is enough.
    """
    part = np.ones(len(frame.logs)) if share is None else share.astype(float)
    variance = frame.column("variance") * part
    due = ((frame.column("recorded") + frame.column("missed")) * part).sum()
    half = points / 100 / stats.norm.ppf((1 + level) / 2)

    def is_enough(logs: int) -> bool:
        strata = stratify_frame(frame, Options(logs, options.unflagged, options.oversampled))
        within = np.bincount(strata.of_log, variance) / strata.population
        return bool(np.sqrt(strata.design.factor @ within) / due <= half)

    high = len(variance)
    low = min(LEAST_PER_STRATUM * MOST_STRATA, high)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
    return low
