"""SQL Server as a source, against a stub.

No SQL Server was at hand. The driver's real module is loaded, with its errors and their texts; its
`connect` alone is replaced, by a connection that keeps what it is asked. So these tests show that
what is asked is what Microsoft documents, and not that a server answers as it is documented.
"""

import sys
from ctypes.util import find_library
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import mssql_python
import pyarrow as pa
import pytest

from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.agency.model import Source
from cdi.errors import SourceError
from cdi.sources.access import Access
from cdi.sources.mssql import open_mssql, quote_mssql
from cdi.sources.reader import SourceBusyError, Window
from cdi.sources.spool import spool_window
from cdi.sources.sql import open_sql
from tests.unit.sources.stubs import StubConnection, connecting

PASSWORD = "a ; secret }"
ACCESS = Access("mssql", "cad.example.org", 1444, "reader", PASSWORD, "cad", {"Encrypt": "strict"})
INTERVAL = Interval(datetime(2026, 10, 24, 23, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC))
CLOCK = datetime(2026, 10, 27, 3)
# name, type, precision, scale and error, as sys.dm_exec_describe_first_result_set gives them
# (Microsoft Learn, "sys.dm_exec_describe_first_result_set (Transact-SQL)")
COLUMNS = [
    ("number", "varchar(20)", 0, 0, None),
    ("received", "datetime", 23, 3, None),
    ("moment", "datetimeoffset(7)", 34, 7, None),
    ("amount", "decimal(9,2)", 9, 2, None),
    ("id", "uniqueidentifier", 0, 0, None),
    ("price", "money", 19, 4, None),
    ("at", "time(7)", 16, 7, None),
    ("note", "xml", 0, 0, None),
    ("picture", "varbinary(max)", 0, 0, None),
    ("place", None, 0, 0, None),
]


def stub(snapshot: int = 1, **answers: Any) -> StubConnection:
    return StubConnection(
        {
            **answers,
            "snapshot_isolation_state": [(snapshot,)],
            "dm_exec_describe": COLUMNS,
            "sysdatetimeoffset": [(CLOCK,)],
            "has_perms_by_name": [],
            "select count(*) from": [(1,)],
        }
    )


@pytest.fixture
def given() -> dict[str, Any]:
    return {}


def opened(
    monkeypatch: pytest.MonkeyPatch,
    connection: StubConnection,
    given: dict[str, Any],
    moment: str | None = "received",
) -> Any:
    monkeypatch.setattr(mssql_python, "connect", connecting(connection, given))
    return open_mssql(ACCESS, "testville/calls", "[dbo].[calls]", moment, "Europe/London")


