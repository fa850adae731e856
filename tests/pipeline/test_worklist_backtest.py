"""What the worklist said of calls twelve hours after them, in an agency that delivers each day."""

import re
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from cdi import paths
from cdi.build.make import build_file
from cdi.build.version import plan_version
from cdi.files import remove_folder
from cdi.people.decisions import add_decision
from cdi.steps.run import land_directly
from tests.conftest import CALL_HEADER, RECORD_HEADER, SmallAgency, csv_bytes

# Each evening at 22:00 the day's calls and records are delivered, and what changed.
CALLS = {
    "2026-01-05": [
        ("T-0001", "2026-01-05 12:00", "ASSAULT"),  # listed, and recorded the next day
        ("T-0002", "2026-01-05 13:00", "ASSAULT"),  # recorded by the evening: not listed
        ("T-0003", "2026-01-05 14:00", "ASSAULT"),  # listed, and confirmed by a person
        ("T-0004", "2026-01-05 08:00", "ASSAULT"),  # its evening is fourteen hours later
        ("T-0005", "2026-01-05 14:00", "NOISE"),  # it reads otherwise the next day
        ("T-0006", "2026-01-05 15:00", "NOISE"),  # not listed, and recorded the next day
        ("T-0007", "2026-01-05 16:00", "ASSAULT"),  # listed, and nobody knows
    ],
    "2026-01-06": [
        ("T-0005", "2026-01-05 14:00", "ASSAULT"),
        ("T-0008", "2026-01-06 15:00", "ASSAULT"),  # its twelve hours end after the data do
    ],
}
RECORDS = {
    "2026-01-05": [("R2", "T-0002", "2026-01-05 16:00")],
    "2026-01-06": [("R1", "T-0001", "2026-01-06 09:00"), ("R6", "T-0006", "2026-01-06 10:00")],
}
ON_THE_6TH = {
    "log_count": 8,
    "known_count": 5,
    "listed_count": 3,
    "listed_recorded_count": 1,
    "listed_confirmed_count": 1,
    "listed_dismissed_count": 0,
    "listed_audited_missed_count": 0,
    "listed_audited_not_missed_count": 0,
    "listed_open_count": 1,
    "unlisted_recorded_count": 1,
    "unlisted_missed_count": 0,
}


@pytest.fixture
def daily(small: SmallAgency) -> SmallAgency:
    """The agency with these deliveries."""
    for name in ("calls", "records"):
        for file in small.data.glob(f"{name}*"):
            file.unlink()
    for dataset, name in (("calls", "calls"), ("crime_records", "records")):
        source = small.settings["sources"][dataset]
        source["files"] = [
            {"path": f"{name}-{{date:%Y-%m-%d}}.csv", "as_of": "{date:%Y-%m-%d} 22:00"}
        ]
        source["delivery"] = "changes"
    small.write_settings()
    for day, calls in CALLS.items():
        rows = [
            [number, at, at, code, code, "NONE", "N", "", "", "words"] for number, at, code in calls
        ]
        (small.data / f"calls-{day}.csv").write_bytes(csv_bytes(CALL_HEADER, rows))
    for day, records in RECORDS.items():
        rows = [[record, call, at, "A1", "OPEN", "N"] for record, call, at in records]
        (small.data / f"records-{day}.csv").write_bytes(csv_bytes(RECORD_HEADER, rows))
    return small


def read_backtest(small: SmallAgency, as_of: datetime | None = None) -> list[dict[str, Any]]:
    """The table after a build from the landing alone."""
    with duckdb.connect(str(build_file(plan_version(small.agency, as_of)))) as con:
        rows = con.sql("from worklist_backtest").fetchall()
        names = [name for name, *_ in con.sql("from worklist_backtest").description]
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_the_list_of_twelve_hours_is_replayed_from_what_was_landed_by_then(
    daily: SmallAgency,
) -> None:
    assert daily.run()
    counts = ", ".join(ON_THE_6TH)
    undecided = ON_THE_6TH | {"listed_confirmed_count": 0, "listed_open_count": 2}
    assert daily.rows(f"select {counts} from worklist_backtest") == [tuple(undecided.values())]
    page = (daily.published / "report.html").read_text(encoding="utf-8")
    report = re.sub(r"<[^>]+>", "", page)
    assert "For 5 logs we know what the list said" in report
    assert "3 were on it. Of those, 1 were recorded later" in report

    decision = {"decision_kind": "confirmed", "call_reference": "T-0003", "decided_by": "1207"}
    add_decision(daily.agency, decision)
    land_directly("testville", daily.interval)
    # nothing of it is kept anywhere but in the landing
    remove_folder(paths.published("testville"))
    (january,) = read_backtest(daily)
    assert str(january.pop("received_month_on")) == "2026-01-01"
    assert january == ON_THE_6TH


def test_what_became_true_later_is_not_known_when_the_twelve_hours_end(daily: SmallAgency) -> None:
    land_directly("testville", daily.interval)
    (january,) = read_backtest(daily, datetime(2026, 1, 6, 4, 30, tzinfo=UTC))
    counts = ("known_count", "listed_count", "listed_recorded_count", "unlisted_recorded_count")
    # T-0005 is known, as it has not changed yet
    assert [january[name] for name in counts] == [6, 3, 0, 0]
    assert january["listed_open_count"] == 3


def test_nothing_is_known_of_logs_before_their_twelve_hours_are_over(daily: SmallAgency) -> None:
    land_directly("testville", daily.interval)
    (january,) = read_backtest(daily, datetime(2026, 1, 5, 22, 30, tzinfo=UTC))
    assert (january["log_count"], january["known_count"]) == (7, 0)
