"""Splits what was read from a live source into local days, and marks the content of each."""

import hmac
import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cdi.sources.reader import ROWS_AT_ONCE, Window
from cdi.sources.spool import Spool
from cdi.sql import connect, ident, literal, parquet_types, scalar

WHOLE = "all"
_SORT_MEMORY = "256MB"


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
            texts = " || ".join(
                f"coalesce(length({text}) || ':' || {text}, '-')"
                for name in parquet_types(con, spool.file)
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


def find_newest_day(spool: Spool, window: Window, latest: date) -> date | None:
    """Find the newest local day that has rows.

    Args:
        spool: The window as it was read.
        window: Tells by which column a row belongs to a day.
        latest: Later days do not count: a mistyped year would hide that no more rows come.

    Returns:
        The day; None if no day has rows, or if no column with times says from which day they are.
    """
    if window.moment is None or not spool.row_count:
        return None
    kind = pq.read_schema(spool.file).field(window.moment).type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return None  # a snapshot's times may be texts, which the landing reads
    with connect() as con:
        day = _day_expression(con, spool, window)
        query = f"select max({day}) from read_parquet(?) where {day} <= ?"
        newest: date | None = scalar(con, query, [str(spool.file), latest])
    return newest


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
    moment = ident(window.moment)
    if parquet_types(con, spool.file)[window.moment] == "TIMESTAMP WITH TIME ZONE":
        moment = f"timezone({literal(window.timezone)}, {moment})"
    return f"cast({moment} as date)"
