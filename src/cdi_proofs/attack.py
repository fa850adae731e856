"""What somebody else can find out from open extracts: the published folders are all that is read.

The attacker knows how the figures add up (README.md of the folder says it), that counts are whole
and not negative, and what an earlier release showed. For each withheld count he asks a linear
programme (HiGHS, by SciPy) for the least and the most that all published figures allow. A count is
**recovered** if that leaves one whole number, and **told small** if all that it leaves is from 1 to
4: then he knows what withholding was to hide.

He knows the rule too: a count is withheld only if it is small, or to protect a small one. So among
withheld counts that are tied together by sums at least one is small, and a count that is tied to no
other is small itself. No code is shared with the code that withholds: a mistake there would
otherwise be made here too, and stay unseen.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import ceil, floor
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from cdi.errors import CdiError
from cdi.sql import fetch_dicts
from cdi_proofs.open_formats import open_tables

ALL = "all"
MEASURES = ("due", "recorded", "missed")
PARTS_OF_MEASURE = {"due": ("recorded", "missed"), "missed": ("unrecorded", "wrongly_cancelled")}
GROUP_OF_CLASS = {"rape": "sexual_offences", "domestic_abuse": ALL}
REMAINDER = "not_"  # before the name of a class: the rest of its group, which is never shown
# How many tables are looked for in random directions before any count is looked at by itself: most
# counts need no search of their own then.
RANDOM_SEARCHES = 40
TOLERANCE = 1e-6
LARGEST = 1_000_000  # no count of a quarter is larger
Floats = NDArray[np.float64]
SayProgress = Callable[[int, int], None]
Equation = tuple[dict[int, float], float]  # factors of the unknown counts, and what they sum to


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
        """Whether 0 is withheld too, as a small count is."""
        return self.part != ALL or self.measure in PARTS_OF_MEASURE["missed"]


@dataclass
class Extract:
    """What a folder shows.

    Attributes:
        counts: Each count; None if it is withheld.
        rates: Rates of the standard ruleset, by the cell of what is due.
        smallest: Counts from 1 to one less are withheld, as the folder itself says.
    """

    counts: dict[Cell, int | None] = field(default_factory=dict)
    rates: dict[Cell, float] = field(default_factory=dict)
    smallest: int = 5


@dataclass(frozen=True)
class Findings:
    """What an attack found.

    Attributes:
        counts: All counts, published or withheld.
        withheld: Those that were withheld, in one release at least.
        recovered: Those of the withheld whose value is known now.
        told_small: Those of the withheld that are known to be small.
        changed: Counts that two releases show differently.
    """

    counts: list[Cell]
    withheld: list[Cell]
    recovered: dict[Cell, int]
    told_small: list[Cell]
    changed: list[Cell]

    def figures(self) -> dict[str, int]:
        """How many there are of each."""
        return {
            "cells": len({cell[:4] for cell in self.counts if cell.is_interior}),
            "counts": len(self.counts),
            "suppressed": len(self.withheld),
            "recovered": len(self.recovered),
            "told_small": len(self.told_small),
            "changed": len(self.changed),
        }


def read_open_folder(folder: Path, form: str = "duckdb") -> Extract:
    """Read all counts and rates that an open folder shows in one of its formats.

    Args:
        folder: The folder ``open/`` of a version.
        form: One of `open_formats.FORMATS`.

    Raises:
        CdiError: ATTACK-DESIGN-EFFECT if a design effect stands beside a withheld total.
    """
    extract = Extract()
    with open_tables(folder, form) as con:
        for row in fetch_dicts(con, "from crimes"):
            place = (row["quarter"], row["month"], row["district"], row["offence_group"], ALL)
            _add_counts(extract, place, row, *MEASURES)
        for row in fetch_dicts(con, "from missed_crimes"):
            place = (row["quarter"], ALL, ALL, row["offence_group"], ALL)
            _add_counts(extract, place, row, "missed", "unrecorded", "wrongly_cancelled")
        for row in fetch_dicts(con, "from sensitive_classes"):
            place = (row["quarter"], ALL, ALL, GROUP_OF_CLASS[row["class"]], row["class"])
            _add_counts(extract, place, row, *MEASURES)
        for row in fetch_dicts(con, "from time_to_record"):
            _add_counts(extract, (row["quarter"], ALL, ALL, ALL, row["band"]), row, "recorded")
        for row in fetch_dicts(con, "from n100_incidents"):
            _add_counts(extract, (row["quarter"], ALL, ALL, ALL, "n100"), row, "reports")
        for row in fetch_dicts(con, "from rates where standard_rate is not null"):
            cell = Cell(row["quarter"], ALL, row["district"], row["offence_group"], ALL, "due")
            extract.rates[cell] = row["standard_rate"]
        _refuse_telling_effects(con)
        limits = con.execute("select min(smallest_count) from quarters").fetchone()
        extract.smallest = limits[0] if limits and limits[0] else extract.smallest
    return extract


def _refuse_telling_effects(con: duckdb.DuckDBPyConnection) -> None:
    """A design effect above 1 says that some crimes were missed and some recorded."""
    telling = con.execute(
        "select quarter from quarters inner join crimes using (quarter) "
        "where design_effect > 1 and month = 'all' and district = 'all' and offence_group = 'all' "
        "and (due_count is null or recorded_count is null or missed_count is null)"
    ).fetchone()
    if telling:
        raise CdiError(
            "ATTACK-DESIGN-EFFECT",
            f"{telling[0]} shows a design effect above 1 beside a total that is withheld",
            "withhold it too: it says that the total is not 0",
        )


def _add_counts(
    extract: Extract, place: tuple[str, str, str, str, str], row: dict[str, Any], *measures: str
) -> None:
    """Add the counts of one published row to what the extract shows."""
    for measure in measures:
        extract.counts[Cell(*place, measure)] = row[f"{measure}_count"]


def attack_extracts(
    extracts: Sequence[Extract], say_progress: SayProgress = lambda _done, _total: None
) -> Findings:
    """Find out all that some releases give away together.

    Args:
        extracts: Releases of one agency, as `read_open_folder` reads them; the newest last.
        say_progress: Is told how many withheld counts are done, and of how many.

    Raises:
        CdiError: ATTACK-CONTRADICTION if the figures cannot all be true.
    """
    known, changed = _combine_releases(extracts)
    counts = sorted({cell for extract in extracts for cell in extract.counts})
    withheld = sorted(
        {cell for extract in extracts for cell, value in extract.counts.items() if value is None}
    )
    rates = {cell: rate for extract in extracts for cell, rate in extract.rates.items()}
    smallest = max(extract.smallest for extract in extracts)
    # What one release withholds and another one shows is recovered without any arithmetic.
    recovered = {cell: known[cell] for cell in withheld if cell in known}
    told_small = []
    done, total = 0, len(withheld) - len(recovered)
    for _, cells in groupby(counts, lambda cell: cell.quarter):
        search = _QuarterSearch(list(cells), known, rates, smallest)
        for cell, low, high in search.find_intervals():
            if low == high:
                recovered[cell] = low
            if low >= 1 and high < smallest:
                told_small.append(cell)
            done += 1
            say_progress(done, total)
    return Findings(counts, withheld, recovered, told_small, changed)


def count_differences(before: Extract, after: Extract) -> dict[str, int]:
    """Count what can be read off by laying one release beside another, without any arithmetic.

    Args:
        before: The earlier release.
        after: The later release.

    Returns:
        How many counts are in both; how many of them one release withholds and the other shows;
        how many both show, but differently; and how many of these differ by a small number of
        crimes.
    """
    pairs = [
        (value, after.counts[cell]) for cell, value in before.counts.items() if cell in after.counts
    ]
    changes = [abs(a - b) for a, b in pairs if a is not None and b is not None and a != b]
    return {
        "counts_in_both": len(pairs),
        "shown_in_one": sum((a is None) != (b is None) for a, b in pairs),
        "changed": len(changes),
        "changed_by_a_small_count": sum(change < after.smallest for change in changes),
    }


def _combine_releases(extracts: Sequence[Extract]) -> tuple[dict[Cell, int], list[Cell]]:
    """What any release shows, by the newest that shows it, and what two show differently."""
    known: dict[Cell, int] = {}
    changed = []
    for extract in extracts:
        for cell, value in extract.counts.items():
            if value is not None:
                if known.get(cell, value) != value:
                    changed.append(cell)
                known[cell] = value
    return known, changed


def _add_remainders(cells: Sequence[Cell]) -> list[Cell]:
    """For each count of a class, the count of the rest of its group."""
    return [
        cell._replace(part=REMAINDER + cell.part) for cell in cells if cell.part in GROUP_OF_CLASS
    ]


def _find_sums(cells: Sequence[Cell]) -> Iterator[tuple[Cell, list[Cell]]]:
    """Each total with its parts, once for each way to add it up."""
    parts_by_way: dict[tuple[str, Cell], list[Cell]] = defaultdict(list)
    for cell in cells:
        for dimension in ("month", "district", "offence_group"):
            if cell.part == ALL and getattr(cell, dimension) != ALL:
                parts_by_way[dimension, cell._replace(**{dimension: ALL})].append(cell)
        for total, parts in PARTS_OF_MEASURE.items():
            if cell.measure in parts:
                parts_by_way["measure", cell._replace(measure=total)].append(cell)
        if cell.part not in (ALL, "n100"):
            name = cell.part.removeprefix(REMAINDER)
            way = name if name in GROUP_OF_CLASS else "band"
            parts_by_way[way, cell._replace(part=ALL)].append(cell)
    given = set(cells)
    for (_, total_cell), members in parts_by_way.items():
        if total_cell in given:
            yield total_cell, members


class _QuarterSearch:
    """The unknown counts of a quarter, and what is known of them.

    Two kinds of knowledge are kept apart: what arithmetic alone allows, and what is left of it
    under the rule that a count is withheld only for a small one. For both, the least and the most
    that any table showed for a count are noted, table by table as they are found.
    """

    def __init__(
        self,
        cells: list[Cell],
        known: dict[Cell, int],
        rates: dict[Cell, float],
        smallest: int,
    ) -> None:
        self.withheld = [cell for cell in cells if cell not in known]
        self.unknown = self.withheld + _add_remainders(cells)
        self.place = {cell: number for number, cell in enumerate(self.unknown)}
        self.known = known
        self.smallest = smallest
        self._contradiction = CdiError(
            "ATTACK-CONTRADICTION",
            f"the published figures of {cells[0].quarter} contradict each other",
            "see which totals do not add up: the extract is wrong",
        )
        sums = [
            self._write_equation([(total, -1.0), *((part, 1.0) for part in parts)])
            for total, parts in _find_sums([*cells, *_add_remainders(cells)])
        ]
        if any(remains and not factors for factors, remains in sums):
            raise self._contradiction
        rate_limits: list[Equation] = []
        for cell in cells:
            if cell in rates:
                recorded = cell._replace(measure="recorded")
                # A rate to the whole percent is half a percent more or less.
                for sign, rate in ((1.0, rates[cell] + 0.005), (-1.0, rates[cell] - 0.005)):
                    rate_limits.append(
                        self._write_equation([(recorded, sign), (cell, -sign * rate)])
                    )
        self.equalities, self.equal_to = self._build_matrix(sums)
        self.inequalities, self.at_most = self._build_matrix(rate_limits)
        # Two unknown counts are tied together if they stand in one sum, or over others that do.
        ties = abs(self.equalities).T @ abs(self.equalities)
        self.tie_count, self.tie = connected_components(ties, directed=False)
        self.least_small = np.array([float(not cell.hides_zero) for cell in self.unknown])
        nothing_seen = np.tile([[np.inf], [-np.inf]], len(self.unknown))
        self.by_arithmetic, self.by_rule = nothing_seen.copy(), nothing_seen

    def _write_equation(self, terms: list[tuple[Cell, float]]) -> Equation:
        """Put the known counts on the other side: factors of the unknown, and what they sum to."""
        factors: dict[int, float] = {}
        remains = 0.0
        for cell, factor in terms:
            if cell in self.known:
                remains -= factor * self.known[cell]
            else:
                factors[self.place[cell]] = factor
        return factors, remains

    def _build_matrix(self, equations: list[Equation]) -> tuple[csr_matrix, Floats]:
        """The equations that have an unknown count at all, as a matrix and its right side."""
        open_equations = [(factors, remains) for factors, remains in equations if factors]
        rows = [row for row, (factors, _) in enumerate(open_equations) for _ in factors]
        columns = [column for factors, _ in open_equations for column in factors]
        values = [factor for factors, _ in open_equations for factor in factors.values()]
        shape = (len(open_equations), len(self.unknown))
        right_side = np.array([remains for _, remains in open_equations], float)
        return csr_matrix((values, (rows, columns)), shape=shape), right_side

    def _look_for_table(self, cost: Floats, small: int | None = None) -> None:
        """Look for one more table that fits the figures, and note what it shows.

        Args:
            cost: The direction in which to look.
            small: A count that is to be small in it.
        """
        bounds = np.tile([0.0, LARGEST], (len(self.unknown), 1))
        if small is not None:
            bounds[small] = self.least_small[small], self.smallest - 1
        solution = linprog(
            cost,
            A_ub=self.inequalities,
            b_ub=self.at_most + TOLERANCE,
            A_eq=self.equalities,
            b_eq=self.equal_to,
            bounds=bounds,
            method="highs",
        )
        table = solution.x
        if table is not None:
            is_small = (table >= self.least_small - TOLERANCE) & (
                table <= self.smallest - 1 + TOLERANCE
            )
            # The rule holds for counts that are tied together if one of them is small.
            has_small = np.bincount(self.tie, is_small, self.tie_count) > 0
            _widen_limits(self.by_arithmetic, table, np.ones_like(is_small))
            _widen_limits(self.by_rule, table, has_small[self.tie])
        elif small is None:
            raise self._contradiction

    def find_intervals(self) -> Iterator[tuple[Cell, int, int]]:
        """Each withheld count with the least and the most whole number that it may be.

        The search for a count ends as soon as it is seen to be neither recovered nor told small,
        so such an interval may be too narrow.
        """
        rng = np.random.default_rng(0)
        for _ in range(RANDOM_SEARCHES if self.withheld else 0):
            self._look_for_table(rng.standard_normal(len(self.unknown)))
        for place, cell in enumerate(self.withheld):
            yield cell, *self._find_interval(place)

    def _find_interval(self, place: int) -> tuple[int, int]:
        """The interval of one count: by arithmetic if that tells it, and otherwise by the rule."""
        self._look_for_limits(place, None)
        if not self._is_open(self.by_arithmetic, place):
            return self._read_limits(self.by_arithmetic, place)
        # Any of the counts that this one is tied to may be the small one.
        for small in np.flatnonzero(self.tie == self.tie[place]).tolist():
            self._look_for_limits(place, small)
        # No table may fit the rule, as an earlier release may have been made under another one.
        limits = self.by_rule if self._fits_rule(place) else self.by_arithmetic
        return self._read_limits(limits, place)

    def _look_for_limits(self, place: int, small: int | None) -> None:
        """Look for the tables with the least and the most of a count, unless enough is known."""
        for sign in (1.0, -1.0):
            if not (self._fits_rule(place) and self._is_open(self.by_rule, place)):
                cost = np.zeros(len(self.unknown))
                cost[place] = sign
                self._look_for_table(cost, small)

    def _fits_rule(self, place: int) -> bool:
        """Whether any table was found in which the rule holds for a count."""
        return bool(np.isfinite(self.by_rule[0, place]))

    def _is_open(self, limits: Floats, place: int) -> bool:
        """Whether a count is neither recovered nor told small by these limits."""
        low, high = self._read_limits(limits, place)
        return high > low and (low < 1 or high >= self.smallest)

    def _read_limits(self, limits: Floats, place: int) -> tuple[int, int]:
        """The least and the most whole number within a count's limits."""
        low, high = limits[:, place]
        return ceil(low - TOLERANCE), floor(high + TOLERANCE)


def _widen_limits(limits: Floats, table: Floats, where: NDArray[np.bool_]) -> None:
    """Note a table's counts, where they are less than the least so far or more than the most."""
    limits[0, where] = np.minimum(limits[0], table)[where]
    limits[1, where] = np.maximum(limits[1], table)[where]
