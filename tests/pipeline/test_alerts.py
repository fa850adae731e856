"""Alerts of a published version reach real servers once, and say nothing of a single log."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from cdi import cli, paths
from cdi.agency.asked import note_asked
from cdi.errors import CdiError, MachineError, StateError, name_machine_failures
from cdi.people.decision_file import HEADER
from cdi.people.decisions import add_decision
from cdi.sealed_files import append_sealed
from cdi.steps.alert import send_alerts
from tests.conftest import SmallAgency
from tests.message_servers import HookServer, MailServer, make_certificate, serving
from tests.postgres import read_by_sql

MINUTE = timedelta(minutes=1)
HOOK_PATH = "/hook/0ddba11-secret"


@pytest.fixture
def alerting(told: SmallAgency) -> SmallAgency:
    """An agency with a published version, that warns by a mail server and by a web hook."""
    told.settings["alerts"] = {
        "connections": ["desk_mail", "desk_hook"],
        "to": ["sergeant@example.org", "registrar@example.org"],
        "shift_changes": ["00:00"],
    }
    told.write_settings()
    return told


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """The mail server behind `desk_mail`."""
    server = MailServer()
    with serving(server) as port:
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "cdi@example.org"}
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_DESK_MAIL", json.dumps(connection))
        yield server


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[HookServer]:
    """The web hook behind `desk_hook`."""
    server = HookServer()
    with serving(server) as port:
        connection = {"conn_type": "http", "host": "127.0.0.1", "port": port,
                      "password": "hook-token", "extra": {"endpoint": HOOK_PATH}}  # fmt: skip
        monkeypatch.setenv("AIRFLOW_CONN_DESK_HOOK", json.dumps(connection))
        yield server


def open_crimes(small: SmallAgency) -> list[tuple[Any, ...]]:
    """Call, number, deadline and district of each suspected crime that is likely."""
    rows = small.rows(
        "select call_id, split_part(reported_crime_id, '#', 2), due_at, district "
        "from unrecorded_crimes where status = 'suspected' and is_likely order by due_at"
    )
    return [
        (call, number, due.replace(tzinfo=UTC), district) for call, number, due, district in rows
    ]


def run(now: datetime) -> Any:
    """Run the step as the task of the DAG does, at a moment."""
    from cdi_airflow.messages import AlertOperator

    operator = AlertOperator(
        task_id="alert", step="alert.send_alerts", arguments={"agency": "testville", "now": now}
    )
    return operator.call()()


def test_each_crime_is_warned_of_once_in_the_two_hours_before_its_deadline(
    alerting: SmallAgency,
) -> None:
    """The step runs at each minute around both ends of the two hours, and remembers on the disk."""
    alerting.settings["alerts"] |= {"connections": ["one"], "shift_changes": []}
    alerting.write_settings()
    expected: Counter[datetime] = Counter()
    minutes: set[datetime] = set()
    for _, _, due, _ in open_crimes(alerting):
        expected[due - timedelta(hours=2)] += 1  # all times of this agency are whole minutes
        around = (due - timedelta(hours=2), due)
        minutes |= {end + MINUTE * n for end in around for n in range(-3, 4)}
    assert len(expected) >= 2
    sent: Counter[datetime] = Counter()

    for now in sorted(minutes):

        def send(connection: str, to: tuple[str, ...], message: Any, now: datetime = now) -> None:
            sent[now] += len(message.keys)
            assert f"{len(message.keys)} crime" in message.subject

        send_alerts("testville", send, now)
    assert sent == expected


def test_what_a_server_refuses_is_sent_later_and_nothing_twice(
    alerting: SmallAgency, mail: MailServer, hook: HookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cdi_airflow import messages

    monkeypatch.setattr(messages, "TIMEOUT", 0.3)
    first, *_ = open_crimes(alerting)
    now = first[2] - timedelta(minutes=100)
    run(now.replace(hour=0, minute=1))  # the digest of the day
    assert [subject for _, subject, _ in mail.read_mails()]
    mail.mails.clear()
    hook.posts.clear()

    hook.answers = [500, 302, 0]
    for minute, failure in enumerate(
        ("HTTPStatusError 500", "HTTPStatusError 302", "ReadTimeout"), 0
    ):
        with pytest.raises(MachineError) as raised:
            run(now + minute * MINUTE)
        assert f"desk_hook did not take a message ({failure})" in str(raised.value)
        for secret in (HOOK_PATH, "hook-token", "127.0.0.1", "suspected"):
            assert secret not in str(raised.value)
    recipients = [to for to, _, _ in mail.read_mails()]
    assert recipients == ["sergeant@example.org", "registrar@example.org"]
    assert run(now + 3 * MINUTE).counts == {"messages sent": 1}
    assert len(hook.posts) == 4  # three were refused, none of them to another address
    assert {path for path, _, _ in hook.posts} == {HOOK_PATH}
    assert {authorization for _, authorization, _ in hook.posts} == {"Bearer hook-token"}
    step = run(now + 4 * MINUTE)
    assert not step.is_new
    assert (len(hook.posts), len(mail.mails)) == (4, 2)
    _, subject, text = mail.read_mails()[0]
    assert subject.startswith("SIMULATED: Testville (made up): ")
    posted = hook.posts[-1][2]
    assert set(posted) == {"text"}
    plain = re.sub(r"<[^>]+>", "", text).strip()
    assert posted["text"].split() == f"{subject} {plain}".split()


def test_what_is_refused_until_the_deadline_is_told_afterwards(
    alerting: SmallAgency, mail: MailServer, hook: HookServer
) -> None:
    first, *_ = open_crimes(alerting)
    run(first[2].replace(hour=0, minute=1))
    mail.mails.clear()
    mail.is_busy = True
    for minutes in (100, 50):
        with pytest.raises(MachineError, match=r"SMTPDataError 451"):
            run(first[2] - minutes * MINUTE)
    mail.is_busy = False
    run(first[2] + 10 * MINUTE)
    texts = {text for _, _, text in mail.read_mails()}
    assert any("ended while this warning could not be sent" in text for text in texts)
    mail.mails.clear()
    assert not run(first[2] + 20 * MINUTE).is_new
    assert mail.mails == []


def test_a_web_hook_that_cannot_prove_who_it_is_gets_nothing(
    alerting: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the same hook gets it, once its certificate is known."""
    alerting.settings["alerts"] |= {"connections": ["desk_hook"]}
    alerting.write_settings()
    server = HookServer(make_certificate(tmp_path))
    now = open_crimes(alerting)[0][2]
    with serving(server) as port:
        connection = {"conn_type": "https", "host": "127.0.0.1", "port": port}
        monkeypatch.setenv("AIRFLOW_CONN_DESK_HOOK", json.dumps(connection))
        with pytest.raises(MachineError, match=r"\(ConnectError\)"):
            run(now)
        assert server.posts == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        assert run(now).is_new
    assert len(server.posts) == 1


