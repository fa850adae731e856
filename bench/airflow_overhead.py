"""What Airflow adds: a scheduled run of an agency beside the same steps in one process.

Both start from an empty state folder and end with a published version. For the scheduled run the
clock runs from the start of the extraction to the end of the build, with Airflow already up, as it
is on a server at night. Figures go to ``<state>/bench/results.json``.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import results
from rich.console import Console

from cdi import paths
from cdi.agency.load import load_agency
from cdi.local.airflow import RUN_COMPONENTS, open_airflow
from cdi.local.run import Progress, dag_ids, default_interval
from cdi.steps.run import is_up_to_date

ROUNDS = 3
AGENCY = "sample"  # the agency of the tests; it is small, so that what Airflow adds can be seen
os.environ["CDI_AGENCIES"] = str(paths.REPO / "tests" / "agencies")


def time_direct_run(home: Path) -> float:
    """Seconds of the steps without Airflow, in a new process, imports included."""
    code = (
        "from cdi.agency.load import load_agency\n"
        "from cdi.local.run import default_interval\n"
        "from cdi.steps.run import run_directly\n"
        f"interval = default_interval(load_agency('{AGENCY}'))\n"
        f"assert run_directly('{AGENCY}', interval)\n"
    )
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "CDI_HOME": str(home)}, check=True
    )
    return time.monotonic() - started


def time_scheduled_run(home: Path) -> float:
    """Seconds of the same steps as two DAG runs under a scheduler that is already up."""
    with paths.environment(CDI_HOME=str(home)):
        agency = load_agency(AGENCY)
        with open_airflow(RUN_COMPONENTS, dag_ids(agency)) as client:
            started = time.monotonic()
            Progress(client, Console(quiet=True)).follow(agency, default_interval(agency))
            seconds = time.monotonic() - started
        if not is_up_to_date(AGENCY, default_interval(agency)):
            raise RuntimeError("the scheduled run did not publish what it should")
    return seconds


def main() -> None:
    """Measure both in turns, print the figures and write them."""
    pairs = []
    for number in range(ROUNDS):
        with tempfile.TemporaryDirectory() as scratch:
            pair = (
                time_direct_run(Path(scratch) / "direct"),
                time_scheduled_run(Path(scratch) / "scheduled"),
            )
        print(
            f"round {number + 1}: without Airflow {pair[0]:.1f} s, scheduled {pair[1]:.1f} s, "
            f"{pair[1] - pair[0]:+.1f} s"
        )
        pairs.append(pair)
    direct, scheduled = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    alone = f"{AGENCY}, without Airflow"
    for name, seconds, compared_to in (
        (alone, direct, None),
        (f"{AGENCY}, by Airflow", scheduled, alone),
    ):
        cost = results.Cost(seconds, results.NOT_MEASURED, results.NOT_MEASURED)
        results.keep_result(name, {}, cost, compared_to)
    added = statistics.median(scheduled - direct for direct, scheduled in pairs)
    print(f"added by Airflow: {added:.1f} s (median of {ROUNDS})")


if __name__ == "__main__":
    main()
