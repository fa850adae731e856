"""A live source, from PostgreSQL to staging: each fault of a living table, planted and mended."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from cdi import paths
from cdi.agency.asked import read_asked
from cdi.errors import GateError, SourceError
from cdi.landing.batches import accepted_batches
from cdi.sources.reader import SourceBusyError
from cdi_force.database import Server
from tests.conftest import SmallAgency
from tests.postgres import Systems, land, postgres_or_skip, read_by_sql, standing, truth


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_or_skip("timezone=America/New_York") as started:
        yield started


@pytest.fixture
def systems(server: Server, small: SmallAgency) -> Iterator[Systems]:
    read_by_sql(small)
    made = Systems.create(server, "testville")
    yield made
    made.close()


def days_of(manifest: dict[str, Any] | None) -> list[str]:
    assert manifest is not None
    return [file["name"] for file in manifest["files"]]


def fill(systems: Systems) -> None:
    """Three days with four calls each."""
    for day in ("05", "06", "07"):
        for hour in range(4):
            systems.add_call(f"T-{day}0{hour}", f"2026-01-{day} 1{hour}:00")
    systems.set_clock("2026-01-08 00:00+00")


def test_only_days_that_changed_are_landed_again(small: SmallAgency, systems: Systems) -> None:
    fill(systems)
    first = land(small, systems, "2026-01-07", "2026-01-08")
    assert days_of(first) == ["2026-01-05", "2026-01-06", "2026-01-07"]
    assert land(small, systems, "2026-01-07", "2026-01-08") is None

    late = systems.connect()  # opened before the next run, committed after it (S1)
    late.cursor().execute(
        "insert into calls (number, received, opened_as, closed_as, closure, district) "
        "values ('T-0499', '2026-01-06', 'NOISE', 'NOISE', 'NONE', 'S')"
    )
    systems.run("update calls set closure = 'CRIME' where number = 'T-0702'")  # silent (S4)
    systems.run("delete from calls where number = 'T-0500'")  # sealed (S5)
    systems.set_clock("2026-01-08 01:00+00")
    second = land(small, systems, "2026-01-07", "2026-01-08")
    assert days_of(second) == ["2026-01-05", "2026-01-07"]
    assert second and second["confirmed"] == ["2026-01-06"]
    assert standing(small) == truth(systems)

    late.commit()
    systems.set_clock("2026-01-08 02:00+00")
    assert days_of(land(small, systems, "2026-01-07", "2026-01-08")) == ["2026-01-06"]
    assert standing(small) == truth(systems)
    assert len(truth(systems)) == 12


def test_a_day_whose_rows_all_went_lands_as_an_empty_file(
    small: SmallAgency, systems: Systems
) -> None:
    fill(systems)
    land(small, systems, "2026-01-07", "2026-01-08")
    systems.run("delete from calls where received < '2026-01-06'")
    systems.set_clock("2026-01-08 01:00+00")
    changed = land(small, systems, "2026-01-07", "2026-01-08")
    assert days_of(changed) == ["2026-01-05"]
    assert changed and changed["read"] == 0
    assert land(small, systems, "2026-01-07", "2026-01-08") is None
    assert standing(small) == truth(systems)
    assert len(truth(systems)) == 8
    withdrawn = small.staged("select call_reference from staging.stg_calls where is_withdrawn")
    assert sorted(withdrawn) == [("T-0500",), ("T-0501",), ("T-0502",), ("T-0503",)]


def test_a_row_that_moved_to_another_day_stands_once(small: SmallAgency, systems: Systems) -> None:
    fill(systems)
    for number in range(60):  # if more than one row in fifty moves, a rule stops it (FILE-21)
        systems.add_call(f"T-08{number:02}", f"2026-01-06 12:{number:02}")
    land(small, systems, "2026-01-07", "2026-01-08")
    systems.run("update calls set received = '2026-01-07 20:00' where number = 'T-0500'")
    systems.set_clock("2026-01-08 01:00+00")
    assert days_of(land(small, systems, "2026-01-07", "2026-01-08")) == ["2026-01-05", "2026-01-07"]
    assert standing(small) == truth(systems)


def test_a_table_that_was_emptied_is_refused_and_withdraws_nothing(
    small: SmallAgency, systems: Systems
) -> None:
    fill(systems)
    land(small, systems, "2026-01-07", "2026-01-08")
    before = standing(small)
    systems.run("delete from calls where number <> 'T-0700'")  # a reload, caught half-way
    systems.set_clock("2026-01-08 01:00+00")
    with pytest.raises(GateError, match="FILE-07"):
        land(small, systems, "2026-01-07", "2026-01-08")
    assert standing(small) == before
    assert len(before) == 12


def test_a_change_outside_the_window_is_found_by_a_run_that_goes_back(
    small: SmallAgency, systems: Systems
) -> None:
    small.settings["sources"]["calls"]["days"] = 2
    small.write_settings()
    fill(systems)
    land(small, systems, "2026-01-05", "2026-01-08")
    systems.run("update calls set closure = 'DUP' where number = 'T-0501'")
    systems.set_clock("2026-01-08 01:00+00")
    assert land(small, systems, "2026-01-07", "2026-01-08") is None
    assert days_of(land(small, systems, "2026-01-05", "2026-01-08")) == ["2026-01-05"]
    assert standing(small) == truth(systems)


def test_of_two_readings_the_later_state_stands_whichever_was_accepted_last(
    small: SmallAgency, systems: Systems
) -> None:
    from cdi.agency.interval import Interval
    from cdi.steps.extract import check_landing, extract

    fill(systems)
    agency = small.agency
    wide = Interval.of_days(agency, datetime(2026, 1, 5).date(), datetime(2026, 1, 8).date())
    narrow = Interval.of_days(agency, datetime(2026, 1, 6).date(), datetime(2026, 1, 8).date())
    earlier = extract("testville", "calls", wide, systems.access)
    systems.run("update calls set closure = 'DUP'")
    systems.set_clock("2026-01-08 03:00+00")
    later = extract("testville", "calls", narrow, systems.access)
    for extracted in (later, earlier):
        assert extracted.result
        check_landing("testville", "calls", extracted.result)
    assert standing(small) == truth(systems)
    # and what was read first is not taken for what the source holds now
    assert land(small, systems, "2026-01-07", "2026-01-08") is None


def test_a_row_whose_clock_is_ahead_comes_with_the_next_run(
    small: SmallAgency, systems: Systems
) -> None:
    """S3: a writer's clock is ten minutes fast over midnight; rows of a right clock follow."""
    fill(systems)
    systems.add_call("T-0800", "2026-01-08 00:08")
    assert days_of(land(small, systems, "2026-01-07", "2026-01-08"))[-1] == "2026-01-07"
    systems.add_call("T-0799", "2026-01-07 23:59")
    systems.set_clock("2026-01-09 00:00+00")
    later = land(small, systems, "2026-01-08", "2026-01-09")
    assert days_of(later) == ["2026-01-07", "2026-01-08"]
    assert standing(small) == truth(systems)


