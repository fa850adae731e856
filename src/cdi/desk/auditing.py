"""Audits at the desk: auditors read the logs that were drawn for them, the registrar decides.

What an auditor sees is what a worksheet shows: the log, and nothing that the pipeline or anybody
else says of it. A drawn log belongs to its auditor, so nobody claims it. All rules of readings are
those of `cdi.people.saved_readings`, which the worksheets go through too.
"""

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request, Response
from starlette.datastructures import FormData

from cdi.agency.load import agency_names
from cdi.audit.draws import ADJUDICATOR
from cdi.audit.findings import refuse_expired
from cdi.desk import auditing_pages as pages
from cdi.desk.forms import FormError, check_form
from cdi.desk.people import Door, Person, Right
from cdi.desk.reading_form import Typed, read_typed
from cdi.desk.visit import DeskError, PersonDep, Visit, begin_visit, go_to, send_page
from cdi.errors import AuditError, name_machine_failures
from cdi.people.open_draws import Progress, find_progress, is_auditor
from cdi.people.saved_readings import RefusedReadingsError, save_reading
from cdi.publish.access import current_folder


def places_of(request: Request, person: Person) -> list[str]:
    """List the pages to begin with: the queue of each agency that one may see, or its audits."""
    door: Door = request.app.state.door
    rights = {Right.SEE: "", Right.AUDIT: "audit"}
    places = []
    for name in agency_names():
        held = [right for right in rights if door.has_right(request, person, name, right)]
        if held and current_folder(name):  # without a version there is nothing to read
            places.append(f"{name}/{rights[held[0]]}")
    return places


def visit_audits(agency: str, request: Request, person: PersonDep) -> Visit:
    """Let a person in to an agency's audits, and write down what a page shows of them."""
    with name_machine_failures():
        visit = begin_visit(request, person, agency, *Right)
        is_let_in = visit.may(Right.AUDIT) or visit.may(Right.MANAGE)
        if request.method == "GET" or not is_let_in:
            visit.note(visit.what if is_let_in else f"refused: {visit.what}")
        if not is_let_in:
            visit.demand(Right.AUDIT)
    return visit


async def read_form(request: Request) -> FormData:
    """Read the fields of a form, whose number is not known before."""
    return await request.form()


AuditVisit = Annotated[Visit, Depends(visit_audits)]
Form = Annotated[FormData, Depends(read_form)]


def show_draws(visit: AuditVisit, done: str = "") -> Response:
    """Show the open draws, and what is left of each for this person."""
    _demand_auditor(visit)
    return send_page(pages.show_draws(visit, done))


def open_next(visit: AuditVisit, draw: str, done: str = "") -> Response:
    """Lead to the next log of a draw that the auditor has not read."""
    progress, auditor = _find_own(visit, draw)
    left = progress.list_left(auditor)
    if not left:
        return _go_to("audit", done=done)
    return _go_to("audit-log", draw=draw, call=left[0], done=done)


def show_log(visit: AuditVisit, draw: str, call: str, done: str = "") -> Response:
    """Show a drawn log to its auditor, with the form for what they find."""
    progress, auditor = _find_given(visit, draw, call)
    return send_page(pages.show_reading(visit, progress, auditor, call, done=done))


def send_reading(visit: AuditVisit, form: Form) -> Response:
    """Save what an auditor found in a log, and go on to the next one."""
    draw, call = _name_log(visit, form, "read")
    problems, status = _check_form(visit, form), 403
    progress, auditor = _find_given(visit, draw, call)
    typed = read_typed(form)
    if not problems:
        problems, status = _save(visit, progress, auditor, call, typed)
    if problems or typed.wants_rows:
        page = pages.show_reading(visit, progress, auditor, call, typed, problems)
        return send_page(page, status)
    return _go_to("audit-next", draw=draw, done=call)


def show_differences(visit: AuditVisit, draw: str, done: str = "") -> Response:
    """Show the logs of a draw on which two auditors differ."""
    visit.demand(Right.MANAGE)
    return send_page(pages.show_differences(visit, find_progress(visit.shown.agency, draw), done))


def show_difference(visit: AuditVisit, draw: str, call: str, like: str = "") -> Response:
    """Show the two readings of a log beside each other, with the form to decide."""
    progress = _find_differing(visit, draw, call)
    return send_page(pages.show_difference(visit, progress, call, like=like))


def send_difference(visit: AuditVisit, form: Form) -> Response:
    """Save what the registrar decides about a log on which two auditors differ."""
    draw, call = _name_log(visit, form, "decide")
    problems, status = _check_form(visit, form), 403
    progress = _find_differing(visit, draw, call)
    typed = read_typed(form)
    if not problems:
        problems, status = _save(visit, progress, ADJUDICATOR, call, typed)
    if problems or typed.wants_rows:
        return send_page(pages.show_difference(visit, progress, call, typed, problems), status)
    return _go_to("audit-differences", draw=draw, done=call)


