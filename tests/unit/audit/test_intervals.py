"""Limits against published cases, and what is withheld."""

import numpy as np
import pytest

from cdi.audit.estimators import Estimate
from cdi.audit.intervals import (
    clopper_pearson_limits,
    domain_limits,
    force_limits,
    judge_reliability,
    square_and_add,
    unrecorded_limits,
    wilson_limits,
)

# Newcombe 1998: recorded, of how many, Wilson, Clopper-Pearson
NEWCOMBE = [
    (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, (0.0000, 0.1611), (0.0000, 0.1684)),
    (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
]


@pytest.mark.parametrize(("hits", "n", "wilson", "exact"), NEWCOMBE)
def test_newcombes_cases(
    hits: int, n: int, wilson: tuple[float, float], exact: tuple[float, float]
) -> None:
    assert wilson_limits(hits / n, n) == pytest.approx(wilson, abs=5e-5)
    assert clopper_pearson_limits(hits / n, n) == pytest.approx(exact, abs=5e-5)


# HMICFRS 2014, force counts: recorded, of how many, Wilson in percent
@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(56, 64, 77.23, 93.53), (265, 388, 63.51, 72.73)]
)
def test_wilson_on_the_counts_of_two_forces(hits: int, n: int, low: float, high: float) -> None:
    limits = 100 * np.array(wilson_limits(hits / n, n))
    assert limits == pytest.approx([low, high], abs=5e-3)


def estimate(
    rate: float, variance: float, crimes: float, degrees: float = 200, is_assisted: bool = False
) -> Estimate:
    values = (rate, variance, crimes, crimes, crimes, degrees, 0.0)
    return Estimate(*(np.array(value, float) for value in values), np.array(is_assisted))


def test_the_published_sentence_follows_from_the_published_rate() -> None:
    """37,359 recorded crimes at 80.1%: "over 9,200" missed; 9,876 of violence: "over 3,300"."""
    missed, low, high = unrecorded_limits(37_359, 0.801, 0.801 - 0.0186, 0.801 + 0.0186)
    assert missed // 100 * 100 == 9_200
    assert (round(low), round(high)) == (8_223, 10_390)
    assert high - missed > missed - low  # transformed, not made symmetrical
    assert unrecorded_limits(9_876, 0.749, 0.72, 0.78)[0] // 100 * 100 == 3_300


def test_the_effective_size_behind_the_published_interval() -> None:
    variance = (0.0186 / 1.959964) ** 2
    figure = estimate(0.801, variance, 2_500)
    assert figure.n_effective == pytest.approx(1_770, abs=1)
    low, high = force_limits(figure)
    assert 100 * (high - low) / 2 == pytest.approx(1.86, abs=0.02)


def test_a_census_that_found_all_or_nothing_recorded_has_exact_limits() -> None:
    """120 of 120: the lower limit is the 120th root of 0.025."""
    least = 0.025 ** (1 / 120)
    assert force_limits(estimate(1.0, 0.0, 120, 119)) == pytest.approx((least, 1))
    assert force_limits(estimate(0.0, 0.0, 120, 119)) == pytest.approx((0, 1 - least))


def test_the_limits_of_a_census_hold_its_rate() -> None:
    for recorded in range(1, 160):
        figure = estimate(recorded / 160, 1e-33, 160, is_assisted=True)
        for low, high in (force_limits(figure), domain_limits(figure)):
            assert low <= recorded / 160 <= high
            assert high - low < 1e-12


def test_a_change_has_limits_of_its_own() -> None:
    """Newcombe 1998 (differences), 56/70 less 48/80, method 10: 0.0524 to 0.3339."""

    def binomial(hits: int, n: int) -> Estimate:
        rate = hits / n
        return estimate(rate, rate * (1 - rate) / n, n, np.inf)

    before, after = ((e.rate, *domain_limits(e)) for e in (binomial(48, 80), binomial(56, 70)))
    assert square_and_add(before, after) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_two_intervals_that_overlap_may_still_differ() -> None:
    before, after = estimate(0.80, 0.010**2, 1500), estimate(0.835, 0.010**2, 1500)
    assert force_limits(before)[1] > force_limits(after)[0]
    rates = ((e.rate, *force_limits(e)) for e in (before, after))
    _, low, _ = square_and_add(*rates)
    assert low > 0


def test_few_degrees_of_freedom_widen_a_domains_limits() -> None:
    few, many = estimate(0.8, 0.004, 60, degrees=10), estimate(0.8, 0.004, 60, degrees=1e6)
    assert domain_limits(many) == pytest.approx(wilson_limits(0.8, 40), abs=1e-6)
    assert np.diff(domain_limits(few)) > np.diff(domain_limits(many))


def binomial(rate: float, n: int, degrees: float = 500) -> Estimate:
    return estimate(rate, rate * (1 - rate) / n, n, degrees)


@pytest.mark.parametrize(
    ("figure", "is_withheld", "is_flagged"),
    [
        (binomial(0.8, 400), False, False),
        (binomial(0.8, 29), True, False),  # fewer than 30 crimes
        (estimate(0.8, 0.8 * 0.2 / 25, 400), True, False),  # worth fewer than 30
        (binomial(0.5, 40), True, False),  # wider than 0.30
        (binomial(0.06, 70), True, False),  # wider than 130% of the rate
        (binomial(0.95, 120), False, True),  # ... of the unrecorded share
        (binomial(0.8, 400, degrees=7), False, True),
        (estimate(1.02, 0.001, 60, is_assisted=True), True, False),  # no rate at all
        (estimate(np.nan, np.nan, 0, degrees=0), True, False),  # nothing audited
    ],
)
def test_what_is_withheld_and_what_is_flagged(
    figure: Estimate, is_withheld: bool, is_flagged: bool
) -> None:
    reliability = judge_reliability(figure)
    assert bool(reliability.is_withheld) is is_withheld
    if not is_withheld:
        assert bool(reliability.is_flagged) is is_flagged


def test_exact_limits_cover_more_and_normal_ones_fewer_than_promised() -> None:
    """Exact enumeration at n = 30, rates .75 to .98: the reason for Wilson in small domains."""
    rates = np.linspace(0.75, 0.98, 47)
    hits = np.arange(31)
    from scipy import stats

    weight = stats.binom.pmf(hits, 30, rates[:, None])
    share = hits / 30
    half = 1.959964 * np.sqrt(share * (1 - share) / 30)
    covers = {
        name: ((low <= rates[:, None]) & (rates[:, None] <= high))
        for name, (low, high) in {
            "wald": (share - half, share + half),
            "wilson": wilson_limits(share, 30),
            "exact": clopper_pearson_limits(share, 30),
        }.items()
    }
    mean = {name: float((weight * covered).sum(axis=1).mean()) for name, covered in covers.items()}
    # published table: 87, 95.5, 98
    assert mean["wald"] == pytest.approx(0.87, abs=0.02)
    assert mean["wilson"] == pytest.approx(0.955, abs=0.01)
    assert mean["exact"] == pytest.approx(0.98, abs=0.01)
