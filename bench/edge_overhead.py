"""What it adds that a force's worker does a task, and not the scheduler's own machine.

    .venv/bin/python bench/edge_overhead.py          # ROUNDS=5 by default

One scheduler with both executors, and a worker beside it on loopback. Two equal agencies extract in
turn, one here and one by the worker, which asks for tasks each second; each run after the first
finds nothing new, so that Airflow's own time is seen. For each task it is told how long it waited
from being queued until it ran, and how long it ran. Prints JSON.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.broken import change_settings, copy_agency
from tests.conftest import SmallAgency
from tests.slow.test_edge import CENTRE, EXECUTORS, INTERVAL, Nation, exchange_keys, worker_of

from cdi.local import airflow as local_airflow
from cdi.local.airflow import Client, free_port, prepare_airflow, run_processes
from cdi.local.edge_keys import trusted_file

ROUNDS = int(os.environ.get("ROUNDS") or 5)
AGENCIES = {"here": "testville", "at the edge": "southville"}


def main() -> None:
    """Let both agencies extract in turn, and print what each task took."""
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        small = SmallAgency(folder / "forces" / AGENCIES["here"])
        change_settings(copy_agency(small, AGENCIES["at the edge"]), runs_on="south")
        shutil.copytree(folder / "forces", folder / "settings")
        exchange_keys(folder)
        os.environ |= {
            **CENTRE, "CDI_HOME": str(folder / "centre"), "CDI_AGENCIES": str(folder / "settings")
        }  # fmt: skip
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        os.environ["AIRFLOW__EDGE__API_URL"] = f"{url}/edge_worker/v1/rpcapi"
        os.environ["AIRFLOW__EDGE__TRUSTED_JWKS_URL"] = str(trusted_file())
        env = prepare_airflow(port) | {"AIRFLOW__CORE__EXECUTOR": EXECUTORS}
        stack.enter_context(run_processes(env, local_airflow.RUN_COMPONENTS))
        client = Client(port, env)
        client.wait_until_healthy()
        centre, force = Nation(folder, url, client), folder / "south"
        stack.enter_context(worker_of(centre, "south", force, folder / "forces"))
        for agency in AGENCIES.values():
            client.unpause(f"{agency}__extract")
            extract_once(client, agency)  # the first run, which lands
        tasks: dict[str, list[dict[str, float]]] = {place: [] for place in AGENCIES}
        runs: dict[str, list[float]] = {place: [] for place in AGENCIES}
        for _ in range(ROUNDS):
            for place, agency in AGENCIES.items():
                seconds, seen = extract_once(client, agency)
                runs[place].append(seconds)
                tasks[place] += seen
    print(json.dumps({place: describe(runs[place], tasks[place]) for place in AGENCIES}, indent=2))


def extract_once(client: Client, agency: str) -> tuple[float, list[dict[str, float]]]:
    """Extract once; the seconds of the run, and of each of its tasks that ran."""
    dag_id = f"{agency}__extract"
    began = time.monotonic()
    run_id = client.trigger(dag_id, INTERVAL)
    while (state := client.runs(dag_id).get(run_id)) not in ("success", "failed"):
        time.sleep(0.2)
    seconds = time.monotonic() - began
    if state == "failed":
        raise RuntimeError(f"{run_id} of {agency} failed")
    done = [
        task for task in client.tasks(dag_id, run_id) if task["duration"] and task["queued_when"]
    ]
    return seconds, [
        {"waited": (moment(t["start_date"]) - moment(t["queued_when"])), "ran": t["duration"]}
        for t in done
    ]


def moment(text: str) -> float:
    """Seconds since 1970 of a time as Airflow's API writes it."""
    return datetime.fromisoformat(text).timestamp()


def describe(runs: list[float], tasks: list[dict[str, float]]) -> dict[str, Any]:
    """Medians of runs and tasks."""
    return {
        "runs": len(runs),
        "run_s": round(statistics.median(runs), 2),
        "tasks": len(tasks),
        "waited_s": round(statistics.median(task["waited"] for task in tasks), 2),
        "ran_s": round(statistics.median(task["ran"] for task in tasks), 2),
    }


if __name__ == "__main__":
    main()
