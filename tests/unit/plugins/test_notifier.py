"""The notifier: real mail and web-hook servers on loopback get the message, and nothing else."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_string, policy
from types import SimpleNamespace
from typing import Any

import pytest

from cdi.errors import GateError
from tests.conftest import SmallAgency
from tests.message_servers import HookServer, MailServer, serving

SECRET = "Ada Example was hit at 1 Example Street"


@pytest.fixture
def failed() -> dict[str, Any]:
    """The context of a task that a rule stopped, whose error tells of a person."""
    from airflow.sdk import BaseHook  # sets up all logging when it is first named, as `caplog` does

    assert BaseHook
    try:
        try:
            raise GateError("GATE-MARTS", SECRET, SECRET, ["MART-15", "not an id"])
        except GateError as cause:
            raise RuntimeError(SECRET) from cause
    except RuntimeError as error:
        ti = SimpleNamespace(
            dag_id="a__build", run_id="manual__2026-01-01T00:00:00+00:00", task_id="check"
        )
        return {"ti": ti, "exception": error}


EXPECTED = {
    "what": "A task failed",
    "dag": "a__build",
    "run": "manual__2026-01-01T00:00:00+00:00",
    "task": "check",
    "rule": "GATE-MARTS, MART-15",
}
LINK = "/dags/a__build/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00/tasks/check"


def test_mail_reaches_a_real_server(
    failed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cdi_airflow.notifier import Notifier

    server = MailServer()
    with serving(server) as port:
        extra = {
            "disable_ssl": True,
            "disable_tls": True,
            "from_email": "cdi@example.org",
            "to": "ops@example.org",
        }
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_CDI_NOTIFY", json.dumps(connection))
        Notifier()(failed)
    (text,) = server.mails
    mail = message_from_string(text, policy=policy.default)
    assert mail["To"] == "ops@example.org"
    assert mail["From"] == "cdi@example.org"
    assert mail["Subject"] == "A task failed: a__build"
    body = next(part for part in mail.walk() if part.get_content_maintype() == "text").get_content()
    for name, value in EXPECTED.items():
        assert f"{name}: {value}" in body
    assert LINK in body
    assert SECRET not in body


@pytest.mark.parametrize("to", [None, "", " , ", ["ops@example.org", " "]])
def test_mail_of_either_type_reaches_whom_it_names_or_is_in_the_log(
    failed: dict[str, Any],
    to: str | list[str] | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from cdi_airflow.notifier import Notifier

    server = MailServer()
    with serving(server) as port:
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "cdi@example.org"}
        connection = {"conn_type": "email", "host": "127.0.0.1", "port": port,
                      "extra": extra | ({} if to is None else {"to": to})}  # fmt: skip
        monkeypatch.setenv("AIRFLOW_CONN_CDI_NOTIFY", json.dumps(connection))
        with caplog.at_level(logging.ERROR):
            Notifier()(failed)
    mails = [message_from_string(text, policy=policy.default)["To"] for text in server.mails]
    if isinstance(to, list):
        assert (mails, caplog.text) == (["ops@example.org"], "")
    else:
        assert mails == []
        assert "cdi_notify names nobody" in caplog.text
        assert "rule: GATE-MARTS, MART-15" in caplog.text


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[HookServer]:
    """A web hook, and the connection to it."""
    server = HookServer()
    with serving(server) as port:
        connection = {
            "conn_type": "http",
            "host": "127.0.0.1",
            "port": port,
            "password": "token",
            "extra": {"endpoint": "/hook"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_CDI_NOTIFY", json.dumps(connection))
        yield server


def test_a_web_hook_gets_the_parts(failed: dict[str, Any], hook: Any) -> None:
    from cdi_airflow.notifier import Notifier

    Notifier()(failed)
    ((path, authorization, body),) = hook.posts
    assert (path, authorization) == ("/hook", "Bearer token")
    assert {name: body[name] for name in EXPECTED} == EXPECTED
    assert body["link"].endswith(LINK)
    assert set(body) == {*EXPECTED, "link", "text"}
    assert SECRET not in json.dumps(body)


def test_a_late_source_is_told_by_its_run(hook: Any) -> None:
    from cdi_airflow.notifier import Notifier

    run = {"dag_id": "a__extract", "dag_run_id": "scheduled__1", "conf": {"x": SECRET}}
    context = {"dag_run": run, "deadline": {"id": "1", "deadline_time": "2026-01-01"}}
    Notifier(what="late", context=context, sources="calls")(context)
    ((_, _, body),) = hook.posts
    assert (body["what"], body["dag"]) == ("A source is late", "a__extract")
    assert body["sources"] == "calls"
    assert "task" not in body
    assert SECRET not in json.dumps(body)


def test_each_source_has_its_deadline(small: SmallAgency) -> None:
    from cdi_airflow.house import lateness_deadlines

    small.settings["sources"]["calls"]["max_age_hours"] = 3
    small.write_settings()
    deadlines = {
        alert.interval: alert.callback.kwargs for alert in lateness_deadlines(small.agency)
    }
    assert deadlines == {
        timedelta(hours=3): {"what": "late", "sources": "calls"},
        timedelta(hours=48): {"what": "late", "sources": "crime_records"},
    }


def test_a_hook_that_fails_stops_nothing_and_tells_no_secret(
    failed: dict[str, Any], hook: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from cdi_airflow.notifier import Notifier

    hook.answers = [500]
    with caplog.at_level(logging.ERROR):
        Notifier()(failed)
    assert len(hook.posts) == 1
    assert "was not sent (HTTPStatusError)" in caplog.text
    assert SECRET not in caplog.text
    assert "token" not in caplog.text


def test_without_a_connection_it_stands_in_the_log(
    failed: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    from cdi_airflow.notifier import Notifier

    def none(name: str) -> None:
        raise AirflowNotFoundException(name)

    monkeypatch.setattr(BaseHook, "get_connection", none)
    with caplog.at_level(logging.WARNING):
        Notifier()(failed)
    assert "rule: GATE-MARTS, MART-15" in caplog.text
    assert SECRET not in caplog.text
