"""Estimators against R survey 4.4-2 (run once; its figures are frozen here) and by hand."""

import csv
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cdi.audit.estimators import (
    Auxiliary,
    Coefficients,
    Design,
    Rereading,
    SecondDraw,
    estimate_domain,
    estimate_greg,
    estimate_ratio,
)
from cdi.audit.intervals import korn_graubard_limits, logit_t_limits
from cdi.errors import AuditError

PUBLISHED = Path(__file__).resolve().parents[2] / "data" / "published"
TO_R = 1e-8


class Sample:
    """260 audited logs of a frame of 12,000 in five strata; all of them SIMULATED."""

    def __init__(self) -> None:
        """Read them."""
        frame, sample = (
            _read(PUBLISHED / f"cdi_{name}.csv") for name in ("frame_counts", "sample")
        )
        logs = frame["logs"].astype(float)
        names, of_row = np.unique(frame["stratum"], return_inverse=True)
        population = np.bincount(of_row, logs)
        self.design = Design(np.searchsorted(names, sample["stratum"]), population)
        self.y, self.m = (sample[name].astype(float) for name in "ym")
        self.predicted = _predictions(sample)
        self.totals = logs @ _predictions(frame)
        self.logs = int(logs.sum())
        self.district = sample["district"]


def _read(file: Path) -> dict[str, NDArray[Any]]:
    with file.open() as handle:
        rows = list(csv.DictReader(handle))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _predictions(rows: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    return np.column_stack([rows["yhat"].astype(float), rows["mhat"].astype(float)])


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample()


def test_the_stratified_ratio_is_that_of_r(sample: Sample) -> None:
    estimate = estimate_ratio(sample.design, sample.y, sample.m)
    assert estimate.crimes == 163
    assert estimate.rate == pytest.approx(0.7896278596, abs=1e-10)
    assert estimate.se == pytest.approx(0.0268696097, abs=1e-10)
    assert estimate.degrees == 131  # 135 logs with a crime, less the four strata that hold them


def test_the_limits_are_those_of_r(sample: Sample) -> None:
    estimate = estimate_ratio(sample.design, sample.y, sample.m)
    logit = logit_t_limits(estimate.rate, estimate.se, estimate.degrees)
    exact = korn_graubard_limits(
        estimate.rate, estimate.variance, estimate.crimes, estimate.degrees
    )
    assert logit == pytest.approx((0.7315888886, 0.8378977132), abs=1e-9)
    assert exact == pytest.approx((0.7310926329, 0.8405084840), abs=1e-9)
    assert logit_t_limits(estimate.rate, estimate.se, 255) == pytest.approx(
        (0.73187, 0.83770), abs=5e-6
    )


def test_greg_is_that_of_r_with_one_level_and_with_one_by_stratum(sample: Sample) -> None:
    ones = np.ones((len(sample.y), 1))
    level = Auxiliary(np.hstack([ones, sample.predicted]), np.r_[sample.logs, sample.totals])
    strata = Auxiliary.with_strata(sample.design, sample.predicted, sample.totals)
    for auxiliary, rate, se in (
        (level, 0.7903112527, 0.0246771601),
        (strata, 0.7898018789, 0.0240559898),
    ):
        estimate = estimate_greg(sample.design, sample.y, sample.m, auxiliary)
        assert estimate.rate == pytest.approx(rate, abs=TO_R)
        assert estimate.se == pytest.approx(se, abs=TO_R)
        assert estimate.degrees == 255  # R's degf: 260 logs less five strata


def test_domains_are_those_of_r(sample: Sample) -> None:
    of_r = {
        "1": (0.8459354218, 0.0532409946),
        "2": (0.6024482437, 0.0651836938),
        "3": (0.8759237483, 0.0387054088),
        "4": (0.8052196495, 0.0548415703),
    }
    assert set(of_r) == set(sample.district)
    for district, (rate, se) in of_r.items():
        within = (sample.district == district).astype(float)
        estimate = estimate_ratio(sample.design, sample.y * within, sample.m * within)
        assert estimate.rate == pytest.approx(rate, abs=TO_R)
        assert estimate.se == pytest.approx(se, abs=TO_R)


def test_with_coefficients_of_one_a_domain_is_the_difference_estimate(sample: Sample) -> None:
    """Of R; and with the coefficients tuned, prediction-powered inference (our SQL, no R)."""
    auxiliary = Auxiliary(sample.predicted, sample.totals)
    for tuning, rate, se in (
        (1.0, 0.7907693117, 0.0244149005),
        (0.8755138652, 0.7906271573, 0.0243561668),
    ):
        whole = Coefficients(np.array([tuning, 0.0]), np.array([0.0, tuning]))
        estimate = estimate_domain(sample.design, sample.y, sample.m, auxiliary, whole)
        assert estimate.rate == pytest.approx(rate, abs=TO_R)
        assert estimate.se == pytest.approx(se, abs=TO_R)


def test_replicates_on_a_leading_axis_are_estimated_each_by_itself(sample: Sample) -> None:
    auxiliary = Auxiliary.with_strata(sample.design, sample.predicted, sample.totals)
    alone = estimate_greg(sample.design, sample.y, sample.m, auxiliary)
    worse = np.where(np.arange(len(sample.y)) < 20, 0.0, sample.y)
    both = estimate_greg(
        sample.design,
        np.stack([sample.y, worse]),
        np.stack([sample.m, sample.m]),
        Auxiliary(np.stack([auxiliary.values, auxiliary.values]), auxiliary.totals),
    )
    assert both.rate[0] == pytest.approx(float(alone.rate), abs=1e-12)
    assert both.variance[0] == pytest.approx(float(alone.variance), rel=1e-9)
    assert both.rate[1] < both.rate[0]


# two strata of 100 and 10 logs; of the second all are audited
SMALL = Design(np.repeat([0, 1], [4, 10]), np.array([100.0, 10.0]))
M = np.array([1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0], float)
Y = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], float)


