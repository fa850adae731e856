"""Small helpers around SQL: connections, queries, tables from rows, safely composed text.

Identifiers are quoted and values are bound, so that no value is read as SQL.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

# SQLite allows one writer at a time; another one waits this long, and not its usual five seconds.
SQLITE_LOCK_SECONDS = 20
# The format of a file that people query: that of DuckDB 1.4, the oldest version with long support.
# A file in the format of 1.0 is a twentieth larger, and storing its rows costs a quarter more.
STORAGE_VERSION = "v1.4.0"
# That of a file for the public: the oldest that DuckDB still writes, so that any DuckDB opens it.
PUBLIC_STORAGE_VERSION = "v1.0.0"


def connect(path: Path | str = ":memory:", *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open DuckDB with the settings that every step shares.

    Times are UTC, rows stay in source order, and no progress bars are drawn into the log of a step.
    A database in memory writes nothing to disk: DuckDB would write what does not fit into the
    working folder, where nobody removes rows of people after a kill. For work that may not fit
    there is `cdi.scratch.open_scratch_database`.
    """
    con = duckdb.connect(str(path), read_only=read_only)
    if str(path) == ":memory:":
        con.execute("set temp_directory = ''")
    con.execute("set timezone = 'UTC'")
    con.execute("set enable_progress_bar = false")
    con.execute("set preserve_insertion_order = true")
    return con


@contextmanager
def write_database(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB file to write into it, and leave nothing of it in a log beside it.

    As DuckDB closes a file, it moves what stands in the write-ahead log into the file, and says
    nothing if the disk is too full for that. Whoever copied the file alone would then miss rows.

    Raises:
        duckdb.Error: At the end of the block, if the file could not take all of it.
    """
    with connect(file) as con:
        yield con
        con.execute("checkpoint")


@contextmanager
def open_sqlite(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a SQLite file in one transaction that keeps all others out; it is made if absent.

    Yields:
        The connection; what it changed is kept if the block ends without an error.
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    con = sqlite3.connect(file, timeout=SQLITE_LOCK_SECONDS, isolation_level=None)
    try:
        con.execute("pragma journal_mode = wal")
        con.execute("begin immediate")
        yield con
        con.execute("commit")
    finally:
        con.close()


@cache
def read_query(file: Path) -> str:
    """Read a long query from its own file, ``sql/<name>.sql`` in its room; sqlfluff checks it.

    Args:
        file: The file; the caller binds the values, written as ``$name``.
    """
    return file.read_text(encoding="utf-8")


def ident(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a string, where DuckDB takes no bound value, as in a view's definition."""
    return "'" + text.replace("'", "''") + "'"


def comment(
    con: duckdb.DuckDBPyConnection,
    name: str,
    text: str,
    columns: Mapping[str, str],
    kind: str = "table",
) -> None:
    """Describe a table or view that dbt does not make; dbt's YAML files describe the others.

    Args:
        con: A connection that may write to the file.
        name: Schema and name of the table or view.
        text: What it holds, and last its grain.
        columns: What each column means.
        kind: `table` or `view`.
    """
    con.execute(f"comment on {kind} {name} is {literal(text)}")
    for column, meaning in columns.items():
        con.execute(f"comment on column {name}.{ident(column)} is {literal(meaning)}")


class Params:
    """Collects the values to bind while a query is composed, and names their placeholders."""

    def __init__(self) -> None:
        """Start without values."""
        self.values: dict[str, Any] = {}

    def bind(self, value: Any) -> str:
        """Add a value and return its placeholder, e.g. ``$p3``."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def used_in(self, query: str) -> dict[str, Any]:
        """Return the values whose placeholders occur in a query, as DuckDB refuses any others."""
        return {name: self.values[name] for name in set(re.findall(r"\$(p\d+)\b", query))}


def relation(
    con: duckdb.DuckDBPyConnection, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> duckdb.DuckDBPyRelation:
    """Make a relation from rows, as one query.

    An insert of many parameter sets takes milliseconds a row, and Arrow would import pandas.

    Args:
        con: Any DuckDB connection.
        columns: DuckDB type of each column.
        rows: The rows; each has every column.
    """
    lists = ", ".join(
        f"unnest(cast(${name} as {kind}[])) as {ident(name)}" for name, kind in columns.items()
    )
    values = {name: [row[name] for row in rows] for name in columns}
    return con.sql(f"select {lists}", params=values)


def fetch_dicts(
    con: duckdb.DuckDBPyConnection, query: str, params: Mapping[str, Any] | list[Any] | None = None
) -> list[dict[str, Any]]:
    """Run a query and return its rows as dictionaries."""
    cursor = con.execute(query, params) if params else con.execute(query)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def parquet_types(con: duckdb.DuckDBPyConnection, file: Path) -> dict[str, str]:
    """Read the DuckDB type of each column of a Parquet file, by name and in the file's order.

    Raises:
        duckdb.Error: If it is no Parquet file.
    """
    described = con.execute("describe from read_parquet(?)", [str(file)]).fetchall()
    return {name: kind for name, kind, *_ in described}


def scalar(
    con: duckdb.DuckDBPyConnection, query: str, params: Mapping[str, Any] | list[Any] | None = None
) -> Any:
    """Run a query and return the first value of its first row, or None if there is no row."""
    row = (con.execute(query, params) if params else con.execute(query)).fetchone()
    return row[0] if row else None


def create_table(
    con: duckdb.DuckDBPyConnection,
    name: str,
    columns: Mapping[str, str],
    rows: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Make a table from rows.

    Args:
        con: A connection that may write to the file.
        name: Schema and name of the table.
        columns: DuckDB type of each column, in the table's order.
        rows: The rows; each has every column.
    """
    con.execute(f"create table {name} ({', '.join(f'{c} {t}' for c, t in columns.items())})")
    rows = list(rows)
    if rows:
        relation(con, columns, rows).insert_into(name)


def naive_utc(moment: datetime) -> datetime:
    """Convert a time to UTC without a zone, as DuckDB's TIMESTAMP columns hold it."""
    return moment.astimezone(UTC).replace(tzinfo=None)
