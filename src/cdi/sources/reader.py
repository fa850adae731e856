"""What each kind of live source can be asked, and how a window of days is read from it whole.

A live source is a database or an API whose rows may change at any time. There is no watermark and
no cursor: each run reads a window of days whole, splits it into days, and lands the days whose
content changed. So rows that come late, change without a trace or go are no special cases.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from cdi.agency.interval import Interval
from cdi.errors import SourceError
from cdi.sql import connect, ident, literal

READINGS = 3  # so often is a window read that changes while it is read
_SPOOL = "spool.parquet"


class SourceBusyError(SourceError):
    """A source did not stand still, or did not answer; later it may."""


@dataclass(frozen=True)
class State:
    """What a source says of itself.

    Attributes:
        mark: Differs if the content may have changed. It is blank where a transaction already
            sees one state alone.
        now: The source's own clock (UTC), which tells when the content was true.
    """

    mark: str
    now: datetime


class Reader(Protocol):
    """The four questions that a source answers while it is open."""

    def columns(self) -> Mapping[str, pa.DataType]:
        """Names and types of all columns that the source has; no values are read."""

    def version(self) -> State:
        """What the source says of itself."""

    def count(self, window: Interval) -> int:
        """How many rows of the window the source itself counts."""

    def rows(self, window: Interval, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of the window, in any order, with these columns alone."""


Open = Callable[[], AbstractContextManager[Reader]]


@dataclass(frozen=True)
class Window:
    """Which rows are read, and by which column they belong to a day.

    Attributes:
        interval: Start and end; local midnights of the agency.
        moment: The column that says from which day a row is.
        timezone: The agency's zone, in which days begin and in which a time without a zone is.
    """

    interval: Interval
    moment: str
    timezone: str


@dataclass(frozen=True)
class Spool:
    """A window as it was read: typed rows in one Parquet file.

    Attributes:
        file: The Parquet file.
        now: The source's own clock when it was read.
        row_count: Number of rows.
        unexpected: Columns of the source that were not asked for.
    """

    file: Path
    now: datetime
    row_count: int
    unexpected: tuple[str, ...]


def spool_window(
    name: str, open_source: Open, window: Window, columns: Sequence[str], folder: Path
) -> Spool:
    """Read a window whole into one file, and prove that it is whole.

    The source's own count before and after must be that of the rows that came, and its version the
    same. Otherwise the window is read again.

    Args:
        name: What is read, for errors.
        open_source: Opens the source; where it has transactions, in a new one.
        window: Which rows.
        columns: Names of the columns that are needed, the moment among them.
        folder: An existing folder for the file.

    Raises:
        SourceError: SRC-COLUMNS if the source lacks a column.
        SourceBusyError: SRC-MOVED if the source changed each time while it was read.
    """
    for _ in range(READINGS):
        with open_source() as source:
            present = source.columns()
            _check_columns(name, present, columns)
            before, count_before = source.version(), source.count(window.interval)
            file = folder / _SPOOL
            row_count = _write_rows(source.rows(window.interval, columns), file)
            count_after, after = source.count(window.interval), source.version()
        if (count_before, before.mark) == (row_count, after.mark) and count_after == row_count:
            unexpected = tuple(column for column in present if column not in columns)
            return Spool(file, before.now, row_count, unexpected)
    raise SourceBusyError(
        "SRC-MOVED",
        f"{name} changed while it was read, {READINGS} times in turn: the source counted "
        f"{count_before:,} rows before and {count_after:,} after, and {row_count:,} came",
        "run it again when the source is quieter; nothing of it was taken",
    )


def _check_columns(name: str, present: Mapping[str, pa.DataType], wanted: Sequence[str]) -> None:
    missing = [column for column in wanted if column not in present]
    if missing:
        raise SourceError(
            "SRC-COLUMNS",
            f"{name} has no column {', '.join(missing)}; it has {', '.join(present)}",
            "correct sources.*.columns in agency.yaml, or have the source's view restored",
        )


def _write_rows(batches: Iterator[pa.RecordBatch], file: Path) -> int:
    """Write batches to a Parquet file as they come; returns the number of rows."""
    count = 0
    writer: pq.ParquetWriter | None = None
    try:
        for batch in batches:
            writer = writer or pq.ParquetWriter(file, batch.schema, compression="zstd")
            writer.write_batch(batch)
            count += batch.num_rows
    finally:
        if writer:
            writer.close()
    return count


@dataclass(frozen=True)
class Day:
    """A local day of a window.

    Attributes:
        day: The day.
        row_count: Number of its rows.
        mark: Differs if a row of the day differs; None for a day without rows.
    """

    day: date
    row_count: int
    mark: str | None


def list_days(spool: Spool, window: Window, days: Sequence[date], key: bytes) -> list[Day]:
    """Count the rows of each day of a window, and mark their content.

    Args:
        spool: The window as it was read.
        window: Tells by which column a row belongs to a day.
        days: The days of the window.
        key: The agency's key for marks. Without it, a mark of a day with few rows would give away
            what stands in them to who can guess it.
    """
    if not spool.row_count:
        return [Day(day, 0, None) for day in days]
    with connect() as con:
        described = con.execute("describe from read_parquet(?)", [str(spool.file)]).fetchall()
        texts = " || ".join(
            f"coalesce(length({text}) || ':' || {text}, '-')"
            for name, *_ in described
            for text in [f"cast({ident(name)} as varchar)"]
        )
        found = con.execute(
            f"select {day_expression(con, spool, window)} as day, count(*), "
            f"cast(sum(cast(md5_number_lower($key || {texts}) as hugeint)) as varchar) "
            "from read_parquet($file) group by day",
            {"key": key.hex(), "file": str(spool.file)},
        ).fetchall()
    by_day = {day: (count, mark) for day, count, mark in found}
    return [Day(day, *by_day.get(day, (0, None))) for day in days]


def day_expression(con: duckdb.DuckDBPyConnection, spool: Spool, window: Window) -> str:
    """SQL for the local day of a row; a moment is turned into the agency's time first."""
    kinds = {
        name: kind
        for name, kind, *_ in con.execute(
            "describe from read_parquet(?)", [str(spool.file)]
        ).fetchall()
    }
    moment = ident(window.moment)
    if kinds[window.moment] == "TIMESTAMP WITH TIME ZONE":
        moment = f"timezone({literal(window.timezone)}, {moment})"
    return f"cast({moment} as date)"
