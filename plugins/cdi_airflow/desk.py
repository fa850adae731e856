"""The desk behind Airflow's log-in: who is signed in is Airflow's user, and DAG rights decide.

Airflow has no rights of its own for people who decide about logs, so rights on the agency's build
DAG stand for them, and for auditors on its audit DAG (`NEEDED`; docs/server.md says what a role
needs).
"""

from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user, requires_access_dag
from fastapi import HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from cdi.desk.app import make_desk
from cdi.desk.people import Person, Right

# Who may start runs may read logs, as before. Who may delete runs decides, and who may delete runs
# of the audit DAG audits. Who may delete the DAG manages. Only rights that Airflow's FAB auth
# manager can give for a single DAG stand here: a right such as the one to answer required actions
# holds for all DAGs that somebody may edit, so whoever decided at one agency would decide at each
# whose logs they may read.
NEEDED: dict[Right, tuple[ResourceMethod, DagAccessEntity | None, str]] = {
    Right.SEE: ("POST", DagAccessEntity.RUN, "build"),
    Right.DECIDE: ("DELETE", DagAccessEntity.RUN, "build"),
    Right.SECOND: ("DELETE", DagAccessEntity.RUN, "build"),
    Right.MANAGE: ("DELETE", None, "build"),
    Right.AUDIT: ("DELETE", DagAccessEntity.RUN, "audit"),
}


def demand_right(request: Request, user: BaseUser, agency: str, right: Right) -> None:
    """Refuse a request if the user lacks a right on an agency.

    Raises:
        HTTPException: 403.
    """
    method, entity, dag = NEEDED[right]
    requires_access_dag(method, entity, f"{agency}__{dag}")(request, user)


def has_right(request: Request, user: BaseUser, agency: str, right: Right) -> bool:
    """Whether a user has a right on an agency."""
    try:
        demand_right(request, user, agency, right)
    except HTTPException:
        return False
    return True


class AirflowDoor:
    """Airflow's log-in; see `cdi.desk.people.Door`."""

    def find_person(self, request: Request) -> Person | None:
        """Tell who sent a request, as `WithUser` found."""
        user: BaseUser | None = getattr(request.state, "airflow_user", None)
        # Airflow renews its own token while people read, so it cannot stand for the log-in.
        return Person(user.get_name(), f"airflow:{user.get_id()}") if user else None

    def has_right(self, request: Request, person: Person, agency: str, right: Right) -> bool:
        """Whether Airflow's user has the right on the agency's DAG that stands for it."""
        return has_right(request, request.state.airflow_user, agency, right)

    def ask_to_sign_in(self, request: Request) -> Response:
        """Lead a reader to Airflow's log-in."""
        return RedirectResponse(get_auth_manager().get_url_login(next_url=str(request.url)))

    def sign_out_path(self) -> str | None:
        """None: people sign out of Airflow."""
        return None


class WithUser:
    """Looks up Airflow's user before a request reaches the application, as an ASGI application."""

    def __init__(self, app: Any) -> None:
        """Take the application."""
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Note the user, or that there is none, and pass the request on."""
        if scope["type"] == "http":
            request = Request(scope)
            try:
                user = await get_user(request, None, await bearer_scheme(request))
            except HTTPException:
                user = None
            request.state.airflow_user = user
        await self._app(scope, receive, send)


app = WithUser(make_desk(AirflowDoor()))
