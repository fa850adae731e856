"""Layers of ArcGIS servers, read in the order of their object ids."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Literal

import pyarrow as pa

from cdi.agency.interval import Interval
from cdi.errors import SourceError
from cdi.sources.access import Access
from cdi.sources.answer import Answer
from cdi.sources.http import Patience, PatientClient
from cdi.sources.joined import JoinedReader, Part
from cdi.sources.pages import PAGE_ROWS, Row, find_bounds, make_batch, read_pages
from cdi.sources.reader import Reader, State

Times = Literal["utc", "local"]

_TYPES = {
    "esriFieldTypeSmallInteger": pa.int64(),
    "esriFieldTypeInteger": pa.int64(),
    "esriFieldTypeBigInteger": pa.int64(),
    "esriFieldTypeDateOnly": pa.date32(),
    "esriFieldTypeTimestampOffset": pa.timestamp("us", "UTC"),
}
_EVERYTHING = "1=1"


@dataclass(frozen=True)
class Layer:
    """A layer, or one of several that make a dataset together.

    Attributes:
        address: Its address, which ends with its number.
        until: The day with which the next layer begins; None for the last one.
    """

    address: str
    until: date | None = None


class ArcgisReader:
    """A layer of a FeatureServer or MapServer.

    Args:
        client: A client whose base is the layer's address.
        name: What is read, for errors.
        moment: The column that says from which day a row is.
        timezone: The agency's zone.
        times: `utc` if milliseconds are moments, as ArcGIS means them; `local` if the publisher
            put the agency's wall clock into them.
        page_rows: Number of rows to ask for at a time; the layer may give fewer.
    """

    def __init__(
        self,
        client: PatientClient,
        name: str,
        moment: str,
        timezone: str,
        times: Times = "utc",
        page_rows: int = PAGE_ROWS,
    ) -> None:
        """Keep what is read; nothing is asked yet."""
        self._client, self._name, self._moment, self._timezone = client, name, moment, timezone
        self._date_type = pa.timestamp("us", "UTC" if times == "utc" else None)
        self._page_rows = page_rows

    def columns(self) -> Mapping[str, pa.DataType]:
        """Names and types of all columns but the object id, which a replacement makes anew."""
        return self._columns

    @cached_property
    def _layer(self) -> Answer:
        return self._client.ask("")

    @cached_property
    def _columns(self) -> Mapping[str, pa.DataType]:
        types = {**_TYPES, "esriFieldTypeDate": self._date_type}
        return {
            field["name"]: types.get(field["type"], pa.string())
            for field in self._layer.at("fields") or ()
            if field["name"] != self._object_id
        }

    @cached_property
    def _object_id(self) -> str:
        """Name of the column with the rows' ids."""
        named = self._layer.body.get("objectIdField")
        found = [
            f["name"] for f in self._layer.at("fields") or () if f["type"] == "esriFieldTypeOID"
        ]
        if not (named or found):
            raise SourceError(
                "SRC-ORDER",
                f"{self._name}: the layer has no column of object ids, so its pages have no order",
                "ask the portal's owner for a layer with object ids, or read their files instead",
            )
        return str(named or found[0])

    def version(self) -> State:
        """When the layer was edited last; if it does not say, how many rows it has, and the last.

        A MapServer does not say.
        """
        layer = self._client.ask("")
        editing = layer.body.get("editingInfo") or {}
        edited = editing.get("dataLastEditDate") or editing.get("lastEditDate")
        mark = str(edited) if edited else self._describe_rows()
        return State(mark, layer.now)

    def _describe_rows(self) -> str:
        count = self._count(_EVERYTHING)
        statistic = {
            "statisticType": "max",
            "onStatisticField": self._object_id,
            "outStatisticFieldName": "newest",
        }
        found = self._query(where=_EVERYTHING, outStatistics=json.dumps([statistic]))
        newest = list(found.at("features", 0, "attributes").values())
        return f"{count} rows, the last one {newest}"

    def count(self, window: Interval) -> int:
        """How many rows of the window the layer counts."""
        return self._count(self._in_window(window))

    def count_undated(self) -> int:
        """How many rows lack the moment."""
        return self._count(f"{self._moment} IS NULL")

    def _count(self, where: str) -> int:
        return self._query(where=where, returnCountOnly="true").number("count")

    def rows(self, window: Interval, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of the window."""
        kinds = {name: self._columns[name] for name in columns}
        fields = ",".join([self._object_id, *columns])

        def ask(last: Any, count: int) -> Sequence[Row]:
            place = f" AND {self._object_id} > {int(last)}" if last is not None else ""
            found = self._query(
                where=self._in_window(window) + place,
                outFields=fields,
                orderByFields=f"{self._object_id} ASC",
                resultRecordCount=self._page_rows,
                returnGeometry="false",
            )
            return [feature["attributes"] for feature in found.rows("features")]

        for page in read_pages(self._name, ask, self._object_id):
            yield make_batch(self._name, page, kinds, self._object_id)

    def _query(self, **parameters: object) -> Answer:
        return self._client.ask("query", **parameters)

    def _in_window(self, window: Interval) -> str:
        """SQL that chooses the rows of the window.

        A layer that declares a zone takes times in a query as that zone's, and yet answers in UTC.
        """
        kind = self._columns[self._moment]
        declared = (self._layer.body.get("dateFieldsTimeReference") or {}).get("timeZoneIANA")
        if declared and kind == pa.timestamp("us", "UTC"):
            start, end = find_bounds(window, pa.timestamp("us"), declared)
        else:
            start, end = find_bounds(window, kind, self._timezone)
        form = "DATE '%Y-%m-%d'" if pa.types.is_date(kind) else "TIMESTAMP '%Y-%m-%d %H:%M:%S'"
        return f"{self._moment} >= {start.strftime(form)} AND {self._moment} < {end.strftime(form)}"


@contextlib.contextmanager
def open_arcgis(
    access: Access,
    name: str,
    layers: Sequence[Layer],
    moment: str,
    timezone: str,
    *,
    times: Times = "utc",
    page_rows: int = PAGE_ROWS,
    patience: Patience | None = None,
) -> Iterator[Reader]:
    """Open a layer of an ArcGIS server, or several that make one dataset.

    Args:
        access: The connection; its password is the token, and may be missing.
        name: What is read, for errors.
        layers: The layers, the oldest first; each but the last one has `until`.
        moment: See `ArcgisReader`.
        timezone: See `ArcgisReader`.
        times: See `ArcgisReader`.
        page_rows: See `ArcgisReader`.
        patience: How long the client waits, and how much it takes.

    Yields:
        The reader. Its connections are closed after the block.

    Raises:
        SourceBusyError: SRC-HTTP if a later try may succeed.
        SourceError: SRC-ACCESS if the token is refused, SRC-HTTP if the question is, SRC-ORDER if
            pages do not follow each other. No message holds the token.
    """
    form = {"f": "json", **({"token": access.password} if access.password else {})}
    with contextlib.ExitStack() as stack:
        parts = []
        for layer in layers:
            client = PatientClient(access, name, layer.address, form=form, patience=patience)
            stack.enter_context(client)
            reader = ArcgisReader(client, name, moment, timezone, times, page_rows)
            parts.append(Part(reader, layer.until))
        yield parts[0].reader if len(parts) == 1 else JoinedReader(parts, timezone)
