"""Second readings: unbiased over all samples that could be drawn, with the variance they have."""

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from cdi.audit import estimators
from cdi.audit.design import Options, Strata, draw_sample, plan_logs, stratify_frame
from cdi.audit.estimators import (
    Auxiliary,
    Coefficients,
    Design,
    Estimate,
    Rereading,
    SecondDraw,
    estimate_domain,
    estimate_greg,
    estimate_ratio,
)
from cdi.audit.intervals import force_limits
from cdi.audit.rates import FORCE, Assistance, SecondReadings, estimate_force_rate
from cdi.audit.second_readings import draw_second, expect_changes, plan_second_readings
from tests.audit import Force

# Seven audited logs in two strata of the second draw; what they were read as, and what is true.
OF_LOG = np.array([0, 0, 0, 0, 1, 1, 1])
FIRST_Y = np.array([1.0, 0, 1, 1, 0, 1, 0])
FIRST_M = np.array([1.0, 1, 1, 1, 0, 1, 1])
TRUE_Y = np.array([1.0, 1, 1, 0, 0, 1, 1])
TRUE_M = np.array([1.0, 1, 2, 1, 1, 1, 1])
WEIGHT = np.array([3.0, 3, 3, 3, 2, 2, 2])
DRAWN = (2, 2)


def all_samples() -> list[np.ndarray]:
    """Every sample of second readings that the design allows; all have the same chance."""
    members = [np.flatnonzero(stratum == OF_LOG) for stratum in range(2)]
    chosen = [combinations(rows, count) for rows, count in zip(members, DRAWN, strict=True)]
    return [np.sort(np.concatenate([*map(np.array, parts)])) for parts in product(*chosen)]


def reread(places: np.ndarray, expected: float = 0.0) -> Rereading:
    return Rereading(
        SecondDraw(OF_LOG, places),
        (TRUE_Y - FIRST_Y)[places],
        (TRUE_M - FIRST_M)[places],
        np.full(len(OF_LOG), expected),
    )


def test_over_all_samples_totals_are_those_of_reading_everything_twice() -> None:
    totals = []
    for places in all_samples():
        best = FIRST_Y.copy()
        best[places] = TRUE_Y[places]
        second = reread(places)
        totals.append(WEIGHT @ best + second.total_unread(WEIGHT, second.y))
    assert len(totals) == 6 * 3
    assert np.ptp(totals) > 0
    assert np.mean(totals) == pytest.approx(WEIGHT @ TRUE_Y)


