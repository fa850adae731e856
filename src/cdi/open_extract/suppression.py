"""Which counts to withhold so that what is shown does not give the small ones back.

A count of 1 to k - 1 is small and withheld (primary suppression); so is 0 where it would tell that
what is withheld elsewhere by itself is not 0. Totals, and counts that add up to
others, would often return it, so others are withheld beside it (secondary suppression). Which ones
is found by building **witnesses**: other tables of whole, non-negative numbers that fulfil the same
sums and equal the true table in all that is shown. For each small count there is a witness in which
it is 0 and one in which it is k or more, and each other withheld count has another value in some
witness. Who sees only what is shown cannot tell the true table from its witnesses.

The cheapest witness is a linear programme (HiGHS, by SciPy); whether it holds is checked in whole
numbers. A count that no witness moves is shown.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_matrix, hstack, identity

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Target = tuple[int, int]  # which count, and the value that a witness must give it, or go beyond

# small counts that one witness is built for: 20 take a fifth of the time, and withhold more
TOGETHER = 6
# price of leaving a small count for a later witness, for each crime that it stays away: less than
# that of a total of all, which is moved for a small count that is alone but not for several at once
SLACK = 1e3
FREE = 1e-3  # price of moving a count that is withheld already
ROUNDING = 1e-6
GAP = 0.5  # of the cost, from the cheapest: any witness will do where the programme gives fractions
NODES = 20  # of the search for such a witness: a limit of time would be another on each machine


@dataclass(frozen=True)
class System:
    """Counts and how they add up.

    Attributes:
        values: The counts.
        sums: One row per sum: 1 for each part, -1 for the total.
        is_hidden: Counts that are shown in no case, but can be inferred: what is left of a total.
        hides_zero: Counts of which 0 is small too.
        cost: What is lost by withholding a count.
    """

    values: Ints
    sums: csr_matrix
    is_hidden: Bools
    hides_zero: Bools
    cost: Floats

    def is_small(self, smallest: int) -> Bools:
        """Which counts are from 1, or from 0, to one less than `smallest`."""
        return ((self.values > 0) | self.hides_zero) & (self.values < smallest)


def protect_system(system: System, smallest: int) -> Bools:
    """Choose what to withhold.

    Args:
        system: The counts; those hidden are withheld anyway.
        smallest: From this count on a count may be shown; so may 0 that is not to be hidden.

    Returns:
        Whether each count is withheld.
    """
    small = np.flatnonzero(system.is_small(smallest))
    withheld = system.is_small(smallest) | system.is_hidden
    targets: list[Target] = [
        (int(place), value)
        for place in small
        for value in (0, smallest)
        if value != system.values[place]
    ]
    np.random.default_rng(0).shuffle(targets)
    witnesses: list[Ints] = []
    unmet = targets
    while unmet:
        chosen = list(dict(reversed(unmet[:TOGETHER])).items())  # one target per count
        moves = _cheapest(system, withheld, chosen)
        if not _meets_any(system, moves, unmet):
            # fractions come of targets that are in each other's way
            moves = _cheapest(system, withheld, unmet[:1])
        if moves is None or not _meets_any(system, moves, unmet):
            moves = _certain(system, withheld, unmet[0])
        if moves is None:
            return np.ones_like(withheld)
        witnesses.append(moves)
        withheld |= moves != 0
        unmet = [target for target in unmet if not _meets(system, moves, target)]
    kept = _needed(system, witnesses, targets)
    moved = np.any([moves != 0 for moves in kept], axis=0) if kept else np.zeros_like(withheld)
    return np.asarray(system.is_small(smallest) | system.is_hidden | moved)


def _meets(system: System, moves: Ints, target: Target) -> bool:
    place, value = target
    reached = int(system.values[place] + moves[place])
    return reached == 0 if value == 0 else reached >= value


def _meets_any(system: System, moves: Ints | None, targets: list[Target]) -> bool:
    return moves is not None and any(_meets(system, moves, target) for target in targets)


def _needed(system: System, witnesses: list[Ints], targets: list[Target]) -> list[Ints]:
    """The witnesses without those whose targets others meet; the dearest are dropped first."""
    met = np.array([[_meets(system, moves, target) for target in targets] for moves in witnesses])
    kept = list(range(len(witnesses)))
    dearest = sorted(kept, key=lambda at: -float(system.cost[witnesses[at] != 0].sum()))
    for place in dearest:
        others = [other for other in kept if other != place]
        if others and met[others].any(axis=0).all():
            kept = others
    return [witnesses[place] for place in kept]


def _programme(
    system: System, withheld: Bools, targets: list[Target]
) -> tuple[Floats, csr_matrix, Floats, csr_matrix, Floats]:
    """Ups, downs and slacks: costs, equalities, upper bounds, inequalities (>=) and their bounds.

    The slack of a target is how far a witness stays from it.
    """
    count, wanted = len(system.values), len(targets)
    places = [place for place, _ in targets]
    now = system.values[places]
    value = np.array([value for _, value in targets])
    signs = np.where(value > now, 1.0, -1.0)
    price = np.where(withheld, FREE, system.cost)
    equal = hstack(
        [system.sums, -system.sums, csr_matrix((system.sums.shape[0], wanted))], format="csr"
    )
    row = np.arange(wanted)
    moved = csr_matrix((signs, (row, places)), shape=(wanted, count))
    reached = hstack([moved, -moved, identity(wanted)], format="csr")
    upper = np.concatenate(
        [np.full(count, np.inf), system.values, np.full(wanted, np.inf)]
    )  # fmt: skip
    cost = np.concatenate([price, price, np.full(wanted, SLACK)])
    return cost, equal, upper, reached, np.abs(value - now).astype(float)


def _cheapest(system: System, withheld: Bools, targets: list[Target]) -> Ints | None:
    """The cheapest moves that bring counts to their targets; None if they are no whole numbers."""
    cost, equal, upper, reached, far = _programme(system, withheld, targets)
    found = linprog(
        cost, A_ub=-reached, b_ub=-far, A_eq=equal, b_eq=np.zeros(equal.shape[0]),
        bounds=np.column_stack([np.zeros(len(upper)), upper]), method="highs",
    )  # fmt: skip
    if found.x is None:
        return None
    return _whole(system, _net(system, found.x))


def _in_whole_numbers(
    system: System, withheld: Bools, touched: Bools, target: Target
) -> Ints | None:
    """Moves of some counts that meet a target, by branch and bound; None if none is found."""
    cost, equal, upper, reached, far = _programme(system, withheld, [target])
    moving = 2 * len(system.values)
    upper[:moving][~np.tile(touched, 2)] = 0
    upper[moving:] = 0
    found = milp(
        cost,
        integrality=(np.arange(len(cost)) < moving).astype(int),
        bounds=Bounds(np.zeros(len(cost)), upper),
        constraints=[LinearConstraint(equal, 0, 0), LinearConstraint(reached, far, np.inf)],
        options={"node_limit": NODES, "mip_rel_gap": GAP},
    )
    return None if found.x is None else _whole(system, _net(system, found.x))


def _certain(system: System, withheld: Bools, target: Target) -> Ints | None:
    """Moves that meet one target, at worst of all counts; None if the solver finds none."""
    for touched in (withheld, np.ones_like(withheld)):
        moves = _in_whole_numbers(system, withheld, touched, target)
        if moves is not None and _meets(system, moves, target):
            return moves
    return None


def _net(system: System, found: Floats) -> Floats:
    count = len(system.values)
    return found[:count] - found[count : 2 * count]


def _whole(system: System, moves: Floats) -> Ints | None:
    """The moves as whole numbers, if they are whole and lead to another possible table."""
    rounded = np.rint(moves).astype(np.int64)
    is_right = (
        np.abs(moves - rounded).max(initial=0) < ROUNDING
        and not (system.sums @ rounded).any()
        and (system.values + rounded >= 0).all()
    )
    return rounded if is_right else None
