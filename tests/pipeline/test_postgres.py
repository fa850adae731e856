"""A real PostgreSQL as a source: what goes wrong with live tables, each fault planted."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest

from cdi.agency.interval import Interval
from cdi.errors import SourceError
from cdi.sources.access import Access
from cdi.sources.days import list_days
from cdi.sources.postgres import open_postgres
from cdi.sources.reader import Open, SourceBusyError, Window
from cdi.sources.spool import Spool, spool_window
from cdi.sql import literal
from cdi_force.database import DatabaseError, find_program, run_postgres

PASSWORD = "not ' a \\ real %one"
ZONE = "Europe/London"
# the two days around the end of summer time: 25 October 2026 has 25 hours
DAYS = [date(2026, 10, 24), date(2026, 10, 25)]
WINDOW = Window(
    Interval(datetime(2026, 10, 23, 23, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC)),
    "received",
    ZONE,
)
COLUMNS = ["number", "received", "text"]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    try:
        find_program("postgres")
    except DatabaseError as error:
        pytest.skip(str(error))
    with run_postgres("timezone=America/New_York") as server:
        with server.open() as connection, connection.cursor() as cursor:
            cursor.execute(f"alter role postgres password {literal(PASSWORD)}")
            connection.commit()
        yield server.port


class Table:
    """A table of calls in the database, and what reads it."""

    def __init__(self, port: int, kind: str) -> None:
        """Make the table anew; its times are of this kind."""
        self.port = port
        self.connection = self.connect()
        self.connection.autocommit = True
        self.run("drop table if exists calls")
        self.run(f"create table calls (number text, received {kind}, text text, updated_at date)")

    def connect(self) -> Any:
        """A connection of a writer."""
        return psycopg2.connect(
            host="127.0.0.1", port=self.port, user="postgres", password=PASSWORD, dbname="postgres"
        )

    def run(self, statement: str, *values: object) -> None:
        """Run a statement, and commit it."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)

    def add(self, number: str, received: str | None, text: str = "") -> None:
        """Add a row."""
        self.run("insert into calls values (%s, %s, %s)", number, received, text)

    @property
    def access(self) -> Access:
        """How it is reached."""
        return Access("postgres", "127.0.0.1", self.port, "postgres", PASSWORD, "postgres")

    def open(self) -> Any:
        """Open it as a source."""
        return open_postgres(self.access, "calls", '"calls"', "received", ZONE)

    def read(self, folder: Path, columns: list[str] = COLUMNS, opened: Open | None = None) -> Spool:
        """Read the window."""
        return spool_window("calls", opened or self.open, WINDOW, columns, folder)

    def marks(self, folder: Path) -> list[str | None]:
        """The marks of its two days; None for a day without rows."""
        days = list_days(self.read(folder), WINDOW, DAYS, b"key")
        return [day.mark if day.row_count else None for day in days]


@pytest.fixture
def new_table(port: int) -> Iterator[Callable[[str], Table]]:
    made: list[Table] = []

    def new(kind: str = "timestamp") -> Table:
        made.append(Table(port, kind))
        return made[-1]

    yield new
    for table in made:
        table.connection.close()


New = Callable[..., Table]


def numbers(spool: Spool) -> list[str]:
    rows = duckdb.sql(f"select number from '{spool.file}' order by number").fetchall()
    return [number for (number,) in rows]


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        # local times: midnight belongs to the day that begins, and 01:30 stands for two moments
        ("timestamp", ["2026-10-23 23:59:59", "2026-10-24 00:00", "2026-10-25 01:30",
                       "2026-10-25 01:30", "2026-10-25 23:59:59.999999", "2026-10-26 00:00"]),
        # the same moments, with the two half past ones apart
        ("timestamptz", ["2026-10-23 22:59:59+00", "2026-10-23 23:00+00", "2026-10-25 00:30+00",
                         "2026-10-25 01:30+00", "2026-10-25 23:59:59.999999+00",
                         "2026-10-26 00:00+00"]),
    ],
)  # fmt: skip
def test_a_day_is_a_local_day_whatever_the_clock_did(
    new_table: New, tmp_path: Path, kind: str, times: list[str]
) -> None:
    table = new_table(kind)
    for number, time in enumerate(times):
        table.add(str(number), time)
    spool = table.read(tmp_path)
    assert numbers(spool) == ["1", "2", "3", "4"]
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

    late = table.connect()  # a transaction that is open while a run reads, and commits afterwards
    with late.cursor() as cursor:
        cursor.execute("insert into calls values ('late', '2026-10-24 09:00', '', '2026-01-01')")
        assert table.marks(tmp_path) == first
    late.commit()
    late.close()
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


