"""Two forces do their tasks at home for one centre: real scheduler, real edge workers, own keys.

The centre has the settings of both forces and none of their data. Each worker knows the centre's
address and nothing else of it. What crosses is searched for what was planted at a force.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.code import name_code
from cdi.local import airflow as local_airflow
from cdi.local.airflow import Client, free_port, prepare_airflow, run_processes
from cdi.local.edge_keys import key_file, read_or_make_key, trust_key, trusted_file
from cdi.steps.run import run_directly
from tests.broken import change_settings, copy_agency
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes
from tests.postgres import published_contents
from tests.slow.conftest import wait_for

FORCES = {"testville": "north", "southville": "south"}  # agencies, and the queues of their workers
STEPS = {
    "testville": ("extract", "build"),
    "southville": ("extract",),
}  # a build takes minutes here
INTERVAL = {"interval_start": "2026-01-05T00:00:00Z", "interval_end": "2026-01-07T00:00:00Z"}
# what stands in the files of a force, and must not stand at the centre
PLANTED = ("Zebedee", "Quagmire", "07700900461", "wheelbarrow", "feed_of_constable_plod", "T-0004")
FILE = "calls_feed_of_constable_plod.csv"
CENTRE = {  # as docs/islands.md says
    "AIRFLOW__EDGE__API_ENABLED": "True",
    "AIRFLOW__EDGE__JWT_ALGORITHM": "EdDSA",
    "AIRFLOW__EDGE__JWT_AUDIENCE": "cdi-centre",
    "AIRFLOW__EDGE__JWT_ISSUER": "cdi-edge",
    "AIRFLOW__DATABASE__EXTERNAL_DB_MANAGERS": "airflow.providers.edge3.models.db.EdgeDBManager",
}
EXECUTORS = "LocalExecutor,airflow.providers.edge3.executors.EdgeExecutor"


@dataclass
class Nation:
    """A centre and its forces.

    Attributes:
        folder: Has a state folder for the centre and for each queue.
        url: Of the centre.
        client: The centre's API.
        told: What each task of a force told the centre, by `<agency>__<step>.<task>`.
    """

    folder: Path
    url: str
    client: Client
    told: dict[str, str] = field(default_factory=dict)

    def home(self, name: str) -> Path:
        """The state folder of a queue, or of the `centre`."""
        return self.folder / name

    def wait_for_run(self, dag_id: str, expected: str = "success") -> None:
        """Wait until a run of a DAG has ended in this state, and keep what its tasks told."""

        def find() -> list[str]:
            runs = self.client.runs(dag_id)
            assert expected == "failed" or "failed" not in runs.values(), f"{dag_id} failed"
            return [run_id for run_id, state in runs.items() if state == expected]

        wait_for(f"a run of {dag_id}", lambda: bool(find()))
        self.read_told(dag_id, find()[0])

    def read_told(self, dag_id: str, run_id: str) -> None:
        """Read what the tasks of a run told the centre."""
        for task in self.client.tasks(dag_id, run_id):
            path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task['task_id']}/xcomEntries"
            keys = [e["key"] for e in self.client._call_api("GET", path)["xcom_entries"]]
            assert task["note"] is None
            if "told" in keys:
                told = self.client._call_api("GET", f"{path}/told")["value"]
                self.told[f"{dag_id}.{task['task_id']}"] = told


def write_sources(small: SmallAgency) -> None:
    """Plant what a centre must not see: in texts, names and the file's name."""
    calls = [[*row[:-3], "Zebedee Quagmire", "07700900461", "a wheelbarrow"] for row in CALLS]
    (small.data / "calls.csv").unlink()
    (small.data / FILE).write_bytes(csv_bytes(CALL_HEADER, calls))


def spoil_sources(folder: Path) -> None:
    """Write the planted name where a time should be, so that the rows are refused."""
    rows = [[row[0], "Zebedee Quagmire", *row[2:]] for row in CALLS]
    (folder / "data" / FILE).write_bytes(csv_bytes(CALL_HEADER, rows))


def make_registries(folder: Path) -> None:
    """Make the forces' own folders, and the centre's copy of their settings without data."""
    small = SmallAgency(folder / "forces" / "testville")
    small.settings["runs_on"] = "north"
    small.write_settings()
    write_sources(small)
    change_settings(copy_agency(small, "southville"), runs_on="south")
    shutil.copytree(folder / "forces", folder / "settings", ignore=shutil.ignore_patterns("data"))


def exchange_keys(folder: Path) -> None:
    """Let each force make its key, and the centre trust the public half."""
    with pytest.MonkeyPatch.context() as patch:
        for queue in FORCES.values():
            patch.setenv("CDI_HOME", str(folder / queue))
            key = json.dumps(read_or_make_key(queue))
            patch.setenv("CDI_HOME", str(folder / "centre"))
            trust_key(key)


