"""Twenty agencies under a real scheduler: ten are broken in ten ways, and ten run."""

import itertools
from pathlib import Path

import pytest

from cdi.local import airflow as local_airflow
from cdi.local.airflow import Client, ServiceError, open_airflow
from tests.broken import BREAKAGES, copy_agency
from tests.conftest import SmallAgency
from tests.slow.conftest import RunningAirflow, wait_for

WHOLE = {"interval_start": "2026-01-05T00:00:00Z", "interval_end": "2026-01-07T00:00:00Z"}


def test_ten_broken_agencies_leave_ten_others_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDI_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("CDI_AGENCIES", str(tmp_path / "agencies"))
    monkeypatch.delenv("CDI_DATA", raising=False)
    small = SmallAgency(tmp_path / "agencies" / "testville")
    healthy = ["testville", *(f"force_{number}" for number in range(1, 10))]
    for name in healthy[1:]:
        copy_agency(small, name)
    broken = dict(itertools.islice(BREAKAGES.items(), 10))
    assert len(broken) == len(healthy) == 10
    for name, break_folder in broken.items():
        break_folder(copy_agency(small, name))
    dag_ids = tuple(f"{name}__extract" for name in healthy)
    with open_airflow(local_airflow.RUN_COMPONENTS, dag_ids) as client:
        airflow = RunningAirflow(client, tmp_path / "state", small)
        runs = {dag_id: client.trigger(dag_id, WHOLE) for dag_id in dag_ids}
        why = "schedule_in_words__extract__broken"
        wait_for("the DAG that says why", lambda: _is_known(client, why))
        # Its schedule starts it each day at midnight, and at once if that was not long ago.
        run_id, state = airflow.run(why)
        assert state == "failed"
        assert "[AGENCY-SCHEMA]" in airflow.notes(why, run_id)["why"]
        # Each was scheduled and has read its source; the checks would take minutes.
        for dag_id, run_id in runs.items():
            wait_for(
                f"the extraction of {dag_id}",
                lambda: airflow.states(dag_id, run_id)["calls.extract"] == "success",  # noqa: B023
            )


def _is_known(client: Client, dag_id: str) -> bool:
    """Whether the DAG processor has read a DAG."""
    try:
        client.runs(dag_id)
    except ServiceError as error:
        assert "404" in str(error), error
        return False
    return True
