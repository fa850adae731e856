"""The tables of the audits in ``recording.duckdb``: columns and what they mean.

Light: a build without findings makes them empty and imports nothing of `cdi.audit.results`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from cdi.sql import comment

Row = Mapping[str, Any]

# name, type and meaning of each column
AUDITS = {
    "draw_id": ("VARCHAR", "The draw, as the audit register names it."),
    "universe": ("VARCHAR", "frame: logs with a crime code; all: every log."),
    "period_start": ("TIMESTAMP", "UTC; calls received from here"),
    "period_end": ("TIMESTAMP", "UTC; to here (excluded)."),
    "drawn_at": ("TIMESTAMP", "UTC; when it was drawn."),
    "drawn_from": ("VARCHAR", "Version whose logs and predictions were frozen."),
    "reason": ("VARCHAR", "Why days that were drawn before were drawn again; null if none was."),
    "frame_count": ("BIGINT", "Logs that could be drawn."),
    "drawn_count": ("BIGINT", "Logs drawn."),
    "read_count": ("BIGINT", "Of them read by all to whom they were given."),
    "double_count": ("BIGINT", "Logs given to two auditors."),
    "delivery_count": ("BIGINT", "Worksheets taken in; more than auditors: some came twice."),
    "erased_count": ("BIGINT", "Drawn logs that were erased by request since."),
    "kappa": ("DOUBLE", "Agreement of the two auditors (Cohen); null if no log was read twice."),
    "seed": ("BIGINT", "Of the draw; in the register before the sample was made."),
    "register_hash": ("VARCHAR", "Of the draw's line in the register."),
    "withheld_rule_id": ("VARCHAR", "Rule that keeps it from telling a rate; null if it does."),
    "withheld_reason": ("VARCHAR", "Why it tells no rate."),
    "next_step": ("VARCHAR", "What to do about it."),
    "is_headline": ("BOOLEAN", "Whether the report leads with it: the newest period of the frame."),
}  # fmt: skip
RATES = {
    "draw_id": ("VARCHAR", "The draw."),
    "domain": ("VARCHAR", "force, a group of offences, rape, domestic_abuse or district X."),
    "universe": ("VARCHAR", "frame or all."),
    "recording_rate": ("DOUBLE", "Audited rate, 0 to 1; null if it is withheld."),
    "lower_limit": ("DOUBLE", "Of the interval at 95%."),
    "upper_limit": ("DOUBLE", "Of the interval at 95%."),
    "half_width": ("DOUBLE", "Half of the interval, in percentage points."),
    "standard_error": ("DOUBLE", "Of the rate."),
    "degrees_of_freedom": ("DOUBLE", "Of its variance."),
    "crime_logs": ("BIGINT", "Audited logs with a crime of the domain."),
    "audited_crimes": ("BIGINT", "Crimes that auditors found."),
    "effective_crimes": ("DOUBLE", "Crimes of a simple random sample that would be as sure."),
    "design_effect": ("DOUBLE", "Variance against that of as many crimes drawn simply."),
    "rho": ("DOUBLE", "Correlation of y - R m with its prediction, within strata."),
    "is_assisted": ("BOOLEAN", "Whether predictions assist; not below 30 audited crimes."),
    "is_flagged": ("BOOLEAN", "Few degrees of freedom, or wide for the unrecorded share."),
    "withheld_reason": ("VARCHAR", "Why no rate is shown; null if it is."),
    "recorded_year_count": ("BIGINT", "Live crime records of the year to the period's end."),
    "recorded_months": ("DOUBLE", "Months at hand for that; below 11.95 they are scaled up."),
    "unrecorded_year_count": ("BIGINT", "Crimes never recorded in a year, rounded down."),
    "unrecorded_year_lower": ("BIGINT", "Its lower limit, from the rate's upper one."),
    "unrecorded_year_upper": ("BIGINT", "Its upper limit."),
}  # fmt: skip
CHANGES = {
    "draw_id": ("VARCHAR", "The later draw."),
    "before_draw_id": ("VARCHAR", "The draw before it, of the same universe."),
    "domain": ("VARCHAR", "As in audited_rates."),
    "change_points": ("DOUBLE", "Later less earlier rate, in percentage points."),
    "lower_limit": ("DOUBLE", "Of the change at 95% (Newcombe's square-and-add)."),
    "upper_limit": ("DOUBLE", "Of the change at 95%."),
}
LOGS = {
    "draw_id": ("VARCHAR", "The draw."),
    "call_id": ("VARCHAR", "The audited log."),
    "stratum": ("BIGINT", "Stratum that it was drawn from."),
    "due_count": ("BIGINT", "Crimes that should be recorded, as auditors found: m."),
    "recorded_count": ("BIGINT", "Of them recorded: y."),
    "predicted_recorded": ("DOUBLE", "Recorded crimes as predicted before the draw."),
    "predicted_due": ("DOUBLE", "Crimes due as predicted."),
    "predicted_missed": ("DOUBLE", "Missed crimes as predicted."),
}
STRATA = {
    "draw_id": ("VARCHAR", "The draw."),
    "stratum": ("BIGINT", "The stratum."),
    "log_count": ("BIGINT", "Logs in it: N."),
    "audited_count": ("BIGINT", "Of them audited: n."),
    "predicted_recorded": ("DOUBLE", "Sum over its logs."),
    "predicted_due": ("DOUBLE", "Sum over its logs."),
    "predicted_missed": ("DOUBLE", "Sum over its logs."),
    "predicted_variance": ("DOUBLE", "Predicted variance of y - R m of a log, mean."),
}
TABLES = {
    "audits": ("Audits that were drawn and whose findings came in. One row per draw.", AUDITS),
    "audited_rates": (
        "Recording rates by audit, the only ones with an interval (docs/estimation.md). Crimes "
        "never recorded: at this rate, of the year's recorded crime, scaled up if fewer months are "
        "at hand; null for what is no group of offences. One row per draw and domain.", RATES),
    "audited_changes": (
        "Changes of the rate between two audits, with limits of their own. "
        "One row per later draw and domain.", CHANGES),
    "audited_logs": (
        "What auditors found in each log that counts, beside what was predicted. "
        "One row per draw and log.", LOGS),
    "audit_strata": (
        "Strata of the audits and sums of predictions. One row per draw and stratum.", STRATA),
}  # fmt: skip


def create_audit_tables(con: duckdb.DuckDBPyConnection, rows: Mapping[str, Sequence[Row]]) -> None:
    """Make all tables of the audits.

    Args:
        con: The build's private file.
        rows: By table; a table without rows is made empty.
    """
    for name, (meaning, columns) in TABLES.items():
        _create(con, name, meaning, columns, rows.get(name, ()))


def _create(
    con: duckdb.DuckDBPyConnection,
    name: str,
    meaning: str,
    columns: Mapping[str, tuple[str, str]],
    rows: Sequence[Row],
) -> None:
    typed = ", ".join(f"{column} {kind}" for column, (kind, _) in columns.items())
    con.execute(f"create table measures.{name} ({typed})")
    if rows:
        marks = ", ".join(f"${column}" for column in columns)
        values = [{column: row[column] for column in columns} for row in rows]
        con.executemany(f"insert into measures.{name} values ({marks})", values)
    comment(con, f"measures.{name}", meaning, {c: told for c, (_, told) in columns.items()})
