"""What all DAG files share: the DAG of one agency cannot take those of the others with it."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from cdi.agency.model import Agency
from tests.broken import copy_agency
from tests.conftest import SmallAgency


@pytest.fixture(autouse=True)
def airflow_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes to the user's own Airflow home."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))


def test_an_error_in_one_dag_leaves_the_others_and_no_half_dag(small: SmallAgency) -> None:
    from airflow.sdk import DAG
    from airflow.sdk.definitions._internal.contextmanager import DagContext

    from cdi_airflow.house import dag_arguments, make_dags
    from cdi_airflow.operators import StepOperator

    for name in ("refused", "unscheduled"):
        copy_agency(small, name)

    def make_dag(agency: Agency) -> Any:
        with DAG(**dag_arguments(agency, "build", kind="now")) as dag:
            StepOperator(task_id="build", step="build.make_build", arguments={})
            if agency.agency == "refused":
                raise RuntimeError("Airflow refuses it")
        if agency.agency == "unscheduled":
            dag.timetable.validate = Mock(side_effect=ValueError("never"))
        return dag

    DagContext.current_autoregister_module_name = __name__  # as it is while a DAG file is read
    try:
        dags = make_dags("build", make_dag)
        assert not DagContext.autoregistered_dags
    finally:
        DagContext.current_autoregister_module_name = None
        DagContext.autoregistered_dags.clear()
    assert set(dags) == {
        "testville__build",
        "refused__build__broken",
        "unscheduled__build__broken",
    }
    assert "RuntimeError: Airflow refuses it" in (dags["refused__build__broken"].doc_md or "")
    assert "ValueError: never" in (dags["unscheduled__build__broken"].doc_md or "")


@pytest.mark.parametrize(
    ("wanted", "made"),
    [
        (None, {"testville__build", "spoiled__build__broken", "third__build"}),
        ("third__build", {"third__build"}),
        ("spoiled__build__broken", {"spoiled__build__broken"}),
        # a DAG of no agency that is known by its id: all are made, as that one may be among them
        ("gone__build", {"testville__build", "spoiled__build__broken", "third__build"}),
    ],
)
def test_a_task_makes_the_dag_of_its_own_agency_alone(
    small: SmallAgency, wanted: str | None, made: set[str]
) -> None:
    """Else each task of 200 agencies reads the settings of all of them."""
    from airflow.sdk import DAG
    from airflow.sdk.definitions._internal.dag_parsing_context import (
        _airflow_parsing_context_manager,
    )

    from cdi_airflow.house import dag_arguments, make_dags

    copy_agency(small, "third")
    (copy_agency(small, "spoiled") / "agency.yaml").write_text("no settings", encoding="utf-8")
    looked_at = []

    def make_dag(agency: Agency) -> DAG:
        looked_at.append(agency.agency)
        with DAG(**dag_arguments(agency, "build", kind="now")) as dag:
            return dag

    with _airflow_parsing_context_manager(dag_id=wanted, task_id="build"):
        assert set(make_dags("build", make_dag)) == made
    assert {f"{name}__build" for name in looked_at} == {n for n in made if "spoiled" not in n}


def test_a_broken_agency_is_told_each_day_by_one_failing_task(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from cdi_airflow import operators
    from cdi_airflow.house import make_dags

    small.settings["schedule"] = "every day at noon"
    small.write_settings()
    told = Mock()
    monkeypatch.setattr(operators, "write_note", told)
    (dag,) = make_dags("extract", Mock()).values()
    assert dag.schedule == "@daily"
    (other,) = make_dags("build", Mock()).values()
    assert other.schedule is None
    (task,) = dag.tasks
    assert task.on_failure_callback  # the message to people
    with pytest.raises(AirflowFailException, match="AGENCY-SCHEMA"):
        task.execute({})
    assert "every day at noon" in told.call_args.args[1]
    assert told.call_args.kwargs["of_run"]


def test_a_task_that_hangs_is_stopped_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from datetime import timedelta

    from airflow.sdk.exceptions import AirflowTaskTimeout

    from cdi_airflow import operators

    told = Mock()
    monkeypatch.setattr(operators, "write_note", told)
    operator = operators.StepOperator(
        task_id="x", step="build.x", arguments={}, execution_timeout=timedelta(hours=3)
    )
    monkeypatch.setattr(operator, "call", Mock(side_effect=AirflowTaskTimeout))
    with pytest.raises(AirflowTaskTimeout):
        operator.execute({})
    note = told.call_args.args[1]
    assert note.startswith("[TASK-TIMEOUT] it was not done within 3:00:00")
    assert "task_hours" in note
