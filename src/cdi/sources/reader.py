"""What each kind of live source can be asked.

A live source is a database or an API whose rows may change at any time. There is no watermark and
no cursor: each run reads a window of days whole (`spool`), splits it into days (`days`), and lands
the days whose content changed. So rows that come late, change without a trace or go are no special
cases.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from cdi.agency.interval import Interval
from cdi.errors import BusyError, SourceError

ROWS_AT_ONCE = 20_000  # so many rows with their texts fit into a few megabytes
# The column in which a source that answers in pages gives its own id of each row. No row may come
# twice; the ids are no part of the spool, as a full replacement makes them anew.
ROW_ID = ":row_id"


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
