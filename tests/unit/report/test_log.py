"""The sentences with which the page of a log begins."""

from typing import Any

import duckdb
import pytest

from cdi import paths
from cdi.agency.load import load_agency
from cdi.report.log import LISTED, SQL, write_finding
from cdi.sql import fetch_dicts, read_query


def crime(*, is_rape: bool = False) -> dict[str, Any]:
    """A crime of the worklist."""
    return {
        "is_likely": True,
        "is_rape": is_rape,
        "offence_group_name": "Violence against the person",
    }


def test_two_crimes_of_one_kind_are_said_once() -> None:
    found = write_finding([crime(), crime()], [], load_agency(paths.SIMULATED))
    assert found == [
        "Violence against the person is reported.",
        "No crime was recorded from this log.",
    ]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Sexual offences", "Sexual offences are reported."),
        (
            "Miscellaneous crimes against society",
            "Miscellaneous crimes against society are reported.",
        ),
        ("Possession of weapons", "Possession of weapons is reported."),
    ],
)
def test_a_kind_of_crime_is_named_in_its_number(name: str, sentence: str) -> None:
    agency = load_agency(paths.SIMULATED)
    assert write_finding([crime() | {"offence_group_name": name}], [], agency)[0] == sentence
    possible = crime() | {"offence_group_name": name, "is_likely": False}
    assert write_finding([possible], [], agency)[0] == f"{name} may be reported."


def test_a_dismissal_does_not_change_what_the_log_reports() -> None:
    """As a version has no dismissed crime as likely, its word from before is read."""
    with duckdb.connect() as con:
        con.execute("""
            create schema rules;
            create table rules.offence_groups as
            select 'theft' as offence_group, 'Theft' as offence_group_name;
            create table unrecorded_crimes as
            select
                v.*, false as is_rape, null as due_at, null as severity, null as suspicion,
                null as decided_by, null as miss_probability, null as non_crime_record_id,
                null as earlier_call_ids, 'theft' as offence_group
            from (
                values
                ('A#1', 'A', 1, 'dismissed', 'very_likely', false),
                ('A#2', 'A', 2, 'dismissed', 'possible', false),
                ('A#3', 'A', 3, 'suspected', 'likely', true)
            ) as v (reported_crime_id, call_id, list_place, status, likelihood, is_likely);
        """)
        rows = fetch_dicts(con, LISTED, {"calls": ["A"]})
    assert [row["is_likely"] for row in rows] == [True, False, True]


def test_a_recorded_rape_is_not_denied_where_another_one_is_missed() -> None:
    record = {
        "is_crime": True,
        "is_n100": False,
        "offence": "Rape of a female aged 16 or over",
        "crime_record_id": "1",
        "recorded_at": None,
    }
    found = write_finding([crime(is_rape=True)], [record], load_agency(paths.SIMULATED))
    assert found == [
        "A rape is reported.",
        "Recorded from this log: Rape of a female aged 16 or over 1.",
        "No record of a rape and no N100 was found for the crime in question.",
    ]


def test_an_n100_that_is_named_is_not_denied() -> None:
    record = {
        "is_crime": False,
        "is_n100": True,
        "offence": "Reported incident of rape",
        "crime_record_id": "2",
        "recorded_at": None,
    }
    found = write_finding([crime(is_rape=True)], [record], load_agency(paths.SIMULATED))
    assert found == [
        "A rape is reported.",
        "No crime was recorded from this log.",
        "Kept as no crime: Reported incident of rape 2.",
        "No record of a rape was found.",
    ]


def test_an_n100_is_known_by_its_class_and_no_other_incident_is_one() -> None:
    with duckdb.connect() as con:
        con.execute("""
            create schema staging;
            create schema codes;
            create table links as
            from (values ('a', '1'), ('a', '2'), ('a', '3'), ('a', '4'))
                as v (call_id, crime_record_id);
            create table staging.stg_crime_records as
            select v.*, null as offence_name, null::timestamp as recorded_at, false as is_withdrawn
            from (values ('1', '100/02'), ('2', 'NC/01'), ('3', '19C'), ('4', null))
                as v (published_record_id, offence_code);
            create table codes.offences as
            from (values ('19C', 'Rape', 'sexual_offences')) as v (code, name, offence_group);
        """)
        rows = fetch_dicts(con, read_query(SQL / "records_of_call.sql"), {"calls": ["a"]})
    assert [(row["is_crime"], row["is_n100"]) for row in rows] == [
        (False, True),
        (False, False),
        (True, False),
        (False, False),
    ]
