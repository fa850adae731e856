"""A sample of a live source: its newest rows, as a run would read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pydantic import ValidationError

from cdi.agency.datasets import MOMENTS
from cdi.agency.interval import Interval
from cdi.agency.load import describe_problem
from cdi.agency.model import Agency, Source
from cdi.errors import SourceError
from cdi.landing.read import ROW_NO, normalise_header, read_raw_rows
from cdi.onboarding.columns import SURE
from cdi.onboarding.names import score_name
from cdi.onboarding.profile import name_personal_words
from cdi.onboarding.reading import Sample, keep_rows
from cdi.onboarding.recent import MOST_DAYS, MOST_ROWS, choose_recent, find_newest
from cdi.onboarding.source_columns import describe_unfit, is_time
from cdi.scratch import scratch_folder
from cdi.sources.access import read_access
from cdi.sources.fetch import open_live
from cdi.sources.files import FetchedFile
from cdi.sources.reader import Open, Window
from cdi.sources.spool import spool_window
from cdi.sql import ident, parquet_types, scalar

FORMS = {
    "sql": "sql:<connection>/<relation>",
    "socrata": "socrata:<domain>/<dataset>",
    "arcgis": "arcgis:<address of the layer>",
    "ckan": "ckan:<domain>/<resource>",
    "opendatasoft": "opendatasoft:<domain>/<dataset>",
}
_KEYS = {"socrata": "dataset", "ckan": "resource", "opendatasoft": "dataset"}
_ALWAYS = Interval(datetime(1900, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
_ALWAYS_FILLED = 0.99  # of one row in a hundred the time may be typed late


def is_live_address(text: str) -> bool:
    """Whether a text names a live source, and not a file."""
    return text.partition(":")[0] in FORMS


def read_live_sample(
    con: duckdb.DuckDBPyConnection, dataset: str, address: str, timezone: str
) -> Sample:
    """Read the newest rows of a live source.

    These are the rows of the last `MOST_DAYS` days before the source's clock; if there are none,
    of the last such days that have rows; and of fewer days, if they would be more than `MOST_ROWS`.

    Args:
        con: A DuckDB connection in memory; a table with the name of the dataset is made in it.
        dataset: `calls` or `crime_records`.
        address: The source, in a form of `FORMS`.
        timezone: The agency's zone; blank if it is not known yet.

    Raises:
        SourceError: SRC-ADDRESS if the address has none of the forms, SRC-MOMENT if no column is a
            time, SRC-EMPTY if there is no row, and those of the kind of source.
    """
    place = _parse_address(address)
    draft = _Draft(dataset, address, place, timezone or "UTC")
    with draft.open(None)() as reader:
        present, now = reader.columns(), reader.version().now
    moment, window = _choose_moment(draft, present, now)
    read = [name for name, kind in present.items() if not describe_unfit(kind)]
    with scratch_folder() as folder:
        spool = spool_window(address, draft.open(moment), window, read, folder)
        file = FetchedFile(address, spool.file, "", None)
        names = read_raw_rows(con, dataset, draft.source(None), file, 0)
        described = parquet_types(con, spool.file)
    keep_rows(con, dataset, names)
    con.execute(f"delete from {ident(dataset)} where {ROW_NO} > $most", {"most": MOST_ROWS})
    for name in present.keys() - set(read):  # they are listed, and their values never read
        con.execute(f"alter table {ident(dataset)} add column {ident(normalise_header(name))} text")
    types = {normalise_header(name): kind for name, kind in described.items()}
    headers = {normalise_header(name): name for name in present}
    return Sample(
        dataset=dataset,
        table=dataset,
        headers=headers,
        types={name: types.get(name, "VARCHAR") for name in headers},
        row_count=scalar(con, f"select count(*) from {ident(dataset)}"),
        refused={},
        folder=None,
        place=place,
    )


def _parse_address(address: str) -> dict[str, Any]:
    """The keys of agency.yaml that an address stands for."""
    kind, _, rest = address.partition(":")
    first, _, last = rest.partition("/") if kind == "sql" else rest.rpartition("/")
    if first and last:
        if kind == "sql":
            return {"connection": first, "sql": {"relation": last}}
        if kind == "arcgis":
            return {"arcgis": [{"layer": rest}]}
        return {kind: {"domain": first, _KEYS[kind]: last}}
    raise SourceError(
        "SRC-ADDRESS",
        f"{address} does not say where the rows are",
        f"give it as {FORMS[kind]}",
    )


@dataclass(frozen=True)
class _Draft:
    """What is known of a source before its folder is written.

    Attributes:
        dataset: `calls` or `crime_records`.
        address: How a person named it.
        place: The keys of agency.yaml that say where the rows are.
        timezone: The zone in which days begin.
    """

    dataset: str
    address: str
    place: dict[str, Any]
    timezone: str

    def source(self, moment: str | None) -> Source:
        """The source, with no column but its moment."""
        columns = {MOMENTS[self.dataset][0]: moment} if moment else {}
        settings = {**self.place, "delivery": "days", "days": MOST_DAYS, "columns": columns}
        try:
            return Source.model_validate(settings)
        except ValidationError as error:
            problems = "; ".join(describe_problem(detail) for detail in error.errors())
            raise SourceError(
                "SRC-ADDRESS",
                f"{self.address}: {problems}",
                f"give it as {FORMS[self.address.partition(':')[0]]}",
            ) from None

    def agency(self, moment: str | None) -> Agency:
        """An agency that has this source alone, and so is not valid as one of a folder."""
        return Agency.model_construct(
            agency="new",
            timezone=self.timezone,
            sources={self.dataset: self.source(moment)},
            folder=Path(),
        )

    def open(self, moment: str | None) -> Open:
        """What opens the source; without a moment, only its columns and clock can be asked."""
        source = self.source(moment)
        return open_live(self.agency(moment), self.dataset, read_access(source.connection))


@dataclass(frozen=True)
class _Moment:
    """A column of times, as a way to choose the newest rows.

    Attributes:
        name: The column.
        filled_share: The share of rows that have a time.
        newest: The day of the newest row that is not later than the source's clock.
        score: How well its name says that rows are from its day.
    """

    name: str
    filled_share: float
    newest: datetime
    score: float


def _choose_moment(
    draft: _Draft, present: Mapping[str, pa.DataType], now: datetime
) -> tuple[str, Window]:
    """Choose the time that is always filled and nearest to the clock, and the window to read.

    A time whose name fits comes before the others: when a row was edited last is the nearest of
    all, and says nothing of its day.
    """
    names = [
        name for name, kind in present.items() if is_time(kind) and not name_personal_words(name)
    ]
    if not names:
        raise SourceError(
            "SRC-MOMENT",
            f"{draft.address} has no column of times, so its newest rows cannot be asked for",
            "read the source's file instead, if it has one; or have a view cast one to a time",
        )
    asked = [_ask_moment(draft, name, now) for name in names]
    found = [moment for moment in asked if moment]
    if not found:
        raise SourceError(
            "SRC-EMPTY",
            f"{draft.address} has no row with a time in {', '.join(names)}",
            "give a source that has rows, or see whether the login sees them",
        )
    chosen = max(
        found,
        key=lambda moment: (
            moment.filled_share >= _ALWAYS_FILLED,
            moment.score >= SURE,
            moment.newest.date(),
            moment.score,
        ),
    )
    agency = draft.agency(chosen.name)
    with draft.open(chosen.name)() as reader:
        interval = choose_recent(reader, agency, now)
        if not reader.count(interval):
            interval = choose_recent(reader, agency, chosen.newest)
    return chosen.name, Window(interval, chosen.name, draft.timezone)


def _ask_moment(draft: _Draft, name: str, now: datetime) -> _Moment | None:
    """Ask how full a column of times is, and from when its newest row is; None if it has none."""
    with draft.open(name)() as reader:
        newest = find_newest(reader, draft.agency(name), now)
        if newest is None:
            return None
        undated = reader.count_undated() or 0
        filled = reader.count(_ALWAYS) if undated else 1
    names = MOMENTS[draft.dataset]
    score = max(score_name(draft.dataset, moment, name) for moment in names)
    return _Moment(name, filled / (filled + undated), newest, score)
