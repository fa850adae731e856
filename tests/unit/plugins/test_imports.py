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
json.dump(sorted(sys.modules), sys.stdout)
"""


def modules_after_start_of(*command: str) -> set[str]:
    """What a process of Airflow has imported when it starts."""
    done = subprocess.run(
        [sys.executable, "-c", START, *command],
        cwd=REPO, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_each_module_is_there() -> None:
    assert all(importlib.util.find_spec(name) for name in (*OF_DAGS, *OF_STEPS))


def test_the_scheduler_has_what_its_tasks_need() -> None:
    imported = modules_after_start_of("scheduler", "--skip-serve-logs")
    assert {*OF_DAGS, *OF_STEPS} <= imported
    # what checks, pages and the open extract are made with
    assert {"great_expectations", "altair", "openpyxl", "scipy.optimize"} <= imported


@pytest.mark.parametrize("command", ["dag-processor", "api-server", "triggerer"])
def test_others_do_not_wait_for_it(command: str) -> None:
    imported = modules_after_start_of(command)
    assert "great_expectations" not in imported
    assert (set(OF_DAGS) <= imported) is (command == "dag-processor")


# What computes with matrices, in the scheduler and in what learns.
COUNT_THREADS = """
import sys
sys.path.append("plugins")
from cdi_airflow.imports import import_for_tasks
import_for_tasks()
import sklearn.linear_model
from threadpoolctl import threadpool_info
print([pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"])
"""


def test_linear_algebra_takes_one_thread() -> None:
    """Numpy and scipy each have a library of their own for it."""
    name = "OPENBLAS_NUM_THREADS"
    done = subprocess.run(
        [sys.executable, "-c", COUNT_THREADS], cwd=REPO, capture_output=True, text=True,
        check=True, env={key: value for key, value in os.environ.items() if key != name},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[1, 1]"
