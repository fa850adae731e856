"""What agency.yaml may say, as validated models."""

import functools
import io
import itertools
import os
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from croniter import CroniterError, croniter
from pydantic import Field, field_validator, model_validator

from cdi import paths
from cdi.agency.datasets import (
    BY_PEOPLE,
    DATASETS,
    DECISIONS,
    MOMENTS,
    READINGS,
    REQUIRED,
    THINGS,
    TIMES,
)
from cdi.agency.mapping import TYPED_TIMES, ColumnMap, RowFilter, SourceFile, Strict
from cdi.agency.records_on_calls import derive_records_source

# Airflow's own database has room for 100 letters in a tag (`agency:<agency>`), and for 250 in the
# name of a pool (`source_<connection>`). All that a person names is held to less.
MOST_LETTERS = 90
COUNTRY = r"^[A-Z]{2}$"
MAIL_ADDRESS = r"^[^@\s]+@[^@\s]+$"

# the `data_root` of the simulated force, which takes its period from the scenario
SIMULATION = "simulation"


class Owner(Strict):
    """The person who answers for the agency's data; shown in Airflow and on the report."""

    name: str = Field(min_length=1, max_length=MOST_LETTERS)
    email: str = Field(pattern=MAIL_ADDRESS, max_length=254)


class Coverage(Strict):
    """The period that a finished publication covers; `make run` extracts it."""

    start: date
    end: date = Field(description="First day after the period.")

    @model_validator(mode="after")
    def _check_order(self) -> "Coverage":
        if self.end <= self.start:
            raise ValueError("end must be after start")
        return self


class Worklist(Strict):
    """How much of the worklist the agency can read."""

    logs_a_month: int | None = Field(
        default=None,
        gt=0,
        description="how many logs people can read; default: 400 for 140,000 logs a year",
    )


