"""A quiet night is not late, and a source that is no longer filled is not a quiet night."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdi import paths
from cdi.agency.asked import note_asked, read_asked
from cdi.build.freshness import describe_unfilled, find_clock, find_unfilled, known_until
from cdi.desk.versions import Shown
from cdi.people.alerts import Situation, is_late
from cdi.sql import naive_utc
from tests.conftest import SmallAgency
from tests.postgres import read_by_sql

AS_OF = datetime(2026, 1, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
VERSION: dict[str, Any] = {
    "as_of": AS_OF.isoformat(),
    "batches": {"calls": ["b1"], "crime_records": ["r1"]},
}


@pytest.fixture
def live(small: SmallAgency) -> SmallAgency:
    """The agency, read each hour, with a batch of each dataset."""
    read_by_sql(small)
    small.settings |= {"schedule": "@hourly", "is_simulated": False}
    small.write_settings()
    for dataset, batch in (("calls", "b1"), ("crime_records", "r1")):
        (paths.landing("testville", dataset) / "batches" / batch).mkdir(parents=True)
    return small


def ask(hours: int, dataset: str, *, is_new: bool = False, until: int | None = None) -> None:
    """A source answers so many hours after the version's data."""
    end = AS_OF + (hours if until is None else until) * HOUR
    note_asked("testville", dataset, end, is_new=is_new, now=AS_OF + hours * HOUR)


def known(small: SmallAgency) -> float:
    """Up to how many hours after its data the version shows all."""
    return (known_until(small.agency, VERSION) - AS_OF) / HOUR


def test_what_all_sources_have_said_is_known(live: SmallAgency) -> None:
    assert known(live) == 0  # nobody has asked
    ask(9, "calls")
    assert known(live) == 0  # the records may be newer
    ask(8, "crime_records")
    assert known(live) == 8
    ask(10, "calls", until=-50)  # a backfill of last week says nothing of today
    assert known(live) == 8
    asked = read_asked("testville", "calls")
    assert asked is not None
    assert asked.at == AS_OF + 10 * HOUR


def test_no_source_knows_what_comes_after_it_was_asked(live: SmallAgency) -> None:
    for dataset in ("calls", "crime_records"):
        ask(3, dataset, until=24)
    assert known(live) == 3


def test_something_new_is_known_only_when_a_version_shows_it(live: SmallAgency) -> None:
    ask(8, "crime_records")
    ask(8, "calls", is_new=True)  # it may be refused
    assert known(live) == 0
    ask(9, "calls")
    ask(9, "crime_records")
    assert known(live) == 9
    # landed, and no build could be published since
    (paths.landing("testville", "calls") / "batches" / "b2").mkdir()
    assert known(live) == 0


def fill(hours: int, day: date | None, dataset: str = "calls") -> None:
    """A source has nothing new so many hours after the version's data, and tells its newest day."""
    until = AS_OF + hours * HOUR
    note_asked("testville", dataset, until, is_new=False, now=until, newest_day=day)


def test_a_copy_is_known_up_to_its_own_clock(live: SmallAgency) -> None:
    ask(8, "crime_records")
    until, clock = AS_OF + 8 * HOUR, AS_OF + 5 * HOUR
    note_asked("testville", "calls", until, is_new=False, now=until, clock=clock)
    assert known(live) == 5


def test_a_source_that_is_no_longer_filled_is_not_known_to_have_nothing_new(
    live: SmallAgency,
) -> None:
    """The newest day is the 6th, which ended at AS_OF; 48 hours are the default."""
    for hours, expected in ((8, 8), (48, 48), (49, 0), (24 * 18, 0)):
        fill(hours, date(2026, 1, 6))
        fill(hours, date(2026, 1, 6) + hours * HOUR, "crime_records")
        assert known(live) == expected
    assert find_unfilled(live.agency) == {"calls": date(2026, 1, 6)}
    assert describe_unfilled(live.agency) == ("calls: no row after 6 January 2026",)
    fill(0, None)  # a backfill of earlier days, which have no rows
    fill(-900, date(2025, 11, 1))
    assert find_unfilled(live.agency) == {"calls": date(2026, 1, 6)}
    live.settings["sources"]["calls"]["max_age_hours"] = 24 * 18
    live.write_settings()
    assert find_unfilled(live.agency) == {}  # such a source is published that late
    fill(24 * 18 + 1, date(2026, 1, 24))
    assert known(live) == 24 * 18
    assert find_unfilled(live.agency) == {}


