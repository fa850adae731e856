"""From a call landing in a force's database to its row on the desk, by the real scheduler.

    .venv/bin/python bench/desk_latency.py                     # a force-year, three hours of it
    MONTHS=3 LEARN=0 .venv/bin/python bench/desk_latency.py    # a smaller force, no learnt weights

The simulated force of a year is in a PostgreSQL on loopback. Its tables show what had come by the
time of its clock. All but the last hours are landed, learnt from and published once. Then
Airflow is up, as it is on a server, with the schedule by the hour. In each of the last hours an
assault comes in that is closed without a record. The extract DAG runs for that hour, the build DAG
follows by itself, and the desk's queue is opened once a second until it lists the call.

The clock runs from the start of the extraction. What a row waits for the full hour is not slept
through: it is 0 to 60 minutes, 30 on average, and is added in `source_to_desk_min`. `rest_s` is
what Airflow takes before, between and after the tasks, and the desk to show the row.

CPU seconds are those of all processes, PostgreSQL, an Airflow that waits and the desk that is asked
included; what a process uses in the last half second of its life may be missed. Prints the figures
as JSON, and keeps the median of the hours in ``<state>/bench/results.json``.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import results
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.desk import Clerk, sign_in

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.console import console
from cdi.local.airflow import RUN_COMPONENTS, Client, open_airflow
from cdi.local.run import dag_ids, default_interval
from cdi.steps.run import land_directly, publish_new
from cdi.steps.train import learn_missing
from cdi.variant import Variant
from cdi_force.database import (
    CONNECTION,
    READER,
    Server,
    connection_of,
    load_force,
    run_postgres,
)
from cdi_force.generate import ensure_force

NAME = paths.SIMULATED_SQL
MONTHS = int(os.environ.get("MONTHS") or 12)
HOURS = int(os.environ.get("HOURS") or 3)
LEARNS = os.environ.get("LEARN") != "0"
PATIENCE_SECONDS = 1200
# By which column of a table its rows come.
MOMENTS = {"calls": "Received", "log_actions": "Date Time", "crime_records": "Created"}


class UsedCpu:
    """Adds up the CPU seconds of this process and all that it started, also of those that ended."""

    def __init__(self) -> None:
        """Begin to look at them, twice a second."""
        self._used: dict[tuple[int, float], float] = {}
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            own = psutil.Process()
            for process in (own, *own.children(recursive=True)):
                try:
                    times, began = process.cpu_times(), process.create_time()
                except psutil.Error:
                    continue  # it ended meanwhile
                self._used[process.pid, began] = times.user + times.system
            time.sleep(0.5)

    @property
    def seconds(self) -> float:
        """The sum up to now."""
        return sum(list(self._used.values()))


def follow_clock(server: Server) -> None:
    """Let the tables show only what had come by the time of the database's clock."""
    zone = load_agency(NAME).timezone
    with server.open() as database, database.cursor() as cursor:
        for table, moment in MOMENTS.items():
            cursor.execute(f"alter table {table} rename to all_{table}")
            # a row without a time has come
            cursor.execute(
                f'create view {table} as select * from all_{table} where ("{moment}" > '
                f"(select as_of from clock) at time zone '{zone}') is not true"
            )
            cursor.execute(f"grant select on {table} to {READER}")
        database.commit()


def set_clock(server: Server, now: datetime) -> None:
    """Say at which moment the tables are true."""
    with server.open() as database, database.cursor() as cursor:
        cursor.execute("update clock set as_of = $1::timestamptz", (now,))
        database.commit()


def receive_assault(server: Server, number: int, received: datetime) -> str:
    """Let a call come in: an assault that is closed without a record, at a place of its own.

    Args:
        server: The database.
        number: Counts these calls.
        received: When it comes in; it is closed ten minutes later.

    Returns:
        Its number.
    """
    there = received.astimezone(load_agency(NAME).zone).replace(tzinfo=None)
    call = f"NMP-{there:%Y%m%d}-{9000 + number}"
    with server.open() as database, database.cursor() as cursor:
        cursor.execute(
            'select "Division", "Beat Code", "Location", "Grid Reference X", "Grid Reference Y" '
            'from all_calls where "Final Classification" = \'CR02\' and "Grid Reference X" is not '
            'null order by "Received" desc, "Log Number" limit 1 offset $1::bigint',
            (50 * number,),
        )
        (place,) = cursor.fetchall()
        cursor.execute(
            'insert into all_calls ("Log Number", "Received", "Closed", "Source", '
            '"Response Category", "Initial Classification", "Final Classification", "Result Code", '
            '"Division", "Beat Code", "Location", "Grid Reference X", "Grid Reference Y") values '
            "($1, $2, $3, '999', '2', 'CR02', 'CR02', 'NFA', $4, $5, $6, $7, $8)",
            (call, there, there + timedelta(minutes=10), *place),
        )
        cursor.execute(
            'insert into all_log_actions ("Log Number", "Sequence", "Date Time", "AuthorId", '
            "\"Event\", \"Text\") values ($1, '1', $2, '119', 'FIRST ACCOUNT', "
            "'MALE PUNCHED ME IN THE FACE')",
            (call, there),
        )
        database.commit()
    return call


def span(tasks: list[dict[str, Any]]) -> float:
    """Seconds from the start of the first of some tasks to the end of the last one."""
    starts = [datetime.fromisoformat(t["start_date"]) for t in tasks if t["start_date"]]
    ends = [datetime.fromisoformat(t["end_date"]) for t in tasks if t["end_date"]]
    return (max(ends) - min(starts)).total_seconds()


