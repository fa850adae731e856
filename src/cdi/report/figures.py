"""The figures that a version leads with, read from its file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from cdi.shares import write_percent
from cdi.sql import connect, fetch_dicts, read_query, scalar

SQL = Path(__file__).parent / "sql"
RULESETS = ("strict", "standard", "inclusive")
COUNTS = (
    "recorded_count",
    "wrongly_cancelled_count",
    "unrecorded_count",
    "justified_count",
    "too_recent_count",
    "source_missing_count",
    "rate_base_count",
)

Row = dict[str, Any]


def read_headline(con: duckdb.DuckDBPyConnection) -> dict[str, Row]:
    """The total row of the frame's `recording_rate` by ruleset; without figures if there is none.

    Args:
        con: A published (or private) file.
    """
    rows = fetch_dicts(
        con,
        "select * from recording_rate "
        "where universe = 'frame' and breakdown = 'total' and offence_group = 'all'",
    )
    blank = {"recording_rate": None, **dict.fromkeys(COUNTS, 0)}
    shown = {row["ruleset"]: row for row in hide_untaught(con, rows)}
    return dict.fromkeys(RULESETS, blank) | shown


def hide_untaught(con: duckdb.DuckDBPyConnection, rows: list[Row]) -> list[Row]:
    """Leave out the rates of `recording_rate` if no audit has taught the software.

    They are far too low then. What can be told are ranges, as from `read_ranges`.

    Args:
        con: A published (or private) file.
        rows: Rows of `recording_rate`; their counts are kept.
    """
    return rows if is_taught(con) else [{**row, "recording_rate": None} for row in rows]


def read_ranges(con: duckdb.DuckDBPyConnection) -> list[Row]:
    """The ranges of the frame in place of rates, all crime first; none if an audit has taught.

    Args:
        con: A published (or private) file.
    """
    return [] if is_taught(con) else fetch_dicts(con, read_query(SQL / "ranges.sql"))


def is_taught(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether an audit has taught the software to read this version's logs.

    Until then the report shows no single rate, and the open extract releases no quarter.

    Args:
        con: A published (or private) file.
    """
    return scalar(con, "select text_model_version is not null from release") is True


def count_outcomes(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Calls and reported crimes without fraud by outcome, standard ruleset, all calls.

    Args:
        con: A published (or private) file.
    """
    (counts,) = fetch_dicts(con, read_query(SQL / "outcome_counts.sql"))
    return counts


def read_audited(con: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
    """The audit that the report leads with: its facts, rates and changes; None without one.

    Args:
        con: A published (or private) file.
    """
    audits = fetch_dicts(con, read_query(SQL / "headline_audit.sql"))
    if not audits:
        return None
    (audit,) = audits
    query = read_query(SQL / "audited_rates.sql")
    rows = fetch_dicts(con, query, {"draw": audit["draw_id"]})
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
        ranges = read_ranges(con)
        audited = ("recording_rate", "lower_limit", "upper_limit")
        return {
            "audited": audit and {name: audit["force"][name] for name in audited},
            **count_outcomes(con),
            "rates": {ruleset: row["recording_rate"] for ruleset, row in rates.items()},
            "range": ranges[0] if ranges else None,
        }


def summary_as_list(figures: Mapping[str, Any]) -> str:
    """The summary for a note, which Airflow reads as Markdown: lines alone would run together.

    Args:
        figures: As from `read_summary`.
    """
    return "\n".join(f"- {' '.join(line.split())}" for line in summary_text(figures).splitlines())


def summary_text(figures: Mapping[str, Any]) -> str:
    """The summary as lines of text.

    Args:
        figures: As from `read_summary`.
    """
    rates = {
        ruleset: "none yet" if rate is None else write_percent(rate)
        for ruleset, rate in figures["rates"].items()
    }
    lines = [
        f"calls                 {figures['calls']:>9,}",
        f"reported crimes       {figures['reported']:>9,}",
        f"recorded              {figures['recorded']:>9,}",
        f"no record needed      {figures['justified']:>9,}",
        f"suspected missed      {figures['suspected']:>9,}",
        f"wrongly cancelled     {figures['wrongly_cancelled']:>9,}",
        f"still in time         {figures['too_recent']:>9,}",
        f"cannot be judged      {figures['source_missing']:>9,}",
    ]
    audited, untaught = figures["audited"], figures["range"]
    if untaught is None:
        lines.append(
            f"recording rate (crime-coded logs, not audited): strict {rates['strict']}, "
            f"standard {rates['standard']}, inclusive {rates['inclusive']}"
        )
    else:
        line = "recording rate (crime-coded logs): not known before an audit"
        if untaught["low_rate"] is not None:
            low, high = (write_percent(untaught[name]) for name in ("low_rate", "high_rate"))
            line += f", between {low} and {high}"
        lines.append(line)
    if audited and audited["recording_rate"] is not None:
        low, rate, high = (
            write_percent(audited[name])
            for name in ("lower_limit", "recording_rate", "upper_limit")
        )
        lines.append(f"recording rate (frame, audited): {rate}, between {low} and {high}")
    return "\n".join(lines)
