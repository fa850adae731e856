"""Databases as sources: one snapshot, read as Arrow batches by the vendor's own driver."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

import pyarrow as pa

from cdi.agency.interval import Interval
from cdi.errors import SourceError
from cdi.sources.access import Access
from cdi.sources.reader import Reader, SourceBusyError, State
from cdi.sql import ident

_BATCH_BYTES = 4 << 20  # with this size the driver needs 190 MiB, and with its own 240

# SQLSTATE classes of PostgreSQL in which a later try may succeed: no connection, a conflict with
# another transaction, no room, or the operator's doing (a restart, a time-out).
_PASSING = ("08", "40", "53", "57", "58")


class PostgresReader:
    """A table, view or query of PostgreSQL in one transaction that only reads.

    Args:
        connection: An open connection of ADBC.
        relation: SQL of what is read: a quoted name, or a query in brackets.
        moment: The column that says from which day a row is.
        timezone: The agency's zone, for a moment that is local time.
    """

    def __init__(self, connection: Any, relation: str, moment: str, timezone: str) -> None:
        """Begin the transaction."""
        self._cursor = connection.cursor()
        self._cursor.adbc_statement.set_options(
            **{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)}
        )
        self._relation, self._moment, self._timezone = relation, moment, timezone
        # SQL alone, as the driver begins the transaction itself
        self._cursor.execute("set transaction isolation level repeatable read, read only")

    def columns(self) -> Mapping[str, pa.DataType]:
        """Names and types of all columns."""
        self._cursor.execute(f"select * from {self._relation} as source limit 0")
        schema = self._cursor.fetch_arrow_table().schema
        return dict(zip(schema.names, schema.types, strict=True))

    def version(self) -> State:
        """The time at which the snapshot was taken; one transaction sees one state."""
        self._cursor.execute("select transaction_timestamp()")
        ((now,),) = self._cursor.fetchall()
        return State("", now.astimezone(UTC))

    def count(self, window: Interval) -> int:
        """How many rows of the window the database counts."""
        self._set_window(window)
        self._cursor.execute(f"select count(*) from {self._rows_of_window()}")
        ((count,),) = self._cursor.fetchall()
        return int(count)

    def rows(self, window: Interval, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of the window."""
        self._set_window(window)
        kinds = self.columns()
        # what Arrow does not have (numeric, uuid, json) comes as the database writes it
        selected = ", ".join(
            ident(name)
            if _is_plain(kinds[name])
            else f"cast({ident(name)} as text) as {ident(name)}"
            for name in columns
        )
        self._cursor.execute(f"select {selected} from {self._rows_of_window()}")
        yield from self._cursor.fetch_record_batch()

    def _set_window(self, window: Interval) -> None:
        """Bind the window to settings of the transaction, which the queries read.

        With parameters of its own a query would not come by COPY, in batches, but at once.
        """
        self._cursor.execute(
            "select set_config('cdi.start', $1, true), set_config('cdi.end', $2, true), "
            "set_config('cdi.zone', $3, true)",
            (window.start.isoformat(), window.end.isoformat(), self._timezone),
        )
        self._cursor.fetchall()

    def _rows_of_window(self) -> str:
        """SQL of the rows of the window; times without a zone are compared as local times."""
        moment = ident(self._moment)
        start, end = (
            f"current_setting('cdi.{bound}')::timestamptz{self._as_local()}"
            for bound in ("start", "end")
        )
        return f"{self._relation} as source where {moment} >= {start} and {moment} < {end}"

    def _as_local(self) -> str:
        kind = self.columns()[self._moment]
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
    access: Access, name: str, relation: str, moment: str, timezone: str
) -> Iterator[Reader]:
    """Open a table, view or query of PostgreSQL.

    Args:
        access: The connection.
        name: What is read, for errors.
        relation: See `PostgresReader`.
        moment: See `PostgresReader`.
        timezone: See `PostgresReader`.

    Yields:
        The reader. The connection is closed after the block.

    Raises:
        SourceBusyError: SRC-SQL if a later try may succeed.
        SourceError: SRC-SQL for any other error of the database; SRC-ACCESS if it refuses the
            login. No message holds a secret of the connection.
    """
    import adbc_driver_manager
    from adbc_driver_postgresql import dbapi

    try:
        with dbapi.connect(_conninfo(access)) as connection:
            yield PostgresReader(connection, relation, moment, timezone)
    except adbc_driver_manager.Error as error:
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
    state = error.sqlstate or ""
    said = access.hide_secrets(str(error)).strip()
    if state.startswith("28") or "authentication failed" in said:
        return SourceError(
            "SRC-ACCESS",
            f"{name}: the database refuses the login {access.login}: {said}",
            "correct login and password of the Airflow connection",
        )
    kind = SourceBusyError if state.startswith(_PASSING) or not state else SourceError
    return kind(
        "SRC-SQL",
        f"{name}: the database says: {said}",
        "correct the relation or query in agency.yaml, or have the database's owner look",
    )
