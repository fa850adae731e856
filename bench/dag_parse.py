"""How long Airflow takes to read the DAGs of many agencies: CPU seconds for each DAG file.

    .venv/bin/python bench/dag_parse.py          # AGENCIES=1,200,1000 by default

The DAG processor reads each file in a process of its own, all agencies' DAGs at once, and writes
them into its database. Here a process reads a file and serialises its DAGs, which is what grows
with them. The figures with one agency are what imports cost, and are in all the others. A task
reads the settings of its own agency alone. Figures go to ``<state>/bench/results.json``.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import results

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.broken import change_settings, copy_agency
from tests.conftest import SmallAgency

from cdi import paths
from cdi.local.airflow import airflow_environment

COUNTS = [int(count) for count in (os.environ.get("AGENCIES") or "1,200,1000").split(",")]
READ = """
import pathlib, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
bag = DagBag(sys.argv[1])
if bag.import_errors:
    sys.exit(str(bag.import_errors))
size = sum(len(str(DagSerialization.to_dict(dag))) for dag in bag.dags.values())
pathlib.Path(sys.argv[2]).write_text(f"{len(bag.dags)} {size}")
"""


def main() -> None:
    """Make the registries, read each DAG file with each, print and keep the figures."""
    seen = {}
    with tempfile.TemporaryDirectory() as folder:
        registry = Path(folder) / "agencies"
        small = SmallAgency(registry / "testville")
        made = 1
        for count in COUNTS:
            for number in range(made, count):
                change_settings(
                    copy_agency(small, f"force_{number:04d}"), runs_on=f"queue_{number:04d}"
                )
            made = max(made, count)
            seen[f"{count} agencies"] = read_files(Path(folder), count)
    print(json.dumps(seen, indent=2))


def read_files(folder: Path, count: int) -> dict[str, Any]:
    """Read each DAG file in a process of its own; its CPU seconds and number of DAGs."""
    rows: dict[str, Any] = {}
    costs: dict[str, results.Cost] = {}
    with paths.environment(CDI_HOME=str(folder / "state"), CDI_AGENCIES=str(folder / "agencies")):
        env = airflow_environment(1) | {
            "CDI_OPEN": str(folder / "open"),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }
        for file in sorted((paths.REPO / "dags").glob("*.py")):
            counts = folder / "counts"
            command = [sys.executable, "-c", READ, str(file), str(counts)]
            cost = costs[file.name] = results.run_measured(command, env)
            dags, size = counts.read_text(encoding="utf-8").split()
            rows[file.name] = {
                "dags": int(dags),
                "serialised_mb": round(int(size) / 1e6, 1),
                "cpu_s": round(cost.cpu_s, 2),
                "peak_mib": round(cost.peak_mib),
            }
    for name, cost in costs.items():  # in the caller's state folder again
        counted = {"dags": rows[name]["dags"]}
        results.keep_result(f"DAG file {name}, {count} agencies", counted, cost)
    return rows


if __name__ == "__main__":
    main()
