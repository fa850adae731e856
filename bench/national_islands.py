"""43 forces at home: by one centre and their workers, without Airflow, and the nation's page.

    .venv/bin/python bench/national_islands.py            # VOLUME=0.1: an hour and a half
    VOLUME=0.02 EDGE=no .venv/bin/python bench/national_islands.py          # the page alone

The forces are those of bench/national_year.py at a tenth of their volume. Each has a state folder
of its own, and sends its open extract to one folder, where the nation reads. Landing is not timed.

1. Timed: each force is built, checked and published by a process of its own, two at a time.
2. Timed, from the same beginning: a centre gives the same steps to the forces' workers. Two workers
   are up at a time, as this machine has two cores; each starts, does its tasks and ends.
3. The national page is built. Each table of `national.duckdb` must have the rows that the forces
   have at home; each rate and count of `peers.json` and of the page's text must be what plain
   Python adds up from the force's own files.
4. One force withdraws what it sent, another has sent nothing, a file of a third is damaged: the
   next page must name them, and no figure of theirs may be left in it.

Keeps the page in ``<state>/bench/national-<volume>/national``. Prints JSON; stops with an error if
anything differs.
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
from contextlib import ExitStack
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

os.environ.setdefault("VOLUME", "0.1")

sys.path.insert(0, str(Path(__file__).parents[1]))

import duckdb
import national_year as nation
import psutil
import pyarrow.parquet as pq
import yaml
from tests.slow.test_edge import CENTRE, EXECUTORS, Nation, worker_of

from cdi import paths
from cdi.console import console
from cdi.local import airflow as local_airflow
from cdi.local.airflow import Client, free_port, prepare_airflow, run_processes
from cdi.local.edge_keys import read_or_make_key, trust_key, trusted_file
from cdi.open_extract.tables import TABLES
from cdi.report.peers import LEAST_DUE, QUARTERS
from cdi.steps.peers import compare_sent_extracts, withdraw_sent_extract

WITHDRAWN, SILENT, DAMAGED = 3, 8, 13  # numbers of forces
HAS_EDGE = os.environ.get("EDGE") != "no"
KEPT = ("landing", "weights", "secrets")  # of a force, before it has built anything


def island_home(name: str) -> Path:
    """The state folder of a force."""
    return nation.national_folder() / "islands" / name


def open_folder(name: str) -> Path:
    """What a force has published for everybody, at home."""
    return island_home(name) / "published" / name / "current" / "open"


def place() -> Path:
    """Where all forces send their open extracts."""
    return nation.national_folder() / "open"


def land_island(number: int) -> str:
    """Land a force in a state folder of its own, unless it is there; returns its name."""
    nation.choose_agencies()
    name = nation.name_force(number)
    home = island_home(name)
    if not (home / "landing").is_dir():
        nation.land_force(number)
        for kind in ("landing", "weights"):
            (home / kind).mkdir(parents=True, exist_ok=True)
            (paths.home() / kind / name).rename(home / kind / name)
        (home / "secrets").mkdir()
        shutil.copy2(paths.secrets() / f"{name}.key", home / "secrets")
    nation.write_agency(name)
    file = paths.agencies_folder() / name / "agency.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8")) | {"runs_on": name}
    file.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return name


def forget(names: list[str]) -> None:
    """Take the islands back to what they were before they built anything."""
    shutil.rmtree(place(), ignore_errors=True)
    for name in names:
        for folder in island_home(name).iterdir():
            if folder.name not in KEPT:
                shutil.rmtree(folder) if folder.is_dir() else folder.unlink()


def measure_all(what: str, names: list[str], publish: Callable[[str], object]) -> dict[str, Any]:
    """Publish all forces, two at a time; what it cost in all."""
    forget(names)
    before, began = used_seconds(), time.monotonic()
    with ThreadPoolExecutor(nation.AT_A_TIME) as pool:
        for number, _ in enumerate(pool.map(publish, names), 1):
            console.print(f"{what}: {number} of {len(names)}, {time.monotonic() - began:.0f} s")
    wall, cpu = time.monotonic() - began, used_seconds() - before
    return {"wall_s": round(wall), "cpu_s": round(cpu), "forces": len(names)}


def used_seconds() -> float:
    """CPU seconds of this process, of its ended children and of those that run."""
    total = nation.cpu_seconds()
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def publish_alone(name: str) -> None:
    """Publish a force by a process of its own, without Airflow."""
    code = f"from cdi.steps.run import publish_new; publish_new({name!r})"
    env = os.environ | {"CDI_HOME": str(island_home(name)), "CDI_OPEN": str(place())}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)


def open_centre(stack: ExitStack, names: list[str]) -> Nation:
    """Start a centre that trusts the key of each force."""
    home = nation.national_folder() / "centre"
    shutil.rmtree(home, ignore_errors=True)
    keys = []
    for name in names:
        with paths.environment(CDI_HOME=str(island_home(name))):
            keys.append(json.dumps(read_or_make_key(name)))
    port = free_port()
    settings = {**CENTRE, "CDI_HOME": str(home)}
    settings["AIRFLOW__EDGE__API_URL"] = f"http://127.0.0.1:{port}/edge_worker/v1/rpcapi"
    stack.enter_context(paths.environment(**settings))
    for key in keys:
        trust_key(key)
    os.environ["AIRFLOW__EDGE__TRUSTED_JWKS_URL"] = str(trusted_file())
    env = prepare_airflow(port) | {"AIRFLOW__CORE__EXECUTOR": EXECUTORS}
    stack.enter_context(run_processes(env, local_airflow.RUN_COMPONENTS))
    client = Client(port, env)
    client.wait_until_healthy()
    for name in names:
        client.unpause(f"{name}__build")
    return Nation(nation.national_folder(), f"http://127.0.0.1:{port}", client)


def publish_by_worker(centre: Nation, name: str) -> None:
    """Start a force's worker, let it do the build DAG, and end it."""
    with worker_of(centre, name, island_home(name), paths.agencies_folder(), CDI_OPEN=str(place())):
        run_id = centre.client.trigger(f"{name}__build", {})
        while (state := centre.client.runs(f"{name}__build")[run_id]) not in ("success", "failed"):
            time.sleep(1)
    if state == "failed":
        raise RuntimeError(f"the build of {name} failed")


