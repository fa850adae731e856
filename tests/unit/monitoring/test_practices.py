"""Changes of practice: the statistic by hand, and how often it errs where the truth is known."""

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy import optimize, special, stats

from cdi.monitoring.practices import (
    FALSE_ALARMS_A_YEAR,
    LEAST_HISTORY,
    SPANS,
    compare_weeks,
    find_changes,
    learn_scatter,
)

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


@dataclass(frozen=True)
class Kind:
    """Subjects of one kind that do what they always did.

    Attributes:
        subjects: How many there are.
        share: Their share of cases.
        base: Logs a week.
        scatter: Standard deviation of a week's own share.
        swing: How much the share follows the season, as a part of it.
    """

    subjects: int
    share: float
    base: int
    scatter: float = 0.0
    swing: float = 0.0


def draw_weeks(
    rng: np.random.Generator, share: NDArray[Any], base: int, scatter: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weeks of beta-binomial counts; `scatter` is the standard deviation of a week's own share."""
    bases = rng.poisson(base, share.shape)
    if scatter:
        size = share * (1 - share) / scatter**2 - 1
        share = rng.beta(share * size, (1 - share) * size)
    return rng.binomial(bases, share), bases


def score_by_hand(cases: NDArray[Any], bases: NDArray[Any], span: int) -> list[float]:
    """The same by SciPy: two tables' statistics, and an optimiser in place of EM."""
    spread = np.geomspace(1, 1000, 31)
    roots: list[float] = []
    fits: list[NDArray[Any]] = []
    for case, base in zip(cases, bases, strict=True):
        weeks = np.array([case, base - case])
        before, now = weeks[:, -30:-4], weeks[:, -span:].sum(axis=1)
        odds, usual_odds = now[0] / now[1], before[0].sum() / before[1].sum()
        if max(odds / usual_odds, usual_odds / odds) <= 1.1:
            nearest = odds
        else:
            nearest = usual_odds * (1.1 if odds > usual_odds else 1 / 1.1)
        moved = np.array([nearest, 1]) / (1 + nearest) * before.sum()
        ratio = stats.chi2_contingency([moved, now], correction=False, lambda_="log-likelihood")
        pearson = stats.chi2_contingency(before, correction=False)
        roots.append(math.sqrt(max(ratio.statistic, 0.0)))
        fits.append(stats.chi2.pdf(pearson.statistic / spread, pearson.dof) / spread)
    fit = np.array(fits)

    def unlikely(powers: NDArray[Any]) -> float:
        """Of a spread of scatter, as if one more subject had each of them."""
        common = special.softmax(powers)
        return float(-np.log(fit @ common).sum() - np.log(common).mean())

    common = special.softmax(optimize.minimize(unlikely, np.zeros(len(spread))).x)
    probable = fit * common / (fit @ common)[:, None]
    tails = stats.norm.sf(np.array(roots)[:, None] / np.sqrt(spread))
    return [float(stats.norm.isf(tail)) for tail in (probable * tails).sum(axis=1)]


@pytest.mark.parametrize("scatter", [0.0, 0.05, 0.2])
def test_the_score_is_that_of_a_second_computation(scatter: float) -> None:
    """Of forty subjects of which half scatter by chance alone, and one has changed."""
    rng = np.random.default_rng(3)
    parts = [
        draw_weeks(rng, np.full((20, 30), 0.2), 60, 0.0),
        draw_weeks(rng, np.full((20, 30), 0.4), 200, scatter),
    ]
    cases, bases = (np.concatenate(side) for side in zip(*parts, strict=True))
    cases[0, -2:] += 15
    for span, found in zip(SPANS, compare_weeks(cases, bases), strict=True):
        by_hand = score_by_hand(cases, bases, span)
        assert len(by_hand) == 40
        signed = np.sign(found.share - found.share_before) * by_hand
        assert found.score == pytest.approx(signed, rel=0.02, abs=0.02)


def test_the_four_newest_weeks_never_count_as_those_before() -> None:
    cases = np.array([[10.0] * 20 + [50.0] * 3 + [20.0]])
    found = compare_weeks(cases, np.full((1, 24), 100.0))[0]
    assert (found.share[0], found.share_before[0]) == (0.2, 0.1)


def test_no_weeks_scatter_less_than_by_chance_and_few_teach_little() -> None:
    """One subject whose weeks are all equal: half of what is known is that nothing is known."""
    cases, bases = np.full((1, 30), 10.0), np.full((1, 30), 100.0)
    (alone,) = learn_scatter(cases, bases)
    many = learn_scatter(np.repeat(cases, 200, axis=0), np.repeat(bases, 200, axis=0))
    assert alone.sum() == pytest.approx(1)
    assert alone.argmax() == 0
    assert alone[0] < many[0, 0]
    assert many[0, 0] > 0.99


def find_false_alarms(
    rng: np.random.Generator, kinds: list[Kind], forces: int
) -> tuple[int, float]:
    """How many signals forces give in which nothing changes, and in how many years."""
    weeks, signals = 104, 0
    for _ in range(forces):
        parts = []
        for kind in kinds:
            begins = rng.uniform(0, 2 * np.pi, (kind.subjects, 1))
            season = 1 + kind.swing * np.sin(np.arange(weeks) / 52 * 2 * np.pi + begins)
            parts.append(draw_weeks(rng, kind.share * season, kind.base, kind.scatter))
        cases, bases = (np.concatenate(side) for side in zip(*parts, strict=True))
        signals += sum(row["is_new"] for row in find_changes(table(cases, bases)))
    return signals, forces * (weeks - LEAST_HISTORY + 1) / 52


@pytest.mark.parametrize(
    "kinds",
    [
        [Kind(60, 0.2, 25), Kind(40, 0.02, 150), Kind(40, 0.3, 11)],
        [Kind(40, 0.4, 80, scatter=0.05), Kind(40, 0.05, 1000, scatter=0.01)],
        [Kind(100, 0.2, 25), Kind(8, 0.3, 1000, scatter=0.03)],
        [Kind(60, 0.25, 60, swing=0.15), Kind(60, 0.25, 60, scatter=0.02, swing=0.15)],
        [Kind(300, 0.01, 60), Kind(20, 0.5, 8), Kind(20, 0.1, 20, scatter=0.05)],
    ],
    ids=["by chance", "more than by chance", "few scatter much", "with the season", "rare"],
)
def test_where_nothing_changes_there_are_as_few_signals_as_promised(kinds: list[Kind]) -> None:
    signals, years = find_false_alarms(np.random.default_rng(20261129), kinds, 8)
    assert years > 12
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
    assert noticed >= 18, noticed


def test_a_change_begins_once_and_lasts() -> None:
    cases = np.array([[10.0] * 40 + [40.0] * 4])
    rows = list(find_changes(table(cases, np.full((1, 44), 100.0))))
    assert [row["is_new"] for row in rows] == [True, False, False, False]
    assert [row["week_count"] for row in rows] == [1, 2, 3, 4]


def test_what_is_too_little_or_too_small_gives_no_signal() -> None:
    enough = np.full((1, 44), 100.0)
    many = np.full((1, 44), 10_000.0)
    tiny = np.array([[200.0] * 40 + [350.0] * 4])  # 2.0 to 3.5 of 100
    small = np.array([[5_000.0] * 40 + [5_900.0] * 4])  # one to one becomes 1.44 to one
    for counts in (tiny, small):
        assert compare_weeks(counts, many)[0].score[0] > 5
        assert not list(find_changes(table(counts, many)))
    few = np.array([[0.0] * 40 + [3.0] * 4])
    assert not list(find_changes(table(few, np.full((1, 44), 3.0))))
    young = np.array([[10.0] * 19 + [40.0] * 4])
    assert not list(find_changes(table(young, enough[:, :23])))
    assert not list(find_changes(table(np.zeros((0, 0)), np.zeros((0, 0)))))