def test_the_connection_asks_for_a_replica_and_for_the_options_of_its_extra(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    # Microsoft Learn, "DSN and connection string keywords and attributes": Server=host,port
    connection = stub()
    with opened(monkeypatch, connection, given):
        assert not connection.is_closed
    assert connection.is_closed
    assert given == {
        "Server": "cad.example.org,1444", "Database": "cad", "UID": "reader", "PWD": PASSWORD,
        "ApplicationIntent": "ReadOnly", "Encrypt": "strict", "autocommit": True, "timeout": 30,
    }  # fmt: skip


def test_a_snapshot_begins_before_the_first_question(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    # Microsoft Learn, "SET TRANSACTION ISOLATION LEVEL (Transact-SQL)": a transaction that began in
    # another level cannot become SNAPSHOT
    connection = stub()
    with opened(monkeypatch, connection, given) as reader:
        reader.count(INTERVAL)
    asked = connection.statements
    assert asked[1:3] == ["set transaction isolation level snapshot", "autocommit False"]
    assert "from sys.databases where database_id = db_id()" in asked[0]
    assert "checksum" not in asked[-1]


def test_without_snapshots_a_checksum_tells_that_rows_changed(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], tmp_path: Path
) -> None:
    # Microsoft Learn, "CHECKSUM_AGG (Transact-SQL)", "BINARY_CHECKSUM (Transact-SQL)"
    connection = stub(snapshot=0)
    counts = [[(1, 5)], [(1, 6)], [(1, 5)], [(1, 6)], [(1, 5)], [(1, 6)]]
    execute = connection.execute

    def counting(statement: str, values: list[Any] | None = None) -> None:
        execute(statement, values)
        if "checksum_agg(binary_checksum(*))" in statement:
            connection.found = counts.pop(0)
        elif statement.startswith("select [number]"):
            row = {"number": "1", "received": datetime(2026, 10, 25, 10)}
            batch = pa.RecordBatch.from_pylist([row])
            connection.batches = [batch, batch.slice(0, 0)]

    monkeypatch.setattr(connection, "execute", counting)

    def read() -> None:
        spool_window(
            "testville/calls",
            lambda: opened(monkeypatch, connection, given),
            Window(INTERVAL, "received", "Europe/London"),
            ["number", "received"],
            tmp_path,
        )

    with pytest.raises(SourceBusyError, match="SRC-MOVED"):
        read()
    assert connection.statements[1] == "set transaction isolation level read committed"
    counts += [[(1, 5)], [(1, 5)]]
    read()


@pytest.mark.parametrize(
    ("moment", "condition", "start", "end"),
    [
        # the clock went back in London on 25 October: its local midnights are 25 hours apart
        ("received", "[received] >= cast(? as datetime) and [received] < cast(? as datetime)",
         datetime(2026, 10, 25), datetime(2026, 10, 26)),
        ("moment", "[moment] >= todatetimeoffset(cast(? as datetime2), '+00:00') "
         "and [moment] < todatetimeoffset(cast(? as datetime2), '+00:00')",
         datetime(2026, 10, 24, 23), datetime(2026, 10, 26)),
    ],
)  # fmt: skip
def test_the_window_is_bound_in_the_columns_type(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], moment: str, condition: str,
    start: datetime, end: datetime,
) -> None:  # fmt: skip
    # Microsoft Learn, "TODATETIMEOFFSET (Transact-SQL)"
    connection = stub()
    with opened(monkeypatch, connection, given, moment) as reader:
        assert reader.count(INTERVAL) == 1
        reader.count_undated()
    assert connection.asked[-2] == (
        f"select count(*) from [dbo].[calls] source where {condition}", [start, end]
    )  # fmt: skip
    assert connection.statements[-1].endswith(f"where [{moment}] is null")


