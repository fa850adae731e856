"""Datasets of Opendatasoft portals, exported in one answer: there are no pages to lose rows in."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import pyarrow as pa

from cdi.agency.interval import Interval
from cdi.sources.access import Access
from cdi.sources.answer import Answer
from cdi.sources.http import Patience, PatientClient, find_address
from cdi.sources.pages import find_bounds, make_batch, split
from cdi.sources.reader import Reader, State

_TYPES = {
    "int": pa.int64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", "UTC"),
}


class OpendatasoftReader:
    """A dataset of an Opendatasoft portal (Explore API 2.1).

    Args:
        client: A client whose base is the dataset's address in the API.
        name: What is read, for errors.
        moment: The column that says from which day a row is.
        timezone: The agency's zone, for a moment that is a date.
    """

    def __init__(self, client: PatientClient, name: str, moment: str, timezone: str) -> None:
        """Keep what is read; nothing is asked yet."""
        self._client, self._name = client, name
        self._moment, self._timezone = moment, timezone

    def columns(self) -> Mapping[str, pa.DataType]:
        """Names and types of all columns."""
        return self._columns

    @cached_property
    def _columns(self) -> Mapping[str, pa.DataType]:
        fields = self._client.ask("").rows("fields")
        return {field["name"]: _TYPES.get(field["type"], pa.string()) for field in fields}

    def version(self) -> State:
        """When the dataset was modified and processed last, and the portal's clock."""
        dataset = self._client.ask("")
        about = dataset.at("metas", "default")
        return State(f"{about.get('modified')}, {about.get('data_processed')}", dataset.now)

    def count(self, window: Interval) -> int:
        """How many rows of the window the portal counts."""
        return self._count(self._in_window(window))

    def count_undated(self) -> int:
        """How many rows lack the moment."""
        return self._count(f"`{self._moment}` is null")

    def _count(self, where: str) -> int:
        answer: Answer = self._client.ask("records", where=where, limit=0)
        return answer.number("total_count")

    def rows(self, window: Interval, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of the window; the API gives them no ids, and one answer holds them all."""
        kinds = {name: self._columns[name] for name in columns}
        lines = self._client.ask_lines(
            "exports/jsonl",
            select=", ".join(f"`{name}`" for name in columns),
            where=self._in_window(window),
            timezone="UTC",
        )
        for page in split(lines):
            yield make_batch(self._name, page, kinds)

    def _in_window(self, window: Interval) -> str:
        """ODSQL that chooses the rows of the window."""
        kind = self._columns[self._moment]
        zone = "" if pa.types.is_date(kind) else "Z"
        start, end = (
            f"date'{bound.isoformat()}{zone}'"
            for bound in find_bounds(window, kind, self._timezone)
        )
        return f"`{self._moment}` >= {start} and `{self._moment}` < {end}"


@contextlib.contextmanager
def open_opendatasoft(
    access: Access,
    name: str,
    domain: str,
    dataset: str,
    moment: str,
    timezone: str,
    *,
    patience: Patience | None = None,
) -> Iterator[Reader]:
    """Open a dataset of an Opendatasoft portal.

    Args:
        access: The connection; its password is the API key, and may be missing.
        name: What is read, for errors.
        domain: The portal, e.g. ``example.opendatasoft.com``; https, if it does not say otherwise.
        dataset: Id of the dataset.
        moment: See `OpendatasoftReader`.
        timezone: See `OpendatasoftReader`.
        patience: How long the client waits, and how much it takes.

    Yields:
        The reader. Its connections are closed after the block.

    Raises:
        SourceBusyError: SRC-HTTP if a later try may succeed.
        SourceError: SRC-ACCESS if the key is refused, SRC-HTTP if the question is. No message
            holds the key.
    """
    headers = {"Authorization": f"Apikey {access.password}"} if access.password else None
    base = f"{find_address(domain)}/api/explore/v2.1/catalog/datasets/{dataset}"
    with PatientClient(access, name, base, headers=headers, patience=patience) as client:
        yield OpendatasoftReader(client, name, moment, timezone)
