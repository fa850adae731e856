"""A police database under the real scheduler: nights of changes, a day off, secrets, a backfill."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pytest

from cdi import paths
from cdi.agency.interval import Interval
from cdi.local import airflow as local_airflow
from cdi.local import run as local_run
from cdi.local.airflow import open_airflow
from cdi.steps.run import run_directly
from tests.conftest import SmallAgency
from tests.postgres import (
    CONNECTION,
    READER,
    Systems,
    postgres_or_skip,
    published_contents,
    read_by_sql,
)
from tests.slow.conftest import RunningAirflow, processes_of, wait_for
from tests.slow.test_airflow import airflow_command, midnight
from tests.traces import kinds_with

CALLER, PHONE = "Zebedee Quillfeather", "01632 960777"
FIRST = date(2026, 3, 27)  # summer time begins on the 29th
NIGHTS = 3
BACKTEST = "measures.worklist_backtest"


@dataclass
class Force:
    """The running Airflow and the database that it reads."""

    airflow: RunningAirflow
    systems: Systems
    numbers: int = 0

    def live_a_day(self, day: date, draw: np.random.Generator) -> None:
        """Let calls and records come on a day, and some of the days before change or go."""
        self.receive_calls(day, draw, 5)
        calls = [number for (number,) in self.systems.run("select number from calls")]
        changed, gone = map(str, draw.permutation(calls)[:2])
        self.systems.run("update calls set closure = 'DUP' where number = %s", changed)
        self.systems.run("delete from calls where number = %s", gone)
        self.systems.run("delete from records where call = %s", gone)
        self.systems.set_clock(f"{day + timedelta(days=1)} 00:00 Europe/London")

    def receive_calls(self, day: date, draw: np.random.Generator, hour: int) -> None:
        """Let calls come from an hour of a day on, and records of some of them."""
        for _ in range(30):
            self.numbers += 1
            number = f"T-{self.numbers:04}"
            minutes = timedelta(minutes=int(draw.integers(400)))
            received = datetime(day.year, day.month, day.day, hour) + minutes
            kind, closure = [("ASSAULT", "CRIME"), ("ASSAULT", "NONE"), ("NOISE", "NONE")][
                int(draw.integers(3))
            ]
            self.systems.add_call(
                number, f"{received}", opened_as=kind, closed_as=kind, closure=closure,
                caller=CALLER, phone=PHONE, text=f"{CALLER} says that she was hit",
            )  # fmt: skip
            if closure == "CRIME":
                self.systems.run(
                    "insert into records values (%s, %s, %s, 'A1', 'OPEN', 'S')",
                    f"R{self.numbers}", number, received + timedelta(hours=1),
                )  # fmt: skip

    def extract(self, day: date) -> tuple[str, str]:
        """Run the extract DAG for a day; returns run id and state."""
        agency = self.airflow.small.agency
        return self.extract_between(
            midnight(agency, day), midnight(agency, day + timedelta(days=1))
        )

    def extract_between(self, start: str, end: str) -> tuple[str, str]:
        """Run the extract DAG for an interval; returns run id and state."""
        return self.airflow.run(
            "testville__extract", {"interval_start": start, "interval_end": end}
        )


@pytest.fixture(scope="module")
def force(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Force]:
    home = tmp_path_factory.mktemp("state")
    registry = tmp_path_factory.mktemp("agencies")
    with postgres_or_skip() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDI_HOME", str(home))
        patch.setenv("CDI_AGENCIES", str(registry))
        patch.delenv("CDI_DATA", raising=False)
        small = SmallAgency(registry / "testville")
        small.settings["start_date"] = str(FIRST)
        read_by_sql(small, calls=35, crime_records=60)
        systems = Systems.create(server, "testville")
        patch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", connection(systems))
        with open_airflow(local_airflow.RUN_COMPONENTS, local_run.dag_ids(small.agency)) as client:
            yield Force(RunningAirflow(client, home, small), systems)
        systems.close()
    assert processes_of(home) == []


def connection(systems: Systems) -> str:
    """The connection of the login that may only read."""
    return json.dumps(
        {
            "conn_type": "postgres", "host": "127.0.0.1", "port": systems.server.port,
            "login": READER, "password": systems.server.password, "schema": systems.name,
        }
    )  # fmt: skip


def read_backtest(file: Path) -> list[tuple[date, int, int]]:
    """The months of a file's back-test: their logs, and of how many the list of then is known."""
    with duckdb.connect(str(file), read_only=True) as con:
        return con.execute(
            f"select received_month_on, log_count, known_count from {BACKTEST} order by all"
        ).fetchall()


