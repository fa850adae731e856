"""The tables of the open extract: ``open.duckdb``, the same as Parquet, and ``README.md``."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from cdi.open_extract.blocks import BANDS, CLASSES, COLUMNS, MEASURES, SQL
from cdi.render import render
from cdi.sql import comment, fetch_dicts, literal, read_query

# The oldest format of a file that DuckDB still writes, so that any DuckDB 1.x opens it.
STORAGE = "v1.0.0"
WITHHELD = "Null means withheld, so that no small count can be found out."
NAMES = {
    "agency_name": "Who released it; it says SIMULATED if the force does not exist.",
    "quarter": "Calendar quarter of the report, for example 2017-Q1.",
    "month": "Month of the report, for example 2017-01, or all.",
    "district": "Police district, or all.",
    "offence_group": "Offence group (Home Office), or all. Fraud is counted in none of them.",
    "due_count": "Crimes that should be recorded: recorded_count + missed_count.",
    "recorded_count": "How many of them were recorded.",
    "missed_count": "How many were not recorded, or recorded and cancelled against the rules.",
}


@dataclass(frozen=True)
class Table:
    """A table of the extract.

    Attributes:
        meaning: What the table shows; its last sentence is the grain.
        query: Makes the table from `counts` (all released quarters) or from the version's file.
        columns: What its columns mean, without those that `NAMES` explains.
    """

    meaning: str
    query: str
    columns: Mapping[str, str] = field(default_factory=dict)


def _pivot_measures(*measures: str) -> str:
    """SQL that makes each measure a column; a measure that is withheld is null there."""
    return ", ".join(
        f"cast(max(value) filter (where measure = '{name}') as bigint) as {name}_count"
        for name in measures
    )


TABLES = {
    "crimes": Table(
        "Crimes that callers reported under a crime code and that should be recorded, standard "
        f"ruleset, with all totals within a quarter. {WITHHELD} "
        "One row per quarter, month, district and offence group.",
        f"select quarter, month, district, offence_group, {_pivot_measures(*MEASURES)} from counts "
        "where part = 'all' and measure in ('due', 'recorded', 'missed') group by all "
        "order by quarter, month, district, offence_group",
    ),
    "missed_crimes": Table(
        f"How crimes were missed, in the whole agency. {WITHHELD} "
        "One row per quarter and offence group.",
        "select quarter, offence_group, "
        f"{_pivot_measures('missed', 'unrecorded', 'wrongly_cancelled')} from counts "
        "where part = 'all' and month = 'all' and district = 'all' "
        "and measure in ('missed', 'unrecorded', 'wrongly_cancelled') group by all order by all",
        {
            "unrecorded_count": "Past the time limit, with neither a record nor a reason for none.",
            "wrongly_cancelled_count": "Recorded, but the record was cancelled against the rules.",
        },
    ),
    "sensitive_classes": Table(
        "Rape (part of sexual offences) and domestic abuse (part of all groups), in the whole "
        f"agency and by quarter only. {WITHHELD} One row per quarter and class.",
        f"select quarter, part as class, {_pivot_measures(*MEASURES)} from counts "
        f"where part in ({', '.join(map(literal, CLASSES))}) "
        "and measure in ('due', 'recorded', 'missed') group by all order by all",
        {"class": "rape or domestic_abuse."},
    ),
    "n100_incidents": Table(
        "Reports of rape kept as a reported incident (N100) instead of a crime, in the whole "
        f"agency. The table is empty if the agency keeps none. {WITHHELD} One row per quarter.",
        f"select quarter, {_pivot_measures('reports')} from counts where part = 'n100' "
        "group by all order by all",
        {"reports_count": "Reported incidents (N100) of the quarter."},
    ),
    "time_to_record": Table(
        "How long after the report crimes were recorded, in the whole agency. The limit is 24 "
        f"hours; before April 2015 it was 72 hours. {WITHHELD} One row per quarter and band.",
        f"select quarter, part as band, {_pivot_measures('recorded')} from counts "
        f"where part in ({', '.join(map(literal, BANDS))}) and measure = 'recorded' "
        f"group by quarter, part order by quarter, list_position({list(BANDS)}, part)",
        {
            "band": "Up to 24 hours, from there up to 3, 7 or 30 days, later, or unknown.",
            "recorded_count": "Recorded crimes; all bands add up to those of the quarter.",
        },
    ),
    "rates": Table(
        "Recording rates, to the whole percent. They are uncorrected: the rules that read the logs "
        "make errors, so three rulesets span a band in place of an interval. A rate is shown if it "
        "is of 20 crimes or more. "
        "One row per quarter, district and offence group (one of them all).",
        "select quarter, district, offence_group, "
        "max(value) filter (where part = 'strict') as strict_rate, "
        "max(value) filter (where part = 'standard') as standard_rate, "
        "max(value) filter (where part = 'inclusive') as inclusive_rate, "
        "'uncorrected indication' as status "
        "from counts where measure = 'recording_rate' group by all order by all",
        {
            "strict_rate": "Only crime codes count as a report. Null: too few crimes, or withheld.",
            "standard_rate": "Likely evidence counts too; this is recorded_count / due_count.",
            "inclusive_rate": "Possible evidence counts too.",
            "status": "No rate here is corrected by an audit; those stand in audited_rates.",
        },
    ),
    "audited_rates": Table(
        "Recording rates that auditors found, with their intervals; empty before an audit. A rate "
        "is left out if a small count of recorded or missed crimes could be worked out from it. "
        "One row per audit and part of the crime.",
        read_query(SQL / "audited_rates.sql"),
        {
            "starts_on": "First day of the audited period.",
            "ends_before_on": "First day after it.",
            "universe": "frame: logs with a crime code; all: every log.",
            "domain": "force, an offence group, rape, domestic_abuse, or a district.",
            "recording_rate": "Share of the crime reported that was recorded, 0 to 1.",
            "lower_limit": "Lower end of the 95% interval.",
            "upper_limit": "Upper end of the 95% interval.",
            "effective_crimes": "Size of a simple random sample that would be as precise (n_eff).",
        },
    ),
    "auditability": Table(
        "Whether the agency's data can carry a recording rate. One row per check.",
        "select auditability_check, description as check_description, "
        "round(share, 2) as share, min_share, is_met from auditability order by all",
        {
            "auditability_check": "Stable name.",
            "check_description": "Of what the share is taken.",
            "share": "The share that was found, to the whole percent.",
            "min_share": "The least share that is needed.",
            "is_met": "Whether the share is enough; if one is not, no rate is shown.",
        },
    ),
    "quarters": Table(
        "The released quarters. Each is counted once and not changed afterwards. "
        "One row per quarter.",
        "select quarter, any_value(as_of_on) as as_of_on, "
        "any_value(ruleset_version) as ruleset_version, "
        "any_value(smallest_count) as smallest_count, "
        "max(value) filter (where measure = 'design_effect') as design_effect "
        "from counts group by all order by all",
        {
            "as_of_on": "The day whose state of knowledge the quarter was counted in.",
            "ruleset_version": "Version of the rulesets that counted the quarter.",
            "smallest_count": "Counts below it are withheld, 0 too except in crimes.",
            "design_effect": "Factor by which calls with several crimes raise a rate's variance.",
        },
    ),
    "release": Table(
        "Facts of the release. One row.",
        "select is_simulated, cast(as_of as date) as as_of_on, licence, "
        "(select string_agg(reason, '; ' order by auditability_check) from auditability "
        "where not is_met) as withheld_reason from release",
        {
            "is_simulated": "Whether the agency and all its figures are made up.",
            "as_of_on": "The day whose state of knowledge the tables without quarters show.",
            "licence": "Licence of the data.",
            "withheld_reason": "Why no rate is shown; null if rates are shown.",
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
        con: A connection whose default database is a version's file.
        files: The released quarters.
        folder: Is made; what stood there is removed.
        limits: The limits of rules.disclosure_limits, by name.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (release,) = fetch_dicts(con, "from release")
    is_simulated = release["is_simulated"]
    mark = "SIMULATED. " if is_simulated else ""
    name = release["agency_name"]
    if is_simulated and "SIMULATED" not in name:
        name += " (SIMULATED)"
    _create_counts_view(con, files)
    con.execute(
        f"attach {literal(str(folder / 'open.duckdb'))} as open (storage_version '{STORAGE}')"
    )
    described = []
    for title, table in TABLES.items():
        query, target = f"select $name as agency_name, * from ({table.query})", f"open.main.{title}"
        values = _choose_bound_values(query, {"name": name, **limits})
        con.execute(f"create table {target} as {query}", values)
        columns = {
            column: (NAMES | dict(table.columns))[column]
            for (column,) in con.execute(f"select column_name from (describe {target})").fetchall()
        }
        comment(con, target, mark + table.meaning, columns)
        con.execute(
            f"copy {target} to {literal(str(folder / f'{title}.parquet'))} (format parquet, "
            f"compression zstd, kv_metadata {{meaning: {literal(mark + table.meaning)}}})"
        )
        described.append({"name": title, "meaning": table.meaning, "columns": columns})
    quarters = [row for (row,) in con.execute("select quarter from open.main.quarters").fetchall()]
    con.execute("drop view temp.counts")
    con.execute("checkpoint open")  # a full disk is told here, and not as the file is detached
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


def _create_counts_view(con: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    """Make the temporary view `counts` over all released quarters."""
    columns = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in COLUMNS.items())
    parts = [f"from read_parquet({literal(str(file))})" for file in files]
    query = " union all ".join(parts) or f"select {columns} where false"
    con.execute(f"create temp view counts as {query}")


def _choose_bound_values(query: str, values: Mapping[str, object]) -> dict[str, object]:
    """The values that a query names: DuckDB refuses any other."""
    return {name: value for name, value in values.items() if f"${name}" in query}
