"""Oracle as a source, against a stub.

No Oracle server was at hand. The driver's real module is loaded, with its types and errors; its
`connect` alone is replaced, by a connection that keeps what it is asked. So these tests show that
what is asked is what Oracle documents, and not that a server answers as it is documented.
"""

import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import oracledb
import pyarrow as pa
import pytest

from cdi.agency.interval import Interval
from cdi.errors import SourceError
from cdi.sources.access import Access
from cdi.sources.oracle import open_oracle
from cdi.sources.reader import SourceBusyError
from tests.unit.sources.stubs import StubConnection, connecting

PASSWORD = "a secret"
ACCESS = Access("oracle", "rms.example.org", None, "reader", PASSWORD, "RMS")
INTERVAL = Interval(datetime(2026, 10, 24, 23, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC))
CLOCK = datetime(2026, 10, 27, 3)
NAME = "testville/crime_records"


def column(name: str, kind: str, precision: int | None = None, scale: int | None = None) -> Any:
    """A column as `Cursor.description` tells it (python-oracledb, "API: Cursor Objects")."""
    return (name, getattr(oracledb, kind), None, None, precision, scale, True)


COLUMNS = [
    column("NUMBER_OF_IT", "DB_TYPE_VARCHAR"),
    column("RECORDED", "DB_TYPE_DATE"),
    column("STAMP", "DB_TYPE_TIMESTAMP"),
    column("MOMENT", "DB_TYPE_TIMESTAMP_TZ"),
    column("LOCAL_MOMENT", "DB_TYPE_TIMESTAMP_LTZ"),
    column("COUNT_OF_IT", "DB_TYPE_NUMBER", 9, 0),
    column("AMOUNT", "DB_TYPE_NUMBER", 9, 2),
    column("ANY_NUMBER", "DB_TYPE_NUMBER", 0, -127),
    column("KEY", "DB_TYPE_RAW"),
    column("SPAN", "DB_TYPE_INTERVAL_DS"),
    column("TEXT", "DB_TYPE_CLOB"),
]


def stub(**answers: Any) -> StubConnection:
    defaults = {"systimestamp": [(CLOCK,)], "session_privs": [], "select count(*)": [(1,)]}
    return StubConnection({**answers, **defaults} | answers, description=COLUMNS)


def opened(
    monkeypatch: pytest.MonkeyPatch,
    connection: StubConnection,
    moment: str | None = "RECORDED",
    access: Access = ACCESS,
    given: dict[str, Any] | None = None,
) -> Any:
    monkeypatch.setattr(oracledb, "connect", connecting(connection, {} if given is None else given))
    return open_oracle(access, NAME, '"RMS"."CRIME_V"', moment, "Europe/London")


def test_the_connection_names_a_service_unless_its_extra_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # python-oracledb, "API: oracledb Module", oracledb.connect()
    given: dict[str, Any] = {}
    connection = stub()
    with opened(monkeypatch, connection, given=given):
        assert not connection.is_closed
    assert connection.is_closed
    assert given == {
        "user": "reader", "password": PASSWORD, "host": "rms.example.org", "port": 1521,
        "service_name": "RMS", "tcp_connect_timeout": 30,
    }  # fmt: skip
    given.clear()
    access = Access("oracle", login="r", extra={"dsn": "tns_alias", "call_timeout": 5000})
    with opened(monkeypatch, connection, access=access, given=given):
        assert connection.call_timeout == 5000
    assert given == {"user": "r", "password": None, "tcp_connect_timeout": 30, "dsn": "tns_alias"}


def test_one_transaction_that_only_reads_begins_before_all_questions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Oracle, "SQL Language Reference", SET TRANSACTION: the first statement of its transaction
    connection = stub()
    with opened(monkeypatch, connection) as reader:
        reader.count(INTERVAL)
    assert connection.statements[:2] == [
        "alter session set time_zone = '+00:00'", "set transaction read only"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("moment", "place", "start"),
    [
        # Oracle, "SQL Language Reference", FROM_TZ; the clock went back in London on 25 October
        ("RECORDED", "cast(:{} as date)", datetime(2026, 10, 25)),
        ("STAMP", "cast(:{} as timestamp)", datetime(2026, 10, 25)),
        ("MOMENT", "from_tz(cast(:{} as timestamp), '+00:00')", datetime(2026, 10, 24, 23)),
        ("LOCAL_MOMENT", "from_tz(cast(:{} as timestamp), '+00:00')", datetime(2026, 10, 24, 23)),
    ],
)
def test_the_window_is_bound_in_the_columns_type(
    monkeypatch: pytest.MonkeyPatch, moment: str, place: str, start: datetime
) -> None:
    connection = stub()
    with opened(monkeypatch, connection, moment) as reader:
        assert reader.count(INTERVAL) == 1
    assert connection.asked[-1] == (
        f'select count(*) from "RMS"."CRIME_V" source where "{moment}" >= {place.format(1)} '
        f'and "{moment}" < {place.format(2)}',
        [start, datetime(2026, 10, 26)],
    )