class Alerts(Strict):
    """How the agency's staff are warned; without connections, nobody is."""

    connections: tuple[Annotated[str, Field(min_length=1, max_length=MOST_LETTERS)], ...] = Field(
        default=(), description="Airflow connections to a mail server or a web hook"
    )
    to: tuple[Annotated[str, Field(pattern=MAIL_ADDRESS, max_length=254)], ...] = Field(
        default=(), description="who gets the mail"
    )
    breach_hours: int = Field(
        default=2, gt=0, le=24, description="so long before its deadline a crime is warned of"
    )
    shift_changes: tuple[str, ...] = Field(
        default=("07:00", "15:00", "23:00"), description="when a digest is sent, in local time"
    )
    desk_url: str | None = Field(
        default=None, pattern=r"^https?://\S+$", description="the address that each message names"
    )

    @field_validator("shift_changes", mode="before")
    @classmethod
    def _check_times(cls, value: Any) -> Any:
        """Refuse what YAML made of a time: without quotes it reads 15:00 as the number 900."""
        for moment in value if isinstance(value, list | tuple) else ():
            if not (isinstance(moment, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", moment)):
                raise ValueError(f"{moment!r} is not a time of day; write it in quotes, as '15:00'")
        return value


# An agency may withhold larger counts than others do; beyond this limit hardly any count would be
# left to see. The least that it may give is the limit of all agencies, see `cdi.agency.load`.
MOST_SMALLEST_COUNT = 100


class OpenExtract(Strict):
    """How much of its counts the agency shows to the public."""

    smallest_count: int | None = Field(
        default=None,
        le=MOST_SMALLEST_COUNT,
        description="smaller counts are withheld; default: the limit of all agencies, 5",
    )


class KeyRule(Strict):
    """How a reference of one form becomes canonical.

    DuckDB's regexp_replace applies it to the trimmed text in capitals.
    """

    pattern: str = Field(min_length=1)
    canonical: str = Field(min_length=1, description=r"e.g. \1-\2-\3")


class SqlSource(Strict):
    """What is read from a database: a table or view, or else a query."""

    relation: str | None = Field(default=None, description="table or view, e.g. dbo.vw_incident")
    query: str | None = Field(
        default=None,
        pattern=r"^[\w.-]+\.sql$",
        description="file with one SELECT, beside agency.yaml",
    )
    clock: str | None = Field(
        default=None,
        description="expression for the moment at which a copy (a replica, a restored backup) was "
        "true, e.g. pg_last_xact_replay_timestamp(); default: the database's own clock",
    )

    @model_validator(mode="after")
    def _check_one(self) -> "SqlSource":
        if (self.relation is None) == (self.query is None):
            raise ValueError("give either relation or query")
        return self


class SocrataSource(Strict):
    """A dataset of a Socrata portal."""

    domain: str = Field(min_length=1, description="the portal, e.g. data.example.gov")
    dataset: str = Field(pattern=r"^\w{4}-\w{4}$", description="id of the dataset")


class ArcgisLayer(Strict):
    """A layer of an ArcGIS server; portals often publish each year as a layer of its own."""

    layer: str = Field(pattern=r"^https?://", description="address that ends in its number")
    until: date | None = Field(
        default=None, description="day with which the next layer begins; the oldest is first"
    )


class CkanSource(Strict):
    """A resource of a CKAN portal that is in its data store."""

    domain: str = Field(min_length=1, description="the portal, e.g. data.example.gov")
    resource: str = Field(min_length=1, description="id of the resource")


class OpendatasoftSource(Strict):
    """A dataset of an Opendatasoft portal."""

    domain: str = Field(min_length=1, description="the portal, e.g. data.example.org")
    dataset: str = Field(min_length=1, description="id of the dataset")


# The kinds of sources; each source has exactly one. Those that are not files are live: their rows
# may change at any time, and a run reads a window of days whole.
KINDS = ("files", "sql", "socrata", "arcgis", "ckan", "opendatasoft")


class Source(Strict):
    """The source of one dataset of the agency."""

    files: tuple[SourceFile, ...] | None = Field(default=None, min_length=1)
    sql: SqlSource | None = None
    socrata: SocrataSource | None = None
    arcgis: tuple[ArcgisLayer, ...] | None = Field(default=None, min_length=1)
    ckan: CkanSource | None = None
    opendatasoft: OpendatasoftSource | None = None
    format: Literal["csv", "parquet", "json", "jsonl"] = Field(
        default="csv", description="of files"
    )
    delimiter: str = Field(
        default=",",
        pattern=r"""^[^"'\r\n]$""",
        description="of CSV files: one sign, and no quote or line end",
    )
    encoding: str | None = Field(
        default=None,
        description="of text files that are not UTF-8: as Python names it, such as windows-1252",
    )
    header: Literal["none"] | tuple[Annotated[str, Field(min_length=1)], ...] | None = Field(
        default=None,
        description="of CSV files without a header line: the names of their columns, or `none` for "
        "column_1, column_2 and so on",
    )
    skip_lines: int = Field(
        default=0, ge=0, description="of CSV files: lines before the header or the first row"
    )
    delivery: Literal["snapshot", "changes", "days"] = Field(
        description="`snapshot`: the newest is the whole; `changes`: what is absent did not "
        "change; `days`: each run reads a window of days whole, and lands the days that changed"
    )
    times: Literal["utc", "local"] = Field(
        default="utc", description="of ArcGIS: whether its times are UTC, or the agency's clock"
    )
    days: int | None = Field(
        default=None, gt=0, description="length of that window, back from the interval's end"
    )
    rows_per_key: Literal["one", "many"] = "one"
    duplicates: Literal["refuse", "last"] = Field(
        default="refuse",
        description="of rows of a file with one key and different content: refuse all, or the last "
        "one counts",
    )
    rows: RowFilter | None = Field(
        default=None, description="which rows belong to the dataset; default: all"
    )
    columns: dict[str, ColumnMap]
    ignored: tuple[str, ...] = Field(
        default=(), description="source columns that are known and not taken"
    )
    connection: str | None = Field(
        default=None,
        max_length=MOST_LETTERS,
        description="Airflow connection of a URL, database or API",
    )
    wait_hours: int | None = Field(
        default=None,
        gt=0,
        description="so long after the interval's end a scheduled run waits for files that are "
        "not there yet; default: it fails at once",
    )
    unpacked_gb: int | None = Field(
        default=None,
        gt=0,
        description="largest size of a file, unpacked; default: 50, and of a packed file 200 times "
        "its packed size, if that is less, but at least 1",
    )
    max_age_hours: int = Field(
        default=48,
        gt=0,
        description="a message is sent if a run has not succeeded so long after it was created; a "
        "live source whose newest row is older counts as no longer filled",
    )
    retention_days: int | None = Field(
        default=None, gt=0, description="older rows are removed, counted back from as_of"
    )

    @property
    def kind(self) -> str:
        """Which of `KINDS` the source is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def is_live(self) -> bool:
        """Whether its rows may change at any time, as those of a database do."""
        return self.kind != "files"

    @property
    def is_typed(self) -> bool:
        """Whether its values have types, and its times no text form of their own."""
        return self.is_live or self.format == "parquet"

    def is_too_old(self, age: timedelta) -> bool:
        """Whether the newest row of a source is older than if it were still filled."""
        return age > timedelta(hours=self.max_age_hours)

    def moment(self, dataset: str) -> str | None:
        """The source's column that says from which day a row is; None if none is mapped."""
        mapped = [name for name in MOMENTS.get(dataset, ()) if name in self.columns]
        return self.columns[mapped[0]].source if mapped else None

    def time_formats(self, mapping: ColumnMap) -> tuple[str, ...]:
        """Formats in which the times of a column stand, in the order in which they are tried."""
        return TYPED_TIMES + mapping.format if self.is_typed else mapping.format

    @model_validator(mode="after")
    def _check_kind(self) -> "Source":
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(KINDS)}")
        if self.kind == "sql" and self.delivery == "changes":
            raise ValueError("delivery: changes is for files; give days, or snapshot if small")
        if self.is_live and self.kind != "sql" and self.delivery != "days":
            raise ValueError(f"delivery: {self.delivery} is not for a portal's API; give days")
        if not self.is_live and self.delivery == "days":
            raise ValueError("delivery: days is for databases and APIs; give snapshot or changes")
        if (self.delivery == "days") != (self.days is not None):
            raise ValueError("days: give it with delivery: days and with nothing else")
        if self.sql and self.connection is None:
            raise ValueError("connection: missing; the Airflow connection of the database")
        is_csv = not self.is_live and self.format == "csv"
        if not is_csv and (self.header is not None or self.skip_lines):
            raise ValueError("header, skip_lines: only CSV files have lines; leave them out")
        if self.encoding and (self.is_live or self.format == "parquet"):
            raise ValueError("encoding: only CSV and JSON files are text; leave it out")
        if self.duplicates == "last" and self.rows_per_key == "many":
            raise ValueError("duplicates: last is for rows_per_key: one; leave one of them out")
        return self

    @field_validator("arcgis")
    @classmethod
    def _check_layers(cls, value: tuple[ArcgisLayer, ...] | None) -> tuple[ArcgisLayer, ...] | None:
        """Refuse layers of which one would be read past its end, so that the next is never read."""
        if value:
            *days, last = [layer.until for layer in value]
            if None in days:
                raise ValueError(
                    f"layer {days.index(None) + 1} of {len(value)} has no `until`, so the layers "
                    "after it would never be read; give the day with which the next layer begins"
                )
            if last is not None:
                raise ValueError(
                    f"the last layer has `until`, so no row from {last} on would be read; leave it "
                    "out"
                )
            if any(day >= later for day, later in itertools.pairwise(filter(None, days))):
                raise ValueError(
                    "the days of `until` do not follow each other, so a layer would never be "
                    "read; put the oldest layer first"
                )
        return value

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, value: str | None) -> str | None:
        """Refuse a name that Python does not know, or that is no encoding of text, as `hex`."""
        if value is not None:
            try:
                io.TextIOWrapper(io.BytesIO(), encoding=value)
            except (LookupError, ValueError):
                raise ValueError(
                    f"{value!r} is not an encoding; give a name as Python has it, such as "
                    "windows-1252, iso-8859-15 or utf-16"
                ) from None
        return value

    @field_validator("columns", mode="before")
    @classmethod
    def _expand_shorthand(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: {"from": mapping} if isinstance(mapping, str) else mapping
            for name, mapping in value.items()
        }


