"""A real MariaDB through ODBC as a source: what goes wrong with live tables, each fault planted."""

import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdi.agency.interval import Interval
from cdi.errors import SourceError
from cdi.sources.access import Access
from cdi.sources.days import list_days
from cdi.sources.odbc import OdbcReader, open_odbc, quote_odbc
from cdi.sources.reader import Open, SourceBusyError, Window
from cdi.sources.spool import Spool, spool_window
from tests.mariadb import PASSWORD, MariadbServer, mariadb_or_skip

ZONE = "Europe/London"
# the two days around the end of summer time: 25 October 2026 has 25 hours
DAYS = [date(2026, 10, 24), date(2026, 10, 25)]
INTERVAL = Interval(datetime(2026, 10, 23, 23, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC))
WINDOW = Window(INTERVAL, "received", ZONE)
COLUMNS = ["number", "received", "text"]
NAME = "testville/calls"


@pytest.fixture(scope="module")
def server() -> Iterator[MariadbServer]:
    with mariadb_or_skip() as started:
        yield started


class Table:
    """A table of calls in the database, and what reads it."""

    def __init__(self, server: MariadbServer, kind: str, engine: str) -> None:
        """Make the table anew; its times are of this kind."""
        self.server = server
        self.writer = server.connect()
        self.writer.execute("set lock_wait_timeout = 10")  # a reader that was left open is found
        self.relation = "`calls`"
        self.run("drop table if exists calls")
        self.run(
            f"create table calls (number varchar(40), received {kind}, text longtext, "
            f"updated_at date) engine = {engine}"
        )

    def run(self, statement: str, *values: str | None) -> None:
        """Run a statement, and commit it."""
        self.writer.execute(statement, list(values) or None)

    def add(self, number: str, received: str | None, text: str = "") -> None:
        """Add a row."""
        self.run("insert into calls (number, received, text) values (?, ?, ?)",
                 number, received, text)  # fmt: skip

    def open(self, access: Access | None = None) -> Any:
        """Open it as a source."""
        return open_odbc(access or self.server.access, NAME, self.relation, "received", ZONE)

    def read(self, folder: Path, columns: list[str] = COLUMNS, opened: Open | None = None) -> Spool:
        """Read the window."""
        return spool_window(NAME, opened or self.open, WINDOW, columns, folder)

    def marks(self, folder: Path) -> list[str | None]:
        """The marks of its two days; None for a day without rows."""
        days = list_days(self.read(folder), WINDOW, DAYS, b"key")
        return [day.mark if day.row_count else None for day in days]

    def beside_a_writer(self, write: Callable[[], None]) -> Open:
        """Open it so that a writer writes between the count and the rows."""
        table = self

        class Busy:
            def __init__(self) -> None:
                self.opened = table.open()

            def __enter__(self) -> Any:
                reader = self.opened.__enter__()
                rows = reader.rows

                def slow_rows(*arguments: Any) -> Any:
                    write()
                    yield from rows(*arguments)

                reader.rows = slow_rows
                return reader

            def __exit__(self, *problem: Any) -> Any:
                return self.opened.__exit__(*problem)

        return Busy


@pytest.fixture
def new_table(server: MariadbServer) -> Callable[..., Table]:
    def new(kind: str = "datetime(6)", engine: str = "InnoDB") -> Table:
        return Table(server, kind, engine)

    return new


New = Callable[..., Table]


def numbers(spool: Spool) -> list[str]:
    rows = duckdb.sql(f"select number from '{spool.file}' order by number").fetchall()
    return [number for (number,) in rows]


def test_a_day_is_a_local_day_whatever_the_clock_did(new_table: New, tmp_path: Path) -> None:
    table = new_table()
    for number, time in enumerate(
        ["2026-10-23 23:59:59", "2026-10-24 00:00", "2026-10-25 01:30", "2026-10-25 01:30",
         "2026-10-25 23:59:59.999999", "2026-10-26 00:00"]
    ):  # fmt: skip
        table.add(str(number), time)
    spool = table.read(tmp_path)
    assert numbers(spool) == ["1", "2", "3", "4"]
    days = list_days(spool, WINDOW, DAYS, b"key")
    assert [(day.name, day.row_count) for day in days] == [("2026-10-24", 1), ("2026-10-25", 3)]


