"""Sends messages by Airflow's connections: mail by SMTP, or a post to a web hook.

A mail is sent if the server took it for at least one recipient, and a post if the answer was 2xx.
An error names the connection and what went wrong, and never an address, a password or the message:
the address of a web hook is a secret itself.
"""

import functools
import logging
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from cdi_airflow.operators import StepOperator

if TYPE_CHECKING:
    from cdi.people.alerts import Message
    from cdi.steps.step import Step

LOG = logging.getLogger(__name__)
MAIL = ("smtp", "email")
HOOK = ("http", "https")
TIMEOUT = 10  # seconds until a web hook must have answered


class AlertOperator(StepOperator):
    """Runs a step of `cdi.steps.alert` that sends messages."""

    def call(self) -> "Callable[[], Step]":
        """Give the step, bound to what sends a message."""
        step: Callable[..., Step] = super().call()
        return functools.partial(step, send=send_message)


def send_message(connection_id: str, to: tuple[str, ...], message: "Message") -> None:
    """Send a message by a connection; it was taken when this returns.

    Args:
        connection_id: An Airflow connection of type `smtp` or `email`, `http` or `https`.
        to: Recipients of mail; without any, those of the connection's extra `to`.
        message: What to send.

    Raises:
        CdiError: ALERT-CONNECTION if there is no such connection, or if it has another type;
            ALERT-RECIPIENTS if nobody would get the mail.
        MachineError: ALERT-UNSENT if it was not taken; a later try may succeed.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    from cdi.errors import CdiError, MachineError

    try:
        connection = BaseHook.get_connection(connection_id)
    except AirflowNotFoundException:
        raise CdiError(
            "ALERT-CONNECTION",
            f"Airflow has no connection {connection_id}, which `alerts` in agency.yaml names",
            f"add it by `airflow connections add {connection_id} --conn-json ...` (docs/server.md "
            "has the whole command)",
        ) from None
    kind = connection.conn_type
    recipients = to or list_recipients(connection)
    if kind not in (*MAIL, *HOOK):
        raise CdiError(
            "ALERT-CONNECTION",
            f"the connection {connection_id} is of type {kind}, which sends no messages",
            f"add it again as JSON, with one of the types {', '.join((*MAIL, *HOOK))}; a type that "
            "is given by --conn-type and not known to Airflow becomes generic (docs/server.md)",
        )
    if kind in MAIL and not recipients:
        raise CdiError(
            "ALERT-RECIPIENTS",
            f"nobody would get the mail of the connection {connection_id}",
            "name the recipients in agency.yaml: alerts: {to: [desk@example.org]}",
        )
    try:
        if kind in MAIL:
            send_mail(connection_id, recipients, message.subject, message.text)
        else:
            post_to_hook(connection, {"text": f"{message.subject}\n\n{message.text}"})
    except Exception as error:  # whatever it is, the message is still to be sent
        raise MachineError(
            "ALERT-UNSENT",
            f"the connection {connection_id} did not take a message ({describe_failure(error)})",
            "check that the connection's server is up and accepts messages; the next run sends "
            "what is still due",
        ) from None


def describe_failure(error: Exception) -> str:
    """Name the kind of an error, and the number that a server answered; its text may hold more."""
    response = getattr(error, "response", None)  # of httpx
    status = getattr(response, "status_code", None) or getattr(error, "smtp_code", None)
    return f"{type(error).__name__}{f' {status}' if status else ''}"


def send_mail(connection_id: str, to: Sequence[str], subject: str, text: str) -> None:
    """Send each recipient a mail; a recipient whom the server refuses is named in the log.

    Raises:
        smtplib.SMTPRecipientsRefused: If the server refuses all recipients.
    """
    import smtplib

    from airflow.providers.smtp.hooks.smtp import SmtpHook

    content = f"<p>{escape(text)}</p>".replace("\n", "<br>\n")
    refused: list[str] = []
    with SmtpHook(smtp_conn_id=connection_id) as hook:
        for recipient in to:
            # The hook would say nothing of a single recipient who is refused beside others.
            try:
                hook.send_email_smtp(to=[recipient], subject=subject, html_content=content)
            except smtplib.SMTPRecipientsRefused:
                if len(refused) + 1 == len(to):
                    raise
                refused.append(recipient)
    if refused:
        LOG.warning("the mail server refuses %s; the others got the mail", ", ".join(refused))


def post_to_hook(connection: Any, content: dict[str, str]) -> None:
    """Post JSON to a web hook; a password of the connection is sent as bearer token.

    Raises:
        httpx.HTTPError: If it is not reached in time, or does not answer with 2xx.
    """
    import httpx

    url = connection.host
    if "://" not in url:
        port = f":{connection.port}" if connection.port else ""
        url = f"{connection.conn_type}://{connection.host}{port}"
    token = connection.password
    httpx.post(
        url + connection.extra_dejson.get("endpoint", ""),
        json=content,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        timeout=TIMEOUT,
    ).raise_for_status()


def list_recipients(connection: Any) -> tuple[str, ...]:
    """List the addresses in the extra `to` of a connection: a list, or a text with commas."""
    to = connection.extra_dejson.get("to") or ()
    addresses = (each.strip() for each in (to.split(",") if isinstance(to, str) else to))
    return tuple(filter(None, addresses))
