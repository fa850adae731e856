"""SQL Server as a source, by Microsoft's own driver (mssql-python), as Arrow batches."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from cdi.sources.access import Access
from cdi.sources.database import (
    LOCAL_TIME,
    LOGIN_SECONDS,
    MOMENT,
    Column,
    Failure,
    SqlReader,
    Target,
    as_utc,
    explain,
    explained,
    failure_of_state,
    import_driver,
)
from cdi.sources.reader import ROWS_AT_ONCE, Reader
from cdi.sql import read_query

SQL = Path(__file__).parent / "sql"

_AS_TEXT = "cast({} as nvarchar(max))"
_AS_HEXADECIMAL = "convert(varchar(max), cast({} as varbinary(max)), 1)"
# How each type is read; of those that Arrow lacks, the text that the server writes.
_COLUMNS = {
    "bit": Column(pa.bool_()),
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), Column(pa.int64())),
    "real": Column(pa.float32()),
    "float": Column(pa.float64()),
    "date": Column(pa.date32()),
    **dict.fromkeys(("datetime", "datetime2", "smalldatetime"), Column(LOCAL_TIME)),
    "datetimeoffset": Column(MOMENT, "cast(switchoffset({}, '+00:00') as datetime2(7))"),
    **dict.fromkeys(("char", "varchar", "nchar", "nvarchar"), Column(pa.string())),
    **dict.fromkeys(("money", "smallmoney"), Column(pa.string(), "convert(varchar(30), {}, 2)")),
    "time": Column(pa.string(), "convert(varchar(16), {}, 121)"),
    "uniqueidentifier": Column(pa.string(), "cast({} as char(36))"),
    # it cannot be cast to the longer text
    "sql_variant": Column(pa.string(), "cast({} as nvarchar(4000))"),
    **dict.fromkeys(
        ("binary", "varbinary", "image", "timestamp"), Column(pa.string(), _AS_HEXADECIMAL)
    ),
}

# SQLSTATEs that the driver turns into words of its own, and that mean more than "an error".
_STATES = ("28000", "HYT00", "HYT01", "08001", "08003", "08004", "08007", "08S01", "40001", "40003")


def quote_mssql(name: str) -> str:
    """Quote an identifier, whatever the session's setting QUOTED_IDENTIFIER says."""
    return f"[{name.replace(']', ']]')}]"


