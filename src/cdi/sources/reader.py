"""What each kind of live source can be asked, and how a window of days is read from it whole.

A live source is a database or an API whose rows may change at any time. There is no watermark and
no cursor: each run reads a window of days whole, splits it into days, and lands the days whose
content changed. So rows that come late, change without a trace or go are no special cases.
"""

import contextlib
import hmac
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cdi.agency.interval import Interval
from cdi.errors import BusyError, SourceError
from cdi.sql import connect, ident, literal, scalar

READINGS = 3  # so often is a window read that changes while it is read
ROWS_AT_ONCE = 20_000  # so many rows with their texts fit into a few megabytes
# The column in which a source that answers in pages gives its own id of each row. No row may come
# twice; the ids are no part of the spool, as a full replacement makes them anew.
ROW_ID = ":row_id"
_SORT_MEMORY = "256MB"
_SPOOL = "spool.parquet"
_ROW_IDS = "row_ids.parquet"


class SourceBusyError(SourceError, BusyError):
    """A source did not stand still, or did not answer; a later try may succeed."""


@dataclass(frozen=True)
class State:
    """What a source says of itself.

    Attributes:
        mark: Differs if the content may have changed. It is blank where a transaction already
            sees one state alone.
        now: The source's own clock (UTC), which tells when the content was true.
        warning: What its owner should mend, such as a login that may write; mostly blank.
    """

    mark: str
    now: datetime
    warning: str = ""