def test_a_local_day_ends_at_the_agencys_midnight(live: SmallAgency) -> None:
    live.settings["timezone"] = "America/New_York"  # where the 6th ends five hours after AS_OF
    live.write_settings()
    fill(53, date(2026, 1, 6))
    assert find_unfilled(live.agency) == {}
    fill(54, date(2026, 1, 6))
    assert find_unfilled(live.agency) == {"calls": date(2026, 1, 6)}


def test_a_source_of_files_has_no_day_of_the_time_when_it_was_live(small: SmallAgency) -> None:
    fill(900, date(2026, 1, 6))
    assert find_unfilled(small.agency) == {}


def test_two_days_are_48_hours_also_where_the_clocks_go_back(live: SmallAgency) -> None:
    live.settings["timezone"] = "Europe/London"
    live.write_settings()
    monday = datetime(2026, 10, 26, tzinfo=UTC)  # summer time ended on Sunday
    for until, expected in ((monday, {}), (monday + HOUR, {"calls": date(2026, 10, 23)})):
        friday = date(2026, 10, 23)
        note_asked("testville", "calls", until, is_new=False, now=until, newest_day=friday)
        assert find_unfilled(live.agency) == expected


def test_data_that_gets_no_newer_and_rows_without_a_day_have_no_age(live: SmallAgency) -> None:
    fill(900, None)
    assert find_unfilled(live.agency) == {}  # no row told its day
    fill(900, date(2026, 1, 6))
    assert find_unfilled(live.agency)
    live.settings["coverage"] = {"start": "2026-01-05", "end": "2026-01-08"}
    live.write_settings()
    assert find_unfilled(live.agency) == {}  # its publication is finished
    del live.settings["coverage"]
    live.settings["is_simulated"] = True
    live.write_settings()
    assert find_unfilled(live.agency) == {}


def test_a_file_that_is_the_same_as_before_says_nothing(small: SmallAgency) -> None:
    for dataset in ("calls", "crime_records"):
        ask(8, dataset)
    assert known(small) == 0  # its export may have stopped


def test_a_damaged_note_is_as_none_and_is_written_anew(live: SmallAgency) -> None:
    for dataset in ("calls", "crime_records"):
        ask(8, dataset)
    (paths.asked("testville") / "calls.json").write_text("{", encoding="utf-8")
    assert known(live) == 0
    ask(9, "calls")
    assert known(live) == 8


def test_the_clock_stops_where_data_ends_that_gets_no_newer(small: SmallAgency) -> None:
    def clock(now: datetime) -> datetime:
        return find_clock(small.agency, AS_OF - HOUR, now)

    later = AS_OF + timedelta(days=3_000)
    assert clock(later) == AS_OF - HOUR  # invented
    small.settings["is_simulated"] = False
    small.write_settings()  # its publication was finished at AS_OF
    assert clock(later) == clock(AS_OF) == AS_OF - HOUR
    assert clock(AS_OF - HOUR / 2) == AS_OF - HOUR / 2
    del small.settings["coverage"]
    small.write_settings()  # it keeps delivering
    assert clock(later) == later


def test_the_desk_says_which_build_a_decision_waits_for(live: SmallAgency, tmp_path: Path) -> None:
    as_of = naive_utc(AS_OF)
    shown = Shown(live.agency, tmp_path / "v1", as_of, as_of + 1.5 * HOUR, as_of)
    assert shown.effect_in_words.endswith(" It is expected soon after 7 January 2026, 2am.")
    shown = Shown(live.agency, tmp_path / "v1", as_of, as_of, as_of)
    assert shown.effect_in_words.endswith(" the foot of each page no longer says “Version v1”.")


def test_desk_and_alerts_call_no_quiet_night_late(live: SmallAgency, tmp_path: Path) -> None:
    now = AS_OF + 9 * HOUR
    for hours, expected in ((None, True), (8, False), (6, True)):
        for dataset in ("calls", "crime_records") if hours else ():
            (paths.asked("testville") / f"{dataset}.json").unlink(missing_ok=True)
            ask(hours, dataset)
        until = known_until(live.agency, VERSION)
        shown = Shown(live.agency, tmp_path, naive_utc(AS_OF), naive_utc(now), naive_utc(until))
        assert shown.is_late is expected
        assert is_late(Situation(live.agency, now, AS_OF, (), (), known_until=until)) is expected
