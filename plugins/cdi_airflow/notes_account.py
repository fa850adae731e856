"""What the account of the tasks' notes may do: write notes, and nothing else.

Airflow has no permission for notes alone: whoever may write one may also change the state of a task
and pause a DAG. So each request of that account is looked at before Airflow sees it.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

from cdi.local.airflow import NOTES_USER

_RUN_OR_TASK = re.compile(r"/api/v2/dags/[^/]+/dagRuns/[^/]+(?:/taskInstances/[^/]+)?")
_REFUSAL = f"{NOTES_USER} writes the notes of tasks and may do nothing else."


class NotesAccountGuard:
    """Middleware of the API server that refuses what the account of the notes may not do.

    Tasks talk to the server below ``/execution`` with tokens of their own, which are no accounts.
    """

    def __init__(self, app: Any) -> None:
        """Take the ASGI application that is guarded."""
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, or answer it with 403."""
        is_request = scope["type"] == "http" and not scope["path"].startswith("/execution/")
        if is_request and not _writes_note(scope):
            from starlette.requests import HTTPConnection
            from starlette.responses import PlainTextResponse

            for token in _list_tokens(HTTPConnection(scope)):
                if await _read_user_name(token) == NOTES_USER:
                    await PlainTextResponse(_REFUSAL, 403)(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def _writes_note(scope: Any) -> bool:
    """Whether a request changes the note of a run or a task, and by its mask nothing else."""
    mask = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return (
        scope["method"] == "PATCH"
        and _RUN_OR_TASK.fullmatch(scope["path"]) is not None
        and mask == {"update_mask": ["note"]}
    )


def _list_tokens(connection: Any) -> Iterator[str]:
    """List the tokens by which a request may name its user: in its head, and as a cookie."""
    from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN

    kind, _, token = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        yield token
    if COOKIE_NAME_JWT_TOKEN in connection.cookies:
        yield connection.cookies[COOKIE_NAME_JWT_TOKEN]


async def _read_user_name(token: str) -> str | None:
    """Read whose token it is; None for one that Airflow will refuse."""
    from airflow.api_fastapi.app import get_auth_manager
    from jwt import InvalidTokenError

    try:
        return (await get_auth_manager().get_user_from_token(token)).get_name()
    except InvalidTokenError:
        return None
