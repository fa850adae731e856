"""Failed extractions are repaired as people do it: in the UI, by the API, by a backfill.

And a run that a person starts does what it was started for, or says why it did nothing.
"""

import sqlite3
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Response

from cdi.landing.batches import accepted_batches
from cdi.local.airflow import read_password
from tests.browser.conftest import logged_in
from tests.conftest import CALL_HEADER, CALLS, RECORD_HEADER, RECORDS, csv_bytes
from tests.slow.conftest import RunningAirflow, wait_for

EXTRACT = "testville__extract"
DAYS = {"from_date": "2026-01-05T00:00:00Z", "to_date": "2026-01-07T00:00:00Z"}
FIRST_DAY = {"interval_start": DAYS["from_date"], "interval_end": "2026-01-06T00:00:00Z"}


def backfill(airflow: RunningAirflow, behavior: str) -> int:
    """Start a backfill of three days, as the form of the UI does; returns its id."""
    answer = airflow.client._call_api(
        "POST",
        "/backfills",
        json={"dag_id": EXTRACT, **DAYS, "reprocess_behavior": behavior, "max_active_runs": 3},
    )
    return int(answer["id"])


def trigger(airflow: RunningAirflow, dag_id: str, logical_date: datetime, conf: object) -> str:
    """Start a run as the form of the UI does, which always sends a logical date."""
    body = {"logical_date": logical_date.isoformat(), "conf": conf}
    return str(airflow.client._call_api("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])


def landed_by(run_id: str) -> int:
    """How many batches of records the run of a day has landed (each day has its own)."""
    ended = datetime.fromisoformat(run_id.removeprefix("backfill__"))
    ends = [b.manifest["interval_end"] for b in accepted_batches("testville", "crime_records")]
    return [datetime.fromisoformat(end) for end in ends].count(ended)


@pytest.fixture(scope="module", autouse=True)
def no_builds(airflow: RunningAirflow) -> None:
    """What is landed here is not built: that takes longer than all the rest."""
    for agency in ("testville", "sample"):
        airflow.pause(f"{agency}__build")


@pytest.fixture(scope="module")
def failed(airflow: RunningAirflow) -> list[str]:
    """Three runs that failed for want of source files, which have come by now."""
    for name in ("calls.csv", "records.csv"):
        (airflow.small.data / name).unlink()
    number = backfill(airflow, "none")

    def is_over() -> bool:
        return airflow.client._call_api("GET", f"/backfills/{number}")["completed_at"] is not None

    wait_for("the end of the backfill", is_over)
    runs = airflow.client.runs(EXTRACT)
    assert list(runs.values()) == ["failed"] * 3
    airflow.small.write("calls.csv", csv_bytes(CALL_HEADER, CALLS))
    airflow.small.write("records.csv", csv_bytes(RECORD_HEADER, RECORDS))
    return sorted(runs)


def test_a_failed_run_is_cleared_in_the_ui(
    airflow: RunningAirflow, failed: list[str], browser: Browser
) -> None:
    run_id = failed[0]
    assert landed_by(run_id) == 0

    def is_cleared(answer: Response) -> bool:
        # the dialogue asks first, without effect, what would be cleared
        return answer.url.endswith("/clear") and not answer.request.post_data_json["dry_run"]

    page = logged_in(browser, airflow.client.url, read_password())
    page.goto(f"{airflow.client.url}/dags/{EXTRACT}/runs/{run_id}")
    page.get_by_role("button", name="shift+c to clear").click()
    with page.expect_response(is_cleared) as cleared:
        page.get_by_role("button", name="Confirm").click()
    assert cleared.value.status == 200
    page.close()
    assert airflow.wait(EXTRACT, run_id) == "success"
    assert landed_by(run_id) == 1


def test_a_failed_task_is_cleared_by_the_api(airflow: RunningAirflow, failed: list[str]) -> None:
    run_id = failed[1]
    assert landed_by(run_id) == 0
    body = {"dry_run": False, "dag_run_id": run_id, "only_failed": True}
    airflow.client._call_api("POST", f"/dags/{EXTRACT}/clearTaskInstances", json=body)
    assert airflow.wait(EXTRACT, run_id) == "success"
    assert landed_by(run_id) == 1


def test_a_backfill_repairs_the_failed_runs(airflow: RunningAirflow, failed: list[str]) -> None:
    run_id = failed[2]
    assert landed_by(run_id) == 0
    backfill(airflow, "failed")
    assert airflow.wait(EXTRACT, run_id) == "success"
    assert landed_by(run_id) == 1


def test_clearing_does_not_put_off_when_a_source_is_late(
    airflow: RunningAirflow, failed: list[str]
) -> None:
    """The sources are late, whoever has cleared the run meanwhile."""
    (airflow.small.data / "calls.csv").rename(airflow.small.data / "aside.csv")
    run_id, state = airflow.run(EXTRACT, FIRST_DAY)
    assert state == "failed"

    def due() -> list[tuple[str]]:
        with sqlite3.connect(airflow.home / "airflow" / "airflow.db", timeout=20) as database:
            return database.execute(
                "select d.deadline_time from deadline d join dag_run r on r.id = d.dagrun_id "
                "where r.run_id = ?", [run_id],
            ).fetchall()  # fmt: skip

    before = due()
    assert len(before) == 1
    airflow.client._call_api(
        "POST", f"/dags/{EXTRACT}/dagRuns/{run_id}/clear", json={"dry_run": False}
    )
    assert airflow.wait(EXTRACT, run_id) == "failed"
    assert due() == before
    (airflow.small.data / "aside.csv").rename(airflow.small.data / "calls.csv")


DAY = {
    "interval_start": "2017-03-27T00:00:00+01:00",
    "interval_end": "2017-03-28T00:00:00+01:00",
}


def test_a_run_by_hand_after_the_coverage_extracts_the_day_that_it_names(
    airflow: RunningAirflow,
) -> None:
    run_id = trigger(airflow, "sample__extract", datetime.now(UTC), DAY)
    assert airflow.wait("sample__extract", run_id) == "success"
    (batch,) = accepted_batches("sample", "calls")
    assert [file["name"] for file in batch.manifest["files"]] == ["calls-2017-03-27.csv.gz"]


@pytest.mark.parametrize(
    ("dag_id", "logical_date", "note"),
    [
        # before the agency's start_date
        ("sample__extract", datetime(2016, 1, 1, tzinfo=UTC), "nothing new: the sources equal"),
        ("sample__train", datetime.now(UTC), "nothing was learnt"),
    ],
    ids=["extract", "train"],
)
def test_a_run_by_hand_that_did_nothing_says_why(
    airflow: RunningAirflow, dag_id: str, logical_date: datetime, note: str
) -> None:
    run_id = trigger(airflow, dag_id, logical_date, DAY if dag_id == "sample__extract" else {})
    assert airflow.wait(dag_id, run_id) == "success"
    assert set(airflow.states(dag_id, run_id).values()) == {"skipped"}
    run = airflow.client._call_api("GET", f"/dags/{dag_id}/dagRuns/{run_id}")
    assert run["note"].startswith(note)


def test_after_its_coverage_no_run_comes_by_itself(airflow: RunningAirflow) -> None:
    for step in ("extract", "train", "audit"):
        dag = airflow.client._call_api("GET", f"/dags/sample__{step}")
        assert dag["timetable_summary"]
        assert dag["next_dagrun_run_after"] is None
        assert all(run_id.startswith("manual") for run_id in airflow.client.runs(dag["dag_id"]))
