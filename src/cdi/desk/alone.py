"""What the doors of a desk that runs alone share: sessions, the way to sign in, signing out."""

import re
from urllib.parse import urlencode

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from cdi.desk.forms import NOT_FROM_HERE, comes_from_here
from cdi.desk.people import Person, Right
from cdi.desk.sessions import end_session, find_session
from cdi.desk.visit import HEADERS

SIGN_IN, SIGN_OUT, HEALTH = "/sign-in", "/sign-out", "/health"
# A page below the desk: no host, no dot segments, nothing that a browser reads as one of these.
TARGET = re.compile(r"(?:[\w-]+/)*[\w-]*(?:\?[!-~]{0,1000})?", re.ASCII)


class SessionDoor:
    """A door whose people have sessions of the desk's own; see `cdi.desk.people.Door`."""

    def find_person(self, request: Request) -> Person | None:
        """Tell who sent a request, by the cookie of their session."""
        session = find_session(request)
        return session.person if session else None

    def has_right(self, request: Request, person: Person, agency: str, right: Right) -> bool:
        """Whether the session was given a right on an agency."""
        session = find_session(request)
        return session is not None and right in session.rights.get(agency, ())

    def ask_to_sign_in(self, request: Request) -> Response:
        """Lead a reader to the page to sign in."""
        root = request.scope.get("root_path", "")
        path = request.url.path.removeprefix(root).lstrip("/")
        target = clean_target(f"{path}?{request.url.query}" if request.url.query else path)
        query = f"?{urlencode({'to': target})}" if target else ""
        return RedirectResponse(f"{root}{SIGN_IN}{query}", 303, HEADERS)

    def sign_out_path(self) -> str | None:
        """The path that a form is sent to in order to sign out."""
        return SIGN_OUT


def clean_target(typed: str) -> str:
    """Give the page that somebody asked for before they signed in, below the desk's own address.

    Args:
        typed: What an address says; anybody may have written it.

    Returns:
        The path without a slash before it; blank, which is the first page, if it is not below.
    """
    return typed if TARGET.fullmatch(typed) else ""


def add_sign_out(app: FastAPI, then: str = SIGN_IN) -> None:
    """Let people sign out of a desk that runs alone.

    Args:
        app: The desk.
        then: The page that is shown afterwards.
    """

    def sign_out(request: Request) -> Response:
        """End the session, if the form is the desk's own."""
        if not comes_from_here(request):
            return PlainTextResponse(NOT_FROM_HERE, 403, HEADERS)
        end_session(request)
        return RedirectResponse(f"{request.scope.get('root_path', '')}{then}", 303, HEADERS)

    app.add_api_route(SIGN_OUT, sign_out, methods=["POST"], response_model=None)


def add_health(app: FastAPI) -> None:
    """Tell whoever asks that the desk runs, and nothing else."""
    app.add_api_route(HEALTH, lambda: PlainTextResponse("ok"), methods=["GET"], response_model=None)