def test_over_all_samples_the_variance_is_that_of_the_totals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without what is taken to be known before: it is there for strata without an error."""
    monkeypatch.setattr(estimators, "PRIOR_READ_TWICE", 0)
    rate = 0.7
    totals, variances = [], []
    for places in all_samples():
        second = reread(places)
        change = (TRUE_Y - FIRST_Y) - rate * (TRUE_M - FIRST_M)
        known = WEIGHT[places] @ change[places]
        totals.append(known + second.total_unread(WEIGHT, change[places]))
        variances.append(second.variance(WEIGHT, np.float64(rate)))
    assert np.mean(variances) == pytest.approx(np.var(totals))
    assert np.var(totals) > 0


def test_if_all_logs_are_read_twice_nothing_is_left_to_chance() -> None:
    design = Design(np.array([0, 0, 0, 0, 1, 1, 1]), np.array([12.0, 6.0]))
    known = Auxiliary.with_strata(design, np.zeros((7, 0)), np.zeros(0))
    second = reread(np.arange(7), expected=0.05)
    for plain, corrected in (
        (
            estimate_ratio(design, TRUE_Y, TRUE_M),
            estimate_ratio(design, TRUE_Y, TRUE_M, reread=second),
        ),
        (
            estimate_greg(design, TRUE_Y, TRUE_M, known),
            estimate_greg(design, TRUE_Y, TRUE_M, known, reread=second),
        ),
    ):
        assert corrected.rate == pytest.approx(plain.rate)
        assert corrected.variance == pytest.approx(plain.variance)
        assert corrected.degrees == pytest.approx(plain.degrees)


def test_degrees_of_freedom_of_both_draws_are_joined_as_welch_does() -> None:
    """Of two means by scipy: 12 audited logs, and five or, in two strata, six read twice."""
    first, second = np.array([3.0, 5, 4, 8, 9, 2, 7, 5, 6, 4, 8, 1]), np.array([2.0, 9, 4, 4, 11])
    variances = [values.var(ddof=1) / len(values) for values in (first, second)]
    welch = stats.ttest_ind(first, second, equal_var=False).df
    five = Rereading(SecondDraw(np.zeros(12, int), np.arange(5)), second, second, np.zeros(12))
    joint = five.join_degrees(variances[0], np.float64(11), variances[1])
    assert joint == pytest.approx(welch)
    # each stratum costs a degree: six logs in two strata have four, as five in one have
    of_log = np.repeat([0, 1], 6)
    six = Rereading(SecondDraw(of_log, np.array([0, 1, 2, 6, 7, 8])), first[:6], first[:6], first)
    assert six.join_degrees(variances[0], np.float64(11), variances[1]) == pytest.approx(welch)
    assert five.join_degrees(variances[0], np.float64(11), np.float64(0)) == 11


@pytest.mark.parametrize("estimator", ["ratio", "greg", "domain"])
def test_each_estimate_has_the_degrees_of_freedom_of_both_draws(estimator: str) -> None:
    """Satterthwaite's formula by hand, from the variance with and without second readings."""
    design = Design(np.array([0, 0, 0, 0, 1, 1, 1]), np.array([12.0, 6.0]))
    known = Auxiliary.with_strata(design, np.zeros((7, 0)), np.zeros(0))
    places = np.array([0, 1, 2, 4, 5])
    nothing = Rereading(SecondDraw(OF_LOG, places), np.zeros(5), np.zeros(5), np.full(7, 0.5))

    def estimate(reread: Rereading | None) -> Estimate:
        if estimator == "ratio":
            return estimate_ratio(design, FIRST_Y, FIRST_M, reread=reread)
        if estimator == "greg":
            return estimate_greg(design, FIRST_Y, FIRST_M, known, reread=reread)
        whole = Coefficients(np.zeros(2), np.zeros(2))
        return estimate_domain(design, FIRST_Y, FIRST_M, known, whole, reread=reread)

    once, twice = estimate(None), estimate(nothing)
    assert twice.rate == pytest.approx(once.rate)  # nothing was changed by reading again
    second = twice.variance - once.variance
    assert second > 0
    # five logs that were read twice, in two strata
    terms = once.variance**2 / once.degrees + second**2 / (5 - 2)
    assert twice.degrees == pytest.approx(twice.variance**2 / terms)


def test_a_stratum_without_an_error_is_not_without_variance() -> None:
    places = np.array([0, 1, 4, 5])
    none = Rereading(SecondDraw(OF_LOG, places), np.zeros(4), np.zeros(4), np.full(7, 0.05))
    quiet = float(none.variance(WEIGHT, np.float64(0.7)))
    assert quiet > 0
    # an error that was seen anywhere raises the variance of the strata without one
    seen = Rereading(SecondDraw(OF_LOG, places), np.eye(4)[0], np.zeros(4), np.full(7, 0.05))
    assert float(seen.variance(WEIGHT, np.float64(0.7))) > 10 * quiet


def test_what_contradicts_the_prediction_is_expected_to_change() -> None:
    """Recorded, due and missed as predicted; then what was read, as crimes recorded and due."""
    known = np.array([[1.0, 1, 0.01], [1, 1, 0.01], [0, 1, 0.9], [0, 1, 0.9], [0, 0, 0.01]])
    y = np.array([1.0, 0, 0, 0, 0])
    m = np.array([1.0, 1, 0, 1, 0])
    as_predicted, record_for_none, overlooked, found, nothing = expect_changes(known, y, m)
    # Bayes by hand: 0.05 x 0.95 against 0.01; 0.05 x 0.9 against 0.1
    assert record_for_none == pytest.approx(0.0475 / (0.0475 + 0.01), abs=0.01)
    assert overlooked == pytest.approx(0.045 / (0.045 + 0.1), abs=0.01)
    assert max(as_predicted, found, nothing) < 0.01