def test_a_run_that_is_killed_before_it_remembers_sends_again(alerting: SmallAgency) -> None:
    now = open_crimes(alerting)[0][2] - 30 * MINUTE
    got: list[str] = []

    def die(connection: str, to: tuple[str, ...], message: Any) -> None:
        got.append(message.subject)
        raise SystemExit  # as a process that is stopped

    with pytest.raises(SystemExit):
        send_alerts("testville", die, now)
    assert len(got) == 1
    send_alerts("testville", lambda c, to, message: got.append(message.subject), now)
    assert got.count(got[0]) == 3  # once more, and to the other connection
    count = len(got)
    send_alerts("testville", lambda c, to, message: got.append(message.subject), now)
    assert len(got) == count


def test_one_refused_recipient_keeps_the_mail_from_nobody_else(
    alerting: SmallAgency, mail: MailServer, hook: HookServer, caplog: pytest.LogCaptureFixture
) -> None:
    first, *_ = open_crimes(alerting)
    mail.refused = {"sergeant@example.org"}
    assert run(first[2].replace(hour=0, minute=1)).counts == {"messages sent": 2}
    assert [to for to, _, _ in mail.read_mails()] == ["registrar@example.org"]
    assert "refuses sergeant@example.org" in caplog.text
    mail.refused.add("registrar@example.org")
    with pytest.raises(MachineError, match="SMTPRecipientsRefused"):
        run(first[2].replace(hour=0, minute=1) + timedelta(days=1))


