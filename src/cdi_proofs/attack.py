"""What somebody else can find out from open extracts: the published folders are all that is read.

The attacker knows how the figures add up (README.md of the folder says it), that counts are whole
and not negative, and what an earlier release showed. For each withheld count he asks a linear
programme (HiGHS, by SciPy) for the least and the most that all published figures allow. A count is
**recovered** if that leaves one whole number, and **told small** if all that it leaves is from 1 to
4: then he knows what withholding was to hide.

He knows the rule too: nothing is withheld but for a small count. So among withheld counts that hang
together by sums at least one is small, and one that stands alone is small itself. Nothing is shared
with the code that withholds.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import ceil, floor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from cdi.errors import CdiError
from cdi.sql import connect, fetch_dicts

ALL = "all"
SHOWN = ("due", "recorded", "missed")
PARTS_OF = {"due": ("recorded", "missed"), "missed": ("unrecorded", "wrongly_cancelled")}
CLASS_OF = {"rape": "sexual_offences", "domestic_abuse": ALL}
REST = "not_"  # before a class: what is left of its group, never shown
EXPLORED = 40  # programmes in random directions: most counts need none of their own then
NEAR = 1e-6
MOST = 1_000_000  # no count of a quarter is larger
Floats = NDArray[np.float64]
Say = Callable[[int, int], None]
Row = tuple[dict[int, float], float]  # factors of the unknown counts, and what they sum to


class Cell(NamedTuple):
    """A published or withheld count."""

    quarter: str
    month: str
    district: str
    offence_group: str
    part: str
    measure: str

    @property
    def is_interior(self) -> bool:
        """Whether it is of one month, one district and one offence group."""
        return ALL not in (self.month, self.district, self.offence_group)

    @property
    def hides_zero(self) -> bool:
        """Whether 0 of it is withheld too, as a small count is."""
        return self.part != ALL or self.measure in PARTS_OF["missed"]


@dataclass
class Extract:
    """What a folder shows.

    Attributes:
        counts: Each count; None if it is withheld.
        rates: Rates of the standard ruleset, by the cell of what is due.
        smallest: Counts from 1 to one less are withheld, by its own word.
    """

    counts: dict[Cell, int | None] = field(default_factory=dict)
    rates: dict[Cell, float] = field(default_factory=dict)
    smallest: int = 5


@dataclass(frozen=True)
class Findings:
    """What an attack found.

    Attributes:
        counts: Counts published or withheld.
        withheld: Those that were withheld, in one release at least.
        recovered: Those of them that are known now.
        told_small: Those of them that are known to be small.
        changed: Counts that two releases show differently.
    """

    counts: list[Cell]
    withheld: list[Cell]
    recovered: dict[Cell, int]
    told_small: list[Cell]
    changed: list[Cell]

    def figures(self) -> dict[str, int]:
        """Numbers of each."""
        return {
            "cells": len({cell[:4] for cell in self.counts if cell.is_interior}),
            "counts": len(self.counts),
            "suppressed": len(self.withheld),
            "recovered": len(self.recovered),
            "told_small": len(self.told_small),
            "changed": len(self.changed),
        }


def read_open_folder(folder: Path) -> Extract:
    """All that an open folder shows."""
    found = Extract()
    with connect(folder / "open.duckdb", read_only=True) as con:
        for row in fetch_dicts(con, "from crimes"):
            place = (row["quarter"], row["month"], row["district"], row["offence_group"], ALL)
            _take(found, place, row, *SHOWN)
        for row in fetch_dicts(con, "from missed_crimes"):
            place = (row["quarter"], ALL, ALL, row["offence_group"], ALL)
            _take(found, place, row, "missed", "unrecorded", "wrongly_cancelled")
        for row in fetch_dicts(con, "from sensitive_classes"):
            place = (row["quarter"], ALL, ALL, CLASS_OF[row["class"]], row["class"])
            _take(found, place, row, *SHOWN)
        for row in fetch_dicts(con, "from time_to_record"):
            _take(found, (row["quarter"], ALL, ALL, ALL, row["band"]), row, "recorded")
        for row in fetch_dicts(con, "from n100_incidents"):
            _take(found, (row["quarter"], ALL, ALL, ALL, "n100"), row, "reports")
        for row in fetch_dicts(con, "from rates where standard_rate is not null"):
            cell = Cell(row["quarter"], ALL, row["district"], row["offence_group"], ALL, "due")
            found.rates[cell] = row["standard_rate"]
        limits = con.execute("select min(smallest_count) from quarters").fetchone()
        found.smallest = limits[0] if limits and limits[0] else found.smallest
    return found


def _take(
    found: Extract, place: tuple[str, str, str, str, str], row: dict[str, Any], *measures: str
) -> None:
    for measure in measures:
        found.counts[Cell(*place, measure)] = row[f"{measure}_count"]


def attack_extracts(extracts: Sequence[Extract], say: Say = lambda _done, _of: None) -> Findings:
    """Find out all that some releases give away together.

    Args:
        extracts: Releases of one agency, as from `read_open_folder`; the newest last.
        say: Is told how many withheld counts are done, and of how many.

    Raises:
        CdiError: ATTACK-CONTRADICTION if the figures cannot all be true.
    """
    known, changed = _known(extracts)
    counts = sorted({cell for extract in extracts for cell in extract.counts})
    withheld = sorted(
        {cell for extract in extracts for cell, value in extract.counts.items() if value is None}
    )
    rates = {cell: rate for extract in extracts for cell, rate in extract.rates.items()}
    smallest = max(extract.smallest for extract in extracts)
    # what one release withholds and another shows
    recovered = {cell: known[cell] for cell in withheld if cell in known}
    told_small = []
    done, of = 0, len(withheld) - len(recovered)
    for _, quarter in groupby(counts, lambda cell: cell.quarter):
        search = _Search(list(quarter), known, rates, smallest)
        for cell, low, high in search.intervals():
            if low == high:
                recovered[cell] = low
            if low >= 1 and high < smallest:
                told_small.append(cell)
            done += 1
            say(done, of)
    return Findings(counts, withheld, recovered, told_small, changed)


def differences(before: Extract, after: Extract) -> dict[str, int]:
    """What can be read off by laying one release beside another, without any arithmetic.

    Returns:
        Counts in both; of them withheld in one and shown in the other; of them shown in both and
        not the same, and how many of these differ by a small number of crimes.
    """
    both = [
        (value, after.counts[cell]) for cell, value in before.counts.items() if cell in after.counts
    ]
    moved = [abs(a - b) for a, b in both if a is not None and b is not None and a != b]
    return {
        "counts_in_both": len(both),
        "shown_in_one": sum((a is None) != (b is None) for a, b in both),
        "changed": len(moved),
        "changed_by_a_small_count": sum(by < after.smallest for by in moved),
    }


def _known(extracts: Sequence[Extract]) -> tuple[dict[Cell, int], list[Cell]]:
    """What any release shows, the newest before others, and which counts they show differently."""
    known: dict[Cell, int] = {}
    changed = []
    for extract in extracts:
        for cell, value in extract.counts.items():
            if value is not None:
                if known.get(cell, value) != value:
                    changed.append(cell)
                known[cell] = value
    return known, changed


def _rests(cells: Sequence[Cell]) -> list[Cell]:
    return [cell._replace(part=REST + cell.part) for cell in cells if cell.part in CLASS_OF]


def _sums(cells: Sequence[Cell]) -> Iterator[tuple[Cell, list[Cell]]]:
    """Totals with their parts."""
    lines: dict[tuple[str, Cell], list[Cell]] = defaultdict(list)
    for cell in cells:
        for dimension in ("month", "district", "offence_group"):
            if cell.part == ALL and getattr(cell, dimension) != ALL:
                lines[dimension, cell._replace(**{dimension: ALL})].append(cell)
        for total, parts in PARTS_OF.items():
            if cell.measure in parts:
                lines["measure", cell._replace(measure=total)].append(cell)
        if cell.part not in (ALL, "n100"):
            name = cell.part.removeprefix(REST)
            kind = name if name in CLASS_OF else "band"
            lines[kind, cell._replace(part=ALL)].append(cell)
    shown = set(cells)
    for (_, whole), members in lines.items():
        if whole in shown:
            yield whole, members


class _Search:
    """The unknown counts of a quarter, and what is known of them."""

    def __init__(
        self,
        cells: list[Cell],
        known: dict[Cell, int],
        rates: dict[Cell, float],
        smallest: int,
    ) -> None:
        self.withheld = [cell for cell in cells if cell not in known]
        self.unknown = self.withheld + _rests(cells)
        self.place = {cell: at for at, cell in enumerate(self.unknown)}
        self.known = known
        self.smallest = smallest
        self._contradiction = CdiError(
            "ATTACK-CONTRADICTION",
            f"the published figures of {cells[0].quarter} contradict each other",
            "see which totals do not add up: the extract is wrong",
        )
        equal = [
            self._row([(total, -1.0), *((part, 1.0) for part in parts)])
            for total, parts in _sums([*cells, *_rests(cells)])
        ]
        if any(left and not row for row, left in equal):
            raise self._contradiction
        at_most: list[Row] = []
        for cell in cells:
            if cell in rates:
                recorded = cell._replace(measure="recorded")
                for sign, rate in ((1.0, rates[cell] + 0.005), (-1.0, rates[cell] - 0.005)):
                    at_most.append(self._row([(recorded, sign), (cell, -sign * rate)]))
        self.equal, self.equal_to = self._matrix(equal)
        self.at_most, self.bound = self._matrix(at_most)
        # which counts hang together
        beside = abs(self.equal).T @ abs(self.equal)
        self.parts, self.part = connected_components(beside, directed=False)
        self.least = np.array([float(not cell.hides_zero) for cell in self.unknown])
        # by arithmetic alone, and by the rule too
        nothing = np.tile([[np.inf], [-np.inf]], len(self.unknown))
        self.plain, self.ruled = nothing.copy(), nothing

    def _row(self, terms: list[tuple[Cell, float]]) -> Row:
        """Coefficients of the unknown, and what the known ones leave."""
        row: dict[int, float] = {}
        left = 0.0
        for cell, factor in terms:
            if cell in self.known:
                left -= factor * self.known[cell]
            else:
                row[self.place[cell]] = factor
        return row, left

    def _matrix(self, rows: list[Row]) -> tuple[csr_matrix, Floats]:
        some = [(row, left) for row, left in rows if row]
        places = [(at, column) for at, (row, _) in enumerate(some) for column in row]
        values = [factor for row, _ in some for factor in row.values()]
        index = ([at for at, _ in places], [column for _, column in places])
        matrix = csr_matrix((values, index), shape=(len(some), len(self.unknown)))
        return matrix, np.array([left for _, left in some], float)

    def _solve(self, cost: Floats, small: int | None = None) -> None:
        """See one more table that fits, with a small count where it is said."""
        bounds = np.tile([0.0, MOST], (len(self.unknown), 1))
        if small is not None:
            bounds[small] = self.least[small], self.smallest - 1
        found = linprog(
            cost, A_ub=self.at_most, b_ub=self.bound + NEAR, A_eq=self.equal, b_eq=self.equal_to,
            bounds=bounds, method="highs",
        )  # fmt: skip
        if found.x is not None:
            is_small = (found.x >= self.least - NEAR) & (found.x <= self.smallest - 1 + NEAR)
            has_small = np.bincount(self.part, is_small, self.parts) > 0
            _widen(self.plain, found.x, np.ones_like(is_small))
            _widen(self.ruled, found.x, has_small[self.part])
        elif small is None:
            raise self._contradiction

    def intervals(self) -> Iterator[tuple[Cell, int, int]]:
        """Each withheld count with whole numbers that it may be, from the least seen to the most.

        The search for a count ends when it is seen to be neither recovered nor told small.
        """
        rng = np.random.default_rng(0)
        for _ in range(EXPLORED if self.withheld else 0):
            self._solve(rng.standard_normal(len(self.unknown)))
        for at, cell in enumerate(self.withheld):
            yield cell, *self._interval(at)

    def _interval(self, at: int) -> tuple[int, int]:
        self._explore(at, None)
        if not self._is_open(self.plain, at):
            return self._seen(self.plain, at)  # arithmetic tells it, whatever the rule
        for small in np.flatnonzero(self.part == self.part[at]).tolist():
            self._explore(at, small)
        # no table may fit the rule: an earlier release may have had another
        return self._seen(self.ruled if self._is_ruled(at) else self.plain, at)

    def _explore(self, at: int, small: int | None) -> None:
        for sign in (1.0, -1.0):
            if not (self._is_ruled(at) and self._is_open(self.ruled, at)):
                cost = np.zeros(len(self.unknown))
                cost[at] = sign
                self._solve(cost, small)

    def _is_ruled(self, at: int) -> bool:
        return bool(np.isfinite(self.ruled[0, at]))

    def _is_open(self, seen: Floats, at: int) -> bool:
        low, high = self._seen(seen, at)
        return high > low and (low < 1 or high >= self.smallest)

    def _seen(self, seen: Floats, at: int) -> tuple[int, int]:
        low, high = seen[:, at]
        return ceil(low - NEAR), floor(high + NEAR)


def _widen(seen: Floats, table: Floats, where: NDArray[np.bool_]) -> None:
    seen[0, where] = np.minimum(seen[0], table)[where]
    seen[1, where] = np.maximum(seen[1], table)[where]
