"""A national year as 43 agencies, two at a time: from the landing to the published versions.

The forces are those of bench/simulation.py: 20 million logs, 70 million entries, 6 million records,
shared among 43 forces as recorded crime was in 2017/18. Each is an agency of its own: folder,
landing, build. None has an audit, so the lexicon alone reads the texts.

1. Made once and kept below ``<state>/bench/national-<volume>``, not timed: one force is simulated,
   extracted, checked and landed, and weights are learnt from it (a task that runs once a month).
   The 43 have as many copies of its rows as their size asks, as in bench/force_build.py, the last
   copy in part. To simulate and land all twenty million logs takes far longer.
2. Timed, one process per force, two at a time, the largest first: build, check, report, publish. A
   published version is removed once it is counted: 43 of them would fill a small disk.
3. Timed again: a second build of the same landing, which finds what the first one kept.

Writes two rows to ``<state>/bench/results.json`` and where the time went, by step and by model, to
``<state>/bench/national_year.json``. VOLUME=0.1: a tenth of each force. FORCES=3: the largest.
EVERY=4: a sample, which is the second largest force and each fourth from there.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import results
import yaml
from force_build import multiply_rows
from rich.console import Console
from rich.progress import track
from simulation import LOGS, SIZES

from cdi import paths
from cdi.agency.load import load_agency
from cdi.files import write_json
from cdi.landing.batches import accepted_batches
from cdi.local.run import default_interval
from cdi.sql import connect, fetch_dicts
from cdi.steps.build import check_marts, make_build, publish_version, write_report
from cdi.steps.extract import check_landing, extract
from cdi.steps.train import learn_missing
from cdi.variant import first_day_of_months, scenario_end
from cdi_force.details import add_details
from cdi_force.extracts import Writer
from cdi_force.narrative import write_narrative
from cdi_force.population import simulate_year
from cdi_force.scenario import load_scenario
from cdi_force.texts import Bank

VOLUME = float(os.environ.get("VOLUME") or 1)
EVERY = int(os.environ.get("EVERY") or 1)
FORCES = range(EVERY > 1, int(os.environ.get("FORCES") or len(SIZES)), EVERY)
BUILDS = ("first build", "second build")
AT_A_TIME = 2
DATASETS = ("calls", "log_actions", "crime_records")
MODEL = "force_model"  # the force that is simulated, and whose rows the others have
# the caller's state folder, for this process and its children: the figures go there
STATE = Path(os.environ.setdefault("CDI_BENCH_STATE", str(paths.home())))


def national_folder() -> Path:
    """State folder of the national year."""
    return STATE / "bench" / f"national-{VOLUME:g}"


def choose_agencies() -> None:
    """Work on the national year's agencies, in this process and its children."""
    os.environ["CDI_HOME"] = str(national_folder())
    os.environ["CDI_AGENCIES"] = str(national_folder() / "agencies")


def name_force(number: int) -> str:
    """The name of a force; the largest one has the number 0."""
    return f"force_{number:02d}"


# ---------------------------------------------------------------------- made once


def write_agency(name: str) -> None:
    """Write the folder of one force: the simulated agency's, without an audit."""
    model = paths.REPO / "agencies" / paths.SIMULATED
    folder = national_folder() / "agencies" / name
    shutil.copytree(model, folder, dirs_exist_ok=True)
    settings = yaml.safe_load((model / "agency.yaml").read_text(encoding="utf-8"))
    end = scenario_end(paths.DEFAULT_SCENARIO)
    start = first_day_of_months(end, 12)
    settings |= {
        "agency": name,
        "name": f"{name} (SIMULATED)",
        "data_root": str(national_folder() / "sources"),
        "start_date": start,
        "coverage": {"start": start, "end": end},
        "sources": {name: settings["sources"][name] for name in DATASETS},
    }
    text = yaml.safe_dump(settings, sort_keys=False)
    (folder / "agency.yaml").write_text(text, encoding="utf-8")


def land_model() -> None:
    """Simulate and land the force whose rows the others have, unless it is landed."""
    write_agency(MODEL)
    if (paths.weights(MODEL) / "links").is_dir():
        return
    loaded = load_scenario(paths.DEFAULT_SCENARIO)
    year = simulate_year(loaded, 1)
    bank = Bank(loaded.phrases, loaded.words)
    write_narrative(year, bank, 1)
    add_details(year, 1)
    sources = national_folder() / "sources"
    Writer(year, bank).write(sources, year.clock.start)
    del year
    agency = load_agency(MODEL)
    for dataset in DATASETS:
        extracted = extract(MODEL, dataset, default_interval(agency))
        if extracted.result:
            check_landing(MODEL, dataset, extracted.result)
    shutil.rmtree(sources)
    learn_missing(MODEL)


def land_force(number: int) -> None:
    """Give a force its copies of the model's rows, and the model's weights, unless it has them."""
    choose_agencies()
    name = name_force(number)
    write_agency(name)
    if (paths.weights(name) / "links").is_dir():
        return
    # hashes and seals of what is copied are made with the model's key
    shutil.copy2(paths.secrets() / f"{MODEL}.key", paths.secrets() / f"{name}.key")
    logs = accepted_batches(MODEL, "calls")[0].manifest["accepted"]
    shutil.rmtree(paths.landing(name, DATASETS[0]).parent, ignore_errors=True)
    for dataset in DATASETS:
        shutil.copytree(paths.landing(MODEL, dataset), paths.landing(name, dataset))
        (batch,) = accepted_batches(name, dataset)
        batch.manifest["agency"] = name
        multiply_rows(batch, VOLUME * LOGS * SIZES[number] / sum(SIZES) / logs)
    shutil.copytree(paths.weights(MODEL), paths.weights(name))


