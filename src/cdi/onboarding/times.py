"""Whether the values of a column are times, and in which strptime formats they stand."""

from dataclasses import dataclass
from datetime import datetime

import duckdb

from cdi.agency.mapping import has_offset
from cdi.landing.values import parsed_expression
from cdi.onboarding.rules import read_rules
from cdi.sql import Params

# A year outside of these is a date read in a wrong format: %Y reads the year 22 from 1/2/22.
_FIRST_YEAR, _LAST_YEAR = 1900, 2100
# Of one value in a hundred it may be a typing error; that many are told and not hidden.
LEAST_SHARE = 0.99
# Formats that read none of so many values are not tried on all of them.
_TRIED_VALUES = 1000
# "No time" is often typed as the first day of the century or of Unix; no call came then.
_SENTINEL_BEFORE = datetime(1971, 1, 1)
# A source's own dates and times, as text: nineteen characters go as far as the second.
_TYPED = "try_cast(left(value, 19) as timestamp)"
# First and last time of a column, and the shares of sentinels and of values at midnight.
Span = tuple[datetime | None, datetime | None, float, float]


@dataclass(frozen=True)
class TimeReading:
    """How the times of a column are read.

    Attributes:
        formats: The strptime formats, in the order in which they are tried; none for typed times.
        share: The share of values that they read.
        other_order: The counterpart of one of the formats, with day and month exchanged, that reads
            as many values; blank if the order is known.
        problem: Why agency.yaml cannot read the column; blank if it can.
        least: The least time that is no sentinel.
        greatest: The greatest time.
        sentinel_share: The share of values before 1971, which stand for "none".
        midnight_share: The share of values at midnight; if it is all, the time of day is missing.
    """

    formats: tuple[str, ...]
    share: float
    other_order: str = ""
    problem: str = ""
    least: datetime | None = None
    greatest: datetime | None = None
    sentinel_share: float = 0.0
    midnight_share: float = 0.0

    @property
    def uncertain_format(self) -> str:
        """The one of `formats` that has `other_order` as its counterpart; blank if none has."""
        return _read_other_orders().get(self.other_order, "")

    @property
    def is_readable(self) -> bool:
        """Whether all is known that agency.yaml needs."""
        return not self.problem and not self.other_order and self.share >= LEAST_SHARE


def read_times(
    con: duckdb.DuckDBPyConnection,
    name: str,
    kind: str,
    shape: str,
    is_day_first: bool | None,
) -> TimeReading | None:
    """Find the formats of a column of the table ``cells``.

    Args:
        con: DuckDB connection.
        name: The column.
        kind: The source's own type; times that are typed as such need no format.
        shape: The most frequent shape of its values.
        is_day_first: Whether the day stands before the month where the values do not tell it; None
            if nobody knows.

    Returns:
        How its times are read; None if they are no times.
    """
    if kind.startswith(("DATE", "TIMESTAMP")):
        return _read_typed_times(con, name)
    if _are_epochs(con, name, shape):
        return TimeReading(("epoch_ms",), 1.0, "", "", *_find_span(con, name, ("epoch_ms",)))
    digits = shape.count("9")
    if digits < 4 or (len(shape) - digits < 2 and digits != 14):
        return None
    shares = _share_read_by_format(con, name)
    if not shares or max(shares.values()) < 0.5:
        return None
    best = max(shares.values())
    chosen = [form for form, share in shares.items() if share == best]
    other_order = _find_other_order(chosen)
    if other_order and is_day_first is not None:
        chosen = [form for form in (chosen[0], other_order) if _has_day_first(form) == is_day_first]
        other_order = ""
    formats, share, second_other = _add_second_format(con, name, chosen[0], shares, is_day_first)
    other_order = other_order or second_other
    return TimeReading(formats, share, other_order, "", *_find_span(con, name, formats))


def _read_typed_times(con: duckdb.DuckDBPyConnection, name: str) -> TimeReading:
    """Read what a source types as dates or times: no format is needed, but the day may be all."""
    return TimeReading((), 1.0, "", "", *_measure_span(con, name, _TYPED, Params()))


def _are_epochs(con: duckdb.DuckDBPyConnection, name: str, shape: str) -> bool:
    """Whether the values are milliseconds since 1970 within the last decades.

    Seconds are not told by the values alone: ten digits may be a telephone's number.
    """
    if shape != "9" * 13:
        return False
    row = con.execute(
        "select min(try_cast(value as bigint)), max(try_cast(value as bigint)) from cells "
        "where name = $name",
        {"name": name},
    ).fetchone()
    least, greatest = row or (None, None)
    # 2 September 2001 to 18 May 2033: a serial with the year in front is outside, from 2034 on
    return least is not None and least >= 10**12 and greatest < 2 * 10**12


