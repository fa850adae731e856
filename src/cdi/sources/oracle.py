"""Oracle as a source, by python-oracledb without a client of Oracle's, as Arrow batches."""

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
    import_driver,
)
from cdi.sources.reader import ROWS_AT_ONCE, Reader
from cdi.sql import ident, read_query

SQL = Path(__file__).parent / "sql"

# The driver would give the time of a moment without its zone, so the server writes it in UTC.
_AS_UTC = "sys_extract_utc(cast({} as timestamp with time zone))"
# A number that need not fit into a type of Arrow is written with all its digits, and with a point.
_NUMBER_AS_TEXT = "to_char({}, 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''')"
# How each type is read, by its name in the driver; `_choose_column` tells of numbers and the rest.
_COLUMNS = {
    "DB_TYPE_DATE": Column(LOCAL_TIME, native="date"),
    "DB_TYPE_TIMESTAMP": Column(LOCAL_TIME, native="timestamp"),
    "DB_TYPE_TIMESTAMP_TZ": Column(MOMENT, _AS_UTC),
    "DB_TYPE_TIMESTAMP_LTZ": Column(MOMENT, _AS_UTC),
    "DB_TYPE_BINARY_FLOAT": Column(pa.float32()),
    "DB_TYPE_BINARY_DOUBLE": Column(pa.float64()),
    "DB_TYPE_VARCHAR": Column(pa.string()),
    "DB_TYPE_NVARCHAR": Column(pa.string()),
    "DB_TYPE_CHAR": Column(pa.string()),
    "DB_TYPE_NCHAR": Column(pa.string()),
    "DB_TYPE_CLOB": Column(pa.string()),
    "DB_TYPE_NCLOB": Column(pa.string()),
    "DB_TYPE_RAW": Column(pa.string(), "rawtohex({})"),
    "DB_TYPE_JSON": Column(pa.string(), "json_serialize({} returning clob)"),
    "DB_TYPE_XMLTYPE": Column(pa.string(), "xmlserialize(content {} as clob)"),
}
_EXACT_DIGITS = 38  # of Arrow's decimal128
_INTEGER_DIGITS = 18

# Errors by their codes (Database Error Messages; python-oracledb's own begin with DPY).
_REFUSED = ("ORA-01017", "ORA-01045", "ORA-28000", "ORA-28001", "DPY-4001")
_SLOW = ("ORA-01013", "ORA-00040", "DPY-4024")
# the snapshot is too old, or two transactions wait for each other
_PASSING = ("ORA-01555", "ORA-00060", "ORA-08177", "DPY-4011", "DPY-6")
_TNS = range(12150, 12700)  # the network, and the listener that does not know the service


class OracleReader(SqlReader):
    """A table, view or query of Oracle, in one transaction that only reads.

    Args:
        connection: An open connection of python-oracledb.
        target: What is read.
    """

    def __init__(self, connection: Any, target: Target) -> None:
        """Begin the transaction, all of whose queries see one state."""
        super().__init__(target)
        self._connection = connection
        self._cursor = connection.cursor()
        # a clock without a zone is UTC, as it is with other databases
        self._cursor.execute("alter session set time_zone = '+00:00'")
        self._cursor.execute("set transaction read only")

    def quote(self, name: str) -> str:
        """Quote an identifier."""
        return ident(name)

    def _describe(self) -> Mapping[str, Column]:
        self._cursor.execute(f"select * from {self._target.relation} source where 1 = 0")
        return {
            name: _choose_column(kind.name, precision, scale)
            for name, kind, _, _, precision, scale, _ in self._cursor.description
        }

    def _ask(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self._cursor.execute(query, list(values))
        return list(self._cursor.fetchall())

    def _stream(self, query: str, values: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        frames = self._connection.fetch_df_batches(
            query, list(values), size=ROWS_AT_ONCE, fetch_decimals=True
        )
        for frame in frames:
            yield from pa.table(frame).combine_chunks().to_batches()

    def _now(self) -> datetime:
        clock = self._target.clock or "systimestamp"
        return as_utc(
            self._ask(f"select {_AS_UTC.format(f'({clock})')} from dual")[0][0], self._target.name
        )

    def _bind(self, column: Column, places: Sequence[int]) -> list[str]:
        # of the column's own type, so that an index on it is of use
        place = (
            "from_tz(cast(:{} as timestamp), '+00:00')"
            if column.kind == MOMENT
            else f"cast(:{{}} as {column.native})"
        )
        return [place.format(number) for number in places]

    def _list_writable(self) -> Sequence[str]:
        return [name for (name,) in self._ask(read_query(SQL / "oracle_writes.sql"))]


def _choose_column(kind: str, precision: int | None, scale: int | None) -> Column:
    """How a column is read, by the driver's name of its type."""
    if kind != "DB_TYPE_NUMBER":
        return _COLUMNS.get(kind, Column(pa.string(), "to_char({})"))
    if not precision or scale is None or not 0 <= scale <= precision <= _EXACT_DIGITS:
        return Column(pa.string(), _NUMBER_AS_TEXT)
    if scale == 0 and precision <= _INTEGER_DIGITS:
        return Column(pa.int64())
    return Column(pa.decimal128(precision, scale))


@contextlib.contextmanager
def open_oracle(
    access: Access,
    name: str,
    relation: str,
    moment: str | None,
    timezone: str,
    clock: str | None = None,
) -> Iterator[Reader]:
    """Open a table, view or query of Oracle.

    Args:
        access: The connection. Its extra holds further arguments of `oracledb.connect`, such as
            `service_name`, and `call_timeout` in milliseconds.
        name: See `Target`.
        relation: See `Target`.
        moment: See `Target`.
        timezone: See `Target`.
        clock: See `Target`. Without a zone it is UTC.

    Yields:
        The reader. The connection is closed after the block.

    Raises:
        SourceError: SRC-DRIVER if the driver cannot be loaded; others as in `explain`.
    """
    driver = import_driver("oracledb", "oracledb", name, "oracle")
    with (
        explained((driver.Error,), _classify, access, name),
        contextlib.closing(_connect(driver, access, name)) as connection,
    ):
        yield OracleReader(connection, Target(name, relation, moment, timezone, clock))


def _connect(driver: ModuleType, access: Access, name: str) -> Any:
    extra = dict(access.extra)
    call_timeout = int(extra.pop("call_timeout", 0))
    parts: dict[str, Any] = {
        "user": access.login,
        "password": access.password,
        "tcp_connect_timeout": LOGIN_SECONDS,
    }
    if "dsn" not in extra:
        parts |= {"host": access.host, "port": access.port or 1521}
        if "sid" not in extra:
            parts["service_name"] = access.database
    try:
        connection = driver.connect(**parts | extra)
    except TypeError as error:  # an argument that the driver does not have
        raise explain("other", str(error), access, name) from None
    connection.call_timeout = call_timeout
    return connection


def _classify(error: Any) -> Failure:
    details = error.args[0] if error.args else None
    code = str(getattr(details, "full_code", ""))
    if code.startswith(_REFUSED):
        return "refused"
    if code == "ORA-01031":  # insufficient privileges
        return "denied"
    if code.startswith(_SLOW):
        return "slow"
    is_network = code.startswith("ORA-") and int(code.removeprefix("ORA-")) in _TNS
    passes = getattr(details, "isrecoverable", False) or code.startswith(_PASSING) or is_network
    return "busy" if passes else "other"