def test_a_stratum_audited_whole_adds_no_variance() -> None:
    estimate = estimate_ratio(SMALL, Y, M)
    # 25 logs for each of four, one for each of ten: 76 recorded of 102
    assert estimate.rate == pytest.approx(76 / 102)
    residual = (Y[:4] - 76 / 102) / 102
    by_hand = 100 * (100 - 4) / 4 * residual.var(ddof=1)
    assert estimate.variance == pytest.approx(by_hand)


def test_a_stratum_without_a_log_takes_no_degree_of_freedom() -> None:
    """All of its logs may be erased: 14 audited logs less the two strata that they are of."""
    design = Design(SMALL.stratum, np.array([100.0, 10.0, 0.0]))
    known = Auxiliary.with_strata(design, np.zeros((14, 0)), np.zeros(0))
    assert estimate_greg(design, Y, M, known).degrees == 12


def test_a_predicted_variance_counts_as_five_logs() -> None:
    plain = estimate_ratio(SMALL, Y, M)
    smoothed = estimate_ratio(SMALL, Y, M, np.array([0.5, 9.0]))
    seen = (Y[:4] - plain.rate * M[:4]).var(ddof=1)
    expected = 100 * (100 - 4) / 4 * (5 * 0.5 + 3 * seen) / 8 / 102**2
    assert smoothed.variance == pytest.approx(expected)
    assert smoothed.rate == plain.rate