class Reader(Protocol):
    """The questions that a source answers while it is open.

    A source that was opened without the name of its moment gives all rows, whatever the window.
    """

    def columns(self) -> Mapping[str, pa.DataType]:
        """Names and types of all columns that the source has; no values are read."""

    def version(self) -> State:
        """What the source says of itself."""

    def count(self, window: Interval) -> int:
        """How many rows of the window the source itself counts."""

    def count_undated(self) -> int | None:
        """How many rows lack the time that says from which day they are; no window holds them.

        None if the source cannot be asked for them.
        """

    def rows(self, window: Interval, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of the window, in any order, with these columns alone, and `ROW_ID` if any."""


Open = Callable[[], AbstractContextManager[Reader]]


@dataclass(frozen=True)
class Window:
    """Which rows are read, and by which column they belong to a day.

    Attributes:
        interval: Start and end; local midnights of the agency.
        moment: The column that says from which day a row is. None means all rows, in one piece,
            whatever the interval.
        timezone: The agency's zone, in which days begin and in which a time without a zone is.
    """

    interval: Interval
    moment: str | None
    timezone: str


@dataclass(frozen=True)
class Spool:
    """A window as it was read: typed rows in one Parquet file.

    Attributes:
        file: The Parquet file.
        now: The source's own clock when it was read.
        row_count: Number of rows.
        undated: Number of rows that no window holds, as they have no time.
        unexpected: Columns of the source that were not asked for.
        warning: What the source's owner should mend; mostly blank.
    """

    file: Path
    now: datetime
    row_count: int
    undated: int
    unexpected: tuple[str, ...]
    warning: str


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
        SourceError: SRC-COLUMNS if the source lacks a column, SRC-MOMENT if the moment is no time,
            SRC-WINDOW if the source gives rows of other days, SRC-TWICE if it gives a row twice,
            SRC-FORMAT if a text is not UTF-8.
        SourceBusyError: SRC-MOVED if the source changed each time while it was read.
    """
    for _ in range(READINGS):
        with open_source() as source:
            present = source.columns()
            _check_columns(name, present, columns)
            _check_moment(name, present, window)
            undated = source.count_undated() if window.moment else None
            before, count_before = source.version(), source.count(window.interval)
            batches = source.rows(window.interval, columns)
            schema = pa.schema([(column, present[column]) for column in columns])
            row_count = _write_rows(name, batches, folder, schema, count_before)
            count_after, after = source.count(window.interval), source.version()
        stood_still = (count_before, before.mark) == (count_after, after.mark)
        repeated = _count_repeated(folder / _ROW_IDS)
        if stood_still and row_count == count_before and not repeated:
            unexpected = tuple(column for column in present if column not in columns)
            spool = Spool(
                folder / _SPOOL, before.now, row_count, undated or 0, unexpected, before.warning
            )
            _check_window(name, spool, window)
            return spool
    if stood_still and repeated:
        raise SourceError(
            "SRC-TWICE",
            f"{name} gave {repeated:,} of {row_count:,} rows twice, {READINGS} times in turn, "
            "though it did not change; as many others may be missing",
            "ask the portal's owner for an order of the rows; nothing of it was taken",
        )
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


def _check_moment(name: str, present: Mapping[str, pa.DataType], window: Window) -> None:
    if window.moment is None:
        return
    kind = present[window.moment]
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise SourceError(
            "SRC-MOMENT",
            f"{name}: {window.moment} is a {kind} in the source and no time, so the rows of some "
            "days cannot be asked for",
            "map a column with times, or have the column's type corrected",
        )


def _check_window(name: str, spool: Spool, window: Window) -> None:
    """Refuse rows of other days: a source that takes the bounds in another zone gives such."""
    if window.moment is None or not spool.row_count:
        return
    bounds = [window.interval.start, window.interval.end]
    kind = pq.read_schema(spool.file).field(window.moment).type
    if not (pa.types.is_timestamp(kind) and kind.tz):
        zone = ZoneInfo(window.timezone)
        bounds = [bound.astimezone(zone).replace(tzinfo=None) for bound in bounds]
    moment = ident(window.moment)
    with connect() as con:
        outside = scalar(
            con,
            "select count(*) from read_parquet(?) "
            f"where ({moment} >= ? and {moment} < ?) is not true",
            [str(spool.file), *bounds],
        )
    if outside:
        raise SourceError(
            "SRC-WINDOW",
            f"{name}: {outside:,} of {spool.row_count:,} rows are outside the window asked for, "
            f"by their {window.moment}",
            "check in which zone the source has its times; nothing of it was taken",
        )


def _write_rows(
    name: str, batches: Iterator[pa.RecordBatch], folder: Path, schema: pa.Schema, expected: int
) -> int:
    """Write batches to a Parquet file as they come, and the rows' ids to another one.

    It ends as soon as more rows come than are expected, since they might never end.

    Args:
        name: What is read, for errors.
        batches: The batches. The first tells the types, and may be empty.
        folder: The folder of the files.
        schema: The types if no batch comes at all.
        expected: How many rows the source counts.

    Returns:
        The number of rows.
    """
    count = 0
    for file in (_SPOOL, _ROW_IDS):
        (folder / file).unlink(missing_ok=True)  # of the reading before
    writers: dict[str, pq.ParquetWriter] = {}
    with contextlib.ExitStack() as stack:
        for batch in itertools.chain(batches, [_no_rows(schema)]):
            names = {
                _SPOOL: [column for column in batch.schema.names if column != ROW_ID],
                _ROW_IDS: [column for column in batch.schema.names if column == ROW_ID],
            }
            for file in [file for file in names if names[file] and file not in writers]:
                kinds = batch.select(names[file]).schema
                writer = pq.ParquetWriter(folder / file, kinds, compression="zstd")
                writers[file] = stack.enter_context(writer)
            _check_texts(name, batch)
            if batch.num_rows:
                for file, writer in writers.items():
                    writer.write_batch(batch.select(names[file]))
            count += batch.num_rows
            if count > expected:
                break
    return count


def _check_texts(name: str, batch: pa.RecordBatch) -> None:
    """Refuse text that is not UTF-8: a database of no encoding gives bytes as they are."""
    for column in batch.schema.names:
        try:
            batch.column(column).validate(full=True)
        except pa.ArrowInvalid:  # its message is not shown, as it may quote the value
            raise SourceError(
                "SRC-FORMAT",
                f"{name}: {column} has a value that is not UTF-8",
                "have a view convert the column from the encoding in which it was written",
            ) from None


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema)


def _count_repeated(file: Path) -> int:
    """How many rows came that had come before; none if the source has no ids of rows."""
    if not file.exists():
        return 0
    with connect() as con:
        query = f"select count(*) - count(distinct {ident(ROW_ID)}) from read_parquet(?)"
        return int(scalar(con, query, [str(file)]))


