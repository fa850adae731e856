"""The DAGs under a real scheduler: parameters, backfill, coalescing, gates, kill -9."""

import json
import os
import signal
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import httpx
import psutil

from cdi import paths
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.landing.batches import accepted_batches
from cdi.local.airflow import read_password
from cdi.steps.build import make_build
from tests.conftest import CALL_HEADER, CALLS, csv_bytes, table_contents
from tests.slow.conftest import RunningAirflow, wait_for

WHOLE = {"interval_start": "2026-01-05T00:00:00Z", "interval_end": "2026-01-07T00:00:00Z"}


def builds(airflow: RunningAirflow, agency: str) -> dict[str, str]:
    """States of an agency's build runs."""
    return airflow.client.runs(f"{agency}__build")


def settled(airflow: RunningAirflow, agency: str, more_than: int) -> bool:
    """Whether there are more build runs than before and all have ended."""
    states = builds(airflow, agency)
    return len(states) > more_than and set(states.values()) <= {"success", "failed"}


def test_landed_batches_start_one_build_that_publishes(airflow: RunningAirflow) -> None:
    run_id, state = airflow.run("testville__extract", WHOLE)
    assert state == "success"
    wait_for("the build", lambda: settled(airflow, "testville", 0))
    assert list(builds(airflow, "testville").values()) == ["success"]
    assert airflow.small.rows("select count(*) from fct_calls") == [(5,)]
    notes = airflow.notes("testville__extract", run_id)
    assert notes["calls.extract"].startswith("5 rows read from 1 file: 5 accepted")
    assert "rules checked" in notes["calls.check"]
    (build_run,) = builds(airflow, "testville")
    notes = airflow.notes("testville__build", build_run)
    assert "fct_calls: 5 rows" in notes["build"]
    assert "recording rate" in notes["report"]
    assert str(airflow.small.published.resolve()) in notes["publish"]


