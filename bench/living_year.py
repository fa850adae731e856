"""A year of a force's life in PostgreSQL, followed night by night by the real scheduler.

    .venv/bin/python bench/living_year.py                    # a year in one life: over five hours
    NIGHTS=30 FIRST=2026-03-15 .venv/bin/python bench/living_year.py

Each day calls and crime records come, some are committed only after the night's extraction, some
that came in the last weeks are changed without a trace, are deleted, or have their report sealed.
On the days on which the clock changes the source is extracted by the hour as well. After each night
the extract DAG runs, and the build DAG follows by itself. Then the published tables must be those
of one load of what the database holds at that moment, made beside it from an empty state folder
with the same learnt weights. A night takes half a minute on two cores, and a minute after five
months, as a landing of days has more and more files. Prints what it saw as JSON; exits with 1 if a
night differs.
"""

import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests import warm_dbt
from tests.conftest import SmallAgency
from tests.postgres import CONNECTION, READER, Systems, published_contents, read_by_sql

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.build import dbt
from cdi.console import console
from cdi.keys import read_agency_key
from cdi.local import airflow as local_airflow
from cdi.local.airflow import Client
from cdi.local.run import dag_ids
from cdi.steps.run import land_directly, publish_new
from cdi_force.database import run_postgres

NAME = "testville"
NIGHTS = int(os.environ.get("NIGHTS") or 365)
FIRST = date.fromisoformat(os.environ.get("FIRST") or "2026-01-10")
CALLS_A_DAY = 12
WINDOWS = {"calls": 35, "crime_records": 60}  # days that each extraction reads
CHANGED_WITHIN = timedelta(days=30)  # what is older than a window may not change unseen
KINDS = (("ASSAULT", "CRIME"), ("ASSAULT", "NONE"), ("NOISE", "NONE"), ("THEFT", "CRIME"))


@dataclass
class Life:
    """The database of the force, and what happens in it.

    Attributes:
        systems: Its tables.
        draw: Chooses what happens.
        happened: How often each kind of change happened.
        late: A transaction with a row that is not committed yet.
    """

    systems: Systems
    draw: np.random.Generator
    happened: Counter[str] = field(default_factory=Counter)
    late: Any = None

    def live_until(self, start: datetime, end: datetime, calls: int) -> None:
        """Let calls and records come between two moments, and some of before change."""
        for _ in range(calls):
            self._receive_call(self.systems.run, start, end)
        since = str(local(start) - CHANGED_WITHIN)
        self._change("silent update", since, "update calls set closure = 'DUP' where number = %s")
        self._change("deletion", since, "delete from calls where number = %s",
                     "delete from records where call = %s")  # fmt: skip
        self._change("sealed report", since, "delete from records where call = %s")
        self._change("change of a record", since, "update records set offence = 'NC', "
                     "status = 'CANCELLED' where call = %s")  # fmt: skip
        self.systems.run("update clock set now = %s", end)

    def _change(self, kind: str, since: str, *statements: str) -> None:
        """Do a thing to one of the calls that were received since a local time."""
        recent = self.systems.run("select number from calls where received > %s order by 1", since)
        if recent:
            number = str(recent[int(self.draw.integers(len(recent)))][0])
            for statement in statements:
                self.systems.run(statement, number)
            self.happened[kind] += 1

    def _receive_call(self, run: Any, start: datetime, end: datetime) -> None:
        self.happened["call"] += 1
        number = f"T-{self.happened['call']:04}"
        received = self._choose_moment(start, end)
        kind, closure = KINDS[int(self.draw.integers(len(KINDS)))]
        run(
            "insert into calls (number, received, opened_as, closed_as, closure, district, text) "
            "values (%s, %s, %s, %s, %s, 'S', 'She says that she was hit')",
            number, local(received), kind, kind, closure,
        )  # fmt: skip
        if closure == "CRIME":
            self.happened["record"] += 1
            recorded = self._choose_moment(received, end)
            run(
                "insert into records values (%s, %s, %s, 'A1', 'OPEN', 'S')",
                f"R{self.happened['record']}", number, local(recorded),
            )  # fmt: skip

    def _choose_moment(self, start: datetime, end: datetime) -> datetime:
        """Choose a moment whose local time there is once: a database without zones knows no more.

        Args:
            start: The earliest moment.
            end: The first moment that is too late.
        """
        zone = load_agency(NAME).zone
        drawn = start + (end - start) * float(self.draw.random())
        for moment in (drawn.replace(microsecond=0), start):
            there = moment.astimezone(zone)
            if there.utcoffset() == there.replace(fold=1 - there.fold).utcoffset():
                return moment
        return start - timedelta(hours=3)

    def begin_late_commit(self, start: datetime, end: datetime) -> None:
        """Write a call of this day in a transaction that ends only after the extraction."""
        self.late = self.systems.connect()
        cursor = self.late.cursor()
        self._receive_call(lambda text, *values: cursor.execute(text, values), start, end)
        self.happened["late commit"] += 1

    def end_late_commit(self) -> None:
        """Commit it."""
        if self.late:
            self.late.commit()
            self.late.close()
            self.late = None


