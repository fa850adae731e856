"""Reads a window of days whole into one file, and proves that it is whole.

All checks stand here, above the kinds of sources: the source counts as many rows as came, before
and after; nothing moved meanwhile; no row came twice; all rows are of the window.
"""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from cdi.errors import SourceError
from cdi.scratch import open_scratch_database
from cdi.sources.reader import ROW_ID, Open, SourceBusyError, Window
from cdi.sql import ident, scalar

READINGS = 3  # so often is a window read that changes while it is read
_SPOOL = "spool.parquet"
_ROW_IDS = "row_ids.parquet"


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
    with open_scratch_database() as con:
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
    with open_scratch_database() as con:
        query = f"select count(*) - count(distinct {ident(ROW_ID)}) from read_parquet(?)"
        return int(scalar(con, query, [str(file)]))
