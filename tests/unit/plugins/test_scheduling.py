"""When runs come: the bounds of a timetable, which hold for no run that people start."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
SIX = "0 6 * * *"


@pytest.fixture(autouse=True)
def airflow_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes to the user's own Airflow home."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))


def next_run(timetable: Any, earliest: Any = None, latest: Any = None) -> Any:
    """The first run that the scheduler (or, with days, a backfill) makes."""
    from airflow.timetables.base import TimeRestriction

    # as Airflow keeps it: written with the DAG, and read again
    stored = type(timetable).deserialize(timetable.serialize())
    return stored.next_dagrun_info(
        last_automated_data_interval=None,
        restriction=TimeRestriction(earliest, latest, catchup=earliest is not None),
    )


@pytest.mark.parametrize("kind", ["BoundedIntervals", "BoundedTriggers"])
def test_runs_come_between_the_bounds_alone(kind: str) -> None:
    from cdi_airflow import scheduling

    timetable = getattr(scheduling, kind)
    day = timedelta(days=1)
    assert next_run(timetable(SIX, "UTC")) is not None
    assert next_run(timetable(SIX, "UTC", since=NOON - 9 * day, until=NOON + 9 * day)) is not None
    assert next_run(timetable(SIX, "UTC", since=NOON - 9 * day, until=NOON - 5 * day)) is None
    first = next_run(timetable(SIX, "UTC", since=NOON + 9 * day))
    assert first.logical_date == NOON + 9 * day + timedelta(hours=18)


def test_a_backfill_begins_on_its_own_day_and_ends_with_the_timetable() -> None:
    from pendulum import instance

    from cdi_airflow.scheduling import BoundedIntervals

    started = datetime(2026, 1, 5, 6, tzinfo=UTC)
    timetable = BoundedIntervals(SIX, "UTC", since=started, until=started)
    day = timedelta(days=1)
    before, after = instance(started - 3 * day), instance(started + 3 * day)
    assert next_run(timetable, before, after).logical_date == before
    assert next_run(timetable, before, before - day) is None
    assert next_run(timetable, after, after + day) is None