def test_a_full_replacement_by_equal_rows_changes_no_mark(new_table: New, tmp_path: Path) -> None:
    table = new_table()
    for number in range(50):
        table.add(str(number), "2026-10-24 10:00", "the same")
    before = table.marks(tmp_path)
    table.run("create table copy as select * from calls order by random()")
    table.run("delete from calls")
    table.run("insert into calls select * from copy order by random()")
    table.run("drop table copy")
    assert table.marks(tmp_path) == before


def test_two_equal_rows_do_not_cancel_each_other_out(new_table: New, tmp_path: Path) -> None:
    table = new_table()
    marks = []
    for _ in range(3):
        table.add("1", "2026-10-24 10:00")
        marks.append(table.marks(tmp_path)[0])
    assert len(set(marks)) == 3


def test_a_mark_needs_the_key(new_table: New, tmp_path: Path) -> None:
    table = new_table()
    table.add("1", "2026-10-24 10:00")
    spool = table.read(tmp_path)
    assert list_days(spool, WINDOW, DAYS, b"key")[0] != list_days(spool, WINDOW, DAYS, b"other")[0]


def test_a_writer_between_count_and_rows_is_not_seen(new_table: New, tmp_path: Path) -> None:
    """One transaction sees one state, so the counts agree at the first reading."""
    table = new_table()
    table.add("1", "2026-10-24 10:00")

    class Busy:
        def __init__(self) -> None:
            self.opened = table.open()

        def __enter__(self) -> Any:
            reader = self.opened.__enter__()
            rows = reader.rows

            def slow_rows(*arguments: Any) -> Any:
                table.add("2", "2026-10-24 11:00")
                yield from rows(*arguments)

            reader.rows = slow_rows
            return reader

        def __exit__(self, *problem: Any) -> Any:
            return self.opened.__exit__(*problem)

    assert numbers(table.read(tmp_path, opened=Busy)) == ["1"]
    assert numbers(table.read(tmp_path)) == ["1", "2"]


def test_nothing_can_be_written_through_a_source(new_table: New) -> None:
    table = new_table()
    table.add("1", "2026-10-24 10:00")
    with pytest.raises(SourceError, match="read-only transaction"), table.open() as reader:
        reader._cursor.execute("delete from calls")


def test_a_column_that_is_gone_is_named(new_table: New, tmp_path: Path) -> None:
    table = new_table()
    with pytest.raises(SourceError, match="SRC-COLUMNS") as caught:
        table.read(tmp_path, [*COLUMNS, "priority"])
    assert "calls has no column priority; it has number, received, text, updated_at" in str(
        caught.value
    )


def test_columns_that_nobody_mapped_are_told_and_not_read(new_table: New, tmp_path: Path) -> None:
    table = new_table()
    table.add("1", "2026-10-24 10:00")
    spool = table.read(tmp_path)
    assert spool.unexpected == ("updated_at",)
    assert duckdb.sql(f"from '{spool.file}'").columns == COLUMNS


def test_the_clock_is_the_sources_own(new_table: New, tmp_path: Path) -> None:
    table = new_table()
    with table.connection.cursor() as cursor:
        cursor.execute("select now()")
        ((before,),) = cursor.fetchall()
        now = table.read(tmp_path).now
        cursor.execute("select now()")
        ((after,),) = cursor.fetchall()
    assert before <= now <= after
    assert now.tzinfo is UTC


