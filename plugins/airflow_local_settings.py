"""Airflow imports this file by its name, in every process, before it makes its database engine.

It concerns SQLite alone, the metadata database of a local run. SQLite takes one writer at a time,
and in two places Airflow makes a writer wait in vain; they are mended here.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

__all__: list[str] = []  # none of Airflow's settings is replaced

LOG = logging.getLogger(__name__)
AUDIT_LOG = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit-log")


@event.listens_for(Engine, "savepoint")
def lock_before_savepoint(connection: Any, name: str | None) -> None:
    """Begin the transaction of a first SAVEPOINT with the write lock (SQLite).

    Such a transaction reads first; if another process writes before its own first write, SQLite
    refuses that write at once ("database is locked"), whatever the timeout. It happened when a
    backfill was created while the scheduler worked. With the lock taken first, the others wait.
    """
    if connection.dialect.name != "sqlite":
        return
    raw = connection.connection.dbapi_connection
    if not getattr(raw, "in_transaction", True):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@event.listens_for(Session, "before_flush")
def audit_log_from_a_thread(session: Session, context: Any, instances: Any) -> None:
    """Write the API server's log of who did what from a thread instead of its event loop (SQLite).

    The loop would wait there for the write lock. If another request has the lock, it cannot commit
    before the loop goes on: the whole server stands still until SQLite's timeout, and one of the
    two is refused. It happened when two tasks wrote their notes at once.
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
        AUDIT_LOG.submit(_write_rows, engine, rows)


def _write_rows(engine: Engine, rows: list[Any]) -> None:
    try:
        with Session(engine) as session, session.begin():
            session.add_all(rows)
    except Exception:  # nobody would see an error that this thread raised
        LOG.exception("the audit log could not be written: %s", [row.event for row in rows])