# The first is what we write. A program that writes local time without an offset is read as well.
FORMATS_OF_PEOPLE = ("%Y-%m-%d %H:%M:%S%z", "%Y-%m-%d %H:%M:%S")


def source_of_people(dataset: str) -> Source:
    """Make the source of a dataset that `cdi.people` writes, the same for every agency.

    Args:
        dataset: One of `BY_PEOPLE`.
    """
    columns = {
        column.name: {"from": column.name, "format": list(FORMATS_OF_PEOPLE)}
        if column.kind == "timestamp"
        else {"from": column.name}
        for column in DATASETS[dataset]
    }
    return Source.model_validate(
        {"files": [{"path": "*.csv"}], "delivery": "snapshot", "columns": columns}
    )


# a word of Airflow's that croniter does not know
_PRESETS = {"@quarterly": "0 0 1 */3 *"}


def next_times(cron: str, moment: datetime, count: int) -> list[datetime]:
    """Give the next times of a cron expression after a moment, in the time zone of the moment.

    Raises:
        CroniterError: If it is no cron expression, or has no next time.
    """
    times = croniter(_PRESETS.get(cron, cron), moment)
    return [times.get_next(datetime) for _ in range(count)]


@functools.cache  # it searches the folders of zones, and DAG files check each agency
def _list_time_zones() -> set[str]:
    return available_timezones()


