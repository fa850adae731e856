"""The local run's metadata database is SQLite: one writer waits for another, none is refused."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

import airflow_local_settings
from cdi import service


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


def test_readers_do_not_stop_the_writer(state: Path) -> None:
    env = service.prepare(service.free_port())
    assert env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].endswith("?timeout=20")
    with sqlite3.connect(state / "airflow" / "airflow.db") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