def await_call(client: Client, clerk: Clerk, call: str, hour: Interval) -> dict[str, float]:
    """Run the extraction of an hour, and wait until the desk lists a call.

    Returns:
        Seconds from the start of the extraction to the row, and what of it each run took.

    Raises:
        RuntimeError: If a run fails, or the desk does not list the call.
    """
    build_dag, extract_dag, _ = dag_ids(load_agency(NAME))
    before = client.runs(build_dag)
    began = time.monotonic()
    conf = {"interval_start": hour.start.isoformat(), "interval_end": hour.end.isoformat()}
    extraction = client.trigger(extract_dag, conf)
    while call not in clerk.listed(text=call):
        builds = {run: s for run, s in client.runs(build_dag).items() if run not in before}
        states = {client.runs(extract_dag)[extraction], *builds.values()}
        is_over = {*builds.values()} == {"success"} and call not in clerk.listed(text=call)
        if "failed" in states or is_over or time.monotonic() - began > PATIENCE_SECONDS:
            raise RuntimeError(f"{call} did not come onto the desk: {builds}, {extraction}")
        time.sleep(1)
    total = time.monotonic() - began
    (build,) = client.runs(build_dag).keys() - before.keys()
    while client.runs(build_dag)[build] not in ("success", "failed"):
        time.sleep(1)
    extract_s = span(client.tasks(extract_dag, extraction))
    build_s = span(client.tasks(build_dag, build))
    return {
        "extraction_to_desk_s": round(total, 1),
        "extraction_s": round(extract_s, 1),
        "build_s": round(build_s, 1),
        "rest_s": round(total - extract_s - build_s, 1),
    }


@contextmanager
def open_force(folder: Path) -> Iterator[Server]:
    """Put the force behind PostgreSQL, and the agency that reads it by the hour beside."""
    with run_postgres() as server:
        model = load_agency(paths.SIMULATED)
        load_force(server, model)
        follow_clock(server)
        agency = folder / "agencies" / NAME
        shutil.copytree(paths.agencies_folder() / NAME, agency)
        settings = yaml.safe_load((agency / "agency.yaml").read_text(encoding="utf-8"))
        text = yaml.safe_dump(settings | {"schedule": "@hourly"}, sort_keys=False)
        (agency / "agency.yaml").write_text(text, encoding="utf-8")
        places = {"CDI_HOME": str(folder / "home"), "CDI_AGENCIES": str(folder / "agencies")}
        secret = {f"AIRFLOW_CONN_{CONNECTION.upper()}": connection_of(server)}
        with paths.environment(**places, **secret):
            yield server


def follow_hours(server: Server) -> dict[str, Any]:
    """Land and publish all but the last hours, then live through these; returns what was seen."""
    agency, used = load_agency(NAME), UsedCpu()
    whole = default_interval(agency)
    first = whole.end - timedelta(hours=HOURS)
    set_clock(server, first)
    began, before = time.monotonic(), used.seconds
    land_directly(NAME, replace(whole, end=first))
    if LEARNS:
        learn_missing(NAME)
    publish_new(NAME)
    seen: dict[str, Any] = {
        "months": MONTHS,
        "has_learnt_weights": LEARNS,
        "first_publication": {
            "wall_s": round(time.monotonic() - began, 1), "cpu_s": round(used.seconds - before, 1),
        },
        "hours": [],
    }  # fmt: skip
    console.print(f"published once: {seen['first_publication']}")
    clerk = sign_in("viewer", NAME)
    with open_airflow(RUN_COMPONENTS, dag_ids(agency)[:2]) as client:
        for number in range(HOURS):
            start = first + timedelta(hours=number)
            hour = Interval(start, start + timedelta(hours=1))
            call = receive_assault(server, number, start + timedelta(minutes=20))
            set_clock(server, hour.end)
            before = used.seconds
            row = await_call(client, clerk, call, hour)
            row["cpu_s"] = round(used.seconds - before, 1)
            seen["hours"].append({"call": call, **row})
            console.print(f"hour {number + 1} of {HOURS}: {row}")
    minutes = [row["extraction_to_desk_s"] / 60 for row in seen["hours"]]
    seen["source_to_desk_min"] = {
        "shortest": round(min(minutes), 1),
        "longest": round(max(minutes) + 60, 1),
        "mean": round(statistics.mean(minutes) + 30, 1),
    }
    seen["wall_s"], seen["cpu_s"] = round(time.monotonic() - began), round(used.seconds)
    return seen


def main() -> None:
    """Simulate the force, follow its last hours, and keep the figures."""
    variant = Variant(paths.DEFAULT_SCENARIO, MONTHS, paths.DEFAULT_SEED)
    with tempfile.TemporaryDirectory() as folder, variant.selected():
        ensure_force()
        with open_force(Path(folder)) as server:
            seen = follow_hours(server)
    wall, cpu = (
        statistics.median(row[name] for row in seen["hours"])
        for name in ("extraction_to_desk_s", "cpu_s")
    )
    name = results.name_result(
        f"extraction to desk, {MONTHS} months",
        f"{HOURS} hours" if HOURS != 3 else "",
        "" if LEARNS else "no learnt weights",
    )
    results.keep_result(name, {}, results.Cost(wall, cpu, results.NOT_MEASURED))
    print(json.dumps(seen, indent=2))


if __name__ == "__main__":
    main()
