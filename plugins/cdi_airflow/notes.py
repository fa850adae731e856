"""Notes of tasks and runs: what people read in the UI beside a green or red box.

A task has no way of its own to write a note, so it goes through Airflow's public API with the
connection ``cdi_airflow_api`` (host, login, password of a user that may edit runs and their tasks).
Without that connection the note stands in the task's log alone.

A task that runs at a force's own worker (`runs_on` in agency.yaml) tells the centre an outline of
its note, and no more. It does so as an XCom, `told`, for which its own token is enough: a worker of
one force has no account with which it could write on the runs of another, and `edge_guard` keeps
its token to the XComs of its own DAG.
"""

import logging
from typing import Any

LOG = logging.getLogger(__name__)
PATIENCE = 30  # seconds; the machine may be busy with other work
NOTE_LENGTH = 1000  # Airflow's limit
TOLD = "told"  # the key of the XCom


def write_note(context: Any, text: str, *, outline: str, of_run: bool = False) -> None:
    """Write the note of the running task; a failure to do so never fails the task.

    Args:
        context: The task's context.
        text: The note.
        outline: What of it may leave a force: counts, rule ids and our own words.
        of_run: Whether it is the DAG run's note as well.
    """
    if runs_at_force(context["task"]):
        context["ti"].xcom_push(key=TOLD, value=outline)
        return
    import httpx
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    from cdi.local.airflow import NOTES_CONNECTION

    try:
        connection = BaseHook.get_connection(NOTES_CONNECTION)
    except AirflowNotFoundException:
        LOG.info("no connection %s: the note is in this log alone", NOTES_CONNECTION)
        return
    ti = context["ti"]
    run = f"/api/v2/dags/{ti.dag_id}/dagRuns/{ti.run_id}"
    noted = [f"{run}/taskInstances/{ti.task_id}", *([run] if of_run else [])]
    scheme = connection.schema or "http"
    try:
        with httpx.Client(
            base_url=f"{scheme}://{connection.host}:{connection.port}", timeout=PATIENCE
        ) as client:
            answer = client.post(
                "/auth/token",
                json={"username": connection.login, "password": connection.password},
            )
            answer.raise_for_status()
            token = answer.json()["access_token"]
            for path in noted:
                answer = client.patch(
                    path,
                    params={"update_mask": "note"},
                    json={"note": shorten(text)},
                    headers={"Authorization": f"Bearer {token}"},
                )
                answer.raise_for_status()
    except httpx.HTTPError as error:
        LOG.warning("the note could not be written: %s", error)


def runs_at_force(task: Any) -> bool:
    """Whether a task is given to the workers of one agency; see `cdi_airflow.house`."""
    from airflow.sdk.configuration import conf

    return bool(task.queue != conf.get("operators", "default_queue"))


def shorten(text: str) -> str:
    """Cut a text to a note's length, at a line's end, and say so."""
    if len(text) <= NOTE_LENGTH:
        return text
    more = "\n… the rest is in the task's log"
    return text[: NOTE_LENGTH - len(more)].rsplit("\n", 1)[0] + more
