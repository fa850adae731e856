"""When runs come, and when they are late: what Airflow's own classes do not offer.

Airflow stores these classes with a DAG under their full names, so ``plugins/cdi_pages.py``
registers them.
"""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk.definitions.deadline import BaseDeadlineReference
from airflow.sdk.timezone import coerce_datetime
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable


class _Bounded(Timetable):
    """A timetable that makes runs by itself only between two moments.

    A DAG's own `start_date` and `end_date` would also bound the runs that people start: Airflow
    gives a run whose logical date lies outside of them no tasks, and calls it a success.

    Args:
        expression: Cron.
        timezone: Of the cron expression.
        since: Before this moment no run comes by itself; a backfill names its own first day.
        until: After this moment no run comes by itself; None: there is no end.
    """

    def __init__(
        self,
        expression: str,
        timezone: Any,
        since: datetime | None = None,
        until: datetime | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(expression, timezone=timezone, **kwargs)  # type: ignore[call-arg]
        self.since = since
        self.until = until

    def serialize(self) -> dict[str, Any]:
        """Turn it into what Airflow stores with the DAG."""
        bounds = {"since": self.since, "until": self.until}
        texts = {name: moment and moment.isoformat() for name, moment in bounds.items()}
        return {**super().serialize(), **texts}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Timetable:
        """Make it again from what Airflow stored."""
        stored: Any = super().deserialize(data)
        for name in ("since", "until"):
            if data[name] is not None:
                setattr(stored, name, datetime.fromisoformat(data[name]))
        return stored

    def next_dagrun_info(
        self,
        *,
        last_automated_data_interval: DataInterval | None,
        restriction: TimeRestriction,
    ) -> DagRunInfo | None:
        """Tell the next run; None after the last one."""
        ends: list[Any] = [end for end in (restriction.latest, self.until) if end is not None]
        return super().next_dagrun_info(  # type: ignore[safe-super]  # of the cron timetable
            last_automated_data_interval=last_automated_data_interval,
            restriction=restriction._replace(
                earliest=coerce_datetime(restriction.earliest or self.since),
                latest=min(ends, default=None),
            ),
        )


class BoundedIntervals(_Bounded, CronDataIntervalTimetable):
    """A run for each interval between two times of the cron expression."""


class BoundedTriggers(_Bounded, CronTriggerTimetable):
    """A run at each time of the cron expression."""


class RunCreated(BaseDeadlineReference):
    """A deadline that counts from when the run was created, and which clearing does not move.

    It stands in for `DeadlineReference.DAGRUN_QUEUED_AT`, with which Airflow 3.3.2 answers each
    attempt to clear or reprocess a run with an error, as long as the deadline has not passed.
    Still open on 2026-11-27: https://github.com/apache/airflow/issues/70368 (a change that mends
    it waits in https://github.com/apache/airflow/pull/70370).
    """

    def _evaluate_with(self, *, session: Any, **kwargs: Any) -> datetime:
        """Give the moment at which Airflow asks, which it does once: when it creates the run."""
        return datetime.now(UTC)
