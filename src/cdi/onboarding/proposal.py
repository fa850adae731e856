"""All that is proposed for a new agency, from samples of its calls and of its crime records."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from importlib import resources
from zoneinfo import ZoneInfo

import duckdb

from cdi.agency.code_maps import CODE_MAPS
from cdi.agency.datasets import MOMENTS, REQUIRED
from cdi.agency.model import KeyRule
from cdi.landing.read import ROW_NO
from cdi.landing.values import is_moment_format
from cdi.onboarding.codes import LEAST_ROWS, CodeMap, propose_code_map
from cdi.onboarding.columns import ColumnProposal, Mapping, propose_columns
from cdi.onboarding.groups import propose_group, read_vocabulary
from cdi.onboarding.joining import apply_match
from cdi.onboarding.keys import KeyMatch, match_keys
from cdi.onboarding.objections import true_values_of
from cdi.onboarding.profile import ColumnProfile, profile_columns
from cdi.onboarding.reading import Sample
from cdi.sql import ident, scalar

_MOST_WORDS = 4  # a column of yes and no may spell them in two ways
# closures with these reasons say, as the status of a record, that it was cancelled
_CANCELLED = {"NO_CRIME_BOP", "ADMIN"}


@dataclass(frozen=True)
class Settings:
    """What no sample can tell, and a person gives.

    Attributes:
        agency: Name of the folder.
        name: The name that people read.
        timezone: IANA time zone of the times; blank if it is not known yet.
        is_day_first: Whether the day stands before the month in dates that do not tell it; None if
            nobody knows.
        country: ISO code; blank if it is not known yet.
        owner_name: Who is responsible for the data.
        owner_email: The address of that person or team.
        licence: The licence of the data.
    """

    agency: str
    name: str
    timezone: str = ""
    is_day_first: bool | None = None
    country: str = ""
    owner_name: str = "Data engineering"
    owner_email: str = "data-engineering@example.org"
    licence: str = "none stated"


@dataclass
class AgencyProposal:
    """What is proposed for a new agency.

    Attributes:
        settings: What a person gave.
        samples: The samples, by dataset.
        profiles: What their columns hold.
        mappings: What the columns stand for.
        true_values: The words for true in the columns of yes and no, by dataset and column.
        matches: How well pairs of numbers join records and calls, the best first.
        rules: The key rules that are written, by what they read.
        code_maps: The three code maps.
        cancelled_statuses: The status codes of cancelled records.
        repeated_share: The share of rows whose number another row has that differs, by dataset.
    """

    settings: Settings
    samples: dict[str, Sample]
    profiles: dict[str, list[ColumnProfile]]
    mappings: dict[str, Mapping]
    true_values: dict[str, dict[str, list[str]]]
    matches: list[KeyMatch] = field(default_factory=list)
    rules: dict[str, tuple[KeyRule, ...]] = field(default_factory=dict)
    code_maps: list[CodeMap] = field(default_factory=list)
    cancelled_statuses: list[str] = field(default_factory=list)
    repeated_share: dict[str, float] = field(default_factory=dict)

    @property
    def match(self) -> KeyMatch | None:
        """The match that is written as key rules; None if none is good enough."""
        return self.matches[0] if self.matches and not self.matches[0].problem else None

    @property
    def is_of_one_source(self) -> bool:
        """Whether one source was named for the calls and for the crime records."""
        return self.samples["calls"].is_same_source(self.samples["crime_records"])

    @property
    def missing(self) -> list[str]:
        """What `check-agency` needs and no sample tells, as keys of agency.yaml."""
        keys = [key for key in ("country", "timezone") if not getattr(self.settings, key)]
        keys += [] if self.period else ["start_date"]
        return keys + [
            f"sources.{dataset}.columns.{name}"
            for dataset, mapping in self.mappings.items()
            for name in dict.fromkeys([*mapping.missing, *self._list_missing_moments(dataset)])
        ]

    def _list_missing_moments(self, dataset: str) -> list[str]:
        """The column that says from which day a row is, if a live source has none that is sure."""
        proposals = self.mappings[dataset].proposals
        moments = MOMENTS[dataset]
        is_there = any(name in proposals and proposals[name].is_sure for name in moments)
        return [] if is_there or not self.samples[dataset].is_live else [moments[0]]

    @property
    def period(self) -> tuple[date, date] | None:
        """The first day of the calls' first month, and the day after the last call.

        Neither is a value of the sample. None if the time of a call is not sure.
        """
        received = self.mappings["calls"].proposals.get("received_at")
        time = received.profile.time if received and received.is_sure else None
        if received is None or time is None or time.least is None or time.greatest is None:
            return None
        first, last = (self._localise(received, moment) for moment in (time.least, time.greatest))
        return first.date().replace(day=1), last.date() + timedelta(days=1)

    def _localise(self, received: ColumnProposal, moment: datetime) -> datetime:
        """The agency's own time of a moment of the calls; times without an offset are local."""
        time, kind = received.profile.time, self.samples["calls"].types[received.profile.name]
        formats = time.formats if time else ()
        is_moment = kind.endswith("WITH TIME ZONE") or any(map(is_moment_format, formats))
        if not (is_moment and self.settings.timezone):
            return moment
        return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(self.settings.timezone))


