"""A quarter's counts, how they add up, and what of them may be shown.

A quarter is counted once, when it is whole and mature, and shown in the same figures for ever
after: no two releases differ in it, so there is nothing to subtract. Quarters share no count and no
total, so what is withheld in one depends on no other.

Counted is the headline of the recording rate: universe `frame`, standard ruleset, fraud apart.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import product
from typing import Any

import duckdb
import numpy as np
from scipy.sparse import csr_matrix

from cdi.open_extract.suppression import System, protect_system
from cdi.sql import fetch_dicts, scalar

ALL = "all"
DIMENSIONS = ("month", "district", "offence_group")
BANDS = (
    "within_24_hours", "within_3_days", "within_7_days", "within_30_days", "later", "unknown",
)  # fmt: skip
# the remainder is not shown, but is the rest of a total that is
THEMES = {"rape": ("not_rape", "sexual_offences"), "domestic_abuse": ("not_domestic_abuse", ALL)}
SHOWN = ("due", "recorded", "missed")
MEASURES = {"due": ("recorded", "missed"), "missed": ("wrongly_cancelled", "unrecorded")}
# what is lost by withholding: totals cost more, and how many are due more than what became of them
LEVEL_COST = (1.0, 4.0, 20.0, 400.0)  # by the number of dimensions summed over
MEASURE_COST = {"due": 3.0, "missed": 1.5}
COLUMNS = {
    "quarter": "VARCHAR", "as_of_on": "DATE", "ruleset_version": "VARCHAR",
    "smallest_count": "INTEGER", "month": "VARCHAR", "district": "VARCHAR",
    "offence_group": "VARCHAR", "part": "VARCHAR", "measure": "VARCHAR", "value": "DOUBLE",
}  # fmt: skip


@dataclass(frozen=True, order=True)
class Key:
    """What is counted: a place in month, district and group, a part of it, and a measure."""

    month: str
    district: str
    offence_group: str
    part: str
    measure: str


@dataclass(frozen=True)
class Quarter:
    """A calendar quarter.

    Attributes:
        starts_on: Its first day.
    """

    starts_on: date

    @property
    def name(self) -> str:
        """E.g. 2017-Q1."""
        return f"{self.starts_on.year}-Q{(self.starts_on.month + 2) // 3}"

    @property
    def next(self) -> "Quarter":
        """The one after it."""
        month = self.starts_on.month + 3
        return Quarter(date(self.starts_on.year + (month > 12), (month - 1) % 12 + 1, 1))

    @property
    def months(self) -> list[str]:
        """Its months, e.g. 2017-01."""
        return [f"{self.starts_on.year}-{self.starts_on.month + at:02}" for at in range(3)]


# crimes that were due in a quarter, as the headline counts them
DUE = """from fct_reported_crimes as crimes
    inner join rules.offence_groups as groups
        on crimes.offence_group = groups.offence_group and groups.is_headline
    where
        crimes.is_in_frame
        and crimes.outcome in ('recorded', 'wrongly_cancelled', 'unrecorded')
        and list_contains($months, strftime(crimes.reported_month_on, '%Y-%m'))"""
COUNTED = f"""
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

N100 = """
select
    count(*) filter (where kept_as = 'reported_incident' and list_contains(
        $months,
        strftime(timezone(release.timezone, timezone('UTC', reports.reported_at)), '%Y-%m')
    )) as reports
from rape_reports as reports
cross join release
having count(*) filter (where kept_as = 'reported_incident') > 0
"""

RATES = f"""
with crimes as (
    select
        unnest(['strict', 'standard', 'inclusive']) as ruleset,
        unnest([
            crimes.outcome_strict, crimes.outcome_standard, crimes.outcome_inclusive
        ]) as outcome,
        coalesce(crimes.district, 'unknown') as district,
        crimes.offence_group
    from fct_reported_crimes as crimes
    inner join rules.offence_groups as groups
        on crimes.offence_group = groups.offence_group and groups.is_headline
    where
        crimes.is_in_frame
        and list_contains($months, strftime(crimes.reported_month_on, '%Y-%m'))
)

select
    ruleset,
    coalesce(district, '{ALL}') as district,
    coalesce(offence_group, '{ALL}') as offence_group,
    count(*) as due,
    count(*) filter (where outcome = 'recorded') as recorded
from crimes
where
    outcome in ('recorded', 'wrongly_cancelled', 'unrecorded')
    and (select bool_and(is_met) from auditability)
group by grouping sets ((ruleset), (ruleset, district), (ruleset, offence_group))
order by all
"""