def test_what_people_decided_is_left_out_at_once_and_what_is_undone_comes_back(
    alerting: SmallAgency,
) -> None:
    call, number, due, _ = open_crimes(alerting)[0]
    now = due - 90 * MINUTE
    near = sum(now < other <= now + 120 * MINUTE for _, _, other, _ in open_crimes(alerting))

    def count_warned(connection: str) -> int:
        alerting.settings["alerts"] |= {"connections": [connection], "shift_changes": []}
        alerting.write_settings()
        counts: list[int] = []
        send_alerts("testville", lambda c, to, message: counts.append(len(message.keys)), now)
        return sum(counts)

    def decide(kind: str) -> None:
        """Add a row as another program does, in another form of the number."""
        cells = {"decision_reference": kind, "decision_kind": kind, "crime_number": number,
                 "call_reference": call.replace("-", ""), "decided_by": "1207",
                 "decided_at": "2026-01-06 10:00:00+0000"}  # fmt: skip
        with append_sealed("testville", paths.decisions_file("testville")) as text:
            text.write(",".join(cells.get(name, "") for name in HEADER) + "\n")

    assert count_warned("before") == near
    add_decision(
        alerting.agency,
        {"decision_kind": "confirmed", "call_reference": call, "crime_number": number,
         "decided_by": "1207"},
    )  # fmt: skip
    assert count_warned("decided") == near - 1
    decide("undone")
    assert count_warned("undone") == near
    decide("dismissed")
    assert count_warned("dismissed") == near - 1
    decide("passed")
    assert count_warned("passed") == near - 1  # as in the build: it decides nothing


def test_no_message_and_no_memory_says_anything_of_a_single_log(alerting: SmallAgency) -> None:
    """Every call, record and word of the logs is looked for in all that two days bring."""
    texts: list[str] = []
    last = open_crimes(alerting)[-1][2]
    for hours in range(60):
        send_alerts(
            "testville",
            lambda c, to, message: texts.append(f"{message.subject}\n{message.text}\n{message!r}"),
            last + timedelta(hours=hours - 48),
        )
    lines = "".join(
        file.read_text(encoding="utf-8") for file in paths.alerts("testville").glob("*.jsonl")
    )
    assert len(texts) > 6
    assert lines.count("\n") == len(texts)
    told = "\n".join([*texts, lines]).replace("desk_mail", "")  # the name of the connection
    with duckdb.connect(str(alerting.published / "recording.duckdb"), read_only=True) as con:
        calls = con.execute("select call_id from fct_calls").fetchall()
        records = con.execute(
            "select published_record_id from staging.stg_crime_records"
        ).fetchall()
    assert len(calls) >= 7
    for (reference,) in (*calls, *records):
        assert reference not in told
        assert reference.replace("-", "") not in told
    with (alerting.data / "calls.csv").open(encoding="utf-8") as file:
        cells = [row[name] for row in csv.DictReader(file) for name in ("caller", "phone", "text")]
    words = {word for cell in cells for word in re.findall(r"[a-z]{4,}|\d{4,}", cell.lower())}
    assert len(words) > 15
    assert words & set(re.findall(r"[a-z]+|\d+", told.lower())) <= {"from", "with", "that"}


@pytest.mark.parametrize(
    ("connection", "rule_id", "next_step"),
    [
        (None, "ALERT-CONNECTION", "airflow connections add desk_mail --conn-json"),
        ({"conn_type": "postgres", "host": "x"}, "ALERT-CONNECTION", "is of type postgres"),
        ({"conn_type": "generic", "host": "x"}, "ALERT-CONNECTION", "add it again as JSON"),
        ({"conn_type": "smtp", "host": "x"}, "ALERT-RECIPIENTS", "alerts: {to: ["),
    ],
)
def test_what_is_not_set_up_is_told_with_the_next_step(
    alerting: SmallAgency,
    monkeypatch: pytest.MonkeyPatch,
    connection: Any,
    rule_id: str,
    next_step: str,
) -> None:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    def none(name: str) -> None:
        raise AirflowNotFoundException(name)

    alerting.settings["alerts"] |= {"connections": ["desk_mail"], "to": []}
    alerting.write_settings()
    if connection is None:  # without a database of connections, Airflow asks its API for it
        monkeypatch.setattr(BaseHook, "get_connection", none)
    else:
        monkeypatch.setenv("AIRFLOW_CONN_DESK_MAIL", json.dumps(connection))
    with pytest.raises(CdiError) as raised:
        run(open_crimes(alerting)[0][2])
    assert not isinstance(raised.value, MachineError)  # trying again would not help
    assert raised.value.rule_id == rule_id
    assert next_step in str(raised.value)