def test_rows_come_in_batches_with_one_form_of_each_type(monkeypatch: pytest.MonkeyPatch) -> None:
    # Oracle, "SQL Language Reference": SYS_EXTRACT_UTC, TO_CHAR (number), RAWTOHEX;
    # python-oracledb, "Fetching Data Frames": types of Arrow
    wanted = [
        "NUMBER_OF_IT", "RECORDED", "STAMP", "MOMENT", "COUNT_OF_IT", "AMOUNT", "ANY_NUMBER", "TEXT"
    ]  # fmt: skip
    seconds = pa.array([1_792_918_800], pa.timestamp("s"))
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array(["1"]), seconds, seconds.cast(pa.timestamp("ns")),
            seconds.cast(pa.timestamp("us")), pa.array([7]), pa.array([Decimal("1.10")]),
            pa.array([".5"]), pa.array(["long"], pa.large_string()),
        ],
        wanted,
    )  # fmt: skip
    connection = stub()
    with opened(monkeypatch, connection) as reader:
        connection.batches = [batch, batch]
        first, second = reader.rows(INTERVAL, wanted)
        assert first.schema.types == [reader.columns()[name] for name in wanted]
        connection.batches = []
        assert not list(reader.rows(INTERVAL, ["KEY", "SPAN", "LOCAL_MOMENT"]))
    nine = datetime(2026, 10, 25, 9)
    assert first.to_pylist() == second.to_pylist() == [
        {"NUMBER_OF_IT": "1", "RECORDED": nine, "STAMP": nine, "MOMENT": nine.replace(tzinfo=UTC),
         "COUNT_OF_IT": 7, "AMOUNT": Decimal("1.10"), "ANY_NUMBER": ".5", "TEXT": "long"}
    ]  # fmt: skip
    asked = " ".join(connection.statements)
    for expression in (
        'sys_extract_utc(cast("MOMENT" as timestamp with time zone)) as "MOMENT"',
        'sys_extract_utc(cast("LOCAL_MOMENT" as timestamp with time zone)) as "LOCAL_MOMENT"',
        """to_char("ANY_NUMBER", 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''') as "ANY_NUMBER\"""",
        'rawtohex("KEY") as "KEY"',
        'to_char("SPAN") as "SPAN"',
        '"TEXT" as "TEXT"',
    ):
        assert expression in asked


def test_the_clock_is_the_servers_and_a_login_that_may_write_is_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = stub()
    with opened(monkeypatch, connection) as reader:
        state = reader.version()
        assert (state.now, state.warning) == (CLOCK.replace(tzinfo=UTC), "")
        connection.answers = {**connection.answers, "session_privs": [("DELETE ANY TABLE",)]}
        assert reader.version().warning == "the login may write: DELETE ANY TABLE"
    clock = "select sys_extract_utc(cast((systimestamp) as timestamp with time zone)) from dual"
    assert clock in connection.statements


def test_a_clock_that_gives_no_time_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = stub()
    connection.answers = {**connection.answers, "systimestamp": [(None,)]}
    with (
        pytest.raises(SourceBusyError, match=rf"SRC-SQL\] {NAME}: `clock` gives no time"),
        opened(monkeypatch, connection) as reader,
    ):
        reader.version()


@pytest.mark.parametrize(
    ("code", "said", "rule", "kind"),
    [
        # Oracle, "Database Error Messages"
        (1017, "invalid username/password; logon denied", "SRC-ACCESS", SourceError),
        (28000, "the account is locked", "SRC-ACCESS", SourceError),
        (1013, "user requested cancel of current operation", "SRC-TIMEOUT", SourceError),
        (1555, "snapshot too old", "SRC-SQL", SourceBusyError),
        (3113, "end-of-file on communication channel", "SRC-SQL", SourceBusyError),
        (12541, "no listener", "SRC-SQL", SourceBusyError),
        (942, "table or view does not exist", "SRC-SQL", SourceError),
    ],
)
def test_the_drivers_own_errors_are_explained_without_secrets(
    monkeypatch: pytest.MonkeyPatch, code: int, said: str, rule: str, kind: type
) -> None:
    details = sys.modules["oracledb.errors"]._Error(
        message=f"ORA-{code:05}: {said}, {PASSWORD}", code=code
    )
    connection = stub(**{"select count(*)": details.exc_type(details)})
    with (
        pytest.raises(SourceError, match=rule) as caught,
        opened(monkeypatch, connection) as reader,
    ):
        reader.count(INTERVAL)
    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert connection.is_closed


def test_the_driver_itself_finds_no_server() -> None:
    """Here the real `connect` is called: nothing listens on that port."""
    access = Access("oracle", "127.0.0.1", 1, "reader", PASSWORD, "RMS", {"retry_count": 0})
    with (
        pytest.raises(SourceBusyError, match=r"SRC-SQL.*DPY-6005") as caught,
        open_oracle(access, NAME, '"V"', None, "Europe/London"),
    ):
        pass
    assert PASSWORD not in str(caught.value)


def test_an_argument_that_the_driver_does_not_have_is_told() -> None:
    access = Access("oracle", "127.0.0.1", 1, "reader", PASSWORD, "RMS", {"klingon": 1})
    with (
        pytest.raises(SourceError, match=r"SRC-SQL.*klingon"),
        open_oracle(access, NAME, '"V"', None, "Europe/London"),
    ):
        pass