def test_a_new_mapping_lands_every_day_of_the_window_again(
    small: SmallAgency, systems: Systems
) -> None:
    fill(systems)
    land(small, systems, "2026-01-07", "2026-01-08")
    small.settings["sources"]["calls"]["max_age_hours"] = 3
    small.write_settings()
    assert land(small, systems, "2026-01-07", "2026-01-08") is None
    del small.settings["sources"]["calls"]["columns"]["caller_phone"]
    small.write_settings()
    again = land(small, systems, "2026-01-07", "2026-01-08")
    assert days_of(again) == ["2026-01-05", "2026-01-06", "2026-01-07"]
    assert again and again["files"][0]["unexpected_columns"] == ["phone"]


def test_there_is_no_state_but_the_landing(small: SmallAgency, systems: Systems) -> None:
    import shutil

    fill(systems)
    land(small, systems, "2026-01-07", "2026-01-08")
    rows = accepted_batches("testville", "calls")[0].manifest["content_sha256"]
    shutil.rmtree(paths.landing("testville", "calls"))
    land(small, systems, "2026-01-07", "2026-01-08")
    assert accepted_batches("testville", "calls")[0].manifest["content_sha256"] == rows


def test_an_extraction_that_was_killed_leaves_nothing_behind_and_can_be_repeated(
    small: SmallAgency, systems: Systems, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(systems)
    program = """
import os, signal
from cdi.sources import fetch
from tests.postgres import Systems, land
import tests.pipeline.test_days as here
split = fetch.split_days
def killed(*arguments):
    split(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
fetch.split_days = killed
from datetime import date
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.sources.access import read_access
from cdi.steps.extract import extract
agency = load_agency("testville")
interval = Interval.of_days(agency, date(2026, 1, 7), date(2026, 1, 8))
extract("testville", "calls", interval, read_access("testville_systems"))
"""
    from cdi_force.database import connection_of

    connection = connection_of(systems.server).replace('"cdi_reader"', '"reader"')
    connection = connection.replace('"schema": "postgres"', '"schema": "testville"')
    monkeypatch.setenv("AIRFLOW_CONN_TESTVILLE_SYSTEMS", connection)
    ended = subprocess.run([sys.executable, "-c", program], check=False, cwd=Path.cwd())
    assert ended.returncode == -9
    home = paths.landing("testville", "calls")
    assert list(home.rglob("*.parquet"))  # what it had read when it was killed
    assert not accepted_batches("testville", "calls")
    land(small, systems, "2026-01-07", "2026-01-08")
    assert standing(small) == truth(systems)
    assert not list(home.rglob("fetched")), "the rows as they were read are not kept"


def test_a_connection_that_is_cut_is_worth_another_try(
    small: SmallAgency, systems: Systems, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cdi.sources.postgres import PostgresReader

    fill(systems)
    count = PostgresReader.count

    def cut(self: PostgresReader, *arguments: Any) -> int:
        systems.run(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'reader'"
        )
        return count(self, *arguments)

    monkeypatch.setattr(PostgresReader, "count", cut)
    with pytest.raises(SourceBusyError, match="SRC-SQL"):
        land(small, systems, "2026-01-07", "2026-01-08")


def test_a_query_that_takes_too_long_names_the_fix(small: SmallAgency, systems: Systems) -> None:
    fill(systems)
    systems.run(
        "create view slow_calls as select calls.* from calls, "
        "(select pg_sleep(20) from calls limit 1) as pause"
    )
    systems.run("grant select on slow_calls to reader")
    systems.run("alter role reader in database testville set statement_timeout = '200ms'")
    small.settings["sources"]["calls"]["sql"]["relation"] = "slow_calls"
    small.write_settings()
    with pytest.raises(SourceError, match="SRC-TIMEOUT") as caught:
        land(small, systems, "2026-01-07", "2026-01-08")
    assert "index" in str(caught.value)
    assert not isinstance(caught.value, SourceBusyError)
    systems.run("alter role reader in database testville reset statement_timeout")


def test_a_login_that_may_write_is_warned_of(small: SmallAgency, systems: Systems) -> None:
    from cdi.agency.interval import Interval
    from cdi.steps.extract import extract

    fill(systems)
    interval = Interval.of_days(
        small.agency, datetime(2026, 1, 7).date(), datetime(2026, 1, 8).date()
    )
    assert "may write" not in extract("testville", "calls", interval, systems.access).note
    systems.run("grant delete on calls to reader")
    note = extract("testville", "calls", interval, systems.access).note
    assert "warning: the login may write: public.calls" in note


def test_a_copy_that_stands_still_is_known_up_to_its_own_clock_and_warned_of(
    small: SmallAgency, systems: Systems
) -> None:
    from cdi.agency.interval import Interval
    from cdi.steps.extract import extract

    small.settings["is_simulated"] = False
    small.write_settings()
    fill(systems)
    systems.set_clock("2026-01-07 22:00+00")
    land(small, systems, "2026-01-07", "2026-01-08")
    for day, is_warned in ((8, False), (10, True)):
        interval = Interval.of_days(small.agency, date(2026, 1, day), date(2026, 1, day + 1))
        note = extract("testville", "calls", interval, systems.access).note
        warning = (
            "[SRC-UNFILLED] testville/calls answers, but its newest row is of 7 January 2026, "
            "and its own clock says 7 January 2026, 10pm; 48 hours are allowed"
        )
        assert (warning in note) is is_warned
        asked = read_asked("testville", "calls")
        assert asked and asked.unchanged_until == datetime(2026, 1, 7, 22, tzinfo=UTC)


def test_rows_without_a_time_are_counted_and_told(small: SmallAgency, systems: Systems) -> None:
    fill(systems)
    systems.add_call("T-0998", None)
    systems.add_call("T-0999", "infinity")
    manifest = land(small, systems, "2026-01-07", "2026-01-08")
    assert manifest and manifest["undated"] == 2
    assert manifest["accepted"] == 12
    results = (paths.landing("testville", "calls") / "batches").rglob("validation.json")
    (text,) = [file.read_text(encoding="utf-8") for file in results]
    assert re.search(r'"FILE-25"', text)


def test_a_value_of_the_wrong_type_is_quarantined(small: SmallAgency, systems: Systems) -> None:
    """An infinite time of closing; the row's own time is a time, so a window holds it."""
    fill(systems)
    for number in range(20):
        systems.add_call(f"T-08{number:02}", f"2026-01-06 12:{number:02}")
    systems.run("update calls set closed = 'infinity' where number = 'T-0600'")
    manifest = land(small, systems, "2026-01-07", "2026-01-08")
    assert manifest and (manifest["accepted"], manifest["quarantined"]) == (31, 1)


def test_rows_of_other_datasets_are_left_out(small: SmallAgency, systems: Systems) -> None:
    """The column that tells them apart is read too, though it is mapped to nothing."""
    source = small.settings["sources"]["calls"]
    del source["columns"]["caller_phone"]
    source["rows"] = {"from": "phone", "matches": "call"}
    small.write_settings()
    fill(systems)
    systems.run("update calls set phone = case when number = 'T-0600' then 'other' else 'call' end")
    manifest = land(small, systems, "2026-01-07", "2026-01-08")
    assert manifest and manifest["accepted"] == 11
    assert sum(file["left_out"] for file in manifest["files"]) == 1
