"""Columns are proposed by their names, and by what they hold where names do not tell."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cdi.agency.datasets import DATASETS
from cdi.onboarding.columns import Mapping, propose_columns
from cdi.onboarding.names import score_name
from cdi.onboarding.objections import EXCEL_DATES
from cdi.onboarding.rules import FOLDER, read_rules
from cdi.sql import connect
from tests.unit.onboarding.invented import invent_calls, profile_rows


def map_rows(
    folder: Path,
    rows: list[dict[str, Any]],
    dataset: str = "calls",
    determines: Callable[[str, str], float] = lambda code, name: 1.0,
) -> Mapping:
    with connect() as con:
        profiles = list(profile_rows(con, folder, rows, dataset).values())
    return propose_columns(dataset, profiles, set(), determines)


def sources(mapping: Mapping, *, sure: bool = True) -> dict[str, str]:
    return {
        name: proposal.profile.header
        for name, proposal in mapping.proposals.items()
        if proposal.is_sure == sure
    }


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("CAD Event Number", "call_reference"),
        ("cadEventNumber", "call_reference"),
        ("TimeCreate", "received_at"),
        ("On Scene", "arrived_at"),
        ("Final Call Type", "final_type_code"),
        ("How Received", "source_channel"),
        ("Dispo", "disposition_code"),
        ("Zone/Beat", "beat"),
    ],
)
def test_a_name_of_the_field_fits_its_column_best(header: str, column: str) -> None:
    scores = {c.name: score_name("calls", c.name, header) for c in DATASETS["calls"]}
    assert max(scores, key=lambda name: scores[name]) == column
    assert scores[column] >= 0.6


@pytest.mark.parametrize(
    "header",
    [
        *("Call No", "Call #", "Incident #", "Incident No.", "CAD #", "Event No", "Event Nbr"),
        *("CFS No", "Log No", "LOGNO", "INCNUM", "I_EVENTNUMBER", "Case #"),
    ],
)
def test_a_number_is_known_however_its_name_is_shortened(header: str) -> None:
    assert score_name("calls", "call_reference", header) >= 0.6


@pytest.mark.parametrize(
    ("dataset", "header", "column"),
    [
        ("calls", "type_cd", "final_type_code"),
        ("calls", "TYPE_DESC", "final_type_name"),
        ("crime_records", "ho_desc", "offence_name"),
        ("crime_records", "crime_id", "record_reference"),
    ],
)
def test_words_that_databases_shorten_are_known(dataset: str, header: str, column: str) -> None:
    assert score_name(dataset, column, header) >= 0.6


@pytest.mark.parametrize("header", ["Offence", "Offense"])
def test_the_words_beside_a_national_code_are_its_name(tmp_path: Path, header: str) -> None:
    rows = [
        {"Crime No": f"C{n:04}", "HO Code": f"10{n % 2}/01", header: ("Assault", "Theft")[n % 2]}
        for n in range(100)
    ]
    proposed = sources(map_rows(tmp_path, rows, "crime_records"))
    assert (proposed["offence_code"], proposed["offence_name"]) == ("HO Code", header)


def test_a_name_that_only_holds_a_phrase_fits_less_than_the_phrase() -> None:
    whole = score_name("calls", "received_at", "Time Received")
    part = score_name("calls", "received_at", "Time Received By Radio")
    assert 0 < part < whole
    assert score_name("calls", "received_at", "Unreceived") == 0


def test_each_synonym_names_a_canonical_column_and_no_phrase_stands_twice() -> None:
    seen = set()
    for rule in read_rules("column_synonyms"):
        datasets = ("calls", "crime_records") if rule["dataset"] == "*" else (rule["dataset"],)
        known = {column.name for dataset in datasets for column in DATASETS[dataset]}
        assert rule["column"] in known
        assert rule["strength"] in ("strong", "weak")
        assert re.fullmatch(r"[a-z0-9]+( [a-z0-9]+)*", rule["phrase"])
        key = (rule["dataset"], rule["column"], rule["phrase"])
        assert key not in seen
        seen.add(key)
    assert len(seen) > 200


def test_no_table_of_rules_has_a_row_with_other_fields() -> None:
    files = sorted(FOLDER.glob("*.csv"))
    assert len(files) >= 8
    for file in files:
        assert all(None not in row and None not in row.values() for row in read_rules(file.stem))


def test_an_invented_source_is_mapped(tmp_path: Path) -> None:
    mapping = map_rows(tmp_path, invent_calls())
    assert sources(mapping) == {
        "call_reference": "CAD Event Number",
        "received_at": "Time Received",
        "closed_at": "Time Closed",
        "final_type_code": "Nature Code",
        "final_type_name": "Nature Description",
        "disposition_code": "Disposition",
        "beat": "Beat",
        "caller_name": "Caller Name",
        "caller_phone": "Caller Phone",
        "location": "Incident Address",
        "log_text": "Remarks",
    }
    assert mapping.missing == []


def test_values_of_another_kind_speak_against_a_name(tmp_path: Path) -> None:
    rows = [
        {
            "Event Number": f"2026-{place:05d}",
            "Time Received": "soon",
            "Type": "A",
            "Latitude": "95",
        }
        for place in range(30)
    ]
    mapping = map_rows(tmp_path, rows)
    assert set(sources(mapping)) == {"call_reference", "final_type_code"}
    assert mapping.missing == ["received_at"]
    for name in ("received_at", "latitude"):
        assert mapping.proposals[name].problem == "its name fits, its values do not"
        assert mapping.proposals[name].score == 0  # so that no value is shown as a code


def test_values_that_hardly_repeat_are_proposed_as_no_code(tmp_path: Path) -> None:
    rows = [
        {"a": f"Q-{place:05d}", "b": f"{place // 2:03d} KING ROW", "c": "ABCDEF"[place % 6]}
        for place in range(60)
    ]
    mapping = map_rows(tmp_path, rows)
    assert mapping.proposals["final_type_code"].profile.header == "c"


def test_a_code_with_more_than_500_values_is_not_sure(tmp_path: Path) -> None:
    rows = [{"Event Number": f"{place:06d}", "Final Type": f"type {place}"} for place in range(501)]
    mapping = map_rows(tmp_path, rows)
    assert "501" in mapping.proposals["final_type_code"].problem
    assert "final_type_code" in mapping.missing


def test_required_columns_are_proposed_by_what_they_hold_and_are_not_sure(tmp_path: Path) -> None:
    rows = [
        {
            "a": f"Q-{place:05d}",
            "b": f"2026-03-{1 + place % 28:02d} 10:30",
            "c": f"2026-03-{1 + place % 28:02d} 10:10",
            "d": "" if place % 2 else f"2026-03-{1 + place % 28:02d} 09:00",
            "e": f"CODE {'ABCDEFGH'[place % 8]}",
            "f": "always",
        }
        for place in range(60)
    ]
    mapping = map_rows(tmp_path, rows)
    # the time that is always there, and the earlier of the two
    assert sources(mapping, sure=False) == {
        "call_reference": "a",
        "received_at": "c",
        "final_type_code": "e",
    }
    assert mapping.missing == ["call_reference", "received_at", "final_type_code"]
    runner_up = mapping.proposals["received_at"].runner_up
    assert runner_up is not None
    assert runner_up.header == "b"


def test_of_two_codes_the_one_that_says_the_name_is_taken(tmp_path: Path) -> None:
    rows = [
        {"Event Number": f"{place:06d}", "Signal Code": "1", "Type": "T", "TypeText": "Theft"}
        for place in range(30)
    ]
    for saying in ("type", "signal_code"):
        mapping = map_rows(
            tmp_path, rows, determines=lambda code, name, saying=saying: float(code == saying)
        )
        header = {"type": "Type", "signal_code": "Signal Code"}[saying]
        assert sources(mapping)["final_type_code"] == header
        assert sources(mapping)["final_type_name"] == "TypeText"


def test_a_column_about_people_is_no_code_though_it_says_the_name(tmp_path: Path) -> None:
    rows = [
        {"Event Number": f"{place:06d}", "Officer Type Code": "Quill", "TypeText": "Theft"}
        for place in range(30)
    ]
    mapping = map_rows(tmp_path, rows)
    assert sources(mapping)["final_type_code"] == "TypeText"


def test_words_without_a_code_are_the_code(tmp_path: Path) -> None:
    rows = [
        {"Event Number": f"{place:06d}", "Final Type Description": "Theft"} for place in range(30)
    ]
    mapping = map_rows(tmp_path, rows)
    assert sources(mapping)["final_type_code"] == "Final Type Description"
    assert "final_type_name" not in mapping.proposals


def test_the_only_number_of_a_call_is_its_own(tmp_path: Path) -> None:
    rows = [{"Case Reference": f"{place:06d}", "Type": "A"} for place in range(30)]
    mapping = map_rows(tmp_path, rows)
    assert sources(mapping)["call_reference"] == "Case Reference"
    assert "record_reference" not in mapping.proposals


@pytest.mark.parametrize("form", ["POINT ({x} {y})", "({y}, {x})"])
def test_two_degrees_are_taken_out_of_a_point(form: str, tmp_path: Path) -> None:
    rows = [
        {"Event Number": f"{place:06d}", "Location": form.format(x=f"-90.0{place}", y="29.98")}
        for place in range(10, 40)
    ]
    mapping = map_rows(tmp_path, rows)
    assert "location" not in mapping.proposals
    value = rows[0]["Location"]
    degrees = {}
    for name in ("longitude", "latitude"):
        taken = re.search(mapping.proposals[name].extract, value)
        assert taken is not None
        degrees[name] = taken[1]
    assert degrees == {"longitude": "-90.010", "latitude": "29.98"}


def test_numbers_with_a_comma_are_not_mapped_and_it_says_why(tmp_path: Path) -> None:
    rows = [
        {
            "Event Number": f"{place:06d}",
            "Longitude": f"-90,0{place}" if place % 3 else "-90",
            "Latitude": f"29.{place}",
        }
        for place in range(10, 40)
    ]
    mapping = map_rows(tmp_path, rows)
    assert sources(mapping, sure=False) == {"longitude": "Longitude"}
    assert mapping.proposals["longitude"].problem == (
        "its numbers have a comma, so they cannot be read; have them delivered with a decimal point"
    )
    assert sources(mapping)["latitude"] == "Latitude"
    texts = [row | {"Longitude": "far out, west"} for row in rows]
    longitude = map_rows(tmp_path, texts).proposals["longitude"]
    assert longitude.problem == "its name fits, its values do not"


def test_a_part_of_a_name_is_not_enough_for_a_column_about_people(tmp_path: Path) -> None:
    rows = [
        {"Report Number": f"{place:06d}", "Victim Fatal Status": "Non-fatal"} for place in range(30)
    ]
    mapping = map_rows(tmp_path, rows, "crime_records")
    assert "status_code" not in mapping.proposals


@pytest.mark.parametrize("values", [["46027.5", "46027.75", "46028.125"], ["46027", "46028"]])
def test_excel_serial_dates_are_named_and_not_taken_silently(
    values: list[str], tmp_path: Path
) -> None:
    rows = [
        {"Event Number": f"26-{n:06d}", "Time Received": values[n % len(values)]} for n in range(40)
    ]
    received = map_rows(tmp_path, rows).proposals["received_at"]
    assert received.profile.header == "Time Received"
    assert received.problem == EXCEL_DATES
    assert not received.is_sure
