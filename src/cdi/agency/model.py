"""What agency.yaml may say, as validated models."""

import os
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE, DATASETS, DECISIONS, READINGS, REQUIRED

# data_root of the simulated force, whose period is its scenario's
SIMULATION = "simulation"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Owner(_Strict):
    """Who answers for the agency's data; shown in Airflow and on the report."""

    name: str = Field(min_length=1)
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")


class Coverage(_Strict):
    """The period that a finished publication covers: what `make run` extracts."""

    start: date
    end: date = Field(description="First day after the period.")

    @model_validator(mode="after")
    def _in_order(self) -> "Coverage":
        if self.end <= self.start:
            raise ValueError("end must be after start")
        return self


class KeyRule(_Strict):
    """How one form of a reference becomes its canonical form.

    Both parts go to DuckDB's regexp_replace on the upper-cased, trimmed text.
    """

    pattern: str = Field(min_length=1)
    canonical: str = Field(min_length=1, description=r"e.g. \1-\2-\3")


class SourceFile(_Strict):
    """Files of one kind; ``path`` is a glob, may hold {date:%Y-%m-%d}, relative to data_root."""

    path: str = Field(min_length=1)
    as_of: datetime | None = Field(
        default=None, description="Local time the file's content speaks of; else the interval's end"
    )

    @property
    def is_daily(self) -> bool:
        """Whether the path names one file per day."""
        return "{date" in self.path


def has_offset(form: str) -> bool:
    """Whether a strptime format reads an offset from UTC (``%z``)."""
    return "%z" in form.replace("%%", "")


class ColumnMap(_Strict):
    """Where a canonical column comes from; a plain string means ``from`` alone."""

    source: str = Field(alias="from", min_length=1)
    format: tuple[str, ...] = Field(default=(), description="strptime formats, tried in order")
    extract: str | None = Field(default=None, description="regular expression; its group 1 is used")
    true_values: tuple[str, ...] = ()

    @field_validator("format", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class RowFilter(_Strict):
    """Which rows of a file belong to the dataset, where one file holds rows of several."""

    source: str = Field(alias="from", min_length=1)
    matches: str = Field(
        min_length=1, description="regular expression that the whole trimmed text matches"
    )


class Source(_Strict):
    """One dataset of the agency."""

    files: tuple[SourceFile, ...] = Field(min_length=1)
    format: Literal["csv", "parquet", "json", "jsonl"] = "csv"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    delivery: Literal["snapshot", "changes"]
    rows_per_key: Literal["one", "many"] = "one"
    rows: RowFilter | None = Field(
        default=None, description="rows that belong to the dataset; default: all"
    )
    columns: dict[str, ColumnMap]
    ignored: tuple[str, ...] = Field(
        default=(), description="source columns that are known and left out"
    )
    connection: str | None = Field(default=None, description="Airflow connection id for a URL")
    max_age_hours: int = Field(default=48, gt=0, description="freshness limit, relative to as_of")
    retention_days: int | None = Field(
        default=None, gt=0, description="rows older than that, relative to as_of, are removed"
    )

    @field_validator("columns", mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: {"from": v} if isinstance(v, str) else v for k, v in value.items()}


def source_of_people(dataset: str) -> Source:
    """A source that every agency has: `cdi.people.decisions` or `cdi.audit` writes it.

    Args:
        dataset: One of `BY_PEOPLE`.
    """
    columns = {
        column.name: {"from": column.name, "format": "%Y-%m-%d %H:%M:%S"}
        if column.kind == "timestamp"
        else {"from": column.name}
        for column in DATASETS[dataset]
    }
    return Source.model_validate(
        {"files": [{"path": "*.csv"}], "delivery": "snapshot", "columns": columns}
    )


class Agency(_Strict):
    """One agency, as its folder describes it."""

    agency: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str = Field(min_length=1)
    country: str = Field(pattern=r"^[A-Z]{2}$")
    timezone: str
    owner: Owner
    licence: str = Field(min_length=1)
    is_simulated: bool = False
    calls: Literal["all", "sample"] = Field(
        description="sample: the calls are a sample, so no check may ask that each record has one"
    )
    data_root: str = Field(default="data", description="folder or fsspec URL")
    schedule: str = Field(default="@daily", description="cron of the extraction, agency's time")
    start_date: date
    coverage: Coverage | None = None
    key_rules: dict[str, tuple[KeyRule, ...]]
    cancelled_statuses: tuple[str, ...] = Field(
        default=(), description="status codes of a crime record that was cancelled"
    )
    auditors: tuple[str, ...] = Field(
        default=(), description="staff numbers of who reads what the audit DAG draws; none: no draw"
    )
    sources: dict[str, Source]
    folder: Path = Field(exclude=True)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"'{value}' is not an IANA time zone such as Europe/London")
        return value

    @model_validator(mode="after")
    def _known_columns(self) -> "Agency":
        problems = []
        for dataset in REQUIRED:
            if dataset not in self.sources:
                problems.append(f"sources.{dataset}: missing; {' and '.join(REQUIRED)} are needed")
        for dataset, source in self.sources.items():
            problems += _column_problems(dataset, source)
        problems += _retention_problems(self.sources)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The agency's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def first_moment(self) -> datetime:
        """Midnight of start_date, local time: the first interval that can be extracted."""
        return datetime.combine(self.start_date, datetime.min.time(), self.zone)

    @property
    def last_moment(self) -> datetime | None:
        """End of a finished publication, local time; None for an agency that goes on."""
        if self.coverage is None:
            return None
        return datetime.combine(self.coverage.end, datetime.min.time(), self.zone)

    def root_of(self, dataset: str) -> str:
        """Where the files of a dataset are: what people write lies in the state folder."""
        folders = {
            DECISIONS: paths.decisions(self.agency),
            READINGS: paths.audit(self.agency) / "findings",
        }
        return str(folders.get(dataset, self.root))

    @property
    def root(self) -> str:
        """Where the sources are: CDI_DATA, else data_root (relative to the agency's folder).

        `data_root: simulation` is what `make simulate` wrote for SCENARIO, MONTHS and SEED.
        """
        chosen = os.environ.get("CDI_DATA") or self.data_root
        if chosen == SIMULATION:
            return str(paths.simulated_sources())
        if "://" in chosen or Path(chosen).is_absolute():
            return chosen
        base = Path.cwd() if os.environ.get("CDI_DATA") else self.folder
        return str((base / chosen).resolve())


