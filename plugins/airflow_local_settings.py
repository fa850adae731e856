"""Airflow imports this by its name, in every process, before it makes its database engine.

Only for SQLite, the metadata database of a local run: one writer at a time, and two places where
Airflow makes a writer wait in vain.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

__all__: list[str] = []  # nothing of Airflow's settings is replaced

LOG = logging.getLogger(__name__)
AUDIT_LOG = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit-log")


@event.listens_for(Engine, "savepoint")
def lock_before_savepoint(connection: Any, name: str | None) -> None:
    """Begin the transaction of a first SAVEPOINT with the write lock (SQLite).

    Such a transaction reads first; if another process writes before its own first write, SQLite
    refuses that write at once ("database is locked"), whatever the timeout. Creating a backfill
    while the scheduler works met it. With the lock taken first, the others wait for it instead.
    """
    if connection.dialect.name != "sqlite":
        return
    raw = connection.connection.dbapi_connection
    if not getattr(raw, "in_transaction", True):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@event.listens_for(Session, "before_flush")
def audit_log_from_a_thread(session: Session, context: Any, instances: Any) -> None:
    """Write the API server's log of who did what from a thread instead of its event loop (SQLite).

    The loop would wait there for the write lock. If another request has it, that one can not
    commit before the loop goes on: the whole server stands still until SQLite's timeout, and one
    of the two is refused. Two tasks that wrote their notes at once met it.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    engine = session.get_bind().engine
    if engine.dialect.name != "sqlite" or engine.dialect.is_async:
        return
    rows = [row for row in session.new if getattr(row, "__tablename__", "") == "log"]
    for row in rows:
        session.expunge(row)
    if rows:
        AUDIT_LOG.submit(_write, engine, rows)


def _write(engine: Engine, rows: list[Any]) -> None:
    try:
        with Session(engine) as own, own.begin():
            own.add_all(rows)
    except Exception:  # nobody waits for this thread's answer
        LOG.exception("the audit log could not be written: %s", [row.event for row in rows])
