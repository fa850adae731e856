"""Fresh misses: what a moment's export shows, and how the list is held against them."""

import csv
import gzip
import os
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cdi.variant import Variant
from cdi_force.narrative import write_narrative
from cdi_force.population import simulate_year
from cdi_force.scenario import load_scenario
from cdi_force.texts import Bank
from cdi_force.year import UNRECORDED, Year
from cdi_force.years import simulate_window
from cdi_proofs import moments
from cdi_proofs.ranges import write_never_audited

LONDON = ZoneInfo("Europe/London")


def rows(folder: Path, dataset: str) -> list[dict[str, str]]:
    (file,) = folder.glob(f"{dataset}-*.csv.gz")
    with gzip.open(file, "rt", encoding="utf-8", errors="replace", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="|"))


def when(text: str) -> datetime | None:
    """Local time of an extract; None for blank and for the impossible dates of broken rows."""
    try:
        return datetime.strptime(text, "%d/%m/%Y %H:%M:%S").replace(tzinfo=LONDON)
    except ValueError:
        return None


def test_an_export_shows_nothing_that_came_later(tmp_path: Path) -> None:
    loaded = load_scenario("calibrated_2017")
    bank = Bank(loaded.phrases, loaded.words)
    year = simulate_year(loaded, 5, volume=0.1)
    write_narrative(year, bank, 5)
    moment = datetime(2017, 3, 15, 14, 30, tzinfo=UTC)
    fresh, open_ = moments._export_day(year, bank, 5, int(moment.timestamp()), tmp_path)
    calls, records = rows(tmp_path, "calls"), rows(tmp_path, "crimes")
    entries = rows(tmp_path, "log_actions")
    assert len(calls) > 40
    assert len(records) > 2
    times = [when(row[name]) for row in calls for name in ("Received", "At Scene", "Closed")]
    times += [when(row["Created"]) for row in records] + [when(row["Date Time"]) for row in entries]
    known = [time for time in times if time is not None]
    assert moment - timedelta(hours=24) <= min(known)
    assert max(known) < moment
    # a log that is open still shows the code it was opened under, and no result
    opened = [row for row in calls if not row["Closed"]]
    assert opened
    assert all(row["Final Classification"] == row["Initial Classification"] for row in opened)
    assert not any(row["Result Code"] for row in opened)
    # fresh misses are crimes of the last twelve hours that nobody ever recorded
    assert set(fresh) <= set(open_)
    received = year.logs["received"][year.crimes["log"][fresh]]
    assert len(fresh) > 0
    assert received.min() >= moment.timestamp() - 12 * 3600
    assert (year.crimes["fate"][fresh] == UNRECORDED).all()


def test_earlier_exports_change_nothing_of_a_later_one(tmp_path: Path) -> None:
    loaded = load_scenario("calibrated_2017")
    bank = Bank(loaded.phrases, loaded.words)
    year = simulate_year(loaded, 5, volume=0.1)
    write_narrative(year, bank, 5)
    drawn = year.records["reported"].copy()
    for folder, day in (("first", 9), ("later", 15), ("again", 9)):
        moment = datetime(2017, 3, day, 14, 30, tzinfo=UTC)
        moments._export_day(year, bank, 5, int(moment.timestamp()), tmp_path / folder)
    records = rows(tmp_path / "first", "crimes")
    assert len(records) > 2
    assert rows(tmp_path / "again", "crimes") == records
    assert year.records["reported"].tolist() == drawn.tolist()


def test_a_row_speaks_first_for_crime_that_is_recorded_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Log 0: a miss and a crime recorded later; 1: a miss; 2 repeats 1; 3: a miss, not listed."""
    year = cast(
        Year,
        SimpleNamespace(
            logs={"kind": np.zeros(4, int), "primary": np.array([0, 1, 1, 3])},
            crimes={"log": np.array([0, 0, 1, 3])},
        ),
    )
    monkeypatch.setattr(moments, "call_ids", lambda _: np.array(["A", "B", "C", "D"]))
    fresh = [(np.array([0, 2, 3]), np.array([0, 1, 2, 3]))]

    def shares(listed: list[tuple[str, bool]]) -> dict[str, Any]:
        return moments._score_list(year, fresh, listed)

    third, two_thirds = pytest.approx(1 / 3, abs=1e-4), pytest.approx(2 / 3, abs=1e-4)
    assert shares([]) == {"misses": 3, "recall": 0.0, "recall_of_likely": 0.0}
    # one row of A may be the crime that is recorded later; the repeat C stands for B
    found = shares([("A", True), ("C", False)])
    assert (found["recall"], found["recall_of_likely"]) == (third, 0.0)
    assert shares([("A", True), ("A", True), ("B", True)])["recall"] == two_thirds


def test_a_force_that_was_never_audited_is_looked_at_without_an_audit(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed = []

    def stop(*_: object) -> None:
        landed.append(
            sorted(file.name.split("-")[0] for file in Path(os.environ["CDI_DATA"]).iterdir())
        )
        raise InterruptedError

    monkeypatch.setattr(moments, "simulate_window", partial(simulate_window, volume=0.05))
    monkeypatch.setattr(moments, "MOMENTS", 1)
    monkeypatch.setattr(moments, "land_directly", stop)
    scenario = write_never_audited(state, "calibrated_2017")
    with Variant(str(scenario), 1, 5).selected(), pytest.raises(InterruptedError):
        moments.score_moments()
    assert landed == [["calls", "crimes", "log_actions"]]