# as in int_outcomes__district_counts: crimes of one call are recorded or missed together
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
    con: duckdb.DuckDBPyConnection,
    quarter: Quarter,
    limits: Mapping[str, int],
    *,
    is_secondary: bool = True,
) -> list[dict[str, Any]]:
    """What is shown of a quarter, and what is withheld.

    Args:
        con: A version's file.
        quarter: Which.
        limits: Of rules.disclosure_limits.
        is_secondary: False withholds small counts alone, which is not safe.

    Returns:
        One row per figure; its value is null if it is withheld.
    """
    counted = count_quarter(con, quarter)
    added = build_system(counted)
    smallest = limits["smallest_count"]
    withheld = protect_system(added, smallest) if is_secondary else added.is_small(smallest)
    shown: dict[Key, float | None] = {
        key: None if is_withheld else value
        for (key, value), is_withheld in zip(counted.items(), withheld.tolist(), strict=True)
        if not key.part.startswith("not_")
    }
    # a 0 that is shown only as its total is 0 would tell a total that is withheld
    shown |= {
        part: None
        for total, part in _known_zeros(counted)
        if shown[total] is None and part in shown
    }
    shown |= _rates(con, quarter, limits, shown)
    (facts,) = fetch_dicts(
        con, "select cast(as_of as date) as as_of_on, ruleset_version from release"
    )
    return [
        {"quarter": quarter.name, **facts, "smallest_count": smallest, **vars(key), "value": value}
        for key, value in shown.items()
    ]


def _rates(
    con: duckdb.DuckDBPyConnection,
    quarter: Quarter,
    limits: Mapping[str, int],
    shown: Mapping[Key, float | None],
) -> dict[Key, float | None]:
    """Rates to the whole percent, of what is large enough and shown in the standard ruleset.

    What another ruleset counts is not shown: of a rate to the whole percent it cannot be told.
    """
    params = {"months": quarter.months}
    rates: dict[Key, float | None] = {}
    for row in fetch_dicts(con, RATES, params):
        place = (ALL, row["district"], row["offence_group"])
        parts = (row["recorded"], row["due"] - row["recorded"])
        if (
            row["due"] >= limits["smallest_denominator"]
            and not any(0 < part < limits["smallest_count"] for part in parts)
            and all(shown[Key(*place, ALL, measure)] is not None for measure in SHOWN)
        ):
            rates[Key(*place, row["ruleset"], "recording_rate")] = round(parts[0] / row["due"], 2)
    total = shown[Key(ALL, ALL, ALL, ALL, "due")]
    if total is not None and total >= limits["smallest_denominator"]:
        effect = scalar(con, DESIGN_EFFECT, params)
        rates[Key(ALL, ALL, ALL, ALL, "design_effect")] = round(effect, 2)
    return rates


def count_quarter(con: duckdb.DuckDBPyConnection, quarter: Quarter) -> dict[Key, int]:
    """Count a quarter.

    Args:
        con: A version's file.
        quarter: Which.

    Returns:
        Each count, with those of 0, and those that are not shown but can be inferred.
    """
    params = {"months": quarter.months}
    found: dict[Key, int] = defaultdict(int)
    for row in fetch_dicts(con, COUNTED, params):
        place = (row["month"], row["district"], row["offence_group"])
        if row["band"] != ALL:
            found[Key(*place, row["band"], "recorded")] = row["recorded"]
            continue
        for measure in SHOWN:
            found[Key(*place, ALL, measure)] = row[measure]
        for measure in MEASURES["missed"]:
            found[Key(*place, ALL, measure)] = row[measure]
        for theme, (rest, _) in THEMES.items():
            for measure in SHOWN:
                found[Key(*place, theme, measure)] = row[f"{theme}_{measure}"]
                found[Key(*place, rest, measure)] = row[measure] - row[f"{theme}_{measure}"]
    groups = con.execute(
        "select offence_group from rules.offence_groups where is_headline order by sort_order"
    ).fetchall()
    districts = sorted({key.district for key in found} - {ALL})
    counted = {key: found[key] for key in _keys(quarter.months, districts, [g for (g,) in groups])}
    reports = scalar(con, N100, params)
    if reports is not None:
        counted[Key(ALL, ALL, ALL, "n100", "reports")] = reports
    return counted