# ---------------------------------------------------------------------- timed


def publish_force(name: str) -> None:
    """Publish a landed force and print what each step cost, by the name of the step."""
    costs: dict[str, dict[str, float]] = {}

    def measure_step(title: str, work: Callable[[], Any]) -> Any:
        before, started = cpu_seconds(), time.monotonic()
        result = work()
        costs[title] = {
            "wall_s": time.monotonic() - started,
            "cpu_s": cpu_seconds() - before,
        }
        return result

    version = measure_step("build", lambda: make_build(name)).result
    for title, work in (
        ("check", check_marts),
        ("report", write_report),
        ("publish", publish_version),
    ):
        measure_step(title, partial(work, name, version))
    print(json.dumps(costs))


def cpu_seconds() -> float:
    """CPU seconds of this process and of its ended children."""
    times = psutil.Process().cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def forget_builds(name: str) -> None:
    """Remove what earlier builds of a force have kept, so that the next one is its first."""
    for kept in (paths.readings(name), paths.released(name)):
        shutil.rmtree(kept, ignore_errors=True)


def measure_force(number: int) -> dict[str, Any]:
    """Publish one force in a process of its own; its costs by step, seconds by model, rows."""
    name = name_force(number)
    published = paths.published(name)
    shutil.rmtree(published, ignore_errors=True)
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, __file__, name], stdout=subprocess.PIPE, text=True)
    with results.Peak(process.pid) as peak:
        printed, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{name} was not published")
    wall = time.monotonic() - started
    file = published / "current" / "recording.duckdb"
    with connect(file, read_only=True) as con:
        models = fetch_dicts(
            con, "select node, resource_type, execution_seconds as s, row_count from run_results"
        )
    figures = {
        "force": name,
        "wall_s": wall,
        "peak_mib": peak.mib,
        "file_mib": file.stat().st_size / 2**20,
        "steps": json.loads(printed.splitlines()[-1]),
        "models": {m["node"]: m["s"] for m in models if m["resource_type"] == "model"},
        "other": Counter(),
        "rows": {
            dataset: sum(b.manifest["accepted"] for b in accepted_batches(name, dataset))
            for dataset in DATASETS
        },
    }
    for model in models:
        if model["resource_type"] != "model":
            figures["other"][f"dbt {model['resource_type']}s"] += model["s"]
    shutil.rmtree(published)
    return figures


def sum_by_name(parts: list[dict[str, float]]) -> dict[str, float]:
    """Sum by name, the largest first."""
    summed: Counter[str] = Counter()
    for part in parts:
        summed.update(part)
    return {name: round(value, 1) for name, value in summed.most_common()}


def main() -> None:
    """Make what is missing, measure, print and keep the figures."""
    console = Console(stderr=True)
    choose_agencies()
    console.print(f"landing in {national_folder()}")
    total = len(FORCES)
    with ProcessPoolExecutor(AT_A_TIME, max_tasks_per_child=1) as pool:
        pool.submit(land_model).result()
        list(track(pool.map(land_force, FORCES), "landing", total=total, console=console))
    for number in FORCES:
        forget_builds(name_force(number))
    profiles = {title: measure_forces(title, console) for title in BUILDS}
    write_json(results.results_file().with_name("national_year.json"), profiles)
    shown = {
        title: {k: v for k, v in profile.items() if k != "forces"}
        for title, profile in profiles.items()
    }
    print(json.dumps(shown, indent=2))


def measure_forces(title: str, console: Console) -> dict[str, Any]:
    """Publish the forces, two at a time, and keep a row of results; what it cost and where."""
    choose_agencies()
    before, started = cpu_seconds(), time.monotonic()
    with results.Peak() as peak, ThreadPoolExecutor(AT_A_TIME) as threads:
        jobs = threads.map(measure_force, FORCES)
        forces = list(track(jobs, title, total=len(FORCES), console=console))
    cost = results.Cost(time.monotonic() - started, cpu_seconds() - before, peak.mib)
    os.environ["CDI_HOME"] = str(STATE)
    name = results.name_result(
        f"national year, {len(FORCES)} agencies, {AT_A_TIME} at a time, {title}",
        f"volume {VOLUME:g}" if VOLUME != 1 else "",
        f"EVERY={EVERY}" if EVERY != 1 else "",
    )
    row = results.keep_result(name, sum_by_name([force["rows"] for force in forces]), cost)
    return {
        **row,
        "steps_wall_s": sum_by_name(
            [{s: c["wall_s"] for s, c in force["steps"].items()} for force in forces]
        ),
        "steps_cpu_s": sum_by_name(
            [{s: c["cpu_s"] for s, c in force["steps"].items()} for force in forces]
        ),
        "models_s": sum_by_name([force["models"] for force in forces]),
        "in_the_build_s": sum_by_name([force["other"] for force in forces]),
        "forces": [
            {k: force[k] for k in ("force", "rows", "wall_s", "peak_mib", "file_mib")}
            for force in forces
        ],
    }


if __name__ == "__main__":
    if sys.argv[1:]:
        publish_force(sys.argv[1])
    else:
        main()