class MssqlReader(SqlReader):
    """A table, view or query of SQL Server.

    It is read in one transaction of the isolation level `snapshot`, if the database allows that.
    Otherwise committed rows are read, and the windows' checksums tell whether they changed.

    Args:
        driver: The module `mssql_python`.
        connection: An open connection of it, in which each statement commits.
        target: What is read.
    """

    def __init__(self, driver: ModuleType, connection: Any, target: Target) -> None:
        """Choose the isolation level, and begin the transaction."""
        super().__init__(target)
        self._driver = driver
        self._cursor = connection.cursor()
        ((state,),) = self._ask(
            "select snapshot_isolation_state from sys.databases where database_id = db_id()"
        )
        self._is_snapshot = state == 1
        level = "snapshot" if self._is_snapshot else "read committed"
        self._cursor.execute(f"set transaction isolation level {level}")
        # a transaction cannot become `snapshot` later, so it begins with the next statement
        connection.setautocommit(False)

    def quote(self, name: str) -> str:
        """Quote an identifier."""
        return quote_mssql(name)

    def _describe(self) -> Mapping[str, Column]:
        rows = self._ask(
            "select name, system_type_name, precision, scale, error_message "
            "from sys.dm_exec_describe_first_result_set(?, null, 0) order by column_ordinal",
            [f"select * from {self._target.relation} source"],
        )
        for *_, problem in rows:
            if problem:
                raise self._driver.ProgrammingError("Columns cannot be described", problem)
        return {name: _choose_column(kind, *numbers) for name, kind, *numbers, _ in rows}

    def _ask(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self._cursor.execute(query, list(values))
        return [tuple(row) for row in self._cursor.fetchall()]

    def _stream(self, query: str, values: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        self._cursor.execute(query, list(values))
        while (batch := self._cursor.arrow_batch(ROWS_AT_ONCE)).num_rows:
            yield batch

    def _now(self) -> datetime:
        clock = self._target.clock or "sysdatetimeoffset()"
        moment = f"switchoffset(cast(({clock}) as datetimeoffset), '+00:00')"
        return as_utc(self._ask(f"select cast({moment} as datetime2)")[0][0], self._target.name)

    def _bind(self, column: Column, places: Sequence[int]) -> list[str]:
        # of the column's own type, so that an index on it is of use
        place = (
            "todatetimeoffset(cast(? as datetime2), '+00:00')"
            if column.kind == MOMENT
            else f"cast(? as {column.native})"
        )
        return [place] * len(places)

    def _content(self) -> str | None:
        return None if self._is_snapshot else "checksum_agg(binary_checksum(*))"

    def _list_writable(self) -> Sequence[str]:
        return [name for (name,) in self._ask(read_query(SQL / "mssql_writes.sql"))]


def _choose_column(kind: str | None, precision: int, scale: int) -> Column:
    """How a column is read, by the server's name of its type, such as `decimal(9,2)`."""
    name = (kind or "").partition("(")[0]
    if name in ("decimal", "numeric"):
        return Column(pa.decimal128(precision, scale))
    column = _COLUMNS.get(name, Column(pa.string(), _AS_TEXT))
    return Column(column.kind, column.expression, kind or "")


@contextlib.contextmanager
def open_mssql(
    access: Access,
    name: str,
    relation: str,
    moment: str | None,
    timezone: str,
    clock: str | None = None,
) -> Iterator[Reader]:
    """Open a table, view or query of SQL Server.

    Args:
        access: The connection. Its extra holds further keywords of the driver, such as `Encrypt`,
            and `query_timeout` in seconds.
        name: See `Target`.
        relation: See `Target`.
        moment: See `Target`.
        timezone: See `Target`.
        clock: See `Target`. Without an offset it is UTC.

    Yields:
        The reader. The connection is closed after the block, and nothing is committed.

    Raises:
        SourceError: SRC-DRIVER if the driver cannot be loaded; others as in `explain`.
    """
    driver = import_driver("mssql_python", "mssql-python", name, "mssql")
    errors = (driver.Error, driver.ConnectionStringParseError)
    with (
        explained(errors, _classify, access, name),
        contextlib.closing(_connect(driver, access, name)) as connection,
    ):
        target = Target(name, relation, moment, timezone, clock)
        yield MssqlReader(driver, connection, target)


def _connect(driver: ModuleType, access: Access, name: str) -> Any:
    extra = dict(access.extra)
    query_timeout = int(extra.pop("query_timeout", 0))
    server = f"{access.host},{access.port}" if access.port else access.host
    parts = {
        "Server": server,
        "Database": access.database,
        "UID": access.login,
        "PWD": access.password,
        "ApplicationIntent": "ReadOnly",
        **extra,
    }
    given = {key: value for key, value in parts.items() if value is not None}
    try:
        connection = driver.connect(autocommit=True, timeout=LOGIN_SECONDS, **given)
    except ValueError as error:  # a keyword that the driver keeps for itself
        raise explain("other", str(error), access, name) from None
    connection.timeout = query_timeout
    return connection


def _classify(error: Any) -> Failure:
    from mssql_python.exceptions import sqlstate_to_exception

    # the driver tells the SQLSTATE in words alone
    said = getattr(error, "driver_error", "")
    words = {
        getattr(sqlstate_to_exception(state, ""), "driver_error", ""): state for state in _STATES
    }
    return failure_of_state(words.get(said, ""))
