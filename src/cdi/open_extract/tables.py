"""The tables of the open extract: ``open.duckdb``, the same as Parquet, and ``README.md``."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from cdi.open_extract import blocks
from cdi.render import render
from cdi.sql import fetch_dicts, ident, literal

STORAGE = "v1.0.0"  # any DuckDB 1.x opens it
WITHHELD = "Null: withheld, so that no small count can be found out."
NAMES = {
    "agency_name": "Who released it; says SIMULATED of a force that does not exist.",
    "quarter": "Calendar quarter of the report, e.g. 2017-Q1.",
    "month": "Month of the report, e.g. 2017-01, or all.",
    "district": "Police district, or all.",
    "offence_group": "Offence group (Home Office), or all; fraud is kept apart.",
    "due_count": "Crimes that should be recorded: recorded_count + missed_count.",
    "recorded_count": "Of them recorded.",
    "missed_count": "Of them not recorded, or recorded and cancelled against the rules.",
}


@dataclass(frozen=True)
class Table:
    """A table of the extract.

    Attributes:
        meaning: Ends with its grain.
        query: That makes it, from `counts` (all released quarters) or the version's file.
        columns: What those of its columns mean that `NAMES` has not.
    """

    meaning: str
    query: str
    columns: Mapping[str, str] = field(default_factory=dict)


def _counts(*measures: str) -> str:
    """Measures as columns: a measure that is withheld is null."""
    return ", ".join(
        f"cast(max(value) filter (where measure = '{name}') as bigint) as {name}_count"
        for name in measures
    )


TABLES = {
    "crimes": Table(
        "Crimes that callers reported under a crime code and that should be recorded, standard "
        f"ruleset, with all totals within a quarter. {WITHHELD} "
        "One row per quarter, month, district and offence group.",
        f"select quarter, month, district, offence_group, {_counts(*blocks.SHOWN)} from counts "
        "where part = 'all' and measure in ('due', 'recorded', 'missed') group by all "
        "order by quarter, month, district, offence_group",
    ),
    "missed_crimes": Table(
        f"How crimes were missed, in the whole agency. {WITHHELD} "
        "One row per quarter and offence group.",
        "select quarter, offence_group, "
        f"{_counts('missed', 'unrecorded', 'wrongly_cancelled')} from counts "
        "where part = 'all' and month = 'all' and district = 'all' "
        "and measure in ('missed', 'unrecorded', 'wrongly_cancelled') group by all order by all",
        {
            "unrecorded_count": "Past the time limit, without a record and without a reason.",
            "wrongly_cancelled_count": "Recorded, and the record cancelled against the rules.",
        },
    ),
    "sensitive_classes": Table(
        "Rape (part of sexual offences) and domestic abuse (part of all groups), in the whole "
        f"agency and by quarter only. {WITHHELD} One row per quarter and class.",
        f"select quarter, part as class, {_counts(*blocks.SHOWN)} from counts "
        f"where part in ({', '.join(map(literal, blocks.THEMES))}) "
        "and measure in ('due', 'recorded', 'missed') group by all order by all",
        {"class": "rape or domestic_abuse."},
    ),
    "n100_incidents": Table(
        "Reports of rape kept as a reported incident (N100) instead of a crime, in the whole "
        f"agency; none where the agency keeps none. {WITHHELD} One row per quarter.",
        f"select quarter, {_counts('reports')} from counts where part = 'n100' group by all "
        "order by all",
        {"reports_count": "N100 of the quarter."},
    ),
    "time_to_record": Table(
        "How long after the report crimes were recorded, in the whole agency; the limit is 24 "
        f"hours, 72 before April 2015. {WITHHELD} One row per quarter and band.",
        f"select quarter, part as band, {_counts('recorded')} from counts "
        f"where part in ({', '.join(map(literal, blocks.BANDS))}) and measure = 'recorded' "
        f"group by quarter, part order by quarter, list_position({list(blocks.BANDS)}, part)",
        {
            "band": "Up to 24 hours, from there to 3, 7 or 30 days, later, or unknown.",
            "recorded_count": "Recorded crimes; the bands add up to those of the quarter.",
        },
    ),
    "rates": Table(
        "Recording rates, to the whole percent: uncorrected indications of rules that read logs "
        "and err, so a band of three rulesets in place of an interval. Of 20 crimes or more. "
        "One row per quarter, district and offence group (one of them all).",
        "select quarter, district, offence_group, "
        "max(value) filter (where part = 'strict') as strict_rate, "
        "max(value) filter (where part = 'standard') as standard_rate, "
        "max(value) filter (where part = 'inclusive') as inclusive_rate, "
        "'uncorrected indication' as status "
        "from counts where measure = 'recording_rate' group by all order by all",
        {
            "strict_rate": "Only crime codes count as a report; null: too few, or withheld.",
            "standard_rate": "Likely evidence counts too: recorded_count / due_count.",
            "inclusive_rate": "Possible evidence counts too.",
            "status": "No rate here is corrected by an audit: see audited_rates.",
        },
    ),
    "audited_rates": Table(
        "Recording rates that auditors found, with their intervals; empty before an audit. A rate "
        "that a small count of recorded or missed crimes could be worked out from is left out. "
        "One row per audit and part of the crime.",
        """
        select
            cast(timezone(release.timezone, timezone('UTC', audits.period_start)) as date)
                as starts_on,
            cast(timezone(release.timezone, timezone('UTC', audits.period_end)) as date)
                as ends_before_on,
            rates.universe,
            rates.domain,
            round(rates.recording_rate, 3) as recording_rate,
            round(rates.lower_limit, 3) as lower_limit,
            round(rates.upper_limit, 3) as upper_limit,
            cast(rates.effective_crimes as bigint) as effective_crimes
        from audited_rates as rates
        inner join audits on rates.draw_id = audits.draw_id and audits.withheld_reason is null
        cross join release
        where
            rates.recording_rate is not null
            and rates.effective_crimes >= $smallest_denominator
            -- a reader multiplies; 0 of recorded or missed is no small count
            and (
                rates.recording_rate in (0, 1)
                or round(
                    least(rates.recording_rate, 1 - rates.recording_rate)
                    * least(rates.audited_crimes, rates.effective_crimes)
                ) >= $smallest_count
            )
        order by audits.period_start, rates.universe, rates.domain
        """,
        {
            "starts_on": "First day of the audited period.",
            "ends_before_on": "First day after it.",
            "universe": "frame: logs with a crime code; all: every log.",
            "domain": "force, an offence group, rape, domestic_abuse, or a district.",
            "recording_rate": "Share of the crime reported that was recorded, 0 to 1.",
            "lower_limit": "Of the interval at 95%.",
            "upper_limit": "Of the interval at 95%.",
            "effective_crimes": "Crimes of a simple random sample that would be as sure: n_eff.",
        },
    ),
    "auditability": Table(
        "Whether the agency's data can carry a recording rate. One row per check.",
        "select auditability_check, description as check_description, "
        "round(share, 2) as share, min_share, is_met from auditability order by all",
        {
            "auditability_check": "Stable name.",
            "check_description": "What the share is of.",
            "share": "Found, to the whole percent.",
            "min_share": "Needed.",
            "is_met": "Whether it is enough; if not, no rate is shown.",
        },
    ),
    "quarters": Table(
        "The released quarters: each is counted once and not changed afterwards. "
        "One row per quarter.",
        "select quarter, any_value(as_of_on) as as_of_on, "
        "any_value(ruleset_version) as ruleset_version, "
        "any_value(smallest_count) as smallest_count, "
        "max(value) filter (where measure = 'design_effect') as design_effect "
        "from counts group by all order by all",
        {
            "as_of_on": "The state of knowledge that it was counted in.",
            "ruleset_version": "Version of the rulesets that counted it.",
            "smallest_count": "Counts from 1 (outside of crimes: from 0) to one less are withheld.",
            "design_effect": "By how much calls with several crimes widen a rate's variance.",
        },
    ),
    "release": Table(
        "Facts of the release. One row.",
        "select is_simulated, cast(as_of as date) as as_of_on, licence, "
        "(select string_agg(reason, '; ' order by auditability_check) from auditability "
        "where not is_met) as withheld_reason from release",
        {
            "is_simulated": "Whether the agency and all its figures are made up.",
            "as_of_on": "The state of knowledge of what is not by quarter.",
            "licence": "Of the data.",
            "withheld_reason": "Why no rate is shown; null if rates are.",
        },
    ),
}


def write_tables(
    con: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    folder: Path,
    limits: Mapping[str, int],
) -> None:
    """Write the folder anew.

    Args:
        con: Has a version's file as its default database.
        files: Released quarters.
        folder: Made; what stood there is removed.
        limits: Of rules.disclosure_limits.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (release,) = fetch_dicts(con, "from release")
    is_simulated = release["is_simulated"]
    mark = "SIMULATED. " if is_simulated else ""
    name = release["agency_name"]
    if is_simulated and "SIMULATED" not in name:
        name += " (SIMULATED)"
    _read(con, files)
    con.execute(
        f"attach {literal(str(folder / 'open.duckdb'))} as open (storage_version '{STORAGE}')"
    )
    described = []
    for title, table in TABLES.items():
        query, target = f"select $name as agency_name, * from ({table.query})", f"open.main.{title}"
        con.execute(f"create table {target} as {query}", _named(query, {"name": name, **limits}))
        columns = {
            column: (NAMES | dict(table.columns))[column]
            for (column,) in con.execute(f"select column_name from (describe {target})").fetchall()
        }
        con.execute(f"comment on table {target} is {literal(mark + table.meaning)}")
        for column, meaning in columns.items():
            con.execute(f"comment on column {target}.{ident(column)} is {literal(meaning)}")
        con.execute(
            f"copy {target} to {literal(str(folder / f'{title}.parquet'))} (format parquet, "
            f"compression zstd, kv_metadata {{meaning: {literal(mark + table.meaning)}}})"
        )
        described.append({"name": title, "meaning": table.meaning, "columns": columns})
    quarters = [row for (row,) in con.execute("select quarter from open.main.quarters").fetchall()]
    con.execute("drop view temp.counts")
    con.execute("detach open")
    page = render(
        "open_readme.md.j2",
        name=name,
        is_simulated=is_simulated,
        release=release,
        quarters=quarters,
        limits=limits,
        tables=described,
    )
    (folder / "README.md").write_text(page, encoding="utf-8")


def _read(con: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    """The temporary view `counts` over all released quarters."""
    columns = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in blocks.COLUMNS.items())
    parts = [f"from read_parquet({literal(str(file))})" for file in files]
    query = " union all ".join(parts) or f"select {columns} where false"
    con.execute(f"create temp view counts as {query}")


def _named(query: str, values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if f"${name}" in query}
