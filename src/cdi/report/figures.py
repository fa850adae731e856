"""The figures that a version leads with, read from its file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from cdi.sql import connect, fetch_dicts

Row = dict[str, Any]


def read_headline(con: duckdb.DuckDBPyConnection, universe: str = "frame") -> dict[str, Row]:
    """The total row of `recording_rate` for each ruleset.

    Args:
        con: A published (or private) file.
        universe: `frame` or `all`.
    """
    rows = fetch_dicts(
        con,
        "from recording_rate where breakdown = 'total' and offence_group = 'all' "
        "and universe = $universe",
        {"universe": universe},
    )
    counted = ("recorded_count", "wrongly_cancelled_count", "unrecorded_count", "justified_count",
               "too_recent_count", "source_missing_count", "rate_base_count")  # fmt: skip
    blank = {"recording_rate": None, **dict.fromkeys(counted, 0)}
    return {r: blank for r in ("strict", "standard", "inclusive")} | {
        row["ruleset"]: row for row in rows
    }


def count_outcomes(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Calls and reported crimes by outcome, standard ruleset, all calls."""
    row = fetch_dicts(
        con,
        """
        select
            (select count(*) from fct_calls) as calls,
            count(outcome) as reported,
            count(*) filter (where outcome = 'recorded') as recorded,
            count(*) filter (where outcome = 'unrecorded') as suspected,
            count(*) filter (where outcome = 'justified') as justified,
            count(*) filter (where outcome = 'too_recent') as too_recent
        from fct_reported_crimes
        """,
    )
    return row[0]


def read_audited(con: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
    """The audit that the report leads with: its facts, rates and changes; None without one.

    Args:
        con: A published (or private) file.
    """
    found = fetch_dicts(
        con,
        "select audits.*, strftime(timezone(timezone, timezone('UTC', period_start)), $day) "
        "as period_start_on, strftime(timezone(timezone, timezone('UTC', period_end)) "
        "- interval 1 day, $day) as period_end_on "
        "from audits cross join (select timezone from release) where is_headline",
        {"day": "%-d %B %Y"},
    )
    if not found:
        return None
    (audit,) = found
    of = {"draw": audit["draw_id"]}
    rows = fetch_dicts(
        con,
        "select rates.*, changes.change_points, changes.lower_limit as change_lower, "
        "changes.upper_limit as change_upper, "
        "coalesce(groups.offence_group_name, replace(rates.domain, '_', ' ')) as label "
        "from audited_rates as rates "
        "left join audited_changes as changes using (draw_id, domain) "
        "left join rules.offence_groups as groups on rates.domain = groups.offence_group "
        "where draw_id = $draw order by groups.sort_order nulls last, rates.domain",
        of,
    )
    force = next(row for row in rows if row["domain"] == "force")
    return {**audit, "force": force, "parts": [row for row in rows if row is not force]}


def read_summary(file: Path) -> dict[str, Any]:
    """Figures of a version, for the summary that `make run` prints.

    Args:
        file: A recording.duckdb.
    """
    with connect(file, read_only=True) as con:
        rates = read_headline(con)
        audit = read_audited(con)
        shown = ("recording_rate", "lower_limit", "upper_limit")
        return {
            "audited": audit and {name: audit["force"][name] for name in shown},
            **count_outcomes(con),
            "rates": {name: row["recording_rate"] for name, row in rates.items()},
        }


def summary_as_list(figures: Mapping[str, Any]) -> str:
    """The summary for a note, which Airflow reads as Markdown: lines alone would run together."""
    return "\n".join(f"- {' '.join(line.split())}" for line in summary_text(figures).splitlines())


def summary_text(figures: Mapping[str, Any]) -> str:
    """The summary as lines of text."""
    rates = {
        name: "none yet" if rate is None else f"{100 * rate:.1f}%"
        for name, rate in figures["rates"].items()
    }
    audited = figures["audited"]
    told = []
    if audited and audited["recording_rate"] is not None:
        low, rate, high = (
            f"{100 * audited[name]:.1f}%"
            for name in ("lower_limit", "recording_rate", "upper_limit")
        )
        told = [f"recording rate (frame, audited): {rate}, between {low} and {high}"]
    return "\n".join(
        [
            f"calls                 {figures['calls']:>9,}",
            f"reported crimes       {figures['reported']:>9,}",
            f"recorded              {figures['recorded']:>9,}",
            f"justified             {figures['justified']:>9,}",
            f"suspected unrecorded  {figures['suspected']:>9,}",
            f"too recent to tell    {figures['too_recent']:>9,}",
            f"recording rate (frame, uncorrected): strict {rates['strict']}, "
            f"standard {rates['standard']}, inclusive {rates['inclusive']}",
            *told,
        ]
    )
