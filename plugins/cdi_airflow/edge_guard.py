"""What the workers of a force may ask of the centre: what belongs to their own queue.

The edge provider verifies who has signed a token, and would then give its owner the tasks of any
queue that he names. Its hook (`[edge] jwt_verifier`) sees neither the queues, which stand in the
body of a request, nor which key has signed. So each request below ``/edge_worker/v1`` is looked at
before the provider sees it; that the token is genuine is verified by the provider, after this.

The same goes for the code. The provider compares its own version and Airflow's, and here the name
of this project's code is compared too: a worker of another code gets no task any more, ends those
that it has, and stops, as the provider's workers do when the versions of Airflow differ.

A task of a force asks the centre below ``/execution``, with a token of its own. Airflow trusts all
tasks alike: each could read every connection of the centre with its password, and write results
and start runs of any DAG. So a task of another queue than the centre's own is shown no connection,
no variable, no event of an asset and no value that is stored at one, and the results and runs of
its own DAG alone. What is not for it is answered as if it were not there, which is what a task
takes for a missing connection.
"""

import asyncio
import json
import logging
import re
from typing import Any

# both after whatever path Airflow itself is served at
PREFIX = "/edge_worker/v1/"
TASKS = "/execution/"
_OF_A_DAG = ("xcoms", "dag-runs")  # below `TASKS`, with the id of the DAG behind it
# What Airflow shows to any task. It compares the task itself where a path has the task's id: below
# task-instances, hitlDetails and store/ti. No task of this project uses the last one.
_OF_THE_CENTRE = ("connections", "variables", "asset-events", "store")
_MOST_BYTES = 1 << 20  # of a body with queues; the provider's own are a few hundred
_MOST_TOLD = 1_000
_CODE = re.compile(r"[\w.+-]{1,80}")
CODE_CLAIM = "cdi_code"  # of a token: `cdi.code.name_code` at the worker
_REFUSAL = "This key is not trusted here, or may not ask this: each key opens one queue."


class EdgeGuard:
    """Middleware of the API server that refuses what belongs to another force.

    It does nothing where `[edge] trusted_jwks_url` is not set: there all workers share one secret,
    and nobody can tell them apart. That is for a trial on one machine.
    """

    def __init__(self, app: Any) -> None:
        """Take the ASGI application that is guarded."""
        self._app = app
        self._told: set[tuple[str, str]] = set()  # workers of other code that the log has told of

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, or answer it: 403 to another force, 400 to a worker of other code.

        To a task of a force, 404 for what is not for it.
        """
        if scope["type"] != "http" or not _has_own_keys():
            await self._app(scope, receive, send)
            return
        if PREFIX not in scope["path"]:
            if TASKS in scope["path"] and not await _may_task_ask(scope):
                await _answer_missing(scope, receive, send)
            else:
                await self._app(scope, receive, send)
            return
        queue, code = _read_claims(scope)
        path = scope["path"].partition(PREFIX)[2].split("/")
        match path:
            case ["health"]:  # whoever has no key may ask too
                is_own = queue is not None or not _tokens(scope)
            case ["worker", name] | ["jobs", "fetch", name]:
                body = await _read_body(receive)
                receive = _give_again(body, receive)
                is_own = _is_of(queue, name) and _read_queues(body) == [queue]
            case ["jobs", "state", dag_id, *_] | ["logs", "logfile_path" | "push", dag_id, *_]:
                is_own = queue is not None and _queue_of_dag(dag_id) == queue
            case _:
                is_own = False
        if not is_own:
            from starlette.responses import PlainTextResponse

            await PlainTextResponse(_REFUSAL, 403)(scope, receive, send)
        elif queue is not None and (difference := _compare_code(code)):
            await self._answer_other_code(path, difference, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer_other_code(
        self, path: list[str], difference: str, scope: Any, receive: Any, send: Any
    ) -> None:
        """Answer a worker whose code is another, so that it ends its tasks and takes none."""
        from starlette.responses import JSONResponse, PlainTextResponse

        match path:
            case ["jobs", "fetch", name]:
                self._tell(name, difference)
                await JSONResponse(None)(scope, receive, send)  # there is no task for it
            case ["worker", _] if scope["method"] == "PATCH":
                # The provider keeps how the worker stops, so that its name is free when it comes
                # back; and a worker that is answered 400 ends its tasks and stops.
                await self._app(scope, receive, _drop)
                await PlainTextResponse(difference, 400)(scope, receive, send)
            case ["worker", _] | ["health"]:
                await PlainTextResponse(difference, 400)(scope, receive, send)
            case _:  # of the tasks that it still does
                await self._app(scope, receive, send)

    def _tell(self, worker: str, difference: str) -> None:
        """Say in the log of the API server, once for each worker and code, why it gets no task.

        The token is not verified yet, hence the bound.
        """
        if (worker, difference) not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add((worker, difference))
            log = logging.getLogger(__name__)
            log.warning("The worker %s gets no task: %s", worker, difference)


async def _drop(message: Any) -> None:
    """Take what would have been sent, and send nothing."""


def _compare_code(code: str | None) -> str | None:
    """Compare the name of a worker's code with ours; returns the difference in words, or None.

    Only workers of a code before there were such names give none.
    """
    from cdi.code import name_code

    if code == name_code():
        return None
    return (
        f"[EDGE-CODE] the worker has the code {code or 'of before'}, and the centre has "
        f"{name_code()}; install the centre's at the force, and start the worker again"
    )


async def _may_task_ask(scope: Any) -> bool:
    """Whether what a task asks for is the centre's to give to it."""
    kind, _, rest = scope["path"].partition(TASKS)[2].partition("/")
    if kind not in (*_OF_A_DAG, *_OF_THE_CENTRE):
        return True
    from airflow.configuration import conf

    queue, dag_id = await asyncio.to_thread(_find_task, _read_task(scope))
    if queue == conf.get("operators", "default_queue"):
        return True
    return kind in _OF_A_DAG and dag_id is not None and rest.partition("/")[0] == dag_id


