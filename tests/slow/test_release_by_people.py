"""Under a real scheduler: a failed check released by two people, and who is told what is wrong."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from cdi import paths
from cdi.local import airflow as local_airflow
from cdi.local.airflow import open_airflow
from cdi.local.run import dag_ids
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes
from tests.message_servers import HookServer, serving
from tests.pipeline.test_releases import WHY, broken_marts
from tests.slow.conftest import RunningAirflow, add_user, processes_of, wait_for
from tests.slow.test_airflow import WHOLE

BUILD = "testville__build"
SECOND = "vera"  # the person who confirms
# the processes of Airflow read the rules from a folder of the test's
SITE = "from pathlib import Path\nfrom cdi import paths\npaths.EXPECTATIONS = Path({folder!r})\n"


@pytest.fixture(scope="module")
def hook() -> Iterator[HookServer]:
    """A web hook that is told what goes wrong."""
    server = HookServer()
    with serving(server):
        yield server


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, hook: HookServer) -> Iterator[RunningAirflow]:
    """Airflow with the agency `testville`, whose versions all break MART-15."""
    home, site, registry = (tmp_path_factory.mktemp(n) for n in ("state", "site", "agencies"))
    with pytest.MonkeyPatch.context() as patch:
        broken_marts(site, patch, "MART-15")
        text = SITE.format(folder=str(paths.EXPECTATIONS))
        (site / "sitecustomize.py").write_text(text, encoding="utf-8")
        patch.setenv("CDI_HOME", str(home))
        patch.setenv("CDI_AGENCIES", str(registry))
        patch.setenv("PYTHONPATH", str(site))
        patch.delenv("CDI_DATA", raising=False)
        connection = {"conn_type": "http", "host": "127.0.0.1", "port": hook.server_address[1]}
        patch.setenv("AIRFLOW_CONN_CDI_NOTIFY", json.dumps(connection))
        small = SmallAgency(registry / "testville")
        add_user(patch, SECOND, "user")
        with open_airflow(local_airflow.RUN_COMPONENTS, dag_ids(small.agency)) as client:
            yield RunningAirflow(client, home, small)
        assert processes_of(home) == []


def answer(airflow: RunningAirflow, run_id: str, task: str, user: str, option: str) -> None:
    """Answer a waiting task in the name of a user, as the UI's Required Actions do."""
    wait_for(
        f"{task} to ask",
        lambda: airflow.states(BUILD, run_id).get(task) == "awaiting_input",
    )
    # Airflow takes an answer for a failure that comes before the scheduler heard from the executor
    # that the asking process has ended, and asks again; people are slower
    wait_for(f"the scheduler to hear that {task} asked", lambda: has_heard(airflow, run_id, task))
    known = json.loads((airflow.home / "airflow" / "passwords.json").read_text())
    with httpx.Client(base_url=airflow.client.url, timeout=60) as http:
        token = http.post("/auth/token", json={"username": user, "password": known[user]}).json()
        done = http.patch(
            f"/api/v2/dags/{BUILD}/dagRuns/{run_id}/taskInstances/{task}/-1/hitlDetails",
            json={
                "chosen_options": [option],
                "params_input": {"reason": WHY} if task == "release" else {},
            },
            headers={"Authorization": f"Bearer {token['access_token']}"},
        )
        assert done.is_success, done.text


def has_heard(airflow: RunningAirflow, run_id: str, task: str) -> bool:
    """Whether the scheduler says that the process of a task's newest try has ended."""
    (tries,) = (
        told["try_number"]
        for told in airflow.client.tasks(BUILD, run_id)
        if told["task_id"] == task
    )
    text = (airflow.home / "airflow" / "logs" / "scheduler.log").read_text(encoding="utf-8")
    ended = f"Finished: dag_id={BUILD}, task_id={task}, run_id={run_id}, "
    return any(ended in line and f"try_number={tries}, " in line for line in text.splitlines())


def posts(hook: HookServer) -> list[dict[str, Any]]:
    """What the web hook was told."""
    return [body for _, _, body in hook.posts]  # type: ignore[attr-defined]


