"""The registry: one folder per agency, validated with errors that name file, key and fix.

A folder holds ``agency.yaml`` (this module's models) and three code maps (CSV):
``call_types.csv``, ``closures.csv`` and ``offences.csv``.
"""

import csv
import logging
import os
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cdi import paths
from cdi.datasets import BY_PEOPLE, DATASETS, DECISIONS, READINGS, REQUIRED
from cdi.errors import AgencyError, CdiError

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


def people_source(dataset: str) -> Source:
    """A source that every agency has: `cdi.decisions` or `cdi.audit` writes it.

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


CODE_MAPS: dict[str, tuple[str, ...]] = {
    "call_types": (
        "code", "name", "offence_group", "is_rape", "is_domestic_abuse", "incident_category",
        "is_crime_type_word_list", "note",
    ),
    "closures": ("code", "name", "reason_code", "expects_record", "note"),
    "offences": (
        "code", "name", "offence_group", "is_rape", "is_domestic_abuse",
        "is_crime_type_word_list", "note",
    ),
}  # fmt: skip
# maps of what only some agencies have: entries of logs by who speaks, qualifiers, ways to report
OPTIONAL_MAPS: dict[str, tuple[str, ...]] = {
    "entry_types": ("code", "name", "part", "note"),
    "qualifiers": ("code", "name", "qualifier", "note"),
    "routes": ("code", "name", "route", "note"),
}
# what was recommended to an agency, and what became of it: the report's action register
ACTIONS = (
    "action_id", "recommendation", "owner", "due_on", "done_on", "domain", "note",
)  # fmt: skip
# what an entry of a log is: told, told after it was closed once, concluded, or none of these
PARTS = ("account", "reopening", "closing", "system")


def seed_values(seed: str, column: str) -> set[str]:
    """The values of one column of a dbt seed: the taxonomy is data, not Python."""
    with (paths.DBT_PROJECT / "seeds" / f"{seed}.csv").open(newline="", encoding="utf-8") as file:
        return {row[column] for row in csv.DictReader(file)}


def check_code_maps(folder: Path) -> None:
    """Check the code maps of an agency's folder.

    Raises:
        AgencyError: With file, line and fix, for every problem found.
    """
    allowed = {
        "offence_group": seed_values("offence_groups", "offence_group") | {""},
        # a reason that no row of the decision table answers would go to review, call by call
        "reason_code": seed_values("recording_decisions", "closure_reason_code") | {""},
        "incident_category": seed_values("incident_categories", "incident_category") | {""},
        "qualifier": seed_values("qualifiers", "qualifier") | {""},
        "route": seed_values("routes", "route") | {""},
        "part": set(PARTS),
    }
    flags = ("is_rape", "is_domestic_abuse", "expects_record")
    allowed |= {flag: {"true", "false"} for flag in flags}
    # blank: no second map is kept, the agency's own mapping answers
    allowed["is_crime_type_word_list"] = {"true", "false", ""}
    problems: list[str] = []
    for name, columns in (CODE_MAPS | OPTIONAL_MAPS).items():
        file = folder / f"{name}.csv"
        if not file.is_file() and name in OPTIONAL_MAPS:
            continue
        if not file.is_file():
            problems.append(f"{file}: missing; write it with the columns {', '.join(columns)}")
            continue
        problems += _code_map_problems(file, columns, allowed)
    if problems:
        raise AgencyError(
            "AGENCY-CODES", "\n  ".join(problems), "correct the code maps; docs/onboarding.md"
        )


def _code_map_problems(
    file: Path, columns: tuple[str, ...], allowed: dict[str, set[str]]
) -> list[str]:
    rows, problems = _read_csv(file, columns)
    seen = set()
    for at, row in rows:
        if not row["code"] or row["code"] in seen:
            problems.append(f"{at}: code '{row['code']}' is blank or twice; keep one row")
        seen.add(row["code"])
        problems += [
            f"{at}: {column} '{row[column]}' is not one of {sorted(values - {''})}"
            for column, values in allowed.items()
            if column in row and row[column] not in values
        ]
    return problems


def _read_csv(
    file: Path, columns: tuple[str, ...]
) -> tuple[list[tuple[str, dict[str, str]]], list[str]]:
    """The rows of a file that people write, each after file and line, and what is wrong with it."""
    rows: list[tuple[str, dict[str, str]]] = []
    problems: list[str] = []
    line = 0  # the last that could be read: an unclosed quote is told where it begins
    # spreadsheets put a mark before UTF-8
    with file.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle, strict=True)
        try:
            if tuple(reader.fieldnames or ()) != columns:
                return [], [f"{file}:1: header must be {','.join(columns)}"]
            line = reader.line_num
            for row in reader:
                line = reader.line_num
                at = f"{file}:{line}"
                if None in row or None in row.values():
                    problems.append(f"{at}: has not {len(columns)} fields; quote commas in notes")
                else:
                    rows.append((at, row))
        except UnicodeDecodeError:
            problems.append(f"{file}: is not UTF-8; save it as UTF-8")
        except csv.Error as error:
            problems.append(f"{file}:{line + 1}: is no line of CSV: {error}")
    return rows, problems


def actions(folder: Path) -> list[dict[str, Any]]:
    """The action register of an agency's folder, ``actions.csv``; empty if it keeps none.

    Args:
        folder: Of the agency.

    Returns:
        The rows, with dates; `done_on` is None until it is done.

    Raises:
        AgencyError: AGENCY-ACTIONS with file, line and fix, for every problem found.
    """
    file = folder / "actions.csv"
    if not file.is_file():
        return []
    known = seed_values("offence_groups", "offence_group") | {"force", "rape", "domestic_abuse"}
    rows: list[dict[str, Any]] = []
    written, problems = _read_csv(file, ACTIONS)
    for at, row in written:
        problems += [f"{at}: {name} is blank" for name in ACTIONS[:4] if not row[name].strip()]
        if row["action_id"] in {known_row["action_id"] for known_row in rows}:
            problems.append(f"{at}: action_id '{row['action_id']}' is twice; keep one row")
        if row["domain"] not in known and not row["domain"].startswith("district "):
            problems.append(
                f"{at}: domain '{row['domain']}' is not force, rape, domestic_abuse, "
                "`district X` or an offence group"
            )
        dates = {}
        for name in ("due_on", "done_on"):
            try:
                dates[name] = date.fromisoformat(row[name]) if row[name] else None
            except ValueError:
                problems.append(f"{at}: {name} '{row[name]}' is no date such as 2017-03-31")
        rows.append({**row, **dates})
    if problems:
        raise AgencyError(
            "AGENCY-ACTIONS", "\n  ".join(problems), "correct the register; docs/onboarding.md"
        )
    return rows


def load(agency: str) -> Agency:
    """Load and validate one agency.

    Args:
        agency: Name of a folder under CDI_AGENCIES.

    Raises:
        AgencyError: If the folder, its agency.yaml or a code map is not as it must be; the
            message names file, key and fix.
    """
    folder = paths.agencies_folder() / agency
    file = folder / "agency.yaml"
    if not file.is_file():
        raise AgencyError(
            "AGENCY-UNKNOWN",
            f"there is no {file}",
            f"choose one of {', '.join(names()) or '(none)'}, or write the folder; "
            "docs/onboarding.md",
        )
    parsed = _parse(file, folder)
    if parsed.agency != agency:
        raise AgencyError(
            "AGENCY-SCHEMA",
            f"{file}: key `agency` is '{parsed.agency}', the folder is '{agency}'",
            "give both the same name",
        )
    check_code_maps(folder)
    actions(folder)
    return parsed


def _parse(file: Path, folder: Path) -> Agency:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise AgencyError("AGENCY-SCHEMA", f"{file} is not UTF-8", "save it as UTF-8") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: of a day such as 2026-02-30
        raise AgencyError(
            "AGENCY-SCHEMA", f"{file} is not YAML: {error}", "correct the file"
        ) from None
    if not isinstance(content, dict):
        raise AgencyError("AGENCY-SCHEMA", f"{file} is empty or no mapping", "start from a sample")
    if content.get("data_root") == SIMULATION:
        from cdi.variant import Variant

        start, end = Variant.chosen().period
        content = {"start_date": start, "coverage": {"start": start, "end": end}, **content}
    try:
        agency = Agency.model_validate({**content, "folder": folder})
    except ValidationError as error:
        problems = [explain(detail) for detail in error.errors()]
        raise AgencyError(
            "AGENCY-SCHEMA",
            f"{file}\n    " + "\n    ".join(problems),
            "correct the keys named above; docs/onboarding.md explains each",
        ) from None
    ours = {dataset: people_source(dataset) for dataset in BY_PEOPLE}
    return agency.model_copy(update={"sources": agency.sources | ours})


def explain(detail: Any) -> str:
    """One problem that pydantic found, as `key: what is wrong`."""
    key = ".".join(str(part) for part in detail["loc"]) or "(file)"
    hints = {
        "missing": "missing: add it",
        "extra_forbidden": "unknown key: remove it or correct its spelling",
    }
    return f"key `{key}`: {hints.get(detail['type'], detail['msg'].removeprefix('Value error, '))}"


def names() -> list[str]:
    """Names of all agency folders, sorted."""
    return sorted(file.parent.name for file in paths.agencies_folder().glob("*/agency.yaml"))


def valid() -> list[Agency]:
    """All agencies that load; a broken folder is logged and stops nobody else (design 5.1)."""
    found = []
    for name in names():
        try:
            found.append(load(name))
        except CdiError as error:
            logging.getLogger(__name__).error("agency left out: %s", error)
    return found
