"""``datapackage.json``: the tables of the open extract as a Data Package (datapackage.org, v2).

Programs read there what each CSV file is, which type each column has and what it means. All of it
is read from ``open.duckdb`` and its comments.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from cdi.files import sha256_of_file
from cdi.open_extract.about import About
from cdi.open_extract.tables import TABLES
from cdi.sql import fetch_dicts, scalar

PACKAGE = "datapackage.json"
PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"
_FIELD_TYPES = {
    "VARCHAR": "string",
    "INTEGER": "integer",
    "BIGINT": "integer",
    "DOUBLE": "number",
    "DECIMAL": "number",
    "DATE": "date",
    "BOOLEAN": "boolean",
}


def describe_tables(
    con: duckdb.DuckDBPyConnection, folder: Path, limits: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Describe each table of an open folder by its comments, its rows and its files.

    Args:
        con: A connection to its ``open.duckdb``.
        folder: The folder; it has the Parquet and CSV files already.
        limits: The limits that the meaning of a table names.
    """
    return [
        {
            "name": name,
            "lesson": table.lesson,
            "meaning": table.describe(limits),
            "comment": scalar(
                con, "select comment from duckdb_tables() where table_name = $name", {"name": name}
            ),
            "key": table.key,
            "absence": table.absence,
            "row_count": scalar(con, f"select count(*) from {name}"),
            "columns": fetch_dicts(
                con,
                "select column_name as name, data_type as type, comment as meaning "
                "from duckdb_columns() where table_name = $name order by column_index",
                {"name": name},
            ),
            "csv": folder / f"{name}.csv",
            "parquet": folder / f"{name}.parquet",
        }
        for name, table in TABLES.items()
    ]


def describe_package(
    con: duckdb.DuckDBPyConnection,
    tables: list[dict[str, Any]],
    about: About,
    changes: list[dict[str, str]],
) -> dict[str, Any]:
    """Describe the CSV files as a Data Package.

    Args:
        con: A connection to ``open.duckdb``.
        tables: As from `describe_tables`.
        about: What the pages say besides the tables.
        changes: What changed from release to release; a property of our own, as are `simulated`
            and `held_back`, the quarters that wait until the software has learnt from an audit.
    """
    (release,) = fetch_dicts(con, "from release")
    name = release["agency_name"]
    mark = "SIMULATED. " if release["is_simulated"] else ""
    publisher: dict[str, Any] = {"title": name, "roles": ["publisher"]}
    contributors = [publisher]
    if about.contact:
        contact = {"title": about.contact.name, "email": about.contact.email, "roles": ["contact"]}
        contributors.append(contact)
    return {
        "$schema": PROFILE,
        "name": re.sub(r"[^a-z0-9]+", "-", f"{name} recorded crime".lower()).strip("-"),
        "title": f"{name}: how much reported crime was recorded",
        "description": " ".join([f"{mark}Open extract.", *about.protections]),
        "version": release["as_of_on"].isoformat(),
        "simulated": release["is_simulated"],
        # The agency states its licence in words; README.md of the folder repeats them.
        "licenses": [{"path": "README.md", "title": release["licence"]}],
        "sources": [{"title": f"Call logs and crime records of {name}"}],
        "contributors": contributors,
        "changes": changes,
        "held_back": [quarter.name for quarter in about.held_back],
        "resources": [_describe_resource(table) for table in tables],
    }


def _describe_resource(table: dict[str, Any]) -> dict[str, Any]:
    """Describe the CSV file of a table."""
    file = table["csv"]
    schema: dict[str, Any] = {
        "fields": [
            {
                "name": column["name"],
                "type": _FIELD_TYPES[column["type"].partition("(")[0]],
                "description": column["meaning"],
            }
            for column in table["columns"]
        ],
        "missingValues": [""],
        "primaryKey": list(table["key"]),
    }
    if "quarter" in table["key"] and table["name"] != "quarters":
        reference = {"resource": "quarters", "fields": ["quarter"]}
        schema["foreignKeys"] = [{"fields": ["quarter"], "reference": reference}]
    return {
        "name": table["name"],
        "type": "table",
        "path": file.name,
        "title": table["lesson"],
        "description": table["comment"],
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": file.stat().st_size,
        "hash": f"sha256:{sha256_of_file(file)}",
        "schema": schema,
    }
