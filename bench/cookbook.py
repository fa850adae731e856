"""The cookbook's queries on a published force-year, each as an analyst asks it: open, ask, close.

They are asked of the force-year that `bench/force_build.py` leaves below ``<state>/bench``, or of a
file that is named. The slowest one goes to ``<state>/bench/results.json``.

    python bench/cookbook.py [<recording.duckdb>]
"""

import re
import sys
import time
from pathlib import Path

import results
from rich.console import Console
from rich.table import Table

from cdi import paths
from cdi.sql import connect, scalar

FORCE_YEAR = Path("bench", "force-year", "published", "simulated", "current", "recording.duckdb")
RUNS = 3


def read_queries() -> dict[str, str]:
    """Read the queries of docs/cookbook.md, by their titles."""
    page = (paths.REPO / "docs" / "cookbook.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^## ([^\n]+)$.*?^```sql\n(.*?)^```", page, re.M | re.S))


def measure_query(file: Path, query: str) -> results.Cost:
    """Run one query several times; the cost of the quickest run."""
    costs = []
    for _ in range(RUNS):
        wall, cpu = time.monotonic(), time.process_time()
        with results.Peak() as peak, connect(file, read_only=True) as con:
            con.execute(query).fetchall()
            wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        costs.append(results.Cost(wall, cpu, peak.mib))
    return min(costs, key=lambda cost: cost.wall_s)


def main() -> None:
    """Time each query, show all times and keep the slowest."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else paths.home() / FORCE_YEAR
    with connect(file, read_only=True) as con:
        rows = {
            name: scalar(con, f"select count(*) from {name}")
            for name in ("fct_calls", "fct_reported_crimes")
        }
    costs = {title: measure_query(file, query) for title, query in read_queries().items()}
    table = Table("query", "seconds", box=None)
    for title, cost in costs.items():
        table.add_row(title, f"{cost.wall_s:.3f}")
    Console().print(table)
    slowest = max(costs.values(), key=lambda cost: cost.wall_s)
    name = results.name_result(f"cookbook, slowest of {len(costs)} queries", *sys.argv[1:])
    print(results.keep_result(name, rows, slowest))


if __name__ == "__main__":
    main()
