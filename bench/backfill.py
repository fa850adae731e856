"""A backfill of many days, two agencies at once, each read from a database, Airflow on PostgreSQL.

    .venv/bin/python bench/backfill.py          # DAYS=90 by default: about 20 minutes

A PostgreSQL server on loopback holds Airflow's metadata and each agency's two systems. Both
agencies are given all days at once as backfills of their extract DAGs, and the real scheduler
works on them. After a third of the runs one agency's database refuses everybody until a run has
failed. At the end both published versions must equal that of one load of all days. The failed run
must name what was wrong, and its day must have come with a later run. Prints what it saw as JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from unittest import mock

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.conftest import SmallAgency
from tests.postgres import READER, Systems, published_contents, read_by_sql

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.landing.batches import accepted_batches
from cdi.local import airflow as local_airflow
from cdi.local.run import dag_ids
from cdi.steps.run import run_directly
from cdi_force.database import run_postgres

DAYS = int(os.environ.get("DAYS") or 90)
FIRST = date(2026, 1, 10)  # the days span the night on which summer time begins
NAMES = ("testville", "otherville")
CALLS_A_DAY = 30


def main() -> None:
    """Make both agencies, backfill them, compare and print."""
    with tempfile.TemporaryDirectory() as folder, run_postgres("max_connections=200") as server:
        home = Path(folder) / "state"
        os.environ |= {"CDI_HOME": str(home), "CDI_AGENCIES": str(Path(folder) / "agencies")}
        systems = {name: make_agency(name, server, Path(folder) / "agencies") for name in NAMES}
        metadata = Systems.create(server, "airflow")
        make_environment = local_airflow.airflow_environment

        def on_postgres(port: int) -> dict[str, str]:
            address = f"postgres:{server.password}@127.0.0.1:{server.port}/airflow"
            return make_environment(port) | {
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{address}",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{address}",
            }

        started = time.monotonic()
        with mock.patch.object(local_airflow, "airflow_environment", on_postgres):
            seen = backfill_both(metadata)
        seen["seconds"] = round(time.monotonic() - started)
        seen["dag_runs_in_postgresql"] = metadata.run("select count(*) from dag_run")[0][0]
        seen["tables"] = {name: compare_with_one_load(name, home) for name in NAMES}
        seen["processes_left"] = len(processes_with(home))
        for each in (*systems.values(), metadata):
            each.close()
    print(json.dumps(seen, indent=2))


def make_agency(name: str, server: object, registry: Path) -> Systems:
    """Make an agency's folder and its two systems, with calls and records of all days."""
    small = SmallAgency(registry / name)
    small.settings |= {"agency": name, "start_date": str(FIRST)}
    read_by_sql(small, calls=3, crime_records=10)
    for source in small.settings["sources"].values():
        source["connection"] = f"{name}_systems"
    small.write_settings()
    systems = Systems.create(server, name)  # type: ignore[arg-type]
    os.environ[f"AIRFLOW_CONN_{name.upper()}_SYSTEMS"] = json.dumps(
        {
            "conn_type": "postgres", "host": "127.0.0.1", "port": systems.server.port,
            "login": READER, "password": systems.server.password, "schema": name,
        }
    )  # fmt: skip
    draw = np.random.default_rng(NAMES.index(name))
    writer = systems.connect()
    with writer, writer.cursor() as cursor:
        for number in range(DAYS * CALLS_A_DAY):
            day = FIRST + timedelta(days=number // CALLS_A_DAY)
            minutes = timedelta(minutes=int(draw.integers(24 * 60 - 61)))
            received = datetime(day.year, day.month, day.day) + minutes
            kind = str(draw.choice(["ASSAULT", "THEFT", "NOISE"]))
            closure = str(draw.choice(["CRIME", "NONE", "DUP"], p=[0.5, 0.4, 0.1]))
            cursor.execute(
                "insert into calls (number, received, opened_as, closed_as, closure, district, "
                "text) values (%s, %s, %s, %s, %s, 'S', 'She says that she was hit')",
                (f"T-{number:04}", received, kind, kind, closure),
            )
            if closure == "CRIME":
                cursor.execute(
                    "insert into records values (%s, %s, %s, 'A1', 'OPEN', 'S')",
                    (f"R{number}", f"T-{number:04}", received + timedelta(hours=1)),
                )
    systems.set_clock(f"{FIRST + timedelta(days=DAYS)} 00:00 Europe/London")
    return systems


def backfill_both(metadata: Systems) -> dict[str, object]:
    """Backfill both agencies by the real scheduler; one's database is closed for a while."""
    agencies = [load_agency(name) for name in NAMES]
    ids = sum((dag_ids(agency) for agency in agencies), ())
    with local_airflow.open_airflow(local_airflow.RUN_COMPONENTS, ids) as client:
        for agency in agencies:
            subprocess.run(
                [sys.executable, "-m", "airflow", "backfill", "create",
                 "--dag-id", f"{agency.agency}__extract",
                 "--from-date", midnight(agency, FIRST + timedelta(days=1)),
                 "--to-date", midnight(agency, FIRST + timedelta(days=DAYS)),
                 "--max-active-runs", "1"],
                env=client.env, capture_output=True, text=True, check=True,
            )  # fmt: skip

        def states(name: str) -> Counter[str]:
            runs = client.runs(f"{name}__extract")
            return Counter(s for run, s in runs.items() if run.startswith("backfill"))

        down = NAMES[0]
        wait_until(lambda: states(down)["success"] >= DAYS // 3)
        metadata.run(f"alter database {down} allow_connections false")
        wait_until(lambda: states(down)["failed"] > 0)
        metadata.run(f"alter database {down} allow_connections true")
        wait_until(lambda: all(sum(states(n)[s] for s in ("success", "failed")) == DAYS
                               for n in NAMES))  # fmt: skip
        wait_until(
            lambda: all(
                set(client.runs(f"{name}__build").values()) <= {"success", "failed"}
                for name in NAMES
            ),
            for_seconds=20,
        )
        failed = [
            run for run, state in client.runs(f"{down}__extract").items() if state == "failed"
        ]
        notes = {
            task["task_id"]: (task["note"] or "")[:300]
            for task in client.tasks(f"{down}__extract", failed[0])
            if task["state"] == "failed"
        }
        return {
            "extract_runs": {name: dict(states(name)) for name in NAMES},
            "build_runs": {
                name: dict(Counter(client.runs(f"{name}__build").values())) for name in NAMES
            },
            "failed_runs": failed,
            "their_notes": notes,
        }


def wait_until(condition: object, seconds: float = 3600, for_seconds: float = 0) -> None:
    """Wait until a condition holds, and goes on holding for a while."""
    until, since = time.monotonic() + seconds, None
    while since is None or time.monotonic() - since < for_seconds:
        if time.monotonic() > until:
            raise TimeoutError("it did not come")
        since = (since or time.monotonic()) if condition() else None  # type: ignore[operator]
        time.sleep(1)


def compare_with_one_load(name: str, home: Path) -> dict[str, object]:
    """Load all days at once into another state folder, and compare the published tables."""
    ours = published_contents(paths.published(name) / "current" / "recording.duckdb")
    batches = {d: len(accepted_batches(name, d)) for d in ("calls", "crime_records")}
    key = (paths.secrets() / f"{name}.key").read_bytes()
    once = home.with_name(f"once_{name}")
    with mock.patch.dict(os.environ, {"CDI_HOME": str(once)}):
        paths.secrets().mkdir(parents=True)
        (paths.secrets() / f"{name}.key").write_bytes(key)
        (paths.secrets() / f"{name}.key").chmod(0o600)
        agency = load_agency(name)
        interval = Interval.of_days(agency, FIRST, FIRST + timedelta(days=DAYS))
        if not run_directly(name, interval):
            raise RuntimeError(f"{name} was not loaded")
        theirs = published_contents(paths.published(name) / "current" / "recording.duckdb")
    return {
        "batches": batches,
        "tables": len(ours),
        "rows": sum(map(len, ours.values())),
        "calls": len(ours["main.fct_calls"]),
        "differ": sorted(t for t in ours.keys() | theirs.keys() if ours.get(t) != theirs.get(t)),
    }


def midnight(agency: Agency, day: date) -> str:
    """Local midnight with its offset."""
    return datetime(day.year, day.month, day.day, tzinfo=agency.zone).isoformat()


def processes_with(home: Path) -> list[psutil.Process]:
    """Processes that work on a state folder, this one left out."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("CDI_HOME") == str(home):
                found.append(process)
        except psutil.Error:
            continue
    return found


if __name__ == "__main__":
    main()
