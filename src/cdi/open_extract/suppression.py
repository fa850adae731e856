"""Which counts to withhold so that what is shown does not give the small ones back.

A count of 1 to k - 1 is small and is withheld (primary suppression). Some counts are withheld at 0
too: where a null could only mean 1 to k - 1, it would otherwise tell that the count is not 0.
Totals, and counts that add up to others, would often give a withheld count back, so others are
withheld beside it (secondary suppression). Which ones is found by building **witnesses**: other
tables of whole, non-negative numbers that fulfil the same sums and equal the true table in all that
is shown. For each small count there is a witness in which it is 0 and one in which it is k or more,
and each other withheld count has another value in some witness. So whoever sees only what is shown
cannot tell the true table from its witnesses.

The cheapest witness is found by a linear programme (HiGHS, by SciPy). Whether it is a table of
whole numbers is checked afterwards. A count that no witness moves is shown.
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

# How many targets one witness is built for. With 20 the search takes a fifth of the time, but more
# counts are withheld.
TARGETS_TOGETHER = 6
# The price of leaving a target to a later witness, for each crime that the count stays away from
# it. It is less than the price of the total of all counts, which therefore is moved only where a
# target is tried alone.
SLACK_PRICE = 1e3
WITHHELD_PRICE = 1e-3  # of moving a count that is withheld already
ROUNDING = 1e-6
# Where the linear programme gives fractions, any witness will do: the search for one in whole
# numbers ends when its cost is within this share of the cheapest.
COST_GAP = 0.5
# The search ends after so many nodes. A limit of time would give another result on each machine.
SEARCH_NODES = 20


@dataclass(frozen=True)
class System:
    """Counts and how they add up.

    Attributes:
        values: The counts.
        sums: One row per sum: 1 for each part, -1 for the total.
        is_hidden: Counts that are never shown but can be inferred: what is left of a total.
        hides_zero: Counts of which 0 is withheld as a small count is.
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
        smallest: The smallest count that may be shown. 0 may be shown too, unless it is hidden.

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
    # In this order neighbours are targets of one count or of counts side by side, which get in each
    # other's way. The seed is fixed, so that the same counts are withheld in every run.
    np.random.default_rng(0).shuffle(targets)
    witnesses: list[Ints] = []
    unmet = targets
    while unmet:
        chosen = list(dict(reversed(unmet[:TARGETS_TOGETHER])).items())  # one target per count
        moves = _find_cheapest_moves(system, withheld, chosen)
        if not _meets_any_target(system, moves, unmet):
            # Fractions come of targets that are in each other's way, so one is tried alone.
            moves = _find_cheapest_moves(system, withheld, unmet[:1])
        if moves is None or not _meets_any_target(system, moves, unmet):
            moves = _find_moves_at_any_cost(system, withheld, unmet[0])
        if moves is None:
            # Nothing is known to protect this count, so nothing at all is shown.
            return np.ones_like(withheld)
        witnesses.append(moves)
        withheld |= moves != 0
        unmet = [target for target in unmet if not _meets_target(system, moves, target)]
    needed = _drop_needless_witnesses(system, witnesses, targets)
    is_moved = (
        np.any([moves != 0 for moves in needed], axis=0) if needed else np.zeros_like(withheld)
    )
    return np.asarray(system.is_small(smallest) | system.is_hidden | is_moved)


def _meets_target(system: System, moves: Ints, target: Target) -> bool:
    """Whether the moves bring a count to 0, or to its target or beyond."""
    place, value = target
    reached = int(system.values[place] + moves[place])
    return reached == 0 if value == 0 else reached >= value


def _meets_any_target(system: System, moves: Ints | None, targets: list[Target]) -> bool:
    """Whether there are moves, and they meet one target at least."""
    return moves is not None and any(_meets_target(system, moves, target) for target in targets)


def _drop_needless_witnesses(
    system: System, witnesses: list[Ints], targets: list[Target]
) -> list[Ints]:
    """Leave out witnesses whose targets are all met by others, the dearest first.

    A later witness often meets the targets of an earlier one by chance. Without it less is
    withheld.
    """
    is_met = np.array(
        [[_meets_target(system, moves, target) for target in targets] for moves in witnesses]
    )
    kept = list(range(len(witnesses)))
    by_cost = sorted(kept, key=lambda place: -float(system.cost[witnesses[place] != 0].sum()))
    for place in by_cost:
        others = [other for other in kept if other != place]
        if others and is_met[others].any(axis=0).all():
            kept = others
    return [witnesses[place] for place in kept]


