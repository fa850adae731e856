"""Small helpers to compose SQL safely: identifiers are quoted, values are bound."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import duckdb


def connect(path: Path | str = ":memory:", *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open DuckDB with the settings that every step shares (UTC, rows in source order).

    It draws no bars of its own into the log of a step.
    """
    con = duckdb.connect(str(path), read_only=read_only)
    con.execute("set timezone = 'UTC'")
    con.execute("set enable_progress_bar = false")
    con.execute("set preserve_insertion_order = true")
    return con


@cache
def read_query(file: Path) -> str:
    """Read a query that stands in a file of its own, ``sql/<name>.sql`` of its room.

    There a linter sees it; values are bound as ``$name``.

    Args:
        file: The file.
    """
    return file.read_text(encoding="utf-8")


def ident(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a string: DuckDB takes no bound values in a view's definition."""
    return "'" + text.replace("'", "''") + "'"


def comment(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    text: str,
    columns: Mapping[str, str],
    kind: str = "table",
) -> None:
    """Describe a table or view that dbt does not make, as dbt's own are described in their yml.

    Args:
        con: A file that is being made.
        relation: Schema and name.
        text: What it is; ends with its grain.
        columns: What each column means.
        kind: table or view.
    """
    con.execute(f"comment on {kind} {relation} is {literal(text)}")
    for name, meaning in columns.items():
        con.execute(f"comment on column {relation}.{ident(name)} is {literal(meaning)}")


class Params:
    """Collects bound values while SQL is composed, and hands out their placeholders."""

    def __init__(self) -> None:
        """Start empty."""
        self.values: dict[str, Any] = {}

    def bind(self, value: Any) -> str:
        """Add a value; returns its placeholder, e.g. ``$p3``."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def used_in(self, query: str) -> dict[str, Any]:
        """The values whose placeholders occur in a query: DuckDB refuses any other."""
        return {name: self.values[name] for name in set(re.findall(r"\$(p\d+)\b", query))}


def relation(
    con: duckdb.DuckDBPyConnection, columns: Mapping[str, str], rows: list[dict[str, Any]]
) -> duckdb.DuckDBPyRelation:
    """Rows as a relation, for dbt's Python models; Arrow would import pandas to read them.

    Args:
        con: Any DuckDB connection.
        columns: DuckDB's type of each column.
        rows: Each has every column.
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


def scalar(
    con: duckdb.DuckDBPyConnection, query: str, params: Mapping[str, Any] | list[Any] | None = None
) -> Any:
    """Run a query and return the first value of its first row (None if there is no row)."""
    row = (con.execute(query, params) if params else con.execute(query)).fetchone()
    return row[0] if row else None


# SQLite has one writer at a time: how long another waits for it, instead of SQLite's five seconds.
SQLITE_LOCK_SECONDS = 20


def create_table(
    con: duckdb.DuckDBPyConnection,
    name: str,
    columns: Mapping[str, str],
    rows: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Make a table from rows.

    Args:
        con: A file that is being made.
        name: Schema and name.
        columns: DuckDB type by column, in their order.
        rows: Each with all of the columns.
    """
    con.execute(f"create table {name} ({', '.join(f'{c} {t}' for c, t in columns.items())})")
    values = [[row[column] for column in columns] for row in rows]
    if values:
        marks = ", ".join("?" for _ in columns)
        con.executemany(f"insert into {name} values ({marks})", values)