@dataclass(frozen=True)
class Day:
    """A local day of a window.

    Attributes:
        name: The day, such as ``2026-03-01``; `all` if all rows were read in one piece.
        row_count: Number of its rows.
        mark: Differs if a row of the day differs.
    """

    name: str
    row_count: int
    mark: str


WHOLE = "all"


def list_days(spool: Spool, window: Window, days: Sequence[date], key: bytes) -> list[Day]:
    """Count the rows of each day of a window, and mark their content.

    Args:
        spool: The window as it was read.
        window: Tells by which column a row belongs to a day.
        days: The days of the window; none if all rows were read in one piece.
        key: The agency's key for marks. Without it, a mark of a day with few rows would give away
            what stands in them to who can guess it.

    Returns:
        A day for each, also if it has no rows. The marks do not depend on the order of rows.
    """
    names = [str(day) for day in days] if window.moment else [WHOLE]
    found: dict[str, tuple[int, str]] = {}
    if spool.row_count:
        with connect() as con:
            described = con.execute("describe from read_parquet(?)", [str(spool.file)]).fetchall()
            texts = " || ".join(
                f"coalesce(length({text}) || ':' || {text}, '-')"
                for name, *_ in described
                for text in [f"cast({ident(name)} as varchar)"]
            )
            rows = con.execute(
                f"select cast({_day_expression(con, spool, window)} as varchar), count(*), "
                f"cast(sum(cast(md5_number_lower($key || {texts}) as hugeint)) as varchar) "
                "from read_parquet($file) group by 1",
                {"key": key.hex(), "file": str(spool.file)},
            ).fetchall()
        found = {name: (count, total) for name, count, total in rows}
    listed = []
    for name in names:
        count, total = found.get(name, (0, ""))
        mark = hmac.digest(key, f"{count} {total}".encode(), "sha256").hex()
        listed.append(Day(name, count, mark))
    return listed


def split_days(spool: Spool, window: Window, names: Collection[str], folder: Path) -> list[Path]:
    """Write the rows of some days of a window to a Parquet file for each day.

    The rows of a file stand in the order of their content, so that a second reading of the same
    rows gives the same file.

    Args:
        spool: The window as it was read.
        window: Tells by which column a row belongs to a day.
        names: The days, as `list_days` names them.
        folder: An empty folder for the files.

    Returns:
        The files, in the order of the names.
    """
    files = {name: folder / f"{name}.parquet" for name in names}
    with connect() as con:
        # rows with long texts are sorted; what does not fit is put beside the files
        con.execute(
            f"set memory_limit = '{_SORT_MEMORY}'; set temp_directory = {literal(str(folder))}"
        )
        rows: pa.RecordBatchReader = con.sql(
            f"select cast({_day_expression(con, spool, window)} as varchar) as _day, * "
            "from read_parquet($file) where _day in (select unnest($names)) order by all",
            params={"file": str(spool.file), "names": list(names)},
        ).to_arrow_reader(ROWS_AT_ONCE)
        schema = rows.schema.remove(0)
        # ordered by day, so that one file is open at a time
        for name, pieces in itertools.groupby(_cut_at_days(rows), key=lambda piece: piece[0]):
            with pq.ParquetWriter(files[name], schema, compression="zstd") as writer:
                for _, rows_of_day in pieces:
                    writer.write_batch(rows_of_day)
    for file in files.values():
        if not file.exists():
            pq.write_table(schema.empty_table(), file)
    return list(files.values())


def _cut_at_days(rows: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Cut batches whose first column is a day where the day changes, and give the day of each."""
    for batch in rows:
        starts = [0, *(pc.index_in(pc.unique(batch[0]), batch[0]).to_pylist()[1:]), len(batch)]
        for start, end in itertools.pairwise(starts):
            piece = batch.slice(start, end - start)
            yield piece[0][0].as_py(), piece.remove_column(0)


def _day_expression(con: duckdb.DuckDBPyConnection, spool: Spool, window: Window) -> str:
    """SQL for the local day of a row; a moment is turned into the agency's time first."""
    if window.moment is None:
        return literal(WHOLE)
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