class Agency(Strict):
    """One agency, as its folder describes it."""

    agency: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=MOST_LETTERS)
    name: str = Field(min_length=1, max_length=MOST_LETTERS)
    country: str = Field(pattern=COUNTRY)
    timezone: str
    owner: Owner
    contact: Owner | None = Field(
        default=None,
        description="who answers questions of the public about the open extract, whose page names "
        "them; default: nobody is named",
    )
    licence: str = Field(min_length=1)
    is_simulated: bool = False
    calls: Literal["all", "sample"] = Field(
        description="`sample`: only some calls are delivered, so a record may lack its call"
    )
    crime_records: Literal["delivered", "on_calls", "none"] = Field(
        default="delivered",
        description="`on_calls`: the calls bear the numbers of their records, and there is nothing "
        "else; `none`: the agency delivers none, so no crime counts as unrecorded",
    )
    data_root: str = Field(default="data", description="folder, or URL that fsspec reads")
    schedule: str | None = Field(
        default=None, description="cron, in the agency's time zone; default: see `cron`"
    )
    start_date: date
    coverage: Coverage | None = None
    runs_on: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$",
        description="queue of the workers that run the agency's tasks; default: Airflow's own",
    )
    task_hours: int = Field(
        default=12, gt=0, le=168, description="a task of a DAG that takes longer is stopped"
    )
    key_rules: dict[str, tuple[KeyRule, ...]]
    loose_code_maps: tuple[
        Literal["call_types", "closures", "offences", "routes", "cancellation_codes"], ...
    ] = Field(
        default=(),
        description="code maps whose codes are compared without case, blanks, dashes and slashes",
    )
    cancelled_statuses: tuple[str, ...] = Field(
        default=(), description="status codes of cancelled crime records"
    )
    auditors: tuple[str, ...] = Field(
        default=(),
        description="staff numbers of the auditors; without any, the audit DAG draws nothing",
    )
    deciders: tuple[str, ...] = Field(
        default=(),
        description="staff numbers of those who may decide by sheet or on the command line; "
        "without any, whoever is named there is believed",
    )
    worklist: Worklist = Field(
        default=Worklist(), description="what the page and the sheet of the worklist put first"
    )
    alerts: Alerts = Field(
        default=Alerts(), description="who is warned before the time limit of a crime has passed"
    )
    open_extract: OpenExtract = Field(
        default=OpenExtract(), description="what the open extract withholds"
    )
    sources: dict[str, Source]
    folder: Path = Field(exclude=True)

    @field_validator("timezone")
    @classmethod
    def _check_time_zone(cls, value: str) -> str:
        if value not in _list_time_zones():
            raise ValueError(f"'{value}' is not an IANA time zone such as Europe/London")
        return value

    @field_validator("key_rules")
    @classmethod
    def _check_things(cls, value: dict[str, tuple[KeyRule, ...]]) -> dict[str, tuple[KeyRule, ...]]:
        if unknown := [thing for thing in value if thing not in THINGS]:
            raise ValueError(f"unknown: {', '.join(unknown)}; known are {', '.join(THINGS)}")
        return value

    @field_validator("schedule")
    @classmethod
    def _check_schedule(cls, value: str | None) -> str | None:
        """Let the library that Airflow uses read it; a schedule without a next time is none."""
        if value is None:
            return None
        try:
            next_times(value, datetime.now(UTC), 1)
        except (CroniterError, ValueError, KeyError) as error:
            raise ValueError(
                f"'{value}' is not a schedule: {error}; give five fields of cron such as "
                "'0 6 * * *' (each day at 06:00), or @daily"
            ) from None
        return value

    @model_validator(mode="before")
    @classmethod
    def _read_records_on_calls(cls, content: Any) -> Any:
        """Give an agency whose calls bear the record numbers a second source of the same rows."""
        if content.get("crime_records") != "on_calls":
            return content
        sources = content.get("sources")
        if not isinstance(sources, dict) or not isinstance(sources.get("calls"), dict):
            return content  # what is missing is said below
        if "crime_records" in sources:
            raise ValueError(
                "crime_records: on_calls; but sources.crime_records is there: keep one"
            )
        if not isinstance(sources["calls"].get("columns"), dict):
            return content
        try:
            records = derive_records_source(sources["calls"])
        except (TypeError, KeyError):
            return content  # what is wrong in the source of calls is said below
        return content | {"sources": sources | {"crime_records": records}}

    @model_validator(mode="after")
    def _check_sources(self) -> "Agency":
        problems = []
        delivers_none = self.crime_records == "none"
        for dataset in REQUIRED:
            is_needed = dataset != "crime_records" or not delivers_none
            if is_needed and dataset not in self.sources:
                problems.append(
                    f"sources.{dataset}: missing; {' and '.join(REQUIRED)} are needed "
                    "(beside `calls` alone, say `crime_records: on_calls` or `none`)"
                )
        if delivers_none and "crime_records" in self.sources:
            problems.append("crime_records: none; but sources.crime_records is there: keep one")
        for dataset, source in self.sources.items():
            problems += _find_column_problems(dataset, source)
        problems += _find_retention_problems(self.sources)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def cron(self) -> str:
        """When the extraction runs.

        Without a `schedule` it is hourly if all that is delivered may change at any time and is
        read by windows of days; and daily if anything comes as files or is read whole.
        """
        if self.schedule is not None:
            return self.schedule
        are_by_days = all(each.delivery == "days" for each in self._list_delivered())
        return "@hourly" if are_by_days else "@daily"

    def _list_delivered(self) -> list[Source]:
        """List the sources that the agency delivers: all but what people write."""
        return [each for name, each in self.sources.items() if name not in BY_PEOPLE]

    def late_from(self, as_of: datetime) -> datetime:
        """From when on data is older than the schedule allows: two runs should have come since.

        An agency that rests on Sundays is not late then, so the runs are those of the calendar.
        Where files of days are all that is delivered, runs between two days find nothing newer,
        and the data may be two days old however often they run.

        Args:
            as_of: Up to when the data goes, with its zone.
        """
        first, second = next_times(self.cron, as_of.astimezone(self.zone), 2)
        interval = second - first
        if all(
            each.files and all(file.is_daily for file in each.files)
            for each in self._list_delivered()
        ):
            interval = max(interval, timedelta(days=1))
        return max(second, as_of + 2 * interval)

    @property
    def zone(self) -> ZoneInfo:
        """The agency's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def first_moment(self) -> datetime:
        """Local midnight of start_date, at which the first interval begins."""
        return datetime.combine(self.start_date, datetime.min.time(), self.zone)

    @property
    def last_moment(self) -> datetime | None:
        """Local end of a finished publication; None for an agency that keeps delivering."""
        if self.coverage is None:
            return None
        return datetime.combine(self.coverage.end, datetime.min.time(), self.zone)

    def root_of(self, dataset: str) -> str:
        """Folder or URL of a dataset's files; what people write lies in the state folder."""
        folders = {
            DECISIONS: paths.decisions(self.agency),
            READINGS: paths.findings(self.agency),
        }
        return str(folders.get(dataset, self.root))

    @property
    def root(self) -> str:
        """Folder or URL of the sources: CDI_DATA, else data_root.

        A relative data_root starts at the agency's folder, a relative CDI_DATA at the working
        folder. `simulation` means the files that `make simulate` wrote for SCENARIO, MONTHS and
        SEED.
        """
        chosen = os.environ.get("CDI_DATA") or self.data_root
        if chosen == SIMULATION:
            return str(paths.simulated_sources())
        if "://" in chosen or Path(chosen).is_absolute():
            return chosen
        base = Path.cwd() if os.environ.get("CDI_DATA") else self.folder
        return str((base / chosen).resolve())