def test_airflow_listens_on_this_machine_alone(airflow: RunningAirflow) -> None:
    rows = json.loads((airflow.home / "airflow" / "processes.json").read_text())
    leaders = [psutil.Process(pid) for pid, _ in rows]
    listening: set[str] = set()
    for leader in leaders:
        for process in (leader, *leader.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # a child whose task has just ended
                listening |= {
                    connection.laddr.ip
                    for connection in process.net_connections(kind="inet")
                    if connection.status == psutil.CONN_LISTEN
                }
    assert listening == {"127.0.0.1"}  # the API server's


def test_people_and_tasks_write_their_notes_at_once(airflow: RunningAirflow) -> None:
    (run_id,) = airflow.client.runs("testville__extract")
    path = f"/api/v2/dags/testville__extract/dagRuns/{run_id}/taskInstances"
    task_ids = ("calls.extract", "calls.check", "crime_records.extract", "crime_records.check")

    def write(task_id: str) -> list[int]:
        with httpx.Client(base_url=airflow.client.url, timeout=300) as http:
            person = {"username": "admin", "password": read_password()}
            token = http.post("/auth/token", json=person).json()["access_token"]
            http.headers["Authorization"] = f"Bearer {token}"
            return [
                http.patch(
                    f"{path}/{task_id}", params={"update_mask": "note"}, json={"note": f"read, {n}"}
                ).status_code
                for n in range(50)
            ]

    with ThreadPoolExecutor(len(task_ids)) as pool:
        answers = list(pool.map(write, task_ids))
    # without plugins/airflow_local_settings.py some wait twenty seconds, for "database is locked"
    assert answers == [[200] * 50] * 4
    notes = airflow.notes("testville__extract", run_id)
    assert {notes[task_id] for task_id in task_ids} == {"read, 49"}
    with sqlite3.connect(airflow.home / "airflow" / "airflow.db") as database:
        logged = "select count(*) from log where event = 'patch_task_instance' and owner = 'admin'"
        wait_for("the audit log", lambda: database.execute(logged).fetchone() == (200,))


def test_the_same_interval_twice_makes_no_batch_and_no_build(airflow: RunningAirflow) -> None:
    before = builds(airflow, "testville")
    run_id, state = airflow.run("testville__extract", WHOLE)
    assert state == "success"
    assert airflow.states("testville__extract", run_id) == {
        "calls.extract": "skipped",
        "calls.check": "skipped",
        "crime_records.extract": "skipped",
        "crime_records.check": "skipped",
        "decisions.extract": "skipped",
        "decisions.check": "skipped",
        "audit_readings.extract": "skipped",
        "audit_readings.check": "skipped",
        "landed": "skipped",
    }
    assert "nothing new" in airflow.notes("testville__extract", run_id)["calls.extract"]
    assert builds(airflow, "testville") == before
    assert len(accepted_batches("testville", "calls")) == 1
    build_run, state = airflow.run("testville__build")
    assert state == "success"
    assert set(airflow.states("testville__build", build_run).values()) == {"skipped"}


def test_a_broken_rule_stops_before_the_landing_and_says_why(airflow: RunningAirflow) -> None:
    published = (airflow.small.published / "recording.duckdb").read_bytes()
    before = builds(airflow, "testville")
    airflow.small.write("calls.csv", csv_bytes(CALL_HEADER, CALLS[:1]))
    run_id, state = airflow.run("testville__extract", WHOLE)
    assert state == "failed"
    states = airflow.states("testville__extract", run_id)
    assert states["calls.check"] == "failed"
    assert states["landed"] == "upstream_failed"
    note = airflow.notes("testville__extract", run_id)["calls.check"]
    assert "FILE-07" in note
    assert "Next step" in note
    assert builds(airflow, "testville") == before
    assert (airflow.small.published / "recording.duckdb").read_bytes() == published
    airflow.small.write("calls.csv", csv_bytes(CALL_HEADER, CALLS))


def test_kill_9_of_the_build_leaves_a_private_file_and_the_rerun_equals_the_run(
    airflow: RunningAirflow, tmp_path: Path, monkeypatch: "object"
) -> None:
    changed = [row[:] for row in CALLS]
    changed[2][4] = "ASSAULT"
    airflow.small.write("calls.csv", csv_bytes(CALL_HEADER, changed))
    published = airflow.small.published.resolve()
    before = (published / "recording.duckdb").read_bytes()
    known = set(builds(airflow, "testville"))
    _, state = airflow.run("testville__extract", WHOLE)
    assert state == "success"

    def dbt() -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("CDI_HOME") == str(airflow.home)
                if ours and "cdi.build.dbt_process" in process.cmdline():
                    found.append(process)
            except psutil.Error:
                continue
        return found

    wait_for("dbt", lambda: bool(dbt()))
    for process in dbt():
        parent = process.parent()
        assert parent is not None
        os.kill(parent.pid, signal.SIGKILL)
        process.kill()
    # what is left: the private folder, and the published version as it was
    assert airflow.small.published.resolve() == published
    assert (published / "recording.duckdb").read_bytes() == before
    assert (paths.published("testville") / ".next").is_dir()
    (build_run,) = set(builds(airflow, "testville")) - known
    assert airflow.wait("testville__build", build_run) == "success"  # Airflow's own retry
    assert airflow.small.published.resolve() != published
    assert not (paths.published("testville") / ".next").exists()
    assert airflow.small.rows("select is_crime_type from fct_calls where call_id = 'T-0003'") == [
        (True,)
    ]
    after_kill = table_contents(airflow.small.published / "recording.duckdb")
    (airflow.small.published / "version.json").parent.rename(tmp_path / "aside")
    step = make_build("testville")
    assert step.is_new
    rerun = paths.published("testville") / ".next" / "recording.duckdb"
    equal = table_contents(rerun)
    assert len(equal["main.fct_calls"]) == 5
    del after_kill["main.data_quality"]  # written by the check after the build
    assert equal == after_kill


def test_a_backfill_lands_every_day_and_its_events_coalesce(airflow: RunningAirflow) -> None:
    agency = load_agency("sample")
    assert agency.coverage is not None
    first, days = agency.coverage.start, 5
    last = first + timedelta(days=days - 1)
    done = subprocess.run(
        [*airflow_command(), "backfill", "create", "--dag-id", "sample__extract",
         "--from-date", midnight(agency, first), "--to-date", midnight(agency, last)],
        env=airflow.client.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    # while the scheduler works: SQLite refuses it at once without plugins/airflow_local_settings.py
    assert done.returncode == 0, done.stdout + done.stderr

    def landed_days() -> int:
        states = list(airflow.client.runs("sample__extract").values())
        assert "failed" not in states
        return states.count("success")

    wait_for("the backfill", lambda: landed_days() == days)
    batches = accepted_batches("sample", "calls")
    # the days run side by side; their order of arrival is theirs, but it is one
    assert sorted(b.manifest["seq"] for b in batches) == list(range(1, days + 1))
    assert len({b.manifest["interval_start"] for b in batches}) == days
    assert len(batches) == days
    published = paths.published("sample") / "current" / "version.json"

    def are_published() -> bool:
        states = builds(airflow, "sample")
        assert "failed" not in states.values()
        # The last day's event may start its build after all others have ended, so a moment without
        # a running build does not yet mean that there will be no more of them.
        if not published.exists() or published.read_text().count("_v1") < 2 * days:
            return False
        assert len(states) < days
        return set(states.values()) == {"success"}

    wait_for("all days published", are_published)
    assert published.read_text().count("_v1") == 2 * days


def test_other_dates_come_by_parameters(airflow: RunningAirflow) -> None:
    agency = load_agency("sample")
    assert agency.coverage is not None
    day = agency.coverage.start + timedelta(days=7)
    interval = {
        "interval_start": midnight(agency, day),
        "interval_end": midnight(agency, day + timedelta(days=1)),
    }
    _, state = airflow.run("sample__extract", interval)
    assert state == "success"
    newest = accepted_batches("sample", "calls")[-1].manifest
    assert [file["name"] for file in newest["files"]] == [f"calls-{day}.csv.gz"]


def midnight(agency: Agency, day: date) -> str:
    """Local midnight with its offset."""
    from datetime import datetime

    return datetime(day.year, day.month, day.day, tzinfo=agency.zone).isoformat()


def airflow_command() -> list[str]:
    """Airflow's command line."""
    import sys

    return [sys.executable, "-m", "airflow"]
