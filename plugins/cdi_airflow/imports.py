"""Imports what takes seconds once, in the process that all tasks are copied from.

LocalExecutor's workers are copies of the scheduler, and each task is a copy of a worker, with the
modules that are there; so is a task of the worker of a force. The DAG processor copies itself for
each file that it reads. What these processes import first, their copies need not import anew: Great
Expectations alone takes two to four seconds, which each check would spend. This module is a
listener of Airflow, as `pools` is.
"""

import importlib
import sys

from airflow.listeners import hookimpl

# What all DAG files import.
OF_DAGS = ("cdi_airflow.house", "cdi_airflow.operators", "cdi_airflow.release")
# What the steps import only when they need it.
OF_STEPS = (
    "great_expectations",
    "cdi.monitoring.limits",
    "cdi.open_extract.write",
    "cdi.people.audit",
    "cdi.report.matching",
    "cdi.report.peers",
    "cdi.report.worklist",
    "scipy.special",
)
# By the word behind `airflow` on the command line. Airflow does not tell a listener which process
# it is in, and the API server and the triggerer run no tasks.
_BY_COMMAND = {"scheduler": OF_DAGS + OF_STEPS, "dag-processor": OF_DAGS}


@hookimpl
def on_starting(component: object) -> None:
    """Import them, before the first copy is made."""
    _import(_BY_COMMAND.get("".join(sys.argv[1:2]), ()))


def import_for_tasks() -> None:
    """Import what DAG files and steps need."""
    _import(OF_DAGS + OF_STEPS)


def _import(modules: tuple[str, ...]) -> None:
    for module in modules:
        importlib.import_module(module)
