"""Run dbt's native unit tests, and its tests of the seeds: no build repeats those."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdi import paths
from cdi.build.dbt import PART
from cdi.build.inputs import open_landing
from cdi.build.prepare import FILE_NAME, prepare_project
from cdi.build.version import Version, hash_code_parts
from cdi.sql import connect
from tests.conftest import SmallAgency


def written() -> list[dict[str, Any]]:
    """Every unit test that stands in the project's files."""
    found: list[dict[str, Any]] = []
    for file in sorted((paths.DBT_PROJECT / "models").rglob("*.yml")):
        found += yaml.safe_load(file.read_text(encoding="utf-8")).get("unit_tests", [])
    return found


UNIT_TESTS = written()


def dbt(
    file: Path, target: Path, *arguments: str, project: Path = paths.DBT_PROJECT
) -> subprocess.CompletedProcess[str]:
    """Run dbt in a process of its own on a file, leaving nothing in the project."""
    parsed = prepare_project(PART) / "partial_parse.msgpack"
    folders = ["--project-dir", str(project), "--profiles-dir", str(paths.DBT_PROJECT)]
    return subprocess.run(
        [
            *(sys.executable, "-m", "dbt.cli.main", "--no-use-colors", "--log-path", str(target)),
            *("--log-level-file", "info"),  # writing each statement into a log takes long
            *(*arguments, *folders, "--target-path", str(target)),
            *("--vars", PART, "--partial-parse-file-path", str(parsed)),
        ],
        cwd=file.parent,
        env={**os.environ, "CDI_BUILD_FILE": file.name},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """What dbt says of each test, by `unit_test.cdi.<model>.<name>` or `test.cdi.<name>.<hash>`.

    dbt learns the columns of a test's inputs from the relations, so these are made, too, empty.
    If a unit test fails, dbt skips what reads the model, and the tests of that are `skipped` here.
    """
    folder = tmp_path_factory.mktemp("dbt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDI_HOME", str(folder / "state"))
        patch.setenv("CDI_AGENCIES", str(folder / "agencies"))
        agency = SmallAgency(folder / "agencies" / "testville").agency
        nothing = Version(
            agency,
            datetime(2026, 1, 7, tzinfo=UTC),
            {name: [] for name in agency.sources},
            "0" * 64,
        )
        nothing.folder.mkdir(parents=True)
        shutil.copy(prepare_project() / FILE_NAME, nothing.file)
        with connect(nothing.file) as con:
            open_landing(con, nothing)
        target = folder / "target"
        # Each model is built after its unit tests, and before those of the models that read it. Not
        # --empty: that empties the seeds too, and their columns' types with them. The tests of the
        # models' rows are left to the builds of tests/pipeline.
        tested = dbt(nothing.file, target, "build", "--exclude", "path:models,resource_type:test")
    # 1: a test failed, which its own case below tells; 2: dbt itself did
    assert tested.returncode in (0, 1), tested.stdout
    told = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    yield {result["unique_id"]: result for result in told}


def test_dbt_ran_each_unit_test_that_is_written(results: dict[str, dict[str, Any]]) -> None:
    names = [f"{test['model']}.{test['name']}" for test in UNIT_TESTS]
    assert names
    assert len(set(names)) == len(names)
    ran = {name for name in results if name.startswith("unit_test.")}
    assert ran == {f"unit_test.cdi.{name}" for name in names}


@pytest.mark.parametrize("test", UNIT_TESTS, ids=lambda test: f"{test['model']}: {test['name']}")
def test_unit_test_passes(test: dict[str, Any], results: dict[str, dict[str, Any]]) -> None:
    result = results[f"unit_test.cdi.{test['model']}.{test['name']}"]
    assert result["status"] == "pass", result["message"]


def test_the_seeds_pass_their_tests(results: dict[str, dict[str, Any]]) -> None:
    tests = {name: r["message"] for name, r in results.items() if name.startswith("test.")}
    assert len(tests) > 60
    assert {n: message for n, message in tests.items() if results[n]["status"] != "pass"} == {}


def test_each_unit_test_stands_in_the_folder_of_its_room_in_the_file_of_its_model() -> None:
    models = {file.stem: file for file in (paths.DBT_PROJECT / "models").glob("*/*.sql")}
    for file in (paths.DBT_PROJECT / "models").rglob("*.yml"):
        for test in yaml.safe_load(file.read_text(encoding="utf-8")).get("unit_tests", []):
            model = models[test["model"]]
            assert file == model.parent / "unit_tests" / f"{model.stem}.yml", test["name"]


def test_a_changed_unit_test_makes_no_new_version_and_a_changed_model_does(
    small: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "dbt_project"
    shutil.copytree(paths.DBT_PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    monkeypatch.setattr(paths, "DBT_PROJECT", project)
    before = hash_code_parts(small.agency)
    for file in (project / "models").rglob("unit_tests/*.yml"):
        file.write_text("version: 2\n", encoding="utf-8")
    assert hash_code_parts(small.agency) == before
    model = project / "models" / "marts" / "links.sql"
    model.write_text(f"{model.read_text(encoding='utf-8')}\n", encoding="utf-8")
    after = hash_code_parts(small.agency)
    assert {part for part in before if before[part] != after[part]} == {"models"}
