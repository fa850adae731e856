"""Whether two commits publish the same: one force, landed once, built by each of them.

Every table and view of ``recording.duckdb``, and every table that leaves the agency (``open/``,
``released/``), is compared as a multiset of rows, with the names and types of its columns. These
decide the exit code. Comments and pages are compared too, but only reported, as words may change.

    python bench/compare_versions.py BEFORE [AFTER] [--state FOLDER] [--rename OLD=NEW]

AFTER is the working tree by default. BEFORE also makes the landing, unless a state folder is given
that it landed; that folder is copied and never written to. Both commits run on the packages that
are installed for this script. Example of a rename: ``--rename int_reporting__=int_disclosure__``.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.console import Console
from rich.table import Table

REPO = Path(__file__).resolve().parents[1]
BUILT_FROM = ("landing", "weights", "decisions", "audit", "secrets")  # folders of a state folder
# Functions move from module to module. The first of these that a commit has is asked.
LANDS = ("cdi_proofs.published", "cdi.runner")
PUBLISHES = ("cdi.steps.run", "cdi.pipeline")
SHOWN_ROWS, SHOWN_FILES = 3, 12
# What differs between any two commits. Each stands in `main` as a view of a table in `measures`.
IGNORED = {
    "run_results": "holds names of models and tests, and the seconds that each took",
    "lineage": "holds names of models",
}
IGNORED_FILES = {
    "version.json": "holds hashes of the code",
    "dbt_docs.html": "holds SQL, names of models and the time of the build",
}
console = Console(soft_wrap=True)


@contextmanager
def check_out(commit: str | None) -> Iterator[Path]:
    """Check a commit out into a temporary worktree; without a commit yield the working tree."""
    if commit is None:
        yield REPO
        return
    with tempfile.TemporaryDirectory(prefix="cdi-compare-") as scratch:
        tree = Path(scratch) / "tree"
        git = ["git", "-C", str(REPO), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def run_statement(tree: Path, home: Path, modules: tuple[str, ...], statement: str) -> None:
    """Run a statement by a commit's code, after importing all of the first module that it has."""
    module = next(
        name for name in modules if (tree / "src" / f"{name.replace('.', '/')}.py").is_file()
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CDI_")},
        "CDI_HOME": str(home),
        "PYTHONPATH": os.pathsep.join((str(tree / "src"), str(tree / "plugins"))),
    }
    command = [sys.executable, "-c", f"from {module} import *; {statement}"]
    subprocess.run(command, cwd=tree, env=environment, check=True, stdout=sys.stderr)


def publish_landing(tree: Path, state: Path, home: Path) -> Path:
    """Publish the landing of a state folder by a commit's code, in a state folder of its own."""
    for name in BUILT_FROM:
        if (state / name).is_dir():
            # What a commit has read in the texts is kept with the weights; it is left out, so that
            # both commits read the texts themselves.
            ignored = shutil.ignore_patterns("readings")
            shutil.copytree(state / name, home / name, symlinks=True, ignore=ignored)
    run_statement(tree, home, PUBLISHES, "publish_new('simulated')")
    return home / "published" / "simulated" / "current"


@dataclass(frozen=True)
class Relation:
    """A table or view: its name in SQL, types by column, and comments, the table's own first."""

    source: str
    types: dict[str, str]
    comments: list[str | None]


def list_relations(con: duckdb.DuckDBPyConnection, database: str) -> dict[str, Relation]:
    """List the tables and views of an attached file, by schema and name."""
    rows = con.execute(
        """
        with described as (
            select database_name, schema_name, table_name, comment from duckdb_tables()
            union all
            select database_name, schema_name, view_name, comment from duckdb_views()
        )

        select
            columns.schema_name,
            columns.table_name,
            list(columns.column_name order by columns.column_index),
            list(columns.data_type order by columns.column_index),
            list(columns.comment order by columns.column_index),
            any_value(described.comment)
        from duckdb_columns() as columns
        inner join described using (database_name, schema_name, table_name)
        where columns.database_name = $database and not columns.internal
        group by all
        """,
        {"database": database},
    ).fetchall()
    return {
        f"{schema}.{name}": Relation(
            f'{database}."{schema}"."{name}"',
            dict(zip(names, types, strict=True)),
            [comment, *comments],
        )
        for schema, name, names, types, comments, comment in rows
    }


def list_parquet_files(con: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Relation]:
    """List the Parquet files below a folder, by path."""
    found = {}
    for file in sorted(folder.rglob("*.parquet")):
        source = f"read_parquet('{file}')"
        rows = con.execute(f"describe from {source}").fetchall()
        found[str(file.relative_to(folder))] = Relation(
            source, {str(row[0]): str(row[1]) for row in rows}, []
        )
    return found


def find_differences(
    con: duckdb.DuckDBPyConnection, before: Relation, after: Relation
) -> list[str]:
    """Find what differs between two tables: columns, types, and rows in the columns of both."""
    found = []
    if list(before.types.items()) != list(after.types.items()):
        only = [
            dict(set(a.types.items()) - set(b.types.items()))
            for a, b in ((before, after), (after, before))
        ]
        found.append(f"columns: before {only[0]}, after {only[1]} (none: another order)")
    names = [name for name in before.types if name in after.types]
    columns = ", ".join(f'"{name}"' for name in names)
    # Equal sums of hashes mean equal multisets, and wide tables need not be sorted for them.
    sums = [
        con.execute(
            "select count(*), sum(md5_number_lower(cast(to_json(t) as varchar))) "
            f"from (select {columns} from {relation.source}) as t"
        ).fetchone()
        for relation in (before, after)
    ]
    if sums[0] != sums[1]:
        for side, one, other in (("before", before, after), ("after", after, before)):
            rows = con.execute(
                f"select {columns} from {one.source} "
                f"except all select {columns} from {other.source} order by all limit {SHOWN_ROWS}"
            ).fetchall()
            found += [f"only {side}: {dict(zip(names, row, strict=True))}" for row in rows]
    return found


