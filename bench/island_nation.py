"""The centre and the islands of bench/islands.py: their folders, services and workers."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
from island_network import (
    AIRFLOW_PORT,
    CENTRE,
    OBJECTS_PORT,
    STORE,
    STORE_PORT,
    Network,
)

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests import warm_dbt
from tests.broken import change_settings, copy_agency
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes
from tests.postgres import Systems, published_contents
from tests.slow.test_edge import CENTRE as CENTRE_SETTINGS
from tests.slow.test_edge import EXECUTORS

from cdi import paths
from cdi.agency.load import load_agency
from cdi.build import dbt
from cdi.keys import read_agency_key
from cdi.local import airflow as local_airflow
from cdi.local.airflow import Client
from cdi.local.edge_keys import read_or_make_key, trust_key, trusted_file
from cdi.local.run import default_interval
from cdi.steps.run import run_directly

ISLANDS = {"testville": "north", "southville": "south", "westville": "west"}
PLACE = "s3://nation/open"
INTERVAL = {"interval_start": "2026-01-05T00:00:00Z", "interval_end": "2026-01-07T00:00:00Z"}
PLANTED = ("Zebedee", "Quagmire", "07700900461", "wheelbarrow", "feed_of_constable_plod", "T-0004")
FILE = "calls_feed_of_constable_plod.csv"
PATIENCE = 1800.0
# Airflow's own are 30 and 300: a worker that was killed is missed after five heartbeats, its task
# after the other. Shorter ones make the proof shorter, and no result another.
HEARTBEATS = {
    "AIRFLOW__EDGE__HEARTBEAT_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
}
CODE_FOLDERS = ("dags", "plugins", "src", "dbt_project", "expectations")
AIRFLOW = (sys.executable, "-m", "airflow")
SERVICES = {
    "api-server": (*AIRFLOW, "api-server"),
    "scheduler": (*AIRFLOW, "scheduler", "--skip-serve-logs"),
    "scheduler-2": (*AIRFLOW, "scheduler", "--skip-serve-logs"),
    "dag-processor": (*AIRFLOW, "dag-processor"),
    "triggerer": (*AIRFLOW, "triggerer", "--skip-serve-logs"),
}


def kill_all(process: psutil.Process) -> None:
    """Kill a process and all that it started, at once."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [*process.children(recursive=True), process]
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(family, timeout=10)


