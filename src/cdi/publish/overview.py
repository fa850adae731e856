"""What the index pages and the operator's page say of each agency."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.agency.asked import Asked, list_delivered, read_asked
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.agency.presence import has_data
from cdi.build.freshness import describe_unfilled, find_clock, known_until
from cdi.build.version import find_description
from cdi.clock import local_moment
from cdi.errors import CdiError
from cdi.files import read_json
from cdi.people.alert_situation import read_situation
from cdi.publish.access import current_folder, refused_pages
from cdi.publish.parts import PARTS, Part
from cdi.quality.history import count_failures, read_runs
from cdi.quality.waivers import StoppingFailure, find_stopped
from cdi.quality.wording import name_batch
from cdi.report.headline import Headline, read_version_headline
from cdi.report.wording import local_time
from cdi.sql import naive_utc


@dataclass(frozen=True)
class Published:
    """What an agency has published.

    Attributes:
        agency: Its name for programs.
        name: Its name for people.
        is_simulated: Whether its data is invented.
        queue: The workers of the force that does the work; None if it is done here.
        has_data: Whether anything of it is landed or published, or a source is there.
        version: What the published version says of itself; None if nothing is published.
        headline: The figures of this version; None if it cannot be read.
        parts: What the version has to show.
        is_compared: Whether it says why the rate changed.
        refused: Of each refused batch the dataset, the id and its name for people.
        problem: What is wrong with the agency's folder, and the next step; blank if nothing is.
    """

    agency: str
    name: str
    is_simulated: bool
    queue: str | None = None
    has_data: bool = True
    version: Mapping[str, Any] | None = None
    headline: Headline | None = None
    parts: tuple[Part, ...] = ()
    is_compared: bool = False
    refused: tuple[tuple[str, str, str], ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Stopped:
    """A refused batch, or the private version, that failed checks stop.

    Attributes:
        name: Its name for people.
        failures: What stops it.
        page: Where the pages of the agency show why; blank for a version, which is not shown.
    """

    name: str
    failures: tuple[StoppingFailure, ...]
    page: str

    @property
    def is_approved(self) -> bool:
        """Whether two people have approved each failure, so that only a new run is missing."""
        return all(failure.waived_by for failure in self.failures)


@dataclass(frozen=True)
class Freshness:
    """How an agency stands, for those who operate the system.

    Attributes:
        agency: Its name for programs.
        name: Its name for people.
        is_simulated: Whether its data is invented; then its clock stands still.
        queue: The workers of the force that does the work; None if it is done here.
        problem: What cannot be read, and the next step; blank if all could be.
        newest: Up to when its published data goes, in its own time; blank if nothing is published.
        nothing_new_until: Up to when its sources had nothing more; blank if that is not known.
        is_late: Whether its data is older than its schedule promises.
        asked: Which sources answered last in one minute, and when.
        unfilled: Which sources answer and are no longer filled, in words.
        failures: For each rule in how many checks of the last 30 days it did not hold.
        stopped: What failed checks stop: it waits for two people, or for a corrected file.
        in_time: Crimes to decide that can still be recorded in time; None if nothing is published.
        overdue: Crimes to decide that are overdue.
        held_back: Quarters that the open extract releases once an audit has taught the software.
    """

    agency: str
    name: str
    is_simulated: bool
    queue: str | None = None
    problem: str = ""
    newest: str = ""
    nothing_new_until: str = ""
    is_late: bool = False
    asked: tuple[tuple[str, str], ...] = ()
    unfilled: tuple[str, ...] = ()
    failures: Mapping[str, int] = field(default_factory=dict)
    stopped: tuple[Stopped, ...] = ()
    in_time: int | None = None
    overdue: int | None = None
    held_back: tuple[str, ...] = ()


def describe_published(agency_id: str) -> Published:
    """Gather what the index pages say of an agency, also if its folder has a mistake by now."""
    folder = current_folder(agency_id)
    version = find_description(folder) if folder else None
    shown: dict[str, Any] = {"version": version}
    if folder is not None:
        shown |= {
            "headline": _find_headline(folder),
            "parts": tuple(part for part in PARTS if (folder / part.link).is_file()),
            "is_compared": (folder / "comparison.json").is_file(),
        }
    try:
        agency = load_agency(agency_id)
    except CdiError as error:
        is_simulated = agency_id == paths.SIMULATED
        return Published(agency_id, agency_id, is_simulated, problem=str(error), **shown)
    return Published(
        agency_id,
        agency.name,
        agency.is_simulated,
        agency.runs_on,
        folder is not None or agency.runs_on is not None or has_data(agency),
        refused=tuple(_list_refused(agency)),
        **shown,
    )


def describe_freshness(agency_id: str, now: datetime) -> Freshness:
    """Gather how an agency stands.

    Args:
        agency_id: The agency.
        now: The moment, in UTC.
    """
    try:
        agency = load_agency(agency_id)
    except CdiError as error:
        return Freshness(agency_id, agency_id, agency_id == paths.SIMULATED, problem=str(error))
    known: dict[str, Any] = {
        "asked": tuple(_list_asked(agency)),
        "unfilled": describe_unfilled(agency),
        "failures": count_failures(read_runs(agency_id), now),
    }
    problem = ""
    try:
        known["stopped"] = tuple(_list_stopped(agency))
        known |= _describe_data(agency, now)
    except (CdiError, duckdb.Error) as error:
        problem = str(error)
    return Freshness(agency_id, agency.name, agency.is_simulated, agency.runs_on, problem, **known)


def _as_of(version: Mapping[str, Any]) -> datetime:
    """Read up to when the data of a version goes, in UTC without a zone."""
    as_of = datetime.fromisoformat(version["as_of"])
    return naive_utc(as_of) if as_of.tzinfo else as_of


def _describe_data(agency: Agency, now: datetime) -> dict[str, Any]:
    """Say how old the published data is, and what is to be decided; empty without a version."""
    folder = current_folder(agency.agency)
    version = find_description(folder) if folder else None
    if folder is None or version is None:
        return {}
    as_of = _as_of(version).replace(tzinfo=UTC)
    moment = find_clock(agency, as_of, now)
    known = known_until(agency, version)
    crimes = read_situation(agency, folder, moment).crimes
    in_time = sum(crime.due_at > moment for crime in crimes)
    return {
        "newest": local_moment(_as_of(version), agency.zone),
        "nothing_new_until": local_time(naive_utc(known), agency) if known > as_of else "",
        "is_late": moment > agency.late_from(known),
        "in_time": in_time,
        "overdue": len(crimes) - in_time,
        "held_back": _list_held_back(folder),
    }


def _list_held_back(folder: Path) -> tuple[str, ...]:
    """List the quarters that the open extract of a version holds back, as it says itself."""
    file = folder / "open" / "datapackage.json"
    return tuple(read_json(file).get("held_back", ())) if file.is_file() else ()


def _list_asked(agency: Agency) -> list[tuple[str, str]]:
    """List when the sources answered last, in the agency's own time; blank if never.

    Sources that answered in the same minute are named together.
    """

    def tell(asked: Asked | None) -> str:
        return (asked and local_time(naive_utc(asked.at), agency)) or ""

    datasets_by_time: dict[str, list[str]] = {}
    for dataset in list_delivered(agency):
        at = tell(read_asked(agency.agency, dataset))
        datasets_by_time.setdefault(at, []).append(dataset.replace("_", " "))
    return [(", ".join(datasets), at) for at, datasets in datasets_by_time.items()]


def _list_stopped(agency: Agency) -> Iterator[Stopped]:
    """List what failed checks stop."""
    for what, failures in groupby(find_stopped(agency), key=lambda failure: failure.what):
        dataset, _, batch_id = what.partition("/")
        if batch_id:
            page = f"refused/{what}/validation.html"
            yield Stopped(name_batch(agency, dataset, batch_id), tuple(failures), page)
        else:
            yield Stopped(f"version {what}", tuple(failures), "")


def _list_refused(agency: Agency) -> list[tuple[str, str, str]]:
    return [
        (dataset, page.parent.name, name_batch(agency, dataset, page.parent.name))
        for dataset in agency.sources
        for page in refused_pages(agency.agency, dataset)
    ]


def _find_headline(folder: Path) -> Headline | None:
    """Read the headline of a published version; None if an older release made its tables."""
    file = folder / "recording.duckdb"
    try:
        return _read_headline(file, file.stat().st_mtime_ns)
    except (duckdb.Error, OSError, LookupError, ValueError):
        return None


@lru_cache(maxsize=256)
def _read_headline(file: Path, modified_at: int) -> Headline:
    """Read it once; only an erasure changes the file of a version."""
    return read_version_headline(file)
