"""Any other database as a source, by its ODBC driver, as Arrow batches (arrow-odbc)."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from cdi.errors import SourceError
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
    explained,
    failure_of_state,
    import_driver,
    require_time,
)
from cdi.sources.reader import ROWS_AT_ONCE, Reader, State
from cdi.sql import read_query

SQL = Path(__file__).parent / "sql"

# A batch takes as many bytes as its longest possible rows would, so both are bounded.
_BATCH_BYTES = 64 << 20
_TEXT_BYTES = 4 << 20  # longest text that is read, if the connection does not say otherwise


@dataclass(frozen=True)
class Dialect:
    """What a database writes in its own way.

    Attributes:
        mark: The character that quotes an identifier.
        bound: SQL for a bound time.
        options: Options that its ODBC driver needs.
        begin: What begins a transaction that sees one state and only reads; none if unknown.
    """

    mark: str = '"'
    bound: str = "cast(? as timestamp)"
    options: Mapping[str, str] = field(default_factory=dict)
    begin: Sequence[str] = ()


# By `dialect` in the connection's extra.
DIALECTS = {
    "ansi": Dialect(),
    "mysql": Dialect(
        mark="`",
        bound="cast(? as datetime(6))",
        # rows as they come: forward only, and no copy of the whole result in memory
        options={"OPTION": "3145728", "CHARSET": "utf8mb4"},
        begin=(
            "set session transaction isolation level repeatable read",
            "start transaction with consistent snapshot, read only",
        ),
    ),
}

# The numbers of MariaDB's and MySQL's errors that have no telling SQLSTATE: login refused (with
# HY000 from some drivers); no right to a table or column; time-outs of a statement; no server, it
# went away, or a lock is held.
_NATIVE: dict[int, Failure] = {
    1045: "refused",
    1698: "refused",
    1142: "denied",
    1143: "denied",
    1969: "slow",
    3024: "slow",
    2002: "busy",
    2003: "busy",
    2006: "busy",
    2013: "busy",
    1205: "busy",
    1213: "busy",
}


def quote_odbc(access: Access, name: str) -> str:
    """Quote an identifier in the way of the connection's dialect."""
    return _quote(DIALECTS.get(_name_of(access), Dialect()), name)


def _quote(dialect: Dialect, name: str) -> str:
    return dialect.mark + name.replace(dialect.mark, dialect.mark * 2) + dialect.mark


def _name_of(access: Access) -> str:
    return str(access.extra.get("dialect") or "ansi")


