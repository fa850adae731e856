"""Airflow imports this by its name, in every process, before it makes its database engine.

Only for SQLite, the metadata database of a local run. A SAVEPOINT there opens a transaction that
reads first; if another process writes before the transaction's own first write, SQLite refuses that
write at once ("database is locked"), whatever the timeout. Creating a backfill while the scheduler
works met it. With the write lock taken first, the others wait for it instead.
"""

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

__all__: list[str] = []  # nothing of Airflow's settings is replaced


@event.listens_for(Engine, "savepoint")
def lock_before_savepoint(connection: Any, name: str | None) -> None:
    """Begin the transaction of a first SAVEPOINT with the write lock (SQLite)."""
    if connection.dialect.name != "sqlite":
        return
    raw = connection.connection.dbapi_connection
    if not getattr(raw, "in_transaction", True):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