def read_rows(file: Path) -> Counter[tuple[Any, ...]]:
    """The rows of a Parquet file, in the order of the columns' names."""
    table = pq.read_table(file)
    names = sorted(table.column_names)
    return Counter(zip(*(table[name].to_pylist() for name in names), strict=True))


def compare_tables(names: list[str]) -> dict[str, int]:
    """Compare each table of the national file with the forces' own files; rows that were equal.

    Raises:
        RuntimeError: If a table of a force differs.
    """
    equal: Counter[str] = Counter()
    with duckdb.connect(str(paths.national() / "national.duckdb"), read_only=True) as con:
        for table in TABLES:
            for name in names:
                if not (file := open_folder(name) / f"{table}.parquet").is_file():
                    continue
                own = read_rows(file)
                columns = sorted(pq.read_schema(file).names)
                query = f"select {', '.join(columns)} from {table} where agency = ?"
                if Counter(con.execute(query, [name]).fetchall()) != own:
                    raise RuntimeError(f"{table} of {name} differs")
                equal[table] += own.total()
    return dict(equal)


def add_up(name: str) -> tuple[int, float] | None:
    """Add up a force's crimes and its rate over its newest quarters; None if it shows none.

    A force is compared only if it shows of each quarter its rate, both counts and what they are
    worth.
    """
    quarters = pq.read_table(open_folder(name) / "quarters.parquet").to_pylist()
    worth = {row["quarter"]: row["design_effect"] for row in quarters}
    newest = sorted(worth)[-QUARTERS:]
    total = {"month": "all", "district": "all", "offence_group": "all"}
    has_rate = {
        row["quarter"]
        for row in pq.read_table(open_folder(name) / "rates.parquet").to_pylist()
        if row["district"] == row["offence_group"] == "all" and row["standard_rate"] is not None
    }
    if any(worth[quarter] is None or quarter not in has_rate for quarter in newest):
        return None
    rows = [
        row
        for row in pq.read_table(open_folder(name) / "crimes.parquet").to_pylist()
        if row["quarter"] in newest and all(row[k] == v for k, v in total.items())
    ]
    if not rows or any(row["due_count"] is None or row["recorded_count"] is None for row in rows):
        return None
    due = sum(row["due_count"] for row in rows)
    return (due, sum(row["recorded_count"] for row in rows) / due) if due >= LEAST_DUE else None


