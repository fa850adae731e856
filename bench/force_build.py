"""From the landing to a published version, without Airflow: a force-year, and the largest force.

The force-year is that of the simulated force, some 300,000 logs. The largest force has eight times
as many logs a year, over five years: the same year, landed like any other, and copies of its rows
in the same landed files, with other times, numbers, hashes and texts. Neither has an audit, so the
lexicon reads alone. Simulated texts repeat more often than real ones, and the lexicon reads each
distinct text once; `--texts-differ` ends each with a number of its own.

Landing is not timed. What is timed runs in one process of its own, imports included: build with
dbt's tests, check, report, publish; for all rows at first, after one changed text, and after one
new day. Figures go to ``<state>/bench/results.json``.

    python bench/force_build.py [force-year|largest ...] [--texts-differ] [--checkout <folder>]
"""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import duckdb
import results
import typer
from rich.console import Console

from cdi import paths
from cdi.agency.datasets import number_expressions
from cdi.agency.load import load_agency
from cdi.landing.batches import Batch, accepted_batches, replace_manifest, write_parquet
from cdi.local.run import default_interval
from cdi.sql import connect, ident, scalar
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
TIMES = {"calls": "received_at", "crime_records": "recorded_at", "log_actions": "acted_at"}
TIMED = """
import sys
from cdi.steps.run import publish_new

if publish_new("simulated") is None:
    sys.exit("nothing to build")
"""
console = Console(stderr=True)
app = typer.Typer(add_completion=False)


def land_once(home: Path, land: Callable[[], None]) -> None:
    """Land in a state folder, unless it is landed; the folder is there as soon as it is whole.

    Args:
        home: The state folder.
        land: Lands in whatever the state folder is then.
    """
    if (home / "landing").is_dir():
        return
    new = home.with_name(f"{home.name}.new")
    shutil.rmtree(new, ignore_errors=True)  # an earlier bench was stopped while it landed
    with paths.environment(CDI_HOME=str(new)):
        land()
    shutil.rmtree(home, ignore_errors=True)
    new.rename(home)


def land_force(times: int, years: int, *, texts_differ: bool = False) -> None:
    """Simulate one year and land it, and then its copies; texts are made different if asked."""
    console.print("simulating and landing")
    loaded = load_scenario(paths.DEFAULT_SCENARIO)
    agency = load_agency("simulated")
    interval = default_interval(agency)
    year = simulate_year(loaded, 1)
    bank = Bank(loaded.phrases, loaded.words)
    write_narrative(year, bank, 1)
    add_details(year, 1)
    Writer(year, bank).write(paths.simulated_sources(), window_start(loaded, 12))
    for dataset in DATASETS:
        extracted = extract("simulated", dataset, interval).result
        check_landing("simulated", dataset, str(extracted))
        (batch,) = accepted_batches("simulated", dataset)
        if times * years > 1:
            multiply_rows(batch, times, years)
        if texts_differ:
            make_texts_different(batch)
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
        write_parquet(con, number_again(batch, " union all ".join(selects)), target)
        accepted = count_rows(con, target)
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
    sum_counts(manifest)
    replace_manifest(batch.folder, manifest)  # sealed anew


def make_texts_different(batch: Batch) -> None:
    """End each text of a landed batch with a number of its own, so that no text occurs twice.

    Args:
        batch: The landed batch; one without texts stays as it is.
    """
    texts = [name for name in batch.manifest["columns"] if name.endswith("_text_masked")]
    if texts:
        numbered = ", ".join(
            f"{ident(name)} || ' ' || row_number() over () as {ident(name)}" for name in texts
        )
        replace_rows(batch, f"select * replace ({numbered}) from rows", "different texts")


def replace_rows(batch: Batch, query: str, content: str) -> None:
    """Put other rows into a landed batch.

    Args:
        batch: The landed batch.
        query: It reads the batch's rows as `rows`.
        content: Stands in the manifest for the hash of the rows, by which builds tell states apart.
    """
    target = batch.rows.with_suffix(".new")
    with connect() as con:
        con.execute(f"create view rows as from read_parquet('{batch.rows}')")
        write_parquet(con, number_again(batch, query), target)
        accepted = count_rows(con, target)
    for file in (target, batch.folder / "manifest.json"):
        file.chmod(0o644)
    target.replace(batch.rows)
    for file in batch.manifest["files"]:
        file["accepted"] = accepted.get(file["name"], 0)
    batch.manifest["content_sha256"] = content
    sum_counts(batch.manifest)
    replace_manifest(batch.folder, batch.manifest)


def number_again(batch: Batch, query: str) -> str:
    """A query of landed rows whose numbers are those of their changed keys and texts."""
    numbers = number_expressions(batch.manifest["dataset"]).items()
    renewed = ", ".join(f"{sql} as {ident(name)}" for name, sql in numbers)
    return f"select * replace ({renewed}) from ({query})"