@dataclass
class Kept:
    """A program that is started again when it ends, as systemd and Docker do.

    Attributes:
        command: The program.
        env: Its environment.
        log: What it prints.
        pause: Seconds before it is started again.
    """

    command: list[str]
    env: dict[str, str]
    log: Path
    pause: float = 5
    process: "subprocess.Popen[bytes] | None" = None
    _ended: threading.Event = field(default_factory=threading.Event)
    _keeper: threading.Thread | None = None

    def start(self) -> None:
        """Start it, and keep it up."""
        self._ended.clear()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def _keep(self) -> None:
        while not self._ended.is_set():
            with self.log.open("ab") as output:
                self.process = subprocess.Popen(
                    self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=output,
                    stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
            self.process.wait()
            self._ended.wait(self.pause)

    def kill(self) -> None:
        """Kill it once; it comes back."""
        if self.process is not None:
            kill_all(psutil.Process(self.process.pid))

    def end(self) -> None:
        """Kill it for good."""
        self._ended.set()
        with contextlib.suppress(psutil.NoSuchProcess):
            self.kill()
        if self._keeper is not None:
            self._keeper.join(30)


@dataclass
class Nation:
    """The centre, its islands, and what is done to them."""

    folder: Path
    network: Network
    database: Systems
    authority: Path
    services: dict[str, Kept] = field(default_factory=dict)
    workers: dict[str, Kept] = field(default_factory=dict)
    expected: dict[tuple[str, str], Any] = field(default_factory=dict)
    client: Any = None

    def home(self, name: str) -> Path:
        """The state folder of a queue, or of the `centre`."""
        return self.folder / "homes" / name

    def code(self, name: str) -> Path:
        """The checkout of the centre, or that of the forces."""
        return self.folder / "code" / name

    def code_environment(self, name: str) -> dict[str, str]:
        """What lets a process run the code of a checkout."""
        code = self.code(name)
        return {"PYTHONPATH": f"{code / 'src'}{os.pathsep}{code / 'plugins'}"}

    def settings_for_open(self) -> dict[str, str]:
        """Where open extracts go, and how the store's client gets there."""
        return {
            "CDI_OPEN": PLACE,
            "AWS_ACCESS_KEY_ID": "island",
            "AWS_SECRET_ACCESS_KEY": "made-for-this-proof",
            "AWS_DEFAULT_REGION": "eu-west-2",
        }

    def start_centre(self) -> None:
        """Make Airflow's database and start all services of the centre."""
        address = (
            f"postgres:{self.database.server.password}@127.0.0.1:"
            f"{self.database.server.port}/airflow"
        )
        code = self.code("centre")
        make_environment = local_airflow.airflow_environment

        def as_centre(port: int) -> dict[str, str]:
            return make_environment(port) | {
                **CENTRE_SETTINGS, **HEARTBEATS, **self.settings_for_open(),
                **self.code_environment("centre"),
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{OBJECTS_PORT}",
                "CDI_HOME": str(self.home("centre")),
                "CDI_AGENCIES": str(self.folder / "settings"),
                "AIRFLOW__CORE__DAGS_FOLDER": str(code / "dags"),
                "AIRFLOW__CORE__PLUGINS_FOLDER": str(code / "plugins"),
                "AIRFLOW__CORE__EXECUTOR": EXECUTORS,
                "AIRFLOW__EDGE__API_URL": f"https://{CENTRE}/edge_worker/v1/rpcapi",
                "AIRFLOW__EDGE__TRUSTED_JWKS_URL": str(trusted_file()),
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{address}",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{address}",
            }  # fmt: skip

        with mock.patch.object(local_airflow, "airflow_environment", as_centre):
            env = local_airflow.prepare_airflow(AIRFLOW_PORT)
        logs = self.home("centre") / "airflow" / "logs"
        for name, command in SERVICES.items():
            self.services[name] = Kept(list(command), env, logs / f"{name}.log")
            self.services[name].start()
        self.client = Client(AIRFLOW_PORT, env, patience_seconds=PATIENCE)
        self.client.wait_until_healthy()

    def start_worker(self, queue: str) -> None:
        """Start a force's worker on its own host, with nothing of the centre but its address."""
        env = {n: v for n, v in os.environ.items() if not n.startswith(("AIRFLOW", "CDI", "AWS"))}
        env |= {
            **self.code_environment("force"), **self.settings_for_open(),
            "CDI_HOME": str(self.home(queue)),
            "CDI_AGENCIES": str(self.folder / "forces"),
            "SSL_CERT_FILE": str(self.authority),
            "AWS_CA_BUNDLE": str(self.authority),
            "AWS_ENDPOINT_URL": f"https://{STORE}:{STORE_PORT}",
            "AIRFLOW__EDGE__JOB_POLL_INTERVAL": "1",
            "AIRFLOW__EDGE__HEARTBEAT_INTERVAL": HEARTBEATS["AIRFLOW__EDGE__HEARTBEAT_INTERVAL"],
            # whoever asks a database finds none
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////nowhere/none.db",
        }  # fmt: skip
        cdi = Path(sys.executable).with_name("cdi")
        command = self.network.inside(
            queue, cdi, "edge", "worker", queue, "--centre", f"https://{CENTRE}"
        )
        self.workers[queue] = Kept(command, env, self.folder / f"{queue}.log")
        self.workers[queue].start()

    def bring_news(self, agency: str, district: str) -> str:
        """Change a call in the agency's files and start its extraction; returns the run."""
        write_calls(self.folder / "forces" / agency, district)
        return str(self.client.trigger(f"{agency}__extract", INTERVAL))

    def wait_for_version(self, agency: str, builds_before: set[str], extraction: str) -> str:
        """Wait until the extraction and the build after it have ended; returns the build's run."""

        def find() -> str | None:
            state = self.client.runs(f"{agency}__extract").get(extraction)
            builds = self.client.runs(f"{agency}__build")
            new = {name: s for name, s in builds.items() if name not in builds_before}
            if state == "failed" or "failed" in new.values():
                raise RuntimeError(f"{agency}: a run failed: {state}, {new}")
            done = [name for name, s in new.items() if s == "success"]
            return done[-1] if state == "success" and len(done) == len(new) > 0 else None

        return wait_until(f"a version of {agency}", find)

    def differ(self, agency: str, district: str) -> list[str]:
        """Which published tables are not those of one run on one machine."""
        ours = published_contents(self.file(agency))
        theirs = self.expected[agency, district]
        if len(ours["main.fct_calls"]) != len(CALLS):
            return ["main.fct_calls has not all calls"]
        return sorted(t for t in ours.keys() | theirs.keys() if ours.get(t) != theirs.get(t))

    def file(self, agency: str) -> Path:
        """What an agency has published, at home."""
        home = self.home(ISLANDS[agency])
        return home / "published" / agency / "current" / "recording.duckdb"

    def running(self, agency: str, step: str) -> bool:
        """Whether a task of a step is being done now."""
        dag, tasks = {
            "extract": (f"{agency}__extract", ("calls.extract", "crime_records.extract")),
            "build": (f"{agency}__build", ("build",)),
            "publish": (f"{agency}__build", ("report", "publish")),
        }[step]
        runs = self.client.runs(dag)
        newest = next(iter(runs), None)
        if newest is None or runs[newest] != "running":
            return False
        states = {t["task_id"]: t["state"] for t in self.client.tasks(dag, newest)}
        return any(states.get(task) == "running" for task in tasks)


def wait_until(what: str, find: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until something is found."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := find():
            return found
        time.sleep(0.5)
    raise TimeoutError(f"there is no {what}")


def write_calls(folder: Path, district: str) -> None:
    """Write the calls, with what must not be seen elsewhere, and one call in a given district."""
    calls = [[*row[:-3], "Zebedee Quagmire", "07700900461", "a wheelbarrow"] for row in CALLS]
    calls[0][CALL_HEADER.index("district")] = district
    (folder / "data" / FILE).write_bytes(csv_bytes(CALL_HEADER, calls))


def make_forces(nation: Nation) -> None:
    """Make the forces' folders, the centre's copy of their settings, keys, and both checkouts."""
    forces = nation.folder / "forces"
    small = SmallAgency(forces / "testville")
    small.settings["runs_on"] = ISLANDS["testville"]
    small.write_settings()
    (small.data / "calls.csv").unlink()
    write_calls(small.folder, "S")
    for agency in list(ISLANDS)[1:]:
        change_settings(copy_agency(small, agency), runs_on=ISLANDS[agency])
    shutil.copytree(forces, nation.folder / "settings", ignore=shutil.ignore_patterns("data"))
    for agency, queue in ISLANDS.items():
        with mock.patch.dict(os.environ, {"CDI_HOME": str(nation.home(queue))}):
            key = json.dumps(read_or_make_key(queue))
            read_agency_key(agency)  # makes it: a run elsewhere has the same one
        trust_key(key)
    hidden = shutil.ignore_patterns("__pycache__", "target", "logs", "*.egg-info")
    for name in ("centre", "force"):
        for part in CODE_FOLDERS:
            shutil.copytree(paths.REPO / part, nation.code(name) / part, ignore=hidden)


def expect_tables(nation: Nation) -> None:
    """Compute what must be published: one run on one machine for each state of an agency's files.

    The key of the agency is that of the island, so that hashes are equal.
    """
    dbt.start_dbt = warm_dbt.start_dbt
    for agency, queue in ISLANDS.items():
        for district in ("S", "N"):
            copied = nation.folder / "alone" / f"{agency}_{district}"
            shutil.copytree(nation.folder / "forces" / agency, copied / "agencies" / agency)
            write_calls(copied / "agencies" / agency, district)
            secrets = nation.home(queue) / "secrets"
            shutil.copytree(secrets, copied / "home" / "secrets")
            there = {"CDI_HOME": copied / "home", "CDI_AGENCIES": copied / "agencies"}
            with mock.patch.dict(os.environ, {n: str(v) for n, v in there.items()}):
                days = default_interval(load_agency(agency))
                if not run_directly(agency, days):
                    raise RuntimeError(f"{agency} was not loaded")
                file = paths.published(agency) / "current" / "recording.duckdb"
                nation.expected[agency, district] = published_contents(file)


def make_bucket(nation: Nation) -> None:
    """Make the place to which the islands send their open extracts."""
    import s3fs

    login = nation.settings_for_open()
    store = s3fs.S3FileSystem(
        key=login["AWS_ACCESS_KEY_ID"],
        secret=login["AWS_SECRET_ACCESS_KEY"],
        endpoint_url=f"http://127.0.0.1:{OBJECTS_PORT}",
    )

    def make() -> bool:
        with contextlib.suppress(OSError):
            store.mkdir(PLACE.removeprefix("s3://").split("/", 1)[0])
            return True
        return False

    wait_until("object store", make, 60)
