"""The scorecard's arithmetic on a dozen logs, counted by hand."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdi.errors import CdiError
from cdi_proofs.scorecard import score_recording

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
# what the pipeline found: call, record, outcome, in frame, reported; of L3 under another group
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
# what the simpler readers see of a log: opening and closing code, result, account, the lexicon's
# reading, the text model's two probabilities
READ = [
    ("L1", "CR", "CR", "RMS", "man hit him", "crime", 0.9, 0.1),
    ("L2", "CR", "CR", "RMS", "man hit him", "crime", 0.9, 0.5),
    ("L3", "CR", "IN", "NFA", "dog lost here", "crime", 0.2, 0.1),
    ("L4", "CR", "IN", "NFA", "man hit him", "no_crime", 0.19, 0.9),
    ("L5", "IN", "IN", "NFA", "man hit him", "crime", 0.1, 0.1),
    ("L6", "IN", "IN", "NFA", "dog lost here", "crime", 0.1, 0.1),
    ("L7", "CR", "CR", "NO CRIME", "dog lost here", "crime", 0.6, 0.1),
    ("L8", "CR", "CR", "NFA", "man hit him", "crime", 0.9, 0.9),
    ("L9", "CR", "CR", "NFA", "man hit him", "crime", 0.9, 0.9),
    ("L10", "CR", "CR", "NFA", "dog lost here", "nothing", 0.0, 0.0),
]
# crimes that the lexicon finds told: call, offence group, in a plain phrase
TOLD = [
    ("L1", "violence", True),
    ("L2", "violence", True),
    ("L2", "theft", True),
    ("L2", "fraud", False),
    ("L3", "theft", True),
]
# crimes that the log's own evidence discloses: call, number, rank of the evidence, verdict
DISCLOSED = [
    ("L1", 1, 3, "must_be_recorded"),
    ("L2", 1, 3, "must_be_recorded"),
    ("L2", 2, 2, "must_be_recorded"),
    ("L3", 1, 1, "must_be_recorded"),  # a hint only
    ("L4", 1, 2, "needs_review"),
    ("L6", 1, 2, "justified"),
    ("L7", 1, 3, "justified"),
]


def _write_disclosure(con: duckdb.DuckDBPyConnection) -> None:
    """What the readers are given: READ and, of the year before, twenty audited logs."""
    con.execute("""
        create schema disclosure;
        create schema codes;
        create schema rules;
        create table codes.call_types as
        select *, lower(code) as name
        from (values ('CR', 'theft'), ('IN', null)) as t (code, offence_group);
        create table codes.closures as
        select *, lower(code) as name
        from (values ('RMS', null), ('NFA', null), ('NO CRIME', 'NO_CRIME_BOP'))
            as t (code, reason_code);
        create table rules.reasons as
        from (values ('NO_CRIME_BOP', true), ('OTHER_FORCE', true), ('VICTIM_UNWILLING', false))
            as t (reason_code, is_legitimate);
        create table rules.rulesets as
        select 'standard' as ruleset, 2 as min_evidence_rank, 0.2 as min_text_probability,
            0.8 as min_link_probability;
        create table read_logs (
            call_id varchar, initial_type_code varchar, final_type_code varchar,
            disposition_code varchar, account_text varchar, lexicon_reading varchar,
            crime_probability double, second_probability double
        );
        create table told (call_id varchar, offence_group varchar, is_plain boolean);
        create table disclosed (
            call_id varchar, crime_number int, evidence_rank int, verdict varchar
        );
    """)
    con.executemany("insert into read_logs values (?, ?, ?, ?, ?, ?, ?, ?)", READ)
    con.executemany("insert into told values (?, ?, ?)", TOLD)
    con.executemany("insert into disclosed values (?, ?, ?, ?)", DISCLOSED)
    con.execute("""
        create table disclosure.int_disclosure__logs as
        select call_id, true as is_in_calls, timestamp '2017-05-01' as received_at,
            initial_type_code, final_type_code, disposition_code, null::varchar as qualifiers
        from read_logs
        union all
        select 'A' || n, false, timestamp '2016-05-01', 'CR', 'CR', 'NFA', null
        from range(1, 21) as t (n);
        create table disclosure.int_disclosure__log_entries as
        select call_id, 'account' as part, 1 as entry_number, account_text as entry from read_logs
        union all
        -- only words tell these apart
        select 'A' || n, 'account', 1,
            case when n <= 10 then 'a man hit him' else 'a dog lost here' end
        from range(1, 21) as t (n)
        union all
        select call_id, 'closing', 1, 'all done' from disclosure.int_disclosure__logs;
        create table disclosure.int_disclosure__audit_labels as
        select 'A' || n as call_id, 'A' || n as published_call_id,
            'CR' as initial_type_code, 'CR' as final_type_code,
            (n <= 10)::bigint as crimes
        from range(1, 21) as t (n)
        union all
        select 'L3', 'L3', 'CR', 'CR', 1;  -- a log that is asked about teaches nothing
        create table disclosure.int_disclosure__text_reading as
        select call_id, lexicon_reading, crime_probability, second_probability from read_logs;
        create table disclosure.int_disclosure__lexicon_hits as
        from (values ('L10', 'reason', 'OTHER_FORCE'), ('L3', 'excuse', 'VICTIM_UNWILLING'))
            as t (call_id, meaning, subject);
        create table disclosure.int_disclosure__evidence_log_text as from told;
        create table disclosure.int_disclosure__evidence_counts as
        select 'L3' as call_id, 1 as further_victims;
        create table disclosure.int_disclosure__disclosed_crimes as
        select call_id, crime_number, evidence_rank from disclosed;
        create table disclosure.int_disclosure__decisions as
        select call_id, crime_number, verdict from disclosed;
    """)


def _write_linkage(con: duckdb.DuckDBPyConnection) -> None:
    """Two records that no reference links, each with one candidate; c9 came without a log."""
    con.execute("""
        create schema linkage;
        create table linkage.int_linkage__subjects as
        from (values ('c2'), ('c9')) as t (crime_record_id);
        create table linkage.int_linkage__records as
        select crime_record_id, true as is_crime_record from linkage.int_linkage__subjects;
        create table linkage.int_linkage__comparisons as
        from (values ('c2', 'L2'), ('c9', 'L10')) as t (crime_record_id, call_id);
        create table linkage.int_linkage__scored as
        from (values ('c2', 'L2', 0.9), ('c9', 'L10', 0.85))
            as t (crime_record_id, call_id, probability);
    """)


def _number_rooms(con: duckdb.DuckDBPyConnection) -> None:
    """Put numbers in the place of the texts that the tables above are written with."""
    con.execute("""
        create schema staging;
        create table staging.stg_crime_records as
        select crime_record_id, crime_record_id as published_record_id
        from linkage.int_linkage__subjects;
    """)
    columns = con.execute(
        "select schema_name, table_name, column_name from duckdb_columns() "
        "where schema_name in ('disclosure', 'linkage', 'staging') "
        "and column_name in ('call_id', 'crime_record_id')"
    ).fetchall()
    for schema, table, column in columns:
        con.execute(
            f"alter table {schema}.{table} alter {column} "
            f"set data type ubigint using md5_number_lower({column})"
        )


def write_force(folder: Path) -> None:
    """Write the published file of the tables above, and the truth of LOGS and CRIMES."""
    with duckdb.connect() as con:
        con.execute(
            "create table logs (call_id varchar, primary_call_id varchar, is_in_frame boolean, "
            "crimes_due bigint, crimes_recorded bigint, posterior bigint, received_at timestamp, "
            "is_readable boolean)"
        )
        con.executemany("insert into logs values (?, ?, ?, ?, ?, ?, ?, ?)", LOGS)
        con.execute(
            f"copy (select *, call_id <> primary_call_id as is_duplicate, 'A' as half from logs) "
            f"to '{folder / 'logs.parquet'}'"
        )
        con.execute(
            "create table crimes (call_id varchar, crime_id varchar, ordinal int, "
            "universe varchar, outcome_as_of varchar, has_reference boolean, reported_at timestamp)"
        )
        con.executemany("insert into crimes values (?, ?, ?, ?, ?, ?, ?)", CRIMES)
        con.execute(
            "copy (select *, reported_at as recorded_at, 'theft' as offence_group, "
            "false as is_rape, false as is_domestic_abuse, true as is_readable from crimes) "
            f"to '{folder / 'crimes.parquet'}'"
        )
    with duckdb.connect(str(folder / "recording.duckdb")) as con:
        con.execute(
            "create table found (call_id varchar, crime_record_id varchar, outcome varchar, "
            "is_in_frame boolean, reported_at timestamp)"
        )
        con.executemany("insert into found values (?, ?, ?, ?, ?)", FOUND)
        con.execute("""
            create table fct_reported_crimes as
            select *, call_id || '#1' as reported_crime_id,
                if(call_id = 'L3', 'damage', 'theft') as offence_group,
                false as is_rape, false as is_domestic_abuse, outcome as outcome_standard,
                outcome as outcome_strict, outcome as outcome_inclusive
            from found;
            create view unrecorded_crimes as
            select *, row_number() over (order by call_id) as list_place, 'suspected' as status,
                call_id <> 'L4' as is_likely, list_place as reading_place,
                if(call_id = 'L4', 'possible', 'very_likely') as likelihood,
                if(call_id in ('L3', 'L4'), 'now', 'likely') as reading_part
            from fct_reported_crimes where outcome = 'unrecorded';
            create table worklist_yield as
            from (values ('now', 1, 2, 2, 1.5, 0.5, 2.0), ('likely', 2, 2, 2, 0.4, 0.0, 1.0),
                ('possible', 3, 0, 0, null, null, null))
                as t (reading_part, part_place, log_count, row_count, expected_count, lower_limit,
                    upper_limit);
            create table links as
            select call_id, crime_record_id, 'key' as link_rung, 1.0 as link_probability,
                true as is_crime_record
            from found where crime_record_id is not null;
            create table release as select timestamp '2017-07-01' as as_of;
            create table offence_groups as
            select unnest(['theft', 'damage']) as offence_group, true as is_headline;
        """)
        con.execute(
            "create table fct_calls as select distinct call_id, "
            "md5_number_lower(call_id) as call_no from read_parquet(?)",
            [str(folder / "logs.parquet")],
        )
        _write_disclosure(con)
        _write_linkage(con)
        _number_rooms(con)


@pytest.fixture
def scored(tmp_path: Path) -> dict[str, Any]:
    write_force(tmp_path)
    return score_recording(tmp_path / "recording.duckdb", tmp_path)


def test_links_are_right_if_they_reach_the_incident(scored: dict[str, Any]) -> None:
    link = scored["link"]
    assert link["precision"] == pytest.approx(2 / 3, abs=1e-4)  # c1, c2 right; c9 wrong
    assert link["recall"] == 1.0
    assert link["no_reference"] == {"precision": 0.5, "recall": 1.0}  # c2 right, c9 wrong
    assert link["rungs"] == {"key": {"links": 3, "precision": pytest.approx(2 / 3, abs=1e-4)}}


def test_leftovers_are_compared_with_what_their_candidates_could_give(
    scored: dict[str, Any],
) -> None:
    link = scored["link"]
    assert link["blocks"] == {"all": 1.0, "no_reference": 1.0}  # the call of c2 is a candidate
    assert link["leftovers"] == {
        "ladder": {
            "precision": 0.5,  # c2 right, c9 wrong
            "recall": 1.0,
            "recall_no_reference": 1.0,
            "recall_at_precision_995": 1.0,  # from 0.9 on, without c9
        }
    }


def test_reported_crimes_are_counted_not_logs(scored: dict[str, Any]) -> None:
    assert scored["crimes_due"] == 5
    assert scored["reported"]["frame"] == {"precision": 0.6, "recall": 0.75}  # 3 of 5, 3 of 4
    assert scored["reported"]["all"] == {"precision": 0.6, "recall": 0.6}
    assert scored["reported"]["no_link"] == {
        "precision": pytest.approx(1 / 3, abs=1e-4),
        "recall": 0.5,
    }
    # found under another offence group L3 does not count: 2 of 5, 2 of 4
    assert scored["reported_in_group"]["frame"] == {"precision": 0.4, "recall": 0.5}
    assert scored["reported_in_group"]["all"] == {"precision": 0.4, "recall": 0.4}
    # the best reader names L4 too, and both crimes of L2: 4 of 5 and 4 of 4 in the frame
    assert scored["bayes_ceiling"]["frame"] == {"precision": 0.8, "recall": 1.0}


def test_what_is_too_recent_or_unreadable_is_left_out_on_both_sides(
    scored: dict[str, Any],
) -> None:
    assert scored["incidents"] == 7
    rate = scored["rate"]
    assert rate["frame"]["all"] == {
        "truth": 0.5,
        "strict": 0.6,
        "standard": 0.6,
        "inclusive": 0.6,
    }
    assert rate["all"]["theft"]["truth"] == 0.4


def test_a_force_of_one_month_has_nothing_to_compare(tmp_path: Path) -> None:
    write_force(tmp_path)
    with duckdb.connect(str(tmp_path / "recording.duckdb")) as con:
        con.execute("update release set as_of = timestamp '2017-05-31 09:00:00'")  # 29 days later
    with pytest.raises(CdiError, match="no log was received 30 days or more before") as error:
        score_recording(tmp_path / "recording.duckdb", tmp_path)
    assert error.value.rule_id == "SCORECARD-RECENT"


def test_a_row_of_the_worklist_is_right_while_misses_are_left(scored: dict[str, Any]) -> None:
    worklist = scored["worklist"]
    assert worklist["precision"] == worklist["top_400_precision"] == 0.5
    assert worklist["recall"] == pytest.approx(1 / 3, abs=1e-4)
    assert worklist["likely"] == {"precision": 1.0, "recall": pytest.approx(1 / 3, abs=1e-4)}
    assert worklist["likelihoods"] == [
        {"likelihood": "possible", "row_count": 1, "missed_count": 0},
        {"likelihood": "very_likely", "row_count": 1, "missed_count": 1},
    ]
    assert worklist["recall_of"]["rape"] is None  # there is none
    first = worklist["yield_curve"][0]
    assert (first["logs_read"], first["crimes_recovered"]) == (2, 1)


def test_what_each_part_of_the_list_holds_stands_beside_what_was_expected(
    scored: dict[str, Any],
) -> None:
    # of L3 and L4 one is missed; of L8 and L9 both, as what is too recent to compare counts here
    columns = ("reading_part", "row_count", "expected_count", "true_count")
    parts = [tuple(row[name] for name in columns) for row in scored["worklist"]["expected_yield"]]
    assert [(name, n, expected and float(expected), true) for name, n, expected, true in parts] == [
        ("now", 2, 1.5, 1),
        ("likely", 2, 0.4, 2),
        ("possible", 0, None, 0),
    ]


def test_outcomes_are_paired_crime_by_crime(scored: dict[str, Any]) -> None:
    assert scored["outcomes"] == {
        "justified": {"justified": 1},
        "none": {"recorded": 1, "unrecorded": 1},
        "recorded": {"recorded": 2},
        "unrecorded": {"none": 2, "unrecorded": 1},
    }


def _figures(
    scored: dict[str, Any], reader: str, universe: str
) -> tuple[float | None, float | None]:
    figures = scored["readers"][reader][universe]
    return figures["precision"], figures["recall"]


def test_the_opening_code_names_one_crime(scored: dict[str, Any]) -> None:
    # L1, L2, L3 rightly, L4, L7, L10 wrongly; there are four crimes in the frame
    assert _figures(scored, "opening_code", "frame") == (0.5, 0.75)
    assert _figures(scored, "opening_code", "all") == (0.5, 0.6)
    assert _figures(scored, "opening_code", "no_link") == (0.25, 0.5)  # L3 of four; not L5


def test_words_are_learnt_from_the_audit_alone(scored: dict[str, Any]) -> None:
    # "hit": L1, L2 (one of two), L4 wrongly; outside the frame L5
    assert _figures(scored, "tf_idf", "frame") == (pytest.approx(2 / 3, abs=1e-4), 0.5)
    assert _figures(scored, "tf_idf", "all") == (0.75, 0.6)


def test_the_lexicon_counts_groups_and_victims_and_hears_reasons(scored: dict[str, Any]) -> None:
    # L1 and again L6, both of L2, L3 twice (a further victim), L5; not L4 (explained away),
    # L7 (reason by code), L10 (reason in words)
    assert _figures(scored, "lexicon", "frame") == (pytest.approx(4 / 6, abs=1e-4), 1.0)
    assert _figures(scored, "lexicon", "all") == (pytest.approx(5 / 7, abs=1e-4), 1.0)
    assert _figures(scored, "lexicon", "no_link") == (pytest.approx(2 / 3, abs=1e-4), 1.0)


def test_the_text_model_names_from_its_threshold_on(scored: dict[str, Any]) -> None:
    # L1, both of L2, L3, and L7 wrongly
    assert _figures(scored, "text_model", "frame") == (0.8, 1.0)
    assert _figures(scored, "text_model", "all") == (0.8, 0.8)


def test_the_pipeline_stands_last_with_links_and_without(scored: dict[str, Any]) -> None:
    # L1, both of L2, and L4 wrongly; L3 is a hint only
    assert _figures(scored, "pipeline_without_links", "frame") == (0.75, 0.75)
    assert _figures(scored, "pipeline_without_links", "all") == (0.75, 0.6)
    assert scored["readers"]["pipeline"] == scored["reported"]
    assert list(scored["readers"])[-1] == "pipeline"


def test_an_audit_of_two_logs_teaches_words_that_say_nothing(
    scored: dict[str, Any], tmp_path: Path
) -> None:
    with duckdb.connect(str(tmp_path / "recording.duckdb")) as con:
        con.execute("delete from disclosure.int_disclosure__audit_labels "
                    "where published_call_id not in ('A1', 'A20')")  # fmt: skip
        con.execute("delete from disclosure.int_disclosure__log_entries where part = 'closing'")
    again = score_recording(tmp_path / "recording.duckdb", tmp_path)
    assert set(again["readers"]) == set(scored["readers"])
    # Both audited logs have the same codes and share no word, so nothing tells logs apart: it names
    # one crime in each, three of the four, or none.
    assert _figures(again, "tf_idf", "frame")[1] in (0.0, 0.75)


def test_without_an_audit_the_trained_readers_are_left_out(
    scored: dict[str, Any], tmp_path: Path
) -> None:
    with duckdb.connect(str(tmp_path / "recording.duckdb")) as con:
        con.execute("delete from disclosure.int_disclosure__audit_labels")
        con.execute("update disclosure.int_disclosure__text_reading set crime_probability = null")
    again = score_recording(tmp_path / "recording.duckdb", tmp_path)
    assert list(again["readers"]) == [
        "opening_code",
        "lexicon",
        "pipeline_without_links",
        "pipeline",
    ]
    assert again["readers"]["lexicon"] == scored["readers"]["lexicon"]
