"""The sentences with which the page of a log begins."""

from typing import Any

from cdi import paths
from cdi.agency.load import load_agency
from cdi.report.log import write_finding


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


def test_a_recorded_rape_is_not_denied_where_another_one_is_missed() -> None:
    record = {
        "is_crime": True,
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