@contextmanager
def worker_of(
    nation: Nation, queue: str, home: Path, agencies: Path, **more: str
) -> Iterator[None]:
    """Run the worker of a queue as a force does, with nothing of the centre but its address."""
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("AIRFLOW", "CDI"))} | {
        "CDI_HOME": str(home),
        "CDI_AGENCIES": str(agencies),
        **more,
        "AIRFLOW__EDGE__JOB_POLL_INTERVAL": "1",
        # whoever asks a database finds none
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////nowhere/none.db",
    }
    cdi = Path(sys.executable).with_name("cdi")
    with (nation.folder / f"{queue}.log").open("wb") as log:
        worker = subprocess.Popen(
            [cdi, "edge", "worker", queue, "--centre", nation.url],
            env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            yield
        finally:
            worker.terminate()
            worker.wait(60)


@pytest.fixture(scope="module")
def nation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nation]:
    """Both forces after they extracted and published, with centre and workers still up."""
    folder = tmp_path_factory.mktemp("nation")
    make_registries(folder)
    exchange_keys(folder)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("CDI_HOME", str(folder / "centre"))
        patch.setenv("CDI_AGENCIES", str(folder / "settings"))
        patch.delenv("CDI_DATA", raising=False)
        port = free_port()
        for name, value in CENTRE.items():
            patch.setenv(name, value)
        patch.setenv("AIRFLOW__EDGE__API_URL", f"http://127.0.0.1:{port}/edge_worker/v1/rpcapi")
        patch.setenv("AIRFLOW__EDGE__TRUSTED_JWKS_URL", str(trusted_file()))
        env = prepare_airflow(port) | {"AIRFLOW__CORE__EXECUTOR": EXECUTORS}
        stack.enter_context(run_processes(env, local_airflow.RUN_COMPONENTS))
        client = Client(port, env)
        client.wait_until_healthy()
        made = Nation(folder, f"http://127.0.0.1:{port}", client)
        for queue in FORCES.values():
            stack.enter_context(worker_of(made, queue, made.home(queue), folder / "forces"))
        for agency, steps in STEPS.items():
            for step in steps:
                client.unpause(f"{agency}__{step}")
            client.trigger(f"{agency}__extract", INTERVAL)
        for agency, steps in STEPS.items():
            for step in steps:
                made.wait_for_run(f"{agency}__{step}")
        yield made


def test_the_page_of_islands_says_what_a_centre_is_set_to() -> None:
    page = (paths.REPO / "docs" / "islands.md").read_text(encoding="utf-8")
    settings = {**CENTRE, "AIRFLOW__CORE__EXECUTOR": EXECUTORS}
    for name, value in settings.items():
        assert f"| `{name}` | `{value}` |" in page


def published_file(home: Path, agency: str) -> Path:
    return home / "published" / agency / "current" / "recording.duckdb"


