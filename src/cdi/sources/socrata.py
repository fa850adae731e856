"""Datasets of Socrata portals, read by SODA 2.1 in the order of the rows' own ids."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import httpx
import pyarrow as pa

from cdi.agency.interval import Interval
from cdi.sources.access import Access
from cdi.sources.answer import Answer, read_date
from cdi.sources.http import Patience, PatientClient, find_address
from cdi.sources.pages import PAGE_ROWS, Row, find_bounds, make_batch, read_pages
from cdi.sources.reader import Reader, State
from cdi.sql import literal

_LOCAL, _MOMENT = pa.timestamp("us"), pa.timestamp("us", "UTC")
# Names of types in the headers, then those in the dataset's description. Any other type is text,
# numbers too, since Socrata writes them as decimals of any length.
_TYPES = {
    "floating_timestamp": _LOCAL,
    "fixed_timestamp": _MOMENT,
    "calendar_date": _LOCAL,
    "date": _MOMENT,
    "boolean": pa.bool_(),
    "checkbox": pa.bool_(),
}
_TRUTH, _REPLICA = "X-SODA2-Truth-Last-Modified", "X-SODA2-Secondary-Last-Modified"


class SocrataReader:
    """A dataset of a Socrata portal.

    Args:
        client: A client whose base is the portal's address.
        name: What is read, for errors.
        dataset: Id of the dataset, e.g. ``33kz-ixgy``.
        moment: The column that says from which day a row is.
        timezone: The agency's zone, for a moment that is local time ("floating").
        page_rows: Number of rows to ask for at a time.
    """

    def __init__(
        self,
        client: PatientClient,
        name: str,
        dataset: str,
        moment: str,
        timezone: str,
        page_rows: int = PAGE_ROWS,
    ) -> None:
        """Keep what is read; nothing is asked yet."""
        self._client, self._name, self._dataset = client, name, dataset
        self._moment, self._timezone, self._page_rows = moment, timezone, page_rows
        self._states: set[str] = set()

    def columns(self) -> Mapping[str, pa.DataType]:
        """Names and types of all columns."""
        return self._columns

    @cached_property
    def _columns(self) -> Mapping[str, pa.DataType]:
        headers = self._ask(**{"$limit": 0}).headers
        if "X-SODA2-Fields" in headers:
            names = json.loads(headers["X-SODA2-Fields"])
            types = json.loads(headers["X-SODA2-Types"])
        else:  # Socrata leaves headers out that would be longer than 5,000 letters
            described = self._client.ask(f"api/views/{self._dataset}.json").rows("columns")
            names = [column["fieldName"] for column in described]
            types = [column["dataTypeName"] for column in described]
        return {
            name: _TYPES.get(kind, pa.string()) for name, kind in zip(names, types, strict=True)
        }

    def version(self) -> State:
        """The states of the dataset that all answers so far told of, and the portal's clock."""
        now = self._ask(**{"$limit": 0}).now
        return State(" / ".join(sorted(self._states)), now)

    def count(self, window: Interval) -> int:
        """How many rows of the window the portal counts."""
        return self._count(self._in_window(window))

    def count_undated(self) -> int:
        """How many rows lack the moment."""
        return self._count(f"{_quote(self._moment)} is null")

    def _count(self, where: str) -> int:
        answer = self._ask(**{"$select": "count(*) as row_count", "$where": where})
        return answer.number(0, "row_count")

    def rows(self, window: Interval, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of the window; a column that is null in all rows is null."""
        kinds = {name: self._columns[name] for name in columns}
        selected = ", ".join([":id", *map(_quote, columns)])

        def ask(last: Any, count: int) -> Sequence[Row]:
            place = f" and :id > {literal(last)}" if last else ""
            return self._ask(
                **{
                    "$select": selected,
                    "$where": self._in_window(window) + place,
                    "$order": ":id",
                    "$limit": self._page_rows,
                }
            ).rows()

        for page in read_pages(self._name, ask, ":id"):
            yield make_batch(self._name, page, kinds, ":id")

    def _ask(self, **parameters: object) -> Answer:
        """Ask the dataset, and note in which state it answered; each replica has its own."""
        answer = self._client.ask(f"resource/{self._dataset}.json", **parameters)
        self._states.add(f"{answer.headers.get(_TRUTH)}, {answer.headers.get(_REPLICA)}")
        return answer

    def _in_window(self, window: Interval) -> str:
        """SoQL that chooses the rows of the window."""
        kind = self._columns[self._moment]
        zone = "Z" if kind == _MOMENT else ""
        start, end = (
            f"'{bound.isoformat(timespec='milliseconds')}{zone}'"
            for bound in find_bounds(window, kind, self._timezone)
        )
        return f"{_quote(self._moment)} >= {start} and {_quote(self._moment)} < {end}"


def _quote(column: str) -> str:
    """A column's name in SoQL; those of the portal's own columns begin with a colon."""
    return column if column.startswith(":") else f"`{column}`"


def _find_staleness(headers: httpx.Headers) -> str | None:
    """Why an answer is of a replica that lags behind; None if it does not."""
    truth, replica = headers.get(_TRUTH, ""), headers.get(_REPLICA, "")
    truth_date, replica_date = read_date(truth), read_date(replica)
    is_behind = truth_date and replica_date and replica_date < truth_date
    if is_behind or headers.get("X-SODA2-Data-Out-Of-Date", "").lower() == "true":
        return f"it is out of date: as of {replica or 'unknown'}, the newest {truth or 'unknown'}"
    return None


@contextlib.contextmanager
def open_socrata(
    access: Access,
    name: str,
    domain: str,
    dataset: str,
    moment: str,
    timezone: str,
    *,
    page_rows: int = PAGE_ROWS,
    patience: Patience | None = None,
) -> Iterator[Reader]:
    """Open a dataset of a Socrata portal.

    Args:
        access: The connection; its password is the app token, and may be missing.
        name: What is read, for errors.
        domain: The portal, e.g. ``data.seattle.gov``; https, if it does not say otherwise.
        dataset: See `SocrataReader`.
        moment: See `SocrataReader`.
        timezone: See `SocrataReader`.
        page_rows: See `SocrataReader`.
        patience: How long the client waits, and how much it takes.

    Yields:
        The reader. Its connections are closed after the block.

    Raises:
        SourceBusyError: SRC-HTTP if a later try may succeed; SRC-STALE if the portal's replica lags
            behind its truth.
        SourceError: SRC-ACCESS if the token is refused, SRC-HTTP if the question is, SRC-ORDER if
            pages do not follow each other. No message holds the token.
    """
    headers = {"X-App-Token": access.password} if access.password else None
    with PatientClient(
        access,
        name,
        find_address(domain),
        headers=headers,
        patience=patience,
        find_staleness=_find_staleness,
    ) as client:
        yield SocrataReader(client, name, dataset, moment, timezone, page_rows)
