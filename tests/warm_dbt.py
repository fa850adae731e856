"""dbt's processes for tests: copies of one that has imported dbt, as that is dear.

Each dbt is still a process of its own, with the folder, the environment and the exit code that it
has outside the tests. Only its modules are there already, and sets have the order that they have in
the other copies: a test that two builds come out the same asks for `cold_dbt` of tests/conftest.py.
"""

import multiprocessing
import os
import subprocess
import tempfile
from multiprocessing import forkserver
from pathlib import Path

import pytest

# What dbt and the project's Python models import.
MODULES = [
    "cdi.build.dbt_process",
    "cdi.monitoring.districts",
    "cdi.monitoring.weeks",
    "dbt.adapters.duckdb",
]

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(MODULES)


def start_dbt(
    told: list[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Do what `cdi.build.dbt.start_dbt` does."""
    _start_server()
    with tempfile.TemporaryDirectory() as temporary:
        output, errors = Path(temporary) / "output", Path(temporary) / "errors"
        process = CONTEXT.Process(target=_be_dbt, args=(told, folder, environment, output, errors))
        process.start()
        process.join()
        assert process.exitcode is not None
        return subprocess.CompletedProcess(
            told, process.exitcode, output.read_text("utf-8"), errors.read_text("utf-8")
        )


def _start_server() -> None:
    """Start what the copies are made of, once; it outlives the test, so it has no state folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CDI_HOME", raising=False)
        forkserver.ensure_running()


def _be_dbt(
    told: list[str], folder: Path, environment: dict[str, str], output: Path, errors: Path
) -> None:
    """Be dbt, in the new process."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    from cdi.build.dbt_process import main

    for file, standard in ((output, 1), (errors, 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), standard)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    try:
        main(told)
    finally:
        # dbt closes its file when Python ends; a process of `multiprocessing` ends without that
        DuckDBConnectionManager.close_all_connections()
