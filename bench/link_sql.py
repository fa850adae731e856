"""The link job by plain DuckDB: the compiled dbt models, one after another; see link_job.py."""

import json
import sys
from pathlib import Path

import duckdb


def read_in_memory(con: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Work in a database in memory that bears the name of a prepared file and shows what it has.

    Args:
        con: A connection to no file.
        file: The prepared file, which is only read.
    """
    con.execute(f"attach '{file}' as prepared (read_only)")
    con.execute(f"attach ':memory:' as {file.stem}")
    con.execute(f"use {file.stem}")
    relations = con.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = 'prepared' "
        "union all "
        "select schema_name, view_name from duckdb_views() "
        "where database_name = 'prepared' and not internal"
    ).fetchall()
    for schema, name in relations:
        con.execute(f"create schema if not exists {schema}")
        con.execute(f"create view {schema}.{name} as from prepared.{schema}.{name}")


def make_models(
    con: duckdb.DuckDBPyConnection, models: list[dict[str, str]], is_build: bool
) -> None:
    """Make each model, in the order of the list.

    Args:
        con: A connection to the database in which the models read each other.
        models: Their SQL, kinds and names.
        is_build: Whether those that a build has in its database `work` are made there. The others
            find them by views.
    """
    if is_build:
        con.execute("attach ':memory:' as work")
    for model in models:
        name, schema = model["relation"], model["schema"]
        is_work = is_build and model["database"] == "work"
        place = "work." if is_work else ""
        con.execute(f"create schema if not exists {place}{schema}")
        con.execute(f"create {model['kind']} {place}{name} as {model['sql']}")
        if is_work:
            con.execute(f"create schema if not exists {schema}")
            con.execute(f"create view {name} as from work.{name}")


def main() -> None:
    """Run the models in a prepared file, or in memory, and write the links."""
    file, models, links, place = sys.argv[1:]
    with duckdb.connect(":memory:" if place == "memory" else file) as con:
        if place == "memory":
            read_in_memory(con, Path(file))
        con.execute("set timezone = 'UTC'")
        con.execute("set preserve_insertion_order = false")  # as dbt_project/profiles.yml has it
        make_models(con, json.loads(Path(models).read_text(encoding="utf-8")), place == "build")
        con.execute(
            "copy (select crime_record_id, call_id, link_rung, link_probability "
            "from main.links) to $file",
            {"file": links},
        )


if __name__ == "__main__":
    main()
