"""The report of a version: one self-contained HTML page, from the file's own tables.

It is for the chief officer, the registrar and the analyst. It names no log: the worklist, which
does, is a folder of its own (`cdi.report.worklist`).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from cdi.agency.code_maps import read_actions
from cdi.build.version import Version
from cdi.files import write_text
from cdi.monitoring.practices import LEAST_HISTORY
from cdi.render import render
from cdi.report.figures import (
    Row,
    count_outcomes,
    hide_untaught,
    read_audited,
    read_headline,
    read_ranges,
)
from cdi.report.readings import list_readings
from cdi.report.wording import OUTCOMES, PRACTICES
from cdi.sql import fetch_dicts, read_query, scalar

if TYPE_CHECKING:
    from cdi.report.charts import Drawing, Figure


SQL = Path(__file__).parent / "sql"
COMPARED_COUNTRY = "GB"  # whose published rates an agency is put beside
NAMED_CLOSURES = 4  # of those that lose most crimes; the flow shows the others as one


def write_report_page(
    con: duckdb.DuckDBPyConnection, version: Version, compared: Mapping[str, Any] | None
) -> Path:
    """Write ``report.html`` beside the private file.

    Args:
        con: The private file.
        version: Whose it is.
        compared: What changed since the published version; None if there is nothing to compare.

    Returns:
        Path of the page.
    """
    from cdi.report.charts import Drawing  # altair takes two seconds to import

    drawing = Drawing(is_simulated=version.agency.is_simulated)
    values = _read_values(con, version, drawing)
    file = version.folder / "report.html"
    write_text(file, render("report.html.j2", compared=compared, **values))
    return file


def _read_values(
    con: duckdb.DuckDBPyConnection, version: Version, drawing: "Drawing"
) -> dict[str, Any]:
    """All that the template shows, by the names that it uses."""
    agency = version.agency
    rates, audit, in_time = read_headline(con), read_audited(con), _read_share_in_time(con)
    by_group = _read_rates_by(con, "offence_group", "offence_group_name")
    by_theme = _read_rates_by(con, "theme", "replace(offence_group, '_', ' ')")
    published = _read_rows(con, "published_rates") if agency.country == COMPARED_COUNTRY else []
    (quality,) = fetch_dicts(
        con,
        "select count(*) as checked, count(*) filter (where is_success) as hold from data_quality",
    )
    (release,) = fetch_dicts(con, "from release")
    ranges = read_ranges(con)
    return {
        "release": release,
        "agency": agency,
        "is_simulated": agency.is_simulated,
        "version": version.name,
        "audit": audit,
        "withheld_audits": fetch_dicts(con, "from audits where withheld_reason is not null"),
        "rates": rates,
        "range": ranges[0] if ranges else None,
        "rates_all": read_headline(con, "all"),
        "counts": count_outcomes(con),
        "listed": _read_rows(con, "listed_counts")[0],
        "withheld": scalar(con, "select any_value(withheld_reason) from recording_rate"),
        "estimate": fetch_dicts(con, "from unrecorded_estimate where offence_group = 'all'"),
        "in_time": in_time,
        "lost": _draw_losses(con, drawing, rates["standard"]),
        "groups": _draw_groups(
            drawing,
            _list_audited_rates(audit)
            or _list_ranges(ranges)
            or _list_uncorrected_rates(rates["standard"], by_group, by_theme),
            published,
        ),
        "published": published,
        "by_group": by_group,
        "by_theme": by_theme,
        "by_route": _read_rates_by(con, "route", "replace(route, '_', ' ')"),
        "by_disposition": _read_rates_by(con, "disposition", "disposition_code"),
        "by_month": _read_rates_by(con, "month", "left(reported_month, 7)"),
        "trend": _draw_trend(con, drawing),
        "newest": _read_weeks(con, "week_count > 1"),
        "districts": _draw_districts(con, drawing),
        "practices": _read_changed_practices(con),
        "backtest": fetch_dicts(
            con, "from worklist_backtest where known_count > 0 order by received_month_on desc"
        ),
        "timeliness": _draw_timeliness(con, drawing) if in_time else [],
        "service": _draw_service(con, drawing),
        "cancelled": _read_rows(con, "cancelled_by_code"),
        "cancelled_against": _read_rows(con, "broken_cancellation_checks"),
        "n100": _read_rows(con, "rape_reports")[0],
        "actions": measure_actions(con, read_actions(agency.folder)),
        "readings": list_readings(con),
        "words": next(iter(_read_rows(con, "newest_words")), None),
        "auditability": fetch_dicts(con, "from auditability order by auditability_check"),
        "files": fetch_dicts(con, "from conservation order by dataset, source_file, batch_id"),
        "datasets": _read_rows(con, "rows_by_dataset"),
        "quality": quality,
        "broken": _read_rows(con, "broken_rules"),
        "weights": scalar(con, "select any_value(weights_version) from links"),
        "built": fetch_dicts(con, COUNT_MODELS_AND_TESTS)[0],
    }


def _read_rows(
    con: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, Any] | None = None
) -> list[Row]:
    """Run a query of the folder ``sql/``, by its name."""
    return fetch_dicts(con, read_query(SQL / f"{query}.sql"), values)


def _read_rates_by(con: duckdb.DuckDBPyConnection, breakdown: str, label: str) -> list[Row]:
    """The counts and rates of one breakdown, standard ruleset, frame.

    Args:
        con: The private file.
        breakdown: Of `recording_rate`.
        label: SQL of the name that a row is shown under.
    """
    rows = fetch_dicts(
        con,
        f"select rates.*, {label} as label from recording_rate as rates "
        "left join rules.offence_groups as groups using (offence_group) "
        "where universe = 'frame' and ruleset = 'standard' and breakdown = $breakdown "
        "order by groups.sort_order, reported_month, district, rate_base_count desc, label",
        {"breakdown": breakdown},
    )
    return hide_untaught(con, rows)


def _read_weeks(con: duckdb.DuckDBPyConnection, condition: str) -> list[Row]:
    """Some weeks of the frame; none where no rate is shown at all."""
    return fetch_dicts(
        con,
        f"from weekly_rates where universe = 'frame' and rate_so_far is not null and {condition}",
    )


def _read_share_in_time(con: duckdb.DuckDBPyConnection) -> Row | None:
    """Of recorded crime, how much was recorded within its limit; None if no time is known."""
    (row,) = fetch_dicts(
        con,
        "select sum(band_count) filter (where is_within_limit) as in_time, "
        "sum(band_count) filter (where hours_from = 0) as at_once, "
        "sum(band_count) as timed, max(limit_hours) as limit_hours "
        "from recording_timeliness where breakdown = 'total'",
    )
    # If all is recorded at once, the source gives one time for both the report and the record.
    if not row["timed"] or row["at_once"] == row["timed"]:
        return None
    return {**row, "share": row["in_time"] / row["timed"]}


def _draw_losses(con: duckdb.DuckDBPyConnection, drawing: "Drawing", rates: Row) -> "Figure | None":
    """From reported crime to crime records, in the frame: what leaves at each stage."""
    base = rates["rate_base_count"]
    if not base:
        return None
    justified, recent = rates["justified_count"], rates["too_recent_count"]
    missing = rates["source_missing_count"]
    closures = _read_rows(con, "lost_by_closure", {"named": NAMED_CLOSURES})
    stages: list[tuple[str, int, bool, str]] = [
        ("Reported crimes", base + justified + recent + missing, False, "stays"),
        (OUTCOMES["justified"], justified, True, "no record needed"),
        (OUTCOMES["too_recent"], recent, True, "no record needed"),
        (OUTCOMES["source_missing"], missing, True, "no record needed"),
        ("Should be recorded", base, False, "stays"),
        *((f"Closed: {row['label']}", row["unrecorded"], True, "lost") for row in closures),
        (OUTCOMES["wrongly_cancelled"], rates["wrongly_cancelled_count"], True, "lost"),
        (OUTCOMES["recorded"], rates["recorded_count"], False, "stays"),
    ]
    rows = [
        {"label": label, "count": count, "is_loss": is_loss, "kind": kind}
        for label, count, is_loss, kind in stages
        if count
    ]
    caption = (
        "Orange: crimes that should have been recorded and were not, by how the log was closed."
    )
    return drawing.waterfall(rows, "From report to record", caption)


def _list_audited_rates(audit: Mapping[str, Any] | None) -> list[Row]:
    """The rates of the headline audit for the chart of offence groups; none without an audit."""
    if not audit or audit["force"]["recording_rate"] is None:
        return []
    return [
        {
            "label": row["label"],
            "rate": row["recording_rate"],
            "low": row["lower_limit"],
            "high": row["upper_limit"],
            "count": row["audited_crimes"],
            "kind": "this agency, audited",
            "domain": row["domain"],
        }
        for row in (audit["force"] | {"label": "All crime"}, *audit["parts"])
        if row["recording_rate"] is not None and not row["domain"].startswith("district")
    ]


def _list_ranges(ranges: Sequence[Row]) -> list[Row]:
    """The ranges in which the rates lie before a first audit, for the chart of offence groups."""
    return [
        {
            "label": row["label"],
            "rate": None,
            "low": row["low_rate"],
            "high": row["high_rate"],
            "kind": "this agency, range before an audit",
            "domain": row["domain"],
        }
        for row in ranges
        if row["low_rate"] is not None
    ]


def _list_uncorrected_rates(
    total: Row, by_group: Sequence[Row], by_theme: Sequence[Row]
) -> list[Row]:
    """The rates that no audit corrects, for the chart of offence groups."""
    force = total | {"label": "All crime", "offence_group": "force"}
    return [
        {
            "label": row["label"],
            "rate": row["recording_rate"],
            "count": row["rate_base_count"],
            "kind": "this agency, uncorrected",
            "domain": row["offence_group"],
        }
        for row in (force, *by_group, *by_theme)
        if row["recording_rate"] is not None
    ]


def _draw_groups(
    drawing: "Drawing", own_rates: Sequence[Row], published: Sequence[Row]
) -> "Figure | None":
    """Rates of offence groups beside the published ones of other forces."""
    if not own_rates:
        return None
    names = {"rape": "Rape", "domestic_abuse": "Domestic abuse"}
    labels = {row["domain"]: names.get(row["domain"], row["label"]) for row in own_rates}
    rows = [row | {"label": labels[row["domain"]]} for row in own_rates]
    for row in published:
        domain = row["offence_group"].replace("all", "force")
        if domain in labels:  # a group that this agency has no rate of is not compared
            rate, half_width = row["recording_rate"], row["half_width_points"]
            rows.append(
                {
                    "label": labels[domain],
                    "rate": rate,
                    "low": half_width and rate - half_width / 100,
                    "high": half_width and rate + half_width / 100,
                    "count": None,
                    "kind": f"{row['force']} {row['year']}",
                }
            )
    columns = {
        "Group": lambda row: row["label"],
        "Rate of": lambda row: row["kind"],
        "Crimes": lambda row: row.get("count"),
        "Rate": lambda row: None if row["rate"] is None else f"{row['rate']:.1%}",
        "From and to": lambda row: (
            None if row.get("low") is None else f"{row['low']:.1%} to {row['high']:.1%}"
        ),
    }
    caption = "Further right is better. " + (
        "A bar without a dot is the range in which the rate lies as far as software can tell; a "
        "bar with a dot is a 95% confidence interval."
        if own_rates[0]["rate"] is None
        else "Where there is a bar, it is a 95% confidence interval: such bars contain the true "
        "rate 19 times in 20."
    )
    return drawing.intervals(rows, "Recording rate by offence group", caption, columns)


def _draw_trend(con: duckdb.DuckDBPyConnection, drawing: "Drawing") -> dict[str, Any] | None:
    """The weeks, those that chance does not explain, and why a nowcast or limits are lacking."""
    weeks = _read_weeks(con, "week_count = 1 order by reported_week_on")
    if not weeks:
        return None
    is_completed = all(row["nowcast_rate"] is not None for row in weeks if not row["is_mature"])
    caption = "Grey: the ups and downs that chance alone explains. " + (
        "Orange: not all records are in yet, so the expected rate is shown, with its 90% limits."
        if is_completed
        else "Orange: not all records are in yet, so rates without limits will still rise."
    )
    return {
        "figure": drawing.trend(weeks, caption),
        "signals": [row for row in weeks if row["is_signal"]],
        "has_limits": any(row["chart_low"] is not None for row in weeks),
        "reasons": sorted({row["withheld_reason"] for row in weeks if row["withheld_reason"]}),
    }


def _draw_districts(con: duckdb.DuckDBPyConnection, drawing: "Drawing") -> dict[str, Any] | None:
    """The districts, and those that differ from the others by more than chance."""
    rows = _read_rows(con, "district_rates")
    if len(rows) < 2:
        return None
    columns = {
        "District": lambda row: row["label"],
        "Due": lambda row: row["due_count"],
        "Recorded": lambda row: row["recorded_count"],
        "Rate": lambda row: f"{row['recording_rate']:.1%}",
        "With the others": lambda row: f"{row['rate']:.1%}",
        "Limits": lambda row: f"{row['low']:.1%} to {row['high']:.1%}",
        "Beside the whole": lambda row: row["compared"],
    }
    caption = (
        "The largest district is first. Each dot is the district's rate, drawn towards the rate of "
        "the whole agency where it has few crimes. A district differs from the others only if its "
        "bar does not touch the dashed line."
    )
    line = ("all", rows[0]["common_rate"])
    figure = drawing.intervals(rows, "Districts beside the whole", caption, columns, line)
    return {"figure": figure, "apart": [row for row in rows if row["compared"] != "alike"]}


def _read_changed_practices(con: duckdb.DuckDBPyConnection) -> list[Row] | None:
    """Practices that changed in the newest four weeks, in words; None if none can be compared."""
    if scalar(con, "select count(distinct week_on) from practice_weeks") < LEAST_HISTORY:
        return None
    rows = []
    for row in _read_rows(con, "changed_practices"):
        what = PRACTICES[row["practice"]].format(label=row["label"])
        rows.append({**row, "what": f"{what} ({row['detail']})" if row["detail"] else what})
    return rows


def _draw_timeliness(con: duckdb.DuckDBPyConnection, drawing: "Drawing") -> list["Figure"]:
    """How soon crime is recorded: one curve for each time limit that applied."""
    bands = fetch_dicts(
        con,
        "from recording_timeliness where breakdown = 'total' and offence_group = 'all' "
        "order by limit_hours, hours_from",
    )
    figures = []
    for limit in sorted({row["limit_hours"] for row in bands}):
        rows = [row for row in bands if row["limit_hours"] == limit]
        if rows[0]["timed_count"]:
            caption = (
                f"Share of recorded crime ({rows[0]['timed_count']:,}) with a record by then; "
                f"the limit is {limit} hours."
            )
            figures.append(drawing.curve(rows, limit, "How soon crime is recorded", caption))
    return figures


def _draw_service(con: duckdb.DuckDBPyConnection, drawing: "Drawing") -> dict[str, Any] | None:
    """Whether officers came to vulnerable victims, by what became of their crime."""
    rows = _read_rows(con, "service_given")
    if not rows:
        return None
    columns = {
        "Caller": lambda row: row["label"],
        "Crime": lambda row: row["kind"],
        "Calls": lambda row: row["call_count"],
        "Attended": lambda row: row["attended_count"],
        "Share": lambda row: f"{row['rate']:.1%}",
        "Median minutes": lambda row: row["median_minutes"] and f"{row['median_minutes']:.0f}",
    }
    caption = "Share of calls about a crime to which an officer came, by whether it was recorded."
    return {
        "figure": drawing.intervals(rows, "Did an officer come?", caption, columns),
        "any": {row["kind"]: row for row in rows if row["vulnerability"] == "any"},
    }


def measure_actions(
    con: duckdb.DuckDBPyConnection, actions: Sequence[Mapping[str, Any]]
) -> list[Row]:
    """Actions with their effect: the change between the audit before and the audit after.

    Args:
        con: A published (or private) file.
        actions: As `cdi.agency.code_maps.read_actions` reads them.

    Returns:
        The actions, each with `change_points`, `lower_limit` and `upper_limit`, or with
        `unmeasured`, why there are none; `state` is done, overdue or open at the file's as_of.
    """
    as_of: date = scalar(con, "select cast(as_of as date) from release")
    rows = []
    for action in actions:
        done_on, effects = action["done_on"], []
        if done_on:
            values = {"domain": action["domain"], "done": done_on}
            effects = _read_rows(con, "measured_effect", values)
        is_late = action["due_on"] is not None and action["due_on"] < as_of
        row = dict(action)
        row["state"] = "done" if done_on else "overdue" if is_late else "open"
        row |= effects[0] if effects else {}
        if effects:
            row["unmeasured"] = None
        else:
            row["unmeasured"] = "no audit before and after it yet" if done_on else "not done yet"
        rows.append(row)
    return rows


COUNT_MODELS_AND_TESTS = """
    select
        count(*) filter (where resource_type = 'model') as models,
        count(*) filter (where resource_type = 'test') as tests
    from run_results
"""
