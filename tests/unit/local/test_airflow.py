"""The local Airflow: its secrets, who owns it, and what is asked of its API."""

import json
import os
import secrets
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psutil
import pytest

from cdi import paths
from cdi.local import airflow
from cdi.local.airflow import (
    Client,
    ServiceError,
    free_port,
    open_airflow,
    own_airflow,
    prepare_airflow,
    read_password,
)


def test_at_first_use_two_at_once_get_the_same_secrets(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = secrets.token_urlsafe

    def slowly(length: int) -> str:
        time.sleep(0.1)
        return make(length)

    monkeypatch.setattr(secrets, "token_urlsafe", slowly)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: read_password(), range(2))
    assert one == other
    (file,) = paths.secrets().iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def owner(home: Path) -> subprocess.Popen[str]:
    """A process that owns the state folder's Airflow and has started a child, whose pid it says."""
    code = (
        "import subprocess, sys, time\n"
        "from cdi.local.airflow import own_airflow\n"
        "with own_airflow():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'])\n"
        "    print(child.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "CDI_HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_beside_an_airflow_that_runs_none_is_started_and_nothing_is_stopped(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched: list[int] = []
    monkeypatch.setattr(airflow, "stop_leftovers", lambda: touched.append(1))
    monkeypatch.setattr(airflow, "prepare_airflow", touched.append)
    with owner(state) as first:
        assert first.stdout is not None
        child = psutil.Process(int(first.stdout.readline()))
        try:
            with (
                pytest.raises(ServiceError, match=f"SERVICE-BUSY.*by process {first.pid}\n"),
                open_airflow(airflow.RUN_COMPONENTS),
            ):
                pass
            assert touched == []
        finally:
            first.kill()
        first.wait()
        # a child that outlives its owner holds nothing: the next may stop it
        assert child.is_running()
        with own_airflow():
            assert touched == [1]
            assert (state / "airflow" / ".lock").read_text() == str(os.getpid())


def test_an_owner_that_has_ended_leaves_the_way_free(state: Path) -> None:
    for _ in range(2):
        with own_airflow(), pytest.raises(ServiceError, match="SERVICE-BUSY"), own_airflow():
            pass


Answer = tuple[int, str]
NEVER: Answer = (0, "")  # the connection stays open, and no answer comes
HEALTHY: Answer = (
    200,
    json.dumps(
        {part: {"status": "healthy"} for part in ("metadatabase", "scheduler", "dag_processor")}
    ),
)
RUNS: Answer = (200, json.dumps({"dag_runs": [{"dag_run_id": "one", "state": "running"}]}))


@contextmanager
def api(*answers: Answer, patience: float = 60) -> Iterator[tuple[Client, list[dict[str, Any]]]]:
    """A client of a server that gives these answers in turn, and what the server was asked.

    The last answer is given to all further requests.
    """
    asked: list[dict[str, Any]] = []
    is_over = Event()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(
                {
                    "request": f"{self.command} {self.path.partition('?')[0]}",
                    "parameters": dict(parse_qsl(urlsplit(self.path).query)),
                    "body": json.loads(body or "null"),
                    "authorization": self.headers.get("Authorization"),
                }
            )
            status, text = answers[min(len(asked), len(answers)) - 1]
            if not status:
                is_over.wait()
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PATCH = answer  # noqa: N815  (the names that http.server calls)

        def log_message(self, format: str, *args: Any) -> None:
            """Write nothing to the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        wait = 0.5 if NEVER in answers else 60
        client = Client(server.server_port, {}, answer_seconds=wait, patience_seconds=patience)
        yield client, asked
    finally:
        is_over.set()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("failure", [NEVER, (503, "busy"), (500, "database is locked")])
def test_a_poll_that_fails_once_is_asked_again(failure: Answer) -> None:
    with api(failure, RUNS) as (client, asked):
        assert client.runs("testville__build") == {"one": "running"}
    assert len(asked) >= 2
    assert {a["request"] for a in asked} == {"GET /api/v2/dags/testville__build/dagRuns"}


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (NEVER, "GET .*/dagRuns got no answer from Airflow: ReadTimeout"),
        ((503, "busy"), "GET .*/dagRuns answered 503: busy"),
        ((200, "<p>no JSON</p>"), "GET .*/dagRuns answered something that is not JSON: <p>no JSON"),
    ],
)
def test_a_poll_that_keeps_failing_ends_in_an_error_with_a_next_step(
    state: Path, failure: Answer, told: str
) -> None:
    with (
        api(failure, patience=0.2) as (client, _),
        pytest.raises(ServiceError, match=told) as raised,
    ):
        client.runs("testville__build")
    assert raised.value.rule_id == "SERVICE-API"
    assert str(state / "airflow" / "logs" / "api-server.log") in raised.value.fix


MANY_RUNS = """
import json, os
from datetime import UTC, datetime, timedelta
from airflow.api_fastapi.app import create_app
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.types import DagRunType
from fastapi.testclient import TestClient
from cdi.local.airflow import Client

with create_session() as session:
    session.add(DagBundleModel(name="tests"))
    session.flush()
    session.add(DagModel(dag_id="testville__build", bundle_name="tests"))
    session.flush()
    for number in range(120):
        day = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
        session.add(
            DagRun(
                dag_id="testville__build", run_id=f"run_{number}", run_after=day,
                run_type=DagRunType.MANUAL, state="success",
            )
        )
client = Client(1, dict(os.environ))
client._http = TestClient(create_app())
client._log_in()
# "~" means all DAGs to Airflow, which would ask for a parsed DAG file if one were named
print(json.dumps(sorted(client.runs("~"))))
"""


def test_of_more_than_a_hundred_runs_the_newest_are_told(state: Path) -> None:
    """Airflow's own API answers, from a database with a run for each of 120 days."""
    env = prepare_airflow(free_port())
    done = subprocess.run(
        [sys.executable, "-c", MANY_RUNS], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert len(told) == 100
    assert "run_119" in told
    assert "run_19" not in told


def test_no_dag_begins_by_itself(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else `make ui` would let the shipped DAGs ask the portals of cities."""
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION", "False")
    assert airflow.airflow_environment(1)["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "True"


def test_tasks_may_keep_what_they_compile(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each task compiles Airflow and Great Expectations anew, as each is a process."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("CDI_DATA", "somewhere")
    environment = airflow.airflow_environment(1)
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert environment["CDI_DATA"] == "somewhere"


def test_where_nothing_listens_the_error_says_so(state: Path) -> None:
    client = Client(free_port(), {}, patience_seconds=0.2)
    with pytest.raises(ServiceError, match=r"SERVICE-API.*ConnectError"):
        client.runs("testville__build")


def test_a_refusal_is_not_asked_again() -> None:
    with api((403, "forbidden"), RUNS) as (client, asked):
        with pytest.raises(ServiceError, match=r"SERVICE-API.*answered 403: forbidden"):
            client.runs("testville__build")
        assert len(asked) == 1


def test_a_run_whose_trigger_got_no_answer_is_not_triggered_twice() -> None:
    with api(NEVER, (409, "there is such a run")) as (client, asked):
        run_id = client.trigger("testville__extract", {"a": 1})
    # Both attempts name the same run, so Airflow can refuse the second.
    body = {"dag_run_id": run_id, "logical_date": None, "conf": {"a": 1}}
    assert len(asked) >= 2
    assert all(a["body"] == body for a in asked)


def test_each_trigger_has_a_run_of_its_own() -> None:
    with api((200, "{}")) as (client, _):
        assert client.trigger("testville__build", {}) != client.trigger("testville__build", {})


def test_a_trigger_that_is_refused_is_an_error() -> None:
    with (
        api((400, "import errors")) as (client, _),
        pytest.raises(ServiceError, match=r"SERVICE-API.*answered 400: import errors"),
    ):
        client.trigger("testville__build", {})


def test_the_log_in_waits_for_airflow_and_is_repeated_too(state: Path) -> None:
    token = (201, json.dumps({"access_token": "abc"}))
    with api((200, "not yet"), HEALTHY, (503, "busy"), token, RUNS) as (client, asked):
        client.wait_until_healthy()
        client.runs("testville__build")
    assert [a["request"] for a in asked[1:4]] == [
        "GET /api/v2/monitor/health",
        "POST /auth/token",
        "POST /auth/token",
    ]
    assert asked[3]["body"] == {"username": "admin", "password": read_password()}
    assert asked[4]["authorization"] == "Bearer abc"


def test_a_dag_is_waited_for_until_it_is_parsed() -> None:
    with api((404, "no such DAG"), (503, "busy"), (200, "{}")) as (client, asked):
        client.unpause("testville__build")
    assert [a["body"] for a in asked] == [{"is_paused": False}] * 3


def test_a_dag_that_may_not_be_unpaused_is_an_error_at_once() -> None:
    with (
        api((403, "forbidden")) as (client, asked),
        pytest.raises(ServiceError, match=r"SERVICE-API.*answered 403"),
    ):
        client.unpause("testville__build")
    assert len(asked) == 1


def test_no_process_is_started_with_a_log_server(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would listen on all interfaces."""
    commands: list[list[str]] = []

    def start(command: list[str], **_: object) -> subprocess.Popen[bytes]:
        commands.append(command[3:])
        raise KeyboardInterrupt  # the processes themselves are not wanted here

    monkeypatch.setattr(subprocess, "Popen", start)
    home = state / "airflow"
    (home / "logs").mkdir(parents=True)
    for component in ("scheduler", "triggerer"):
        env = {"AIRFLOW_HOME": str(home)}
        with pytest.raises(KeyboardInterrupt), airflow.run_processes(env, (component,)):
            pass
    assert commands == [["scheduler", "--skip-serve-logs"], ["triggerer", "--skip-serve-logs"]]


# A scheduler that ends when it is asked to. Its task does not hear that, and starts dbt afterwards.
TASK = """
import pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
home = pathlib.Path(sys.argv[1])
(home / "task.ready").touch()
while not (home / "asked").exists():
    time.sleep(0.01)
dbt = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(home / "dbt.pid").write_text(str(dbt.pid))
time.sleep(600)
"""
SCHEDULER = """
import pathlib, signal, subprocess, sys
home = pathlib.Path(sys.argv[2])
task = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(home)])
def end(*_):
    (home / "asked").touch()
    sys.exit()
signal.signal(signal.SIGTERM, end)
task.wait()
"""


def put_in_scheduler(state: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let `SCHEDULER` with its task run in the place of Airflow's; returns Airflow's folder."""
    home = state / "airflow"
    (home / "logs").mkdir(parents=True)
    command = [sys.executable, "-c", SCHEDULER, TASK, str(home)]
    monkeypatch.setattr(airflow, "_airflow_command", lambda *_: command)
    monkeypatch.setattr(airflow, "STOP_SECONDS", 2.0)
    return home


def test_a_scheduler_that_was_killed_is_missed_and_its_tasks_are_stopped(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run would otherwise be watched for ever, and its task would work on after the end."""
    home = put_in_scheduler(state, monkeypatch)
    env = {**os.environ, "AIRFLOW_HOME": str(home)}
    with airflow.run_processes(env, ("scheduler",)) as demand_processes:
        wait_until((home / "task.ready").exists)
        demand_processes()
        ((scheduler, _),) = json.loads((home / "processes.json").read_text())
        (task,) = psutil.Process(scheduler).children()
        psutil.Process(scheduler).kill()
        wait_until(lambda: psutil.Process(scheduler).status() == psutil.STATUS_ZOMBIE)
        client = airflow.Client(1, env, demand_processes=demand_processes)
        with pytest.raises(ServiceError, match=r"(?s)SERVICE-ENDED.*scheduler.*scheduler\.log"):
            client.runs("testville__build")
        assert task.is_running()
    assert not task.is_running() or task.status() == psutil.STATUS_ZOMBIE


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait, a minute at most."""
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_a_task_starts_while_airflow_is_stopped_is_stopped_too(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parent has ended by then, so it is no descendant of the scheduler any more."""
    home = put_in_scheduler(state, monkeypatch)
    with airflow.run_processes({**os.environ, "AIRFLOW_HOME": str(home)}, ("scheduler",)):
        wait_until((home / "task.ready").exists)
    dbt = int((home / "dbt.pid").read_text())
    stopped = not psutil.pid_exists(dbt) or psutil.Process(dbt).status() == psutil.STATUS_ZOMBIE
    if not stopped:
        psutil.Process(dbt).kill()
    assert stopped
