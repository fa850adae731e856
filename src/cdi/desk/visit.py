"""A request about an agency: who sent it, what they may do, and which version they see."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from cdi.agency.load import agency_names
from cdi.desk.people import Door, Person, Right
from cdi.desk.versions import Shown, find_shown
from cdi.publish.access import NO_REASON, NOT_LOGGED, note_access

# The pages load nothing from elsewhere, run no scripts, and send forms to the desk alone.
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    ),
}


class NotSignedInError(Exception):
    """Nobody is signed in, so the door asks for it."""


class DeskError(Exception):
    """A request that the desk refuses, with what the page says of it.

    Args:
        status: The HTTP status.
        title: What happened, in some words.
        sentence: Why, and what to do, in sentences.
    """

    def __init__(self, status: int, title: str, sentence: str) -> None:
        """Keep the three parts."""
        super().__init__(f"{title}: {sentence}")
        self.status = status
        self.title = title
        self.sentence = sentence


def find_person(request: Request) -> Person:
    """Tell who sent a request.

    Raises:
        NotSignedInError: If nobody is signed in.
    """
    person: Person | None = request.app.state.door.find_person(request)
    if person is None:
        raise NotSignedInError
    return person


PersonDep = Annotated[Person, Depends(find_person)]


@dataclass(frozen=True)
class Visit:
    """A request that was let in.

    Attributes:
        request: The request.
        person: Who sent it.
        agency_id: The agency.
        shown: The version that is shown.
    """

    request: Request
    person: Person
    agency_id: str
    shown: Shown

    def may(self, right: Right) -> bool:
        """Whether the person has a right on the agency."""
        door: Door = self.request.app.state.door
        return door.has_right(self.request, self.person, self.agency_id, right)

    @property
    def is_registrar(self) -> bool:
        """Whether the person is the registrar, to whom others pass what they are not sure of."""
        return self.may(Right.DECIDE) and self.may(Right.MANAGE)

    def demand(self, right: Right) -> None:
        """Refuse the request if the person lacks a right.

        Raises:
            DeskError: 403.
        """
        if not self.may(right):
            raise DeskError(
                403,
                "You may not do this",
                f"{self.person.name} does not have the right “{right}” for "
                f"{self.shown.agency.name}. Whoever manages the log-ins can give it.",
            )

    @property
    def what(self) -> str:
        """What is asked, for the access log: the page, and what chooses the logs on it."""
        return _name_request(self.request)

    def note(self, what: str) -> None:
        """Write down what is looked at or sent, before anything is shown.

        Raises:
            DeskError: 503 if it cannot be written down.
        """
        _note(self.agency_id, self.person, what, self.shown.name)


def begin_visit(request: Request, person: Person, agency_id: str, *rights: Right) -> Visit:
    """Let a person in to an agency's logs.

    Args:
        request: The request.
        person: Who sent it.
        agency_id: The agency that it names.
        rights: One of these is needed; by default the right to see the logs.

    Raises:
        DeskError: 403 if an auditor asks for more than audits; 404 if there is no such agency for
            this person, or if nothing is published.
    """
    door: Door = request.app.state.door
    is_known = agency_id in agency_names()
    if not is_known or not any(
        door.has_right(request, person, agency_id, right) for right in rights or (Right.SEE,)
    ):
        if is_known:
            _note(agency_id, person, f"refused: {_name_request(request)}", "")
        if is_known and door.has_right(request, person, agency_id, Right.AUDIT):
            raise DeskError(
                403,
                "You have no right to the queue",
                "You may audit at this agency. Whoever manages the log-ins can give you the right "
                "to see its queue.",
            )
        # The same answer for both: a stranger does not learn which agencies there are.
        raise DeskError(404, "There is no such page", f"You cannot see any agency {agency_id}.")
    shown = find_shown(agency_id)
    if shown is None:
        raise DeskError(
            404,
            "Nothing is published yet",
            f"Run the DAGs {agency_id}__extract and {agency_id}__build first.",
        )
    return Visit(request, person, agency_id, shown)


def send_page(page: str, status: int = 200) -> Response:
    """Answer with a page.

    Args:
        page: Its HTML.
        status: The HTTP status.
    """
    return HTMLResponse(page, status, HEADERS)


def go_to(path: str) -> Response:
    """Lead the reader to another page.

    Args:
        path: Where it is, seen from the page that was asked for.
    """
    return RedirectResponse(path, 303, HEADERS)


def _name_request(request: Request) -> str:
    what = f"desk {request.method} {request.url.path.rpartition('/')[2] or 'queue'}"
    return f"{what}?{request.url.query[:500]}" if request.url.query else what


def _note(agency_id: str, person: Person, what: str, version: str) -> None:
    try:
        note_access(agency_id, person.name, what, version, NO_REASON)
    except OSError as error:
        raise DeskError(503, "This page cannot be shown", NOT_LOGGED) from error
