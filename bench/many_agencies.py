"""Many agencies under one real scheduler, some of them broken: how many extract, and for how much.

    .venv/bin/python bench/many_agencies.py     # AGENCIES=200 BROKEN=10: about an hour

Each agency delivers calls alone (`crime_records: none`), as many tasks wait for few processors
here. The broken ones are broken in the ways of `tests/broken.py`. Prints as JSON how many agencies
extracted and how many broken ones have a DAG that says why, and fails unless these are all.
"""

import itertools
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.broken import BREAKAGES, change_settings, copy_agency
from tests.conftest import SmallAgency

from cdi.landing.batches import accepted_batches
from cdi.local import airflow as local_airflow
from cdi.local.airflow import Client, open_airflow

AGENCIES = int(os.environ.get("AGENCIES") or 200)
BROKEN = int(os.environ.get("BROKEN") or 10)
WHOLE = {"interval_start": "2026-01-05T00:00:00Z", "interval_end": "2026-01-07T00:00:00Z"}


def main() -> None:
    """Make the agencies, let each extract, count and print."""
    broken = dict(itertools.islice(BREAKAGES.items(), BROKEN))
    names = ["testville", *(f"force_{number:03d}" for number in range(1, AGENCIES - len(broken)))]
    with tempfile.TemporaryDirectory() as folder:
        registry = Path(folder) / "agencies"
        os.environ |= {"CDI_HOME": str(Path(folder) / "state"), "CDI_AGENCIES": str(registry)}
        small = SmallAgency(registry / "testville")
        del small.settings["sources"]["crime_records"]
        small.settings["crime_records"] = "none"
        small.write_settings()
        for name in names[1:]:
            copy_agency(small, name)
        for name, break_folder in broken.items():
            agency = copy_agency(small, name)
            change_settings(agency, name=name)
            break_folder(agency)
        started = time.monotonic()
        with open_airflow(local_airflow.RUN_COMPONENTS) as client:
            dag_ids = [f"{name}__extract" for name in names]
            for dag_id in dag_ids:
                client.unpause(dag_id)
            seen = time.monotonic() - started
            runs = {dag_id: client.trigger(dag_id, WHOLE) for dag_id in dag_ids}
            states = wait_for_runs(client, runs)
            explained = sum(says_why(client, f"{name}__extract__broken") for name in broken)
            errors = client._call_api("GET", "/importErrors")["total_entries"]
            family = [psutil.Process(), *psutil.Process().children(recursive=True)]
            peak = sum(process.memory_info().rss for process in family) / 2**20
        result = {
            "agencies": AGENCIES,
            "broken": len(broken),
            "broken_ones_that_say_why": explained,
            "extract_runs": states,
            "agencies_with_an_accepted_batch": sum(
                len(accepted_batches(name, "calls")) == 1 for name in names
            ),
            "import_errors": errors,
            "seconds_until_all_dags_were_there": round(seen),
            "seconds": round(time.monotonic() - started),
            "memory_at_the_end_mib": round(peak),
        }
    print(json.dumps(result, indent=2))
    sys.exit(states != {"success": len(names)} or explained != len(broken) or errors != 0)


def wait_for_runs(client: Client, runs: dict[str, str]) -> dict[str, int]:
    """Wait for the end of all runs, and say each minute how far they are; counts their states."""
    while True:
        states = Counter(client.runs(dag_id)[run_id] for dag_id, run_id in runs.items())
        print(f"{time.strftime('%H:%M:%S')} {dict(states)}", file=sys.stderr, flush=True)
        if set(states) <= {"success", "failed"}:
            return dict(states)
        time.sleep(60)


def says_why(client: Client, dag_id: str) -> bool:
    """Whether the DAG of a broken agency fails, and has a note that says why."""
    client.trigger(dag_id, {})
    for _ in range(60):
        for run_id, state in client.runs(dag_id).items():
            if state == "failed":
                (task,) = client.tasks(dag_id, run_id)
                return bool(task["note"])
        time.sleep(10)
    return False


if __name__ == "__main__":
    main()
