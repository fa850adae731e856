"""Limits that tell change from chance: weeks (Laney p'), agencies (funnel), districts (Bayes).

Only weeks whose records are in, or are estimated by the nowcast, belong on a chart. Where a rate
comes from an audit, its `n` is the effective sample size, never the number of crimes. SciPy takes
about a second to import, so it is imported only where it is needed: the weekly chart of a build
needs none of it.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIGMAS = 3.0
# Expected moving range of two neighbouring points, in standard deviations: the constant d2 of
# control charts for samples of two.
RANGE_TO_SIGMA = 1.128
WINSORISED = 0.10  # share of the z-scores at either end that is pulled in to the rest


@dataclass(frozen=True)
class Chart:
    """A control chart.

    Attributes:
        centre: The common rate.
        low: Lower limit of each point.
        high: Upper limit of each point.
        sigma_z: How much the points scatter, compared with binomial chance alone, which is 1.
    """

    centre: float
    low: Floats
    high: Floats
    sigma_z: float


def laney_limits(k: Floats, n: Floats) -> Chart:
    """Set the limits of a p' chart, which follow how much the weeks really scatter (Laney 2002).

    Limits by binomial chance alone (a plain p-chart) are too narrow for large `n`: they call
    ordinary weeks alarming.

    Args:
        k: Crimes recorded in each week.
        n: Crimes due in each week.
    """
    centre = k.sum() / n.sum()
    sigma = np.sqrt(centre * (1 - centre) / n)
    z = (k / n - centre) / sigma
    # The scatter is measured from week to week: a shift that lasts must not widen the limits.
    sigma_z = float(np.abs(np.diff(z)).mean() / RANGE_TO_SIGMA)
    half = SIGMAS * sigma_z * sigma
    return Chart(float(centre), np.maximum(centre - half, 0), np.minimum(centre + half, 1), sigma_z)


@dataclass(frozen=True)
class Funnel:
    """A funnel plot over agencies (Spiegelhalter 2005).

    Attributes:
        target: The common rate.
        phi: Over-dispersion; where it is above 1 the limits are wider by its square root.
        z: Score of each agency, after over-dispersion is allowed for.
    """

    target: float
    phi: float
    z: Floats

    def limits(self, n: Floats, level: float = 0.998) -> tuple[Floats, Floats]:
        """Limits for agencies of any size.

        Args:
            n: Effective sample sizes.
            level: Of confidence.
        """
        half = NormalDist().inv_cdf((1 + level) / 2) * np.sqrt(
            max(self.phi, 1.0) * self.target * (1 - self.target) / n
        )
        return np.maximum(self.target - half, 0), np.minimum(self.target + half, 1)

    def is_outside(self, level: float = 0.998) -> NDArray[np.bool_]:
        """Tell which agencies lie outside the limits."""
        return np.asarray(np.abs(self.z) > NormalDist().inv_cdf((1 + level) / 2))


def funnel_limits(rate: Floats, n: Floats) -> Funnel:
    """Compare agencies with their common rate, allowing for differences that nobody measured.

    Agencies differ in more than chance. How much they usually differ is read from their own
    z-scores; the extreme tenths are pulled in first (winsorised), so that an agency which is far
    off does not widen the limits that should find it.

    Args:
        rate: Rate of each agency.
        n: Effective sample size of each agency.
    """
    target = float((rate * n).sum() / n.sum())
    z = (rate - target) / np.sqrt(target * (1 - target) / n)
    low, high = np.quantile(z, [WINSORISED, 1 - WINSORISED])
    phi = float((np.clip(z, low, high) ** 2).mean())
    return Funnel(target, phi, z / np.sqrt(max(phi, 1.0)))


@dataclass(frozen=True)
class Districts:
    """Posterior distribution of the districts' rates.

    Attributes:
        mean: Posterior mean of each district's rate.
        low: Lower limit of each district's rate.
        high: Upper limit of each district's rate.
        between: Posterior mean of the standard deviation between districts.
    """

    mean: Floats
    low: Floats
    high: Floats
    between: float


# Grid points for the mean and for the standard deviation of the districts' rates; the prior is flat
# over both.
MEANS, DEVIATIONS = 99, 30
SMALLEST, LARGEST = 0.0025, 0.25  # standard deviation between districts
FARTHEST = 4  # standard errors from a district's rate to the end of the grid
NEGLIGIBLE = 1e-4  # posterior weight below which a grid point is left out
HALVINGS = 20  # of the interval in which a limit is sought


def shrink_districts(k: Floats, n: Floats) -> Districts:
    """Estimate the districts' rates by a hierarchical beta-binomial model.

    The uncertainty of the model's own two parameters is integrated over a grid (full Bayes).
    Plugging in one mean and one deviation (empirical Bayes) is far too sure of the district that
    looks worst.

    Args:
        k: Recorded crimes among `n`, of each district; need not be whole.
        n: Effective sample sizes.

    Returns:
        The rates with limits at 95%.
    """
    from scipy import special  # takes about a second to import

    mean, deviation = (grid.ravel() for grid in np.meshgrid(*_choose_grid(k, n), indexing="ij"))
    # A beta distribution with this mean and deviation is worth so many earlier crimes. Where the
    # deviation is too large for the mean there is no such distribution, and no size.
    size = mean * (1 - mean) / deviation**2 - 1
    mean, deviation, size = (values[size > 0] for values in (mean, deviation, size))
    a, b = mean * size, (1 - mean) * size
    # Likelihood of all districts' counts at each grid point (rows) by the beta-binomial
    # distribution; the binomial coefficient is the same everywhere and cancels.
    log = special.betaln(a[:, None] + k, b[:, None] + n - k) - special.betaln(a, b)[:, None]
    weight = special.softmax(log.sum(axis=1))
    is_kept = weight > NEGLIGIBLE
    weight = weight[is_kept] / weight[is_kept].sum()
    a, b = a[is_kept, None] + k, b[is_kept, None] + n - k
    low, high = (_quantile_of_mixture(weight, a, b, tail) for tail in (0.025, 0.975))
    return Districts(weight @ (a / (a + b)), low, high, float(weight @ deviation[is_kept]))


def _choose_grid(k: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Choose grids for the mean and the deviation that are as wide as the districts need.

    A fixed grid would be coarser than the rates of large districts are uncertain.
    """
    rate = (k + 1) / (n + 2)
    margin = FARTHEST * np.sqrt(rate * (1 - rate) / (n + 2))
    low = np.clip((rate - margin).min(), 0.005, 0.985)
    high = np.clip((rate + margin).max(), 0.015, 0.995)
    widest = min(max(high - low, 10 * SMALLEST), LARGEST)
    return np.linspace(low, high, MEANS), np.linspace(SMALLEST, widest, DEVIATIONS)


def _quantile_of_mixture(weight: Floats, a: Floats, b: Floats, tail: float) -> Floats:
    """Find a quantile of a mixture of beta distributions (rows) for each district (columns).

    It has no closed form, so the interval from 0 to 1 is halved until it is narrow enough.
    """
    from scipy import special  # takes about a second to import

    low, high = np.zeros(a.shape[1]), np.ones(a.shape[1])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        is_below = weight @ special.betainc(a, b, middle) < tail
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return (low + high) / 2
