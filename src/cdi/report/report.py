"""The pages of one version, from the file's own tables: the report, and what goes with it.

The report is one self-contained HTML page for the chief officer, the registrar and the analyst. It
names no log: the worklist, which does, is a folder of its own (`cdi.report.worklist`).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb

from cdi import paths
from cdi.agency.code_maps import read_actions
from cdi.agency.model import Agency
from cdi.build.version import Version, read_current
from cdi.errors import BuildError
from cdi.render import render
from cdi.report.comparison import write_comparison
from cdi.report.figures import Row, count_outcomes, read_audited, read_headline
from cdi.sql import connect, fetch_dicts, scalar

if TYPE_CHECKING:
    from cdi.report.charts import Drawing, Figure


COMPARED_COUNTRY = "GB"  # whose published rates an agency is put beside
LOST_CLOSURES = 4  # that the flow names; the others are one


def write_pages(version: Version) -> None:
    """Write all pages of a version beside its private file: report, match report, worklist.

    Args:
        version: What was built and checked.
    """
    # altair and openpyxl take a second to import, and only this step needs them
    from cdi.report.charts import Drawing
    from cdi.report.matching import write_matching_page
    from cdi.report.worklist import write_worklist

    with connect(version.file, read_only=True) as con:
        con.execute("set memory_limit = '2GB'")  # what it has read it would keep
        drawing = Drawing(is_simulated=version.agency.is_simulated)
        values = _gathered(con, version, drawing)
        page = render("report.html.j2", compared=_compared(version), **values)
        (version.folder / "report.html").write_text(page, encoding="utf-8")
        write_matching_page(con, version)
        write_worklist(con, version)


def _gathered(
    con: duckdb.DuckDBPyConnection, version: Version, drawing: "Drawing"
) -> dict[str, Any]:
    """All that the report tells."""
    agency = version.agency
    rates, audit, in_time = read_headline(con), read_audited(con), _in_time(con)
    by_group = _by(con, "offence_group", "offence_group_name")
    return {
        "release": fetch_dicts(con, "from release")[0],
        "agency": agency,
        "is_simulated": agency.is_simulated,
        "version": version.name,
        "audit": audit,
        "withheld_audits": fetch_dicts(con, "from audits where withheld_reason is not null"),
        "rates": rates,
        "rates_all": read_headline(con, "all"),
        "counts": count_outcomes(con),
        "listed": fetch_dicts(con, LISTED)[0],
        "withheld": scalar(con, "select any_value(withheld_reason) from recording_rate"),
        "estimate": fetch_dicts(con, "from unrecorded_estimate where offence_group = 'all'"),
        "in_time": in_time,
        "lost": _lost(con, drawing, rates["standard"]),
        "groups": _groups(con, drawing, agency, audit, by_group),
        "published": fetch_dicts(con, PUBLISHED) if agency.country == COMPARED_COUNTRY else [],
        "by_group": by_group,
        "by_theme": _by(con, "theme", "replace(offence_group, '_', ' ')"),
        "by_route": _by(con, "route", "replace(route, '_', ' ')"),
        "by_disposition": _by(con, "disposition", "disposition_code"),
        "by_month": _by(con, "month", "left(reported_month, 7)"),
        "trend": _trend(con, drawing),
        "newest": _weeks(con, "week_count > 1"),
        "districts": _districts(con, drawing),
        "timeliness": _timeliness(con, drawing) if in_time else [],
        "service": _service(con, drawing),
        "cancelled": fetch_dicts(con, CANCELLED),
        "cancelled_against": fetch_dicts(con, CANCELLED_AGAINST),
        "n100": fetch_dicts(con, N100)[0],
        "actions": measure_actions(con, read_actions(agency.folder)),
        "auditability": fetch_dicts(con, "from auditability order by auditability_check"),
        "files": fetch_dicts(con, "from conservation order by dataset, source_file, batch_id"),
        "datasets": fetch_dicts(con, DATASETS),
        "quality": fetch_dicts(
            con,
            "select count(*) as checked, count(*) filter (where is_success) as hold "
            "from data_quality",
        )[0],
        "broken": fetch_dicts(con, BROKEN),
        "weights": scalar(con, "select any_value(weights_version) from links"),
        "built": fetch_dicts(con, BUILT)[0],
    }  # fmt: skip


def _by(con: duckdb.DuckDBPyConnection, breakdown: str, label: str) -> list[Row]:
    return fetch_dicts(
        con,
        f"select rates.*, {label} as label from recording_rate as rates "
        "left join rules.offence_groups as groups using (offence_group) "
        "where universe = 'frame' and ruleset = 'standard' and breakdown = $breakdown "
        "order by groups.sort_order, reported_month, district, rate_base_count desc, label",
        {"breakdown": breakdown},
    )


def _weeks(con: duckdb.DuckDBPyConnection, which: str) -> list[Row]:
    """Some weeks of the frame; none where no rate is shown at all."""
    return fetch_dicts(
        con, f"from weekly_rates where universe = 'frame' and rate_so_far is not null and {which}"
    )


def _compared(version: Version) -> dict[str, Any] | None:
    """The private version against the published one; None if there is none of the same shape."""
    if read_current(version.agency.agency) is None:
        return None
    try:
        before = paths.published(version.agency.agency) / "current"
        return write_comparison(before, version.folder)
    except BuildError:
        return None


def _in_time(con: duckdb.DuckDBPyConnection) -> Row | None:
    """Of recorded crime, how much was recorded within its limit; None if no time is known."""
    (row,) = fetch_dicts(
        con,
        "select sum(band_count) filter (where is_within_limit) as in_time, "
        "sum(band_count) filter (where hours_from = 0) as at_once, "
        "sum(band_count) as timed, max(limit_hours) as limit_hours "
        "from recording_timeliness where breakdown = 'total'",
    )
    if not row["timed"] or row["at_once"] == row["timed"]:  # one time stands for both
        return None
    return {**row, "share": row["in_time"] / row["timed"]}


def _lost(con: duckdb.DuckDBPyConnection, drawing: "Drawing", rates: Row) -> "Figure | None":
    """From reported crime to crime records, in the frame: what leaves at each stage."""
    base = rates["rate_base_count"]
    if not base:
        return None
    justified, recent = rates["justified_count"], rates["too_recent_count"]
    missing = rates["source_missing_count"]
    closures = fetch_dicts(con, LOST, {"named": LOST_CLOSURES})
    stages: list[tuple[str, int, bool, str]] = [
        ("Reported crimes", base + justified + recent + missing, False, "stays"),
        ("Legitimate reason", justified, True, "no record needed"),
        ("Still in time", recent, True, "no record needed"),
        ("Cannot be judged", missing, True, "no record needed"),
        ("Should be recorded", base, False, "stays"),
        *((f"Closed: {row['label']}", row["unrecorded"], True, "lost") for row in closures),
        ("Wrongly cancelled", rates["wrongly_cancelled_count"], True, "lost"),
        ("Recorded", rates["recorded_count"], False, "stays"),
    ]
    rows = [
        {"label": label, "count": count, "is_loss": is_loss, "kind": kind}
        for label, count, is_loss, kind in stages
        if count
    ]
    return drawing.waterfall(
        rows, "From report to record",
        "What is orange should be in a crime record and is in none, by how the log was closed.",
    )  # fmt: skip


def _groups(
    con: duckdb.DuckDBPyConnection,
    drawing: "Drawing",
    agency: Agency,
    audit: dict[str, Any] | None,
    by_group: Sequence[Row],
) -> "Figure | None":
    """Rates of offence groups, audited where they are, beside published ones."""
    if audit and audit["force"]["recording_rate"] is not None:
        kind = "this agency, audited"
        shown = [audit["force"] | {"label": "All crime"}, *audit["parts"]]
        rows = [
            {"label": row["label"], "rate": row["recording_rate"], "low": row["lower_limit"],
             "high": row["upper_limit"], "count": row["audited_crimes"], "kind": kind,
             "of": row["domain"]}
            for row in shown
            if row["recording_rate"] is not None and not row["domain"].startswith("district")
        ]  # fmt: skip
    else:
        kind = "this agency, uncorrected"
        total = read_headline(con)["standard"] | {"label": "All crime", "offence_group": "force"}
        rows = [
            {"label": row["label"], "rate": row["recording_rate"],
             "count": row["rate_base_count"], "kind": kind, "of": row["offence_group"]}
            for row in (total, *by_group, *_by(con, "theme", "replace(offence_group, '_', ' ')"))
            if row["recording_rate"] is not None
        ]  # fmt: skip
    if not rows:
        return None
    named = {"rape": "Rape", "domestic_abuse": "Domestic abuse"}
    labels = {row["of"]: named.get(row["of"], row["label"]) for row in rows}
    rows = [{**row, "label": labels[row["of"]]} for row in rows]
    if agency.country == COMPARED_COUNTRY:
        rows += [
            {
                "label": labels[of],
                "rate": row["recording_rate"],
                "low": row["half_width_points"] and row["recording_rate"] - half,
                "high": row["half_width_points"] and row["recording_rate"] + half,
                "count": None,
                "kind": f"{row['force']} {row['year']}",
            }
            for row in fetch_dicts(con, PUBLISHED)
            if (of := row["offence_group"].replace("all", "force")) in labels
            for half in [(row["half_width_points"] or 0) / 100]
        ]
    columns = {
        "Group": lambda r: r["label"],
        "Rate of": lambda r: r["kind"],
        "Crimes": lambda r: r["count"],
        "Rate": lambda r: f"{r['rate']:.1%}",
        "95% interval": lambda r: (
            None if r.get("low") is None else f"{r['low']:.1%} to {r['high']:.1%}"
        ),
    }
    caption = "Further right is better; where a bar is drawn the truth lies on it 19 times in 20."
    return drawing.intervals(rows, "Recording rate by offence group", caption, columns)


def _trend(con: duckdb.DuckDBPyConnection, drawing: "Drawing") -> dict[str, Any] | None:
    weeks = _weeks(con, "week_count = 1 order by reported_week_on")
    if not weeks:
        return None
    reasons = {row["withheld_reason"] for row in weeks if row["withheld_reason"]}
    expects = any(row["nowcast_rate"] is not None for row in weeks)
    return {
        "figure": drawing.trend(
            weeks,
            "Grey: what chance alone does to a week. Orange: not all records are in yet, "
            + (
                "so what is to be expected, with its 90% limits."
                if expects
                else "so these will still rise."
            ),
        ),
        "signals": [row for row in weeks if row["is_signal"]],
        "has_limits": any(row["chart_low"] is not None for row in weeks),
        "reasons": sorted(reasons),
    }


def _districts(con: duckdb.DuckDBPyConnection, drawing: "Drawing") -> dict[str, Any] | None:
    rows = fetch_dicts(con, DISTRICTS)
    if len(rows) < 2:
        return None
    columns = {
        "District": lambda r: r["label"],
        "Due": lambda r: r["due_count"],
        "Recorded": lambda r: r["recorded_count"],
        "Rate": lambda r: f"{r['recording_rate']:.1%}",
        "With the others": lambda r: f"{r['rate']:.1%}",
        "Limits": lambda r: f"{r['low']:.1%} to {r['high']:.1%}",
        "Beside the whole": lambda r: r["compared"],
    }
    caption = (
        "The largest first. A dot is what a district's crimes and all others' say together; a "
        "district is told from chance only if its bar leaves out the dashed line, the rate of all."
    )
    line = ("all", rows[0]["common_rate"])
    figure = drawing.intervals(rows, "Districts beside the whole", caption, columns, line)
    return {"figure": figure, "apart": [row for row in rows if row["compared"] != "alike"]}


def _timeliness(con: duckdb.DuckDBPyConnection, drawing: "Drawing") -> list["Figure"]:
    """The curve to record, one per limit that applied."""
    bands = fetch_dicts(
        con,
        "from recording_timeliness where breakdown = 'total' and offence_group = 'all' "
        "order by limit_hours, hours_from",
    )
    found = []
    for limit in sorted({row["limit_hours"] for row in bands}):
        rows = [row for row in bands if row["limit_hours"] == limit]
        if rows[0]["timed_count"]:
            found.append(
                drawing.curve(
                    rows, limit, "How soon crime is recorded",
                    f"Share of recorded crime ({rows[0]['timed_count']:,}) with a record by then; "
                    f"the limit is {limit} hours.",
                )
            )  # fmt: skip
    return found


def _service(con: duckdb.DuckDBPyConnection, drawing: "Drawing") -> dict[str, Any] | None:
    """Whether officers came to vulnerable victims, by what became of their crime."""
    rows = fetch_dicts(con, SERVICE)
    if not rows:
        return None
    columns = {
        "Caller": lambda r: r["label"],
        "Crime": lambda r: r["kind"],
        "Calls": lambda r: r["call_count"],
        "Attended": lambda r: r["attended_count"],
        "Share": lambda r: f"{r['rate']:.1%}",
        "Median minutes": lambda r: r["median_minutes"] and f"{r['median_minutes']:.0f}",
    }
    caption = "Share of calls about a crime to which an officer came, by whether it was recorded."
    figure = drawing.intervals(
        rows, "Did an officer come?", caption, columns,
    )  # fmt: skip
    told = {row["kind"]: row for row in rows if row["vulnerability"] == "any"}
    return {"figure": figure, "any": told}


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
        done, row = action["done_on"], dict(action)
        late = action["due_on"] is not None and action["due_on"] < as_of
        row["state"] = "done" if done else "overdue" if late else "open"
        found = fetch_dicts(con, EFFECT, {"domain": action["domain"], "done": done}) if done else []
        row |= found[0] if found else {}
        row["unmeasured"] = (
            None if found else "no audit before and after it yet" if done else "not done yet"
        )
        rows.append(row)
    return rows


# ---------------------------------------------------------------------- queries

LISTED = """
    select
        count(*) filter (where is_likely and hours_left > 0) as in_time,
        count(*) filter (where is_likely and hours_left <= 0) as overdue,
        count(*) filter (where not is_likely) as possible
    from unrecorded_crimes
    where status <> 'dismissed'