def test_a_timestamp_is_a_moment_whatever_the_servers_zone(new_table: New, tmp_path: Path) -> None:
    """The server is five hours behind UTC, and shows a `timestamp` so to whoever asks."""
    table = new_table("timestamp(6) null")
    table.run("set time_zone = '+00:00'")
    for number, time in enumerate(
        ["2026-10-23 22:59:59", "2026-10-23 23:00", "2026-10-25 00:30", "2026-10-25 01:30",
         "2026-10-25 23:59:59.999999", "2026-10-26 00:00"]
    ):  # fmt: skip
        table.add(str(number), time)
    spool = table.read(tmp_path)
    assert numbers(spool) == ["1", "2", "3", "4"]
    times = duckdb.sql(f"select epoch_us(received) from '{spool.file}' order by number").fetchall()
    half_past = int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()) * 1_000_000
    assert [time for (time,) in times][1:3] == [half_past, half_past + 3_600_000_000]
    days = list_days(spool, WINDOW, DAYS, b"key")
    assert [(day.name, day.row_count) for day in days] == [("2026-10-24", 1), ("2026-10-25", 3)]


def test_a_late_commit_a_silent_update_and_a_deletion_change_the_mark_of_their_day_alone(
    new_table: New, tmp_path: Path
) -> None:
    table = new_table()
    for number in range(20):
        table.add(str(number), f"2026-10-24 10:{number:02}", "a")
        table.add(str(100 + number), f"2026-10-25 10:{number:02}", "b")
    first = table.marks(tmp_path)
    assert None not in first
    assert table.marks(tmp_path) == first

    late = table.server.connect(autocommit=False)  # open while a run reads, committed afterwards
    late.execute("insert into calls values ('late', '2026-10-24 09:00', '', '2026-01-01')")
    assert table.marks(tmp_path) == first
    late.commit()
    second = table.marks(tmp_path)
    assert (second[0] != first[0], second[1] == first[1]) == (True, True)

    table.run("update calls set text = 'c' where number = '105'")
    third = table.marks(tmp_path)
    assert (third[0] == second[0], third[1] != second[1]) == (True, True)

    table.run("delete from calls where number in ('3', 'late')")
    fourth = table.marks(tmp_path)
    assert (fourth[0] not in (third[0], first[0]), fourth[1] == third[1]) == (True, True)

    table.run("delete from calls where received < '2026-10-25'")
    assert table.marks(tmp_path) == [None, third[1]]


def test_a_writer_between_count_and_rows_is_not_seen(new_table: New, tmp_path: Path) -> None:
    """One transaction sees one state, so the counts agree at the first reading."""
    table = new_table()
    table.add("1", "2026-10-24 10:00")
    busy = table.beside_a_writer(lambda: table.add("2", "2026-10-24 11:00"))
    assert numbers(table.read(tmp_path, opened=busy)) == ["1"]
    assert numbers(table.read(tmp_path)) == ["1", "2"]


def test_without_a_snapshot_a_table_that_changes_while_it_is_read_is_refused(
    new_table: New, tmp_path: Path
) -> None:
    """The engine MyISAM has no transactions; an update leaves the count as it was."""
    table = new_table(engine="MyISAM")
    table.add("1", "2026-10-24 10:00")
    write = "update calls set text = concat(text, 'x')"
    with pytest.raises(SourceBusyError, match="SRC-MOVED"):
        table.read(tmp_path, opened=table.beside_a_writer(lambda: table.run(write)))
    assert numbers(table.read(tmp_path)) == ["1"]


def test_nothing_can_be_written_through_a_source(new_table: New) -> None:
    table = new_table()
    table.add("1", "2026-10-24 10:00")
    access = dataclasses.replace(table.server.access, login="root", password=table.server.root)
    with pytest.raises(SourceError, match="READ ONLY"), table.open(access) as reader:
        reader._connection.execute("delete from calls")


