"""Suppression on tables whose answers are worked by hand, or counted out one by one."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cdi.open_extract.suppression import System, protect_system


def table(*rows: tuple[int, ...], hides_zero: tuple[int, ...] = ()) -> System:
    """A table with its margins: cells, then totals of rows, of columns, and of all.

    Args:
        rows: Cells.
        hides_zero: Places, margins counted too, of which 0 is small.
    """
    cells = np.array(rows)
    full = np.block([[cells, cells.sum(1)[:, None]], [cells.sum(0), cells.sum()]])
    at = np.arange(full.size).reshape(full.shape)
    sums = []
    for line in (*at, *at.T):
        row = np.zeros(full.size)
        row[line[:-1]], row[line[-1]] = 1, -1
        sums.append(row)
    cost = np.ones(full.shape)
    cost[-1], cost[:, -1], cost[-1, -1] = 10, 10, 1000
    return System(
        full.ravel().astype(np.int64),
        csr_matrix(np.array(sums)),
        np.zeros(full.size, bool),
        np.isin(np.arange(full.size), hides_zero),
        cost.ravel(),
    )


def withheld(system: System, columns: int, smallest: int = 5) -> list[str]:
    """The pattern: x for each count that is withheld."""
    found = protect_system(system, smallest).reshape(-1, columns)
    return ["".join("x" if one else "." for one in row) for row in found]


def consistent(system: System, hidden: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """Every 2 x 2 table of whole numbers that equals the true one where it is shown."""
    true, is_open = system.values.reshape(3, 3), ~hidden.reshape(3, 3)
    choices = []
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        totals = ((row, 2), (2, column), (2, 2))
        most = min(int(true[at]) for at in totals if is_open[at])
        choices.append([true[row, column]] if is_open[row, column] else range(most + 1))
    for a, b, c, d in product(*choices):
        full = np.array([[a, b, a + b], [c, d, c + d], [a + c, b + d, a + b + c + d]])
        if (full == true)[is_open].all():
            yield full.ravel()


def test_one_small_count_takes_a_rectangle_with_it() -> None:
    """By hand: its row and its column each need another, and these two meet in a fourth."""
    assert withheld(table((3, 20), (30, 40)), 3) == ["xx.", "xx.", "..."]


def test_the_cheapest_rectangle_is_taken() -> None:
    """By hand: with the 9 beside it and the third row; the second column and row are dear."""
    made = table((3, 20, 9), (30, 40, 9), (8, 50, 9))
    cost = made.cost.reshape(4, 4)
    cost[:, 1] = cost[1] = 50
    assert withheld(made, 4) == ["x.x.", "....", "x.x.", "...."]


def test_without_a_small_count_all_is_shown() -> None:
    assert withheld(table((5, 20), (0, 40)), 3) == ["...", "...", "..."]


def test_a_larger_limit_withholds_more() -> None:
    assert withheld(table((7, 20), (30, 40)), 3, smallest=5) == ["...", "...", "..."]
    assert withheld(table((7, 20), (30, 40)), 3, smallest=10) == ["xx.", "xx.", "..."]


def test_a_zero_that_is_to_be_hidden_takes_a_rectangle_with_it() -> None:
    assert withheld(table((0, 20), (30, 40), hides_zero=(0,)), 3) == ["xx.", "xx.", "..."]
    assert withheld(table((7, 20), (30, 40), hides_zero=(0,)), 3) == ["...", "...", "..."]


def test_a_force_too_small_for_any_figure_shows_none_but_zeros() -> None:
    """1 + 2 = 3: total and parts are all small; what is 0 may be shown."""
    pattern = withheld(table((1, 2), (0, 0)), 3)
    assert pattern[0] == "xxx"
    assert pattern[2] == "xxx"


def test_a_rest_that_is_not_shown_is_protected_too() -> None:
    """Of 30 rapes in 32 sexual offences, the 2 others could be told: so the 30 is withheld."""
    system = System(
        np.array([32, 30, 2]),
        csr_matrix([[-1, 1, 1]]),
        np.array([False, False, True]),
        np.zeros(3, bool),
        np.array([100.0, 1, 1]),
    )
    assert protect_system(system, 5).tolist() == [False, True, True]


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_counted_out_each_small_count_may_be_nothing_or_not_small(seed: int) -> None:
    """All tables that fit what is shown, enumerated: no small count can be told, none recovered."""
    rng = np.random.default_rng(seed)
    system = table(*rng.integers(0, 9, (2, 2)).tolist())
    hidden = protect_system(system, 3)
    small = system.is_small(3)
    assert small.any()
    assert not hidden[-1]  # by far the dearest, and large enough
    possible = np.array(list(consistent(system, hidden)))
    assert len(possible) > 1
    low, high = possible.min(0), possible.max(0)
    assert (low[small] == 0).all()
    assert (high[small] >= 3).all()
    assert (high[hidden] > low[hidden]).all()


def test_what_no_programme_solves_is_withheld_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the solver fails, nothing that could be told is shown."""
    monkeypatch.setattr("cdi.open_extract.suppression._find_cheapest_moves", lambda *_: None)
    monkeypatch.setattr("cdi.open_extract.suppression._find_whole_moves", lambda *_: None)
    for system in (table((3, 20), (30, 40)), table((0, 20), (30, 40), hides_zero=(0,))):
        assert protect_system(system, 5).all()
