"""What a backup of a force-year costs, and whether it brings the same agency back.

    .venv/bin/python bench/backup.py         # minutes; MONTHS=12 by default, PostgreSQL's package

The simulated force is read by SQL, as one that runs daily would be: all days but the last, then the
last one. It is backed up after each, restored into an empty state folder, and built there: the
version must have the name that it has at home, and equal tables. Then one object of the backup is
damaged, and the restoration must name it. Prints JSON, and keeps the costs in
``<state>/bench/results.json``.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import results
from national_year import cpu_seconds

from cdi import paths
from cdi.agency.load import load_agency
from cdi.console import console
from cdi.errors import StateError
from cdi.local.run import default_interval
from cdi.sql import connect
from cdi.steps.backup import back_up_agency, restore_agency
from cdi.steps.run import land_directly, publish_new
from cdi.steps.train import learn_missing
from cdi.variant import Variant
from cdi_force.database import CONNECTION, connection_of, load_force, run_postgres
from cdi_force.generate import ensure_force

MONTHS = int(os.environ.get("MONTHS") or 12)
NAME = "simulated_sql"


def measure(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Do a piece of work; returns what it gave, and its seconds."""
    cpu, began = cpu_seconds(), time.monotonic()
    result = work()
    wall = time.monotonic() - began
    return result, {"wall_s": round(wall, 2), "cpu_s": round(cpu_seconds() - cpu, 2)}


def back_up(folder: Path) -> dict[str, Any]:
    """Back the agency up, and tell what it took."""
    done, cost = measure(
        lambda: back_up_agency(
            load_agency(NAME), str(folder / "backup"), folder / "backup.key", 10, lambda _: None
        )
    )
    return cost | {
        "files": done.files, "new files": done.new_files,
        "MB": round(done.size / 1e6, 1), "new MB": round(done.new_size / 1e6, 2),
    }  # fmt: skip


def restore(folder: Path, home: Path) -> dict[str, Any]:
    """Restore the agency into an empty state folder."""
    with paths.environment(CDI_HOME=str(home)):
        _, cost = measure(
            lambda: restore_agency(
                load_agency(NAME), str(folder / "backup"), folder / "backup.key", None,
                lambda _: None,
            )
        )  # fmt: skip
    return cost


def count_rows(file: Path) -> dict[str, tuple[int, int]]:
    """Count the rows of each published table, and sum up their hashes; not that of seconds."""
    with connect(file, read_only=True) as con:
        tables = con.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where schema_name in ('main', 'measures') and table_name != 'run_results' order by 1"
        ).fetchall()
        return {
            name: con.execute(
                f"select count(*), sum(hash(t)::hugeint) from {name} as t"
            ).fetchall()[0]
            for (name,) in tables
        }


def follow(folder: Path) -> dict[str, Any]:
    """Land, back up, land one day more, back up, restore, build there and damage the backup."""
    whole = default_interval(load_agency(NAME))
    land_directly(NAME, replace(whole, end=whole.end - timedelta(days=1)))
    learn_missing(NAME)
    found: dict[str, Any] = {"first": back_up(folder)}
    land_directly(NAME, whole)
    found["after one new day"] = back_up(folder)
    publish_new(NAME)
    found["after its publication"] = back_up(folder)
    current = paths.published(NAME) / "current"
    at_home = count_rows(current / "recording.duckdb")
    elsewhere = folder / "elsewhere"
    found["restoration"] = restore(folder, elsewhere)
    with paths.environment(CDI_HOME=str(elsewhere)):
        publish_new(NAME)
        restored = paths.published(NAME) / "current"
        found["same version"] = restored.resolve().name == current.resolve().name
        there = count_rows(restored / "recording.duckdb")
    found["tables"] = len(at_home)
    found["tables that differ"] = [t for t in at_home if at_home[t] != there.get(t)]
    found["rows"] = sum(rows for rows, _ in at_home.values())
    largest = max((folder / "backup" / NAME / "objects").iterdir(), key=lambda f: f.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.chmod(0o644)
    largest.write_bytes(content)
    try:
        restore(folder, folder / "damaged")
        found["the damaged object"] = "not noticed"
    except StateError as error:
        found["the damaged object"] = f"named, {error.rule_id}: {largest.name in str(error)}"
    return found


def main() -> None:
    """Simulate the force, put it behind SQL, follow it and keep the figures."""
    variant = Variant(paths.DEFAULT_SCENARIO, MONTHS, 1)
    with (
        tempfile.TemporaryDirectory() as temporary,
        run_postgres() as server,
        variant.selected(),
    ):
        folder = Path(temporary)
        (folder / "backup").mkdir()
        with paths.environment(CDI_HOME=str(folder / "home")):
            ensure_force()
            model = load_agency(paths.SIMULATED)
            load_force(server, model)
            shutil.rmtree(paths.simulated_sources())
            os.environ[f"AIRFLOW_CONN_{CONNECTION.upper()}"] = connection_of(server)
            console.print("the force is in its database")
            found = follow(folder)
    for what in ("first", "after one new day", "restoration"):
        seconds = found[what]["wall_s"], found[what]["cpu_s"]
        cost = results.Cost(*seconds, results.NOT_MEASURED)
        results.keep_result(f"backup of {MONTHS} months, {what}", {}, cost)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