def test_a_login_that_may_write_is_warned_of(new_table: New) -> None:
    table = new_table()
    with table.open() as reader:
        assert reader.version().warning == ""
    access = dataclasses.replace(table.server.access, login="root", password=table.server.root)
    with table.open(access) as reader:
        assert "the login may write: DELETE everywhere" in reader.version().warning


def test_a_column_that_is_gone_is_named(new_table: New, tmp_path: Path) -> None:
    table = new_table()
    with pytest.raises(SourceError, match="SRC-COLUMNS") as caught:
        table.read(tmp_path, [*COLUMNS, "priority"])
    assert "has no column priority; it has number, received, text, updated_at" in str(caught.value)


def test_columns_that_nobody_mapped_are_told_and_not_read(new_table: New, tmp_path: Path) -> None:
    table = new_table()
    table.add("1", "2026-10-24 10:00")
    spool = table.read(tmp_path)
    assert spool.unexpected == ("updated_at",)
    assert duckdb.sql(f"from '{spool.file}'").columns == COLUMNS


def test_the_clock_is_the_sources_own(new_table: New, tmp_path: Path) -> None:
    table = new_table()
    before = datetime.now(UTC)
    now = table.read(tmp_path).now
    assert before <= now <= datetime.now(UTC)
    with open_odbc(
        table.server.access, NAME, "`calls`", None, ZONE, "timestamp '2026-01-07 00:00:00'"
    ) as reader:
        assert reader.version().now == datetime(2026, 1, 7, tzinfo=UTC)


def test_rows_without_a_day_are_counted(new_table: New, tmp_path: Path) -> None:
    table = new_table()
    table.run("set sql_mode = ''")
    table.add("1", "2026-10-24 10:00")
    table.add("2", None)
    table.add("3", "0000-00-00 00:00")
    assert table.read(tmp_path).undated == 2


def test_a_query_is_read_like_a_table(new_table: New, tmp_path: Path) -> None:
    table = new_table()
    table.add("1", "2026-10-24 10:00")
    table.add("2", "2026-10-24 10:00")
    table.relation = "(select *, 'it''s' as `the ``note` from calls where number <> '2'\n)"
    spool = table.read(tmp_path, [*COLUMNS, "the `note"])
    assert numbers(spool) == ["1"]
    assert duckdb.sql(f"select \"the `note\" from '{spool.file}'").fetchall() == [("it's",)]


def test_a_text_that_is_too_long_is_refused_and_not_cut(new_table: New, tmp_path: Path) -> None:
    table = new_table()
    table.add("1", "2026-10-24 10:00")
    table.run("update calls set text = repeat('x', 4000000)")
    spool = table.read(tmp_path)
    assert duckdb.sql(f"select length(text) from '{spool.file}'").fetchall() == [(4_000_000,)]
    table.run("update calls set text = repeat('x', 5000000)")
    with pytest.raises(SourceError, match="max_text_bytes"):
        table.read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"password": "a wrong password"}, "SRC-ACCESS"),
        ({"database": "nowhere"}, "SRC-SQL"),
        ({"port": 1}, "SRC-SQL"),
        ({"extra": {"Driver": "/secret/place/of/a/driver"}}, "SRC-DRIVER"),
        ({"extra": {"Driver": "no such", "dialect": "klingon"}}, "SRC-DRIVER"),
    ],
)
def test_no_secret_stands_in_an_error(new_table: New, changes: dict[str, Any], rule: str) -> None:
    access = dataclasses.replace(new_table().server.access, **changes)
    with (
        pytest.raises(SourceError, match=rule) as caught,
        open_odbc(access, NAME, "`calls`", "received", ZONE),
    ):
        pass
    assert isinstance(caught.value, SourceBusyError) == ("port" in changes)
    for secret in (PASSWORD, access.password, "/secret/place"):
        assert str(secret) not in str(caught.value) + repr(caught.value) + repr(access)


def test_a_query_that_takes_too_long_names_the_fix(new_table: New, tmp_path: Path) -> None:
    table = new_table()
    table.add("1", "2026-10-24 10:00")
    table.relation = "(select calls.*, sleep(20) as pause from calls)"
    table.run("set global max_statement_time = 0.2")
    try:
        with pytest.raises(SourceError, match="SRC-TIMEOUT"):
            table.read(tmp_path, [*COLUMNS, "pause"])
    finally:
        table.run("set global max_statement_time = 0")


