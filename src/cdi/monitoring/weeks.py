"""Weeks: the rate that each will have when its records are in, and a chart of the mature ones.

A week's crimes are counted net, by age in weeks: a record counts from when it was made until it is
wrongly cancelled; a crime that is rightly cancelled is due until then. So both what is recorded and
what is due have a triangle, and both are completed by the chain ladder (`nowcast`). The rate of a
week is the one over the other; its limits are those of what is recorded, as what is due is known
but for a few cancellations.

The limits are about records that are still to come and nothing else: they do not say how far codes,
words and links err. That takes an audit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cdi.audit.estimators import Floats
from cdi.monitoring.limits import laney_limits
from cdi.monitoring.nowcast import NOWCAST_LEVEL, Nowcast, chain_ladder

TOGETHER = 8  # newest weeks that are estimated as one
LEAST_CHARTED = 8  # weeks of a chart
LEAST_HISTORY = 26  # weeks; of longer delays nothing is known
LEAST_RECORDED = 50  # crimes in the newest weeks together
MOST_UNTIMED = 0.01  # of the recorded crimes
DIAGONALS = 13  # weeks from which the law of delays is learnt, as it may change
MOST_WEEKS = 104

COLUMNS = {
    "universe": "VARCHAR",
    "reported_week_on": "DATE",
    "week_count": "INTEGER",
    "is_mature": "BOOLEAN",
    "recorded_count": "BIGINT",
    "due_count": "BIGINT",
    "rate_so_far": "DOUBLE",
    "nowcast_rate": "DOUBLE",
    "nowcast_low": "DOUBLE",
    "nowcast_high": "DOUBLE",
    "chart_centre": "DOUBLE",
    "chart_low": "DOUBLE",
    "chart_high": "DOUBLE",
    "is_signal": "BOOLEAN",
    "withheld_reason": "VARCHAR",
}


@dataclass(frozen=True)
class Weeks:
    """Weeks in order of time, completed.

    Attributes:
        recorded: Crimes recorded and not wrongly cancelled.
        due: Crimes that should be recorded.
    """

    recorded: Nowcast
    due: Nowcast

    def rate(
        self, weeks: slice = slice(None), level: float = NOWCAST_LEVEL
    ) -> tuple[float, float, float]:
        """The rate that some weeks together will have; nan where nothing is due.

        Returns:
            Rate, lower and upper limit, each 0 to 1.
        """
        due = float(self.due.ultimate[weeks].sum())
        if due <= 0:
            return np.nan, np.nan, np.nan
        rate, low, high = (
            min(max(crimes / due, 0.0), 1.0) for crimes in self.recorded.limits(weeks, level)
        )
        return rate, low, high

    def so_far(self, weeks: slice = slice(None)) -> float:
        """The plain rate of some weeks: what is recorded now over what is due now."""
        due = float(self.due.so_far[weeks].sum())
        return float(self.recorded.so_far[weeks].sum()) / due if due > 0 else np.nan

    @property
    def doubt(self) -> str | None:
        """Why the delays cannot be learnt from these weeks; None if they can."""
        if len(self.due.so_far) < LEAST_HISTORY:
            return f"no nowcast: fewer than {LEAST_HISTORY} weeks, so later records are not known"
        if self.recorded.so_far[-TOGETHER:].sum() < LEAST_RECORDED:
            return f"no nowcast: fewer than {LEAST_RECORDED} crimes recorded in {TOGETHER} weeks"
        return None


def cumulative_triangle(
    week: NDArray[np.int64], age: NDArray[np.int64], change: Floats, weeks: int
) -> Floats:
    """A triangle of net counts.

    Args:
        week: Of each change, 0 to `weeks` - 1, oldest first.
        age: Weeks from then to the change: 0 until the end of the week of the report.
        change: Crimes more, or fewer.
        weeks: Number of weeks; the newest has been seen at age 0 only.

    Returns:
        By week and age; not a number where the future begins.
    """
    ages = np.arange(weeks)
    is_seen = week + age < weeks
    counts = np.zeros((weeks, weeks))
    np.add.at(counts, (week[is_seen], age[is_seen]), change[is_seen])
    counts = counts.cumsum(axis=1)
    counts[ages[:, None] + ages[None, :] >= weeks] = np.nan
    return counts


def complete_weeks(recorded: Floats, due: Floats, diagonals: int | None = DIAGONALS) -> Weeks:
    """Complete two triangles of the same weeks.

    Args:
        recorded: Net counts of crimes recorded, as from `cumulative_triangle`.
        due: Of crimes that should be recorded.
        diagonals: Learn delays from the newest weeks only: their law changes.

    Raises:
        AuditError: NOWCAST-TRIANGLE if a triangle is not one.
    """
    return Weeks(
        chain_ladder(recorded, diagonals), chain_ladder(due, diagonals)
    )  # fmt: skip


def weekly_rates(changes: pa.Table, withheld_reason: str | None) -> list[dict[str, Any]]:
    """The mart `weekly_rates`.

    Args:
        changes: The mart `recording_triangle`, in any order; each week has a row of age 0.
        withheld_reason: Why no rate is shown (`auditability`), or None.

    Returns:
        One row per universe and week, and one for the newest weeks together.
    """
    # by way of Python's lists: Arrow's own way imports pandas, which takes longer than all the rest
    columns = {name: np.array(changes[name].to_pylist()) for name in changes.column_names}
    rows: list[dict[str, Any]] = []
    for universe in np.unique(columns["universe"]).tolist():
        is_in = columns["universe"] == universe
        for row in _universe({name: column[is_in] for name, column in columns.items()}):
            shown = row if withheld_reason is None else _counts(row)
            rows.append({"withheld_reason": withheld_reason} | shown | {"universe": universe})
    return [{name: row.get(name) for name in COLUMNS} for row in rows]


def _universe(of: dict[str, NDArray[Any]]) -> Iterator[dict[str, Any]]:
    days = of["reported_week_on"].astype("datetime64[D]")
    shown = np.unique(days)[-MOST_WEEKS:]
    is_shown = days >= shown[0]
    week = np.searchsorted(shown, days[is_shown])
    age, recorded, due, untimed, is_mature = (
        of[name][is_shown]
        for name in ("age_weeks", "recorded_change", "due_change", "untimed_count", "is_mature")
    )
    weeks = complete_weeks(
        cumulative_triangle(week, age, recorded.astype(float), len(shown)),
        cumulative_triangle(week, age, due.astype(float), len(shown)),
    )
    doubt = weeks.doubt
    if untimed.sum() > MOST_UNTIMED * recorded.sum():
        doubt = "no nowcast: the source does not say when records were made"
    mature = np.zeros(len(shown), bool)
    mature[week] = is_mature
    chart = _chart(weeks, mature)
    for place, day in enumerate(shown.tolist()):
        yield _row(weeks, place, 1, day, doubt) | {"is_mature": bool(mature[place])} | chart[place]
    if len(shown) >= TOGETHER:
        first = len(shown) - TOGETHER
        yield _row(weeks, first, TOGETHER, shown[first].item(), doubt) | {"is_mature": False}


def _row(weeks: Weeks, first: int, count: int, day: date, doubt: str | None) -> dict[str, Any]:
    at = slice(first, first + count)
    figures = dict.fromkeys(("nowcast_rate", "nowcast_low", "nowcast_high"), np.nan)
    if doubt is None:
        figures = dict(zip(figures, weeks.rate(at), strict=True))
    figures["rate_so_far"] = weeks.so_far(at)
    return {
        "reported_week_on": day,
        "week_count": count,
        "recorded_count": int(weeks.recorded.so_far[at].sum()),
        "due_count": int(weeks.due.so_far[at].sum()),
        **{name: None if np.isnan(value) else value for name, value in figures.items()},
        **({} if doubt is None else {"withheld_reason": doubt}),
    }


def _counts(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose rates are withheld."""
    kept = ("reported_week_on", "week_count", "is_mature", "recorded_count", "due_count")
    return {name: row[name] for name in kept}


def _chart(weeks: Weeks, mature: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Laney's limits of each mature week in which something was due, where there are enough."""
    rows: list[dict[str, Any]] = [{} for _ in mature]
    places = np.flatnonzero(mature & (weeks.due.ultimate > 0))
    n = weeks.due.ultimate[places]
    k = np.clip(weeks.recorded.ultimate[places], 0, n)
    if len(places) < LEAST_CHARTED or not 0 < k.sum() < n.sum():
        return rows
    chart = laney_limits(k, n)
    rates = (k / n).tolist()
    limits = zip(chart.low.tolist(), chart.high.tolist(), strict=True)
    for place, rate, (low, high) in zip(places.tolist(), rates, limits, strict=True):
        rows[place] = {
            "chart_centre": chart.centre,
            "chart_low": low,
            "chart_high": high,
            "is_signal": not low <= rate <= high,
        }
    return rows
