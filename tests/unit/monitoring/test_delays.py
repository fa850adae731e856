"""Whether a change of the delays is seen, by simulated triangles whose law of delays is known."""

import math

import numpy as np
import pytest

from cdi.errors import AuditError
from cdi.monitoring.delays import delay_change
from cdi.monitoring.weeks import cumulative_triangle

# shares of crimes by the age in weeks at which they are recorded
USUAL = np.array([0.80, 0.12, 0.04, 0.02, 0.01, 0.01])
QUICK = np.array([0.88, 0.08, 0.02, 0.01, 0.01, 0.00])
SLOW = np.array([0.70, 0.16, 0.07, 0.04, 0.02, 0.01])


def draw_triangle(
    rng: np.random.Generator, weeks: int, crimes: float, law: np.ndarray, weeks_ago: int = 0
) -> np.ndarray:
    """Crimes by week and age; those reported in the last `weeks_ago` weeks follow `law`."""
    counts = rng.poisson(crimes * rng.gamma(50, 1 / 50, weeks))
    laws = [law if week >= weeks - weeks_ago else USUAL for week in range(weeks)]
    ages = [rng.choice(6, count, p=own) for count, own in zip(counts, laws, strict=True)]
    week = np.repeat(np.arange(weeks), counts)
    return cumulative_triangle(week, np.concatenate(ages), np.ones(len(week)), weeks)


def test_the_statistic_is_that_of_its_formula_by_hand() -> None:
    """Three origins before, of which each grows by a fifth on average; the newest four double."""
    before = [[100, 118, 118, 118], [100, 120, 120, 120], [100, 122, 122, 122]]
    newest = [[50, 100, 100, 100], [50, 98, 98, math.nan], [50, 102, math.nan, math.nan]]
    triangle = np.array([*before, *newest, [50, math.nan, math.nan, math.nan]], dtype=float)
    triangle = np.pad(triangle, ((0, 0), (0, 3)), constant_values=math.nan)
    triangle[:3, 4:] = [[118, 118, 118], [120, 120, math.nan], [122, math.nan, math.nan]]
    change = delay_change(triangle, before=3, most=4)
    assert change is not None
    assert change.origins == 4
    # first step: 300 crimes become 360, and 150 become 300, so the common factor is 660 / 450
    factor = 660 / 450
    residual = 300 - factor * 150
    squares = (2**2 + 0 + 2**2) / 100 + (0 + 2**2 + 2**2) / 50
    # less than a Poisson variable would vary, so its variance counts; later steps are alike
    assert squares / 4 < factor - 1
    variance = (factor - 1) * 150 * 300 / 450
    assert change.statistic == pytest.approx(residual / math.sqrt(variance))


def test_origins_that_vary_more_than_by_chance_make_a_difference_less_certain() -> None:
    """The same origins, but those before grow by nothing or by two fifths."""
    grown = np.array([100, 140, 100, 140, 100, 140])
    before = np.column_stack([np.full(6, 100.0), grown, grown, grown])
    newest = np.array(
        [[50, 80, 80, 80], [50, 80, 80, 0], [50, 80, 0, 0], [50, 0, 0, 0]], dtype=float
    )
    newest[newest == 0] = math.nan
    triangle = np.pad(np.vstack([before, newest]), ((0, 0), (0, 6)), mode="edge")
    triangle[np.add.outer(np.arange(10), np.arange(10)) >= 10] = math.nan
    factor = (720 + 240) / (600 + 150)
    sigma2 = 6 * 20**2 / 100 / (5 + 2)  # five degrees of freedom before, two of the newest
    assert sigma2 > factor - 1
    statistic = (240 - factor * 150) / math.sqrt(sigma2 * 600 * 150 / 750)
    assert statistic < 3.4
    assert delay_change(triangle, before=6, most=4) is None


@pytest.mark.parametrize(("law", "sign"), [(QUICK, -1), (SLOW, 1)])
@pytest.mark.parametrize("weeks_ago", [6, 8, 12, 20])
def test_a_change_is_seen_dated_and_told_by_its_direction(
    law: np.ndarray, sign: int, weeks_ago: int
) -> None:
    rng = np.random.default_rng(weeks_ago)
    for _ in range(20):
        change = delay_change(draw_triangle(rng, 60, 600, law, weeks_ago), before=13, most=26)
        assert change is not None
        assert np.sign(change.statistic) == sign
        assert abs(change.origins - weeks_ago) <= 3


@pytest.mark.parametrize("crimes", [8, 60, 600])
@pytest.mark.parametrize("weeks", [26, 60])
def test_without_a_change_it_rarely_says_that_there_is_one(crimes: float, weeks: int) -> None:
    """About 1% is meant: more than 9 of 300 would come by chance once in a thousand times."""
    rng = np.random.default_rng(3)
    triangles = (draw_triangle(rng, weeks, crimes, USUAL) for _ in range(300))
    false = sum(delay_change(triangle, before=13, most=26) is not None for triangle in triangles)
    assert false <= 9


def test_a_rate_that_falls_is_no_change_of_the_delays() -> None:
    """Of the newest eight weeks a third fewer crimes are recorded, at the usual ages."""
    rng = np.random.default_rng(5)
    false = 0
    for _ in range(100):
        triangle = draw_triangle(rng, 60, 600, USUAL)
        fewer = draw_triangle(rng, 60, 400, USUAL)
        triangle[-8:] = fewer[-8:]
        false += delay_change(triangle, before=13, most=26) is not None
    assert false <= 4


def test_once_all_weeks_compared_follow_the_new_law_there_is_no_change() -> None:
    """Forty weeks ago: of the 26 newest weeks and the 13 before them, none is older."""
    rng = np.random.default_rng(6)
    changes = [
        delay_change(draw_triangle(rng, 78, 600, SLOW, 40), before=13, most=26) for _ in range(100)
    ]
    assert sum(change is not None for change in changes) <= 4


def test_of_no_or_next_to_no_crimes_no_change_is_told() -> None:
    weeks = 30
    empty = np.zeros((weeks, weeks))
    empty[np.add.outer(np.arange(weeks), np.arange(weeks)) >= weeks] = math.nan
    none_before, one_late = empty.copy(), empty.copy()
    none_before[-8:] += 9
    one_late[-8, 1:] += 1
    at_once = empty + 5  # nothing comes in late, and nothing varies
    with np.errstate(all="raise"):
        for triangle in (empty, none_before, one_late, at_once):
            assert delay_change(triangle, before=13, most=26) is None


def test_too_few_weeks_are_not_compared() -> None:
    rng = np.random.default_rng(8)
    for weeks in (1, 8, 16):
        assert delay_change(draw_triangle(rng, weeks, 600, SLOW, 4), before=13, most=26) is None
    assert delay_change(draw_triangle(rng, 17, 9000, SLOW, 4), before=13, most=26) is not None


def test_what_is_no_triangle_is_refused() -> None:
    gap = draw_triangle(np.random.default_rng(9), 30, 60, USUAL)
    gap[3, 2] = math.nan
    with pytest.raises(AuditError, match="NOWCAST-TRIANGLE"):
        delay_change(gap, before=13, most=26)
