"""Registers with Airflow what it has to know by name.

These are the pages of the published versions (a menu entry and a tab on each DAG), the classes that
say when runs start and when they are late, what makes the pools of connections and what imports
modules once for all tasks, and the guards of the account of the notes and of the workers of forces.
Airflow imports this file in every process, so the views themselves are imported by the API server
alone, with the first request.
"""

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from cdi_airflow import imports, pools
from cdi_airflow.edge_guard import EdgeGuard
from cdi_airflow.notes_account import NotesAccountGuard
from cdi_airflow.scheduling import BoundedIntervals, BoundedTriggers, RunCreated


async def pages(scope: Any, receive: Any, send: Any) -> None:
    """Answer requests below ``/cdi``, as an ASGI application."""
    from cdi_airflow.views import app

    await app(scope, receive, send)


class CdiPages(AirflowPlugin):
    """Menu entry, DAG tab and what they show; timetables, deadlines and pools."""

    name = "cdi_pages"
    # declared as Airflow declares them
    timetables = [BoundedIntervals, BoundedTriggers]  # noqa: RUF012
    deadline_references = [RunCreated]  # noqa: RUF012
    listeners = [imports, pools]  # noqa: RUF012
    fastapi_apps = [{"app": pages, "url_prefix": "/cdi", "name": "cdi"}]  # noqa: RUF012
    fastapi_root_middlewares = [  # noqa: RUF012
        {"middleware": NotesAccountGuard, "name": "cdi_notes"},
        {"middleware": EdgeGuard, "name": "cdi_edge"},
    ]
    external_views = [  # noqa: RUF012
        {
            "name": "Published",  # the menu has room for ten letters
            "href": "/cdi/",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": "published-agencies",
        },
        {
            "name": "Published",
            "href": "/cdi/dag/{DAG_ID}",
            "destination": "dag",
            "url_route": "published",
        },
    ]
