"""What dbt makes of the code alone is made once, and builds that start from it miss nothing."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cdi import paths
from cdi.build import prepare
from cdi.build.prepare import FILE_NAME, prepare_project
from tests.conftest import CALLS, SmallAgency
from tests.disk import recorded


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for what is prepared that no other test uses, and a stand-in for dbt."""
    monkeypatch.setenv("CDI_PREPARED", str(tmp_path / "own"))

    def call_dbt(what: str, file: Path, target: Path, *arguments: str) -> None:
        for name in ("partial_parse.msgpack", "run_results.json"):
            (target / name).write_text(" ".join(arguments), encoding="utf-8")
        if "fail" in arguments:
            raise RuntimeError

    monkeypatch.setattr(prepare, "call_dbt", call_dbt)
    return tmp_path / "own"


def test_two_builds_at_once_prepare_one_folder_and_leave_nothing_else(own: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = {future.result() for future in [pool.submit(prepare_project) for _ in range(4)]}
    assert len(made) == 1
    assert list(own.iterdir()) == list(made)
    assert {file.name for file in made.pop().iterdir()} == {
        FILE_NAME,
        "partial_parse.msgpack",
        "run_results.json",
        "sums.json",
    }


def test_what_is_prepared_is_on_the_disk_before_it_has_its_name(own: Path) -> None:
    """Otherwise a power cut leaves empty files, and each later build starts from them."""
    with recorded(own) as disk:
        prepare_project()
    assert disk.problems() == []


def test_changed_code_is_prepared_anew_and_the_same_is_not(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare_project()
    mark = first / "mark"
    mark.touch()
    assert prepare_project() == first
    assert mark.exists()
    assert prepare_project('{"is_learning": true}') != first
    project = tmp_path / "dbt_project"
    shutil.copytree(paths.DBT_PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    monkeypatch.setattr(paths, "DBT_PROJECT", project)
    moved = prepare_project()
    (project / "seeds" / "reasons.csv").write_text("reason_code\n", encoding="utf-8")
    changed = prepare_project()
    assert len({first, moved, changed}) == 3


@pytest.mark.parametrize("name", [FILE_NAME, "partial_parse.msgpack", "sums.json"])
def test_what_is_damaged_is_named_and_made_again(
    own: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = prepare_project() / name
    whole = file.read_bytes()
    (file.parent / "mark").touch()
    file.write_bytes(whole[:-4] + bytes(byte ^ 1 for byte in whole[-4:]))
    made = prepare_project()
    assert "[PREPARED-DAMAGED]" in caplog.text
    assert made == file.parent
    assert not (made / "mark").exists()
    assert prepare_project() == made
    assert caplog.text.count("[PREPARED-DAMAGED]") == 1


def test_what_failed_half_way_is_not_taken_for_whole(own: Path) -> None:
    with pytest.raises(RuntimeError):
        prepare_project("fail")
    assert list(own.iterdir()) == []


def test_only_what_was_not_used_for_a_week_is_removed(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare_project()
    second = prepare_project('{"is_learning": true}')
    assert first.is_dir()
    monkeypatch.setattr(prepare, "KEPT_SECONDS", -1)
    third = prepare_project('{"other": true}')
    assert not first.exists()
    assert not second.exists()
    assert third.is_dir()


def test_a_published_file_has_the_seeds_and_says_how_they_were_loaded(ran: SmallAgency) -> None:
    seeds = {file.stem for file in (paths.DBT_PROJECT / "seeds").glob("*.csv")}
    told = ran.rows("select node, status, row_count from run_results where resource_type = 'seed'")
    tables = ran.rows("select table_name from duckdb_tables() where schema_name = 'rules'")
    assert {node for node, _, _ in told} == {name for (name,) in tables} == seeds
    assert {status for _, status, _ in told} == {"success"}
    assert all(row_count > 0 for _, _, row_count in told)
    undescribed = ran.rows(
        "select table_name, column_name from duckdb_columns() "
        "where schema_name = 'rules' and comment is null"
    )
    assert undescribed == []


def test_the_rows_of_each_table_are_counted_in_the_file_or_in_memory(ran: SmallAgency) -> None:
    told = dict(
        ran.rows(
            "select node, row_count from run_results "
            "where resource_type = 'model' and row_count is not null"
        )
    )
    tables = dict(
        ran.rows(
            "select table_name, schema_name || '.' || table_name from duckdb_tables() "
            "where schema_name not in ('rules', 'codes')"
        )
    )
    kept = {name: table for name, table in tables.items() if name in told}
    assert len(kept) > 20
    counted = {name: ran.rows(f"select count(*) from {table}") for name, table in kept.items()}
    assert {name: [(told[name],)] for name in kept} == counted
    # what stands in memory is gone, and was counted before; these two see each of the five calls
    assert "int_linkage__calls" not in tables
    assert told["int_linkage__calls"] == told["fct_calls"] == len(CALLS)


def test_each_test_of_a_model_runs_in_a_build(ran: SmallAgency) -> None:
    """Also those that refer to a seed; dbt leaves them out if seeds are excluded by a selector."""
    told = {node for (node,) in ran.rows("select node from run_results where resource_type='test'")}
    assert any("relationships_fct_reported_crimes_call_id" in node for node in told)
    referring = ("fct_reported_crimes", "unrecorded_crimes", "int_disclosure__decisions")
    for model in referring:
        assert any(node.startswith(f"table_rules_{model}_") for node in told), model
