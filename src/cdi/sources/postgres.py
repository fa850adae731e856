"""PostgreSQL as a source: one snapshot, read by COPY as Arrow batches (ADBC)."""

import contextlib
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import pyarrow as pa

from cdi.agency.interval import Interval
from cdi.errors import SourceError
from cdi.sources.access import Access
from cdi.sources.database import LOGIN_SECONDS, Failure, explain, failure_of_state, require_time
from cdi.sources.reader import Reader, State
from cdi.sql import ident, read_query

SQL = Path(__file__).parent / "sql"
_BATCH_BYTES = 4 << 20  # with this size the driver needs 190 MiB, and with its own 240

# What libpq says of a login that is refused; it gives no SQLSTATE before it is connected.
_REFUSED = ("authentication failed", "not permitted to log in", "no pg_hba.conf entry")

# Classes whose messages quote the value that is wrong, which may be a person's.
_QUOTING = ("22", "23")
_QUOTE = r"[\"']"


class _StreamError(Exception):
    """The database stopped while it gave rows; its message comes without SQLSTATE."""


class PostgresReader:
    """A table, view or query of PostgreSQL in one transaction that only reads.

    Args:
        connection: An open connection of ADBC.
        name: What is read, for errors.
        relation: SQL of what is read: a quoted name, or a query in brackets.
        moment: The column that says from which day a row is; None if all rows are read.
        timezone: The agency's zone, for a moment that is local time.
        clock: SQL for the moment at which the content is true.
    """

    def __init__(
        self,
        connection: Any,
        name: str,
        relation: str,
        moment: str | None,
        timezone: str,
        clock: str,
    ) -> None:
        """Begin the transaction."""
        self._cursor = connection.cursor()
        self._cursor.adbc_statement.set_options(
            **{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)}
        )
        self._relation, self._moment, self._timezone = relation, moment, timezone
        self._clock, self._name = clock, name
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
        now = self._ask(f"select cast(({self._clock}) as timestamptz)")
        moment = require_time(now, self._name).astimezone(UTC)
        writes = self._ask(read_query(SQL / "postgres_writes.sql"))
        return State("", moment, f"the login may write: {writes}" if writes else "")

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
    """Whether Arrow itself has a type, and it is neither nested nor bytes nor an interval.

    Parquet has no intervals of months, days and nanoseconds.
    """
    return not (
        isinstance(kind, pa.BaseExtensionType)
        or pa.types.is_nested(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_interval(kind)
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
            yield PostgresReader(connection, name, relation, moment, timezone, clock)
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
        "connect_timeout": LOGIN_SECONDS,
        **access.extra,
    }
    quoted = {
        key: str(value).replace("\\", "\\\\").replace("'", "\\'")
        for key, value in parts.items()
        if value is not None
    }
    return " ".join(f"{key}='{value}'" for key, value in quoted.items())


def _explain(error: Any, access: Access, name: str) -> SourceError:
    state, said = getattr(error, "sqlstate", None) or "", str(error)
    failure: Failure = failure_of_state(state) if state else "busy"
    if any(words in said for words in _REFUSED):
        failure = "refused"
    if "statement timeout" in said:
        failure = "slow"
    if state.startswith(_QUOTING) or isinstance(error, _StreamError):
        said = f"{re.split(_QUOTE, said)[0]}(the value is not shown)"
    return explain(failure, said, access, name)