def read_pages(folder: Path) -> dict[str, bytes]:
    """The content of a version's pages and sheets, by path, without the name of the version."""
    version = os.fsencode(folder.resolve().name)
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix in ("", ".duckdb", ".parquet") or file.name in IGNORED_FILES:
            continue
        if file.suffix == ".xlsx":  # its properties hold the time at which it was written
            with zipfile.ZipFile(file) as sheet:
                parts = [n for n in sheet.namelist() if not n.startswith("docProps/")]
                content = b"".join(sheet.read(name) for name in parts)
        else:
            content = file.read_bytes()
        found[str(file.relative_to(folder))] = content.replace(version, b"<version>")
    return found


def apply_renames(name: str, renames: Mapping[str, str]) -> str:
    """A name as the later commit has it."""
    for old, new in renames.items():
        name = name.replace(old, new)
    return name


def compare_tables(
    con: duckdb.DuckDBPyConnection,
    before: Mapping[str, Relation],
    after: Mapping[str, Relation],
    renames: Mapping[str, str],
) -> tuple[list[str], list[str]]:
    """Print what differs; the names of the tables that differ, and of those with other comments."""
    older = {apply_renames(name, renames): relation for name, relation in before.items()}
    different, reworded = [], []
    for name in sorted(older.keys() | after.keys()):
        if name.rpartition(".")[2] in IGNORED:
            continue
        if name not in older or name not in after:
            reasons = [f"is only {'before' if name in older else 'after'}"]
        else:
            reasons = find_differences(con, older[name], after[name])
            if older[name].comments != after[name].comments:
                reworded.append(name)
        if reasons:
            different.append(name)
            console.print(name, *reasons, sep="\n  ", highlight=False, markup=False)
    return different, reworded


def report_differences(before: Path, after: Path, renames: Mapping[str, str]) -> bool:
    """Compare two published versions and print a summary; whether all tables are equal."""
    summary = Table("what", "compared", "differ", "comments differ")
    is_equal = True
    with duckdb.connect() as con:
        for name, version in (("before", before), ("after", after)):
            con.execute(f"attach '{version / 'recording.duckdb'}' as {name} (read_only)")
            con.execute(f"attach '{version / 'open' / 'open.duckdb'}' as {name}_open (read_only)")
        kept = [version.parents[2] / "released" for version in (before, after)]
        tables = {
            "recording.duckdb": (list_relations(con, "before"), list_relations(con, "after")),
            "open/open.duckdb": (
                list_relations(con, "before_open"),
                list_relations(con, "after_open"),
            ),
            "open/*.parquet": (
                list_parquet_files(con, before / "open"),
                list_parquet_files(con, after / "open"),
            ),
            "released quarters": (
                list_parquet_files(con, kept[0]),
                list_parquet_files(con, kept[1]),
            ),
        }
        for what, (older, newer) in tables.items():
            different, reworded = compare_tables(con, older, newer, renames)
            is_equal = is_equal and not different
            summary.add_row(what, str(len(newer)), str(len(different)), str(len(reworded)))
            for name in reworded:
                console.print(f"other comments: {name}", highlight=False)
    pages = read_pages(before), read_pages(after)
    changed = sorted({name for name, _ in pages[0].items() ^ pages[1].items()})
    for name in changed[:SHOWN_FILES]:
        console.print(f"other words: {name}", highlight=False)
    summary.add_row("pages and sheets", str(len(pages[1])), str(len(changed)), "")
    console.print(summary)
    for name, reason in (IGNORED | IGNORED_FILES).items():
        console.print(f"not compared: {name}, which {reason}")
    console.print("equal" if is_equal else "DIFFERENT")
    return is_equal


def main(
    before: str,
    after: Annotated[str | None, typer.Argument()] = None,
    state: Annotated[Path | None, typer.Option(help="Landed by BEFORE; it is copied.")] = None,
    rename: Annotated[list[str] | None, typer.Option(help="OLD=NEW in names of tables.")] = None,
    scenario: str = "calibrated_2017",
    months: int = 12,
    seed: int = 31,
) -> None:
    """Build one simulated force by two commits and compare all that they publish."""
    renames = dict(pair.split("=", 1) for pair in rename or [])
    os.environ |= {"SCENARIO": scenario, "MONTHS": str(months), "SEED": str(seed)}
    with (
        tempfile.TemporaryDirectory(prefix="cdi-compare-") as scratch,
        check_out(before) as older,
        check_out(after) as newer,
    ):
        homes = {name: Path(scratch) / name for name in ("landed", "before", "after")}
        if state is None:
            state = homes["landed"]
            run_statement(older, state, LANDS, "run_simulated(print)")
        versions = (
            publish_landing(older, state, homes["before"]),
            publish_landing(newer, state, homes["after"]),
        )
        is_equal = report_differences(*versions, renames)
    raise typer.Exit(0 if is_equal else 1)


if __name__ == "__main__":
    typer.run(main)
