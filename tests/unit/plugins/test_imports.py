"""The processes that tasks are copied from import what is dear, and no others do."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from cdi_airflow.imports import OF_DAGS, OF_STEPS
from tests.conftest import REPO

START = """
import json, sys
sys.path.append("plugins")
from cdi_airflow.imports import on_starting
sys.argv = ["airflow", *sys.argv[1:]]
on_starting(component=None)
told = {"modules": sorted(sys.modules)}
if sys.argv[1] == "scheduler":
    import sklearn.linear_model  # what learns computes with matrices too
    from threadpoolctl import threadpool_info
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    told["threads"] = [pool["num_threads"] for pool in pools]
json.dump(told, sys.stdout)
"""


def start(*command: str) -> dict[str, list[str]]:
    """What a process of Airflow has imported when it starts, and its threads of linear algebra."""
    name = "OPENBLAS_NUM_THREADS"
    done = subprocess.run(
        [sys.executable, "-c", START, *command], cwd=REPO, capture_output=True, text=True,
        check=True, env={key: value for key, value in os.environ.items() if key != name},
    )  # fmt: skip
    told: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.fixture(scope="module")
def scheduler() -> dict[str, list[str]]:
    return start("scheduler", "--skip-serve-logs")


def test_each_module_is_there() -> None:
    assert all(importlib.util.find_spec(name) for name in (*OF_DAGS, *OF_STEPS))


def test_the_scheduler_has_what_its_tasks_need(scheduler: dict[str, list[str]]) -> None:
    imported = set(scheduler["modules"])
    assert {*OF_DAGS, *OF_STEPS} <= imported
    # what checks, pages and the open extract are made with
    assert {"great_expectations", "altair", "openpyxl", "scipy.optimize"} <= imported


@pytest.mark.parametrize("command", ["dag-processor", "api-server", "triggerer"])
def test_others_do_not_wait_for_it(command: str) -> None:
    imported = set(start(command)["modules"])
    assert "great_expectations" not in imported
    assert (set(OF_DAGS) <= imported) is (command == "dag-processor")


def test_linear_algebra_takes_one_thread(scheduler: dict[str, list[str]]) -> None:
    """Numpy and scipy each have a library of their own for it."""
    assert scheduler["threads"] == [1, 1]
