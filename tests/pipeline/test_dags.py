"""The DAGs: they load without error, four per agency, and parsing them costs nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cdi import paths
from cdi.agency.load import agency_names, load_agency
from tests.broken import BREAKAGES, copy_agency
from tests.conftest import SmallAgency

STEPS = ("extract", "build", "train", "audit")
PARSE = """
import json, sys
opened = []
import airflow.sdk, airflow.providers.standard.operators.empty, airflow.timetables.interval
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "sqlite3.connect"):
        opened.append(event + " " + repr(args[-1]))
from airflow.dag_processing.dagbag import DagBag
sys.addaudithook(watch)
before = set(sys.modules)
bag = DagBag(dag_folder=sys.argv[1])
heavy = sorted(
    {"duckdb", "dbt", "great_expectations", "pandas", "fsspec", "cdi.build"}
    & (set(sys.modules) - before)
)
dags = {
    dag.dag_id: {
        "tasks": {t.task_id: sorted(t.upstream_task_ids) for t in dag.tasks},
        "hours": {
            t.task_id: t.execution_timeout and t.execution_timeout.total_seconds() / 3600
            for t in dag.tasks
        },
        "workers": sorted({(t.queue, t.executor or "") for t in dag.tasks}),
        "tags": sorted(dag.tags),
        "title": dag.dag_display_name,
        "owners": sorted({t.owner for t in dag.tasks}),
        "doc": dag.doc_md or "",
        "max_active_runs": dag.max_active_runs,
        "params": sorted(dag.params),
        "waits_for": sorted(a.name for a in getattr(dag.timetable.asset_condition, "objects", [])),
        "makes": sorted({a.name for t in dag.tasks for a in t.outlets}),
    }
    for dag in bag.dags.values()
}
json.dump({"errors": bag.import_errors, "opened": opened, "heavy": heavy, "dags": dags},
          open(sys.argv[2], "w"))
"""


def parse(tmp_path: Path, agencies_folder: Path | None = None) -> dict[str, Any]:
    """Load dags/ in a process of its own and say what it did."""
    env = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(paths.REPO / "plugins"),
        "CDI_HOME": str(tmp_path / "state"),
    }
    if agencies_folder:
        env["CDI_AGENCIES"] = str(agencies_folder)
    out = tmp_path / "parsed.json"
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(paths.REPO / "dags"), str(out)],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(out.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return parse(tmp_path_factory.mktemp("dags"))


def test_there_are_no_import_errors_and_four_dags_per_agency(parsed: dict[str, Any]) -> None:
    assert parsed["errors"] == {}
    names = agency_names()
    assert len(names) >= 2
    expected = {f"{name}__{step}" for name in names for step in STEPS}
    assert set(parsed["dags"]) == expected


def test_where_open_extracts_are_sent_there_is_one_dag_of_all_agencies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is made anew when any agency has published; without CDI_OPEN it is not there."""
    monkeypatch.setenv("CDI_OPEN", "s3://somebody:hunter2@bucket/open")
    parsed = parse(tmp_path)
    assert parsed["errors"] == {}
    assert parsed["opened"] == parsed["heavy"] == []
    peers = parsed["dags"].pop("peers")
    assert len(parsed["dags"]) == len(STEPS) * len(agency_names())
    assert peers["tasks"] == {"compare": []}
    assert peers["waits_for"] == sorted(f"{name}_published" for name in agency_names())
    assert "hunter2" not in json.dumps(peers)


@pytest.mark.parametrize(
    ("executors", "executor"),
    [
        ("LocalExecutor", ""),
        ("LocalExecutor,airflow.executors.sequential.Elsewhere", "Elsewhere"),
        ("LocalExecutor,far:airflow.executors.sequential.Elsewhere", "Elsewhere"),
    ],
)
def test_an_agency_may_have_workers_of_its_own(
    small: SmallAgency,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    executors: str,
    executor: str,
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executors)
    copy_agency(small, "otherville")
    small.settings["runs_on"] = "testville"
    small.write_settings()
    dags = parse(tmp_path, small.folder.parent)["dags"]
    for step in STEPS:
        assert dags[f"testville__{step}"]["workers"] == [["testville", executor]]
        assert dags[f"otherville__{step}"]["workers"] == [["default", ""]]


def test_parsing_opens_no_database_and_no_network(parsed: dict[str, Any]) -> None:
    assert parsed["opened"] == []


def test_parsing_imports_nothing_heavy(parsed: dict[str, Any]) -> None:
    assert parsed["heavy"] == []


def test_tasks_follow_the_flow(parsed: dict[str, Any]) -> None:
    extract = parsed["dags"]["nopd__extract"]["tasks"]
    assert extract == {
        "calls.extract": [],
        "calls.check": ["calls.extract"],
        "crime_records.extract": [],
        "crime_records.check": ["crime_records.extract"],
        "decisions.extract": [],  # every agency has them
        "decisions.check": ["decisions.extract"],
        "audit_readings.extract": [],
        "audit_readings.check": ["audit_readings.extract"],
        "landed": [
            "audit_readings.check",
            "calls.check",
            "crime_records.check",
            "decisions.check",
        ],
    }
    build = parsed["dags"]["nopd__build"]["tasks"]
    direct = {
        "check": "build", "release": "check", "confirm": "release", "report": "confirm",
        "publish": "report",
    }  # fmt: skip
    assert set(build) == {"build", *direct}
    assert all(before in build[task] for task, before in direct.items())
    assert parsed["dags"]["nopd__train"]["tasks"] == {
        "text": [], "links": ["text"], "learnt": ["links", "text"],
    }  # fmt: skip
    audit = parsed["dags"]["nopd__audit"]
    assert audit["tasks"] == {"draw": [], "worksheets": ["draw"]}
    assert audit["params"] == ["auditors", "ends_on", "logs", "reason", "starts_on", "universe"]