def _save(
    visit: Visit, progress: Progress, auditor: str, call: str, typed: Typed
) -> tuple[list[str], int]:
    """Save a reading, unless only more rows are wanted; tells what speaks against it."""
    if typed.wants_rows:
        return [], 200
    problems = list(typed.problems)
    if problems:
        return problems, 422
    try:
        with name_machine_failures():
            save_reading(
                visit.shown.agency,
                progress.draw.draw_id,
                auditor,
                call,
                typed.reading,
                typed.seen,
                visit.person.name,
            )
    except RefusedReadingsError as error:
        return list(error.problems), 422
    except AuditError as error:
        if error.rule_id not in ("AUDIT-CONFLICT", "AUDIT-SECOND", "AUDIT-AGREED"):
            raise
        return [f"{error.rule_id}: {error.message}. Next step: {error.fix}."], 409
    return [], 200


def _demand_auditor(visit: Visit) -> None:
    """Refuse somebody who may audit and is no auditor of this agency."""
    if visit.may(Right.MANAGE) or is_auditor(visit.shown.agency, visit.person.name):
        return
    raise DeskError(
        403,
        "You are not one of the auditors",
        f"No draw names {visit.person.name}, nor does the list “auditors” in agency.yaml of "
        f"{visit.shown.agency.name}. Ask whoever plans the audit.",
    )


def _find_own(visit: Visit, draw_id: str) -> tuple[Progress, str]:
    """Find a draw, and under which name the person is an auditor of it."""
    visit.demand(Right.AUDIT)
    _demand_auditor(visit)
    progress = find_progress(visit.shown.agency, draw_id)
    refuse_expired(progress.draw)
    auditor = progress.find_auditor(visit.person.name)
    if auditor is None:
        raise DeskError(
            403, "This draw is not yours", f"{visit.person.name} is not an auditor of {draw_id}."
        )
    return progress, auditor


def _find_given(visit: Visit, draw_id: str, call_id: str) -> tuple[Progress, str]:
    """Find a draw of which the person is to read a log.

    The same answer is given for a log that another one reads and for one that nobody does.
    """
    progress, auditor = _find_own(visit, draw_id)
    if auditor not in progress.readers.get(call_id, ()):
        raise DeskError(
            404, "There is no such log for you", f"{call_id} of {draw_id} is not yours to read."
        )
    return progress, auditor


def _find_differing(visit: Visit, draw_id: str, call_id: str) -> Progress:
    """Find a draw with a log that the person may decide about."""
    visit.demand(Right.MANAGE)
    progress = find_progress(visit.shown.agency, draw_id)
    refuse_expired(progress.draw)
    if call_id not in progress.differing:
        raise DeskError(
            404, "There is nothing to decide", f"No two readings of {call_id} in {draw_id} differ."
        )
    if progress.find_auditor(visit.person.name) in progress.readers[call_id]:
        raise DeskError(
            403,
            "Somebody else must decide this",
            f"One of the two readings of {call_id} is your own.",
        )
    return progress


def _name_log(visit: Visit, form: FormData, what: str) -> tuple[str, str]:
    """Tell which log a form is about, and write down that it was sent."""
    draw, call = (str(form.get(name, ""))[:200] for name in ("draw", "call"))
    visit.note(f"desk POST audit-{what} {draw} {call}")
    return draw, call


def _check_form(visit: Visit, form: FormData) -> list[str]:
    """Tell why a form of this site is not believed.

    Then its page is shown again with what was typed, as whoever signs in again sends a form of the
    log-in before.
    """
    try:
        check_form(visit, str(form.get("token", "")))
    except FormError:
        return [
            "This page was opened before you signed in, or too long ago. Look whether all that you "
            "typed is here, and save it again."
        ]
    return []


def _go_to(page: str, **query: str) -> Response:
    given = urlencode({name: value for name, value in query.items() if value})
    return go_to(f"{page}?{given}" if given else page)


# Forms whose page is shown again with what was typed, if they are of a log-in before.
KEEPS_TYPED = ("/decide", "/audit-read", "/audit-decide")

AUDIT_ROUTES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("/{agency}/audit", "GET", show_draws),
    ("/{agency}/audit-next", "GET", open_next),
    ("/{agency}/audit-log", "GET", show_log),
    ("/{agency}/audit-read", "POST", send_reading),
    ("/{agency}/audit-differences", "GET", show_differences),
    ("/{agency}/audit-difference", "GET", show_difference),
    ("/{agency}/audit-decide", "POST", send_difference),
)