"""

PUBLISHED = """
    select rates.*, coalesce(groups.offence_group_name, 'All crime') as label
    from rules.published_rates as rates
    left join rules.offence_groups as groups on rates.offence_group = groups.offence_group
    order by rates.year, groups.sort_order nulls first
"""

LOST = """
    with lost as (
        select
            coalesce(closures.name, rates.disposition_code) as label,
            sum(rates.unrecorded_count) as unrecorded
        from recording_rate as rates
        left join codes.closures as closures on rates.disposition_code = closures.code
        where
            rates.universe = 'frame' and rates.ruleset = 'standard'
            and rates.breakdown = 'disposition' and rates.unrecorded_count > 0
        group by 1
    ),

    ranked as (
        select *, row_number() over (order by unrecorded desc, label asc) as place
        from lost
    )

    select
        case when place <= $named then label else 'in other ways' end as label,
        cast(sum(unrecorded) as bigint) as unrecorded
    from ranked
    group by 1
    order by min(place)
"""

DISTRICTS = """
    select
        *,
        district as label,
        estimated_rate as rate,
        estimated_low as low,
        estimated_high as high,
        'district' as kind
    from district_rates
    where universe = 'frame' and recording_rate is not null and estimated_low is not null
    order by due_count desc, district
"""

SERVICE = """
    select
        *,
        case vulnerability
            when 'any' then 'Any vulnerable' when 'none' then 'Nobody marked vulnerable'
            else upper(left(vulnerability, 1)) || replace(vulnerability[2:], '_', ' ')
        end as label,
        attended_share as rate,
        recording as kind
    from service_given
    where is_crime_disclosed and recording <> 'none' and attended_share is not null
    order by
        vulnerability = 'any' desc, vulnerability = 'none' desc, vulnerability, recording