def local(moment: datetime) -> datetime:
    """Give a moment as the database writes it: local time without a zone."""
    return moment.astimezone(load_agency(NAME).zone).replace(tzinfo=None)


def load_once(home: Path, weights: Path, key: bytes, days: tuple[date, date]) -> dict[str, Any]:
    """Load what the database holds into an empty state folder; returns the published tables."""
    os.environ["CDI_HOME"] = str(home)
    dbt.start_dbt = warm_dbt.start_dbt  # the state folder of each night is new, and dbt is not
    if weights.is_dir():
        shutil.copytree(weights, home / "weights")
    paths.secrets().mkdir(parents=True)
    (paths.secrets() / f"{NAME}.key").write_text(key.hex())
    (paths.secrets() / f"{NAME}.key").chmod(0o600)
    land_directly(NAME, Interval.of_days(load_agency(NAME), *days))
    publish_new(NAME)
    return published_contents(paths.published(NAME) / "current" / "recording.duckdb")


@contextmanager
def make_force(folder: Path) -> Iterator[tuple[Life, Client]]:
    """Keep the database and a real Airflow up, with the agency that is read from it."""
    os.environ |= {"CDI_HOME": str(folder / "state"), "CDI_AGENCIES": str(folder / "agencies")}
    small = SmallAgency(folder / "agencies" / NAME)
    small.settings["start_date"] = str(FIRST)
    read_by_sql(small, **WINDOWS)
    with run_postgres() as server:
        systems = Systems.create(server, NAME)
        os.environ[f"AIRFLOW_CONN_{CONNECTION.upper()}"] = json.dumps(
            {
                "conn_type": "postgres", "host": "127.0.0.1", "port": server.port,
                "login": READER, "password": server.password, "schema": NAME,
            }
        )  # fmt: skip
        ids = dag_ids(load_agency(NAME))
        with local_airflow.open_airflow(local_airflow.RUN_COMPONENTS, ids) as client:
            yield Life(systems, np.random.default_rng(FIRST.toordinal())), client
        systems.close()


