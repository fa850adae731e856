"""What APIs that answer in pages share: pages by place, Arrow batches, bounds of a window."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from cdi.agency.interval import Interval
from cdi.errors import SourceError
from cdi.sources.reader import ROW_ID

PAGE_ROWS = 10_000  # some megabytes of JSON

Row = Mapping[str, Any]


def read_pages(
    name: str, ask: Callable[[Any, int], Sequence[Row]], id_column: str
) -> Iterator[Sequence[Row]]:
    """Read all pages, in the order of the rows' ids.

    Only an empty page is the end: a server may give fewer rows than it was asked for.

    Args:
        name: What is read, for errors.
        ask: Returns the page that follows a row; it gets the row's id, None at first, and how
            many rows came before.
        id_column: The column with the row's id.

    Raises:
        SourceError: SRC-ORDER if the same page comes again, SRC-HTTP if a row has no id.
    """
    last, count = None, 0
    while page := ask(last, count):
        if any(row.get(id_column) is None for row in page):
            raise SourceError(
                "SRC-HTTP",
                f"{name}: a row has no {id_column}",
                "have the portal's owner give each row an id of its own",
            )
        if page[-1][id_column] == last:
            raise SourceError(
                "SRC-ORDER",
                f"{name}: after {count:,} rows the same page came again, so the portal does not "
                f"know the order by {id_column}, or the place in it",
                "ask the portal's owner, or read the portal's files instead",
            )
        yield page
        last, count = page[-1][id_column], count + len(page)


def split(rows: Iterable[Row], size: int = PAGE_ROWS) -> Iterator[Sequence[Row]]:
    """Split rows that come one by one into pages.

    Args:
        rows: The rows.
        size: Number of rows of a page.
    """
    rows = iter(rows)
    while page := list(itertools.islice(rows, size)):
        yield page


def make_batch(
    name: str, rows: Sequence[Row], kinds: Mapping[str, pa.DataType], id_column: str | None = None
) -> pa.RecordBatch:
    """Make a typed batch of rows as JSON has them; a column that a row lacks is null.

    Args:
        name: What is read, for errors.
        rows: The rows.
        kinds: Type of each column that is wanted.
        id_column: The column with the row's own id, which is added as `ROW_ID`.

    Raises:
        SourceError: SRC-FORMAT if a value is not of its column's type.
    """
    arrays = {
        column: _make_array(name, column, [row.get(column) for row in rows], kind)
        for column, kind in kinds.items()
    }
    if id_column:
        arrays[ROW_ID] = pa.array([str(row[id_column]) for row in rows], pa.string())
    return pa.RecordBatch.from_pydict(arrays)


def _make_array(name: str, column: str, values: list[Any], kind: pa.DataType) -> pa.Array:
    try:
        if pa.types.is_temporal(kind):
            # a number is milliseconds since 1970, and a text is as ISO 8601 writes times
            if any(isinstance(value, int) for value in values):
                return pa.array(values, pa.int64()).cast(pa.timestamp("ms")).cast(kind)
            return pa.array(values, pa.string()).cast(kind)
        if pa.types.is_string(kind):
            values = [_write_text(value) for value in values]
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
        raise SourceError(  # without the value, which may be personal data
            "SRC-FORMAT",
            f"{name}: {column} has a value that is no {kind}, though the portal says so",
            "have the portal's owner correct the type of the column",
        ) from None


def _write_text(value: Any) -> str | None:
    """Write a value as text; half a character, as where a text was cut, is kept escaped."""
    if value is None:
        return None
    text = (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    )
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def find_bounds(window: Interval, kind: pa.DataType, timezone: str) -> tuple[datetime, datetime]:
    """Start and end of a window as a column has its times.

    Args:
        window: The window.
        kind: Type of the column.
        timezone: The agency's zone, in which times without a zone are.

    Returns:
        Times without a zone: UTC for a column of moments, otherwise local time.
    """
    is_moment = pa.types.is_timestamp(kind) and kind.tz is not None
    zone = UTC if is_moment else ZoneInfo(timezone)
    start, end = (
        bound.astimezone(zone).replace(tzinfo=None) for bound in (window.start, window.end)
    )
    return start, end