"""

CANCELLED = """
    select
        record_kind,
        cancellation_code,
        any_value(cancellation_name) as cancellation_name,
        count(*) as cancelled,
        count(*) filter (where is_wrongly_cancelled) as wrong,
        count(*) filter (where is_wrongly_cancelled is null) as unknown,
        count(*) filter (where is_rape) as rape,
        count(*) filter (where is_rape and is_wrongly_cancelled) as rape_wrong
    from cancellations
    group by record_kind, cancellation_code
    order by record_kind, cancellation_code nulls last
"""

CANCELLED_AGAINST = """
    select any_value(check_meaning) as meaning, any_value(check_source) as source, count(*) as n
    from cancellations
    where is_wrongly_cancelled
    group by cancellation_check
    order by n desc, meaning
"""

N100 = """
    select
        count(*) as reports,
        count(*) filter (where kept_as = 'crime') as crimes,
        count(*) filter (where kept_as = 'reported_incident') as incidents,
        count(*) filter (where kept_as = 'neither') as neither,
        count(*) filter (where is_late) as late,
        count(*) filter (
            where kept_as = 'reported_incident'
            and reported_incident_code <> expected_incident_code
        ) as another_code
    from rape_reports
"""

DATASETS = """
    select
        dataset,
        sum(read_count) as read_count,
        sum(accepted_count) as accepted_count,
        sum(quarantined_count) as quarantined_count,
        sum(duplicate_count) as duplicate_count
    from conservation
    group by dataset
    order by dataset
"""

BROKEN = """
    select
        rule_id,
        severity,
        reason,
        owner,
        sum(unexpected_count) as unexpected_count,
        any_value(released_by) as released_by,
        any_value(release_reason) as release_reason
    from data_quality
    where not is_success
    group by rule_id, severity, reason, owner
    order by severity = 'fail' desc, severity = 'warn' desc, rule_id
"""

BUILT = """
    select
        count(*) filter (where resource_type = 'model') as models,
        count(*) filter (where resource_type = 'test') as tests
    from run_results
"""

# the change that an audit wholly after the action shows against one wholly before it
EFFECT = """
    select
        changes.change_points,
        changes.lower_limit,
        changes.upper_limit,
        changes.before_draw_id,
        changes.draw_id
    from audited_changes as changes
    inner join audits as earlier on changes.before_draw_id = earlier.draw_id
    inner join audits as later on changes.draw_id = later.draw_id
    where
        changes.domain = $domain
        and cast(earlier.period_end as date) <= $done
        and cast(later.period_start as date) >= $done
    order by later.period_start
    limit 1
"""