def test_a_clock_that_gives_no_time_is_told(new_table: New, tmp_path: Path) -> None:
    """Such as this one, when a copy has become the original."""
    table = new_table()

    def opened() -> Any:
        clock = "pg_last_xact_replay_timestamp()"
        return open_postgres(table.access, "calls", '"calls"', "received", ZONE, clock)

    with pytest.raises(SourceBusyError, match=r"SRC-SQL\] calls: `clock` gives no time"):
        table.read(tmp_path, opened=opened)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"password": "a wrong password"}, "SRC-ACCESS"),
        ({"database": "nowhere"}, "SRC-SQL"),
        ({"port": 1}, "SRC-SQL"),
        ({"extra": {"sslrootcert": "/secret/place/of/a/file", "sslmode": "verify-ca"}}, "SRC-SQL"),
    ],
)
def test_no_secret_stands_in_an_error(new_table: New, changes: dict[str, Any], rule: str) -> None:
    import dataclasses

    access = dataclasses.replace(new_table().access, **changes)
    with (
        pytest.raises(SourceError, match=rule) as caught,
        open_postgres(access, "calls", "calls", "received", ZONE),
    ):
        pass
    for secret in (PASSWORD, access.password, "/secret/place"):
        assert str(secret) not in str(caught.value) + repr(caught.value) + repr(access)


def test_a_login_that_may_not_read_the_relation_is_told_whom_to_ask(new_table: New) -> None:
    import dataclasses

    table = new_table()
    table.run("drop role if exists stranger")
    table.run("create role stranger login password 'of nobody'")
    access = dataclasses.replace(table.access, login="stranger", password="of nobody")
    with (
        pytest.raises(SourceError) as raised,
        open_postgres(access, "calls", '"calls"', "received", ZONE) as reader,
    ):
        reader.columns()
    assert "[SRC-SQL] calls: the login stranger lacks a right that the query needs" in str(
        raised.value
    )
    assert "have the database's owner grant the right to read the relation" in raised.value.fix


def test_types_that_only_a_database_has_become_one_text_each(
    new_table: New, tmp_path: Path
) -> None:
    table = new_table()
    table.run("drop type if exists mood")
    table.run("create type mood as enum ('calm', 'upset')")
    table.run(
        "alter table calls add n numeric, add u uuid, add m mood, add t time, add d date, "
        "add b boolean, add f double precision, add i interval, add big text"
    )
    table.run(
        "insert into calls values ('1', '2026-10-24 10:00', 'né', null, 12345678901234567890.10, "
        "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'upset', '10:00:00.5', '2026-10-24', true, "
        "0.1, '1 month 2 days 03:00', repeat('x', 4000000))"
    )
    names = ["n", "u", "m", "t", "d", "b", "f", "i", "big"]
    spool = table.read(tmp_path, [*COLUMNS, *names])
    texts = ", ".join(f"cast({name} as varchar)" for name in names[:-1])
    ((*values, length),) = duckdb.sql(f"select {texts}, length(big) from '{spool.file}'").fetchall()
    assert values == [
        "12345678901234567890.10", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "upset", "10:00:00.5",
        "2026-10-24", "true", "0.1", "1 mon 2 days 03:00:00",
    ]  # fmt: skip
    assert length == 4_000_000


def test_a_text_that_is_not_utf_8_is_told_with_its_column(port: int, tmp_path: Path) -> None:
    """A database of the encoding SQL_ASCII takes any bytes and converts none."""
    maker = psycopg2.connect(
        host="127.0.0.1", port=port, user="postgres", password=PASSWORD, dbname="postgres"
    )
    maker.autocommit = True
    maker.cursor().execute("drop database if exists old_bytes")
    maker.cursor().execute(
        "create database old_bytes template template0 encoding 'SQL_ASCII' locale 'C'"
    )
    maker.close()
    with psycopg2.connect(
        host="127.0.0.1", port=port, user="postgres", password=PASSWORD, dbname="old_bytes"
    ) as writer:
        writer.cursor().execute(
            "create table calls as select '1'::text as number, timestamp '2026-10-24 10:00' as "
            "received, convert_from('\\xe92041'::bytea, 'SQL_ASCII') as text"
        )
    access = Access("postgres", "127.0.0.1", port, "postgres", PASSWORD, "old_bytes")

    def opened() -> Any:
        return open_postgres(access, "calls", '"calls"', "received", ZONE)

    with pytest.raises(SourceError, match="SRC-FORMAT") as caught:
        spool_window("calls", opened, WINDOW, COLUMNS, tmp_path)
    assert "calls: text has a value that is not UTF-8" in str(caught.value)