def test_each_night_the_published_tables_are_those_of_one_load(
    force: Force, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(20260329)
    airflow = force.airflow
    published = 0
    for night in range(NIGHTS):
        day = FIRST + timedelta(days=night)
        if night == NIGHTS - 1:  # the day of 23 hours is extracted by the hour as well
            for hour in (12, 13):
                force.receive_calls(day, draw, hour - 8)  # so that no record is of the future
                force.systems.set_clock(f"{day} {hour}:00 Europe/London")
                run_id, state = force.extract_between(
                    f"{day}T{hour - 1}:00:00+01:00", f"{day}T{hour}:00:00+01:00"
                )
                assert state == "success", airflow.notes("testville__extract", run_id)
                wait_for("the build", partial(_has_settled, airflow, published))
                published += 1
        force.live_a_day(day, draw)
        run_id, state = force.extract(day)
        assert state == "success", airflow.notes("testville__extract", run_id)
        wait_for("the build", partial(_has_settled, airflow, published))
        published += 1
        ours = published_contents(airflow.small.published / "recording.duckdb")
        once = tmp_path / f"once{night}"
        with monkeypatch.context() as patch:
            patch.setenv("CDI_HOME", str(once))
            (once / "secrets").mkdir(parents=True)
            key = paths.secrets() / "testville.key"
            key.write_bytes((airflow.home / "secrets" / "testville.key").read_bytes())
            key.chmod(0o600)
            interval = Interval.of_days(airflow.small.agency, FIRST, day + timedelta(days=1))
            assert run_directly("testville", interval)
            file = paths.published("testville") / "current" / "recording.duckdb"
            theirs = published_contents(file)
            known_to_one_load = read_backtest(file)
        assert len(ours["main.fct_calls"]) == force.systems.run("select count(*) from calls")[0][0]
        assert ours.keys() == theirs.keys()
        # What the list said twelve hours after a call is replayed from what was landed by then: one
        # load days later has the same calls, and knows that of fewer.
        assert {name for name in ours if ours[name] != theirs[name]} <= {BACKTEST}
        known = read_backtest(airflow.small.published / "recording.duckdb")
        assert [(month, logs) for month, logs, _ in known] == [
            (month, logs) for month, logs, _ in known_to_one_load
        ]
        assert all(
            ours_known >= theirs_known
            for (*_, ours_known), (*_, theirs_known) in zip(known, known_to_one_load, strict=True)
        )
    assert sum(count for *_, count in known) > sum(count for *_, count in known_to_one_load)
    batches = sorted(paths.landing("testville", "calls").glob("batches/*"))
    assert len(batches) == NIGHTS + 2
    notes = airflow.notes("testville__extract", run_id)
    assert "rows came, as many as the source counts" in notes["calls.extract"]


def test_a_day_on_which_the_source_is_down_is_named_and_caught_up(force: Force) -> None:
    force.airflow.pause("testville__build")  # from here on nobody looks at what is published
    draw = np.random.default_rng(1)
    force.systems.run(f"alter role {READER} nologin")
    down = FIRST + timedelta(days=NIGHTS)
    force.live_a_day(down, draw)
    run_id, state = force.extract(down)
    assert state == "failed"
    note = force.airflow.notes("testville__extract", run_id)["calls.extract"]
    assert "SRC-ACCESS" in note
    assert READER in note
    force.systems.run(f"alter role {READER} login")
    force.live_a_day(down + timedelta(days=1), draw)
    _, state = force.extract(down + timedelta(days=1))
    assert state == "success"
    newest = _newest_manifest()
    assert {str(down), str(down + timedelta(days=1))} <= {f["name"] for f in newest["files"]}


def test_a_backfill_asks_one_question_at_a_time_and_finds_nothing_new(force: Force) -> None:
    client = force.airflow.client
    pools = subprocess.run(
        [*airflow_command(), "pools", "list", "--output", "json"],
        env=client.env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    listed = {pool["pool"]: pool["slots"] for pool in json.loads(pools.stdout)}
    assert listed[f"source_{CONNECTION}"] == "1"
    before = _newest_manifest()["seq"]
    agency = force.airflow.small.agency
    days = [FIRST + timedelta(days=night) for night in range(NIGHTS)]
    subprocess.run(
        [*airflow_command(), "backfill", "create", "--dag-id", "testville__extract",
         "--from-date", midnight(agency, days[0]), "--to-date", midnight(agency, days[-1])],
        env=client.env, capture_output=True, text=True, check=True,
    )  # fmt: skip

    def backfilled() -> list[str]:
        runs = client.runs("testville__extract")
        return [state for run_id, state in runs.items() if run_id.startswith("backfill")]

    wait_for(
        "the backfill",
        lambda: len(backfilled()) == NIGHTS and set(backfilled()) <= {"success", "failed"},
    )
    assert set(backfilled()) == {"success"}
    assert _newest_manifest()["seq"] == before


def test_neither_the_password_nor_a_caller_stands_anywhere(force: Force) -> None:
    """Logs, notes, XComs (the metadata database), pages, landing and published files are read."""
    dag_ids = local_run.dag_ids(force.airflow.small.agency)
    # Files that a task is writing come and go.
    wait_for("all runs to end", lambda: all(
        state in ("success", "failed")
        for dag_id in dag_ids for state in force.airflow.client.runs(dag_id).values()
    ))  # fmt: skip
    words = [force.systems.server.password, "Quillfeather", PHONE]
    found = kinds_with(force.airflow.home, "testville", words)
    assert found == {}
    assert list(force.airflow.home.rglob("rows.parquet"))
    assert list(force.airflow.home.rglob("*.log"))
    assert "SRC-ACCESS" in "".join(
        file.read_text(encoding="utf-8", errors="ignore")
        for file in force.airflow.home.rglob("*.log")
    )


def _has_settled(airflow: RunningAirflow, more_than: int) -> bool:
    states = list(airflow.client.runs("testville__build").values())
    assert "failed" not in states
    return len(states) > more_than and set(states) == {"success"}


def _newest_manifest() -> dict[str, object]:
    from cdi.landing.batches import accepted_batches

    return accepted_batches("testville", "calls")[-1].manifest