def test_what_a_force_publishes_equals_a_run_on_one_machine(
    nation: Nation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_home = nation.home("north")
    shutil.copytree(at_home / "secrets", tmp_path / "secrets")  # for equal hashes
    monkeypatch.setenv("CDI_HOME", str(tmp_path))
    monkeypatch.setenv("CDI_AGENCIES", str(nation.folder / "forces"))
    loaded = load_agency("testville")
    assert loaded.coverage is not None
    days = Interval.of_days(loaded, loaded.coverage.start, loaded.coverage.end)
    assert run_directly("testville", days)
    alone = published_contents(published_file(tmp_path, "testville"))
    assert len(alone["main.fct_calls"]) == 5
    assert published_contents(published_file(at_home, "testville")) == alone


def test_each_force_has_its_own_data_and_the_centre_has_none(nation: Nation) -> None:
    for agency, queue in FORCES.items():
        assert [p.name for p in (nation.home(queue) / "landing").iterdir()] == [agency]
    at_centre = {p.name for p in nation.home("centre").iterdir()}
    assert at_centre.isdisjoint({"landing", "published", "weights", "audit", "access"})
    assert not [*(nation.home("centre") / "secrets").glob("*.key")]


def test_the_centre_is_told_counts_and_rule_ids(nation: Nation) -> None:
    # two sources extracted and checked, the two that people write, and build to publish
    assert len(nation.told) == 2 * (4 + 2) + 4
    extract = nation.told["testville__extract.calls.extract"]
    assert extract == "1 files, 5 read, 5 accepted, 0 quarantined, 0 duplicates, 0 erased"
    assert "rules checked" in nation.told["southville__extract.crime_records.check"]
    assert "rules checked" in nation.told["testville__build.check"]


def test_the_centres_pages_say_where_those_of_a_force_are(nation: Nation) -> None:
    index, pages = (nation.client._send_request("GET", f"/cdi/{path}").text for path in
                    ("", "testville/"))  # fmt: skip
    assert "Its tasks run on the workers <code>north</code>, and its pages are there." in index
    assert "Its data and pages are there, not here." in pages


def test_nothing_that_was_planted_at_a_force_is_at_the_centre(nation: Nation) -> None:
    spoil_sources(nation.folder / "forces" / "testville")
    nation.client.trigger("testville__extract", INTERVAL)
    nation.wait_for_run("testville__extract", "failed")
    assert nation.told["testville__extract.calls.check"].startswith("[GATE-LANDING] the log of")

    def holders(folder: Path, word: str) -> list[Path]:
        files = [file for file in folder.rglob("*") if file.is_file()]
        return [file for file in files if word.encode() in file.read_bytes()]

    # the search finds what is there: an outline at the centre, the planted words at the force
    assert holders(nation.home("centre"), "5 read, 5 accepted, 0 quarantined")
    assert holders(nation.folder / "forces", "Zebedee")
    assert holders(nation.home("north") / "airflow" / "logs", "feed_of_constable_plod")
    for word in PLANTED:
        assert holders(nation.home("centre"), word) == []


def ask(nation: Nation, path: str, token: str, body: Any = None) -> int:
    url = f"{nation.url}/edge_worker/v1/{path}"
    return httpx.post(url, json=body, headers={"Authorization": token}, timeout=300).status_code


def token_of(nation: Nation, signer: str, kid: str, **claims: Any) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDI_HOME", str(nation.home(signer)))
        private = key_file(signer).read_text(encoding="utf-8")
    now = int(time.time())
    sure = {"iss": "cdi-edge", "aud": "cdi-centre", "iat": now, "exp": now + 60}
    claims = {**sure, "cdi_code": name_code(), **claims}
    return jwt.encode(claims, private, algorithm="EdDSA", headers={"kid": kid})


def test_the_key_of_one_force_opens_no_queue_of_another(nation: Nation) -> None:
    north, south = ({"queues": [queue], "free_concurrency": 1} for queue in ("north", "south"))
    stolen = token_of(nation, "north", "north")
    assert ask(nation, "jobs/fetch/north.thief", stolen, north) == 404  # no worker of that name
    for path, token, body in (
        ("jobs/fetch/north.thief", stolen, south),
        ("jobs/fetch/south.thief", stolen, south),
        ("worker/south.thief", stolen, {"state": "starting", "queues": ["south"], "sysinfo": {}}),
        # signed by the key of another
        ("jobs/fetch/south.thief", token_of(nation, "north", "south"), south),
        ("jobs/fetch/north.thief", token_of(nation, "north", "north", iss="else"), north),
        ("jobs/fetch/north.thief", token_of(nation, "north", "north", exp=1), north),
    ):
        assert ask(nation, path, token, body) == 403


def test_a_worker_has_no_secret_of_the_centre(nation: Nation) -> None:
    secrets = json.loads((nation.home("centre") / "secrets" / "airflow.json").read_text())
    values = [value for value in secrets.values() if isinstance(value, str)]
    assert len(values) >= 3
    for queue in FORCES.values():
        for file in nation.home(queue).rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                assert not [value for value in values if value.encode() in content], file


def good_run_of(nation: Nation, dag_id: str) -> str:
    """A run that ended well; others found wrong data."""
    return min(run for run, state in nation.client.runs(dag_id).items() if state == "success")


def task_token_of(nation: Nation, dag_id: str, task_id: str) -> tuple[str, str]:
    """A token as the centre gives it to a task, and the run of the task."""
    run_id = good_run_of(nation, dag_id)
    (task,) = [t for t in nation.client.tasks(dag_id, run_id) if t["task_id"] == task_id]
    program = (
        "import sys; from airflow.api_fastapi.execution_api.app import _jwt_generator; "
        "print(_jwt_generator().generate({'sub': sys.argv[1], 'scope': 'execution'}))"
    )
    command = [sys.executable, "-c", program, task["id"]]
    made = subprocess.run(
        command, env=nation.client.env, check=True, capture_output=True, text=True
    )
    return made.stdout.splitlines()[-1], run_id


def test_a_task_of_a_force_reads_no_connection_of_the_centre(nation: Nation) -> None:
    from airflow.sdk.api.client import Client as TaskClient

    token, run_id = task_token_of(nation, "testville__extract", "calls.extract")
    with TaskClient(base_url=f"{nation.url}/execution/", token=token) as task:
        # the centre has it, with the password of its account of the notes
        assert "AIRFLOW_CONN_CDI_AIRFLOW_API" in nation.client.env
        assert task.connections.get("cdi_airflow_api").error.value == "CONNECTION_NOT_FOUND"
        assert task.variables.get("any").error.value == "VARIABLE_NOT_FOUND"
        told = ("calls.extract", "told")
        others = good_run_of(nation, "southville__extract")
        at_centre = f"/dags/southville__extract/dagRuns/{others}/taskInstances/calls.extract"
        assert nation.client._call_api("GET", f"{at_centre}/xcomEntries/told")["value"]
        assert "5 read, 5 accepted" in task.xcoms.get("testville__extract", run_id, *told).value
        assert task.xcoms.get("southville__extract", others, *told).value is None
        path = f"{nation.url}/execution//connections/cdi_airflow_api"
        assert httpx.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 404
    # the guard believes the name in a token, and Airflow does not
    forged = jwt.encode(jwt.decode(token, options={"verify_signature": False}), "x" * 64, "HS512")
    path = f"{nation.url}/execution/xcoms/testville__extract/{run_id}/calls.extract/told"
    assert httpx.get(path, headers={"Authorization": f"Bearer {forged}"}).status_code == 403
