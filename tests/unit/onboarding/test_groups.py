"""Groups are proposed by words, and where words speak for two groups nothing is."""

import csv
import shutil
from pathlib import Path

import pytest

from cdi import paths
from cdi.agency.code_maps import CODE_MAPS, read_seed_values
from cdi.onboarding.groups import (
    flags_of,
    propose_by_system,
    propose_group,
    read_vocabulary,
    split_name,
)
from cdi.onboarding.rules import read_rules


@pytest.fixture(autouse=True)
def no_other_agency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Only the shipped words are known, and no map of an agency."""
    folder = tmp_path / "agencies"
    folder.mkdir()
    monkeypatch.setenv("CDI_AGENCIES", str(folder))
    return folder


@pytest.mark.parametrize(
    ("name", "group", "category"),
    [
        ("BURG - RES", "burglary", ""),
        ("Burglary Of A Vehicle", "vehicle_offences", ""),
        ("BURGLAR ALARM, SILENT", "", "alarm"),
        ("Auto Theft", "vehicle_offences", ""),
        ("LARCENY", "theft", ""),
        ("AGG BATTERY", "violence_against_the_person", ""),
        ("Sexual Assault", "sexual_offences", ""),
        ("MVC W/INJ", "", "rtc_death_injury"),
        ("MVC, NO INJURY", "", "rtc_damage_only"),
        ("Hit & Run", "", "rtc_damage_only"),
        ("CDS violation", "drug_offences", ""),
        ("Domestic Disturbance", "", "domestic_incident"),
        ("Welfare Check", "", "concern_for_safety"),
    ],
)
def test_words_of_the_field_speak_for_a_group(name: str, group: str, category: str) -> None:
    proposal = propose_group(read_vocabulary("call_types"), name)
    assert proposal.is_sure, proposal.reason
    assert proposal.target == {"offence_group": group, "incident_category": category}


@pytest.mark.parametrize(
    "name",
    ["Theft or robbery", "Assault, suspicious person", "Zebra crossing", "Bomb threat", "10-33"],
)
def test_where_words_do_not_tell_the_group_is_blank_and_the_reason_says_so(name: str) -> None:
    proposal = propose_group(read_vocabulary("call_types"), name)
    assert not proposal.is_sure
    assert proposal.target == {"offence_group": "", "incident_category": ""}
    assert proposal.reason.startswith("unsure: ")


@pytest.mark.parametrize(
    ("name", "reason", "expects"),
    [
        ("DUPLICATE CALL", "DUPLICATE_LOG", "false"),
        ("Unfounded", "NO_CRIME_BOP", "false"),
        ("Report written", "", "true"),
        ("No report", "", "false"),
        ("Gone on arrival", "", "false"),
    ],
)
def test_closures_are_proposed_with_their_reason(name: str, reason: str, expects: str) -> None:
    proposal = propose_group(read_vocabulary("closures"), name)
    assert proposal.target == {"reason_code": reason, "expects_record": expects}


def test_the_same_name_in_the_map_of_another_agency_goes_before_words(
    no_other_agency: Path,
) -> None:
    folder = no_other_agency / "elsewhere"
    folder.mkdir()
    shutil.copy(paths.REPO / "agencies" / "nopd" / "call_types.csv", folder)
    proposal = propose_group(read_vocabulary("call_types"), "Complaint, other")
    assert proposal.is_sure
    assert "another agency" in proposal.reason
    # of two agencies that do not agree, none counts
    write_call_types(
        no_other_agency / "third",
        [{"code": "1", "name": "COMPLAINT OTHER", "offence_group": "theft"}],
    )
    assert not propose_group(read_vocabulary("call_types"), "Complaint, other").is_sure


@pytest.mark.parametrize(
    ("name", "row"),
    [
        # nobody has decided it: `agency new` wrote it, without a group or with a guess
        ("Zebra crossing", {"note": "12 rows; unsure: no word of it is known"}),
        ("Zebra crossing", {"offence_group": "theft", "note": "unsure: from memory"}),
        # a number says nothing of the same number elsewhere
        ("021", {"offence_group": "theft", "note": "decided"}),
        ("10-33", {"code": "33", "offence_group": "theft", "note": ""}),
        ("", {"offence_group": "theft", "note": "decided"}),
    ],
)
def test_what_another_agency_has_not_decided_or_not_named_is_no_proposal(
    name: str, row: dict[str, str], no_other_agency: Path
) -> None:
    write_call_types(no_other_agency / "elsewhere", [{"code": name, "name": name, **row}])
    vocabulary = read_vocabulary("call_types")
    assert vocabulary.names == {}
    assert not propose_group(vocabulary, name).is_sure


def write_call_types(folder: Path, rows: list[dict[str, str]]) -> None:
    """Write the call types of another agency."""
    folder.mkdir()
    with (folder / "call_types.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, CODE_MAPS["call_types"])
        writer.writeheader()
        writer.writerows(rows)


def test_national_codes_are_known_if_nearly_all_codes_are_of_the_system() -> None:
    nibrs = propose_by_system("offences", ["13A", "220", "23F", "120", "290"])
    assert {code: p.target["offence_group"] for code, p in nibrs.items()} == {
        "13A": "violence_against_the_person",
        "220": "burglary",
        "23F": "vehicle_offences",
        "120": "robbery",
        "290": "arson_and_criminal_damage",
    }
    home_office = propose_by_system("offences", ["028/03", "003/01"])
    assert home_office["028/03"].target == {"offence_group": "burglary"}
    assert propose_by_system("offences", ["220", "21", "103", "67A"]) == {}
    assert propose_by_system("call_types", ["13A", "220"]) == {}


def test_flags_are_told_by_words() -> None:
    assert flags_of("Attempted rape") == {"is_rape": True, "is_domestic_abuse": False}
    assert flags_of("DV - battery") == {"is_rape": False, "is_domestic_abuse": True}
    assert flags_of("Sexual assault, not rape")["is_rape"] is False


def test_words_have_one_spelling() -> None:
    assert split_name("Burg. - Auto") == ("burglary", "vehicle")
    assert split_name("Unauthorized use of veh") == ("vehicle", "theft", "of", "vehicle")


def test_each_target_of_the_words_is_in_the_shared_taxonomy() -> None:
    groups = read_seed_values("offence_groups", "offence_group") | {"", "?"}
    categories = read_seed_values("incident_categories", "incident_category") | {""}
    reasons = read_seed_values("recording_decisions", "closure_reason_code") | {""}
    for rule in read_rules("group_words"):
        assert rule["offence_group"] in groups
        assert rule["incident_category"] in categories
        assert not (rule["offence_group"] and rule["incident_category"])
    assert {rule["reason_code"] for rule in read_rules("reason_words")} <= reasons
    assert {rule["offence_group"] for rule in read_rules("offence_codes")} <= groups - {"?"}