def _set_up_programme(
    system: System, withheld: Bools, targets: list[Target]
) -> tuple[Floats, csr_matrix, Floats, csr_matrix, Floats]:
    """Write the search for a witness as a linear programme.

    A move of a count is split into how far it goes up and how far it goes down, as a programme has
    no negative variables. A third group of variables are the slacks: how far the witness stays away
    from each target.

    Returns:
        The cost of each variable; the equalities, which are the sums; the upper bound of each
        variable: no count goes below 0; the inequalities (>=), one per target; and their bounds.
    """
    count, wanted = len(system.values), len(targets)
    places = [place for place, _ in targets]
    true_values = system.values[places]
    target_values = np.array([value for _, value in targets])
    signs = np.where(target_values > true_values, 1.0, -1.0)
    price = np.where(withheld, WITHHELD_PRICE, system.cost)
    no_slack = csr_matrix((system.sums.shape[0], wanted))
    equalities = hstack([system.sums, -system.sums, no_slack], format="csr")
    moved = csr_matrix((signs, (np.arange(wanted), places)), shape=(wanted, count))
    inequalities = hstack([moved, -moved, identity(wanted)], format="csr")
    upper = np.concatenate([np.full(count, np.inf), system.values, np.full(wanted, np.inf)])
    cost = np.concatenate([price, price, np.full(wanted, SLACK_PRICE)])
    distances = np.abs(target_values - true_values).astype(float)
    return cost, equalities, upper, inequalities, distances


def _find_cheapest_moves(system: System, withheld: Bools, targets: list[Target]) -> Ints | None:
    """The cheapest moves that bring counts to their targets; None if they are no whole numbers."""
    cost, equalities, upper, inequalities, distances = _set_up_programme(system, withheld, targets)
    solution = linprog(
        cost,
        A_ub=-inequalities,
        b_ub=-distances,
        A_eq=equalities,
        b_eq=np.zeros(equalities.shape[0]),
        bounds=np.column_stack([np.zeros(len(upper)), upper]),
        method="highs",
    )
    return None if solution.x is None else _round_moves(system, solution.x)


def _find_whole_moves(
    system: System, withheld: Bools, touched: Bools, target: Target
) -> Ints | None:
    """Moves of the touched counts that meet a target, by branch and bound; None if none is found.

    There is no slack, so the target is met in full.
    """
    cost, equalities, upper, inequalities, distances = _set_up_programme(system, withheld, [target])
    moving = 2 * len(system.values)
    upper[:moving][~np.tile(touched, 2)] = 0
    upper[moving:] = 0
    solution = milp(
        cost,
        integrality=(np.arange(len(cost)) < moving).astype(int),
        bounds=Bounds(np.zeros(len(cost)), upper),
        constraints=[
            LinearConstraint(equalities, 0, 0),
            LinearConstraint(inequalities, distances, np.inf),
        ],
        options={"node_limit": SEARCH_NODES, "mip_rel_gap": COST_GAP},
    )
    return None if solution.x is None else _round_moves(system, solution.x)


def _find_moves_at_any_cost(system: System, withheld: Bools, target: Target) -> Ints | None:
    """Moves that meet one target: of withheld counts if that will do, and otherwise of any.

    None if the solver finds none.
    """
    for touched in (withheld, np.ones_like(withheld)):
        moves = _find_whole_moves(system, withheld, touched, target)
        if moves is not None and _meets_target(system, moves, target):
            return moves
    return None


def _round_moves(system: System, solution: Floats) -> Ints | None:
    """A programme's solution as moves in whole numbers.

    None if the moves are no whole numbers or do not lead to another possible table: solvers
    compute in floating-point numbers, and a witness must hold exactly.
    """
    count = len(system.values)
    moves = solution[:count] - solution[count : 2 * count]
    rounded = np.rint(moves).astype(np.int64)
    is_witness = (
        np.abs(moves - rounded).max(initial=0) < ROUNDING
        and not (system.sums @ rounded).any()
        and (system.values + rounded >= 0).all()
    )
    return rounded if is_witness else None
