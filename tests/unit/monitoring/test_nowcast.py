"""The chain ladder against the published triangle, by hand, and against what later became true."""

from pathlib import Path

import numpy as np
import pytest

from cdi.errors import AuditError
from cdi.monitoring.nowcast import Nowcast, chain_ladder
from cdi.monitoring.weeks import cumulative_triangle

NAN = np.nan
PUBLISHED = Path(__file__).resolve().parents[2] / "data" / "published"
# Taylor and Ashe (1983), as every text on claims reserving prints it; empty cells become NAN
GENINS = np.genfromtxt(PUBLISHED / "taylor_ashe_1983_triangle.csv", delimiter=",")


def count_triangle(origin: np.ndarray, age: np.ndarray, origins: int) -> np.ndarray:
    """The triangle of crimes that were recorded at some age and never cancelled."""
    return cumulative_triangle(origin, age, np.ones(len(origin)), origins)


def test_outstanding_and_its_error_are_those_of_mack() -> None:
    nowcast = chain_ladder(GENINS)
    assert round(nowcast.outstanding.sum()) == 18_680_856
    assert round(nowcast.se()) == 2_447_095
    mack = np.genfromtxt(PUBLISHED / "mack_1993.csv", delimiter=",", names=True)  # by origin
    assert nowcast.outstanding.round().tolist() == mack["outstanding"].tolist()
    assert np.sqrt(nowcast.own_variance).round().tolist() == mack["standard_error"].tolist()


def test_the_factors_are_the_product_limit_of_the_delays_in_reverse() -> None:
    """Every crime was reported and has a delay; who has been watched too briefly is truncated."""
    rng = np.random.default_rng(7)
    origin, age = rng.integers(0, 12, 4000), rng.geometric(0.4, 4000) - 1
    nowcast = chain_ladder(count_triangle(origin, age, 12))
    is_seen = origin + age < 12
    origin, age = origin[is_seen], age[is_seen]
    complete = np.ones(12)
    for a in range(11, 0, -1):
        # of those with age <= a and watched at least a: the share that comes at a exactly
        watched = origin + a < 12
        at, before = (watched & (age == a)).sum(), (watched & (age < a)).sum()
        complete[a - 1] = complete[a] * before / (before + at)
    assert nowcast.completeness == pytest.approx(complete, abs=1e-15)


def test_crimes_never_recorded_are_no_delay() -> None:
    origin = np.repeat(np.arange(10), 100)
    age = np.tile(np.repeat([0, 1, 2], [50, 30, 20]), 10)
    nowcast = chain_ladder(count_triangle(origin, age, 10))
    assert nowcast.completeness[:3] == pytest.approx([0.5, 0.8, 1.0])
    assert nowcast.ultimate == pytest.approx(np.full(10, 100.0))  # not more, whatever was reported
    assert nowcast.so_far[-2:].tolist() == [80, 50]


def test_only_recent_steps_count_if_the_law_of_delays_changed() -> None:
    origin = np.repeat(np.arange(20), 100)
    slow = np.repeat([0, 1], [20, 80])
    quick = np.repeat([0, 1], [80, 20])
    age = np.concatenate([*[slow] * 10, *[quick] * 10])
    counts = count_triangle(origin, age, 20)
    assert chain_ladder(counts, diagonals=6).completeness[0] == pytest.approx(0.8)
    assert chain_ladder(counts).completeness[0] < 0.7


def test_limits_cover_what_later_became_true() -> None:
    """200 simulated forces, 26 weeks, the last 8 weeks together; 90% promised."""
    rng = np.random.default_rng(11)
    covered, naive = [], []
    for _ in range(200):
        counts = rng.poisson(120 * rng.gamma(50, 1 / 50, 26))
        origin = np.repeat(np.arange(26), counts)
        age = np.minimum(rng.geometric(0.55, len(origin)) - 1, 12)
        nowcast = chain_ladder(count_triangle(origin, age, 26))
        truth = counts[-8:].sum()
        expected, low, high = nowcast.limits(slice(-8, None))
        assert low <= expected <= high
        covered.append(low <= truth <= high)
        naive.append(nowcast.so_far[-8:].sum() / truth)
    assert 0.83 <= np.mean(covered) <= 0.97
    assert np.mean(naive) < 0.93  # the plain count is far short


def test_limits_are_never_below_what_is_recorded() -> None:
    nowcast = chain_ladder(GENINS)
    _, low, _ = nowcast.limits(level=0.9999)
    assert low > nowcast.so_far.sum()
    assert nowcast.limits(slice(0, 1)) == (3901463, 3901463, 3901463)  # nothing is open


@pytest.mark.parametrize("outstanding", [5.0, 0.5, 0.045, 1e-6, 0.0, -0.5])
def test_what_is_expected_lies_between_the_limits(outstanding: float) -> None:
    """Also where a lognormal's mean would lie beyond its upper limit: log errors from 3.3 on."""
    one = np.ones(1)
    nowcast = Nowcast(
        542 * one, (542 + outstanding) * one, one, own_variance=4 * one, shared_variance=0 * one
    )
    expected, low, high = nowcast.limits()
    assert expected == 542 + outstanding
    assert low < expected < high


def test_a_triangle_with_a_gap_is_refused() -> None:
    gap, fuller = GENINS.copy(), GENINS.copy()
    gap[3, 2] = NAN
    fuller[9, 1:4] = 400_000
    for broken in (gap, fuller):
        with pytest.raises(AuditError, match="NOWCAST-TRIANGLE"):
            chain_ladder(broken)