def propose_agency(
    con: duckdb.DuckDBPyConnection, samples: dict[str, Sample], settings: Settings
) -> AgencyProposal:
    """Propose columns, key rules and code maps for a new agency.

    Args:
        con: The connection that has the samples' tables.
        samples: The samples of `calls` and of `crime_records`.
        settings: What no sample can tell.
    """
    profiles = {
        dataset: profile_columns(con, samples[dataset], settings.is_day_first)
        for dataset in REQUIRED
    }
    true_values = {
        dataset: _find_true_values(con, samples[dataset], profiles[dataset]) for dataset in REQUIRED
    }
    mappings = {
        dataset: propose_columns(
            dataset,
            profiles[dataset],
            set(true_values[dataset]),
            partial(_share_determined, con, samples[dataset].table),
        )
        for dataset in REQUIRED
    }
    proposal = AgencyProposal(settings, samples, profiles, mappings, true_values)
    if not proposal.is_of_one_source:  # there, each column would join itself, whatever it is
        proposal.matches = match_keys(con, samples, profiles, mappings)
    if proposal.match:
        proposal.rules = apply_match(con, proposal.match, profiles, mappings)
    proposal.code_maps = [propose_code_map(con, name, samples, mappings) for name in CODE_MAPS]
    proposal.cancelled_statuses = _find_cancelled_statuses(con, proposal)
    for dataset, reference in (("calls", "call"), ("crime_records", "record")):
        proposal.repeated_share[dataset] = _share_repeated(
            con, proposal, dataset, f"{reference}_reference"
        )
    return proposal


def country_of_zone(timezone: str) -> str:
    """The ISO code of a time zone's country by the zone database; blank if none is known."""
    table = resources.files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8")
    for line in table.splitlines():
        country, _, zone, *_ = [*line.split("\t"), "", ""]
        if zone and zone == timezone:  # comments of the table have no zone
            return country
    return ""


def _find_true_values(
    con: duckdb.DuckDBPyConnection, sample: Sample, profiles: list[ColumnProfile]
) -> dict[str, list[str]]:
    """Find the columns of yes and no, each with its words for yes."""
    words = {}
    for profile in profiles:
        if 0 < profile.distinct_count <= _MOST_WORDS:
            rows = con.execute(
                f"select distinct {ident(profile.name)} as word from {ident(sample.table)} "
                "where word is not null order by word"
            ).fetchall()
            if yes := true_values_of([word for (word,) in rows]):
                words[profile.name] = yes
    return words


def _share_determined(con: duckdb.DuckDBPyConnection, table: str, code: str, name: str) -> float:
    """In which share of the rows the most frequent name of a code is the row's own."""
    share = scalar(
        con,
        f"""
        with pairs as (
            select {ident(code)} as code, {ident(name)} as name, count(*) as row_count
            from {ident(table)} where code is not null and name is not null group by all
        )
        select sum(most) / sum(every) from (
            select max(row_count) as most, sum(row_count) as every from pairs group by code
        )
        """,
    )
    return float(share or 0.0)


def _find_cancelled_statuses(con: duckdb.DuckDBPyConnection, proposal: AgencyProposal) -> list[str]:
    """Find the status codes whose words say that a record was cancelled, if they are not rare."""
    status = proposal.mappings["crime_records"].proposals.get("status_code")
    if status is None or not status.is_sure:
        return []
    name = ident(status.profile.name)
    rows = con.execute(
        f"select {name} from {ident(proposal.samples['crime_records'].table)} "
        f"where {name} is not null group by all having count(*) >= $least_rows order by 1",
        {"least_rows": LEAST_ROWS},
    ).fetchall()
    vocabulary = read_vocabulary("closures")
    vocabulary.names.clear()  # a closure's name in another agency says nothing of a record
    return [
        code
        for (code,) in rows
        if propose_group(vocabulary, code).target["reason_code"] in _CANCELLED
    ]


def _share_repeated(
    con: duckdb.DuckDBPyConnection, proposal: AgencyProposal, dataset: str, name: str
) -> float:
    source = proposal.mappings[dataset].source_of(name)
    if source is None:
        return 0.0
    column = ident(source.name)
    share = scalar(
        con,
        # the landing leaves out a row that is equal in all columns to an earlier one
        f"select 1 - count(distinct {column}) / count({column}) from "
        f"(select distinct * exclude ({ROW_NO}) from {ident(proposal.samples[dataset].table)})",
    )
    return float(share or 0.0)
