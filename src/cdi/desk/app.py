"""The desk as a web application: pages with plain forms, which work without a script.

It is mounted below ``/cdi/desk`` by Airflow's plugin, and runs alone by the command `desk`. Who is
signed in, it learns from its `Door`. Each look at an agency's logs is written down before anything
is shown, and so is each request that is refused.
"""

import contextlib
import functools
import logging
import threading
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

import duckdb
from fastapi import Depends, FastAPI, Form, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from cdi.desk import pages
from cdi.desk.auditing import AUDIT_ROUTES, KEEPS_TYPED, places_of
from cdi.desk.claims import release_claim, take_claim, take_first_free
from cdi.desk.deciding import KINDS, Wish, decide
from cdi.desk.feedback import answer_feedback, answer_feedback_sheet
from cdi.desk.forms import NOTHING_SAVED, FormError, check_form
from cdi.desk.people import Door, Right
from cdi.desk.queue import Filters, list_logs, order_of_reading
from cdi.desk.standing import DISMISSED, PASSED, SUSPECTED, read_standing
from cdi.desk.visit import (
    DeskError,
    NotSignedInError,
    PersonDep,
    Visit,
    begin_visit,
    go_to,
    send_page,
)
from cdi.errors import CdiError, find_damaged_database, name_machine_failures
from cdi.people.decisions import refuse_repetition
from cdi.quality.running import import_great_expectations

LOG = logging.getLogger(__name__)

# Why a page of a log is shown again with what was typed; the page adds the full stop.
OLD_FORM = "This page was opened before you signed in, or too long ago"
NO_REASON = "Choose one of the reasons not to record a crime"


