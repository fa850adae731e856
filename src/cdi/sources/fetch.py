"""Fetches what a source holds for an interval, whatever its kind, to files on the local disk."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cdi.agency.interval import Interval
from cdi.agency.model import Agency, Source
from cdi.errors import SourceError
from cdi.sources.access import Access
from cdi.sources.arcgis import Layer, open_arcgis
from cdi.sources.ckan import open_ckan
from cdi.sources.days import WHOLE, Day, find_newest_day, list_days, split_days
from cdi.sources.files import FetchedFile, fetch_files
from cdi.sources.opendatasoft import open_opendatasoft
from cdi.sources.reader import Open, Reader, Window
from cdi.sources.socrata import open_socrata
from cdi.sources.spool import Spool, spool_window
from cdi.sources.sql import open_sql

Told = Mapping[str, Any]

# What opens a live source, by its kind in agency.yaml: how the kind describes the source, and what
# all of them are told.
_OPENERS: dict[str, Callable[[Agency, Source, Told], AbstractContextManager[Reader]]] = {
    "sql": lambda agency, source, told: open_sql(agency, source, **told),
    "socrata": lambda agency, source, told: open_socrata(
        **told, **_describe(source.socrata), timezone=agency.timezone
    ),
    "arcgis": lambda agency, source, told: open_arcgis(
        **told,
        layers=[Layer(layer.layer, layer.until) for layer in source.arcgis or ()],
        timezone=agency.timezone,
        times=source.times,
    ),
    "ckan": lambda agency, source, told: open_ckan(
        **told, **_describe(source.ckan), timezone=agency.timezone
    ),
    "opendatasoft": lambda agency, source, told: open_opendatasoft(
        **told, **_describe(source.opendatasoft), timezone=agency.timezone
    ),
}


def _describe(settings: BaseModel | None) -> dict[str, Any]:
    """The settings of a kind as arguments."""
    return settings.model_dump() if settings else {}


@dataclass(frozen=True)
class Known:
    """What the landing holds of a day of a live source.

    Attributes:
        mark: The mark of its rows; see `cdi.sources.days.Day`.
        row_count: Number of rows that were read.
    """

    mark: str
    row_count: int


@dataclass(frozen=True)
class Fetched:
    """What a source holds for an interval.

    Attributes:
        files: The files. Of a live source, the days that changed.
        absent: Names of the files that agency.yaml tells of and that are not there.
        confirmed: Days of a live source that are as they were landed.
        rows_read: Number of rows that a live source gave, those of confirmed days included.
        undated: Number of rows of a live source that are in no window, as they have no time.
        clock: The own clock of a live source.
        newest_day: The newest local day of which a live source has, or had, rows; None if no row
            tells its day.
        warning: What the source's owner should mend; mostly blank.
    """

    files: list[FetchedFile]
    absent: list[str] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)
    rows_read: int = 0
    undated: int = 0
    clock: datetime | None = None
    newest_day: date | None = None
    warning: str = ""


def fetch_source(
    agency: Agency,
    dataset: str,
    interval: Interval,
    folder: Path,
    access: Access | None,
    known: Mapping[str, Known],
    mark_key: bytes,
) -> Fetched:
    """Fetch the files of a source, or the days of a live source that changed.

    Args:
        agency: The agency.
        dataset: A key of ``agency.sources``.
        interval: Chooses the days.
        folder: An empty local folder.
        access: What the source's connection says; None if it has none.
        known: What the landing holds of each day of a live source, by the day's name.
        mark_key: Keys the marks of days. With another key all days count as changed.

    Raises:
        SourceError: See `fetch_files` and `cdi.sources.spool.spool_window`; SRC-CONNECTION if a
            live source needs a connection that is not there.
    """
    if not agency.sources[dataset].is_live:
        options = access.storage_options if access else None
        return Fetched(*fetch_files(agency, dataset, interval, folder, options))
    window = choose_window(agency, dataset, interval)
    source = agency.sources[dataset]
    wanted = [name for mapping in source.columns.values() for name in mapping.sources]
    if source.rows:
        wanted.append(source.rows.source)  # the landing tells by it which rows belong here
    columns = list(dict.fromkeys(wanted))
    opened = open_live(agency, dataset, access)
    spool = spool_window(f"{agency.agency}/{dataset}", opened, window, columns, folder)
    days = list_days(spool, window, window.interval.days(agency), mark_key)
    changed = [day for day in days if _is_changed(day, known)]
    files = split_days(spool, window, [day.name for day in changed], folder)
    by_moment = replace(window, moment=source.moment(dataset))
    latest = min(interval.end, spool.now).astimezone(agency.zone).date()
    newest_day = _find_newest_day(spool, by_moment, known, latest)
    spool.file.unlink()
    return Fetched(
        [
            FetchedFile(day.name, file, day.mark, spool.now, spool.unexpected)
            for day, file in zip(changed, files, strict=True)
        ],
        confirmed=[day.name for day in days if day.name in known and day not in changed],
        rows_read=spool.row_count,
        undated=spool.undated,
        clock=spool.now,
        newest_day=newest_day,
        warning=spool.warning,
    )


def choose_window(agency: Agency, dataset: str, interval: Interval) -> Window:
    """Choose which rows of a live source are read.

    Args:
        agency: The agency.
        dataset: A dataset with a live source.
        interval: The interval of the run; it is read whole, and so are the days before its end that
            agency.yaml asks for.
    """
    source = agency.sources[dataset]
    if source.days is None:
        return Window(interval, None, agency.timezone)
    return Window(interval.widened(agency, source.days), source.moment(dataset), agency.timezone)


def open_live(agency: Agency, dataset: str, access: Access | None) -> Open:
    """Give what opens the live source of a dataset.

    Raises:
        SourceError: SRC-CONNECTION if the source needs a connection that is not there.
    """
    source = agency.sources[dataset]
    name = f"{agency.agency}/{dataset}"
    if access is None and source.connection:
        # a task asks Airflow for it before, so this is a command that runs without Airflow
        variable = f"AIRFLOW_CONN_{source.connection.upper()}"
        raise SourceError(
            "SRC-CONNECTION",
            f"{name} is read through the connection {source.connection}, which is not there",
            f"set {variable} for this command (in a container: docker compose exec -e {variable} "
            "...); a connection that only Airflow has is not read here",
        )
    told = {
        # a portal that anybody may read needs no connection
        "access": access or Access(kind="http"),
        "name": name,
        "moment": source.moment(dataset) if source.delivery == "days" else None,
    }
    return partial(_OPENERS[source.kind], agency, source, told)


def _is_changed(day: Day, known: Mapping[str, Known]) -> bool:
    """Whether a day is not as it was landed. A day that never had rows is none to land."""
    before = known.get(day.name)
    if day.row_count == 0:
        return before is not None and before.row_count > 0
    return before is None or before.mark != day.mark


def _find_newest_day(
    spool: Spool, window: Window, known: Mapping[str, Known], latest: date
) -> date | None:
    """Find the newest day with rows; if the window has none, the landing may know an older one."""
    landed = [
        date.fromisoformat(name) for name, day in known.items() if name != WHOLE and day.row_count
    ]
    days = [find_newest_day(spool, window, latest), *landed]
    return max((day for day in days if day and day <= latest), default=None)