def test_a_domain_is_never_thought_far_more_even_than_was_predicted() -> None:
    """Three fifths of the predicted error, where no log drawn differs from its prediction."""
    design = Design(np.zeros(40, np.int64), np.array([400.0]))
    m, y = np.ones(40), np.repeat([1.0, 0.0], [38, 2])
    exact = Auxiliary(np.column_stack([y, m]), np.array([380.0, 400.0]))
    whole = Coefficients(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    arguments = design, y, m, exact, whole, np.array([0.5])
    least = (3 / 5) ** 2 * 400 * (400 - 40) / 40 * 0.5 / 400**2
    estimate = estimate_domain(*arguments)
    assert estimate.rate == pytest.approx(380 / 400)
    assert estimate.variance == pytest.approx(least)
    # what second readings leave unsure comes on top
    nothing = np.zeros(4)
    read_twice = SecondDraw(np.zeros(40, np.int64), np.arange(4))
    reread = Rereading(read_twice, nothing, nothing, np.full(40, 0.01))
    by_second = reread.variance(design.weight / 400, estimate.rate)
    assert by_second > 0
    both = estimate_domain(*arguments, reread)
    assert both.variance == pytest.approx(least + by_second)


def test_no_miss_seen_is_not_no_variance() -> None:
    plain = estimate_ratio(SMALL, M, M)
    smoothed = estimate_ratio(SMALL, M, M, np.array([0.1, 0.1]))
    assert plain.variance == 0
    assert smoothed.variance > 0
    # not endless, and not the six that were audited: four of them stand for 25 each (Kish 1965)
    worth = (4 * 25 + 2) ** 2 / (4 * 25**2 + 2)
    assert plain.n_effective == smoothed.n_effective == pytest.approx(worth)


def test_a_direct_estimate_is_never_surer_than_its_crimes() -> None:
    estimate = estimate_ratio(SMALL, Y, M)
    assert 0 < estimate.n_effective <= estimate.crimes
    assert estimate.design_effect >= 1


def test_constant_predictions_do_no_harm() -> None:
    auxiliary = Auxiliary.with_strata(SMALL, np.ones((14, 2)), np.array([110.0, 110.0]))
    assisted = estimate_greg(SMALL, Y, M, auxiliary)
    plain = estimate_ratio(SMALL, Y, M)
    assert assisted.rate == pytest.approx(float(plain.rate))
    assert assisted.variance == pytest.approx(float(plain.variance))
    assert assisted.rho == pytest.approx(0, abs=1e-6)


def test_a_draw_without_a_crime_gives_no_rate_and_no_warning() -> None:
    auxiliary = Auxiliary.with_strata(SMALL, np.ones((14, 2)), np.array([110.0, 110.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimate = estimate_greg(SMALL, np.zeros(14), np.zeros(14), auxiliary)
    assert np.isnan(estimate.rate)
    assert estimate.crimes == 0


def test_a_perfect_prediction_leaves_no_variance_and_a_correlation_of_one() -> None:
    totals = np.array([76.0, 102.0])
    estimate = estimate_greg(
        SMALL, Y, M, Auxiliary.with_strata(SMALL, np.column_stack([Y, M]), totals)
    )
    assert estimate.rate == pytest.approx(76 / 102)
    assert estimate.variance == pytest.approx(0, abs=1e-18)
    assert estimate.rho == pytest.approx(1)


def test_rho_tells_how_much_narrower_the_interval_is() -> None:
    rng = np.random.default_rng(5)
    design = Design(np.repeat([0, 1], 3000), np.array([3e5, 9e5]))
    m = np.ones(6000)
    hint = rng.random(6000)
    y = (rng.random(6000) < 0.6 + 0.4 * hint).astype(float)
    auxiliary = Auxiliary.with_strata(design, hint[:, None], np.array([6e5]))
    plain, assisted = estimate_ratio(design, y, m), estimate_greg(design, y, m, auxiliary)
    assert 0.1 < assisted.rho < 0.9
    assert assisted.se / plain.se == pytest.approx(np.sqrt(1 - assisted.rho**2), abs=0.01)


def test_a_few_heavy_logs_leave_few_degrees_of_freedom() -> None:
    rng = np.random.default_rng(2)
    design = Design(np.zeros(500, np.int64), np.array([1e6]))
    even, heavy = rng.normal(size=500), np.zeros(500)
    heavy[:4] = 1.0
    degrees = [float(design.degrees(v, design.variance(v))) for v in (even, heavy)]
    assert degrees[0] == pytest.approx(500, rel=0.25)  # as many as logs, if all weigh alike
    assert degrees[1] == pytest.approx(8, abs=0.5)  # two for each of the four


def test_a_stratum_with_one_audited_log_is_refused() -> None:
    with pytest.raises(AuditError, match="AUDIT-STRATUM"):
        Design(np.array([0, 0, 1]), np.array([10.0, 10.0]))
