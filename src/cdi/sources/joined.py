"""Several sources as one: portals often publish each year as a dataset of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from cdi.agency.interval import Interval
from cdi.sources.reader import ROW_ID, Reader, State


@dataclass(frozen=True)
class Part:
    """A source that has the rows of some time.

    Attributes:
        reader: The open source.
        until: The local day with which the next part begins; None for the last one.
    """

    reader: Reader
    until: date | None


class JoinedReader:
    """Sources that follow each other in time, read as one.

    Args:
        parts: The parts, the oldest first.
        timezone: The agency's zone, in which days begin.
    """

    def __init__(self, parts: Sequence[Part], timezone: str) -> None:
        """Keep the parts; nothing is asked yet."""
        self._parts, self._zone = parts, ZoneInfo(timezone)

    def columns(self) -> Mapping[str, pa.DataType]:
        """Names and types of the columns that all parts have; text where the types differ."""
        first, *others = (part.reader.columns() for part in self._parts)
        return {
            name: kind if all(other[name] == kind for other in others) else pa.string()
            for name, kind in first.items()
            if all(name in other for other in others)
        }

    def version(self) -> State:
        """The versions of all parts, and the clock that is most behind."""
        states = [part.reader.version() for part in self._parts]
        return State(" / ".join(s.mark for s in states), min(s.now for s in states))

    def count(self, window: Interval) -> int:
        """How many rows of the window the parts count."""
        return sum(reader.count(part) for _, reader, part in self._split(window))

    def count_undated(self) -> int | None:
        """How many rows of all parts lack the moment; None if one of them cannot be asked."""
        counts = [part.reader.count_undated() for part in self._parts]
        return None if None in counts else sum(count or 0 for count in counts)

    def rows(self, window: Interval, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of the window; a row's id begins with the number of its part."""
        kinds = self.columns()
        schema = pa.schema([(name, kinds[name]) for name in columns])
        for number, reader, part in self._split(window):
            for batch in reader.rows(part, columns):
                values = batch.select(columns).cast(schema)
                if ROW_ID in batch.schema.names:
                    ids = pc.binary_join_element_wise(str(number), batch[ROW_ID], ":")
                    values = values.append_column(ROW_ID, ids)
                yield values

    def _split(self, window: Interval) -> Iterator[tuple[int, Reader, Interval]]:
        """The parts that have rows of the window, each with its share of it."""
        start = window.start
        for number, part in enumerate(self._parts):
            end = window.end if part.until is None else min(window.end, self._midnight(part.until))
            if start < end:
                yield number, part.reader, Interval(start, end)
                start = end

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).astimezone(UTC)