def _read_task(scope: Any) -> str | None:
    """Read whose token it is. Airflow verifies the token after this, and refuses a forged one."""
    import jwt

    try:
        (header,) = _tokens(scope)
        token = header.partition(b" ")[2]  # behind `Bearer`
        return str(jwt.decode(token, options={"verify_signature": False})["sub"])
    except (ValueError, KeyError, jwt.InvalidTokenError):
        return None


def _find_task(task: str | None) -> tuple[str | None, str | None]:
    """Find the queue and the DAG of a task by the id that its token names.

    A try that has ended is found too, since its token is good for some time. The messages about
    late sources are called by the centre itself, and so are on its queue.

    Returns:
        The queue and the DAG; None twice if there is no such task.
    """
    from uuid import UUID

    from airflow.configuration import conf
    from airflow.models.callback import Callback
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.taskinstancehistory import TaskInstanceHistory
    from airflow.utils.session import create_session
    from sqlalchemy import select

    try:
        number = UUID(task)
    except (TypeError, ValueError):
        return None, None
    tries = ((TaskInstance, TaskInstance.id),
             (TaskInstanceHistory, TaskInstanceHistory.task_instance_id))  # fmt: skip
    with create_session(scoped=False) as session:
        for table, key in tries:
            found = session.execute(select(table.queue, table.dag_id).where(key == number)).first()
            if found:
                return found.queue, found.dag_id
        if session.scalar(select(Callback.id).where(Callback.id == number)):
            return conf.get("operators", "default_queue"), None
    return None, None


async def _answer_missing(scope: Any, receive: Any, send: Any) -> None:
    """Answer as Airflow does for what is not there."""
    from starlette.responses import JSONResponse

    told = {"reason": "not_found", "message": "Not found, or not for tasks of this queue"}
    await JSONResponse({"detail": told}, 404)(scope, receive, send)


def _has_own_keys() -> bool:
    from airflow.configuration import conf

    return bool(conf.get("edge", "trusted_jwks_url", fallback=""))


def _tokens(scope: Any) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == b"authorization"]


def _read_claims(scope: Any) -> tuple[str | None, str | None]:
    """Read for which queue a token's key is trusted, and the name of its owner's code.

    The id of the key is the queue. The provider takes the key of that id to verify the token, so
    whoever writes another id than his own into it is refused there.

    Returns:
        The queue, None if the key is for none; and the code, None if none is named.
    """
    import jwt

    from cdi.local.edge_keys import is_trusted

    try:
        (token,) = _tokens(scope)  # of two, the provider might verify the other
        read = jwt.decode_complete(token, options={"verify_signature": False})
    except (ValueError, jwt.InvalidTokenError):
        return None, None
    queue, code = str(read["header"].get("kid")), str(read["payload"].get(CODE_CLAIM) or "")
    return (queue if is_trusted(queue) else None), (code if _CODE.fullmatch(code) else None)


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
