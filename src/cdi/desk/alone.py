"""What the doors of a desk that runs alone share: sessions, the page to sign in, signing out."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from cdi.desk.forms import comes_from_here
from cdi.desk.people import Person, Right
from cdi.desk.sessions import end_session, find_session
from cdi.desk.visit import HEADERS

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"


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
        """Lead a reader to the page to sign in; a form is refused, as it cannot be sent again."""
        if request.method == "GET":
            return RedirectResponse(f"{request.scope.get('root_path', '')}{SIGN_IN}", 303, HEADERS)
        return Response(
            "You are not signed in, or not any more. Nothing was written.",
            401,
            HEADERS,
            "text/plain",
        )

    def sign_out_path(self) -> str | None:
        """The path that a form is sent to in order to sign out."""
        return SIGN_OUT


def add_sign_out(app: FastAPI) -> None:
    """Let people sign out of a desk that runs alone."""

    def sign_out(request: Request) -> Response:
        """End the session, if the form is the desk's own."""
        if comes_from_here(request):
            end_session(request)
        return RedirectResponse(f"{request.scope.get('root_path', '')}{SIGN_IN}", 303, HEADERS)

    app.add_api_route(SIGN_OUT, sign_out, methods=["POST"], response_model=None)