def _keys(months: list[str], districts: list[str], groups: list[str]) -> Iterator[Key]:
    """All that is counted, whether or not there is a crime of it."""
    for place in product([*months, ALL], [*districts, ALL], [*groups, ALL]):
        for measure in SHOWN:
            yield Key(*place, ALL, measure)
    for group in (*groups, ALL):
        for measure in MEASURES["missed"]:
            yield Key(ALL, ALL, group, ALL, measure)
    for theme, (rest, group) in THEMES.items():
        for part, measure in product((theme, rest), SHOWN):
            yield Key(ALL, ALL, group, part, measure)
    for band in BANDS:
        yield Key(ALL, ALL, ALL, band, "recorded")


def build_system(counted: dict[Key, int]) -> System:
    """The counts with all sums that hold among them."""
    place = {key: at for at, key in enumerate(counted)}
    sums = [[place[total], *(place[part] for part in parts)] for total, parts in _sums(counted)]
    row = np.repeat(np.arange(len(sums)), [len(some) for some in sums])
    column = np.array([at for some in sums for at in some])
    sign = np.concatenate([[-1] + [1] * (len(some) - 1) for some in sums])
    values = np.array(list(counted.values()), np.int64)
    known = {part for _, part in _known_zeros(counted)}
    return System(
        values,
        csr_matrix((sign, (row, column)), shape=(len(sums), len(values))),
        np.array([key.part.startswith("not_") for key in counted]),
        np.array([_is_apart(key) and key not in known for key in counted]),
        np.array([_cost(key, value) for key, value in counted.items()]),
    )


def _sums(counted: dict[Key, int]) -> Iterator[tuple[Key, list[Key]]]:
    """Each total with its parts, once for each way to add it up."""
    lines: dict[tuple[str, Key], list[Key]] = defaultdict(list)
    for key in counted:
        for dimension in DIMENSIONS:
            if getattr(key, dimension) != ALL:
                lines[dimension, replace(key, **{dimension: ALL})].append(key)
        for total, parts in MEASURES.items():
            if key.measure in parts:
                lines["measure", replace(key, measure=total)].append(key)
        if key.part in BANDS:
            lines["band", replace(key, part=ALL)].append(key)
        for theme, (rest, _) in THEMES.items():
            if key.part in (theme, rest):
                lines[theme, replace(key, part=ALL)].append(key)
    return ((total, parts) for (_, total), parts in lines.items() if total in counted)


def _is_apart(key: Key) -> bool:
    """Whether it stands in so few sums that a null is known to be small: it must not tell from 0.

    A count of a month and a district may as well be withheld for one beside it, that of N100 only
    for itself; and of 5 rapes, of which the recorded and the missed are withheld, both would be
    known to be from 1 to 4, as 5 and 0 would be shown.
    """
    return key.part != ALL or key.measure in MEASURES["missed"]


def _known_zeros(counted: dict[Key, int]) -> Iterator[tuple[Key, Key]]:
    """Totals of 0 that may be shown, each with a part of which 0 would not be: it is known."""
    for total, parts in _sums(counted):
        if not counted[total] and not _is_apart(total):
            yield from ((total, part) for part in parts if _is_apart(part))


def _cost(key: Key, value: int) -> float:
    level = sum(getattr(key, dimension) == ALL for dimension in DIMENSIONS)
    return float(LEVEL_COST[level] * MEASURE_COST.get(key.measure, 1.0) * np.log2(2 + value))
