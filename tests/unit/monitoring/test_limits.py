"""Charts against Wetherill and Brown's samples (as qcc prints them), and simulated truth."""

from pathlib import Path

import numpy as np
import pytest

from cdi.audit.intervals import wilson_limits
from cdi.monitoring.limits import funnel_limits, laney_limits, shrink_districts

PUBLISHED = Path(__file__).resolve().parents[2] / "data" / "published"
# Wetherill and Brown 1991: 30 samples of 50
BINOMIAL = np.genfromtxt(PUBLISHED / "wetherill_brown_1991.csv", skip_header=1)
OF = np.full(30, 50.0)


def test_laneys_limits_are_those_of_chance_alone_times_the_scatter() -> None:
    laney = laney_limits(BINOMIAL, OF)
    assert laney.sigma_z == pytest.approx(0.97931, abs=5e-6)
    assert (laney.low[0], laney.high[0]) == pytest.approx((0.06958, 0.42908), abs=5e-6)
    # the plain p-chart of the same samples, as qcc prints it
    half = (laney.high[0] - laney.centre) / laney.sigma_z
    plain = (laney.centre - half, laney.centre + half)
    assert plain == pytest.approx((0.06579, 0.43288), abs=5e-6)


def test_laney_is_quiet_where_ordinary_weeks_differ() -> None:
    """100 years of weeks of 750 crimes whose true rate moves by 2 points: alarms a year."""
    rng = np.random.default_rng(3)
    n = np.full(52, 750.0)
    plain = laney = 0
    for _ in range(100):
        k = rng.binomial(750, np.clip(rng.normal(0.8, 0.02, 52), 0, 1)).astype(float)
        chart = laney_limits(k, n)
        laney += int(((k / n < chart.low) | (k / n > chart.high)).sum())
        three_sigmas = 3 * np.sqrt(chart.centre * (1 - chart.centre) / n)
        plain += int((np.abs(k / n - chart.centre) > three_sigmas).sum())
    assert 2.5 < plain / 100 < 5.5  # by chance alone; 3.9 measured elsewhere
    assert laney / 100 < 0.5


def test_laney_hears_a_week_that_is_not_ordinary() -> None:
    rng = np.random.default_rng(4)
    n = np.full(52, 750.0)
    k = rng.binomial(750, 0.8, 52).astype(float)
    k[30] = 0.7 * 750
    chart = laney_limits(k, n)
    assert np.flatnonzero(k / n < chart.low).tolist() == [30]


def test_the_funnel_allows_for_agencies_that_really_differ() -> None:
    """43 agencies whose rates differ by 2 points, none of them extreme."""
    rng = np.random.default_rng(6)
    naive = allowed = 0
    for _ in range(200):
        n = rng.uniform(1000, 6000, 43)
        rate = rng.binomial(n.astype(int), np.clip(rng.normal(0.85, 0.02, 43), 0, 1)) / n
        funnel = funnel_limits(rate, n)
        assert funnel.phi > 1
        naive += int((np.abs(funnel.z * np.sqrt(funnel.phi)) > 3.0902).sum())
        allowed += int(funnel.is_outside().sum())
    assert naive / 200 > 4
    assert allowed / 200 < 1
    low, high = funnel.limits(np.array([100.0, 1e6]))
    assert high[0] - low[0] > 50 * (high[1] - low[1])


def test_the_funnel_finds_the_agency_that_is_extreme() -> None:
    rng = np.random.default_rng(8)
    n = np.full(43, 3000.0)
    rate = rng.binomial(3000, np.clip(rng.normal(0.85, 0.01, 43), 0, 1)) / n
    rate[17] = 0.75
    assert np.flatnonzero(funnel_limits(rate, n).is_outside()).tolist() == [17]


def test_districts_hold_their_limits_even_for_the_one_that_looks_worst() -> None:
    """Eight districts of 25 crimes, true rates 5 points apart; 95% promised."""
    rng = np.random.default_rng(9)
    n = np.full(8, 25.0)
    covered, worst, width, direct = [], [], [], []
    for _ in range(40):
        truth = np.clip(rng.normal(0.8, 0.05, 8), 0, 1)
        k = rng.binomial(25, truth).astype(float)
        posterior = shrink_districts(k, n)
        inside = (posterior.low <= truth) & (truth <= posterior.high)
        covered.append(inside.mean())
        worst.append(inside[k.argmin()])
        width.append((posterior.high - posterior.low).mean())
        low, high = wilson_limits(k / n, n)
        direct.append((high - low).mean())
    assert np.mean(covered) > 0.93
    assert np.mean(worst) > 0.88
    assert np.mean(width) < 0.85 * np.mean(direct)  # they borrow from each other


@pytest.mark.parametrize(("size", "apart"), [(600, 0.02), (600, 0.0), (5000, 0.005)])
def test_large_districts_hold_their_limits_too(size: int, apart: float) -> None:
    """Their rates are known better than a fixed grid of one point could tell."""
    rng = np.random.default_rng(10)
    n = np.full(8, float(size))
    covered, worst = [], []
    for _ in range(40):
        truth = np.clip(rng.normal(0.8, apart, 8), 0, 1)
        k = rng.binomial(size, truth).astype(float)
        posterior = shrink_districts(k, n)
        inside = (posterior.low <= truth) & (truth <= posterior.high)
        covered.append(inside.mean())
        worst.append(inside[k.argmin()])
    assert np.mean(covered) > 0.92
    assert np.mean(worst) > 0.87


def test_districts_that_differ_widely_stay_apart() -> None:
    n = np.full(8, 400.0)
    k = np.array([0.5] + [0.9] * 7) * n
    posterior = shrink_districts(k, n)
    assert posterior.high[0] < 0.6
    assert posterior.between > 0.05
    assert posterior.mean[1:] == pytest.approx(np.full(7, 0.9), abs=0.01)
