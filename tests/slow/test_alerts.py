"""The alert DAG under a real scheduler: it starts by itself, sends by a connection, and once."""

import json
import shutil
from pathlib import Path

import pytest

from cdi.local import airflow as local_airflow
from cdi.local.airflow import open_airflow
from tests.conftest import SmallAgency
from tests.message_servers import HookServer, serving
from tests.slow.conftest import RunningAirflow, wait_for

ALERT = "testville__alert"


def test_the_scheduler_sends_a_digest_once_and_keeps_what_was_refused(
    ran_once: Path, small: SmallAgency, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every deadline of this agency has passed, so it is the digest alone that is sent."""
    shutil.copytree(ran_once, state, symlinks=True)
    del small.settings["coverage"]  # it goes on, so its DAGs start by themselves
    small.settings["alerts"] = {"connections": ["desk_hook"], "shift_changes": ["00:00"]}
    small.write_settings()
    hook = HookServer()
    with serving(hook) as port:
        connection = {"conn_type": "http", "host": "127.0.0.1", "port": port}
        monkeypatch.setenv("AIRFLOW_CONN_DESK_HOOK", json.dumps(connection))
        hook.answers = [503]
        with open_airflow(local_airflow.RUN_COMPONENTS, (ALERT,)) as client:
            airflow = RunningAirflow(client, state, small)
            wait_for("the run of the schedule", lambda: bool(client.runs(ALERT)))
            run_id = min(client.runs(ALERT))
            assert run_id.startswith("scheduled__")
            assert airflow.wait(ALERT, run_id) == "success"  # the task was tried again
            assert airflow.notes(ALERT, run_id)["alert"].startswith("desk_hook: SIMULATED: ")
            again, outcome = airflow.run(ALERT)
            assert outcome == "success"
            assert airflow.states(ALERT, again) == {"alert": "skipped"}
            assert "nothing to send" in airflow.notes(ALERT, again)["alert"]
    texts = [content["text"] for _, _, content in hook.posts]
    assert len(texts) == 2  # refused, and sent
    assert texts[0] == texts[1]
    assert "SIMULATED" in texts[0]
    assert "THE DATA ARE OLD" in texts[0]
