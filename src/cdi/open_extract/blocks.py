"""A quarter's counts, how they add up, and what of them may be shown.

A quarter is counted once, when it is whole and mature, and is shown in the same figures for ever
after. No two releases differ in it, so nothing can be learnt by subtracting one from the other.
Quarters share no count and no total, so what is withheld in one does not depend on any other.

What is counted is the headline of the recording rate: universe `frame`, standard ruleset, without
fraud.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import combinations, product
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from scipy.sparse import csr_matrix

from cdi.open_extract.suppression import Bools, System, protect_system
from cdi.sql import fetch_dicts, read_query, scalar

SQL = Path(__file__).parent / "sql"
ALL = "all"
DIMENSIONS = ("month", "district", "offence_group")
BANDS = (
    "within_24_hours",
    "within_3_days",
    "within_7_days",
    "within_30_days",
    "later",
    "unknown",
)
# Each class with its remainder and the offence group that both add up to. The remainder is never
# shown, but a reader who knows the total and the class could work it out.
CLASSES = {"rape": ("not_rape", "sexual_offences"), "domestic_abuse": ("not_domestic_abuse", ALL)}
MEASURES = ("due", "recorded", "missed")
STANDARD = "standard"  # the ruleset whose counts are shown
PARTS_OF_MEASURE = {
    "due": ("recorded", "missed"),
    "missed": ("wrongly_cancelled", "unrecorded"),
}
# What is lost by withholding a count: a total costs more than its parts (the place in this list is
# the number of dimensions that the count sums over), and how many crimes are due costs more than
# what became of them.
LEVEL_COST = (1.0, 4.0, 20.0, 400.0)
MEASURE_COST = {"due": 3.0, "missed": 1.5}
COLUMNS = {
    "quarter": "VARCHAR",
    "as_of_on": "DATE",
    "ruleset_version": "VARCHAR",
    "smallest_count": "INTEGER",
    "month": "VARCHAR",
    "district": "VARCHAR",
    "offence_group": "VARCHAR",
    "part": "VARCHAR",
    "measure": "VARCHAR",
    "value": "DOUBLE",
}


# of one place, by ruleset: crimes due, recorded and missed
Counts = dict[str, tuple[int, int, int]]


@dataclass(frozen=True, order=True)
class Key:
    """What is counted: a place in month, district and group, a part of it, and a measure."""

    month: str
    district: str
    offence_group: str
    part: str
    measure: str


@dataclass(frozen=True, order=True)
class Quarter:
    """A calendar quarter.

    Attributes:
        starts_on: Its first day.
    """

    starts_on: date

    @classmethod
    def named(cls, name: str) -> "Quarter":
        """The quarter of a name such as 2017-Q1."""
        year, _, number = name.partition("-Q")
        return cls(date(int(year), 3 * int(number) - 2, 1))

    @property
    def name(self) -> str:
        """Its name, for example 2017-Q1."""
        return f"{self.starts_on.year}-Q{(self.starts_on.month + 2) // 3}"

    @property
    def next(self) -> "Quarter":
        """The quarter after it."""
        month = self.starts_on.month + 3
        return Quarter(date(self.starts_on.year + (month > 12), (month - 1) % 12 + 1, 1))

    @property
    def months_in_words(self) -> str:
        """Its months in words, for example January to March 2017."""
        last = self.starts_on.replace(month=self.starts_on.month + 2)
        return f"{self.starts_on:%B} to {last:%B %Y}"

    def release_on(self, maturity_days: int) -> date:
        """The first day on which it may be released: so many days after its end."""
        return self.next.starts_on + timedelta(days=maturity_days)

    @property
    def months(self) -> list[str]:
        """Its three months, for example 2017-01."""
        return [f"{self.starts_on.year}-{self.starts_on.month + place:02}" for place in range(3)]


# The day of the release on the agency's calendar, as the days of its report are.
AS_OF_ON = "cast(timezone(timezone, timezone('UTC', as_of)) as date)"
# The crimes that were due in a quarter, as the headline counts them.
DUE = """from fct_reported_crimes as crimes
    inner join rules.offence_groups as groups
        on crimes.offence_group = groups.offence_group and groups.is_headline
    where
        crimes.is_in_frame
        and crimes.outcome in ('recorded', 'wrongly_cancelled', 'unrecorded')
        and list_contains($months, strftime(crimes.reported_month_on, '%Y-%m'))"""
COUNTS = f"""
with crimes as (
    select
        strftime(crimes.reported_month_on, '%Y-%m') as month,
        coalesce(crimes.district, 'unknown') as district,
        crimes.offence_group,
        crimes.is_rape,
        crimes.is_domestic_abuse,
        crimes.outcome,
        case
            when crimes.recorded_at is null then 'unknown'
            when crimes.recorded_at <= crimes.reported_at + interval 24 hour then 'within_24_hours'
            when crimes.recorded_at <= crimes.reported_at + interval 3 day then 'within_3_days'
            when crimes.recorded_at <= crimes.reported_at + interval 7 day then 'within_7_days'
            when crimes.recorded_at <= crimes.reported_at + interval 30 day then 'within_30_days'
            else 'later'
        end as band
    {DUE}
)

