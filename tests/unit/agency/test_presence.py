"""Which agencies have data: those that nobody uses get no DAGs in the UI."""

from pathlib import Path

import pytest

from cdi import paths
from cdi.agency.presence import has_data, list_agencies_with_data
from tests.broken import copy_agency
from tests.conftest import SmallAgency
from tests.postgres import read_by_sql


def remove_files(small: SmallAgency) -> None:
    """Remove the source files."""
    for file in small.data.iterdir():
        file.unlink()


def test_an_agency_has_data_if_a_file_is_at_hand_or_a_batch_landed(small: SmallAgency) -> None:
    assert has_data(small.agency)
    remove_files(small)
    assert not has_data(small.agency)
    (paths.landing("testville", "calls") / "batches" / "b1").mkdir(parents=True)
    assert has_data(small.agency)


def test_a_file_of_each_day_is_found_without_its_day(small: SmallAgency) -> None:
    remove_files(small)
    (small.data / "calls-2026-01-05.csv").write_text("x", encoding="utf-8")
    small.settings["sources"]["calls"]["files"] = [
        {"path": "calls-{date:%Y-%m-%d}.csv", "as_of": "{date}"}
    ]
    small.settings["sources"]["calls"]["delivery"] = "changes"
    small.write_settings()
    assert has_data(small.agency)


def test_a_live_source_is_at_hand_if_its_connection_is(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_by_sql(small)
    connection = small.agency.sources["calls"].connection
    assert connection
    monkeypatch.delenv(f"AIRFLOW_CONN_{connection.upper()}", raising=False)
    assert not has_data(small.agency)
    monkeypatch.setenv(f"AIRFLOW_CONN_{connection.upper()}", "postgres://")
    assert has_data(small.agency)


def test_a_folder_with_a_mistake_is_listed_so_that_somebody_sees_it(small: SmallAgency) -> None:
    copy_agency(small, "other")
    (copy_agency(small, "spoiled") / "agency.yaml").write_text("no settings", encoding="utf-8")
    for file in (small.folder.parent / "other" / "data").iterdir():
        file.unlink()
    assert list_agencies_with_data() == ["spoiled", "testville"]


@pytest.mark.parametrize(
    ("shown", "is_shown"),
    [(None, True), ("", True), ("all", True), ("north,testville", True), ("testville2", False)],
)
def test_which_agencies_get_dags_is_a_setting(
    monkeypatch: pytest.MonkeyPatch, state: Path, shown: str | None, is_shown: bool
) -> None:
    monkeypatch.delenv("CDI_SHOWN", raising=False)
    if shown is not None:
        monkeypatch.setenv("CDI_SHOWN", shown)
    assert paths.is_shown("testville") is is_shown
