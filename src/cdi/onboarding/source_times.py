"""Asks of a live source how many rows its days have, how fresh they are, and in which zone."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from cdi.agency.datasets import MOMENTS
from cdi.agency.interval import Interval
from cdi.agency.model import Agency
from cdi.onboarding.findings import Finding, count_rows, write_share
from cdi.onboarding.rules import SQL
from cdi.sources.fetch import choose_window
from cdi.sources.reader import Reader, State
from cdi.sql import Params, ident, read_query

SLOW_SECONDS = 10.0
QUIET_HOURS = range(3, 7)  # people sleep, whatever their country
_LEAST_ROWS = 240  # of fewer, the quietest hour is quiet by chance
_QUIET_SHARE = 0.75  # of the mean: else no hour is quiet, and the zone cannot be seen
_CLOCKS_APART = timedelta(minutes=10)  # so far may two right clocks of a source be apart


def check_counts(reader: Reader, agency: Agency, dataset: str, now: datetime) -> Iterator[Finding]:
    """Count the window that a run would read now, and yesterday, and say how long that took.

    Args:
        reader: The open source.
        agency: The agency.
        dataset: A dataset with `delivery: days`, whose moment is a time.
        now: The source's clock.
    """
    source = agency.sources[dataset]
    moment = str(source.moment(dataset))
    today = now.astimezone(agency.zone).date()
    yesterday = Interval.of_days(agency, today - timedelta(days=1), today)
    window = choose_window(agency, dataset, yesterday).interval
    row_count, seconds = _count(reader, window)
    last_count, last_seconds = _count(reader, yesterday)
    key = f"sources.{dataset}.days"
    yield Finding(
        "fine" if row_count else "look",
        key,
        f"a run would read {count_rows(row_count)} of {source.days} days, counted in "
        f"{seconds:.1f} s; yesterday has {last_count:,}, counted in {last_seconds:.1f} s",
        "" if row_count else f"see whether {moment} is the right column, or give more `days`",
    )
    if max(seconds, last_seconds) > SLOW_SECONDS:
        yield Finding(
            "look",
            key,
            f"counting takes more than {SLOW_SECONDS:.0f} s, and each run counts at least twice",
            f"ask the source's owner for an index on {moment}, or give fewer `days`",
        )
    yield _describe_undated(reader.count_undated(), _moment_key(agency, dataset), moment)


def _moment_key(agency: Agency, dataset: str) -> str:
    """The key of the column that says from which day a row is."""
    columns = agency.sources[dataset].columns
    name = next(name for name in MOMENTS[dataset] if name in columns)
    return f"sources.{dataset}.columns.{name}"


def _count(reader: Reader, window: Interval) -> tuple[int, float]:
    """The rows of a window, and how many seconds it took to count them."""
    start = time.monotonic()
    return reader.count(window), time.monotonic() - start


def _describe_undated(count: int | None, key: str, moment: str) -> Finding:
    if count is None:
        return Finding("look", key, f"the portal cannot tell how many rows have no {moment}")
    if not count:
        return Finding("fine", key, f"no row lacks a time in {moment}")
    return Finding(
        "look",
        key,
        f"{count_rows(count)} without a time in {moment}; no run reads them (FILE-25)",
        "have their times filled in, or map a column that is always filled",
    )


def check_times(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, spool: Path, state: State
) -> Iterator[Finding]:
    """Say how old the newest row is, which rows are later than the clock, and when it is quiet.

    Args:
        con: A DuckDB connection in memory; its table `moments` (row_no, moment) is made anew.
        agency: The agency.
        dataset: The dataset.
        spool: The newest rows, with the moment among their columns.
        state: What the source said of itself.
    """
    moment = str(agency.sources[dataset].moment(dataset))
    _make_moments(con, agency, moment, spool)
    clock = state.now.astimezone(agency.zone).replace(tzinfo=None)
    row = con.execute(
        "select count(moment), max(moment) filter (where moment <= $latest), "
        "count(moment) filter (where moment > $latest), max(moment) from moments",
        {"latest": clock + _CLOCKS_APART},
    ).fetchone()
    row_count, newest, later_count, latest = row or (0, None, 0, None)
    key = _moment_key(agency, dataset)
    yield _describe_age(agency, dataset, newest and clock - newest)
    if later_count:
        yield Finding(
            "look",
            key,
            f"{write_share(later_count, row_count)} of the rows read are later than the source's "
            f"clock, by up to {_describe_span(latest - clock)}: the zone may be wrong",
            f"correct `timezone` ({agency.timezone}), have the view give moments with their "
            "offset, or see `times` for ArcGIS",
        )
    if row_count:
        yield _describe_hours(con, agency, key, row_count)


def _make_moments(con: duckdb.DuckDBPyConnection, agency: Agency, moment: str, spool: Path) -> None:
    """Make the table `moments`: the number of each row, and its local time."""
    bound = Params()
    kind = pq.read_schema(spool).field(moment).type
    local = f"cast({ident(moment)} as timestamp)"
    if getattr(kind, "tz", None):
        local = f"timezone({bound.bind(agency.timezone)}, {ident(moment)})"
    con.execute(
        "create or replace temp table moments as "
        f"select row_number() over () as row_no, {local} as moment "
        f"from read_parquet({bound.bind(str(spool))})",
        bound.values,
    )


def _describe_age(agency: Agency, dataset: str, age: timedelta | None) -> Finding:
    source = agency.sources[dataset]
    key = f"sources.{dataset}.max_age_hours"
    if age is None:
        return Finding(
            "look",
            key,
            "no row read is older than the source's clock",
            "see whether the source is still filled, and whether its clock is right",
        )
    told = f"the newest row is {_describe_span(age)} older than the source's clock"
    if not source.is_too_old(age):
        return Finding("fine", key, told)
    return Finding(
        "look",
        key,
        f"{told}, and {source.max_age_hours} hours are allowed",
        "ask whether the source is still filled; if it is published late, give more hours",
    )


def _describe_span(span: timedelta) -> str:
    """A length of time in words: minutes, hours, or days from two on."""
    minutes = max(0, round(span.total_seconds() / 60))
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


def _describe_hours(
    con: duckdb.DuckDBPyConnection, agency: Agency, key: str, row_count: int
) -> Finding:
    """Say which hour of the day is the quietest; the hours beside it count too."""
    rows = con.execute(read_query(SQL / "hours.sql")).fetchall()
    counts = {hour: count for hour, count, _ in rows}
    if all(is_midnight for *_, is_midnight in rows):
        return Finding("look", key, "all times are midnight, so the time of day is missing")
    if row_count < _LEAST_ROWS:
        return Finding(
            "fine", key, f"{count_rows(row_count)} are too few to tell the quietest hour of a day"
        )
    quiet = {hour: sum(counts[(hour + step) % 24] for step in (-1, 0, 1)) for hour in counts}
    least = [hour for hour in quiet if quiet[hour] == min(quiet.values())]
    if min(quiet.values()) > _QUIET_SHARE * sum(quiet.values()) / len(quiet):
        return Finding("fine", key, "no hour of the day is quiet, so the zone cannot be seen")
    hour = next((hour for hour in least if hour in QUIET_HOURS), least[0])
    told = f"the quietest hour of the day begins at {hour:02}:00 in {agency.timezone}"
    if hour in QUIET_HOURS:
        return Finding("fine", "timezone", told)
    return Finding(
        "look",
        "timezone",
        f"{told}, and not between 3 and 7: the zone may be wrong",
        "correct `timezone`, or ask in which zone the source has its times",
    )
