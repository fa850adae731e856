"""Make the tables of the audits in ``recording.duckdb``; ``tables.yaml`` lists their columns.

A build without findings makes them empty. It imports this module only, and not
`cdi.audit.results`, whose imports take a second or more.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import yaml

from cdi.sql import comment, create_table

Row = Mapping[str, Any]

TABLES: dict[str, Any] = yaml.safe_load(
    Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
)


def create_audit_tables(con: duckdb.DuckDBPyConnection, rows: Mapping[str, Sequence[Row]]) -> None:
    """Make all tables of the audits.

    Args:
        con: The build's private file, with the schema `measures`.
        rows: Rows by table; a table without rows is made empty.
    """
    for name, table in TABLES.items():
        kinds = {column: kind for column, (kind, _) in table["columns"].items()}
        meanings = {column: meaning for column, (_, meaning) in table["columns"].items()}
        create_table(con, f"measures.{name}", kinds, rows.get(name, ()))
        comment(con, f"measures.{name}", table["description"], meanings)
