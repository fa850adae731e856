"""The nowcast: how many crimes of recent weeks will still be recorded, with limits.

It is the chain ladder of claims reserving, which equals the product-limit estimate of the delays in
reverse time. It works on a triangle: one row per origin (the week of the report), one column per
age, in each cell the crimes recorded by that age; not a number where the future begins. Crimes that
are never recorded are not in the triangle, as they have no delay. The variance is that of Mack
(1993).
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cdi.errors import AuditError

Floats = NDArray[np.float64]

NOWCAST_LEVEL = 0.90
# Net counts may fall to 0 from one age to the next, if all crimes of an age are cancelled. The
# factor is divided by later, so it must not be 0.
LEAST_FACTOR = 1e-3


@dataclass(frozen=True)
class Nowcast:
    """What is recorded so far, and what is expected to be recorded in the end.

    Attributes:
        so_far: Crimes of each origin that are recorded by now.
        ultimate: Crimes of each origin that are expected to be recorded in the end.
        completeness: Share of the ultimate crimes that is recorded by each age.
        own_variance: Variance of each origin's ultimate.
        shared_variance: Covariance of an origin's ultimate with that of any younger origin, divided
            by the product of both. It is not 0, since both are multiplied by the same factors.
    """

    so_far: Floats
    ultimate: Floats
    completeness: Floats
    own_variance: Floats
    shared_variance: Floats

    @property
    def outstanding(self) -> Floats:
        """Crimes of each origin that are still to be recorded."""
        return self.ultimate - self.so_far

    def se(self, origins: slice = slice(None)) -> float:
        """Standard error of the outstanding crimes of some origins together."""
        ultimate, shared = self.ultimate[origins], self.shared_variance[origins]
        # Origins are in order of time. Two origins share the factors of the ages that are open for
        # both, and these are the open ages of the older one: so its value counts for the pair.
        younger = ultimate.sum() - np.cumsum(ultimate)
        own = self.own_variance[origins].sum()
        return float(np.sqrt(own + 2 * (ultimate * younger * shared).sum()))

    def limits(
        self, origins: slice = slice(None), level: float = NOWCAST_LEVEL
    ) -> tuple[float, float, float]:
        """Limits for the crimes of some origins that are recorded in the end.

        The number outstanding is taken as lognormal, so the limits are never below the number
        already recorded. It is taken as normal in two cases: where more crimes will be cancelled
        than recorded, and where next to nothing is outstanding and its error is so much larger that
        the mean of a lognormal distribution would lie outside its own limits.

        Args:
            origins: Which origins, taken together.
            level: Of confidence.

        Returns:
            Expected number, lower and upper limit.
        """
        now, rest = float(self.so_far[origins].sum()), float(self.outstanding[origins].sum())
        z, se = NormalDist().inv_cdf((1 + level) / 2), self.se(origins)
        # Variance and mean of the logarithm that give a lognormal this mean and standard error. Its
        # mean lies half a variance above its median, so outside the limits from sigma > 2 z on.
        sigma2 = np.log1p((se / rest) ** 2) if rest > 0 else np.inf
        if np.sqrt(sigma2) > 2 * z:
            return now + rest, now + rest - z * se, now + rest + z * se
        middle, half = np.log(rest) - sigma2 / 2, z * np.sqrt(sigma2)
        return now + rest, now + float(np.exp(middle - half)), now + float(np.exp(middle + half))


@dataclass(frozen=True)
class Development:
    """How the counts of some origins together developed, with one value per step.

    Attributes:
        start: Crimes of these origins at the younger age.
        end: Crimes of the same origins at the older age.
        factor: By what the count is multiplied; 1 where nothing was observed.
        squares: Sum of the squared residuals of the origins, each divided by its count (Mack 1993).
        degrees: Degrees of freedom of these squares, not below 0.
    """

    start: Floats
    end: Floats
    factor: Floats
    squares: Floats
    degrees: NDArray[np.int64]


def chain_ladder(cumulative: Floats, diagonals: int | None = None) -> Nowcast:
    """Work out development factors, ultimates and their variance (Mack 1993).

    Args:
        cumulative: A triangle; rows in order of time.
        diagonals: Learn from the steps of so many newest periods only, as the usual delays change
            over time; by default from all.

    Raises:
        AuditError: NOWCAST-TRIANGLE if the rows are not filled from the left, oldest the fullest.
    """
    origins, ages = cumulative.shape
    last = last_ages(cumulative)
    is_used = np.ones((origins, ages - 1), bool)
    if diagonals is not None:
        # the period in which each step, from one age to the next, was observed
        observed_in = np.add.outer(np.arange(origins), np.arange(1, ages))
        is_used = observed_in > origins - 1 - diagonals
    learnt = development(cumulative, is_used)
    base, factor = learnt.start, learnt.factor
    sigma2 = _variance_by_age(learnt)
    growth = np.r_[np.cumprod(factor[::-1])[::-1], 1.0]  # from each age to the end
    so_far = cumulative[np.arange(origins), last]
    ultimate = so_far * growth[last]
    # Mack's formula sums over the ages that a row has not reached yet. Each adds two terms: one for
    # the chance of the row's own development, one for the uncertainty of the factor.
    expected = ultimate[:, None] / growth[None, :-1]  # count of each row at each age
    is_open = np.arange(ages - 1)[None, :] >= last[:, None]
    step = sigma2 / factor**2
    with np.errstate(divide="ignore", invalid="ignore"):
        by_chance = np.where(is_open & (expected > 0), step / expected, 0.0)
        by_factor = np.where(is_open & (base > 0), step / base, 0.0)
    own_variance = ultimate**2 * (by_chance + by_factor).sum(axis=1)
    return Nowcast(so_far, ultimate, 1 / growth, own_variance, by_factor.sum(axis=1))


def development(cumulative: Floats, is_used: NDArray[np.bool_]) -> Development:
    """Observe how the counts of some origins developed from each age to the next.

    Args:
        cumulative: A triangle; rows in order of time.
        is_used: Of each row and step, whether it counts; a column fewer than the triangle has, or a
            single one for all steps. A step that is not observed yet never counts.
    """
    is_seen = np.isfinite(cumulative[:, 1:]) & is_used
    start = np.where(is_seen, cumulative[:, :-1], 0.0)
    end = np.where(is_seen, cumulative[:, 1:], 0.0)
    base = start.sum(axis=0)
    factor = np.where(base > 0, end.sum(axis=0) / np.maximum(base, 1e-300), 1.0)
    factor = np.maximum(factor, LEAST_FACTOR)
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = np.where(start > 0, (end - factor * start) ** 2 / start, 0.0).sum(axis=0)
    degrees = np.maximum((is_seen & (start > 0)).sum(axis=0) - 1, 0)
    return Development(base, end.sum(axis=0), factor, squares, degrees)


def last_ages(cumulative: Floats) -> NDArray[np.int64]:
    """The last age at which each row of a triangle was observed.

    Args:
        cumulative: A triangle; rows in order of time.

    Raises:
        AuditError: NOWCAST-TRIANGLE if the rows are not filled from the left, oldest the fullest.
    """
    is_observed = np.isfinite(cumulative)
    last = is_observed.sum(axis=1) - 1
    is_left = np.arange(cumulative.shape[1]) <= last[:, None]
    if (last < 0).any() or (np.diff(last) > 0).any() or (is_observed != is_left).any():
        raise AuditError(
            "NOWCAST-TRIANGLE",
            "a row has a gap, or is fuller than an older one",
            "give one row per period, oldest first, each filled from the first age on",
        )
    return last


def _variance_by_age(learnt: Development) -> Floats:
    """Estimate Mack's variance of the step from each age to the next.

    The last step is observed in one row only, so its variance is extrapolated from the two before
    it, as Mack does.
    """
    degrees = learnt.degrees
    sigma2 = np.where(degrees > 0, learnt.squares / np.maximum(degrees, 1), np.nan)
    for age in np.flatnonzero(np.isnan(sigma2)).tolist():
        before = sigma2[age - 1] if age > 0 else 0.0
        before_that = sigma2[age - 2] if age > 1 else 0.0
        extrapolated = before**2 / before_that if before_that > 0 else before
        sigma2[age] = min(extrapolated, before, before_that) if age > 1 else before
    return sigma2
