"""Helpers of the slow tests: the command line, and a real Airflow with its scheduler."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.local import airflow as local_airflow
from cdi.local import run as local_run
from cdi.local.airflow import Client, open_airflow
from cdi.steps.run import land_directly
from cdi.variant import Variant
from cdi_force.generate import ensure_force
from cdi_proofs.published import run_simulated
from tests.conftest import REPO, SAMPLE, SmallAgency, make_once

SCENARIOS = REPO / "tests" / "scenarios"
# for tests of the road and not of the figures
MONTH = Variant(str(SCENARIOS / "fifth"), 1, 1)
# what the proofs of the audit look at, and the checks of a clean year
YEAR = Variant(str(SCENARIOS / "two_fifths"), 12, 31)


def _publish_force(variant: Variant, home: Path) -> None:
    """Simulate a force and publish it from this state folder, without Airflow."""
    with pytest.MonkeyPatch.context() as patch, variant.selected():
        patch.setenv("CDI_HOME", str(home))
        for name in ("CDI_DATA", "CDI_AGENCIES"):
            patch.delenv(name, raising=False)
        run_simulated(lambda told: None)


@pytest.fixture(scope="session")
def published_month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State folder with `MONTH` published; never change it."""
    return make_once(tmp_path_factory, "month", partial(_publish_force, MONTH))


def _publish_year(home: Path) -> None:
    """Publish `YEAR`, whose first eleven months were delivered before the twelfth."""
    with pytest.MonkeyPatch.context() as patch, YEAR.selected():
        patch.setenv("CDI_HOME", str(home))
        patch.delenv("CDI_AGENCIES", raising=False)
        ensure_force()
        newest = YEAR.period[1]
        shutil.copytree(paths.simulated_sources() / "audit", home / "eleven" / "audit")
        for file in paths.simulated_sources().glob("*.csv.gz"):
            if f"{newest.year}-{newest.month - 1:02d}" not in file.name:
                shutil.copy(file, home / "eleven")
        patch.setenv("CDI_DATA", str(home / "eleven"))
        agency = load_agency(paths.SIMULATED)
        land_directly(agency.agency, Interval.of_days(agency, *YEAR.period))
    _publish_force(YEAR, home)


@pytest.fixture(scope="session")
def published_year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State folder with `YEAR` published, which takes minutes; never change it."""
    return make_once(tmp_path_factory, "year", _publish_year)


def cli(
    *arguments: str, home: Path, seconds: float = 1200
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run the command line in a process of its own, for so many seconds at most."""
    return subprocess.run(
        [Path(sys.executable).with_name("cdi"), *arguments],
        env=environment(home), capture_output=True, text=True, check=False, timeout=seconds,
    )  # fmt: skip


def proof(
    *arguments: str, home: Path, seconds: float = 1200
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run a proof in a process of its own, for so many seconds at most."""
    return subprocess.run(
        [sys.executable, "-m", "cdi_proofs", *arguments],
        env=environment(home), capture_output=True, text=True, check=False, timeout=seconds,
    )  # fmt: skip


def environment(home: Path) -> dict[str, str]:
    """Environment of the command line with that state folder."""
    env = {
        **os.environ,
        "CDI_HOME": str(home),
        "COLUMNS": "200",
    }
    for name in ("CDI_DATA", "CDI_AGENCIES"):
        env.pop(name, None)
    return env


def processes_of(home: Path) -> list[str]:
    """Command lines of processes that have this state folder in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("CDI_HOME") == str(home):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def wait_for(what: str, condition: Callable[[], bool], seconds: float = 1200) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: Naming what did not come.
    """
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what} did not come within {seconds:.0f} s"
        time.sleep(0.5)


def add_user(patch: pytest.MonkeyPatch, name: str, role: str) -> None:
    """Let each Airflow that is opened after this have one more user; Airflow makes the password."""
    prepare_airflow = local_airflow.prepare_airflow

    def prepare_with_user(port: int) -> dict[str, str]:
        env = prepare_airflow(port)
        env["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] += f",{name}:{role}"
        return env

    patch.setattr(local_airflow, "prepare_airflow", prepare_with_user)


@dataclass
class RunningAirflow:
    """A real Airflow for the tests of a module, with the agencies `testville` and `sample`."""

    client: Client
    home: Path
    small: SmallAgency

    def run(self, dag_id: str, conf: dict[str, str] | None = None) -> tuple[str, str]:
        """Trigger a run and wait for its end; returns run id and state."""
        run_id = self.client.trigger(dag_id, conf or {})
        return run_id, self.wait(dag_id, run_id)

    def wait(self, dag_id: str, run_id: str) -> str:
        """Wait for a run's end; returns its state."""
        wait_for(f"end of {dag_id}", lambda: self.client.runs(dag_id)[run_id] in (
            "success", "failed"))  # fmt: skip
        return self.client.runs(dag_id)[run_id]

    def pause(self, dag_id: str) -> None:
        """Let no run of a DAG begin: what lands from here on is not built, for example."""
        self.client._call_api("PATCH", f"/dags/{dag_id}", json={"is_paused": True})

    def states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Task states of a run."""
        return {t["task_id"]: t["state"] for t in self.client.tasks(dag_id, run_id)}

    def notes(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Task notes of a run."""
        return {t["task_id"]: t["note"] or "" for t in self.client.tasks(dag_id, run_id)}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    """Airflow with scheduler, DAG processor and API server; stopped at the end of the module."""
    home = tmp_path_factory.mktemp("state")
    registry = tmp_path_factory.mktemp("agencies")
    (registry / "sample").symlink_to(SAMPLE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDI_HOME", str(home))
        patch.setenv("CDI_AGENCIES", str(registry))
        patch.delenv("CDI_DATA", raising=False)
        small = SmallAgency(registry / "testville")
        dag_ids = local_run.dag_ids(small.agency) + local_run.dag_ids(load_agency("sample"))
        with open_airflow(local_airflow.RUN_COMPONENTS, dag_ids) as client:
            yield RunningAirflow(client, home, small)
        assert processes_of(home) == []
