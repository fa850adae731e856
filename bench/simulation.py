"""What the simulator costs: a force-year, and a national year of 43 forces, two at a time.

The national year has 20 million logs and 6 million records. They are shared among the forces as the
Home Office's recorded crime of 2017/18 is. The extracts are written to a scratch folder and
removed, force by force. Figures go to ``<state>/bench/results.json``. FORCES=2 simulates the two
smallest forces only.
"""

import json
import os
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import results
from rich.console import Console
from rich.progress import track

from cdi import paths
from cdi.variant import Variant
from cdi_force.details import add_details
from cdi_force.extracts import Writer
from cdi_force.generate import make_force
from cdi_force.narrative import write_narrative
from cdi_force.population import simulate_year
from cdi_force.scenario import load_scenario
from cdi_force.texts import Bank

LOGS = 20_000_000
# Recorded crimes without fraud of the 43 territorial forces, 2017/18, in thousands (Home Office).
SIZES_FILE = Path(__file__).parent / "force_sizes.csv"
SIZES = [int(size) for size in SIZES_FILE.read_text(encoding="utf-8").split()[1:]]


def measure_force(number: int, volume: float, scratch: str, threads: int) -> dict[str, Any]:
    """Simulate one force, write its extracts and remove them; its rows, bytes and CPU seconds."""
    loaded = load_scenario(paths.DEFAULT_SCENARIO)
    year = simulate_year(loaded, 1, volume=volume, force=number)
    bank = Bank(loaded.phrases, loaded.words)
    write_narrative(year, bank, 1)
    add_details(year, 1)
    folder = Path(scratch) / f"force-{number:02d}"
    rows = Writer(year, bank).write(folder, year.clock.start, threads)
    size = sum(file.stat().st_size for file in folder.iterdir())
    shutil.rmtree(folder)
    used = psutil.Process().cpu_times()
    return {**rows, "bytes": size, "pid": os.getpid(), "cpu": used.user + used.system}


def measure_forces(name: str, volumes: list[float], workers: int) -> dict[str, Any]:
    """Simulate forces of these volumes, so many at a time as there are workers."""
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as scratch,
        results.Peak() as peak,
        ProcessPoolExecutor(workers) as pool,
    ):
        threads = 2 if workers == 1 else 1
        jobs = [pool.submit(measure_force, n, v, scratch, threads) for n, v in enumerate(volumes)]
        rows = [job.result() for job in track(jobs, description=name, console=Console(stderr=True))]
    wall = time.monotonic() - started
    return {
        "name": name,
        "rows": {k: sum(row[k] for row in rows) for k in ("calls", "log_actions", "crimes")},
        "gzip_mib": round(sum(row["bytes"] for row in rows) / 2**20),
        "wall_s": round(wall, 1),
        "cpu_s": round(sum({row["pid"]: row["cpu"] for row in rows}.values()), 1),
        "peak_mib": round(peak.mib),
    }


def measure_force_year() -> dict[str, Any]:
    """Measure a whole `make simulate MONTHS=12`: extracts, audit and truth."""
    loaded = load_scenario(paths.DEFAULT_SCENARIO)
    started, before = time.monotonic(), psutil.Process().cpu_times()
    with tempfile.TemporaryDirectory() as scratch, results.Peak() as peak:
        force = make_force(
            loaded, Variant(loaded.name, 12, 1), Path(scratch) / "sources", Path(scratch) / "truth"
        )
    after = psutil.Process().cpu_times()
    return {
        "name": "simulation, force-year with audit and truth",
        "rows": force["rows"],
        "wall_s": round(time.monotonic() - started, 1),
        "cpu_s": round(after.user + after.system - before.user - before.system, 1),
        "peak_mib": round(peak.mib),
    }


def main() -> None:
    """Measure and write the figures."""
    logs = load_scenario(paths.DEFAULT_SCENARIO).settings.volumes.logs
    volumes = [LOGS / logs * size / sum(SIZES) for size in SIZES]
    volumes = volumes[-int(os.environ.get("FORCES") or len(volumes)) :]
    measured = [
        measure_force_year(),
        measure_forces(f"simulation, {len(volumes)} forces, two at a time", volumes, 2),
    ]
    for row in measured:
        cost = results.Cost(row["wall_s"], row["cpu_s"], row["peak_mib"])
        results.keep_result(row["name"], row["rows"], cost)
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