def _retention_problems(sources: dict[str, Source]) -> list[str]:
    """A call that outlives its crime record would look unrecorded."""
    calls, records = (
        sources[name].retention_days if name in sources else None for name in REQUIRED
    )
    if records is not None and (calls is None or calls > records):
        return [
            f"sources.calls.retention_days: {calls or 'missing'}; give {records} or fewer, as a "
            f"call that is kept longer than crime_records ({records}) would look unrecorded"
        ]
    return []


def _column_problems(dataset: str, source: Source) -> list[str]:
    delivered = [name for name in DATASETS if name not in BY_PEOPLE]
    if dataset not in delivered:
        return [f"sources.{dataset}: unknown dataset; known are {', '.join(delivered)}"]
    known = {column.name: column for column in DATASETS[dataset]}
    at = f"sources.{dataset}.columns"
    problems = [
        f"{at}.{name}: unknown column; known are {', '.join(known)}"
        for name in source.columns
        if name not in known
    ]
    for column in known.values():
        mapping = source.columns.get(column.name)
        if mapping is None:
            if column.is_required:
                problems.append(f"{at}.{column.name}: missing; this column is required")
        elif column.kind in ("timestamp", "birth_date") and not mapping.format:
            problems.append(f"{at}.{column.name}.format: missing; e.g. '%Y-%m-%d %H:%M:%S'")
        elif any("%Z" in form.replace("%%", "") for form in mapping.format):
            # DuckDB takes BST for the time of Bangladesh
            problems.append(
                f"{at}.{column.name}.format: %Z, the name of a zone, has many meanings; give the "
                "offset (%z), or take the time without it by `extract`"
            )
        elif column.kind == "boolean" and not mapping.true_values:
            problems.append(f"{at}.{column.name}.true_values: missing; e.g. ['Y']")
    return problems
