"""The pages of audits at the desk: what each of them shows."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cdi.audit.draws import ADJUDICATOR
from cdi.clock import day_and_time, name_days
from cdi.desk.forms import make_token
from cdi.desk.pages import render_page
from cdi.desk.people import Right
from cdi.desk.reading_form import MOST_CRIMES, Typed, fill_form
from cdi.desk.visit import Visit
from cdi.people.audit_sheet import OF_CANCELLED, SHOWN
from cdi.people.drawn_logs import read_drawn_logs
from cdi.people.open_draws import Progress, Row, list_open_draws
from cdi.people.saved_readings import OF_CRIME, Reading, find_reading

# What is above the text of the log, in the order of the page.
_FACTS = {name: title for name, title in SHOWN.items() if name not in ("account", "closing")}


def show_draws(visit: Visit, done: str) -> str:
    """The open draws, with what is left in them for the person."""
    draws, problems = list_open_draws(visit.shown.agency)
    rows = []
    for progress in draws:
        auditor = progress.find_auditor(visit.person.name)
        is_own = auditor is not None and visit.may(Right.AUDIT)
        if not (is_own or visit.may(Right.MANAGE)):
            continue
        given = progress.list_given(auditor) if is_own and auditor else []
        left = progress.list_left(auditor) if is_own and auditor else []
        rows.append(
            {
                "draw_id": progress.draw.draw_id,
                "days": _name_days_of(progress),
                "is_own": is_own,
                "given": len(given),
                "left": len(left),
                "read": [log for log in given if log not in set(left)],
                "all_left": progress.left_count,
                "undecided": len(progress.list_undecided()),
            }
        )
    return _render("desk_audit.html.j2", visit, draws=rows, problems=problems, done=done)


def show_reading(
    visit: Visit,
    progress: Progress,
    auditor: str,
    call_id: str,
    typed: Typed | None = None,
    problems: Sequence[str] = (),
    done: str = "",
) -> str:
    """A drawn log, with the form for what its auditor finds.

    Args:
        visit: The visit.
        progress: The draw.
        auditor: Who reads.
        call_id: The log.
        typed: What stands in the form; by default what is kept of this reading.
        problems: What speaks against it.
        done: The log that was read before.
    """
    return _render_log(
        "desk_audit_log.html.j2",
        visit,
        progress,
        auditor,
        call_id,
        typed,
        problems,
        left=len(progress.list_left(auditor)),
        given=len(progress.list_given(auditor)),
        of_cancelled=OF_CANCELLED.format(say_no="choose No under “Recorded”"),
        done=done,
    )


def show_differences(visit: Visit, progress: Progress, done: str) -> str:
    """The logs of a draw on which two auditors differ."""
    undecided = progress.list_undecided()
    return _render(
        "desk_audit_differences.html.j2",
        visit,
        draw_id=progress.draw.draw_id,
        days=_name_days_of(progress),
        undecided=undecided,
        is_open=progress.is_open,
        is_complete=not (progress.is_open or progress.draw.expired_count),
        decided=sorted(set(progress.differing) - set(undecided)),
        done=done,
    )


def show_difference(
    visit: Visit,
    progress: Progress,
    call_id: str,
    typed: Typed | None = None,
    problems: Sequence[str] = (),
    like: str = "",
) -> str:
    """The two readings of a log beside each other, with the form to decide.

    Args:
        visit: The visit.
        progress: The draw.
        call_id: The log.
        typed: What stands in the form; by default what is kept of the decision.
        problems: What speaks against it.
        like: `1` or `2` to fill the form with one of the readings.
    """
    readings = [_make_reading(crimes) for crimes in progress.differing[call_id]]
    if typed is None and like in ("1", "2"):
        _, seen = find_reading(visit.shown.agency, progress.draw.draw_id, ADJUDICATOR, call_id)
        typed = fill_form(readings[int(like) - 1], seen)
    return _render_log(
        "desk_audit_difference.html.j2",
        visit,
        progress,
        ADJUDICATOR,
        call_id,
        typed,
        problems,
        readings=readings,
    )


def _make_reading(crimes: Sequence[Row]) -> Reading:
    """Make a reading of the crimes that count in it."""
    recorded = sum(bool(crime["is_recorded"]) for crime in crimes)
    said = [{name: str(crime[name]) for name in OF_CRIME} for crime in crimes]
    return Reading(f"{len(crimes)}", f"{recorded}", said)


def _render_log(
    template: str,
    visit: Visit,
    progress: Progress,
    auditor: str,
    call_id: str,
    typed: Typed | None,
    problems: Sequence[str],
    **values: Any,
) -> str:
    """Render the page of a log with the form for a reading of it."""
    agency, draw = visit.shown.agency, progress.draw
    logs, offences = read_drawn_logs(agency, draw, [call_id])
    kept, seen = find_reading(agency, draw.draw_id, auditor, call_id)
    is_changed = typed is not None and typed.seen != seen
    # What was typed stays; whoever sends it again has seen what is kept now.
    form = replace(typed, seen=seen) if typed is not None else fill_form(kept, seen)
    return _render(
        template,
        visit,
        draw_id=draw.draw_id,
        days=_name_days_of(progress),
        call_id=call_id,
        log=logs.get(call_id),
        say_time=_say_time,
        facts=_FACTS,
        form=form,
        offences=offences,
        names=dict(offences),
        problems=problems,
        kept=kept if is_changed else None,
        is_kept=kept is not None,
        most_crimes=MOST_CRIMES,
        **values,
    )


def _name_days_of(progress: Progress) -> str:
    """Name the local days whose logs were drawn: the id of a draw is no name for people."""
    facts, zone = progress.draw.facts, progress.agency.zone
    starts_at, ends_at = (
        datetime.fromisoformat(facts[name]).replace(tzinfo=UTC).astimezone(zone)
        for name in ("starts_at", "ends_at")
    )
    return name_days(starts_at, ends_at)


def _say_time(moment: datetime | str) -> str:
    """Write a local time as people read it; what is not a time stays as it was typed."""
    try:
        return day_and_time(datetime.fromisoformat(str(moment)))
    except ValueError:
        return str(moment)


def _render(template: str, visit: Visit, **values: Any) -> str:
    return render_page(
        template,
        visit.request,
        visit.person,
        agency=visit.shown.agency,
        is_simulated=visit.shown.agency.is_simulated,
        version=visit.shown.name,
        token=make_token(visit),
        may_see=visit.may(Right.SEE),
        may_manage=visit.may(Right.MANAGE),
        **values,
    )