select
    coalesce(month, '{ALL}') as month,
    coalesce(district, '{ALL}') as district,
    coalesce(offence_group, '{ALL}') as offence_group,
    coalesce(band, '{ALL}') as band,
    count(*) as due,
    count(*) filter (where outcome = 'recorded') as recorded,
    count(*) filter (where outcome <> 'recorded') as missed,
    count(*) filter (where outcome = 'wrongly_cancelled') as wrongly_cancelled,
    count(*) filter (where outcome = 'unrecorded') as unrecorded,
    count(*) filter (where is_rape) as rape_due,
    count(*) filter (where is_rape and outcome = 'recorded') as rape_recorded,
    count(*) filter (where is_rape and outcome <> 'recorded') as rape_missed,
    count(*) filter (where is_domestic_abuse) as domestic_abuse_due,
    count(*) filter (where is_domestic_abuse and outcome = 'recorded') as domestic_abuse_recorded,
    count(*) filter (where is_domestic_abuse and outcome <> 'recorded') as domestic_abuse_missed
from crimes
group by grouping sets (cube (month, district, offence_group), (band))
"""
# The same formula as in int_outcomes__district_counts: crimes of one call are recorded or missed
# together, so they tell less than as many crimes of different calls.
DESIGN_EFFECT = f"""
with calls as (
    select
        count(*) as due,
        count(*) filter (where crimes.outcome = 'recorded') as recorded,
        sum(recorded) over () / sum(due) over () as rate
    {DUE}
    group by crimes.call_id
)

select
    greatest(
        1,
        coalesce(
            sum((recorded - rate * due) ** 2) / nullif(any_value(rate * (1 - rate)) * sum(due), 0),
            1
        )
    ) as design_effect
from calls
"""


def release_quarter(
    con: duckdb.DuckDBPyConnection, quarter: Quarter, limits: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Count a quarter, choose what to withhold of it, and tell the rest.

    Args:
        con: A version's file.
        quarter: Which.
        limits: The limits of rules.disclosure_limits, by name.

    Returns:
        One row per figure; its value is null if it is withheld.
    """
    counts = count_quarter(con, quarter)
    withheld = protect_system(build_system(counts), limits["smallest_count"])
    return show_quarter(con, quarter, limits, counts, withheld)


def show_quarter(
    con: duckdb.DuckDBPyConnection,
    quarter: Quarter,
    limits: Mapping[str, int],
    counts: Mapping[Key, int],
    withheld: Bools,
) -> list[dict[str, Any]]:
    """Tell a quarter's figures without the counts that are withheld.

    Whether what is withheld protects the small counts is not judged here: see `release_quarter`.

    Args:
        con: A version's file.
        quarter: Which.
        limits: The limits of rules.disclosure_limits, by name.
        counts: The quarter's counts, as `count_quarter` returns them.
        withheld: Whether each of the counts is withheld, in their order.

    Returns:
        One row per figure; its value is null if it is withheld.
    """
    shown: dict[Key, float | None] = {
        key: None if is_withheld else value
        for (key, value), is_withheld in zip(counts.items(), withheld.tolist(), strict=True)
        if not key.part.startswith("not_")
    }
    # A part may be shown as 0 only because its total is 0. If that total is withheld, the part is
    # withheld too: it would give the total away.
    shown |= {
        part: None
        for total, part in _iterate_known_zeros(counts)
        if shown[total] is None and part in shown
    }
    shown |= _read_rates(con, quarter, limits, shown)
    (release,) = fetch_dicts(con, f"select {AS_OF_ON} as as_of_on, ruleset_version from release")
    quarter_facts = {
        "quarter": quarter.name,
        **release,
        "smallest_count": limits["smallest_count"],
    }
    return [{**quarter_facts, **vars(key), "value": value} for key, value in shown.items()]


