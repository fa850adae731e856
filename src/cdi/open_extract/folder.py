"""The files of the folder ``open/``.

``open.duckdb`` is made from a version's file and the released quarters. Everything else (Parquet,
CSV, the data package and the pages) is made from ``open.duckdb`` alone, so none of it can show what
``open.duckdb`` withholds.
"""

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from cdi.files import write_json, write_text
from cdi.open_extract.about import About
from cdi.open_extract.blocks import COLUMNS
from cdi.open_extract.changes import list_changes
from cdi.open_extract.package import PACKAGE, describe_package, describe_tables
from cdi.open_extract.page import render_page, render_readme
from cdi.open_extract.tables import NAMES, TABLES
from cdi.people.sheet_cells import make_csv_cell, mark_as_utf8
from cdi.sql import PUBLIC_STORAGE_VERSION, comment, connect, fetch_dicts, literal

DATABASE = "open.duckdb"


def write_folder(
    con: duckdb.DuckDBPyConnection, files: Sequence[Path], folder: Path, about: About
) -> None:
    """Write the folder anew.

    Args:
        con: A connection whose default database is a version's file.
        files: The released quarters.
        folder: Is made; what was there is removed.
        about: What the pages say besides the tables.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _write_database(con, files, folder / DATABASE, about.limits)
    write_other_files(folder, about)


def write_other_files(folder: Path, about: About) -> None:
    """Write all other files from ``open.duckdb`` alone.

    Args:
        folder: The folder that has ``open.duckdb``.
        about: What the pages say besides the tables.
    """
    with connect(folder / DATABASE, read_only=True) as con:
        for name in TABLES:
            _copy_table(con, name, folder)
        tables = describe_tables(con, folder, about.limits)
        changes = list_changes(con, about.before)
        write_json(folder / PACKAGE, describe_package(con, tables, about, changes))
        write_text(folder / "index.html", render_page(con, folder, tables, about, changes))
        write_text(folder / "README.md", render_readme(con, tables, about))


def _write_database(
    con: duckdb.DuckDBPyConnection, files: Sequence[Path], file: Path, limits: Mapping[str, int]
) -> None:
    """Write ``open.duckdb``: all tables, described by comments."""
    (release,) = fetch_dicts(con, "from release")
    is_simulated = release["is_simulated"]
    mark = "SIMULATED. " if is_simulated else ""
    name = release["agency_name"]
    if is_simulated and "SIMULATED" not in name:
        name += " (SIMULATED)"
    _create_counts_view(con, files)
    con.execute(f"attach {literal(str(file))} as open (storage_version '{PUBLIC_STORAGE_VERSION}')")
    for title, table in TABLES.items():
        query, target = f"select $name as agency_name, * from ({table.query})", f"open.main.{title}"
        values = _choose_bound_values(query, {"name": name, **limits})
        con.execute(f"create table {target} as {query}", values)
        columns = {
            column: (NAMES | dict(table.columns))[column]
            for (column,) in con.execute(f"select column_name from (describe {target})").fetchall()
        }
        comment(con, target, mark + table.describe(limits), columns)
    con.execute("drop view temp.counts")
    con.execute("checkpoint open")  # a full disk is told here, and not as the file is detached
    con.execute("detach open")


def _copy_table(con: duckdb.DuckDBPyConnection, name: str, folder: Path) -> None:
    """Write a table of ``open.duckdb`` as Parquet and as CSV."""
    (meaning,) = con.execute(
        "select comment from duckdb_tables() where table_name = $name", {"name": name}
    ).fetchall()[0]
    con.execute(
        f"copy {name} to {literal(str(folder / f'{name}.parquet'))} (format parquet, "
        f"compression zstd, kv_metadata {{meaning: {literal(meaning)}}})"
    )
    _write_csv(con, name, folder / f"{name}.csv")


def _write_csv(con: duckdb.DuckDBPyConnection, name: str, file: Path) -> None:
    """Write a table for spreadsheets, which must neither run a text nor misread a letter."""
    result = con.execute(f"from {name}")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column[0] for column in result.description)
    # districts are texts of the agency
    writer.writerows(
        [str(cell).lower() if isinstance(cell, bool) else make_csv_cell(cell) for cell in row]
        for row in result.fetchall()
    )
    write_text(file, mark_as_utf8(text.getvalue()))


def _create_counts_view(con: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    """Make the temporary view `counts` over all released quarters."""
    columns = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in COLUMNS.items())
    parts = [f"from read_parquet({literal(str(file))})" for file in files]
    query = " union all ".join(parts) or f"select {columns} where false"
    con.execute(f"create temp view counts as {query}")


def _choose_bound_values(query: str, values: Mapping[str, object]) -> dict[str, object]:
    """The values that a query names: DuckDB refuses any other."""
    return {name: value for name, value in values.items() if f"${name}" in query}