def test_rows_come_in_batches_with_one_form_of_each_type(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    # Microsoft Learn, "CAST and CONVERT (Transact-SQL)": styles 121 of a time, 2 of money, 1 of
    # bytes; "SWITCHOFFSET (Transact-SQL)"
    connection = stub()
    nano = pa.array([1_792_918_800_123_456_700], pa.timestamp("ns"))
    batch = pa.RecordBatch.from_arrays(
        [pa.array(["1"]), nano, nano, pa.array([Decimal("1.10")])], ["a", "b", "c", "d"]
    )
    with opened(monkeypatch, connection, given) as reader:
        wanted = ["number", "received", "moment", "amount"]
        connection.batches = [batch, batch, batch.slice(0, 0)]
        first, second = reader.rows(INTERVAL, wanted)
        list_of_types = [reader.columns()[name] for name in wanted]
        connection.batches = [batch.slice(0, 0)]
        assert not list(reader.rows(INTERVAL, ["id", "price", "at", "note", "picture", "place"]))
    assert first.schema.names == wanted
    assert first.schema.types == list_of_types == [
        pa.string(), pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.decimal128(9, 2)
    ]  # fmt: skip
    assert first.to_pylist() == second.to_pylist() == [
        {"number": "1", "received": datetime(2026, 10, 25, 9, 0, 0, 123456),
         "moment": datetime(2026, 10, 25, 9, 0, 0, 123456, tzinfo=UTC), "amount": Decimal("1.10")}
    ]  # fmt: skip
    texts = connection.statements[-1]
    for expression in (
        "cast([id] as char(36)) as [id]", "convert(varchar(30), [price], 2) as [price]",
        "convert(varchar(16), [at], 121) as [at]", "cast([note] as nvarchar(max)) as [note]",
        "convert(varchar(max), cast([picture] as varbinary(max)), 1) as [picture]",
        "cast([place] as nvarchar(max)) as [place]",
    ):  # fmt: skip
        assert expression in texts
    moments = "cast(switchoffset([moment], '+00:00') as datetime2(7)) as [moment]"
    assert any(moments in statement for statement in connection.statements)


def test_the_clock_is_the_servers_and_a_login_that_may_write_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    connection = stub()
    with opened(monkeypatch, connection, given) as reader:
        state = reader.version()
        assert (state.now, state.warning) == (CLOCK.replace(tzinfo=UTC), "")
        may_write = {"has_perms_by_name": [("dbo.calls",), ("dbo.units",)]}
        connection.answers = {**connection.answers, **may_write}
        assert reader.version().warning == "the login may write: dbo.calls, dbo.units"


def test_a_clock_that_gives_no_time_is_told(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    connection = stub()
    connection.answers = {**connection.answers, "sysdatetimeoffset": [(None,)]}
    with (
        pytest.raises(SourceBusyError, match=r"SRC-SQL\] testville/calls: `clock` gives no time"),
        opened(monkeypatch, connection, given) as reader,
    ):
        reader.version()


@pytest.mark.parametrize(
    ("state", "rule", "kind"),
    [
        # Microsoft Learn, "Appendix A: ODBC Error Codes"
        ("28000", "SRC-ACCESS", SourceError),
        ("HYT00", "SRC-TIMEOUT", SourceError),
        ("08001", "SRC-SQL", SourceBusyError),
        ("08S01", "SRC-SQL", SourceBusyError),
        ("40001", "SRC-SQL", SourceBusyError),
        ("42S02", "SRC-SQL", SourceError),
    ],
)
def test_the_drivers_own_errors_are_explained_without_secrets(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], state: str, rule: str, kind: type
) -> None:
    from mssql_python.exceptions import sqlstate_to_exception

    said = f"[Microsoft][SQL Server]what it says of PWD={PASSWORD}"
    connection = stub(**{"select count(*)": sqlstate_to_exception(state, said)})
    with (
        pytest.raises(SourceError, match=rule) as caught,
        opened(monkeypatch, connection, given) as reader,
    ):
        reader.count(INTERVAL)
    assert type(caught.value) is kind
    assert "what it says" in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert connection.is_closed


def test_a_query_that_cannot_be_described_is_told(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    problem = [(None, None, None, None, "Invalid object name 'dbo.calls'.")]
    connection = stub()
    connection.answers = {**connection.answers, "dm_exec_describe": problem}
    with (
        pytest.raises(SourceError, match=r"SRC-SQL.*Invalid object name"),
        opened(monkeypatch, connection, given) as reader,
    ):
        reader.columns()


@pytest.mark.skipif(
    not all(map(find_library, ("ltdl", "gssapi_krb5"))),
    reason="Microsoft's ODBC driver needs libltdl7 and libgssapi-krb5-2 of the system",
)
def test_the_driver_itself_finds_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the real `connect` is called: nothing listens on that port."""
    monkeypatch.setattr("cdi.sources.mssql.LOGIN_SECONDS", 1)  # it tries so long
    access = Access("mssql", "127.0.0.1", 1, "reader", PASSWORD, "cad")
    with (
        pytest.raises(SourceBusyError, match="SRC-SQL") as caught,
        open_mssql(access, "testville/calls", "[calls]", None, "Europe/London"),
    ):
        pass
    assert PASSWORD not in str(caught.value)


def test_a_keyword_that_the_driver_keeps_for_itself_is_told() -> None:
    access = Access("mssql", "127.0.0.1", 1, extra={"Driver": "of another program"})
    with (
        pytest.raises(SourceError, match=r"SRC-SQL.*reserved"),
        open_mssql(access, "testville/calls", "[calls]", None, "Europe/London"),
    ):
        pass


def test_names_are_quoted_in_brackets(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    # Microsoft Learn, "QUOTENAME (Transact-SQL)"
    assert quote_mssql("a]b") == "[a]]b]"
    connection = stub()
    monkeypatch.setattr(mssql_python, "connect", connecting(connection, given))
    agency = load_agency("simulated")
    source = Source.model_validate(
        {"sql": {"relation": "dbo.vw_incident"}, "connection": "cad", "delivery": "days",
         "days": 3, "columns": {}}
    )  # fmt: skip
    with open_sql(agency, source, ACCESS, "testville/calls", "received") as reader:
        reader.count(INTERVAL)
    assert "from [dbo].[vw_incident] source where" in connection.statements[-1]


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mssql_python", None)
    with (
        pytest.raises(SourceError, match="SRC-DRIVER") as caught,
        open_mssql(ACCESS, "testville/calls", "[calls]", None, "Europe/London"),
    ):
        pass
    assert "uv pip install -c requirements/dev.txt mssql-python" in str(caught.value)