def make_desk(door: Door) -> FastAPI:
    """Make the application.

    Args:
        door: How people sign in.
    """
    app = FastAPI(title="The desk", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.door = door
    app.add_exception_handler(NotSignedInError, _ask_to_sign_in)
    app.add_exception_handler(DeskError, _answer_desk_error)
    app.add_exception_handler(CdiError, _answer_cdi_error)
    app.add_exception_handler(duckdb.CatalogException, _answer_older_version)
    app.add_exception_handler(duckdb.BinderException, _answer_older_version)
    app.add_exception_handler(duckdb.Error, _answer_damaged_version)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(RequestValidationError, _answer_wrong_address)
    for path, method, endpoint in (*ROUTES, *AUDIT_ROUTES):
        app.add_api_route(path, endpoint, methods=[method], response_class=HTMLResponse)
    return app


def visit_agency(agency: str, request: Request, person: PersonDep) -> Visit:
    """Let a person in to an agency's logs, and write down what a page shows of them.

    What a form asks is written down by the function that reads the form.
    """
    _prepare_checks()
    with name_machine_failures():
        visit = begin_visit(request, person, agency)
        if request.method == "GET":
            visit.note(visit.what)
    return visit


VisitDep = Annotated[Visit, Depends(visit_agency)]
Text = Annotated[str, Form()]


def show_agencies(request: Request, person: PersonDep) -> Response:
    """List the agencies where the person has something to do; of a single one show the queue."""
    places = places_of(request, person)
    if len(places) == 1:
        return go_to(places[0])
    return send_page(pages.show_agencies(request, person, places))


def show_queue(visit: VisitDep, page: Annotated[int, Query(ge=1)] = 1) -> Response:
    """Show the queue, by the filters in the page's address."""
    filters = Filters.from_query(visit.request.query_params)
    return send_page(pages.show_queue(visit, filters, page))


def show_log(
    visit: VisitDep, call: str, by: str = "order", done: str = "", record: str = ""
) -> Response:
    """Show a log, and claim it for whoever may decide about it."""
    filters = Filters.from_query(visit.request.query_params)
    return send_page(pages.show_log(visit, call, filters, by, done, record))


def start(visit: VisitDep, done: str = "", left: str = "", by: str = "order") -> Response:
    """Claim the next log of the queue that nobody else has, and show it.

    Who leaves a log sets it free, and gets the one after it.
    """
    visit.demand(Right.DECIDE)
    if left:
        release_claim(visit.agency_id, left, visit.person.name)
    filters = Filters.from_query(visit.request.query_params)
    return _go_to_next(visit, filters, done, left, came_by_lot=by == "lot")


def search(visit: VisitDep, q: str = "") -> Response:
    """Find a log by its number, or by that of a record that was made from it."""
    call_id = pages.find_log(visit, q)
    return go_to(f"log?{urlencode({'call': call_id})}")


def show_feedback(visit: VisitDep, month: str = "", team: str = "") -> Response:
    """Show why crimes were missed, by team."""
    return answer_feedback(visit, month, team)


def give_feedback_sheet(visit: VisitDep, month: str = "", team: str = "") -> Response:
    """Give the sheet of a team's confirmed misses."""
    return answer_feedback_sheet(visit, month, team)


def send_decision(
    visit: VisitDep,
    token: Text = "",
    kind: Text = "",
    call: Text = "",
    crime: Text = "",
    record: Text = "",
    taken_from: Text = "",
    reason_code: Text = "",
    note: Text = "",
    seen: Text = "",
    evidence: Text = "",
    version: Text = "",
    by: Text = "order",
    filters: Text = "",
) -> Response:
    """Write a decision down, and go on to the next log."""
    subject = f"{call}#{crime}" if crime else call
    visit.note(f"desk POST decide {kind} {subject} {record}".strip()[:500])
    wish = Wish(
        kind=kind if kind in KINDS else "",
        call_id=call,
        crime_number=int(crime) if crime.isdecimal() else None,
        record_id=record.strip(),
        taken_from=taken_from,
        reason_code=reason_code,
        note=" ".join(note.split())[:2000],  # one line of the file for each decision
        seen=seen or None,
        evidence_hash=evidence,
        selection="lot" if by == "lot" else "order",
        version=version,
    )
    kept = Filters.from_query(pages.parse_filters(filters))
    try:
        reference = check_form(visit, token)
    except FormError:
        return send_page(pages.show_again(visit, wish, kept, OLD_FORM), 403)
    if not wish.kind:
        raise DeskError(400, "Nothing was decided", "The form did not say what to decide.")
    visit.demand(wish.needed_right)
    if wish.kind == PASSED and visit.is_registrar:
        raise DeskError(
            403,
            NOTHING_SAVED,
            f"You are the registrar of {visit.shown.agency.name}, so you cannot pass this on. "
            "Confirm or dismiss it, or leave the log for others.",
        )
    refuse_repetition(visit.shown.agency, reference)  # before the log is claimed once more for it
    claim = take_claim(visit.agency_id, call, visit.person.name)
    if not visit.person.is_same(claim.person):
        return send_page(pages.show_again(visit, wish, kept, "Your claim has ended"), 409)
    if wish.kind == DISMISSED and not pages.is_accepted(visit.shown, wish.reason_code):
        return send_page(pages.show_again(visit, wish, kept, NO_REASON), 409)
    try:
        with name_machine_failures():
            decide(visit.shown, visit.person, wish, reference)
    except CdiError as error:
        if error.rule_id not in ("DECIDE-CONFLICT", "DECIDE-LINKED", "DECIDE-LOST"):
            raise
        return send_page(pages.show_again(visit, wish, kept, error.message), 409)
    standing = read_standing(visit.shown.agency)
    if pages.list_crimes(visit.shown, standing, call, SUSPECTED):
        return go_to(f"log?{kept.to_query(call=call, by=wish.selection, done=reference)}")
    release_claim(visit.agency_id, call, visit.person.name)
    return _go_to_next(visit, kept, reference)


def put_back(visit: VisitDep, token: Text = "", call: Text = "", filters: Text = "") -> Response:
    """Set a log free: one's own, or anybody's for who may manage."""
    visit.note(f"desk POST release {call}"[:500])
    try:
        check_form(visit, token)
    except FormError as error:
        raise DeskError(403, NOTHING_SAVED, str(error)) from None
    anybody = visit.may(Right.MANAGE)
    release_claim(visit.agency_id, call, None if anybody else visit.person.name)
    kept = Filters.from_query(pages.parse_filters(filters))
    return go_to(f"./?{kept.to_query(freed=call)}")


@functools.cache
def _prepare_checks() -> None:
    """Import what decisions are checked with while the first reader reads their first log.

    The first decision would wait for it. It begins with the first page and not with the desk, as
    Airflow makes a desk in each of its processes.
    """
    threading.Thread(target=_import_quietly, daemon=True).start()


def _import_quietly() -> None:
    with contextlib.suppress(Exception):  # the first decision says what is wrong
        import_great_expectations()


def _go_to_next(
    visit: Visit, filters: Filters, done: str, left: str = "", *, came_by_lot: bool = False
) -> Response:
    """Claim the next log of the queue and lead to it; lead to the queue if there is none.

    Args:
        visit: The request.
        filters: Which logs the queue shows.
        done: Reference of what was just decided.
        left: The log that the person left undecided; it is not given back at once.
        came_by_lot: Whether that log was drawn by lot.
    """
    if not visit.may(Right.DECIDE):  # somebody who may be the second person alone
        return go_to(f"./?{filters.to_query(done=done)}")
    while True:
        standing = read_standing(visit.shown.agency)
        logs = list_logs(visit.shown, standing, {}, filters)
        by, ordered = order_of_reading(logs, standing, filters)
        if left:  # no other lot is drawn in its place, so that nobody can choose among lots
            by, ordered = "order", logs
        calls = [log.call_id for log in ordered]
        if left in calls:
            place = calls.index(left)
            before, after = calls[:place], calls[place + 1 :]
            calls = [*before, *after] if came_by_lot else [*after, *before]
        call_id = take_first_free(visit.agency_id, calls, visit.person.name)
        if call_id is None:
            last = "1" if left else ""
            return go_to(f"./?{filters.to_query(done=done, freed=left, last=last)}")
        # Somebody may have decided about it, and set it free, since the queue was read.
        standing = read_standing(visit.shown.agency)
        if pages.list_crimes(visit.shown, standing, call_id, filters.list):
            return go_to(f"log?{filters.to_query(call=call_id, by=by, done=done)}")
        release_claim(visit.agency_id, call_id, visit.person.name)


def _ask_to_sign_in(request: Request, _: Any) -> Response:
    """Lead a reader to the log-in; a form is refused, as it cannot be sent again."""
    if request.method == "GET":
        answer: Response = request.app.state.door.ask_to_sign_in(request)
        return answer
    sentence = "You are not signed in, or your sign-in has ended. "
    keeps_typed = request.url.path.endswith(KEEPS_TYPED)
    if keeps_typed:
        sentence += (
            "To keep what you typed, sign in in another tab. Then load this page again, and let "
            "your browser send the form once more."
        )
    else:
        sentence += "Sign in and look at the log again."
    page = pages.show_message(
        request,
        NOTHING_SAVED,
        sentence,
        back="Sign in (in another tab)" if keeps_typed else "Sign in",
        in_another_tab=keeps_typed,
    )
    return send_page(page, 401)


def _answer_desk_error(request: Request, error: Any) -> Response:
    return send_page(pages.show_message(request, error.title, error.sentence), error.status)


def _answer_http_error(request: Request, error: Any) -> Response:
    title = "There is no such page" if error.status_code == 404 else "This did not work"
    sentence = str(error.detail)
    if error.status_code == 405:
        sentence = "This page is reached by a form. Open the log, or the draw, and send its form."
    return send_page(pages.show_message(request, title, sentence), error.status_code)


def _answer_wrong_address(request: Request, error: Any) -> Response:
    sentence = "The address of this page is incomplete or wrong."
    return send_page(pages.show_message(request, "This did not work", sentence), 400)


def _answer_cdi_error(request: Request, error: Any) -> Response:
    LOG.warning("%s", error.rule_id)
    status = 404 if error.rule_id == "EXPLAIN-UNKNOWN" else 409
    sentence = f"{error.message[:1].upper()}{error.message[1:]}. Next step: {error.fix}."
    return send_page(pages.show_message(request, "This did not work", sentence), status)


def _answer_damaged_version(request: Request, error: Any) -> Response:
    damage = find_damaged_database(error)
    if damage is None:
        raise error
    return _answer_cdi_error(request, damage)


def _answer_older_version(request: Request, error: Any) -> Response:
    LOG.warning("the published version lacks what this release of the desk reads: %s", error)
    sentence = (
        "This version was published by another release of the software, and its tables cannot be "
        "read. Ask operations to run the build of the agency."
    )
    return send_page(pages.show_message(request, "This did not work", sentence), 409)


ROUTES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("/", "GET", show_agencies),
    ("/{agency}/", "GET", show_queue),
    ("/{agency}/log", "GET", show_log),
    ("/{agency}/start", "GET", start),
    ("/{agency}/search", "GET", search),
    ("/{agency}/feedback", "GET", show_feedback),
    ("/{agency}/feedback.xlsx", "GET", give_feedback_sheet),
    ("/{agency}/decide", "POST", send_decision),
    ("/{agency}/release", "POST", put_back),
)