def test_the_preview_prints_what_would_be_sent_and_sends_nothing(alerting: SmallAgency) -> None:
    due = open_crimes(alerting)[0][2]
    at = f"{(due - 90 * MINUTE).astimezone(alerting.agency.zone):%Y-%m-%dT%H:%M}"
    arguments = ["alerts", "testville", "--at", at]
    first, second = (CliRunner().invoke(cli.app, arguments) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert first.output == second.output
    for text in ("to desk_mail\n", "to desk_hook\n", "to record within 2 hours", "SIMULATED"):
        assert text in first.output
    assert not paths.alerts("testville").exists()
    alerting.settings.pop("alerts")
    alerting.write_settings()
    assert (
        "nobody gets these messages: name Airflow connections"
        in CliRunner().invoke(cli.app, arguments).output
    )


def test_the_preview_of_a_finished_publication_is_of_where_its_data_end(
    alerting: SmallAgency,
) -> None:
    """As at the desk: against the clock of today it would be years old, and all of it overdue."""
    old = "THE DATA ARE OLD"
    assert old not in CliRunner().invoke(cli.app, ["alerts", "testville"]).output
    later = ["alerts", "testville", "--at", "2026-02-01T00:00"]
    assert old in CliRunner().invoke(cli.app, later).output


def test_a_source_that_is_no_longer_filled_is_told_in_each_message(alerting: SmallAgency) -> None:
    def preview() -> str:
        return CliRunner().invoke(cli.app, ["alerts", "testville"]).output

    read_by_sql(alerting)
    alerting.settings["is_simulated"] = False
    alerting.write_settings()
    assert "NO LONGER FILLED" not in preview()
    until = datetime(2026, 1, 20, tzinfo=UTC)
    note_asked("testville", "calls", until, is_new=False, now=until, newest_day=date(2026, 1, 6))
    assert (
        "A SOURCE IS NO LONGER FILLED (calls: no row after 6 January 2026). What was reported or "
        "recorded since is missing here. Contact operations."
    ) in " ".join(preview().split())


def test_without_a_version_there_is_nothing_to_tell(small: SmallAgency) -> None:
    small.settings["alerts"] = {"connections": ["one"]}
    small.write_settings()
    step = send_alerts("testville", lambda *_: pytest.fail("sent"))
    assert not step.is_new
    assert "nothing to send" in CliRunner().invoke(cli.app, ["alerts", "testville"]).output


def test_a_version_without_its_file_is_none_and_a_damaged_one_is_named(
    alerting: SmallAgency,
) -> None:
    file = alerting.published / "recording.duckdb"
    content = file.read_bytes()
    headers = content[: 3 * 4096]  # without any block, in which `erase` would find the call
    file.chmod(0o600)
    for command in (
        ["alerts", "testville"],
        ["explain", "testville", "T-0001"],
        ["feedback", "testville", "--output", str(paths.home() / "feedback.xlsx")],
        ["audit", "plan", "testville", "--points", "2"],
        ["erase", "testville", "T-0001", "--reason", "r", "--dry-run"],
        ["decide", "testville", "confirmed", "--call", "T-0001", "--by", "1207"],
    ):
        file.write_bytes(headers)
        with (
            pytest.raises(StateError, match=r"PUBLISHED-DAMAGED[^$]*run the build"),
            name_machine_failures(),  # as around each command
        ):
            CliRunner().invoke(cli.app, command, catch_exceptions=False)
    file.unlink()
    done = CliRunner().invoke(cli.app, ["alerts", "testville"])
    assert (done.exit_code, done.exception) == (0, None), done.output
    assert not send_alerts("testville", lambda *_: None).is_new
