"""Great Expectations on DuckDB, as SQL inside the database.

Great Expectations 1.24 ships no DuckDB data source, and its SQL one fails on every expectation:
it closes the connection before it fetches, and a DuckDB result dies with its connection. Keeping
the connection (as it does itself for SQLite) and naming the dialect is all that is missing.
"""

import builtins
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal

import sqlalchemy
import sqlalchemy.dialects.postgresql
from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
from great_expectations.execution_engine import SqlAlchemyExecutionEngine


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
    """Runs all queries of a validation on one kept connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Name the dialect whose regular expressions DuckDB understands: PostgreSQL's."""
        super().__init__(*args, **kwargs)
        self.dialect_module = sqlalchemy.dialects.postgresql
        self._kept: sqlalchemy.Connection | None = None

    @contextmanager
    def get_connection(self) -> Generator[sqlalchemy.Connection, None, None]:
        """Yield the kept connection; its results outlive the `with` block."""
        if self._kept is None:
            self._kept = self.engine.connect()
        yield self._kept

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
