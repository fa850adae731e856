"""The scorecard's arithmetic on a dozen logs, counted by hand."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdi.simulation import scorecard

OLD, NEW = "2017-05-01 10:00:00", "2017-06-25 10:00:00"

# call, its incident, in frame, crimes due, recorded, named at best, received, readable
LOGS = [
    ("L1", "L1", True, 1, 1, 1, OLD, True),  # recorded
    ("L2", "L2", True, 2, 1, 2, OLD, True),  # two crimes, the second never recorded
    ("L3", "L3", True, 1, 0, 1, OLD, True),  # missed, and found
    ("L4", "L4", True, 0, 0, 1, OLD, True),  # no crime, and suspected
    ("L5", "L5", False, 1, 0, 0, OLD, True),  # hidden, missed, and not found
    ("L6", "L1", True, 0, 0, 0, OLD, True),  # a second caller about L1
    ("L7", "L7", True, 0, 0, 0, OLD, True),  # no record, for a good reason
    ("L8", "L8", True, 1, 0, 1, NEW, True),  # too recent to compare
    ("L9", "L9", True, 1, 0, 1, OLD, False),  # its row cannot be read
    ("L10", "L10", True, 0, 0, 0, OLD, True),  # no crime, and a stranger's record linked to it
]
# call, record, order, universe, outcome, has a reference, reported
CRIMES = [
    ("L1", "c1", 1, "frame", "recorded", True, OLD),
    ("L2", "c2", 1, "frame", "recorded", False, OLD),
    ("L2", None, 2, "frame", "unrecorded", False, OLD),
    ("L3", None, 1, "frame", "unrecorded", False, OLD),
    ("L5", None, 1, "hidden", "unrecorded", False, OLD),
    ("L7", None, 1, "frame", "justified", False, OLD),
    ("L8", None, 1, "frame", "unrecorded", False, NEW),
    ("L9", None, 1, "frame", "unrecorded", False, OLD),
    (None, "c9", 1, "no_log", "recorded", False, OLD),
]
# what the pipeline found: call, record, outcome, in frame, reported
FOUND = [
    ("L6", "c1", "recorded", True, OLD),  # found on the second caller's log: found
    ("L2", "c2", "recorded", True, OLD),
    ("L3", None, "unrecorded", True, OLD),
    ("L4", None, "unrecorded", True, OLD),
    ("L7", None, "justified", True, OLD),
    ("L8", None, "unrecorded", True, NEW),
    ("L9", None, "unrecorded", True, OLD),
    ("L10", "c9", "recorded", True, OLD),
]


@pytest.fixture
def scored(tmp_path: Path) -> dict[str, Any]:
    with duckdb.connect() as con:
        con.execute(
            "create table logs (call_id varchar, primary_call_id varchar, is_in_frame boolean, "
            "crimes_due bigint, crimes_recorded bigint, posterior bigint, received_at timestamp, "
            "is_readable boolean)"
        )
        con.executemany("insert into logs values (?, ?, ?, ?, ?, ?, ?, ?)", LOGS)
        con.execute(
            f"copy (select *, call_id <> primary_call_id as is_duplicate, 'A' as half from logs) "
            f"to '{tmp_path / 'logs.parquet'}'"
        )
        con.execute(
            "create table crimes (call_id varchar, crime_id varchar, ordinal int, "
            "universe varchar, outcome_as_of varchar, has_reference boolean, reported_at timestamp)"
        )
        con.executemany("insert into crimes values (?, ?, ?, ?, ?, ?, ?)", CRIMES)
        con.execute(
            "copy (select *, reported_at as recorded_at, 'theft' as offence_group, "
            "false as is_rape, false as is_domestic_abuse, true as is_readable from crimes) "
            f"to '{tmp_path / 'crimes.parquet'}'"
        )
    with duckdb.connect(str(tmp_path / "recording.duckdb")) as con:
        con.execute(
            "create table found (call_id varchar, crime_record_id varchar, outcome varchar, "
            "is_in_frame boolean, reported_at timestamp)"
        )
        con.executemany("insert into found values (?, ?, ?, ?, ?)", FOUND)
        con.execute("""
            create table fct_reported_crimes as
            select *, call_id || '#1' as reported_crime_id, 'theft' as offence_group,
                false as is_rape, false as is_domestic_abuse, outcome as outcome_standard,
                outcome as outcome_strict, outcome as outcome_inclusive
            from found;
            create view unrecorded_crimes as
            from fct_reported_crimes where outcome = 'unrecorded' order by call_id;
            create table links as
            select call_id, crime_record_id, 'key' as link_rung, 1.0 as link_probability,
                true as is_crime_record
            from found where crime_record_id is not null;
            create table release as select timestamp '2017-07-01' as as_of;
            create table offence_groups as select 'theft' as offence_group, true as is_headline;
        """)
    return scorecard.score(tmp_path / "recording.duckdb", tmp_path)


def test_links_are_right_if_they_reach_the_incident(scored: dict[str, Any]) -> None:
    link = scored["link"]
    assert link["precision"] == pytest.approx(2 / 3, abs=1e-4)  # c1, c2 right; c9 wrong
    assert link["recall"] == 1.0
    assert link["no_reference"] == {"precision": 0.5, "recall": 1.0}  # c2 right, c9 wrong
    assert link["rungs"] == {"key": {"links": 3, "precision": pytest.approx(2 / 3, abs=1e-4)}}


def test_reported_crimes_are_counted_not_logs(scored: dict[str, Any]) -> None:
    assert scored["crimes_due"] == 5
    assert scored["reported"]["frame"] == {"precision": 0.6, "recall": 0.75}  # 3 of 5, 3 of 4
    assert scored["reported"]["all"] == {"precision": 0.6, "recall": 0.6}
    assert scored["reported"]["no_link"] == {
        "precision": pytest.approx(1 / 3, abs=1e-4),
        "recall": 0.5,
    }
    # the best reader names L4 too, and both crimes of L2: 4 of 5 and 4 of 4 in the frame
    assert scored["bayes_ceiling"]["frame"] == {"precision": 0.8, "recall": 1.0}


def test_what_is_too_recent_or_unreadable_is_left_out_on_both_sides(
    scored: dict[str, Any],
) -> None:
    assert scored["incidents"] == 7
    rate = scored["rate"]
    assert rate["frame"]["all"] == {
        "truth": 0.5, "strict": 0.6, "standard": 0.6, "inclusive": 0.6,
    }  # fmt: skip
    assert rate["all"]["theft"]["truth"] == 0.4


def test_a_row_of_the_worklist_is_right_while_misses_are_left(scored: dict[str, Any]) -> None:
    worklist = scored["worklist"]
    assert worklist["precision"] == worklist["top_400_precision"] == 0.5
    assert worklist["recall"] == pytest.approx(1 / 3, abs=1e-4)


def test_outcomes_are_paired_crime_by_crime(scored: dict[str, Any]) -> None:
    assert scored["outcomes"] == {
        "justified": {"justified": 1},
        "none": {"recorded": 1, "unrecorded": 1},
        "recorded": {"recorded": 2},
        "unrecorded": {"none": 2, "unrecorded": 1},
    }