def test_types_that_only_a_database_has_become_one_text_each(
    new_table: New, tmp_path: Path
) -> None:
    table = new_table()
    table.run("set sql_mode = ''")
    values = {
        "n decimal(22, 10)": ("12345678901.1", "12345678901.1000000000"),
        "z decimal(22, 10)": ("0", "0.0000000000"),
        "l decimal(65, 2)": ("123456789012345678901234567890123456789012.5",
                             "123456789012345678901234567890123456789012.50"),
        "u uuid": ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
                   "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        "e enum('calm', 'upset')": ("'upset'", "upset"),
        "t time(3)": ("'10:00:00.5'", "10:00:00.500"),
        "d date": ("'2026-10-24'", "2026-10-24"),
        "b boolean": ("true", "1"),
        "i bit(1)": ("b'1'", "1"),
        "g bigint unsigned": ("18446744073709551615", "18446744073709551615"),
        "f double": ("0.1", "0.1"),
        "x varbinary(4)": ("x'00ff'", "00ff"),
        "s varchar(9) character set latin1": ("'né'", "né"),
        "j longtext": ("'\U0001f600'", "\U0001f600"),
    }  # fmt: skip
    table.run("alter table calls " + ", ".join(f"add {column}" for column in values))
    written = ", ".join(value for value, _ in values.values())
    table.run(f"insert into calls values ('1', '2026-10-24 10:00', 'né', null, {written})")
    names = [column[0] for column in values]
    spool = table.read(tmp_path, [*COLUMNS, *names])
    texts = ", ".join(f"cast({name} as varchar)" for name in names)
    (found,) = duckdb.sql(f"select {texts} from '{spool.file}'").fetchall()
    assert dict(zip(names, found, strict=True)) == {
        column[0]: text for column, (_, text) in values.items()
    }


def test_an_unknown_dialect_is_standard_sql(server: MariadbServer, tmp_path: Path) -> None:
    """MariaDB is told to understand it; no snapshot is known, so a warning says that."""
    table = Table(server, "datetime(6)", "InnoDB")
    table.add("1", "2026-10-24 10:00")
    extra = {"Driver": "MariaDB Unicode", "INITSTMT": "set sql_mode = 'ansi'"}
    access = dataclasses.replace(server.access, extra=extra)
    assert quote_odbc(access, 'a"b') == '"a""b"'
    with open_odbc(access, NAME, '"calls"', None, ZONE) as reader:
        (batch,) = reader.rows(INTERVAL, COLUMNS)
        assert batch.to_pylist() == [
            {"number": "1", "received": datetime(2026, 10, 24, 10), "text": ""}
        ]
        assert reader.count(INTERVAL) == 1
        assert "no snapshot" in reader.version().warning


@pytest.mark.parametrize("clock", [None, "timestamp '2026-07-07 01:00:00'"])
def test_each_standard_question_is_of_the_table(
    server: MariadbServer, monkeypatch: pytest.MonkeyPatch, clock: str | None
) -> None:
    """Firebird, Db2 and others refuse a `select` without a `from`, also for the time."""
    Table(server, "datetime(6)", "InnoDB")
    extra = {"Driver": "MariaDB Unicode", "INITSTMT": "set sql_mode = 'ansi'"}
    access = dataclasses.replace(server.access, extra=extra)
    asked: list[str] = []
    run = OdbcReader._run

    def run_noted(reader: OdbcReader, query: str, values: Any) -> Any:
        asked.append(query)
        return run(reader, query, values)

    monkeypatch.setattr(OdbcReader, "_run", run_noted)
    with open_odbc(access, NAME, '"calls"', None, ZONE, clock) as reader:
        reader.columns()
        reader.count(INTERVAL)
        told = reader.version().now
    assert len(asked) == 3
    for query in asked:
        selects, tables = (query.count(word) for word in ("select ", " from "))
        assert selects == tables
        assert ' from "calls" source' in query
        assert "row_count" not in query.lower()  # a word of Firebird's own
    if clock:  # in London
        assert told == datetime(2026, 7, 7, tzinfo=UTC)