def count_rows(con: duckdb.DuckDBPyConnection, rows: Path) -> dict[str, int]:
    """Count the rows of each source file."""
    query = "select source_file, count(*) from read_parquet(?) group by all"
    return dict(con.execute(query, [str(rows)]).fetchall())


def sum_counts(manifest: dict[str, Any]) -> None:
    """Let the counts of a manifest agree with the accepted rows of its files."""
    for file in manifest["files"]:
        file["read"] = file["accepted"] + file["quarantined"] + file["duplicates"]
    for key in ("read", "accepted"):
        manifest[key] = sum(file[key] for file in manifest["files"])


def hold_back_last_day(batches: dict[str, Batch]) -> None:
    """Take the rows of the newest day out of landed batches.

    The copies of a force's rows are moved a little in time, so a few calls fall on a day of their
    own after the newest. They are taken out with it.
    """
    with connect() as con:
        last_day = scalar(
            con,
            "select max(day) from (select received_at::date as day, count(*) as call_count "
            "from read_parquet(?) group by day qualify call_count > avg(call_count) over () / 2)",
            [str(batches["calls"].rows)],
        )
    for dataset, batch in batches.items():
        time = ident(TIMES[dataset])
        replace_rows(batch, f"from rows where {time} < date '{last_day}'", f"before {last_day}")


def change_text(batches: dict[str, Batch]) -> None:
    """Change the text of one landed entry of a log."""
    name = ident("action_text_masked")
    first = "row_id = (select min(row_id) from rows)"
    changed = f"case when {first} then {name} || ' changed' else {name} end"
    replace_rows(
        batches["log_actions"],
        f"select * replace ({changed} as {name}) from rows",
        "one changed text",
    )


@app.command()
def main(
    names: Annotated[
        list[str] | None, typer.Argument(help="force-year, largest; by default both.")
    ] = None,
    texts_differ: Annotated[
        bool, typer.Option("--texts-differ", help="No text occurs twice, as in real logs.")
    ] = False,
    checkout: Annotated[
        Path, typer.Option(help="Another checkout with its environment, which builds instead.")
    ] = paths.REPO,
) -> None:
    """Land what is not landed yet, time three builds of each force, and keep the figures."""
    for name in names or FORCES:
        title = results.name_result(
            name,
            "texts all different" if texts_differ else "",
            f"built by {checkout.resolve().name}" if checkout != paths.REPO else "",
        )
        state = paths.home() / "bench" / (f"{name}-different" if texts_differ else name)
        variant = Variant(paths.DEFAULT_SCENARIO, 12, 1)
        with paths.environment(CDI_HOME=str(state)), variant.selected():
            land_once(state, partial(land_force, *FORCES[name], texts_differ=texts_differ))
            costs = time_builds(checkout, title)
            counted = {key: batch.manifest["accepted"] for key, batch in read_batches().items()}
        for build, cost in costs.items():
            kept = results.keep_result(f"{title}, {build}", counted, cost)
            console.print(json.dumps(kept))


def read_batches() -> dict[str, Batch]:
    """The landed batch of each dataset."""
    return {dataset: accepted_batches("simulated", dataset)[0] for dataset in DATASETS}


@contextmanager
def changed_landing(change: Callable[[dict[str, Batch]], None]) -> Iterator[None]:
    """Change the landed batches during the block, then put them back."""
    landing = paths.home() / "landing"
    whole = paths.home() / "landing.whole"
    if whole.is_dir():  # an earlier bench was stopped before it could put it back
        shutil.rmtree(landing)
        whole.rename(landing)
    copy = paths.home() / "landing.copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(landing, copy)
    copy.rename(whole)  # never a part of it
    try:
        change(read_batches())
        yield
    finally:
        shutil.rmtree(landing)
        whole.rename(landing)


def time_builds(checkout: Path, title: str) -> dict[str, results.Cost]:
    """Time a first build, one after one changed text, and one after one new day.

    Args:
        checkout: The checkout that builds, with its environment.
        title: Is told before each build.

    Returns:
        What each build cost.
    """

    def build(what: str) -> results.Cost:
        console.print(f"{title}: {what}")
        return results.run_measured([str(checkout / ".venv/bin/python"), "-c", TIMED])

    def forget(*made: str) -> None:
        for folder in made:
            shutil.rmtree(paths.home() / folder, ignore_errors=True)

    costs = {}
    forget("published", "released", "readings")
    costs["first build"] = build("first build")
    with changed_landing(change_text):
        costs["after one changed text"] = build("after one changed text")
    forget("published", "released", "readings")
    with changed_landing(hold_back_last_day):
        build("all but the last day, not timed")
    costs["after one new day"] = build("after one new day")
    return costs


if __name__ == "__main__":
    app()
