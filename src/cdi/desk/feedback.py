"""The page of feedback: why crimes were missed, by team and cause, and the sheet for a team."""

import io
import re
from datetime import date, datetime

from fastapi import Response

from cdi.desk.pages import render_visit
from cdi.desk.people import Right
from cdi.desk.queue import Filters
from cdi.desk.visit import HEADERS, DeskError, Visit, send_page
from cdi.people.feedback_sheet import read_feedback, write_feedback
from cdi.people.sheet_cells import XLSX_TYPE
from cdi.sql import connect, fetch_dicts


def answer_feedback(visit: Visit, month: str, team: str) -> Response:
    """Show how many misses were confirmed, by team and cause.

    Args:
        visit: The request.
        month: Month of the reports, as 2017-06; blank: all.
        team: One team; blank: all.
    """
    visit.demand(Right.MANAGE)
    chosen = _read_month(month)
    with connect(visit.shown.file, read_only=True) as con:
        months = [row[0] for row in con.execute(MONTHS).fetchall()]
        teams = [row[0] for row in con.execute(TEAMS).fetchall()]
        rows = fetch_dicts(con, COUNTS, {"month": chosen, "team": team or None})
    page = render_visit(
        "desk_feedback.html.j2",
        visit,
        filters=Filters(),
        months=months,
        teams=teams,
        month=month if chosen else "",
        team=team,
        rows=rows,
    )
    return send_page(page)


def answer_feedback_sheet(visit: Visit, month: str, team: str) -> Response:
    """Give the sheet of confirmed misses of a month and a team; see `answer_feedback`."""
    visit.demand(Right.MANAGE)
    body = io.BytesIO()
    with connect(visit.shown.file, read_only=True) as con:
        write_feedback(body, con, read_feedback(con, _read_month(month), team or None))
    of_team = re.sub(r"[^\w-]+", "-", team, flags=re.ASCII).strip("-")
    name = "-".join(filter(None, (visit.agency_id, "feedback", month, of_team))) + ".xlsx"
    headers = HEADERS | {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body.getvalue(), headers=headers, media_type=XLSX_TYPE)


def _read_month(text: str) -> date | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m").date()
    except ValueError:
        raise DeskError(400, "There is no such month", "Write the month as 2017-06.") from None


MONTHS = """
    select distinct strftime(reported_month_on, '%Y-%m') from confirmed_misses order by all desc
"""

TEAMS = "select distinct team from confirmed_misses order by all"

COUNTS = """
    select
        counts.team,
        causes.miss_cause_name,
        causes.meaning,
        sum(counts.confirmed_count)::bigint as confirmed_count,
        sum(counts.recorded_since_count)::bigint as recorded_since_count
    from miss_causes_by_team as counts
    inner join rules.miss_causes as causes on counts.miss_cause = causes.miss_cause
    where
        ($month is null or counts.reported_month_on = $month)
        and ($team is null or counts.team = $team)
    group by counts.team, causes.miss_cause_name, causes.meaning
    order by counts.team, confirmed_count desc, causes.miss_cause_name
"""
