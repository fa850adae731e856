"""Recent weeks: how many of their crimes will still be recorded, with limits.

The product limit of the delays in reverse time is the chain ladder. It is taken on a triangle: one
row per origin (the week of the report), one column per age, in the cells the crimes recorded by
that age; not a number where the future begins. Crimes that are never recorded are not in it: they
are no delay. The variance is Mack's (1993).
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cdi.audit.estimators import Floats
from cdi.errors import AuditError

NOWCAST_LEVEL = 0.90
LEAST_FACTOR = 1e-3  # all of a small age may be cancelled; what divides by it must not be 0


def count_triangle(origin: NDArray[np.int64], age: NDArray[np.int64], origins: int) -> Floats:
    """Cumulative counts by origin and age, as known at the end of the last origin.

    Args:
        origin: Of each recorded crime, 0 to `origins` - 1.
        age: Full periods between report and record, 0 if in the same period.
        origins: Number of periods; the last one has been seen at age 0 only.

    Returns:
        A square triangle.
    """
    is_seen = origin + age < origins
    counts = np.zeros((origins, origins))
    np.add.at(counts, (origin[is_seen], age[is_seen]), 1)
    ages = np.arange(origins)
    counts = counts.cumsum(1)
    counts[ages[:, None] + ages[None, :] >= origins] = np.nan
    return counts


@dataclass(frozen=True)
class Nowcast:
    """What is recorded so far and what will be.

    Attributes:
        so_far: Recorded by now, of each origin.
        ultimate: Recorded in the end, as expected.
        completeness: Share of what will be recorded that is recorded by each age.
        own: Variance of each origin's ultimate.
        shared: Covariance of an origin's ultimate with any younger one's, over their product: both
            are multiplied by the same factors.
    """

    so_far: Floats
    ultimate: Floats
    completeness: Floats
    own: Floats
    shared: Floats

    @property
    def outstanding(self) -> Floats:
        """Still to be recorded, of each origin."""
        return self.ultimate - self.so_far

    def se(self, origins: slice = slice(None)) -> float:
        """Standard error of what is outstanding in some origins together."""
        ultimate, shared = self.ultimate[origins], self.shared[origins]
        # origins are in order of time: of a pair, the older has run through fewer open ages
        younger = ultimate.sum() - np.cumsum(ultimate)
        return float(np.sqrt(self.own[origins].sum() + 2 * (ultimate * younger * shared).sum()))

    def limits(
        self, origins: slice = slice(None), level: float = NOWCAST_LEVEL
    ) -> tuple[float, float, float]:
        """Crimes of some origins recorded in the end: expected, and limits.

        What is outstanding is taken as lognormal, so the limits are never below what is recorded;
        as normal where more will be cancelled than recorded, and where next to nothing is
        outstanding and its error is so much larger that a lognormal's mean would lie beyond its
        limits.

        Returns:
            Expected, lower and upper limit.
        """
        now, rest = float(self.so_far[origins].sum()), float(self.outstanding[origins].sum())
        z, se = NormalDist().inv_cdf((1 + level) / 2), self.se(origins)
        sigma2 = np.log1p((se / rest) ** 2) if rest > 0 else np.inf
        if np.sqrt(sigma2) > 2 * z:
            return now + rest, now + rest - z * se, now + rest + z * se
        middle, half = np.log(rest) - sigma2 / 2, z * np.sqrt(sigma2)
        return now + rest, now + float(np.exp(middle - half)), now + float(np.exp(middle + half))


def chain_ladder(cumulative: Floats, diagonals: int | None = None) -> Nowcast:
    """Development factors, ultimates and Mack's variance.

    Args:
        cumulative: A triangle; rows in order of time.
        diagonals: Use the steps of the newest periods only: the law of delays changes.

    Returns:
        The nowcast.

    Raises:
        AuditError: NOWCAST-TRIANGLE if the rows are not filled from the left, oldest the fullest.
    """
    origins, ages = cumulative.shape
    seen = np.isfinite(cumulative)
    last = seen.sum(axis=1) - 1
    is_left = np.arange(ages) <= last[:, None]
    if (last < 0).any() or (np.diff(last) > 0).any() or (seen != is_left).any():
        raise AuditError(
            "NOWCAST-TRIANGLE",
            "a row has a gap, or is fuller than an older one",
            "give one row per period, oldest first, each filled from the first age on",
        )
    is_used = seen[:, 1:].copy()
    if diagonals is not None:
        newest = np.add.outer(np.arange(origins), np.arange(1, ages))
        is_used &= newest > origins - 1 - diagonals
    start = np.where(is_used, cumulative[:, :-1], 0.0)
    end = np.where(is_used, cumulative[:, 1:], 0.0)
    base = start.sum(axis=0)
    factor = np.where(base > 0, end.sum(axis=0) / np.maximum(base, 1e-300), 1.0)
    factor = np.maximum(factor, LEAST_FACTOR)
    sigma2 = _sigma2(start, end, factor, is_used)
    growth = np.r_[np.cumprod(factor[::-1])[::-1], 1.0]  # from each age to the end
    rows = np.arange(origins)
    so_far = cumulative[rows, last]
    ultimate = so_far * growth[last]
    # expected path of each row beyond its last cell
    path = ultimate[:, None] / growth[None, :-1]
    is_open = np.arange(ages - 1)[None, :] >= last[:, None]
    step = sigma2 / factor**2
    with np.errstate(divide="ignore", invalid="ignore"):
        of_path = np.where(is_open & (path > 0), step / path, 0.0)
        of_factor = np.where(is_open & (base > 0), step / base, 0.0)
    own = ultimate**2 * (of_path + of_factor).sum(axis=1)
    return Nowcast(so_far, ultimate, 1 / growth, own, of_factor.sum(axis=1))


def _sigma2(
    start: Floats, end: Floats, factor: Floats, is_used: NDArray[np.bool_]
) -> Floats:  # fmt: skip
    """Mack's variance of each step; of the last, which has one row, extrapolated as he does."""
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = np.where(start > 0, (end - factor * start) ** 2 / start, 0.0).sum(axis=0)
    free = (is_used & (start > 0)).sum(axis=0) - 1
    sigma2 = np.where(free > 0, squares / np.maximum(free, 1), np.nan)
    for k in np.flatnonzero(np.isnan(sigma2)).tolist():
        one, two = (sigma2[k - 1] if k > 0 else 0.0), (sigma2[k - 2] if k > 1 else 0.0)
        further = one**2 / two if two > 0 else one
        sigma2[k] = min(further, one, two) if k > 1 else one
    return sigma2
