"""Resources in the datastore of CKAN portals, by SQL, or by search where SQL is switched off."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cdi.agency.interval import Interval
from cdi.errors import SourceError
from cdi.sources.access import Access
from cdi.sources.answer import Answer
from cdi.sources.http import Patience, PatientClient, find_address
from cdi.sources.pages import PAGE_ROWS, Row, find_bounds, make_batch, read_pages
from cdi.sources.reader import ROW_ID, Reader, SourceBusyError, State
from cdi.sql import ident, literal

_ID = "_id"
_TYPES = {
    "int": pa.int64(),
    "int2": pa.int64(),
    "int4": pa.int64(),
    "int8": pa.int64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
}


class CkanReader:
    """A resource in the datastore of a CKAN portal.

    Without SQL a window cannot be asked for. Then the resource is read whole, and the rows of the
    window are chosen here.

    Args:
        client: A client whose base is the address of the portal's actions.
        name: What is read, for errors.
        resource: Id of the resource.
        moment: The column that says from which day a row is.
        timezone: The agency's zone, for a moment that is local time.
        page_rows: Number of rows to ask for at a time; the portal may give fewer.
    """

    def __init__(
        self,
        client: PatientClient,
        name: str,
        resource: str,
        moment: str,
        timezone: str,
        page_rows: int = PAGE_ROWS,
    ) -> None:
        """Keep what is read; nothing is asked yet."""
        self._client, self._name, self._resource = client, name, resource
        self._moment, self._timezone, self._page_rows = moment, timezone, page_rows
        self._states: set[str] = set()

    def columns(self) -> Mapping[str, pa.DataType]:
        """Names and types of all columns but the portal's own number of the row."""
        return self._columns

    @cached_property
    def _columns(self) -> Mapping[str, pa.DataType]:
        fields = self._search(limit=0).rows("result", "fields")
        return {
            field["id"]: _TYPES.get(field["type"], pa.string())
            for field in fields
            if field["id"] != _ID
        }

    @cached_property
    def _has_sql(self) -> bool:
        """Whether the portal answers SQL; the answer where it does not differs by version."""
        try:
            self._ask_sql(f"select {_ID} from {ident(self._resource)} limit 0")
        except SourceBusyError:
            raise
        except SourceError:
            return False
        return True

    def version(self) -> State:
        """The states of the resource that all answers so far told of, and the portal's clock."""
        shown = self._client.ask("resource_show", id=self._resource)
        about = shown.at("result")
        self._states.add(f"{about.get('last_modified')}, {about.get('metadata_modified')}")
        self._states.add(self._describe_rows())
        return State(" / ".join(sorted(self._states)), shown.now)

    def _describe_rows(self) -> str:
        """How many rows there are, and the last; not every portal notes a change of rows."""
        found = self._search(fields=_ID, sort=f"{_ID} desc", limit=1)
        newest = [row[_ID] for row in found.rows("result", "records")]
        return f"{found.number('result', 'total')} rows, the last one {newest}"

    def count(self, window: Interval) -> int:
        """How many rows of the window the portal has."""
        if not self._has_sql:
            return sum(batch.num_rows for batch in self._choose(window, [self._moment]))
        return self._count(self._in_window(window))

    def count_undated(self) -> int | None:
        """How many rows lack the moment; None if the portal answers no SQL."""
        return self._count(f"{ident(self._moment)} is null") if self._has_sql else None

    def _count(self, where: str) -> int:
        answer = self._ask_sql(
            f"select count(*) as row_count from {ident(self._resource)} where {where}"
        )
        return answer.number("result", "records", 0, "row_count")

    def rows(self, window: Interval, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of the window."""
        if not self._has_sql:
            yield from self._choose(window, columns)
            return
        kinds = {name: self._columns[name] for name in columns}
        selected = ", ".join(map(ident, [_ID, *columns]))

        def ask(last: Any, count: int) -> Sequence[Row]:
            place = f" and {_ID} > {int(last)}" if last is not None else ""
            return self._ask_sql(
                f"select {selected} from {ident(self._resource)} "
                f"where {self._in_window(window)}{place} order by {_ID} limit {self._page_rows}"
            ).rows("result", "records")

        for page in read_pages(self._name, ask, _ID):
            yield make_batch(self._name, page, kinds, _ID)

    def _choose(self, window: Interval, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read the resource whole by search, and choose the rows of the window."""
        names = list(dict.fromkeys([self._moment, *columns]))
        kinds = {name: self._columns[name] for name in names}
        start, end = (
            pa.scalar(bound, pa.timestamp("us"))
            for bound in find_bounds(window, kinds[self._moment], self._timezone)
        )
        for page in self._read_whole(names):
            batch = make_batch(self._name, page, kinds, _ID)
            times = batch[self._moment].cast(pa.timestamp("us"))
            chosen = batch.filter(pc.and_(pc.greater_equal(times, start), pc.less(times, end)))
            yield chosen.select([*columns, ROW_ID])

    def _read_whole(self, columns: Sequence[str]) -> Iterator[Sequence[Row]]:
        """All rows, page by page; if some are missing, that is noted as another state."""
        total, came = 0, 0

        def ask(last: Any, count: int) -> Sequence[Row]:
            nonlocal total
            answer = self._search(
                fields=",".join([_ID, *columns]),
                sort=f"{_ID} asc",
                offset=count,
                limit=self._page_rows,
            )
            total = answer.number("result", "total")
            return answer.rows("result", "records")

        newest = -1
        for page in read_pages(self._name, ask, _ID):
            for row in page:
                if row[_ID] <= newest:
                    raise self._explain_order(came)
                newest = row[_ID]
            came += len(page)
            yield page
        # in this order no row came twice, so as many rows as there are in all are all rows
        if came != total:
            self._states.add(f"{came} of {total} rows")

    def _explain_order(self, came: int) -> SourceError:
        return SourceError(
            "SRC-ORDER",
            f"{self._name}: after {came:,} rows they do not come in the order of {_ID}, so some "
            "may come twice, and others not at all",
            "ask the portal's owner to switch on datastore_search_sql, or read its files instead",
        )

    def _search(self, **parameters: object) -> Answer:
        """Search the resource; an estimated number of rows would prove nothing."""
        answer = self._client.ask(
            "datastore_search", resource_id=self._resource, include_total="true", **parameters
        )
        if answer.at("result").get("total_was_estimated"):
            raise SourceError(
                "SRC-COUNT",
                f"{self._name}: the portal estimates that the resource has "
                f"{answer.at('result', 'total'):,} rows, and does not count them",
                "ask the portal's owner for exact counts; without one, rows may be missing unseen",
            )
        return answer

    def _ask_sql(self, query: str) -> Answer:
        return self._client.ask("datastore_search_sql", sql=query)

    def _in_window(self, window: Interval) -> str:
        """SQL that chooses the rows of the window."""
        kind = self._columns[self._moment]
        zone = "+00:00" if pa.types.is_timestamp(kind) and kind.tz else ""
        start, end = (
            literal(f"{bound.isoformat(sep=' ')}{zone}")
            for bound in find_bounds(window, kind, self._timezone)
        )
        moment = ident(self._moment)
        return f"{moment} >= {start} and {moment} < {end}"


@contextlib.contextmanager
def open_ckan(
    access: Access,
    name: str,
    domain: str,
    resource: str,
    moment: str,
    timezone: str,
    *,
    page_rows: int = PAGE_ROWS,
    patience: Patience | None = None,
) -> Iterator[Reader]:
    """Open a resource in the datastore of a CKAN portal.

    Args:
        access: The connection; its password is the API token, and may be missing.
        name: What is read, for errors.
        domain: The portal, e.g. ``data.example.org``; https, if it does not say otherwise.
        resource: See `CkanReader`.
        moment: See `CkanReader`.
        timezone: See `CkanReader`.
        page_rows: See `CkanReader`.
        patience: How long the client waits, and how much it takes.

    Yields:
        The reader. Its connections are closed after the block.

    Raises:
        SourceBusyError: SRC-HTTP if a later try may succeed.
        SourceError: SRC-ACCESS if the token is refused, SRC-HTTP if the question is, SRC-ORDER if
            pages do not follow each other, SRC-COUNT if the portal only estimates. No message
            holds the token.
    """
    headers = {"Authorization": access.password} if access.password else None
    base = f"{find_address(domain)}/api/3/action"
    with PatientClient(access, name, base, headers=headers, patience=patience) as client:
        yield CkanReader(client, name, resource, moment, timezone, page_rows)
