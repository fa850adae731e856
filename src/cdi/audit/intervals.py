"""Limits for recording rates, and when a figure is withheld.

The force's rate has logit-t limits, a domain's Wilson limits on the effective sample size; Korn and
Graubard's decide whether a figure is reliable enough to be shown, and are the force's where all or
nothing was recorded. All work on arrays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from cdi.audit.estimators import Estimate, Floats

LEVEL = 0.95
Limits = tuple[Floats, Floats]

# presentation standards of the NCHS (Parker et al. 2017, Vital and Health Statistics 2(175))
LEAST_SIZE = 30  # audited crimes, and effective ones
SHOWN_WIDTH, WITHHELD_WIDTH, RELATIVE_WIDTH = 0.05, 0.30, 1.30
LEAST_DEGREES = 8


def logit_t(rate: Any, se: Any, degrees: Any, level: float = LEVEL) -> Limits:
    """Student limits on the logit scale, turned back."""
    rate, se = np.asarray(rate, float), np.asarray(se, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = stats.t.ppf((1 + level) / 2, degrees) * se / (rate * (1 - rate))
        middle = special.logit(rate)
    return special.expit(middle - half), special.expit(middle + half)


def wilson(rate: Any, n: Any, level: float = LEVEL) -> Limits:
    """Wilson's score limits; `n` may be an effective sample size."""
    z2 = stats.norm.ppf((1 + level) / 2) ** 2
    rate, n = np.asarray(rate, float), np.asarray(n, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (rate + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (rate * (1 - rate) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def clopper_pearson(rate: Any, n: Any, level: float = LEVEL) -> Limits:
    """Exact binomial limits; `n` may be an effective sample size."""
    rate, n = np.asarray(rate, float), np.asarray(n, float)
    hits, misses = rate * n, (1 - rate) * n
    with np.errstate(divide="ignore", invalid="ignore"):
        low = stats.beta.ppf((1 - level) / 2, hits, misses + 1)
        high = stats.beta.ppf((1 + level) / 2, hits + 1, misses)
    return np.where(hits > 0, low, 0.0), np.where(misses > 0, high, 1.0)


def korn_graubard(rate: Any, variance: Any, n: Any, degrees: Any, level: float = LEVEL) -> Limits:
    """Exact limits on the effective sample size, less what the degrees of freedom cost.

    Args:
        rate: The estimate.
        variance: Of it.
        n: Audited crimes.
        degrees: Of freedom of the variance.
        level: Of confidence.

    Returns:
        Lower and upper limit.
    """
    rate, variance = np.asarray(rate, float), np.asarray(variance, float)
    n = np.asarray(n, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(variance > 0, rate * (1 - rate) / variance, n)
        size = _less_degrees(size, n - 1, degrees, level)
    return clopper_pearson(rate, size, level)


@dataclass(frozen=True)
class Reliability:
    """Whether figures may be shown, after the standards above.

    Attributes:
        is_withheld: Not to be published.
        is_flagged: Published with a warning: few degrees of freedom, or the unrecorded share is
            small for its interval.
    """

    is_withheld: NDArray[np.bool_]
    is_flagged: NDArray[np.bool_]


def judge_reliability(estimate: Estimate) -> Reliability:
    """Judge estimates by size, width of the Korn-Graubard interval and degrees of freedom."""
    rate, size = estimate.rate, np.minimum(estimate.crimes, estimate.n_effective)
    low, high = korn_graubard(rate, estimate.variance, estimate.crimes, estimate.degrees)
    with np.errstate(invalid="ignore", divide="ignore"):
        width = high - low
        is_wide = (width >= WITHHELD_WIDTH) | (
            (width > SHOWN_WIDTH) & (width > RELATIVE_WIDTH * rate)
        )
        is_sound = (size >= LEAST_SIZE) & (rate >= 0) & (rate <= 1) & np.isfinite(width)
        is_flagged = (estimate.degrees < LEAST_DEGREES) | (
            (width > SHOWN_WIDTH) & (width > RELATIVE_WIDTH * (1 - rate))
        )
    return Reliability(np.asarray(~is_sound | is_wide), np.asarray(is_flagged))


def force_limits(estimate: Estimate, level: float = LEVEL) -> Limits:
    """Limits of the whole force's rate; exact ones at 0 and 1, which have no logit."""
    limits = logit_t(estimate.rate, estimate.se, estimate.degrees, level)
    exact = korn_graubard(
        estimate.rate, estimate.variance, estimate.crimes, estimate.degrees, level
    )
    is_inside = (estimate.rate > 0) & (estimate.rate < 1)
    low, high = (np.where(is_inside, *pair) for pair in zip(limits, exact, strict=True))
    return _around(estimate.rate, (low, high))


def domain_limits(estimate: Estimate, level: float = LEVEL) -> Limits:
    """Limits of a domain's rate: Wilson's, on the effective size less what few degrees cost.

    Those of the normal law are too short for few crimes.
    """
    size = _less_degrees(estimate.n_effective, np.inf, estimate.degrees, level)
    return _around(estimate.rate, wilson(estimate.rate, size, level))


def _around(rate: Floats, limits: Limits) -> Limits:
    """A census's limits are its rate, and rounding must not part them from it."""
    return np.minimum(limits[0], rate), np.maximum(limits[1], rate)


def _less_degrees(size: Any, from_: Any, to: Any, level: float) -> Any:
    """An effective size that has as wide limits by the normal law as it had by Student's."""
    upper = (1 + level) / 2
    return size * (stats.t.ppf(upper, from_) / stats.t.ppf(upper, np.maximum(to, 1))) ** 2


def unrecorded_limits(recorded: float, rate: Any, low: Any, high: Any) -> tuple[Any, Any, Any]:
    """Crimes never recorded, with limits, if all `recorded` crime was recorded at this rate.

    The limits are those of the rate, transformed: they are not symmetrical.

    Returns:
        Estimate, lower and upper limit; infinite where a rate is 0.
    """

    def missed(value: Any) -> Any:
        with np.errstate(divide="ignore"):
            return recorded * (1 / np.asarray(value, float) - 1)

    return missed(rate), missed(high), missed(low)


def change_limits(
    before: Estimate, after: Estimate, limits: Callable[[Estimate], Limits] = force_limits
) -> tuple[Any, Any, Any]:
    """Change of the rate between two periods audited apart, with limits of its own.

    From each period's own limits (the square-and-add method of Newcombe): that two intervals
    overlap is no test.

    Returns:
        After less before, lower and upper limit.
    """
    return square_and_add((before.rate, *limits(before)), (after.rate, *limits(after)))


def square_and_add(before: Sequence[Any], after: Sequence[Any]) -> tuple[Any, Any, Any]:
    """Change between two rates, each given with its lower and upper limit; see `change_limits`."""
    (r1, l1, h1), (r2, l2, h2) = before, after
    return (
        r2 - r1,
        r2 - r1 - np.hypot(r2 - l2, h1 - r1),
        r2 - r1 + np.hypot(h2 - r2, r1 - l1),
    )
