"""The audit loop through a real Airflow, on the simulated force; its headline once more in R."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.audit.draws import load_draw
from cdi.local import airflow
from cdi.local.airflow import Client, open_airflow
from cdi.local.run import default_interval
from cdi.people.audit import find_draw, read_audited_rates
from cdi.publish.audit_pack import make_pack
from cdi_proofs.auditors import read_whole_audit
from cdi_proofs.published import run_simulated
from tests.inspector import unpack
from tests.number_contract import read_figures
from tests.slow.conftest import SCENARIOS, processes_of, wait_for

LOGS = 1_500
STARTS, ENDS = "2017-04-01", "2017-06-01"  # the two mature months of three
READ_AT = datetime.now().replace(microsecond=0) + timedelta(days=1)  # after any draw


class Loop:
    """A published simulated force in a real Airflow, from the draw to an audited rate."""

    def __init__(self, client: Client) -> None:
        """Of a running Airflow."""
        self.client = client

    @property
    def agency(self) -> Agency:
        """As the registry has it now."""
        return load_agency(paths.SIMULATED)

    def run(self, step: str, **conf: Any) -> str:
        """Trigger a DAG and wait for its end; returns the run."""
        dag_id = f"{paths.SIMULATED}__{step}"
        run_id = self.client.trigger(dag_id, conf)
        return self.wait(dag_id, run_id)

    def wait(self, dag_id: str, run_id: str) -> str:
        """Wait for a run's good end; returns the run."""
        ended = ("success", "failed")
        wait_for(f"end of {dag_id}", lambda: self.client.runs(dag_id)[run_id] in ended, 900)
        assert self.client.runs(dag_id)[run_id] == "success", self.notes(dag_id, run_id)
        return run_id

    def notes(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Task notes of a run."""
        return {t["task_id"]: t["note"] or "" for t in self.client.tasks(dag_id, run_id)}

    def extract_and_build(self) -> None:
        """Extract; what was landed brings about a build."""
        build = f"{paths.SIMULATED}__build"
        known = set(self.client.runs(build))
        interval = default_interval(self.agency)
        days = {"interval_start": interval.start, "interval_end": interval.end}
        self.run("extract", **{name: day.isoformat() for name, day in days.items()})
        wait_for("a build", lambda: bool(set(self.client.runs(build)) - known))
        for run_id in set(self.client.runs(build)) - known:
            self.wait(build, run_id)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """Rates of the published version, after the whole loop."""
    home = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("CDI_HOME", str(home)),
            ("SCENARIO", str(SCENARIOS / "two_fifths")),
            ("MONTHS", "3"),
            ("SEED", "1"),
        ):
            patch.setenv(name, value)
        for name in ("CDI_DATA", "CDI_AGENCIES"):
            patch.delenv(name, raising=False)
        run_simulated(lambda told: None)
        steps = ("build", "extract", "audit")
        dag_ids = tuple(f"{paths.SIMULATED}__{step}" for step in steps)
        with open_airflow(airflow.RUN_COMPONENTS, dag_ids) as client:
            made = Loop(client)
            run_id = made.run("audit", logs=LOGS, starts_on=STARTS, ends_on=ENDS)
            notes = made.notes(dag_ids[2], run_id)
            assert f"{LOGS:,} of" in notes["draw"]
            assert "6 worksheets" in notes["worksheets"]
            draw = find_draw(made.agency)
            read_whole_audit(made.agency, draw, READ_AT)
            made.extract_and_build()
        assert processes_of(home) == []
        yield read_audited_rates(made.agency)


def true_rate() -> float:
    """Of the crimes of all logs of the frame in the period: recorded among due."""
    draw = find_draw(load_agency(paths.SIMULATED))
    with duckdb.connect() as con:
        rows = con.execute(
            "select avg((outcome_as_of = 'recorded')::int) from read_parquet(?) "
            "where outcome_as_of in ('recorded', 'wrongly_cancelled', 'unrecorded') "
            "and call_id in (select unnest(?))",
            [str(paths.truth() / "crimes.parquet"), draw.frame.logs["call_id"].to_pylist()],
        ).fetchall()
    return float(rows[0][0])


def test_the_loop_through_airflow_tells_a_narrow_rate_that_is_true(
    audited: list[dict[str, Any]],
) -> None:
    """The DAG draws at random, with no seed to set, as nobody may choose what is drawn.

    The 95% interval of one draw misses the truth once in twenty times, so five standard errors are
    asked here. That the interval holds as often as it says is asked of many draws with fixed seeds
    in `test_rehearsal` and `test_coverage`.
    """
    force = audited[0]
    assert force["domain"] == "force"
    assert force["half_width"] < 1.5
    assert 0 < force["standard_error"] < 0.01
    assert force["lower_limit"] < force["recording_rate"] < force["upper_limit"]
    width = force["upper_limit"] - force["lower_limit"]
    assert width == pytest.approx(2 * 1.96 * force["standard_error"], rel=0.1)
    assert abs(force["recording_rate"] - true_rate()) < 5 * force["standard_error"]
    assert sum(row["recording_rate"] is not None for row in audited) >= 5
    page = paths.published(paths.SIMULATED) / "current" / "report.html"
    assert "measured by" in page.read_text(encoding="utf-8")


def test_the_interval_is_of_the_frozen_draw(audited: list[dict[str, Any]]) -> None:
    draw = load_draw(paths.SIMULATED, audited[0]["draw_id"])
    assert len(draw.positions) == LOGS
    interval = Interval.of_days(
        load_agency(paths.SIMULATED),
        *(datetime.fromisoformat(day).date() for day in (STARTS, ENDS)),
    )
    assert draw.facts["starts_at"] == interval.start.replace(tzinfo=None).isoformat()


@pytest.mark.skipif(
    shutil.which("Rscript") is None,
    reason="R (Debian: r-base-core, r-cran-survey) is not on this machine",
)
def test_r_finds_the_same_headline_in_the_pack_of_the_audit(
    audited: list[dict[str, Any]], tmp_path: Path
) -> None:
    """By the command that CHECK.md prints, in a folder with nothing but the pack."""
    pack = tmp_path / "pack.zip"
    pack.write_bytes(make_pack(load_agency(paths.SIMULATED), audited[0]["draw_id"]).content)
    folder = unpack(pack, tmp_path / "unpacked")
    page = (folder / "CHECK.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^Rscript .*$", page, re.MULTILINE)
    done = subprocess.run(
        shlex.split(command), cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [float(line) for line in done.stdout.split()]
    names = ("recording_rate", "standard_error", "lower_limit", "upper_limit")
    assert np.abs(np.array(found) - [audited[0][name] for name in names]).max() < 1e-6
    # and these are the numbers of the report that is in the pack
    figures = {figure["id"]: figure.get("text") for figure in read_figures(folder / "version")}
    shown = [figures[f"rate_audited{limit}"] for limit in ("", "_lower", "_upper")]
    assert shown == [f"{found[place]:.1%}" for place in (0, 2, 3)]
