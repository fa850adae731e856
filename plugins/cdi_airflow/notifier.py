"""Tells people that a task failed or a source is late: to the log, by mail or to a web hook.

Where to is Airflow's connection ``cdi_notify``: of type `smtp` or `email` (extra: `from_email`,
`to`), or `http`/`https` (the hook's address as host or extra `endpoint`; a password is sent as
bearer token). Without it the message stands in the log. It names the DAG, the run, the task, the
rule and a link, and never what the data or the log say: mail and chat are no place for them.
"""

import logging
import re
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseNotifier

from cdi_airflow.messages import MAIL, list_recipients, post_to_hook, send_mail

LOG = logging.getLogger(__name__)
NOTIFY_CONNECTION = "cdi_notify"
HEADINGS = {"failed": "A task failed", "late": "A source is late"}


class Notifier(BaseNotifier):
    """Sends one message.

    Args:
        what: `failed` (as `on_failure_callback`) or `late` (as a deadline's callback).
        context: Airflow's, if it is given here and not with the call.
        sources: The datasets that are late.
    """

    def __init__(self, what: str = "failed", context: Any = None, sources: str = "") -> None:
        """Keep what the message is about."""
        super().__init__(context=context)
        self.what, self.sources = what, sources

    def notify(self, context: Any) -> None:
        """Send the message; an error here is logged and stops nothing."""
        message = describe(self.what, context, self.sources)
        try:
            _send_message(message)
        except Exception as error:  # whatever goes wrong with a message must not fail a run
            # the text of the error may hold addresses or passwords, so only its type is logged
            LOG.error("the notification was not sent (%s): %s", type(error).__name__, message)


def describe(what: str, context: Any, sources: str = "") -> dict[str, str]:
    """Put the parts of the message together.

    Args:
        what: `failed` or `late`.
        context: Of a task, or a deadline's (the run as Airflow's API tells it).
        sources: The datasets that are late.
    """
    ti = context.get("ti") or context.get("task_instance")
    if ti is not None:
        dag_id, run_id, task_id = ti.dag_id, ti.run_id, ti.task_id
    else:
        run = context["dag_run"]
        dag_id, run_id, task_id = run["dag_id"], run["dag_run_id"], ""
    message_parts = {
        "what": HEADINGS[what],
        "sources": sources,
        "dag": dag_id,
        "run": run_id,
        "task": task_id,
        "rule": ", ".join(_rules_of_error(context.get("exception"))),
        "link": _link_to_task(dag_id, run_id, task_id),
    }
    return {name: value for name, value in message_parts.items() if value}


def _rules_of_error(error: Any) -> list[str]:
    """Find the ids of the rules that an expected error is about; its text is not used."""
    cause = getattr(error, "__cause__", None)
    rule_id = getattr(cause, "rule_id", "")
    return [rule for rule in (rule_id, *getattr(cause, "broken", ())) if _is_rule_id(rule)]


def _is_rule_id(text: str) -> bool:
    return re.fullmatch(r"[A-Z]+(?:-[A-Z0-9]+)+", text) is not None


def _link_to_task(dag_id: str, run_id: str, task_id: str) -> str:
    from airflow.sdk.configuration import conf

    base = conf.get("api", "base_url", fallback="").rstrip("/")
    path = f"/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}"
    return base + path + (f"/tasks/{quote(task_id)}" if task_id else "")


def _send_message(message: dict[str, str]) -> None:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    text = "\n".join(f"{name}: {value}" for name, value in message.items())
    try:
        connection = BaseHook.get_connection(NOTIFY_CONNECTION)
    except AirflowNotFoundException:
        LOG.warning(
            "no connection %s, so the message is in this log alone\n%s", NOTIFY_CONNECTION, text
        )
        return
    if connection.conn_type in MAIL:
        recipients = list_recipients(connection)
        if not recipients:
            LOG.error(
                'the connection %s names nobody as "to" in its extra, so the message is in this '
                "log alone\n%s",
                NOTIFY_CONNECTION,
                text,
            )
            return
        send_mail(NOTIFY_CONNECTION, recipients, f"{message['what']}: {message['dag']}", text)
    else:
        post_to_hook(connection, {"text": text, **message})
