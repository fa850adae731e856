"""A rerun equals the run; what changed is built anew, and nothing else."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdi import paths
from cdi.agency.datasets import REQUIRED
from cdi.agency.interval import Interval
from cdi.agency.model import Agency
from cdi.build import dbt
from cdi.build.make import build_part
from cdi.build.version import is_current, plan_version
from cdi.errors import BuildError
from cdi.landing.accept import accept_batch
from cdi.landing.batches import accepted_batches
from cdi.landing.extract import extract_dataset
from cdi.steps.build import check_marts, make_build, publish_version, write_report
from cdi.steps.extract import extract
from cdi.steps.run import is_up_to_date, land_directly
from tests.conftest import CALL_HEADER, CALLS, RECORDS, SmallAgency, csv_bytes, table_contents
from tests.pipeline.test_readings import reading_files


def test_the_same_interval_twice_makes_no_batch_and_no_build(ran: SmallAgency) -> None:
    assert is_up_to_date("testville", ran.interval)
    assert not extract("testville", "calls", ran.interval).is_new
    assert not ran.run()
    assert len(accepted_batches("testville", "calls")) == 1
    assert len(list((paths.published("testville") / "versions").iterdir())) == 1


def test_the_same_rows_in_another_order_make_no_batch(ran: SmallAgency) -> None:
    ran.write("calls.csv", csv_bytes(CALL_HEADER, CALLS[::-1]))
    assert not ran.run()
    assert len(accepted_batches("testville", "calls")) == 1


def test_one_changed_source_row_is_one_new_version_and_one_changed_row(
    ran: SmallAgency,
) -> None:
    before = {row[0]: row for row in ran.rows("select call_id, row_hash from fct_calls")}
    changed = [row[:] for row in CALLS]
    changed[2][4] = "ASSAULT"  # the noise turned out to be an assault
    ran.write("calls.csv", csv_bytes(CALL_HEADER, changed))
    # what a killed build left is removed by the next
    leftover = paths.published("testville") / ".next"
    leftover.mkdir()
    (leftover / "recording.duckdb").write_bytes(b"half a file")
    (leftover / "recording.duckdb.wal").write_bytes(b"its log")
    assert ran.run()
    assert not leftover.exists()
    after = {row[0]: row for row in ran.rows("select call_id, row_hash from fct_calls")}
    assert before.keys() == after.keys() and len(after) == 5
    assert {call for call in before if before[call] != after[call]} == {"T-0003"}
    assert ran.rows(
        "select offence_group, outcome from fct_reported_crimes where call_id = 'T-0003'"
    ) == [("violence_against_the_person", "unrecorded")]
    assert len(list((paths.published("testville") / "versions").iterdir())) == 2


def test_an_edited_code_map_rule_or_phrase_each_make_another_version(
    ran: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each alone asks for a new version, and one build shows what all change.

    A changed phrase reads all texts anew.
    """
    hits = "select call_id, lexicon_id from disclosure.int_disclosure__lexicon_hits order by all"
    hits_before = ran.rows(hits)
    (readings,) = reading_files()
    is_crime_type = "select is_crime_type from fct_calls where call_id = 'T-0003'"
    outcome = "select outcome, decision_id from fct_reported_crimes where call_id = 'T-0004'"
    assert ran.rows(is_crime_type) == [(False,)]
    assert ran.rows(outcome) == [("justified", "D010")]
    unchanged = plan_version(ran.agency)
    assert is_current(unchanged)
    project = tmp_path / "dbt_project"
    shutil.copytree(paths.DBT_PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    seed = project / "seeds" / "recording_decisions.csv"
    row = "D010,100,true,DUPLICATE_LOG,,,,,,,,justified,DUPLICATE_LOG,"
    assert row in seed.read_text()
    changed = "D010,100,true,DUPLICATE_LOG,,,,,,,,must_be_recorded,,"
    seed.write_text(seed.read_text().replace(row, changed))
    monkeypatch.setattr(paths, "DBT_PROJECT", project)
    with_rule = plan_version(ran.agency)
    assert not is_current(with_rule)
    with (project / "seeds" / "lexicon.csv").open("a", encoding="utf-8") as lexicon:
        lexicon.write("zz_new_01,zz_new,account,crime,theft,false,likely,,,\\w+\n")
    with_phrase = plan_version(ran.agency)
    file = ran.folder / "call_types.csv"
    file.write_text(file.read_text().replace("NOISE,Noise,,", "NOISE,Noise,public_order,"))
    with_all = plan_version(ran.agency)
    assert len({v.fingerprint for v in (unchanged, with_rule, with_phrase, with_all)}) == 4
    assert ran.run()
    assert ran.published.resolve().name == with_all.name
    assert ran.rows(is_crime_type) == [(True,)]
    # a duplicate log justifies nothing any more
    assert ran.rows(outcome) == [("unrecorded", "D010")]
    with_words = ran.rows(
        "select distinct call_id, 'zz_new' from disclosure.int_disclosure__log_entries"
    )
    assert len(with_words) == len(CALLS)
    assert sorted(ran.rows(hits)) == sorted(hits_before + with_words)
    (new_readings,) = reading_files()
    assert new_readings.parent != readings.parent
    assert len(accepted_batches("testville", "calls")) == 1


def test_a_state_folder_outlives_the_checkout_that_made_it(
    small: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cold_dbt: None
) -> None:
    """Without what was built and read the same version and tables come back.

    It does not matter where the code is then.
    """
    monkeypatch.delenv("CDI_PREPARED")  # as a user has it: kept in the state folder
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(paths.DBT_PROJECT, first, ignore=shutil.ignore_patterns("target", "logs"))
    monkeypatch.setattr(paths, "DBT_PROJECT", first)
    land_directly("testville", small.interval)
    assert make_build("testville").is_new
    before = table_contents(small.built_file)
    version = small.built
    assert len(before["main.fct_calls"]) == 5
    first.rename(second)
    monkeypatch.setattr(paths, "DBT_PROJECT", second)
    shutil.rmtree(paths.published("testville"))
    shutil.rmtree(paths.home() / "readings")
    assert make_build("testville").is_new
    assert small.built == version
    assert table_contents(small.built_file) == before


def test_what_was_known_at_a_date_can_be_asked(small: SmallAgency) -> None:
    """The crime record arrives with a later file; before it, the assault looks unrecorded."""
    source = small.settings["sources"]["crime_records"]
    source["files"] = [
        {"path": "records-early*", "as_of": "2026-01-07"},
        {"path": "records-late*", "as_of": "2026-02-01"},
    ]
    small.write_settings()
    rows = (small.data / "records.csv").read_bytes()
    (small.data / "records.csv").unlink()
    (small.data / "records-early.csv").write_bytes(rows.replace(b"T-0001", b""))
    (small.data / "records-late.csv").write_bytes(rows)
    land_directly("testville", small.interval)
    make_build("testville")
    outcome_now = "select outcome from fct_reported_crimes where call_id = 'T-0001'"
    assert small.built_rows(outcome_now) == [("recorded",)]
    early = datetime(2026, 1, 7, 12, tzinfo=UTC)
    version = make_build("testville", early).result
    assert version is not None
    check_marts("testville", version)
    write_report("testville", version)
    publish_version("testville", version)
    assert small.rows(outcome_now) == [("unrecorded",)]


def test_models_of_a_large_landing_are_built_one_at_a_time(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of them, side by side, ran out of the memory that a build may have."""
    for dataset in ("calls", "crime_records"):
        small.extract_and_check(dataset)
    version = plan_version(small.agency)
    assert version.row_count == len(CALLS) + len(RECORDS)
    log = paths.home() / "dbt" / "testville.stg_decisions" / "dbt.log"
    for large, threads in ((version.row_count, 2), (version.row_count - 1, 1)):
        monkeypatch.setattr(dbt, "LARGE", large)
        with build_part(version, "stg_decisions"):
            told = log.read_text()
        assert f"Concurrency: {threads} threads" in told
        # what is learnt for makes another model, but not another project
        assert "Unable to do partial parsing" not in told
        log.unlink()


def test_the_memory_of_a_build_can_be_set(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What people set comes before the default, and dbt parses nothing anew for it."""
    small.extract_and_check()
    version = plan_version(small.agency)
    monkeypatch.setattr(dbt, "choose_memory_limit", lambda _: "plenty")  # DuckDB says no to it
    monkeypatch.delenv("CDI_MEMORY_LIMIT", raising=False)
    with pytest.raises(BuildError, match="memory"), build_part(version, "stg_decisions"):
        pass
    monkeypatch.setenv("CDI_MEMORY_LIMIT", "1GB")
    with build_part(version, "stg_decisions"):
        told = (paths.home() / "dbt" / "testville.stg_decisions" / "dbt.log").read_text()
    assert "Completed successfully" in told
    assert "Unable to do partial parsing" not in told


def test_a_step_does_not_take_another_runs_build(ran: SmallAgency) -> None:
    with pytest.raises(BuildError, match="BUILD-GONE"):
        publish_version("testville", "20260101T0000-0123456789")


def build_sample(agency: Agency, intervals: list[Interval]) -> dict[str, list[tuple[Any, ...]]]:
    """Land these intervals of the sample agency, and build; what the tables then hold."""
    for interval in intervals:
        land_directly("sample", interval)
    for dataset in REQUIRED:
        assert len(accepted_batches("sample", dataset)) == len(intervals)
    assert make_build("sample").result is not None
    return table_contents(paths.published("sample") / ".next" / "recording.duckdb")


def test_one_day_at_a_time_equals_all_days_at_once(
    sample: Agency, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cold_dbt: None
) -> None:
    """The sample agency's files as a backfill brings them: a batch a day, the same marts."""
    assert sample.coverage is not None
    start, end = sample.coverage.start, sample.coverage.end
    at_once = build_sample(sample, [Interval.of_days(sample, start, end)])
    monkeypatch.setenv("CDI_HOME", str(tmp_path / "daily"))
    shutil.copytree(state / "secrets", tmp_path / "daily" / "secrets")  # the same hash key
    days = [start + timedelta(days=n) for n in range((end - start).days)]
    assert len(days) > 10
    daily = build_sample(
        sample, [Interval.of_days(sample, day, day + timedelta(days=1)) for day in days]
    )
    for name in ("main.fct_calls", "main.fct_reported_crimes", "main.recording_rate"):
        assert len(daily[name]) > 0
        assert daily[name] == at_once[name]


def test_intervals_side_by_side_do_not_disturb_each_other(sample: Agency) -> None:
    """As a backfill runs them: all extracted before the first is checked."""
    agency = sample
    assert agency.coverage is not None
    starts = [agency.coverage.start + timedelta(days=n) for n in range(4)]
    intervals = [Interval.of_days(agency, day, day + timedelta(days=1)) for day in starts]
    pending = [extract_dataset(agency, "calls", interval).batch for interval in intervals]
    assert len({batch.folder for batch in pending if batch}) == 4
    with ThreadPoolExecutor(4) as pool:
        accepted = list(pool.map(lambda batch: accept_batch(batch) if batch else None, pending))
    assert sorted(batch.manifest["seq"] for batch in accepted if batch) == [1, 2, 3, 4]


def test_the_same_snapshot_checked_twice_at_once_is_accepted_once(small: SmallAgency) -> None:
    days = [(date(2026, 1, 5), date(2026, 1, 6)), (date(2026, 1, 6), date(2026, 1, 7))]
    pending = [
        extract_dataset(small.agency, "calls", Interval.of_days(small.agency, *day)).batch
        for day in days
    ]
    accepted = [accept_batch(batch) for batch in pending if batch]
    assert len(accepted) == 2
    assert accepted[1] is None
    assert len(accepted_batches("testville", "calls")) == 1
