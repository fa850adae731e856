"""What a build costs against the size of the force: a table, and a picture beside it.

A simulated force-year is landed, and copies of it for forces of two, four and eight times its size
(see `force_build.py`). No text occurs twice, as in real logs. For each size three things run in a
process of their own: the first build, of all days but the last; the build after that day came; and
what nobody can go below, which is to load the same landed files into tables of a new DuckDB file.

Figures go to ``<state>/bench/results.json``, the picture to ``docs/pictures/build-cost.svg``.

    python bench/build_sizes.py [--sizes 1,2,4,8]
"""

import shutil
import sys
from functools import partial
from typing import Annotated, Any

import altair as alt
import results
import typer
from force_build import (
    TIMED,
    changed_landing,
    hold_back_last_day,
    land_force,
    land_once,
    make_texts_different,
    multiply_rows,
    read_batches,
)
from rich.console import Console
from rich.table import Table

from cdi import paths
from cdi.files import write_text
from cdi.report.charts import BLUE, FONT, GREEN, GREY, VERMILION, Drawing
from cdi.variant import Variant

PICTURE = paths.REPO / "docs" / "pictures" / "build-cost.svg"
FIRST, NEW_DAY, LOAD = "first build", "after one new day", "loading alone"
COLOURS = {FIRST: VERMILION, NEW_DAY: BLUE, LOAD: GREEN}
LOAD_ALONE = """
import sys
import duckdb
file, *datasets = sys.argv[1:]
with duckdb.connect(file) as con:
    for number, rows in enumerate(datasets):
        con.execute(f"create table dataset_{number} as from read_parquet('{rows}')")
"""
console = Console(stderr=True)


def land_size(size: int) -> None:
    """Land a force of so many force-years, by copies of one, which is kept for the other sizes.

    Args:
        size: How many times the logs of a year.
    """
    console.print(f"{size}: landing")
    one = paths.home().with_name("one")
    land_once(one, partial(land_force, 1, 1))
    for folder in ("landing", "secrets"):
        shutil.copytree(one / folder, paths.home() / folder)
    for batch in read_batches().values():
        if size > 1:
            multiply_rows(batch, size)
        make_texts_different(batch)


def measure_size(size: int) -> dict[str, results.Cost]:
    """Measure both builds of a force, and the loading of its files.

    Args:
        size: How many force-years; it is told before each.

    Returns:
        What each cost.
    """

    def measure(what: str, program: str, *arguments: str) -> results.Cost:
        console.print(f"{size}: {what}")
        return results.run_measured([sys.executable, "-c", program, *arguments])

    for made in ("published", "released", "readings"):
        shutil.rmtree(paths.home() / made, ignore_errors=True)
    costs = {}
    with changed_landing(hold_back_last_day):
        costs[FIRST] = measure(FIRST, TIMED)
    costs[NEW_DAY] = measure(NEW_DAY, TIMED)
    file = paths.home() / "loaded.duckdb"
    file.unlink(missing_ok=True)
    landed = [str(batch.rows) for batch in read_batches().values()]
    costs[LOAD] = measure(LOAD, LOAD_ALONE, str(file), *landed)
    file.unlink()
    return costs


def draw_costs(rows: list[dict[str, Any]]) -> None:
    """Write the picture: CPU seconds against force-years."""
    title = "What a build costs against the size of the force"
    caption = (
        "CPU seconds (user and system) by force-years, some 300,000 logs each; texts all differ"
    )
    lines = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("size:Q", title="force-years", axis=alt.Axis(values=[row["size"] for row in rows])),
        y=alt.Y("cpu_s:Q", title="CPU seconds"),
        color=alt.Color(
            "what:N",
            title=None,
            scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
        ),
    )
    heading = alt.TitleParams(title, subtitle=caption, anchor="start", font=FONT, offset=14)
    chart = alt.layer(
        lines.mark_line(point=True),
        lines.mark_text(align="left", dx=6, dy=-6, color=GREY).encode(
            text=alt.Text("cpu_s:Q", format=".0f")
        ),
    ).properties(title=heading, width=480, height=280)
    write_text(PICTURE, f"{Drawing(is_simulated=True).figure(chart, title, caption, {}, []).svg}\n")


def main(
    sizes: Annotated[str, typer.Option(help="Force-years of each force, with commas.")] = "1,2,4,8",
) -> None:
    """Measure a force of each size, print the table and draw the picture."""
    rows: list[dict[str, Any]] = []
    for size in map(int, sizes.split(",")):
        state = paths.home() / "bench" / "sizes" / str(size)
        variant = Variant(paths.DEFAULT_SCENARIO, 12, 1)
        with paths.environment(CDI_HOME=str(state)), variant.selected():
            land_once(state, partial(land_size, size))
            costs = measure_size(size)
            counted = {name: batch.manifest["accepted"] for name, batch in read_batches().items()}
        for what, cost in costs.items():
            kept = results.keep_result(f"{size} force-years, {what}", counted, cost)
            rows.append({"size": size, "what": what} | kept)
    table = Table("force-years", "what", "CPU s", "wall s", "peak MiB")
    for row in rows:
        table.add_row(*(str(row[name]) for name in ("size", "what", "cpu_s", "wall_s", "peak_mib")))
    Console().print(table)
    draw_costs(rows)


if __name__ == "__main__":
    typer.run(main)