def test_as_many_logs_are_read_twice_as_asked_for_and_some_of_each_stratum() -> None:
    rng = np.random.default_rng(5)
    expected = np.where(rng.random(500) < 0.1, 0.8, 0.001)
    drawn = draw_second(np.ones(500), expected, 50, [1, 2])
    assert len(drawn.places) == len(set(drawn.places.tolist())) == 50
    assert (np.bincount(drawn.of_log[drawn.places]) >= 2).all()
    assert (expected[drawn.places] > 0.5).sum() > 20
    again = draw_second(np.ones(500), expected, 50, [1, 2])
    assert (again.places == drawn.places).all()
    other = draw_second(np.ones(500), expected, 50, [2, 2])
    assert (other.places != drawn.places).any()
    assert len(draw_second(np.ones(9), np.ones(9), 20, [1]).places) == 9


def test_a_plan_for_auditors_who_err_gives_the_width_it_was_asked_for() -> None:
    """Against audits of a force whose truth is known: half-width on average, of 60 audits."""
    force = Force(6000, 4)
    planned = {
        error: plan_second_readings(force.frame, Options(0), 3.0, error=error)
        for error in (0.0, 0.02, 0.05)
    }
    assert planned[0.0] < planned[0.02] < planned[0.05] < 6000
    assert planned[0.0] == pytest.approx(plan_logs(force.frame, Options(0), 3.0), rel=0.05)
    strata = stratify_frame(force.frame, Options(planned[0.05]))
    by = Assistance.of(force.frame, strata)
    truth, held, widths = force.recorded.sum() / force.due.sum(), 0, []
    for seed in range(60):
        low, high = audit_once(force, strata, by, seed, error=0.05)
        held += low <= truth <= high
        widths.append(50 * (high - low))
    assert held >= 54  # 95% of 60 are 57
    assert np.mean(widths) == pytest.approx(3.0, rel=0.25)


def test_second_readings_that_are_drawn_blindly_leave_much_more_open() -> None:
    force = Force(6000, 4)
    strata = stratify_frame(force.frame, Options(900))
    by = Assistance.of(force.frame, strata)
    widths = {
        is_blind: np.mean(
            [
                np.diff(audit_once(force, strata, by, seed, 0.05, is_blind=is_blind))
                for seed in range(20)
            ]
        )
        for is_blind in (False, True)
    }
    assert widths[True] > 2 * widths[False] > 0


def audit_once(
    force: Force, strata: Strata, by: Assistance, seed: int, error: float, *, is_blind: bool = False
) -> tuple[float, float]:
    """Limits of an audit in which readings err, a tenth read twice by others who err."""
    rng = np.random.default_rng([seed, 1])
    drawn = draw_sample(strata, seed)
    true_y, true_m = force.recorded[drawn].astype(float), force.due[drawn].astype(float)

    def read() -> tuple[np.ndarray, np.ndarray]:
        y = true_y * (rng.random(len(drawn)) > error)
        overlooked = (true_m - true_y) * (rng.random(len(drawn)) < error)
        return y, true_m - overlooked

    first, other = read(), read()
    expected = expect_changes(by.force[drawn], *first)
    second = draw_second(by.design.weight, expected, round(0.1 * len(drawn)), [seed, 2])
    if is_blind:
        places = np.sort(rng.choice(len(drawn), round(0.1 * len(drawn)), replace=False))
        second = SecondDraw(np.zeros(len(drawn), int), places)
    best = [values.copy() for values in first]
    for place in second.places:
        if any(a[place] != b[place] for a, b in zip(first, other, strict=True)):
            best[0][place], best[1][place] = true_y[place], true_m[place]
    changes = SecondReadings(second, {FORCE: first}, expected).changes(FORCE, *best, 1.0)
    estimate = estimate_force_rate(drawn, *best, by, changes)
    low, high = force_limits(estimate)
    return float(low), float(high)
