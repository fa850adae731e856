"""The national page from the open extracts of 43 forces: each figure must be the force's own.

    .venv/bin/python bench/national_page.py     # about a quarter of an hour; VOLUME=0.02 by default

The forces are those of bench/national_year.py at a small volume. Each publishes into a state folder
that it shares with nobody's open extract, and sends its own to one folder, where the nation reads.
Then the page is built, and

1. each table of `national.duckdb` must have the rows that the forces have at home,
2. each rate and count of `peers.json` and of the page's text must be what plain Python adds up
   from the force's own files,
3. one force withdraws what it sent, another has sent nothing, a file of a third is damaged: the
   next page must name them, and no figure of theirs may be left in it.

Keeps the page in ``<state>/bench/national-<volume>/national``. Prints JSON; stops with an error if
anything differs.
"""

import json
import os
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

os.environ.setdefault("VOLUME", "0.02")

sys.path.insert(0, str(Path(__file__).parents[1]))

import duckdb
import national_year as nation
import pyarrow.parquet as pq
from tests import warm_dbt

from cdi import paths
from cdi.build import dbt
from cdi.console import console
from cdi.open_extract.tables import TABLES
from cdi.report.peers import LEAST_DUE, QUARTERS
from cdi.steps.peers import compare_sent_extracts, withdraw_sent_extract
from cdi.steps.run import publish_new

WITHDRAWN, SILENT, DAMAGED = 3, 8, 13  # numbers of forces


def open_folder(name: str) -> Path:
    """What a force has published for everybody, at home."""
    return paths.published(name) / "current" / "open"


def publish_and_send(number: int) -> str:
    """Land and publish a force, which sends its open extract; returns its name."""
    nation.land_force(number)
    name = nation.name_force(number)
    dbt.start_dbt = warm_dbt.start_dbt
    publish_new(name)
    return name


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
    """Add up a force's crimes and its rate over its newest quarters; None if it shows none."""
    quarters = pq.read_table(open_folder(name) / "quarters.parquet").to_pylist()
    newest = {
        row["quarter"] for row in sorted(quarters, key=lambda row: row["quarter"])[-QUARTERS:]
    }
    total = {"month": "all", "district": "all", "offence_group": "all"}
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


def follow() -> dict[str, Any]:
    """Publish all forces, and build the page before and after three of them are lost."""
    place = Path(os.environ["CDI_OPEN"])
    with ProcessPoolExecutor(1) as pool:  # a process of its own gives its memory back
        pool.submit(nation.land_model).result()
    began = time.monotonic()
    with ProcessPoolExecutor(nation.AT_A_TIME) as pool:
        names = []
        for name in pool.map(publish_and_send, nation.FORCES):
            names.append(name)
            console.print(f"{len(names)}: {name}, {time.monotonic() - began:.0f} s")
    shutil.rmtree(paths.agencies_folder() / nation.MODEL)
    found: dict[str, Any] = {"publishing": f"{time.monotonic() - began:.0f} s"}
    shutil.rmtree(place / nation.name_force(SILENT))
    began = time.monotonic()
    told = compare_sent_extracts().note
    found["the page"] = f"{time.monotonic() - began:.1f} s"
    there = [name for name in sorted(names) if name != nation.name_force(SILENT)]
    found |= {"first": compare_page(there), "rows": compare_tables(there), "told": told}
    withdrawn, damaged = map(nation.name_force, (WITHDRAWN, DAMAGED))
    withdraw_sent_extract(withdrawn, "a code map was wrong")
    (file,) = place.glob(f"{damaged}/versions/*/crimes.parquet")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    shutil.rmtree(paths.national() / "extracts" / damaged, ignore_errors=True)
    told = compare_sent_extracts().note
    left = [name for name in there if name not in (withdrawn, damaged)]
    found["then"] = compare_page(left) | {"told": told.splitlines()[1:]}
    compare_tables(left)
    with duckdb.connect(str(paths.national() / "national.duckdb"), read_only=True) as con:
        for table in (*TABLES,):
            lost = con.execute(
                f"select count(*) from {table} where agency in (?, ?)", [withdrawn, damaged]
            ).fetchone()
            if lost != (0,):
                raise RuntimeError(f"{table} still has rows of {withdrawn} or {damaged}")
    return found


def main() -> None:
    """Work in the national year's folder, and print what was found."""
    nation.choose_agencies()
    place = nation.national_folder() / "open"
    shutil.rmtree(place, ignore_errors=True)
    shutil.rmtree(nation.national_folder() / "published", ignore_errors=True)
    os.environ["CDI_OPEN"] = str(place)
    print(json.dumps(follow(), indent=2))


if __name__ == "__main__":
    main()
