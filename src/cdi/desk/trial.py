"""The trial log-in: to try the desk on one machine, without the log-in of an organisation.

Whoever types the code that the command `desk` prints may sign in under any of a few invented names.
So it proves nobody's identity, and the page says so. It is served to this machine alone.
"""

import secrets
from typing import Annotated

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from cdi.agency.load import agency_names
from cdi.desk.alone import SIGN_IN, SessionDoor, add_health, add_sign_out, clean_target
from cdi.desk.app import make_desk
from cdi.desk.forms import comes_from_here
from cdi.desk.people import Right
from cdi.desk.sessions import begin_session, set_cookie
from cdi.desk.visit import HEADERS
from cdi.render import render

# Invented people; everybody may do at all agencies what is said here.
PEOPLE: dict[str, tuple[Right, ...]] = {
    "registrar": (Right.SEE, Right.DECIDE, Right.SECOND, Right.MANAGE),
    "reader.one": (Right.SEE, Right.DECIDE, Right.SECOND),
    "reader.two": (Right.SEE, Right.DECIDE, Right.SECOND),
    "viewer": (Right.SEE,),
    "auditor.one": (Right.AUDIT,),
    "auditor.two": (Right.AUDIT,),
}


def make_trial_desk(code: str) -> FastAPI:
    """Make a desk with the trial log-in.

    Args:
        code: What people have to type; the command prints it.
    """
    app = make_desk(SessionDoor())
    add_health(app)
    add_sign_out(app)

    def show_sign_in(request: Request, to: str = "") -> Response:
        """The page to sign in."""
        return _show(request, to)

    def sign_in(
        request: Request,
        name: Annotated[str, Form()] = "",
        typed: Annotated[str, Form()] = "",
        to: Annotated[str, Form()] = "",
    ) -> Response:
        """Sign in under a name of the trial."""
        is_right = secrets.compare_digest(typed.strip().encode(), code.encode())
        if not (comes_from_here(request) and is_right and name in PEOPLE):
            problem = "That is not the code. The command that runs the desk prints it."
            return _show(request, to, name, problem)
        word = begin_session(name, {agency: PEOPLE[name] for agency in agency_names()})
        root = request.scope.get("root_path", "")
        answer = RedirectResponse(f"{root}/{clean_target(to)}", 303, HEADERS)
        set_cookie(answer, word, is_secure=request.url.scheme == "https")
        return answer

    app.add_api_route(SIGN_IN, show_sign_in, methods=["GET"], response_class=HTMLResponse)
    app.add_api_route(SIGN_IN, sign_in, methods=["POST"], response_class=HTMLResponse)
    return app


def _show(request: Request, target: str, name: str = "", problem: str = "") -> Response:
    page = render(
        "desk_trial.html.j2",
        is_simulated=False,
        root=request.scope.get("root_path", ""),
        person=None,
        sign_out=None,
        people=PEOPLE,
        chosen=name,
        target=clean_target(target),
        problem=problem,
    )
    return HTMLResponse(page, 403 if problem else 200, HEADERS)