def _read_rates(
    con: duckdb.DuckDBPyConnection,
    quarter: Quarter,
    limits: Mapping[str, int],
    shown: Mapping[Key, float | None],
) -> dict[Key, float | None]:
    """Rates to the whole percent, where the counts of the standard ruleset are large and shown.

    The counts of the other two rulesets are never shown. Of few crimes a rate to the whole percent
    may still give them away, so the differences from the counts that are shown obey the rule of
    counts: see `_choose_rulesets`.
    """
    params = {"months": quarter.months}
    rows = fetch_dicts(con, read_query(SQL / "rates.sql"), params)
    counts_by_place: dict[tuple[str, str], Counts] = defaultdict(dict)
    for row in rows:
        counts = (row["due"], row["recorded"], row["due"] - row["recorded"])
        counts_by_place[row["district"], row["offence_group"]][row["ruleset"]] = counts
    chosen = {place: _choose_rulesets(found, limits) for place, found in counts_by_place.items()}
    rates: dict[Key, float | None] = {}
    for row in rows:
        place = (row["district"], row["offence_group"])
        if row["ruleset"] in chosen[place] and all(
            shown[Key(ALL, *place, ALL, measure)] is not None for measure in MEASURES
        ):
            rate = round(row["recorded"] / row["due"], 2)
            rates[Key(ALL, *place, row["ruleset"], "recording_rate")] = rate
    totals = [shown[Key(ALL, ALL, ALL, ALL, measure)] for measure in MEASURES]
    # If no crime was missed it is 1, so above 1 it would say that some were.
    if totals[0] is not None and totals[0] >= limits["smallest_denominator"] and None not in totals:
        effect = scalar(con, DESIGN_EFFECT, params)
        rates[Key(ALL, ALL, ALL, ALL, "design_effect")] = round(effect, 2)
    return rates


def _choose_rulesets(counts: Counts, limits: Mapping[str, int]) -> list[str]:
    """Choose the rulesets whose rate of a place may be shown beside the standard counts.

    A reader of two rates of one place can work out how many crimes the one ruleset counts and the
    other does not. So these differences must not be small counts either. The standard counts are
    shown anyway, so of a pair with the standard it is the other rate that is withheld.

    Args:
        counts: Crimes due, recorded and missed of the place under each ruleset that counts any.
        limits: The limits of rules.disclosure_limits, by name.
    """
    smallest = limits["smallest_count"]
    standard = counts.get(STANDARD, (0, 0, 0))
    chosen = [
        ruleset
        for ruleset, (due, recorded, missed) in counts.items()
        if due >= limits["smallest_denominator"]
        and not any(0 < part < smallest for part in (recorded, missed))
        and not _differ_by_few(counts[ruleset], standard, smallest)
    ]
    others = [ruleset for ruleset in chosen if ruleset != STANDARD]
    if any(_differ_by_few(counts[a], counts[b], smallest) for a, b in combinations(others, 2)):
        return [ruleset for ruleset in chosen if ruleset == STANDARD]
    return chosen


def _differ_by_few(ours: Sequence[int], theirs: Sequence[int], smallest: int) -> bool:
    """Whether any of two rows of counts differ, but by less than the smallest count to be shown."""
    return any(0 < abs(a - b) < smallest for a, b in zip(ours, theirs, strict=True))


def count_quarter(con: duckdb.DuckDBPyConnection, quarter: Quarter) -> dict[Key, int]:
    """Count a quarter.

    Args:
        con: A version's file.
        quarter: Which.

    Returns:
        Each count, also those that are 0, and those that are never shown but could be inferred.
    """
    params = {"months": quarter.months}
    counts: dict[Key, int] = defaultdict(int)
    for row in fetch_dicts(con, COUNTS, params):
        place = (row["month"], row["district"], row["offence_group"])
        if row["band"] != ALL:
            counts[Key(*place, row["band"], "recorded")] = row["recorded"]
            continue
        for measure in (*MEASURES, *PARTS_OF_MEASURE["missed"]):
            counts[Key(*place, ALL, measure)] = row[measure]
        for name, (remainder, _) in CLASSES.items():
            for measure in MEASURES:
                of_class = row[f"{name}_{measure}"]
                counts[Key(*place, name, measure)] = of_class
                counts[Key(*place, remainder, measure)] = row[measure] - of_class
    groups = con.execute(
        "select offence_group from rules.offence_groups where is_headline order by sort_order"
    ).fetchall()
    districts = sorted({key.district for key in counts} - {ALL})
    keys = _iterate_keys(quarter.months, districts, [group for (group,) in groups])
    complete = {key: counts[key] for key in keys}
    reports = scalar(con, read_query(SQL / "n100_reports.sql"), params)
    if reports is not None:
        complete[Key(ALL, ALL, ALL, "n100", "reports")] = reports
    return complete


