"""The teams of an agency: what teams.csv must be like."""

from datetime import date
from pathlib import Path

import pytest

from cdi.agency.load import load_agency
from cdi.agency.teams import TEAM_COLUMNS, read_teams
from cdi.errors import AgencyError
from tests.conftest import SmallAgency

HEADER = ",".join(TEAM_COLUMNS)


def write_teams(folder: Path, *lines: str) -> None:
    (folder / "teams.csv").write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")


def test_an_agency_need_not_name_its_teams(tmp_path: Path) -> None:
    assert read_teams(tmp_path) == []


def test_a_person_may_change_to_another_team(tmp_path: Path) -> None:
    write_teams(tmp_path, "0127,Desk,2017-01-01", "0127,Response,2017-07-01")
    assert read_teams(tmp_path) == [
        {"author_code": "0127", "team": "Desk", "valid_from": date(2017, 1, 1)},
        {"author_code": "0127", "team": "Response", "valid_from": date(2017, 7, 1)},
    ]


def test_every_problem_is_reported_with_its_line(tmp_path: Path) -> None:
    write_teams(
        tmp_path,
        "0127,Desk,01/07/2017",
        "0127,,2017-01-01",
        "0128,Desk,2017-01-01",
        "0128,Response,2017-01-01",
        "0129,Desk,",
        "0130,Desk",
    )
    with pytest.raises(AgencyError) as refused:
        read_teams(tmp_path)
    assert refused.value.rule_id == "AGENCY-TEAMS"
    assert [
        line.strip().partition("teams.csv:")[2] for line in refused.value.message.split("\n")
    ] == [
        "7: does not have 3 fields; put text with a comma in quotation marks",
        "2: valid_from '01/07/2017' is not a date such as 2017-03-31",
        "3: team is blank",
        "5: author_code '0128' has two teams from 2017-01-01 on; keep one of them",
        "6: valid_from is blank",
    ]


def test_an_agency_with_teams_that_cannot_be_read_is_not_loaded(small: SmallAgency) -> None:
    small.write_text("teams.csv", "who,team\n")
    with pytest.raises(AgencyError, match=r"teams\.csv:1: header must be author_code,team,valid_"):
        load_agency("testville")