@dataclass
class Scheduler:
    """The real scheduler, and all runs that it made.

    Attributes:
        client: Airflow's API.
        runs: The state of each run, by the name of its DAG.
    """

    client: Client
    runs: dict[str, dict[str, str]] = field(default_factory=lambda: {"extract": {}, "build": {}})

    def run_extraction(self, start: datetime, end: datetime) -> None:
        """Run the extract DAG for an interval and wait until it and the build after it have ended.

        Raises:
            RuntimeError: If a run fails, or does not end within ten minutes.
        """
        builds_before = len(self.runs["build"])
        run_id = self.client.trigger(
            f"{NAME}__extract",
            {"interval_start": start.isoformat(), "interval_end": end.isoformat()},
        )
        until = time.monotonic() + 600
        while time.monotonic() < until:
            for dag, seen in self.runs.items():
                seen |= self.client.runs(f"{NAME}__{dag}")
            builds = self.runs["build"]
            if "failed" in {*builds.values(), *self.runs["extract"].values()}:
                break
            is_extracted = self.runs["extract"].get(run_id) == "success"
            if is_extracted and len(builds) > builds_before and set(builds.values()) == {"success"}:
                return
            time.sleep(1)
        raise RuntimeError(
            f"the extraction {run_id} or the build after it failed, or took too long: "
            f"{self._list_notes_of_failed()}"
        )

    def _list_notes_of_failed(self) -> list[str]:
        """The notes of the failed tasks, which say what broke."""
        return [
            str(task["note"])
            for dag, seen in self.runs.items()
            for run_id, state in seen.items()
            if state == "failed"
            for task in self.client.tasks(f"{NAME}__{dag}", run_id)
            if task["state"] == "failed"
        ]


def midnight(day: date) -> datetime:
    """The moment at which a day of the force begins, in UTC."""
    zone = load_agency(NAME).zone
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def hours_of(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The hours of a day on which the clock changes; nothing for any other day."""
    hours = int((end - start) / timedelta(hours=1))
    if hours == 24:
        return []
    return [(start + timedelta(hours=h), start + timedelta(hours=h + 1)) for h in range(hours)]


def follow_year(folder: Path) -> dict[str, Any]:
    """Live night by night, and compare; returns what was seen."""
    differ: dict[str, list[str]] = {}
    seen: Counter[str] = Counter()
    began = time.monotonic()
    loaders = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    with make_force(folder) as (life, client), loaders as loader:
        scheduler = Scheduler(client)
        key = read_agency_key(NAME)
        for night in range(NIGHTS):
            day = FIRST + timedelta(days=night)
            days = (FIRST, day + timedelta(days=1))
            start, end = map(midnight, (day, days[1]))
            life.end_late_commit()
            for hour in hours_of(start, end):
                life.live_until(*hour, calls=1)
                scheduler.run_extraction(*hour)
                seen["hourly extractions"] += 1
            life.live_until(start, end, CALLS_A_DAY)
            if night % 3 == 0:
                life.begin_late_commit(start, end)
            once = folder / "once"
            loading = loader.submit(load_once, once, paths.home() / "weights", key, days)
            scheduler.run_extraction(start, end)
            theirs = loading.result()
            ours = published_contents(paths.published(NAME) / "current" / "recording.duckdb")
            unlike = sorted(t for t in ours.keys() | theirs.keys() if ours.get(t) != theirs.get(t))
            if len(ours["main.fct_calls"]) != life.systems.run("select count(*) from calls")[0][0]:
                unlike.append("main.fct_calls has not as many calls as the database")
            if unlike:
                differ[str(day)] = unlike
            seen["nights"] += 1
            seen["tables"] += len(ours)
            seen["rows"] += sum(map(len, ours.values()))
            shutil.rmtree(once)
            console.print(
                f"{day}: night {night + 1} of {NIGHTS}, {len(differ)} differ, "
                f"{time.monotonic() - began:.0f} s"
            )
        return {
            "first": str(FIRST),
            **seen,
            "nights that differ": differ,
            "happened": dict(life.happened),
            **{f"{dag} runs": dict(Counter(r.values())) for dag, r in scheduler.runs.items()},
            "seconds": round(time.monotonic() - began),
        }


def main() -> None:
    """Follow the year and print what was seen."""
    with tempfile.TemporaryDirectory() as folder:
        seen = follow_year(Path(folder))
    print(json.dumps(seen, indent=2))
    sys.exit(1 if seen["nights that differ"] or not seen["nights"] else 0)


if __name__ == "__main__":
    main()