def _find_retention_problems(sources: dict[str, Source]) -> list[str]:
    """Find limits by which a call would outlive its crime record, and then look unrecorded."""
    calls, records = (
        sources[name].retention_days if name in sources else None for name in REQUIRED
    )
    if records is not None and (calls is None or calls > records):
        return [
            f"sources.calls.retention_days: {calls or 'missing'}; give {records} or fewer, as a "
            f"call that is kept longer than crime_records ({records}) would look unrecorded"
        ]
    return []


def _find_column_problems(dataset: str, source: Source) -> list[str]:
    delivered = [name for name in DATASETS if name not in BY_PEOPLE]
    if dataset not in delivered:
        return [f"sources.{dataset}: unknown dataset; known are {', '.join(delivered)}"]
    columns = {column.name: column for column in DATASETS[dataset]}
    place = f"sources.{dataset}.columns"
    if source.delivery == "days" and source.moment(dataset) is None:
        needed = " or ".join(MOMENTS.get(dataset, ())) or "a dataset with a time of its own"
        return [f"{place}: delivery: days needs {needed}; give `delivery: snapshot` instead"]
    problems = [
        f"{place}.{name}: unknown column; known are {', '.join(columns)}"
        for name in source.columns
        if name not in columns
    ]
    for column in columns.values():
        mapping = source.columns.get(column.name)
        if mapping is None:
            if column.is_required:
                problems.append(f"{place}.{column.name}: missing; this column is required")
        elif column.kind in TIMES and not source.time_formats(mapping):
            problems.append(f"{place}.{column.name}.format: missing; e.g. '%Y-%m-%d %H:%M:%S'")
        elif any("%Z" in form.replace("%%", "") for form in mapping.format):
            # DuckDB reads BST as the time of Bangladesh, for instance.
            problems.append(
                f"{place}.{column.name}.format: %Z, the name of a zone, is ambiguous; give the "
                "offset (%z), or cut the name off by `extract`"
            )
        elif column.kind in TIMES and source.is_typed and len(mapping.sources) > 1:
            problems.append(
                f"{place}.{column.name}.from: several columns, but a time of a database, a portal "
                "or a Parquet file is one column; join a date and a time of day in a view or in "
                "`query` (in PostgreSQL `day + time_of_day`), or have them delivered as one column"
            )
        elif column.kind == "boolean" and not mapping.true_values:
            problems.append(f"{place}.{column.name}.true_values: missing; e.g. ['Y']")
    return problems
