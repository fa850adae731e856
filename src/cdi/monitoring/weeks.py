"""The mart of weeks: the rate of each when its records are in, and a chart of the mature weeks.

The crimes of a week are counted net, by age in weeks. A record counts from the week in which it was
made until it is wrongly cancelled; a crime that is rightly cancelled is due until then. So there
are two triangles, one of recorded crimes and one of crimes due, and the chain ladder completes both
(see `cdi.monitoring.nowcast`). The rate of a week is the first divided by the second. Its limits
are those of the recorded crimes, since few cancellations will still change the crimes due.

Where the delays have changed, the weeks since then are not completed (see `cdi.monitoring.delays`).

The limits cover only the records that are still to come. They do not say how often codes, words and
links are wrong: only an audit can say that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cdi.monitoring.delays import DelayChange, delay_change
from cdi.monitoring.limits import laney_limits
from cdi.monitoring.nowcast import NOWCAST_LEVEL, Nowcast, chain_ladder

Floats = NDArray[np.float64]

TOGETHER = 8  # newest weeks that are estimated as one
LEAST_CHARTED = 8  # mature weeks needed for a chart
LEAST_HISTORY = 26  # weeks needed for a nowcast: delays longer than the history are not known
LEAST_RECORDED = 50  # crimes recorded in the newest weeks together, needed for a nowcast
MOST_UNTIMED = 0.01  # share of recorded crimes whose record may lack its time
# Newest weeks that delays are learnt from, as the usual delays change over time. As many weeks
# before a change are compared with those since.
DIAGONALS = 13
MOST_WEEKS = 104  # weeks that the mart shows

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
    "has_changed_delays": "BOOLEAN",
    "withheld_reason": "VARCHAR",
}


@dataclass(frozen=True)
class Weeks:
    """Weeks in order of time, with what is expected of them in the end.

    Attributes:
        recorded: Crimes that are recorded and not wrongly cancelled.
        due: Crimes that should be recorded.
        delay_change: Since when records come in sooner or later than before; None if they do not.
    """

    recorded: Nowcast
    due: Nowcast
    delay_change: DelayChange | None

    def rate(
        self, weeks: slice = slice(None), level: float = NOWCAST_LEVEL
    ) -> tuple[float, float, float]:
        """The rate that some weeks together will have in the end.

        Args:
            weeks: Which weeks.
            level: Of confidence.

        Returns:
            Rate, lower and upper limit, each 0 to 1; nan where no crime is due.
        """
        due = float(self.due.ultimate[weeks].sum())
        if due <= 0:
            return np.nan, np.nan, np.nan
        rate, low, high = (
            min(max(crimes / due, 0.0), 1.0) for crimes in self.recorded.limits(weeks, level)
        )
        return rate, low, high

    def so_far(self, weeks: slice = slice(None)) -> float:
        """The rate of some weeks as it stands now: crimes recorded by now over crimes due by now.

        Args:
            weeks: Which weeks.
        """
        due = float(self.due.so_far[weeks].sum())
        return float(self.recorded.so_far[weeks].sum()) / due if due > 0 else np.nan

    @property
    def doubt(self) -> str | None:
        """Why the delays cannot be learnt from these weeks; None if they can."""
        if len(self.due.so_far) < LEAST_HISTORY:
            return f"a forecast for the latest weeks needs {LEAST_HISTORY} weeks of data"
        if self.recorded.so_far[-TOGETHER:].sum() < LEAST_RECORDED:
            return (
                f"a forecast for the latest weeks needs {LEAST_RECORDED} recorded crimes in "
                f"{TOGETHER} weeks"
            )
        return None


def cumulative_triangle(
    week: NDArray[np.int64], age: NDArray[np.int64], change: Floats, weeks: int
) -> Floats:
    """Sum changes to a triangle of net counts.

    Args:
        week: Week of the report of each change's crimes, 0 to `weeks` - 1, oldest first.
        age: Weeks from the report to the change: 0 until the end of the week of the report.
        change: Number of crimes more, or fewer if negative.
        weeks: Number of weeks; the newest has been observed at age 0 only.

    Returns:
        Counts by week and age; not a number where the future begins.
    """
    ages = np.arange(weeks)
    is_seen = week + age < weeks
    counts = np.zeros((weeks, weeks))
    np.add.at(counts, (week[is_seen], age[is_seen]), change[is_seen])
    counts = counts.cumsum(axis=1)
    counts[ages[:, None] + ages[None, :] >= weeks] = np.nan
    return counts


def complete_weeks(recorded: Floats, due: Floats) -> Weeks:
    """Complete two triangles of the same weeks by the chain ladder.

    The delays are learnt from the newest weeks. Whether they have changed is looked for as far back
    as delays may reach: until then the longest ones are still those of the time before the change.

    Args:
        recorded: Net counts of recorded crimes, as from `cumulative_triangle`.
        due: Net counts of crimes that should be recorded.

    Raises:
        AuditError: NOWCAST-TRIANGLE if one of them is not a triangle.
    """
    return Weeks(
        chain_ladder(recorded, DIAGONALS),
        chain_ladder(due, DIAGONALS),
        delay_change(recorded, DIAGONALS, LEAST_HISTORY),
    )


def weekly_rates(changes: pa.Table, withheld_reason: str | None) -> list[dict[str, Any]]:
    """Work out the rows of the mart `weekly_rates`.

    Args:
        changes: Rows of the mart `recording_triangle`, in any order; each week has a row of age 0.
        withheld_reason: Why no rate may be shown (model `auditability`), or None.

    Returns:
        One row per universe and week, and one for the newest weeks together.
    """
    # By way of Python's lists: Arrow's own conversion imports pandas, which takes longer than all
    # the rest of this function.
    columns = {name: np.array(changes[name].to_pylist()) for name in changes.column_names}
    rows: list[dict[str, Any]] = []
    for universe in np.unique(columns["universe"]).tolist():
        is_in = columns["universe"] == universe
        for row in _rates_of_universe({name: column[is_in] for name, column in columns.items()}):
            kept = row if withheld_reason is None else _drop_rates(row)
            rows.append({"withheld_reason": withheld_reason} | kept | {"universe": universe})
    return [{name: row.get(name) for name in COLUMNS} for row in rows]


def _rates_of_universe(changes: dict[str, NDArray[Any]]) -> Iterator[dict[str, Any]]:
    """Yield the rows of one universe, the newest weeks together last."""
    reported_on = changes["reported_week_on"].astype("datetime64[D]")
    # Weeks older than the mart shows are left out of the triangle as well: delays are learnt from
    # the newest diagonals only, and hardly any record comes in two years after the report.
    days = np.unique(reported_on)[-MOST_WEEKS:]
    is_shown = reported_on >= days[0]
    week = np.searchsorted(days, reported_on[is_shown])
    age, recorded, due, untimed, is_mature = (
        changes[name][is_shown]
        for name in ("age_weeks", "recorded_change", "due_change", "untimed_count", "is_mature")
    )
    weeks = complete_weeks(
        cumulative_triangle(week, age, recorded.astype(float), len(days)),
        cumulative_triangle(week, age, due.astype(float), len(days)),
    )
    doubt = weeks.doubt
    if untimed.sum() > MOST_UNTIMED * recorded.sum():
        doubt = "no forecast for the latest weeks: the source does not say when records were made"
    # a week is not compared where there is no nowcast at all
    change = weeks.delay_change if doubt is None else None
    doubts = [doubt] * len(days)
    if change is not None:
        since = days[-change.origins].item()
        doubts[-change.origins :] = [_explain_change(change, since)] * change.origins
    has_changed = [None if doubt else doubt_of_week is not None for doubt_of_week in doubts]
    is_mature_week = np.zeros(len(days), bool)
    is_mature_week[week] = is_mature
    # weeks since a change are not judged either: by the old delays they would be completed wrongly
    is_charted = is_mature_week.copy()
    if change is not None:
        is_charted[-change.origins :] = False
    chart = _chart_weeks(weeks, is_charted)
    for place, day in enumerate(days.tolist()):
        row = _describe_weeks(weeks, place, 1, day, doubts[place])
        row |= {"is_mature": bool(is_mature_week[place]), "has_changed_delays": has_changed[place]}
        yield row | chart[place]
    if len(days) >= TOGETHER:
        first = len(days) - TOGETHER
        # a change reaches up to the newest week, which is one of these
        row = _describe_weeks(weeks, first, TOGETHER, days[first].item(), doubts[-1])
        yield row | {"is_mature": False, "has_changed_delays": has_changed[-1]}


def _explain_change(change: DelayChange, since: date) -> str:
    """Say why the weeks since a change of the delays are not completed."""
    pace = "sooner" if change.statistic < 0 else "later"
    return (
        "no forecast for the latest weeks: delays have changed, as records of crimes reported "
        f"since {since} come in {pace} than before; the weeks since then are not completed"
    )


def _describe_weeks(
    weeks: Weeks, first: int, count: int, day: date, doubt: str | None
) -> dict[str, Any]:
    """Describe some consecutive weeks together: counts, rate so far and nowcast."""
    chosen = slice(first, first + count)
    figures = dict.fromkeys(("nowcast_rate", "nowcast_low", "nowcast_high"), np.nan)
    if doubt is None:
        figures = dict(zip(figures, weeks.rate(chosen), strict=True))
    figures["rate_so_far"] = weeks.so_far(chosen)
    return {
        "reported_week_on": day,
        "week_count": count,
        "recorded_count": int(weeks.recorded.so_far[chosen].sum()),
        "due_count": int(weeks.due.so_far[chosen].sum()),
        **{name: None if np.isnan(value) else value for name, value in figures.items()},
        **({} if doubt is None else {"withheld_reason": doubt}),
    }


def _drop_rates(row: dict[str, Any]) -> dict[str, Any]:
    """Keep only the counts of a row, whose rates are withheld."""
    kept = ("reported_week_on", "week_count", "is_mature", "recorded_count", "due_count")
    return {name: row[name] for name in kept}


def _chart_weeks(weeks: Weeks, is_charted: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Work out Laney's limits, with one row per week.

    The row is empty for a week that is not to be charted or in which no crime was due, and for all
    weeks where there are too few for a chart.
    """
    rows: list[dict[str, Any]] = [{} for _ in is_charted]
    places = np.flatnonzero(is_charted & (weeks.due.ultimate > 0))
    n = weeks.due.ultimate[places]
    k = np.clip(weeks.recorded.ultimate[places], 0, n)
    # if all or no crimes were recorded, the binomial variance is 0 and there are no limits
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
