"""The cookbook's queries on a published force-year, each as an analyst asks it: open, ask, close.

Asks the force-year that `bench/force_build.py` leaves below ``<state>/bench``, or a file that is
named. The slowest goes to ``<state>/bench/results.json``; `make bench`.

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


def queries() -> dict[str, str]:
    """The queries of docs/cookbook.md by their titles."""
    page = (paths.REPO / "docs" / "cookbook.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^## ([^\n]+)$.*?^```sql\n(.*?)^```", page, re.M | re.S))


def asked(file: Path, query: str) -> results.Cost:
    """The quickest of some runs of one query."""
    found = []
    for _ in range(RUNS):
        wall, cpu = time.monotonic(), time.process_time()
        with results.Peak() as peak, connect(file, read_only=True) as con:
            con.execute(query).fetchall()
            wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        found.append(results.Cost(wall, cpu, peak.mib))
    return min(found, key=lambda cost: cost.wall_s)


def main() -> None:
    """Time each query, show all and keep the slowest."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else paths.home() / FORCE_YEAR
    with connect(file, read_only=True) as con:
        rows = {
            name: scalar(con, f"select count(*) from {name}")
            for name in ("fct_calls", "fct_reported_crimes")
        }
    costs = {title: asked(file, query) for title, query in queries().items()}
    table = Table("query", "seconds", box=None)
    for title, cost in costs.items():
        table.add_row(title, f"{cost.wall_s:.3f}")
    Console().print(table)
    slowest = max(costs.values(), key=lambda cost: cost.wall_s)
    print(results.keep(f"cookbook, slowest of {len(costs)} queries", rows, slowest))


if __name__ == "__main__":
    main()
