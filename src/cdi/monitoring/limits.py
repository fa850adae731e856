"""Charts that tell change from chance: weeks (Laney p'), agencies (funnel), districts (Bayes).

Only mature or nowcast weeks belong on a chart. Where a rate comes from an audit, `n` is its
effective sample size, never the number of crimes. SciPy is imported where it is needed: a build's
weekly chart needs none of it.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cdi.audit.estimators import Floats

SIGMAS = 3.0
RANGE_TO_SIGMA = 1.128  # mean moving range of two, in standard deviations
WINSORISED = 0.10  # of the z-scores, at either end


@dataclass(frozen=True)
class Chart:
    """A control chart.

    Attributes:
        centre: The common rate.
        low: Lower limits.
        high: Upper limits.
        sigma_z: By how much the points scatter beyond binomial chance; 1 in a plain p-chart.
    """

    centre: float
    low: Floats
    high: Floats
    sigma_z: float


def p_chart(k: Floats, n: Floats) -> Chart:
    """Limits by binomial chance alone: with large n they call ordinary weeks alarming."""
    return _chart(k, n, 1.0)


def laney_limits(k: Floats, n: Floats) -> Chart:
    """Laney's p' chart (2002): the limits follow how much the weeks really scatter."""
    centre = k.sum() / n.sum()
    z = (k / n - centre) / np.sqrt(centre * (1 - centre) / n)
    return _chart(k, n, float(np.abs(np.diff(z)).mean() / RANGE_TO_SIGMA))


def _chart(k: Floats, n: Floats, sigma_z: float) -> Chart:
    centre = k.sum() / n.sum()
    half = SIGMAS * sigma_z * np.sqrt(centre * (1 - centre) / n)
    return Chart(float(centre), np.maximum(centre - half, 0), np.minimum(centre + half, 1), sigma_z)


def measure_dispersion(k: Floats, n: Floats | None = None) -> tuple[float, float, float]:
    """Whether counts scatter more than chance: Wetherill and Brown's test.

    Args:
        k: Counts.
        n: Of how many; none for Poisson counts.

    Returns:
        Ratio of observed to theoretical variance, chi-squared statistic, p-value.
    """
    from scipy import special

    free = len(k) - 1
    if n is None:
        ratio = k.var(ddof=1) / k.mean()
    else:
        rate = k.sum() / n.sum()
        ratio = k.var(ddof=1) / (n.mean() * rate * (1 - rate))
    return float(ratio), float(free * ratio), float(special.chdtrc(free, free * ratio))


@dataclass(frozen=True)
class Funnel:
    """A funnel plot over agencies (Spiegelhalter 2005).

    Attributes:
        target: The common rate.
        phi: Over-dispersion; the limits are wider by its root where it is above 1.
        z: Of each agency, after over-dispersion.
    """

    target: float
    phi: float
    z: Floats

    def limits(self, n: Floats, level: float = 0.998) -> tuple[Floats, Floats]:
        """Limits at any size."""
        half = NormalDist().inv_cdf((1 + level) / 2) * np.sqrt(
            max(self.phi, 1.0) * self.target * (1 - self.target) / n
        )
        return np.maximum(self.target - half, 0), np.minimum(self.target + half, 1)

    def is_outside(self, level: float = 0.998) -> NDArray[np.bool_]:
        """Which agencies lie outside."""
        return np.asarray(np.abs(self.z) > NormalDist().inv_cdf((1 + level) / 2))


def funnel_limits(rate: Floats, n: Floats) -> Funnel:
    """Compare agencies with their common rate, allowing for what no one has measured.

    Args:
        rate: Of each agency.
        n: Its effective sample size.

    Returns:
        The funnel.
    """
    target = float((rate * n).sum() / n.sum())
    z = (rate - target) / np.sqrt(target * (1 - target) / n)
    low, high = np.quantile(z, [WINSORISED, 1 - WINSORISED])
    phi = float((np.clip(z, low, high) ** 2).mean())
    return Funnel(target, phi, z / np.sqrt(max(phi, 1.0)))


@dataclass(frozen=True)
class Districts:
    """Posterior of the districts' rates.

    Attributes:
        mean: Of each district.
        low: Lower limit.
        high: Upper limit.
        between: Posterior mean of the standard deviation between districts.
    """

    mean: Floats
    low: Floats
    high: Floats
    between: float


# points for mean and standard deviation of the districts' rates; the prior is flat over both
MEANS, DEVIATIONS = 99, 30
SMALLEST, LARGEST = 0.0025, 0.25  # standard deviation
FARTHEST = 4  # standard errors from a district's rate to the end of the grid
NEGLIGIBLE = 1e-4  # of the posterior weight
HALVINGS = 20  # of the interval in which a limit is sought


def shrink_districts(k: Floats, n: Floats, level: float = 0.95) -> Districts:
    """Districts by a hierarchical beta-binomial model, with its uncertainty (full Bayes on a grid).

    Plugging in one mean and one deviation (empirical Bayes) is far too sure of the worst district.

    Args:
        k: Recorded crimes among `n`, of each district; need not be whole.
        n: Effective sample sizes.
        level: Of the limits.

    Returns:
        The posterior.
    """
    from scipy import special

    mean, deviation = (grid.ravel() for grid in np.meshgrid(*_grid(k, n), indexing="ij"))
    size = mean * (1 - mean) / deviation**2 - 1
    mean, deviation, size = (v[size > 0] for v in (mean, deviation, size))
    a, b = mean * size, (1 - mean) * size
    log = special.betaln(a[:, None] + k, b[:, None] + n - k) - special.betaln(a, b)[:, None]
    weight = special.softmax(log.sum(axis=1))
    kept = weight > NEGLIGIBLE
    weight = weight[kept] / weight[kept].sum()
    a, b = a[kept, None] + k, b[kept, None] + n - k
    low, high = (_quantile(weight, a, b, tail) for tail in ((1 - level) / 2, (1 + level) / 2))
    return Districts(weight @ (a / (a + b)), low, high, float(weight @ deviation[kept]))


def _grid(k: Floats, n: Floats) -> tuple[Floats, Floats]:
    """As wide as the districts need: of large ones a fixed grid would be coarser than the rates."""
    rate = (k + 1) / (n + 2)
    far = FARTHEST * np.sqrt(rate * (1 - rate) / (n + 2))
    low, high = np.clip((rate - far).min(), 0.005, 0.985), np.clip((rate + far).max(), 0.015, 0.995)
    widest = min(max(high - low, 10 * SMALLEST), LARGEST)
    return np.linspace(low, high, MEANS), np.linspace(SMALLEST, widest, DEVIATIONS)


def _quantile(weight: Floats, a: Floats, b: Floats, tail: float) -> Floats:
    """Of a mixture of beta laws (rows), for each district (column)."""
    from scipy import special

    low, high = np.zeros(a.shape[1]), np.ones(a.shape[1])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        is_below = weight @ special.betainc(a, b, middle) < tail
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return (low + high) / 2
