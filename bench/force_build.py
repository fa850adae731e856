"""From the landing to a published version, without Airflow: a force-year, and the largest force.

The force-year is that of the simulated force, some 300,000 logs. The largest force has eight times
as many logs a year, over five years: the same year, landed like any other, and copies of its rows
in the same landed files, with other times, numbers, hashes and texts. Neither has an audit, so the
lexicon reads alone. Simulated texts repeat more often than real ones, and the lexicon reads each
distinct text once.

Landing is not timed. What is timed runs in one process of its own, imports included: build with
dbt's tests, check, report, publish. Figures go to ``<state>/bench/results.json``.

    python bench/force_build.py [force-year|largest ...]
"""

import json
import math
import os
import shutil
import sys
from typing import Any

import results
from rich.console import Console

from cdi import paths
from cdi.agency.load import load_agency
from cdi.landing.batches import Batch, accepted_batches, write_manifest, write_parquet
from cdi.local.run import default_interval
from cdi.sql import connect, ident
from cdi.steps.extract import check_landing, extract
from cdi.variant import Variant
from cdi_force.details import add_details
from cdi_force.extracts import Writer
from cdi_force.generate import window_start
from cdi_force.narrative import write_narrative
from cdi_force.population import simulate_year
from cdi_force.scenario import load_scenario
from cdi_force.texts import Bank

# How many times the simulated year, over how many years.
FORCES = {"force-year": (1, 1), "largest": (8, 5)}
DATASETS = ("calls", "crime_records", "log_actions")
TIMED = """
import sys
from cdi.steps.run import publish_new

if publish_new("simulated") is None:
    sys.exit("nothing to build")
"""
console = Console(stderr=True)


def land_force(times: int, years: int) -> None:
    """Simulate one year and land it, and then its copies."""
    loaded = load_scenario(paths.DEFAULT_SCENARIO)
    agency = load_agency("simulated")
    interval = default_interval(agency)
    year = simulate_year(loaded, 1)
    bank = Bank(loaded)
    write_narrative(year, bank, 1)
    add_details(year, 1)
    Writer(year, bank).write(paths.simulated_sources(), window_start(loaded, 12))
    for dataset in DATASETS:
        extracted = extract("simulated", dataset, interval).result
        check_landing("simulated", dataset, str(extracted))
        (batch,) = accepted_batches("simulated", dataset)
        if times * years > 1:
            multiply_rows(batch, times, years)
    shutil.rmtree(paths.simulated_sources())


def multiply_rows(batch: Batch, times: float, years: int = 1) -> None:
    """Put copies of its rows into a landed batch.

    The copies of a day follow each other by minutes and their numbers alternate, as in a busier
    force. Each copy has hashes of people and places of its own, and a last word of its own in its
    texts. Of the last copy in part (as in 2.4 `times`) there is that share of the logs, with their
    entries and the records that name them.

    Args:
        batch: The landed batch.
        times: How many times the rows of a year.
        years: Over how many years; the earlier ones lie 53 weeks before the next one.
    """
    columns = batch.manifest["columns"]
    copies = math.ceil(times)
    log = "coalesce(call_key, record_key)" if "record_key" in columns else "call_key"
    parts = [min(1.0, times - copy) for copy in range(copies)]
    day = "strftime(strptime({0}[5:12], '%Y%m%d') - interval ($year * 53) week, '%Y%m%d')"
    call = f"printf('NMP-%s-%04d', {day}, {{0}}[14:]::int * {copies} + $copy)"
    record = (
        f"printf('%d%s%07d', {{0}}[:2]::int + $year, {{0}}[3:4], {{0}}[5:]::int * {copies} + $copy)"
    )
    copy_number = f"($year * {copies} + $copy)"
    moved = {
        "call_key": call.format("call_key"),
        "cross_key": call.format("cross_key"),
        "call_reference": f"coalesce({call.format('call_key')}, call_reference)",
        **{
            name: record.format(name)
            for name in ("record_key", "record_reference", "surviving_record_key")
        },
        **{
            name: f"md5({copy_number} || {name}) || {name}[33:]"
            for name in columns
            if name.endswith("_hash")
        },
        **{name: f"{name} || ' x' || $copy" for name in columns if name.endswith("_text_masked")},
        "row_id": f"{copy_number} || '-' || row_id",
        "source_file": "$year || '-' || source_file",
        "source_as_of": "source_as_of",
    }
    later = "- interval ($year * 53) week + interval ($copy * 13) minute"
    select = ", ".join(
        f"{moved.get(name) or (f'{name} {later}' if kind == 'TIMESTAMP' else ident(name))} "
        f"as {ident(name)}"
        for name, kind in columns.items()
    )
    target = batch.rows.with_suffix(".new")
    with connect() as con:
        con.execute(f"create view rows as from read_parquet('{batch.rows}')")
        selects = [
            f"select {select.replace('$year', str(year)).replace('$copy', str(copy))} from rows "
            f"where hash({log}) % 10000 < {round(10_000 * part)}"
            for year in range(years)
            for copy, part in enumerate(parts)
        ]
        write_parquet(con, " union all ".join(selects), target)
        accepted = dict(
            con.execute(
                "select source_file, count(*) from read_parquet(?) group by all", [str(target)]
            ).fetchall()
        )
    for file in (target, batch.folder / "manifest.json"):
        file.chmod(0o644)
    target.replace(batch.rows)
    manifest: dict[str, Any] = batch.manifest
    manifest["files"] = [
        # Only accepted rows are copied, so the copies of a file have refused none.
        {**file, "name": name, "accepted": accepted.get(name, 0)}
        | ({"quarantined": 0, "duplicates": 0} if year else {})
        for year in range(years)
        for file in manifest["files"]
        for name in [f"{year}-{file['name']}"]
    ]
    for file in manifest["files"]:
        file["read"] = file["accepted"] + file["quarantined"] + file["duplicates"]
    for key in ("read", "accepted"):
        manifest[key] = sum(file[key] for file in manifest["files"])
    write_manifest(batch.folder, manifest)


def main() -> None:
    """Land what is not landed yet, time, and keep the figures."""
    for name in sys.argv[1:] or FORCES:
        times, years = FORCES[name]
        state = paths.home() / "bench" / name
        os.environ["CDI_HOME"], before = str(state), os.environ.get("CDI_HOME")
        try:
            with Variant(paths.DEFAULT_SCENARIO, 12, 1).selected():
                if not (state / "landing").is_dir():
                    console.print(f"{name}: simulating and landing")
                    land_force(times, years)
                counted = {
                    d: accepted_batches("simulated", d)[0].manifest["accepted"] for d in DATASETS
                }
                for made in ("published", "released"):  # the first version, with its open extract
                    shutil.rmtree(state / made, ignore_errors=True)
                console.print(f"{name}: building {counted}")
                cost = results.run_measured([sys.executable, "-c", TIMED])
        finally:
            del os.environ["CDI_HOME"]
            if before:
                os.environ["CDI_HOME"] = before
        console.print(
            json.dumps(results.keep_result(f"{name}, landing to published", counted, cost))
        )


if __name__ == "__main__":
    main()