def test_without_being_asked_to_wait_the_run_fails_and_people_are_told(
    stopped: RunningAirflow, hook: HookServer
) -> None:
    _, state = stopped.run("testville__extract", WHOLE)
    assert state == "success"
    wait_for("a build", lambda: bool(stopped.client.runs(BUILD)))
    (run_id,) = stopped.client.runs(BUILD)
    assert stopped.wait(BUILD, run_id) == "failed"
    states = stopped.states(BUILD, run_id)
    assert states["check"] == "failed"
    assert {states[task] for task in ("release", "confirm", "report", "publish")} == {
        "upstream_failed"
    }
    assert not stopped.small.published.exists()
    wait_for("the web hook to be told", lambda: bool(posts(hook)))
    (told,) = posts(hook)
    assert (told["what"], told["dag"], told["task"]) == ("A task failed", BUILD, "check")
    assert told["rule"] == "GATE-MARTS, MART-15"
    assert told["link"].startswith(f"{stopped.client.url}/dags/{BUILD}/runs/")
    assert "[GATE-MARTS]" in run_note(stopped, run_id)


def run_note(airflow: RunningAirflow, run_id: str) -> str:
    """The note of a run."""
    run = airflow.client._call_api("GET", f"/dags/{BUILD}/dagRuns/{run_id}")
    return str(run["note"])


def clear(airflow: RunningAirflow, run_id: str, task: str) -> None:
    """Clear a task and what follows, so that it asks anew."""
    airflow.client._call_api(
        "POST", f"/dags/{BUILD}/clearTaskInstances",
        json={"dry_run": False, "dag_run_id": run_id, "task_ids": [task],
              "include_downstream": True, "only_failed": False},
    )  # fmt: skip


def test_two_people_release_it_and_one_alone_does_not(stopped: RunningAirflow) -> None:
    run_id = stopped.client.trigger(BUILD, {"wait_for_approval": True})
    answer(stopped, run_id, "release", "admin", "Stop")
    assert stopped.wait(BUILD, run_id) == "failed"
    assert stopped.states(BUILD, run_id)["publish"] == "upstream_failed"
    assert stopped.notes(BUILD, run_id)["check"].startswith("held until two people approve it")

    clear(stopped, run_id, "release")
    answer(stopped, run_id, "release", "admin", "Approve")
    answer(stopped, run_id, "confirm", "admin", "Confirm")
    assert stopped.wait(BUILD, run_id) == "failed"
    assert "DEC-06" in stopped.notes(BUILD, run_id)["confirm"]
    assert not stopped.small.published.exists()
    assert not paths.decisions("testville").exists()

    clear(stopped, run_id, "confirm")
    answer(stopped, run_id, "confirm", SECOND, "Confirm")
    assert stopped.wait(BUILD, run_id) == "success"
    assert stopped.small.rows(
        "select rule_id, released_by, release_reason from data_quality "
        "where released_by is not null"
    ) == [("MART-15", f"admin, {SECOND}", WHY)]
    assert "recording rate" in run_note(stopped, run_id)
    assert f"Approved by admin, {SECOND}" in stopped.notes(BUILD, run_id)["confirm"]
    logs = [
        file.read_text(encoding="utf-8")
        for file in (stopped.home / "airflow" / "logs").rglob("task_id=check/*.log")
    ]
    assert any("MART-15" in log for log in logs)
    # what Great Expectations says of itself is nothing to an operator
    assert not any("Skipping registering" in log for log in logs)


def test_a_source_that_is_late_is_told(stopped: RunningAirflow, hook: HookServer) -> None:
    stopped.small.write("calls.csv", csv_bytes(CALL_HEADER, CALLS[:1]))
    run_id, state = stopped.run("testville__extract", WHOLE)
    assert state == "failed"
    database = Path(stopped.client.env["AIRFLOW_HOME"]) / "airflow.db"
    with contextlib.closing(sqlite3.connect(database, timeout=20)) as con:
        rows = con.execute(
            "select d.id, d.deadline_time from deadline d join dag_run r on r.id = d.dagrun_id "
            "where r.run_id = ? and not d.missed", [run_id],
        ).fetchall()  # fmt: skip
        assert len(rows) == 1
        due = datetime.fromisoformat(rows[0][1]).replace(tzinfo=UTC)
        # 48 hours: the freshness limit of an agency.yaml that names none
        assert timedelta(hours=47) < due - datetime.now(UTC) < timedelta(hours=49)
        con.execute("update deadline set deadline_time = '2026-01-01 00:00:00.000000' "
                    "where id = ?", [rows[0][0]])  # fmt: skip
        con.commit()

    def late() -> list[dict[str, Any]]:
        return [told for told in posts(hook) if told["what"] == "A source is late"]

    wait_for("the web hook to be told", lambda: bool(late()))
    (told,) = late()
    assert (told["dag"], told["run"]) == ("testville__extract", run_id)
    assert told["sources"] == "calls, crime_records"
