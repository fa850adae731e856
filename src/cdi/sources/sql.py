"""Databases as sources: one snapshot, read as Arrow batches by the vendor's own driver."""

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from cdi.agency.interval import Interval
from cdi.agency.model import Agency, Source, SqlSource
from cdi.errors import SourceError
from cdi.sources.access import Access
from cdi.sources.reader import Reader, SourceBusyError, State
from cdi.sql import ident, read_query

SQL = Path(__file__).parent / "sql"
_BATCH_BYTES = 4 << 20  # with this size the driver needs 190 MiB, and with its own 240

# SQLSTATE classes of PostgreSQL in which a later try may succeed: no connection, a conflict with
# another transaction, no room, or the operator's doing (a restart, a time-out).
_PASSING = ("08", "40", "53", "57", "58")

# Classes whose messages quote the value that is wrong, which may be a person's.
_QUOTING = ("22", "23")
_QUOTE = r"[\"']"

# What libpq says of a login that is refused; it gives no SQLSTATE before it is connected.
_REFUSED = ("authentication failed", "not permitted to log in", "no pg_hba.conf entry")


class _StreamError(Exception):
    """The database stopped while it gave rows; its message comes without SQLSTATE."""


class PostgresReader:
    """A table, view or query of PostgreSQL in one transaction that only reads.

    Args:
        connection: An open connection of ADBC.
        relation: SQL of what is read: a quoted name, or a query in brackets.
        moment: The column that says from which day a row is; None if all rows are read.
        timezone: The agency's zone, for a moment that is local time.
        clock: SQL for the moment at which the content is true.
    """

    def __init__(
        self, connection: Any, relation: str, moment: str | None, timezone: str, clock: str
    ) -> None:
        """Begin the transaction."""
        self._cursor = connection.cursor()
        self._cursor.adbc_statement.set_options(
            **{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)}
        )
        self._relation, self._moment, self._timezone = relation, moment, timezone
        self._clock = clock
        # SQL alone, as the driver begins the transaction itself
        self._cursor.execute("set transaction isolation level repeatable read, read only")

    @functools.cached_property
    def _columns(self) -> Mapping[str, pa.DataType]:
        self._cursor.execute(f"select * from {self._relation} as source limit 0")
        schema = self._cursor.fetch_arrow_table().schema
        return dict(zip(schema.names, schema.types, strict=True))

    def columns(self) -> Mapping[str, pa.DataType]:
        """Names and types of all columns."""
        return self._columns

    def version(self) -> State:
        """The time at which the content is true; one transaction sees one state."""
        now = self._ask(f"select cast(({self._clock}) as timestamptz)").astimezone(UTC)
        writes = self._ask(read_query(SQL / "postgres_writes.sql"))
        return State("", now, f"the login may write: {writes}" if writes else "")

    def count(self, window: Interval) -> int:
        """How many rows of the window the database counts."""
        return int(self._ask(f"select count(*) from {self._rows_of(window)}"))

    def count_undated(self) -> int:
        """How many rows lack the moment, or have `infinity` in its place."""
        moment = ident(str(self._moment))
        undated = f"{moment} is null or not isfinite({moment})"
        return int(self._ask(f"select count(*) from {self._relation} as source where {undated}"))

    def rows(self, window: Interval, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of the window; the first batch is empty, and tells the types."""
        kinds = self.columns()
        # what Arrow does not have (numeric, uuid, json) comes as the database writes it
        selected = ", ".join(
            ident(name)
            if _is_plain(kinds[name])
            else f"cast({ident(name)} as text) as {ident(name)}"
            for name in columns
        )
        self._cursor.execute(f"select {selected} from {self._rows_of(window)}")
        try:
            batches = self._cursor.fetch_record_batch()
            yield pa.RecordBatch.from_pylist([], batches.schema)
            yield from batches
        except OSError as error:  # so Arrow tells what stopped the stream
            raise _StreamError(str(error)) from None

    def _ask(self, query: str) -> Any:
        """The one value of a query."""
        self._cursor.execute(query)
        ((value,),) = self._cursor.fetchall()
        return value

    def _rows_of(self, window: Interval) -> str:
        """SQL of the rows of a window; times without a zone are compared as local times.

        The window is bound to settings of the transaction, which the query reads: with parameters
        of its own it would not come by COPY, in batches, but at once.
        """
        if self._moment is None:
            return f"{self._relation} as source"
        self._cursor.execute(
            "select set_config('cdi.start', $1, true), set_config('cdi.end', $2, true), "
            "set_config('cdi.zone', $3, true)",
            (window.start.isoformat(), window.end.isoformat(), self._timezone),
        )
        self._cursor.fetchall()
        moment = ident(str(self._moment))
        start, end = (
            f"current_setting('cdi.{bound}')::timestamptz{self._as_local()}"
            for bound in ("start", "end")
        )
        return f"{self._relation} as source where {moment} >= {start} and {moment} < {end}"

    def _as_local(self) -> str:
        kind = self.columns()[str(self._moment)]
        is_moment = pa.types.is_timestamp(kind) and kind.tz is not None
        return "" if is_moment else " at time zone current_setting('cdi.zone')"


def _is_plain(kind: pa.DataType) -> bool:
    """Whether Arrow itself has a type, and it is neither nested nor bytes."""
    return not (
        isinstance(kind, pa.BaseExtensionType)
        or pa.types.is_nested(kind)
        or pa.types.is_binary(kind)
    )


@contextlib.contextmanager
def open_postgres(
    access: Access,
    name: str,
    relation: str,
    moment: str | None,
    timezone: str,
    clock: str | None = None,
) -> Iterator[Reader]:
    """Open a table, view or query of PostgreSQL.

    Args:
        access: The connection.
        name: What is read, for errors.
        relation: See `PostgresReader`.
        moment: See `PostgresReader`.
        timezone: See `PostgresReader`.
        clock: See `PostgresReader`; by default the database's own.

    Yields:
        The reader. The connection is closed after the block.

    Raises:
        SourceBusyError: SRC-SQL if a later try may succeed.
        SourceError: SRC-ACCESS if the database refuses the login, SRC-TIMEOUT if it stops a query
            that takes too long, SRC-SQL for any other error of it. No message holds a secret of the
            connection.
    """
    import adbc_driver_manager
    from adbc_driver_postgresql import dbapi

    try:
        with dbapi.connect(_conninfo(access)) as connection:
            clock = clock or "transaction_timestamp()"
            yield PostgresReader(connection, relation, moment, timezone, clock)
    except (adbc_driver_manager.Error, _StreamError) as error:
        raise _explain(error, access, name) from None


def _conninfo(access: Access) -> str:
    """The connection string, whose values are quoted as libpq asks."""
    parts = {
        "host": access.host,
        "port": access.port,
        "user": access.login,
        "password": access.password,
        "dbname": access.database,
        "application_name": "cdi",
        "connect_timeout": 30,
        **access.extra,
    }
    quoted = {
        key: str(value).replace("\\", "\\\\").replace("'", "\\'")
        for key, value in parts.items()
        if value is not None
    }
    return " ".join(f"{key}='{value}'" for key, value in quoted.items())


def _explain(error: Any, access: Access, name: str) -> SourceError:
    state = getattr(error, "sqlstate", None) or ""
    said = access.hide_secrets(str(error)).strip()
    if state.startswith("28") or any(words in said for words in _REFUSED):
        return SourceError(
            "SRC-ACCESS",
            f"{name}: the database refuses the login {access.login}: {said}",
            "correct login and password of the Airflow connection",
        )
    if state.startswith(_QUOTING) or isinstance(error, _StreamError):
        said = f"{re.split(_QUOTE, said)[0]}(the value is not shown)"
    if state == "57014" or "statement timeout" in said:
        return SourceError(
            "SRC-TIMEOUT",
            f"{name}: the database stopped a query that took too long: {said}",
            "ask for an index on the column with the time, or for a longer time-out; or give fewer "
            "`days` in agency.yaml",
        )
    kind = SourceBusyError if state.startswith(_PASSING) or not state else SourceError
    return kind(
        "SRC-SQL",
        f"{name}: the database says: {said}",
        "correct the relation or query in agency.yaml, or have the database's owner look",
    )


# What opens a database, by the type of the Airflow connection.
_OPENERS: dict[str, Callable[..., AbstractContextManager[Reader]]] = {"postgres": open_postgres}


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
    opener = _OPENERS.get(access.kind)
    if opener is None:
        raise SourceError(
            "SRC-KIND",
            f"{name}: connection {source.connection} is of type {access.kind}; "
            f"known are {', '.join(_OPENERS)}",
            "correct the type of the Airflow connection",
        )
    described = cast("SqlSource", source.sql)
    relation = _write_relation(agency.folder, described)
    return opener(access, name, relation, moment, agency.timezone, described.clock)


def _write_relation(folder: Path, source: SqlSource) -> str:
    """SQL of what is read: the quoted name of a table or view, or the query in brackets."""
    if source.relation is not None:
        return ".".join(map(ident, source.relation.split(".")))
    query = (folder / str(source.query)).read_text(encoding="utf-8")
    return f"({query.strip().rstrip(';')}\n)"
