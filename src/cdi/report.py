"""The report of one version: a self-contained HTML page, from the file's own tables."""

from pathlib import Path
from typing import Any

import duckdb

from cdi import build, comparison, paths
from cdi.build import Plan
from cdi.errors import BuildError
from cdi.render import render
from cdi.sql import connect, fetch_dicts, scalar

WORKLIST_ROWS = 50
SHOWN_WEEKS = 13
EVIDENCE_NAMES = {
    "final_type": "closed under crime code",
    "initial_type": "opened under crime code",
    "linked_record": "linked to crime record",
    "closure": "closed as recorded",
    "log_text": "the account tells it",
    "log_text_hint": "the account suggests it",
    "text_model": "the text model reads it",
    "text_model_hint": "the text model gives it a chance",
    "further_crime": "a further crime is told",
    "further_crime_hint": "the text model gives a second crime a chance",
    "doubtful_link": "a record may be it, by a doubtful link",
    "contested_reason": "closed as no crime, and the text model gives one a chance",
}


def headline(con: duckdb.DuckDBPyConnection, universe: str = "frame") -> dict[str, dict[str, Any]]:
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
    blank = {"recording_rate": None, "rate_base_count": 0, "recorded_count": 0,
             "unrecorded_count": 0}  # fmt: skip
    return {r: blank for r in ("strict", "standard", "inclusive")} | {
        row["ruleset"]: row for row in rows
    }


def counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
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


def _by(con: duckdb.DuckDBPyConnection, breakdown: str, label: str) -> list[dict[str, Any]]:
    return fetch_dicts(
        con,
        f"select rates.*, {label} as label from recording_rate as rates "
        "left join rules.offence_groups as groups using (offence_group) "
        "where universe = 'frame' and ruleset = 'standard' and breakdown = $breakdown "
        "order by groups.sort_order, reported_month, district, rate_base_count desc, label",
        {"breakdown": breakdown},
    )


def _weeks(con: duckdb.DuckDBPyConnection, which: str) -> list[dict[str, Any]]:
    """Some weeks of the frame; none where no rate is shown at all."""
    return fetch_dicts(
        con, f"from weekly_rates where universe = 'frame' and rate_so_far is not null and {which}"
    )


def _compared(planned: Plan) -> dict[str, Any] | None:
    """The private version against the published one; None if there is none of the same shape."""
    if build.current(planned.agency.agency) is None:
        return None
    try:
        before = paths.published(planned.agency.agency) / "current"
        return comparison.write(before, planned.folder)
    except BuildError:
        return None


def audited(con: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
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


def write(planned: Plan) -> Path:
    """Write ``report.html`` beside the private file.

    Returns:
        Path of the page.
    """
    from cdi import worklist  # openpyxl, for who writes it only

    compared = _compared(planned)
    with connect(planned.file, read_only=True) as con:
        worklist.write(con, planned)
        page = render(
            "report.html.j2",
            release=fetch_dicts(con, "from release")[0],
            is_simulated=planned.agency.is_simulated,
            version=planned.version,
            compared=compared,
            audit=audited(con),
            withheld_audits=fetch_dicts(con, "from audits where withheld_reason is not null"),
            rates=headline(con),
            rates_all=headline(con, "all"),
            counts=counts(con),
            listed=scalar(
                con, "select count(*) from unrecorded_crimes where status <> 'dismissed'"
            ),
            withheld=scalar(con, "select any_value(withheld_reason) from recording_rate"),
            estimate=fetch_dicts(con, "from unrecorded_estimate where offence_group = 'all'"),
            by_group=_by(con, "offence_group", "offence_group_name"),
            by_theme=_by(con, "theme", "replace(offence_group, '_', ' ')"),
            by_route=_by(con, "route", "replace(route, '_', ' ')"),
            by_disposition=_by(con, "disposition", "disposition_code"),
            by_month=_by(con, "month", "left(reported_month, 7)"),
            weeks=_weeks(con, f"week_count = 1 order by reported_week_on desc limit {SHOWN_WEEKS}"),
            newest=_weeks(con, "week_count > 1"),
            by_district=_by(con, "district", "district"),
            worklist=fetch_dicts(
                con, f"from unrecorded_crimes order by list_place limit {WORKLIST_ROWS}"
            ),
            names=dict(
                con.execute(
                    "select offence_group, offence_group_name from rules.offence_groups"
                ).fetchall()
            ),
            evidence_names=EVIDENCE_NAMES,
            files=fetch_dicts(con, "from conservation order by dataset, source_file, batch_id"),
            quality=fetch_dicts(
                con,
                "select count(*) as checked, count(*) filter (where is_success) as hold "
                "from data_quality",
            )[0],
        )
    file = planned.folder / "report.html"
    file.write_text(page, encoding="utf-8")
    return file