def _readable(form: str, bound: Params) -> str:
    """SQL for a value as a local time, or null if the format does not read it."""
    value = "regexp_replace(value, 'Z$', '+00')" if has_offset(form) else "value"
    time = f"cast({parsed_expression(value, [form], bound)} as timestamp)"
    return f"case when year({time}) between {_FIRST_YEAR} and {_LAST_YEAR} then {time} end"


def _share_read(
    con: duckdb.DuckDBPyConnection,
    name: str,
    choices: list[tuple[str, ...]],
    most_values: int | None = None,
) -> dict[tuple[str, ...], float]:
    """Measure which share of a column's cells each choice of formats reads; none read is left out.

    Each value is read once, as many as its cells are.
    """
    bound = Params()
    shares = ", ".join(
        f"sum(cells) filter (where coalesce({', '.join(_readable(f, bound) for f in choice)}) "
        "is not null) / sum(cells)"
        for choice in choices
    )
    row = con.execute(
        f"select {shares} from (select value, count(*) as cells from cells "
        f"where name = {bound.bind(name)} group by value order by hash(value) "
        f"limit {bound.bind(most_values)})",
        bound.values,
    ).fetchone()
    return {choice: share for choice, share in zip(choices, row or (), strict=False) if share}


def _share_read_by_format(con: duckdb.DuckDBPyConnection, name: str) -> dict[str, float]:
    others = _read_other_orders()
    tried = _share_read(con, name, [(form,) for form in others], _TRIED_VALUES)
    hopeful = [form for form in others if (form,) in tried or (others[form],) in tried]
    if not hopeful:
        return {}
    shares = _share_read(con, name, [(form,) for form in hopeful])
    return {form: share for (form,), share in shares.items()}


def _add_second_format(
    con: duckdb.DuckDBPyConnection,
    name: str,
    first: str,
    shares: dict[str, float],
    is_day_first: bool | None,
) -> tuple[tuple[str, ...], float, str]:
    """Add the format that reads most of what the first does not, if there is one.

    Returns:
        The formats, the share of values that they read, and the format that reads as much as the
        second, with day and month exchanged; blank if the order is known.
    """
    if shares[first] == 1:
        return (first,), 1.0, ""
    others = _read_other_orders()
    fitting = [
        form
        for form in shares
        # one column has one order
        if not (others[first] and others[form]) or _has_day_first(form) == _has_day_first(first)
    ]
    together = _share_read(con, name, [(first,), *((first, form) for form in fitting)])
    best = max(
        together,
        key=lambda choice: (
            together[choice],
            -len(set(choice)),
            others[choice[-1]] != "" and _has_day_first(choice[-1]) == is_day_first,
        ),
    )
    other_order = others[best[-1]]
    if is_day_first is not None or together.get((first, other_order)) != together[best]:
        other_order = ""
    # %Y reads a year of two digits too, as one of the first century, so %y must be tried before.
    return tuple(sorted(best, key=lambda form: "%Y" in form)), together[best], other_order


def _find_other_order(chosen: list[str]) -> str:
    """Find the format that reads as much as the first, with day and month exchanged."""
    other = _read_other_orders()[chosen[0]]
    return other if other in chosen[1:] else ""


def _read_other_orders() -> dict[str, str]:
    """Read each format's counterpart with day and month exchanged; blank if it has none."""
    return {rule["format"]: rule["other_order"] for rule in read_rules("time_formats")}


def _has_day_first(form: str) -> bool:
    """Whether the day stands before the month in a format."""
    return form.index("%d") < form.index("%m")


def _find_span(con: duckdb.DuckDBPyConnection, name: str, formats: tuple[str, ...]) -> Span:
    bound = Params()
    time = f"coalesce({', '.join(_readable(form, bound) for form in formats)})"
    return _measure_span(con, name, time, bound)


def _measure_span(con: duckdb.DuckDBPyConnection, name: str, time: str, bound: Params) -> Span:
    """Measure the times of a column.

    Args:
        con: DuckDB connection.
        name: The column.
        time: SQL for a value of it as a time.
        bound: The parameters of that SQL; more are added.

    Returns:
        The first time that stands for one and the last, the share of those that stand for none,
        and the share of those at midnight.
    """
    before = bound.bind(_SENTINEL_BEFORE)
    row = con.execute(
        f"select min(time) filter (where time >= {before}), max(time), "
        f"count(*) filter (where time < {before}) / count(*), "
        "count(*) filter (where time = date_trunc('day', time)) / count(*) "
        f"from (select {time} as time from cells where name = {bound.bind(name)})",
        bound.values,
    ).fetchone()
    return row if row else (None, None, 0.0, 0.0)
