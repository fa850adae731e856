"""The local run's metadata database is SQLite: one writer waits for another, none is refused."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import airflow_local_settings
from cdi.local.airflow import free_port, prepare_airflow


def test_a_savepoint_takes_the_write_lock_before_it_reads(tmp_path: Path) -> None:
    assert airflow_local_settings.lock_before_savepoint  # imported: the listener is in place
    file = tmp_path / "metadata.db"
    other = sqlite3.connect(file, timeout=0, isolation_level=None)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("create table runs (id integer)")
    with create_engine(f"sqlite:///{file}").connect() as connection, connection.begin_nested():
        assert connection.execute(text("select count(*) from runs")).scalar_one() == 0
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            other.execute("insert into runs values (1)")  # else the next line would be refused
        connection.execute(text("insert into runs values (2)"))
        connection.commit()
    assert other.execute("select id from runs").fetchall() == [(2,)]
    other.close()


class Tables(DeclarativeBase):
    """Stand-ins for Airflow's tables, in a database of the test's own."""


class Log(Tables):
    """Who did what: named as Airflow's."""

    __tablename__ = "log"
    id: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[str]


class Note(Tables):
    """Any other table."""

    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)


def test_the_event_loop_does_not_wait_for_a_writer_that_waits_for_it(tmp_path: Path) -> None:
    file = tmp_path / "metadata.db"
    engine = create_engine(f"sqlite:///{file}?timeout=20")
    Tables.metadata.create_all(engine)
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")

    async def request() -> None:
        with Session(engine) as session:
            session.add(Log(id=1, event="patch_dag_run"))
            session.commit()  # refused after twenty seconds if it were written here
        writer.execute("COMMIT")  # as another request would, once the loop is free

    asyncio.run(request())
    airflow_local_settings.AUDIT_LOG.submit(lambda: None).result()
    assert writer.execute("select id, event from log").fetchall() == [(1, "patch_dag_run")]
    writer.close()


def test_all_else_is_written_by_the_session_that_has_it(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'metadata.db'}")
    Tables.metadata.create_all(engine)

    def flushed(number: int) -> list[type[Tables]]:
        rows = [Note(id=number), Log(id=number, event="trigger_dag_run")]
        with Session(engine) as session:
            session.add_all(rows)
            session.flush()
            return [type(row) for row in rows if row in session]

    async def in_the_event_loop() -> list[type[Tables]]:
        return flushed(2)

    assert flushed(1) == [Note, Log]
    assert asyncio.run(in_the_event_loop()) == [Note]


def test_readers_do_not_stop_the_writer(state: Path) -> None:
    env = prepare_airflow(free_port())
    assert env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].endswith("?timeout=20")
    with sqlite3.connect(state / "airflow" / "airflow.db") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
