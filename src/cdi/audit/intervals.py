"""Limits for recording rates, and when a figure is withheld.

The force's rate has logit-t limits, or those of Korn and Graubard where all crimes or none were
recorded. A domain's rate has Wilson's limits on its effective sample size. The Korn-Graubard limits
also decide whether a figure is reliable enough to be shown. All functions work on arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cdi.audit.estimators import Estimate

Floats = NDArray[np.float64]

LEVEL = 0.95
Limits = tuple[Floats, Floats]

# Presentation standards for proportions of the US National Center for Health Statistics (NCHS):
# Parker et al. 2017, Vital and Health Statistics 2(175).
LEAST_SIZE = 30  # of audited crimes, and of the effective sample size
SHOWN_WIDTH, WITHHELD_WIDTH, RELATIVE_WIDTH = 0.05, 0.30, 1.30
LEAST_DEGREES = 8


def logit_t_limits(rate: Any, se: Any, degrees: Any, level: float = LEVEL) -> Limits:
    """Student's t limits on the logit scale, turned back: they never leave 0 to 1.

    Korn and Graubard 1998 compare them with others for survey proportions.

    Args:
        rate: The estimate.
        se: Its standard error.
        degrees: Degrees of freedom of the standard error.
        level: Of confidence.
    """
    rate, se = np.asarray(rate, float), np.asarray(se, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = special.stdtrit(degrees, (1 + level) / 2) * se / (rate * (1 - rate))
        middle = special.logit(rate)
        return special.expit(middle - half), special.expit(middle + half)


def wilson_limits(rate: Any, n: Any, level: float = LEVEL) -> Limits:
    """Score limits (Wilson 1927).

    Args:
        rate: The estimate.
        n: Sample size; may be an effective one.
        level: Of confidence.
    """
    z2 = special.ndtri((1 + level) / 2) ** 2
    rate, n = np.asarray(rate, float), np.asarray(n, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (rate + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (rate * (1 - rate) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def clopper_pearson_limits(rate: Any, n: Any, level: float = LEVEL) -> Limits:
    """Exact binomial limits (Clopper and Pearson 1934).

    Args:
        rate: The estimate.
        n: Sample size; may be an effective one.
        level: Of confidence.
    """
    rate, n = np.asarray(rate, float), np.asarray(n, float)
    hits, misses = rate * n, (1 - rate) * n
    with np.errstate(divide="ignore", invalid="ignore"):
        low = special.betaincinv(hits, misses + 1, (1 - level) / 2)
        high = special.betaincinv(hits + 1, misses, (1 + level) / 2)
    return np.where(hits > 0, low, 0.0), np.where(misses > 0, high, 1.0)


def korn_graubard_limits(
    rate: Any, variance: Any, n: Any, degrees: Any, level: float = LEVEL
) -> Limits:
    """Exact limits on an effective sample size that allows for few degrees of freedom.

    Korn and Graubard 1998, Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data, Survey Methodology 24.

    Args:
        rate: The estimate.
        variance: Its variance.
        n: Sample size: what it is where the variance gives none, at a rate of 0 or 1 or if it is 0.
        degrees: Degrees of freedom of the variance.
        level: Of confidence.
    """
    rate, variance = np.asarray(rate, float), np.asarray(variance, float)
    n = np.asarray(n, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        has_size = (variance > 0) & (rate != 0) & (rate != 1)
        size = np.where(has_size, rate * (1 - rate) / variance, n)
        size = _shrink_for_degrees(size, n - 1, degrees, level)
    return clopper_pearson_limits(rate, size, level)


def _exact_limits(estimate: Estimate, level: float = LEVEL) -> Limits:
    """Limits of Korn and Graubard; at a rate of 0 or 1 the size is what the logs are worth."""
    rate = estimate.rate
    n = np.where((rate == 0) | (rate == 1), estimate.n_effective, estimate.crimes)
    return korn_graubard_limits(rate, estimate.variance, n, estimate.degrees, level)


@dataclass(frozen=True)
class Reliability:
    """Whether figures may be shown, by the NCHS standards above.

    Attributes:
        is_withheld: The figure is not published.
        is_flagged: The figure is published with a warning: the degrees of freedom are few, or the
            interval is wide for the small share that is unrecorded.
    """

    is_withheld: NDArray[np.bool_]
    is_flagged: NDArray[np.bool_]


def is_too_wide(rate: Any, width: Any) -> NDArray[np.bool_]:
    """Tell whether an interval is too wide to be shown, by the NCHS standards.

    Args:
        rate: The estimate.
        width: Of its interval.
    """
    rate, width = np.asarray(rate, float), np.asarray(width, float)
    with np.errstate(invalid="ignore"):
        is_relatively_wide = (width > SHOWN_WIDTH) & (width > RELATIVE_WIDTH * rate)
        return np.asarray((width >= WITHHELD_WIDTH) | is_relatively_wide)


def judge_reliability(estimate: Estimate) -> Reliability:
    """Judge estimates by sample size, width of the Korn-Graubard interval and degrees of freedom.

    Args:
        estimate: One or more.
    """
    rate, size = estimate.rate, np.minimum(estimate.crimes, estimate.n_effective)
    low, high = _exact_limits(estimate)
    with np.errstate(invalid="ignore", divide="ignore"):
        width = high - low
        is_wide = is_too_wide(rate, width)
        is_sound = (size >= LEAST_SIZE) & (rate >= 0) & (rate <= 1) & np.isfinite(width)
        is_flagged = (estimate.degrees < LEAST_DEGREES) | (
            (width > SHOWN_WIDTH) & (width > RELATIVE_WIDTH * (1 - rate))
        )
    return Reliability(np.asarray(~is_sound | is_wide), np.asarray(is_flagged))


def force_limits(estimate: Estimate, level: float = LEVEL) -> Limits:
    """Limits of the whole force's rate: exact ones at 0 and 1, which have no logit.

    Args:
        estimate: Of the force.
        level: Of confidence.
    """
    limits = logit_t_limits(estimate.rate, estimate.se, estimate.degrees, level)
    exact = _exact_limits(estimate, level)
    is_inside = (estimate.rate > 0) & (estimate.rate < 1)
    low, high = (np.where(is_inside, *pair) for pair in zip(limits, exact, strict=True))
    return _widen_to_rate(estimate.rate, (low, high))


def domain_limits(estimate: Estimate, level: float = LEVEL) -> Limits:
    """Limits of a domain's rate: Wilson's, on an effective size that allows for few degrees.

    Limits by the normal distribution are too narrow for few crimes.

    Args:
        estimate: Of a domain.
        level: Of confidence.
    """
    size = _shrink_for_degrees(estimate.n_effective, np.inf, estimate.degrees, level)
    return _widen_to_rate(estimate.rate, wilson_limits(estimate.rate, size, level))


def _widen_to_rate(rate: Floats, limits: Limits) -> Limits:
    """Make sure that the limits enclose the rate.

    Those of a full count are the rate itself, and rounding must not set them off from it.
    """
    return np.minimum(limits[0], rate), np.maximum(limits[1], rate)


def _shrink_for_degrees(size: Any, at_most: Any, degrees: Any, level: float) -> Any:
    """Shrink an effective size so that normal limits on it are as wide as Student's t limits.

    Args:
        size: Effective sample size.
        at_most: Degrees of freedom of a simple random sample; infinite for the normal distribution.
        degrees: Degrees of freedom of the variance.
        level: Of confidence.
    """
    upper = (1 + level) / 2
    narrow, wide = special.stdtrit(at_most, upper), special.stdtrit(np.maximum(degrees, 1), upper)
    return size * (narrow / wide) ** 2


def unrecorded_limits(recorded: float, rate: Any, low: Any, high: Any) -> tuple[Any, Any, Any]:
    """Estimate the crimes that were never recorded, if all `recorded` crime had this rate.

    The limits are those of the rate, transformed, so they are not symmetrical. HMICFRS publishes
    the same estimate without limits.

    Args:
        recorded: Number of crimes recorded.
        rate: Recording rate.
        low: Its lower limit.
        high: Its upper limit.

    Returns:
        Estimate, lower and upper limit; infinite where a rate is 0.
    """

    def count_missed(value: Any) -> Any:
        with np.errstate(divide="ignore"):
            return recorded * (1 / np.asarray(value, float) - 1)

    return count_missed(rate), count_missed(high), count_missed(low)


def square_and_add(before: Sequence[Any], after: Sequence[Any]) -> tuple[Any, Any, Any]:
    """Estimate the change of a rate between two periods that were audited apart.

    Its limits come from those of each period (Newcombe 1998, the square-and-add method). Whether
    the intervals of two periods overlap is no test of a change.

    Args:
        before: The earlier rate, its lower and its upper limit.
        after: The later rate, its lower and its upper limit.

    Returns:
        Later less earlier rate, lower and upper limit.
    """
    (rate_before, low_before, high_before), (rate_after, low_after, high_after) = before, after
    change = rate_after - rate_before
    return (
        change,
        change - np.hypot(rate_after - low_after, high_before - rate_before),
        change + np.hypot(high_after - rate_after, rate_before - low_before),
    )


def change_in_points(before: Sequence[Any], after: Sequence[Any]) -> dict[str, float]:
    """Work out the change between two audited rates, with the limits of the difference.

    Args:
        before: The earlier rate, its lower and its upper limit.
        after: The later rate, its lower and its upper limit.

    Returns:
        `change_points`, `lower_limit` and `upper_limit`, in percentage points.
    """
    names = ("change_points", "lower_limit", "upper_limit")
    change = square_and_add(before, after)
    return {name: 100 * float(value) for name, value in zip(names, change, strict=True)}
