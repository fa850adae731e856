"""Changes of practice: the statistic by hand, and how often it errs where the truth is known."""

import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy import stats

from cdi.monitoring.practices import FALSE_ALARMS_A_YEAR, compare_weeks, find_changes

FIRST = date(2017, 1, 2)


def table(cases: NDArray[Any], bases: NDArray[Any]) -> pa.Table:
    """Counts by subject (rows) and week (columns) as rows of `practice_weeks`."""
    return pa.Table.from_pylist(
        [
            {
                "practice": "closing_code",
                "subject": f"S{subject}",
                "week_on": FIRST + timedelta(weeks=week),
                "case_count": int(cases[subject, week]),
                "base_count": int(bases[subject, week]),
            }
            for subject in range(cases.shape[0])
            for week in range(cases.shape[1])
        ],
        pa.schema(
            {
                "practice": pa.string(),
                "subject": pa.string(),
                "week_on": pa.date32(),
                "case_count": pa.int64(),
                "base_count": pa.int64(),
            }
        ),
    )


def draw_weeks(
    rng: np.random.Generator, share: NDArray[Any], base: int, scatter: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weeks of beta-binomial counts; `scatter` is the standard deviation of a week's own share."""
    bases = rng.poisson(base, share.shape)
    if scatter:
        size = share * (1 - share) / scatter**2 - 1
        share = rng.beta(share * size, (1 - share) * size)
    return rng.binomial(bases, share), bases


def score_by_hand(before: list[float], now: list[float], base: float) -> float:
    """The same by SciPy: the table's likelihood ratio, and Pearson's statistic of the weeks."""
    sides = [[sum(side), base * len(side) - sum(side)] for side in (before, now)]
    ratio = stats.chi2_contingency(sides, correction=False, lambda_="log-likelihood").statistic
    weeks = [[count, base - count] for count in before]
    pearson = stats.chi2_contingency(weeks, correction=False).statistic
    scatter = max((pearson + 20) / (len(before) - 1 + 20), 1)
    return math.sqrt(ratio / scatter)


@pytest.mark.parametrize("now", [[20.0] * 4, [30.0]])
@pytest.mark.parametrize(
    "before",
    [
        [10.0] * 20,  # steady: no more scatter than by chance
        [4.0, 16.0] * 10,  # twice as much
        [0.0, 1.0] * 10,  # few of many
    ],
)
def test_the_score_is_that_of_a_second_computation(before: list[float], now: list[float]) -> None:
    gap = [10.0] * (4 - len(now))  # weeks that belong to neither side
    found = compare_weeks(np.array([before + gap + now]), np.full((1, 24), 100.0), len(now))
    assert found.score[0] == pytest.approx(score_by_hand(before, now, 100.0), rel=0.005)


def test_the_four_newest_weeks_never_count_as_those_before() -> None:
    bases = np.full((1, 24), 100.0)
    found = compare_weeks(np.array([[10.0] * 20 + [50.0] * 3 + [20.0]]), bases, 1)
    assert (found.share[0], found.share_before[0]) == (0.2, 0.1)


def test_where_nothing_changes_there_are_as_few_signals_as_promised() -> None:
    """Steady shares, shares that scatter, and shares that follow the season, of many subjects."""
    rng = np.random.default_rng(20261129)
    signals, years = 0, 0.0
    for _ in range(6):
        weeks = 104
        season = 1 + 0.05 * np.sin(np.arange(weeks) / 52 * 2 * np.pi)
        parts = [
            draw_weeks(rng, np.full((60, weeks), 0.2), 25, 0.0),
            draw_weeks(rng, np.full((40, weeks), 0.02), 150, 0.0),
            draw_weeks(rng, np.full((40, weeks), 0.4), 80, 0.05),
            draw_weeks(rng, 0.25 * np.tile(season, (30, 1)), 60, 0.02),
        ]
        cases, bases = (np.concatenate(side) for side in zip(*parts, strict=True))
        signals += sum(row["is_new"] for row in find_changes(table(cases, bases)))
        years += (weeks - 24 + 1) / 52
    assert years > 9
    # three standard errors of a Poisson count above what is promised
    promised = FALSE_ALARMS_A_YEAR * years
    assert signals <= promised + 3 * math.sqrt(promised), (signals, years)


@pytest.mark.parametrize(
    ("before", "after", "base"), [(0.2, 0.6, 12), (0.1, 0.25, 60), (0.02, 0.10, 60), (0.5, 0.2, 25)]
)
def test_a_change_is_noticed_within_four_weeks(before: float, after: float, base: int) -> None:
    rng = np.random.default_rng(7)
    noticed = 0
    for _ in range(20):
        share = np.full((50, 44), before)
        share[0, 40:] = after  # weeks 40 to 43
        cases, bases = draw_weeks(rng, share, base, 0.0)
        rows = [row for row in find_changes(table(cases, bases)) if row["subject"] == "S0"]
        in_time = [row for row in rows if row["week_on"] >= FIRST + timedelta(weeks=40)]
        noticed += bool(in_time)
        for row in in_time:
            assert (row["score"] > 0) == (after > before)
            assert abs(row["score"]) > row["bound"]
            assert row["share"] == row["case_count"] / row["base_count"]
    assert noticed >= 16, noticed


def test_a_change_begins_once_and_lasts() -> None:
    cases = np.array([[10.0] * 40 + [40.0] * 4])
    rows = list(find_changes(table(cases, np.full((1, 44), 100.0))))
    assert [row["is_new"] for row in rows] == [True, False, False, False]
    assert [row["week_count"] for row in rows] == [1, 2, 3, 4]


def test_what_is_too_little_or_too_small_gives_no_signal() -> None:
    enough = np.full((1, 44), 100.0)
    tiny = np.array([[200.0] * 40 + [220.0] * 4])  # 2.0 to 2.2 of 100
    assert not list(find_changes(table(tiny, np.full((1, 44), 10_000.0))))
    few = np.array([[0.0] * 40 + [3.0] * 4])
    assert not list(find_changes(table(few, np.full((1, 44), 3.0))))
    young = np.array([[10.0] * 19 + [40.0] * 4])
    assert not list(find_changes(table(young, enough[:, :23])))
    assert not list(find_changes(table(np.zeros((0, 0)), np.zeros((0, 0)))))
