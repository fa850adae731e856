"""Databases as sources: the type of the Airflow connection chooses the driver."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from cdi.agency.model import Agency, Source, SqlSource
from cdi.errors import SourceError
from cdi.sources.access import Access
from cdi.sources.mssql import open_mssql, quote_mssql
from cdi.sources.odbc import open_odbc, quote_odbc
from cdi.sources.oracle import open_oracle
from cdi.sources.postgres import open_postgres
from cdi.sources.reader import Reader
from cdi.sql import ident


@dataclass(frozen=True)
class _Database:
    """What opens a database, and how it quotes a name; what the driver is depends on the access."""

    open: Callable[..., AbstractContextManager[Reader]]
    quote: Callable[[Access, str], str]


# by the type of the Airflow connection
_DATABASES = {
    "postgres": _Database(open_postgres, lambda _, name: ident(name)),
    "mssql": _Database(open_mssql, lambda _, name: quote_mssql(name)),
    "oracle": _Database(open_oracle, lambda _, name: ident(name)),
    "odbc": _Database(open_odbc, quote_odbc),
}


def open_sql(
    agency: Agency, source: Source, access: Access, name: str, moment: str | None
) -> AbstractContextManager[Reader]:
    """Open the table, view or query of a source.

    Args:
        agency: The agency.
        source: A source of the kind `sql`.
        access: The connection; its type chooses the driver.
        name: What is read, for errors.
        moment: The column that says from which day a row is; None if all rows are read.

    Raises:
        SourceError: SRC-KIND if there is no driver for the connection's type.
    """
    database = _DATABASES.get(access.kind)
    if database is None:
        raise SourceError(
            "SRC-KIND",
            f"{name}: connection {source.connection} is of type {access.kind}; "
            f"known are {', '.join(_DATABASES)}",
            "correct the type of the Airflow connection; `odbc` reads any database that has an "
            "ODBC driver",
        )
    described = cast("SqlSource", source.sql)
    relation = _write_relation(agency.folder, described, lambda part: database.quote(access, part))
    return database.open(access, name, relation, moment, agency.timezone, described.clock)


def _write_relation(folder: Path, source: SqlSource, quote: Callable[[str], str]) -> str:
    """SQL of what is read: the quoted name of a table or view, or the query in brackets."""
    if source.relation is not None:
        return ".".join(map(quote, source.relation.split(".")))
    query = (folder / str(source.query)).read_text(encoding="utf-8")
    return f"({query.strip().rstrip(';')}\n)"
