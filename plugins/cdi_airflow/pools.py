"""A pool of one slot for each connection, so that a source is asked one question at a time.

A backfill may run ten extractions at once; a force's database must not notice. Airflow waits for
ever for a pool that does not exist, so the scheduler makes those that are missing when it starts.
This module is a listener of Airflow (see `cdi_pages`), loaded in each of its processes.
"""

import contextlib

from airflow.listeners import hookimpl


def pool_of(connection: str) -> str:
    """Name of the pool of a connection."""
    return f"source_{connection}"


@hookimpl
def on_starting(component: object) -> None:
    """Make the missing pools when a process with the metadata database starts.

    That is the scheduler, but Airflow does not say yet which it is, and the DAG processor and the
    triggerer may come first. A pool that is there keeps its number of slots: an operator may have
    changed it.
    """
    from airflow.jobs.job import Job

    if not isinstance(component, Job):
        return  # a task, which has no such database
    from airflow.models.pool import Pool
    from sqlalchemy.exc import IntegrityError

    from cdi.agency.load import load_valid_agencies

    connections = {
        source.connection
        for agency in load_valid_agencies()
        for source in agency.sources.values()
        if source.connection
    }
    for connection in sorted(connections):
        if Pool.get_pool(pool_of(connection)) is not None:
            continue
        with contextlib.suppress(IntegrityError):  # another process has made it meanwhile
            Pool.create_or_update_pool(
                pool_of(connection),
                slots=1,
                description=f"questions at a time to the source behind {connection}",
                include_deferred=False,
            )