class OdbcReader(SqlReader):
    """A table, view or query of a database that has an ODBC driver.

    All that is asked is standard SQL. No transaction is known there in which all queries see one
    state, so the counts before and after tell whether rows came or went.

    Args:
        connection: An open connection of arrow-odbc, in which nothing commits by itself.
        target: What is read.
        dialect: What the database writes in its own way.
        text_bytes: Length of the longest text that is read.
    """

    def __init__(
        self, connection: Any, target: Target, dialect: Dialect, text_bytes: int = _TEXT_BYTES
    ) -> None:
        """Begin the transaction."""
        super().__init__(target)
        self._connection, self._dialect, self._text_bytes = connection, dialect, text_bytes
        self._batches: Any = None
        for statement in dialect.begin:
            connection.execute(statement)

    def close(self) -> None:
        """End the transaction and its locks; the connection ends with its last reference."""
        self._batches = None
        # an error that is being told may refer to the connection for long
        with contextlib.suppress(Exception):
            self._connection.rollback()
        self._connection = None

    def quote(self, name: str) -> str:
        """Quote an identifier."""
        return _quote(self._dialect, name)

    def version(self) -> State:
        """As for other databases; it is also told that no snapshot could be had."""
        state = super().version()
        missing = (
            "" if self._dialect.begin else "its `dialect` is unknown, so no snapshot could be read"
        )
        warning = "; ".join(filter(None, (state.warning, missing)))
        return State(state.mark, state.now, warning)

    def _describe(self) -> Mapping[str, Column]:
        schema = self._run(f"select * from {self._target.relation} source where 1 = 0", ()).schema
        self._batches = None
        return {item.name: self._choose_column(item.type) for item in schema}

    def _choose_column(self, kind: pa.DataType) -> Column:
        """How a column is read; what is no number and no time comes as text."""
        if pa.types.is_timestamp(kind):
            return Column(LOCAL_TIME)
        if pa.types.is_integer(kind):
            return Column(pa.int64())
        return Column(kind if _is_plain(kind) else pa.string())

    def _ask(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        batches = self._run(query, values)
        rows = [tuple(row.values()) for batch in batches for row in batch.to_pylist()]
        self._batches = None
        return rows

    def _stream(self, query: str, values: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        self._run(query, values)
        # the attribute alone holds the result, so that the next question ends it
        while self._batches is not None and (batch := next(self._batches, None)) is not None:
            yield batch
        self._batches = None

    def _run(self, query: str, values: Sequence[Any]) -> Any:
        """Run a query; a connection has one result at a time."""
        self._batches = None
        self._batches = self._connection.read_arrow_batches(
            query,
            batch_size=ROWS_AT_ONCE,
            parameters=list(values) or None,
            max_bytes_per_batch=_BATCH_BYTES,
            max_text_size=self._text_bytes,
            max_binary_size=self._text_bytes,
            fetch_concurrently=False,
        )
        return self._batches

    def _now(self) -> datetime:
        clock = self._target.clock or "current_timestamp"
        # standard SQL tells the time of the server, which is the agency's
        zone = ZoneInfo(self._target.timezone)
        # Many databases refuse a question without a table. A count of no rows is always one row.
        one = f"select count(*) as counted from {self._target.relation} source where 1 = 0"
        query = f"select max(now) from (select {clock} as now from ({one}) one_row) clock"
        (now,) = self._ask(query)[0]
        moment: datetime = require_time(now, self._target.name).replace(tzinfo=zone)
        return moment.astimezone(UTC)

    def _bind(self, column: Column, places: Sequence[int]) -> list[str]:
        return [self._dialect.bound] * len(places)

    def _value(self, column: Column, bound: datetime) -> Any:
        return super()._value(column, bound).isoformat(sep=" ")


class MysqlReader(OdbcReader):
    """A table, view or query of MariaDB or MySQL, in one transaction that only reads.

    It sees one state of all tables of the engine InnoDB. If there are tables of other engines, the
    windows' checksums tell whether rows changed.
    """

    def __init__(self, *arguments: Any) -> None:
        """Let times that are moments come in UTC, where they can be told from local ones."""
        super().__init__(*arguments)
        if not self._target.is_query:
            self._connection.execute("set time_zone = '+00:00'")

    def _describe(self) -> Mapping[str, Column]:
        columns = dict(super()._describe())
        if self._target.is_query:
            return columns
        # ODBC has one type for both: `timestamp` is a moment, and `datetime` is what a clock shows
        for name, kind, *_ in self._ask(f"show columns from {self._target.relation}"):
            if str(kind).startswith("timestamp"):
                columns[name] = Column(MOMENT)
        return columns

    def _choose_column(self, kind: pa.DataType) -> Column:
        # ODBC takes a large unsigned number for a negative one
        if pa.types.is_integer(kind):
            return Column(pa.string(), "cast({} as char)")
        # and its driver gives each bit as null
        if pa.types.is_boolean(kind):
            return Column(pa.string(), "cast({} + 0 as char)")
        return super()._choose_column(kind)

    def _undated(self, moment: str) -> str:
        return f"{moment} is null or year({moment}) = 0"  # '0000-00-00' is no day

    def _now(self) -> datetime:
        clock = self._target.clock or "utc_timestamp(6)"
        return as_utc(self._ask(f"select cast(({clock}) as datetime(6))")[0][0], self._target.name)

    def _content(self) -> str | None:
        if self._has_snapshot():
            return None
        columns = ", ".join(
            f"coalesce(cast({self.quote(name)} as char), char(0))" for name in self._columns
        )
        return f"coalesce(sum(crc32(concat_ws('|', {columns}))), 0)"

    def _has_snapshot(self) -> bool:
        ((others,),) = self._ask(
            "select count(*) from information_schema.tables where engine <> 'InnoDB' and "
            "table_schema not in ('mysql', 'sys', 'information_schema', 'performance_schema')"
        )
        return int(others) == 0

    def _list_writable(self) -> Sequence[str]:
        return [name for (name,) in self._ask(read_query(SQL / "mysql_writes.sql"))]


_READERS = {"mysql": MysqlReader}


def _is_plain(kind: pa.DataType) -> bool:
    tests = (
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_date,
        pa.types.is_decimal,
    )
    return any(test(kind) for test in tests)


@contextlib.contextmanager
def open_odbc(
    access: Access,
    name: str,
    relation: str,
    moment: str | None,
    timezone: str,
    clock: str | None = None,
) -> Iterator[Reader]:
    """Open a table, view or query of a database that has an ODBC driver.

    Args:
        access: The connection. Its extra holds `Driver`, which the system knows (odbcinst.ini),
            `dialect`, `max_text_bytes`, and further options of the ODBC driver.
        name: See `Target`.
        relation: See `Target`.
        moment: See `Target`.
        timezone: See `Target`.
        clock: See `Target`.

    Yields:
        The reader. The connection is closed after the block, and nothing is committed.

    Raises:
        SourceError: SRC-DRIVER if the driver cannot be loaded, or the dialect is unknown; others as
            in `explain`.
    """
    module = import_driver("arrow_odbc", "arrow-odbc", name, "odbc")
    known = _name_of(access)
    if known not in DIALECTS:
        raise SourceError(
            "SRC-DRIVER",
            f"{name}: `dialect` of the connection is {known}; known are {', '.join(DIALECTS)}",
            "correct the extra of the Airflow connection; leave it out for standard SQL",
        )
    dialect = DIALECTS[known]
    text_bytes = int(access.extra.get("max_text_bytes") or _TEXT_BYTES)
    with explained((module.Error,), _classify, access, name):
        target = Target(name, relation, moment, timezone, clock)
        reader = _READERS.get(known, OdbcReader)(
            _connect(module, access, dialect), target, dialect, text_bytes
        )
        try:
            yield reader
        finally:
            reader.close()


def _connect(module: ModuleType, access: Access, dialect: Dialect) -> Any:
    own = ("dialect", "max_text_bytes")
    parts = {
        "Server": access.host,
        "Port": access.port,
        "Database": access.database,
        **dialect.options,
        **{key: value for key, value in access.extra.items() if key not in own},
    }
    text = "".join(
        f"{key}={_escape(str(value))};" for key, value in parts.items() if value is not None
    )
    return module.connect(
        connection_string=text,
        user=access.login,
        password=access.password,
        login_timeout_sec=LOGIN_SECONDS,
        autocommit=False,
    )


def _escape(value: str) -> str:
    """Quote a value of a connection string, as ODBC asks."""
    return (
        "{" + value.replace("}", "}}") + "}" if re.search(r"[\[\]{}(),;?*=!@ ]", value) else value
    )


def _classify(error: Any) -> Failure:
    """Tell what a driver's message means by the SQLSTATE and the number in it."""
    said = str(error)
    native = re.search(r"Native error: (\d+)", said)
    if native and (failure := _NATIVE.get(int(native[1]))):
        return failure
    if "too large to be written into the allocated buffer" in said:  # arrow-odbc's own words
        return "long"
    state = re.search(r"State: (\w{5})", said)
    # the driver manager knows no such driver, or cannot load it
    if "Can't open lib" in said or (state and state[1] in ("IM002", "IM003")):
        return "absent"
    return failure_of_state(state[1]) if state else "other"
