"""`make run` as a stranger uses it: simulated and real data through the real scheduler."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdi import paths
from tests.conftest import table_contents
from tests.slow.conftest import cli, environment, processes_of


@pytest.fixture(scope="module")
def first(nopd_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """State folder and output of the first run of `nopd`."""
    home = tmp_path_factory.mktemp("run")
    done = cli("run", "--agency", "nopd", "--data", str(nopd_data), home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    yield home, done.stdout


def test_the_run_shows_its_progress_and_prints_a_summary(first: tuple[Path, str]) -> None:
    home, output = first
    for task in ("calls.extract", "crime_records.check", "landed", "build", "publish"):
        assert f"{task}: success" in output
    for number in range(1, 4):
        assert f"Step {number} of 3: " in output
    summary = json.loads((home / "run.json").read_text(encoding="utf-8"))
    assert "no recording rate is known" in summary["headline"]
    assert summary["calls"] == 6528
    for line in ("no process is left", summary["headline"], "make shell AGENCY=nopd"):
        assert line in output
    assert f"Open     {summary['files']['report']}" in output
    for file in summary["files"].values():
        assert Path(file).exists()  # one is a folder


def test_the_published_figures_are_those_of_the_files(first: tuple[Path, str]) -> None:
    home, _ = first
    file = home / "published" / "nopd" / "current" / "recording.duckdb"
    with duckdb.connect(str(file), read_only=True) as con:
        row = con.execute(
            "select count(*), count(*) filter (is_crime_type_word_list), "
            "round(100 * avg(has_report::int) filter (is_crime_type_word_list), 1), "
            "round(100 * avg(has_crime_report::int) filter (is_crime_type_word_list), 1) "
            "from fct_calls"
        ).fetchone()
    assert row == (6528, 2268, 86.2, 85.0)


def test_no_process_is_left(first: tuple[Path, str]) -> None:
    assert processes_of(first[0]) == []


def test_a_second_run_says_that_nothing_changed(first: tuple[Path, str], nopd_data: Path) -> None:
    home, _ = first
    again = cli("run", "--agency", "nopd", "--data", str(nopd_data), home=home)
    assert again.returncode == 0, again.stderr
    assert "Nothing changed" in again.stdout
    assert "build: running" not in again.stdout
    assert "no recording rate is known" in again.stdout
    assert len(list((home / "landing" / "nopd" / "calls" / "batches").iterdir())) == 1


def test_without_the_published_folder_a_run_brings_back_the_same_tables(
    first: tuple[Path, str], nopd_data: Path
) -> None:
    home, _ = first
    file = home / "published" / "nopd" / "current" / "recording.duckdb"
    before = table_contents(file)
    assert len(before["main.fct_calls"]) == 6528
    shutil.rmtree(home / "published")
    again = cli("run", "--agency", "nopd", "--data", str(nopd_data), home=home)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "calls.extract: skipped" in again.stdout
    assert table_contents(file) == before


def test_a_damaged_source_fails_with_its_rule_and_the_next_step(
    first: tuple[Path, str], nopd_data: Path, tmp_path: Path
) -> None:
    home, _ = first
    published = home / "published" / "nopd" / "current" / "recording.duckdb"
    before = published.read_bytes()
    for file in nopd_data.glob("*.csv.gz"):
        shutil.copy(file, tmp_path)
    calls = tmp_path / "calls_for_service_2022_rtcc_sample.csv.gz"
    calls.chmod(0o644)
    calls.write_bytes(calls.read_bytes()[:100_000])
    failed = cli("run", "--agency", "nopd", "--data", str(tmp_path), home=home)
    assert failed.returncode == 1
    assert "SRC-GZIP" in failed.stderr
    assert "Next step" in failed.stderr
    assert published.read_bytes() == before
    assert processes_of(home) == []


def make_run(home: Path) -> subprocess.CompletedProcess[str]:
    """`make run` of a force of a tenth of the size, so that less is waited for."""
    return subprocess.run(
        ["make", "run", "SCENARIO=small_force", "SEED=4"],
        cwd=paths.REPO,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=2400,
    )


def test_without_an_agency_it_simulates_a_force_and_runs_it(tmp_path: Path) -> None:
    done = make_run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIMULATED" in done.stdout
    for task in ("log_actions.extract", "calls.check", "landed", "build", "publish"):
        assert f"{task}: success" in done.stdout
    summary = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert summary["agency"] == "simulated"
    assert summary["calls"] > 10_000
    assert (tmp_path / "truth" / "small_force-7-4" / "crimes.parquet").is_file()
    check_demonstration(tmp_path, summary)
    assert f"recorded {summary['audited']['recording_rate']:.1%} of reported" in summary["headline"]
    assert summary["headline"] in done.stdout
    assert done.stdout.rstrip().endswith(f"Compare  {tmp_path / 'peers.html'}")
    steps = re.findall(r"^(?:Step|Demonstration) \d of \d", done.stdout, re.MULTILINE)
    run = [f"Step {number} of 3" for number in range(1, 4)]
    people = [f"Demonstration {number} of 4" for number in range(1, 5)]
    assert steps == [*run, *people[:3], *run, people[3]]
    again = make_run(tmp_path)
    assert again.stdout.count("Nothing changed") == 2
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8")) == summary
    assert processes_of(tmp_path) == []


def check_demonstration(home: Path, summary: dict[str, Any]) -> None:
    """People have audited and decided, quarters are released, and a funnel compares five forces."""
    truth = home / "truth" / "small_force-7-4" / "crimes.parquet"
    with duckdb.connect(summary["files"]["database"], read_only=True) as con:
        audited = con.execute(
            "select lower_limit, recording_rate, upper_limit from audited_rates "
            "where domain = 'force'"
        ).fetchall()
        decided = con.execute(
            "select count(*) from unrecorded_crimes where status in ('confirmed', 'dismissed')"
        ).fetchone()
        nowcast = con.execute(
            "select count(*) from weekly_rates where nowcast_rate is not null"
        ).fetchone()
    assert truth.is_file()
    ((low, rate, high),) = audited
    assert 0.6 < low < rate < high < 0.95
    assert decided is not None and decided[0] >= 60
    assert nowcast is not None and nowcast[0] > 0
    with duckdb.connect(str(home / "published/simulated/current/open/open.duckdb")) as con:
        assert con.execute("select count(*) from crimes").fetchone() > (100,)
    peers = json.loads((home / "peers.json").read_text(encoding="utf-8"))
    assert len({row["agency_name"] for row in peers}) == len({row["rate"] for row in peers}) == 5
    assert all(row["low_95"] < row["target"] < row["high_95"] for row in peers)


def started_ui(home: Path) -> subprocess.Popen[str]:
    """`make ui`, once it says that Airflow is up."""
    started = subprocess.Popen(
        [Path(sys.executable).with_name("cdi"), "ui", "--data", str(home)],
        env={**environment(home), "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert started.stdout is not None
    assert any("Airflow is up" in line for line in started.stdout)
    return started


def test_a_killed_airflow_is_stopped_by_the_next_which_stops_itself_when_asked(
    tmp_path: Path,
) -> None:
    with started_ui(tmp_path) as killed:
        killed.kill()
    left = processes_of(tmp_path)
    assert any("scheduler" in process for process in left)
    with started_ui(tmp_path) as asked:
        beside = cli("ui", "--data", str(tmp_path), home=tmp_path)
        assert f"SERVICE-BUSY] an Airflow of {tmp_path} is running" in beside.stderr
        assert any("scheduler" in process for process in processes_of(tmp_path))
        asked.terminate()
        try:
            assert asked.wait(timeout=300) == 143
        finally:
            asked.kill()
    assert processes_of(tmp_path) == []
