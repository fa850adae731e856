"""What the workers of a force may ask of the centre: what belongs to their own queue.

The edge provider verifies who has signed a token, and would then give its owner the tasks of any
queue that he names. Its hook (`[edge] jwt_verifier`) sees neither the queues, which stand in the
body of a request, nor which key has signed. So each request below ``/edge_worker/v1`` is looked at
before the provider sees it; that the token is genuine is verified by the provider, after this.
"""

import json
from typing import Any

PREFIX = "/edge_worker/v1/"  # after whatever path Airflow itself is served at
_MOST_BYTES = 1 << 20  # of a body with queues; the provider's own are a few hundred
_REFUSAL = "This key is not trusted here, or may not ask this: each key opens one queue."


class EdgeGuard:
    """Middleware of the API server that refuses what belongs to another force.

    It does nothing where `[edge] trusted_jwks_url` is not set: there all workers share one secret,
    and nobody can tell them apart. That is for a trial on one machine.
    """

    def __init__(self, app: Any) -> None:
        """Take the ASGI application that is guarded."""
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, or answer it with 403."""
        if scope["type"] != "http" or PREFIX not in scope["path"] or not _has_own_keys():
            await self._app(scope, receive, send)
            return
        queue = _read_queue(scope)
        match scope["path"].partition(PREFIX)[2].split("/"):
            case ["health"]:
                is_own = True
            case ["worker", name] | ["jobs", "fetch", name]:
                body = await _read_body(receive)
                receive = _give_again(body, receive)
                is_own = _is_of(queue, name) and _read_queues(body) == [queue]
            case ["jobs", "state", dag_id, *_] | ["logs", "logfile_path" | "push", dag_id, *_]:
                is_own = queue is not None and _queue_of_dag(dag_id) == queue
            case _:
                is_own = False
        if is_own:
            await self._app(scope, receive, send)
        else:
            from starlette.responses import PlainTextResponse

            await PlainTextResponse(_REFUSAL, 403)(scope, receive, send)


def _has_own_keys() -> bool:
    from airflow.configuration import conf

    return bool(conf.get("edge", "trusted_jwks_url", fallback=""))


def _read_queue(scope: Any) -> str | None:
    """Read for which queue a token's key is trusted; None if it is for none.

    The id of the key is the queue. The provider takes the key of that id to verify the token, so
    whoever writes another id than his own into it is refused there.
    """
    import jwt

    from cdi.local.edge_keys import is_trusted

    tokens = [value for name, value in scope["headers"] if name == b"authorization"]
    try:
        (token,) = tokens  # of two, the provider might verify the other
        queue = str(jwt.get_unverified_header(token).get("kid"))
    except (ValueError, jwt.InvalidTokenError):
        return None
    return queue if is_trusted(queue) else None


def _is_of(queue: str | None, worker: str) -> bool:
    """Whether a worker's name is the queue's: `<queue>`, or `<queue>.<any more>`."""
    return queue is not None and worker.partition(".")[0] == queue


def _read_queues(body: bytes) -> Any:
    """Read the queues that a worker says it works for."""
    try:
        return json.loads(body)["queues"]
    except (ValueError, TypeError, KeyError):
        return None


def _queue_of_dag(dag_id: str) -> str | None:
    """Read on which queue an agency's tasks run; None if there is no such agency."""
    from cdi.agency.load import load_agency
    from cdi.errors import CdiError

    try:
        return load_agency(dag_id.rpartition("__")[0]).runs_on
    except CdiError:
        return None


async def _read_body(receive: Any) -> bytes:
    """Read the body of a request, as far as one with queues may be long."""
    body = b""
    while len(body) <= _MOST_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body


def _give_again(body: bytes, receive: Any) -> Any:
    """Let the application read a body that was read already."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Any:
        return messages.pop() if messages else await receive()

    return receive_again