def _iterate_keys(months: list[str], districts: list[str], groups: list[str]) -> Iterator[Key]:
    """All that is counted, whether or not there is a crime of it."""
    for place in product([*months, ALL], [*districts, ALL], [*groups, ALL]):
        for measure in MEASURES:
            yield Key(*place, ALL, measure)
    for group in (*groups, ALL):
        for measure in PARTS_OF_MEASURE["missed"]:
            yield Key(ALL, ALL, group, ALL, measure)
    for name, (remainder, group) in CLASSES.items():
        for part, measure in product((name, remainder), MEASURES):
            yield Key(ALL, ALL, group, part, measure)
    for band in BANDS:
        yield Key(ALL, ALL, ALL, band, "recorded")


def build_system(counts: Mapping[Key, int]) -> System:
    """Put the counts together with all sums that hold among them.

    Args:
        counts: A quarter's counts, as `count_quarter` returns them.
    """
    place = {key: number for number, key in enumerate(counts)}
    sums = [[place[total], *(place[part] for part in parts)] for total, parts in _find_sums(counts)]
    # one row per sum: the total has the sign -1, so that each row adds up to 0
    rows = np.repeat(np.arange(len(sums)), [len(members) for members in sums])
    columns = np.array([member for members in sums for member in members])
    signs = np.concatenate([[-1] + [1] * (len(members) - 1) for members in sums])
    values = np.array(list(counts.values()), np.int64)
    known_zeros = {part for _, part in _iterate_known_zeros(counts)}
    return System(
        values,
        csr_matrix((signs, (rows, columns)), shape=(len(sums), len(values))),
        is_hidden=np.array([key.part.startswith("not_") for key in counts]),
        hides_zero=np.array([_hides_zero(key) and key not in known_zeros for key in counts]),
        cost=np.array([_price_count(key, value) for key, value in counts.items()]),
    )


def _find_sums(counts: Mapping[Key, int]) -> Iterator[tuple[Key, list[Key]]]:
    """Each total with its parts, once for each way to add it up."""
    parts_by_way: dict[tuple[str, Key], list[Key]] = defaultdict(list)
    for key in counts:
        for dimension in DIMENSIONS:
            if getattr(key, dimension) != ALL:
                parts_by_way[dimension, replace(key, **{dimension: ALL})].append(key)
        for total, parts in PARTS_OF_MEASURE.items():
            if key.measure in parts:
                parts_by_way["measure", replace(key, measure=total)].append(key)
        if key.part in BANDS:
            parts_by_way["band", replace(key, part=ALL)].append(key)
        for name, (remainder, _) in CLASSES.items():
            if key.part in (name, remainder):
                parts_by_way[name, replace(key, part=ALL)].append(key)
    return ((total, parts) for (_, total), parts in parts_by_way.items() if total in counts)


def _hides_zero(key: Key) -> bool:
    """Whether 0 of a count is withheld as a small count is.

    A count of a month and a district may be withheld for the sake of another one beside it, so that
    it is withheld does not show that it is small. The counts meant here stand in so few sums that
    it would show that. If 0 of them were shown, a null would mean 1 to 4. An example: of 5 rapes 3
    are recorded and 2 missed, and both are withheld. If 5 and 0 were shown instead, everybody would
    know that what is withheld is from 1 to 4.
    """
    return key.part != ALL or key.measure in PARTS_OF_MEASURE["missed"]


def _iterate_known_zeros(counts: Mapping[Key, int]) -> Iterator[tuple[Key, Key]]:
    """Each total of 0 that may be shown, with a part whose 0 would otherwise be withheld.

    Who sees that the total is 0 knows that the part is 0, so withholding it would hide nothing.
    """
    for total, parts in _find_sums(counts):
        if not counts[total] and not _hides_zero(total):
            yield from ((total, part) for part in parts if _hides_zero(part))


def _price_count(key: Key, value: int) -> float:
    """What is lost by withholding a count: more for a total, and more for a large count."""
    level = sum(getattr(key, dimension) == ALL for dimension in DIMENSIONS)
    return float(LEVEL_COST[level] * MEASURE_COST.get(key.measure, 1.0) * np.log2(2 + value))