class Tables(HTMLParser):
    """Reads the texts of the rows of a page's tables."""

    def __init__(self) -> None:
        """Begin with no row."""
        super().__init__()
        self.rows: list[list[str]] = []
        self._is_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a row or a cell."""
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self._is_cell = True

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        if tag in ("td", "th"):
            self._is_cell = False

    def handle_data(self, data: str) -> None:
        """Keep the text of a cell."""
        if self._is_cell:
            self.rows[-1][-1] += data


def compare_page(names: list[str]) -> dict[str, int]:
    """Compare the figures of the page with what each force's own files add up to."""
    page = Tables()
    page.feed((paths.national() / "peers.html").read_text(encoding="utf-8"))
    shown = json.loads((paths.national() / "peers.json").read_text(encoding="utf-8"))
    if [row["agency"] for row in shown] != names:
        raise RuntimeError("the page has other agencies")
    with_rate = 0
    for row in shown:
        own = add_up(row["agency"])
        if own is None:
            if row["rate"] is not None or row["due_count"] is not None:
                raise RuntimeError(f"{row['agency']} shows what it withholds")
            continue
        due, rate = own
        if row["due_count"] != due or abs(row["rate"] - rate) > 1e-12:
            raise RuntimeError(f"{row['agency']} differs: {row}, {own}")
        said = {f"{due:,}", f"{rate:.1%}"}
        if not any(row["agency_name"] in cells[0] and said <= {c.strip() for c in cells}
                   for cells in page.rows if cells):  # fmt: skip
            raise RuntimeError(f"the page does not say {said} of {row['agency']}")
        with_rate += 1
    if not with_rate:
        raise RuntimeError("no agency shows a rate")
    return {"agencies": len(shown), "with a rate": with_rate}


def check_page(names: list[str]) -> dict[str, Any]:
    """Build the page, compare it, lose three forces, build it again and compare it again."""
    began = time.monotonic()
    shutil.rmtree(place() / nation.name_force(SILENT), ignore_errors=True)
    told = compare_sent_extracts().note
    found: dict[str, Any] = {"built in": f"{time.monotonic() - began:.1f} s"}
    there = [name for name in sorted(names) if name != nation.name_force(SILENT)]
    found |= {"first": compare_page(there), "equal rows": compare_tables(there)}
    found["told"] = told.splitlines()
    withdrawn, damaged = map(nation.name_force, (WITHDRAWN, DAMAGED))
    withdraw_sent_extract(withdrawn, "a code map was wrong")
    (file,) = place().glob(f"{damaged}/versions/*/crimes.parquet")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    shutil.rmtree(paths.national() / "extracts" / damaged, ignore_errors=True)
    told = compare_sent_extracts().note
    left = [name for name in there if name not in (withdrawn, damaged)]
    found["then"] = compare_page(left) | {"told": told.splitlines()}
    compare_tables(left)
    with duckdb.connect(str(paths.national() / "national.duckdb"), read_only=True) as con:
        for table in TABLES:
            query = f"select count(*) from {table} where agency in (?, ?)"
            if con.execute(query, [withdrawn, damaged]).fetchone() != (0,):
                raise RuntimeError(f"{table} still has rows of {withdrawn} or {damaged}")
    return found


def main() -> None:
    """Land what is not landed, measure, build the page and print what was found."""
    nation.choose_agencies()
    with ProcessPoolExecutor(1) as pool:  # a process of its own gives its memory back
        pool.submit(nation.land_model).result()
    with ProcessPoolExecutor(nation.AT_A_TIME) as pool:
        names = list(pool.map(land_island, nation.FORCES))
    shutil.rmtree(paths.agencies_folder() / nation.MODEL, ignore_errors=True)
    found: dict[str, Any] = {"without Airflow": measure_all("alone", names, publish_alone)}
    if HAS_EDGE:
        with ExitStack() as stack:
            began = time.monotonic()
            centre = open_centre(stack, names)
            found["starting the centre"] = f"{time.monotonic() - began:.0f} s"
            found["by workers"] = measure_all(
                "by workers", names, lambda name: publish_by_worker(centre, name)
            )
    os.environ["CDI_OPEN"] = str(place())
    found["page"] = check_page(names)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