def test_landed_batches_and_learnt_weights_start_a_build(parsed: dict[str, Any]) -> None:
    assert parsed["dags"]["nopd__build"]["waits_for"] == ["nopd_landing", "nopd_weights"]
    assert parsed["dags"]["nopd__extract"]["makes"] == ["nopd_landing"]
    assert parsed["dags"]["nopd__train"]["makes"] == ["nopd_weights"]


def test_every_dag_says_what_it_is_whose_and_how_to_rerun_it(parsed: dict[str, Any]) -> None:
    for name, dag in parsed["dags"].items():
        agency = name.split("__")[0]
        assert dag["owners"] == [load_agency(agency).owner.name]
        assert f"agency:{agency}" in dag["tags"]
        (rerun,) = (tag for tag in dag["tags"] if tag.startswith("failed: "))
        assert rerun == "failed: clear the run" or name.split("__")[1] != "extract"
        assert dag["title"].startswith(f"{load_agency(agency).name}: ")
        assert len(dag["title"].rsplit(": ", 1)[1].split()) > 1  # what it does, not a word of ours
        assert "1. **" in dag["doc"]
        assert dag["max_active_runs"] == 1


def test_an_agency_is_a_folder_and_not_code(tmp_path: Path, small: SmallAgency) -> None:
    found = parse(tmp_path, small.folder.parent)
    assert found["errors"] == {}
    assert set(found["dags"]) == {f"testville__{step}" for step in STEPS}


def test_dags_of_agencies_that_are_not_shown_are_not_made(
    tmp_path: Path, small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_agency(small, "otherville")
    monkeypatch.setenv("CDI_SHOWN", "testville")
    found = parse(tmp_path, small.folder.parent)
    assert set(found["dags"]) == {f"testville__{step}" for step in STEPS}


def test_only_an_agency_with_a_limit_has_a_dag_that_removes(
    tmp_path: Path, small: SmallAgency
) -> None:
    small.settings["sources"]["calls"]["retention_days"] = 365
    small.write_settings()
    found = parse(tmp_path, small.folder.parent)
    assert found["errors"] == {}
    assert set(found["dags"]) == {f"testville__{step}" for step in (*STEPS, "retain")}
    assert found["dags"]["testville__retain"]["tasks"] == {"retain": []}


def test_only_an_agency_that_names_connections_has_a_dag_that_warns(
    tmp_path: Path, small: SmallAgency
) -> None:
    small.settings["alerts"] = {"connections": ["desk_mail"], "to": ["desk@example.org"]}
    small.write_settings()
    found = parse(tmp_path, small.folder.parent)
    assert found["errors"] == {}
    assert found["opened"] == found["heavy"] == []
    assert set(found["dags"]) == {f"testville__{step}" for step in (*STEPS, "alert")}
    alert = found["dags"]["testville__alert"]
    assert alert["tasks"] == {"alert": []}
    assert alert["max_active_runs"] == 1
    assert alert["makes"] == alert["waits_for"] == []
    assert "desk@example.org" not in json.dumps(alert)


def test_no_task_may_hold_its_agency_for_ever(
    parsed: dict[str, Any], tmp_path: Path, small: SmallAgency
) -> None:
    waits_for_people = {"release", "confirm"}
    for dag in parsed["dags"].values():
        for task_id, hours in dag["hours"].items():
            assert hours == (None if task_id in waits_for_people else 12)
    small.settings["task_hours"] = 30
    small.write_settings()
    dags = parse(tmp_path, small.folder.parent)["dags"]
    assert {hours for dag in dags.values() for hours in dag["hours"].values()} == {30, None}


def test_a_broken_agency_has_dags_that_say_why_and_leaves_the_others_as_they_are(
    tmp_path: Path, small: SmallAgency
) -> None:
    too_long = "x" * 120
    copy_agency(small, too_long)
    for name, break_folder in BREAKAGES.items():
        break_folder(copy_agency(small, name))
    found = parse(tmp_path, small.folder.parent)
    assert found["errors"] == {}
    broken = {name: dag for name, dag in found["dags"].items() if "broken" in dag["tags"]}
    assert set(found["dags"]) - set(broken) == {f"testville__{step}" for step in STEPS}
    # six files; two of them stand in for a DAG that the agency may not have had
    assert len(broken) == (len(BREAKAGES) + 1) * len((*STEPS, "retain", "alert"))
    assert "every day at noon" in broken["schedule_in_words__build__broken"]["doc"]
    assert "AGENCY-CODES" in broken["map_is_a_pipe__train__broken"]["doc"]
    for name, dag in broken.items():
        assert len(name) <= 250
        assert all(len(tag) <= 100 for tag in dag["tags"])
        assert "Next step" in dag["doc"]
        assert list(dag["tasks"]) == ["why"]
