"""Great Expectations on DuckDB, as SQL inside the database.

Great Expectations 1.24 has no data source for DuckDB, and its general one for SQL fails on every
expectation: it closes the connection before it fetches the rows, and a DuckDB result ends with its
connection. So we keep the connection open (as Great Expectations does itself for SQLite) and name
the dialect; nothing else is missing. Columns are asked for by DESCRIBE: SQLAlchemy would ask
PostgreSQL's catalogue, which takes DuckDB a tenth of a second a table.
"""

import builtins
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal

import sqlalchemy
import sqlalchemy.dialects.postgresql
from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
from great_expectations.execution_engine import SqlAlchemyExecutionEngine

from cdi.sql import ident


class DuckDBInspector:
    """Tells Great Expectations of a table what it asks for."""

    def __init__(self, engine: "DuckDBExecutionEngine") -> None:
        """Inspect over the kept connection of the engine."""
        self.dialect = engine.dialect
        self._engine = engine

    def get_columns(self, table_name: str, schema: str | None = None) -> list[dict[str, Any]]:
        """Names and types of the columns; each suite has a view, whose name has no schema."""
        with self._engine.get_connection() as connection:
            rows = connection.exec_driver_sql(f"describe {ident(table_name)}").fetchall()
        return [{"name": name, "type": kind} for name, kind, *_ in rows]

    def get_pk_constraint(self, table_name: str, schema: str | None = None) -> dict[str, Any]:
        """A view has no primary key."""
        return {"constrained_columns": []}


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
    """Runs all queries of a validation on one kept connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Name PostgreSQL's dialect: DuckDB understands its regular expressions."""
        super().__init__(*args, **kwargs)
        self.dialect_module = sqlalchemy.dialects.postgresql
        self._kept: sqlalchemy.Connection | None = None

    @contextmanager
    def get_connection(self) -> Generator[sqlalchemy.Connection, None, None]:
        """Yield the one connection, which stays open so that its results can be fetched later."""
        if self._kept is None:
            self._kept = self.engine.connect()
        yield self._kept

    def get_inspector(self) -> Any:
        """Give the inspector of this module instead of SQLAlchemy's."""
        return DuckDBInspector(self)

    def close(self) -> None:
        """Close the kept connection, so that no lock stays on the file."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        super().close()


class DuckDBDatasource(SQLDatasource):
    """A DuckDB file as a data source; importing this adds ``context.data_sources.add_duckdb``."""

    type: Literal["duckdb"] = "duckdb"  # type: ignore[assignment]

    @property
    def execution_engine_type(self) -> builtins.type[SqlAlchemyExecutionEngine]:
        """The engine that keeps its connection."""
        return DuckDBExecutionEngine
