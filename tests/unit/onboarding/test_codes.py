"""Code maps have counts, the most frequent first; rare and personal codes are not in them."""

from pathlib import Path
from typing import Any

import pytest

from cdi.onboarding.codes import CodeMap
from cdi.onboarding.proposal import Settings, propose_agency
from cdi.sql import connect
from tests.unit.onboarding.invented import invent_records, read_rows


@pytest.fixture(autouse=True)
def no_other_agency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the shipped words are known, and no map of an agency."""
    (tmp_path / "agencies").mkdir()
    monkeypatch.setenv("CDI_AGENCIES", str(tmp_path / "agencies"))


def propose_map(folder: Path, counts: dict[str, int], **more: str) -> CodeMap:
    """Propose call_types.csv for calls of which so many have each code."""
    rows: list[dict[str, Any]] = []
    for code, count in counts.items():
        for _ in range(count):
            rows.append({"Event Number": f"26-{len(rows):06d}", "Final Type": code, **more})
    with connect() as con:
        samples = {
            "calls": read_rows(con, folder, rows),
            "crime_records": read_rows(con, folder, invent_records(), "crime_records"),
        }
        proposal = propose_agency(con, samples, Settings("invented", "Invented"))
    (code_map,) = [m for m in proposal.code_maps if m.name == "call_types"]
    return code_map


def test_codes_are_ordered_by_count_and_rare_ones_are_left_out(tmp_path: Path) -> None:
    code_map = propose_map(tmp_path, {"THEFT": 10, "ZEBRA": 30, "RARE": 9, "RARER": 1})
    assert [(row.code, row.count) for row in code_map.rows] == [("ZEBRA", 30), ("THEFT", 10)]
    assert (code_map.row_count, code_map.rare_count) == (50, 2)
    assert code_map.first_share == 0.8
    assert code_map.proposed_share == 0.2
    assert [(r["code"], r["offence_group"]) for r in code_map.records] == [
        ("ZEBRA", ""),
        ("THEFT", "theft"),
    ]
    assert code_map.records[0]["note"].startswith("30 rows; unsure")


def test_the_share_of_the_first_twenty_codes_is_told(tmp_path: Path) -> None:
    code_map = propose_map(tmp_path, {f"CODE {place}": 10 for place in range(25)})
    assert code_map.first_share == 0.8


@pytest.mark.parametrize(
    "value", ["07700 900123", "(202) 555-0134", "2025550134", "jo@example.org", "12 Larch Road"]
)
def test_a_code_that_looks_personal_is_left_out_however_often_it_is_seen(
    value: str, tmp_path: Path
) -> None:
    code_map = propose_map(tmp_path, {**{f"CODE {n}": 10 for n in range(40)}, value: 10})
    assert value not in {row.code for row in code_map.rows}
    assert code_map.rare_count == 1


def test_a_name_that_few_rows_have_is_not_taken_for_the_code(tmp_path: Path) -> None:
    rows = [
        {"Event Number": f"26-{n:06d}", "Final Type": "T1", "Final Type Description": name}
        for n, name in enumerate([f"Theft from J. Quill {n}" for n in range(30)])
    ]
    with connect() as con:
        samples = {
            "calls": read_rows(con, tmp_path, rows),
            "crime_records": read_rows(con, tmp_path, invent_records(), "crime_records"),
        }
        proposal = propose_agency(con, samples, Settings("invented", "Invented"))
    assert "Quill" not in str([code_map.records for code_map in proposal.code_maps])


def test_a_column_that_no_name_proposes_is_not_shown_as_codes(tmp_path: Path) -> None:
    # Officers are as few as codes are.
    rows = [{"Event Number": f"26-{n:06d}", "Resp": f"Quill {'ABCDEF'[n % 6]}"} for n in range(120)]
    with connect() as con:
        samples = {
            "calls": read_rows(con, tmp_path, rows),
            "crime_records": read_rows(con, tmp_path, invent_records(), "crime_records"),
        }
        proposal = propose_agency(con, samples, Settings("invented", "Invented"))
    assert proposal.mappings["calls"].proposals["final_type_code"].profile.header == "Resp"
    (code_map,) = [m for m in proposal.code_maps if m.name == "call_types"]
    assert code_map.rows == ()


def test_types_of_calls_as_opened_are_added_and_their_rows_not_counted_twice(
    tmp_path: Path,
) -> None:
    rows = [
        {
            "Event Number": f"26-{n:06d}",
            "Initial Type": "ALARM" if n < 15 else "THEFT",
            "Final Type": "THEFT",
        }
        for n in range(40)
    ]
    with connect() as con:
        samples = {
            "calls": read_rows(con, tmp_path, rows),
            "crime_records": read_rows(con, tmp_path, invent_records(), "crime_records"),
        }
        proposal = propose_agency(con, samples, Settings("invented", "Invented"))
    (code_map,) = [m for m in proposal.code_maps if m.name == "call_types"]
    assert [(r.code, r.count, r.is_final) for r in code_map.rows] == [
        ("THEFT", 40, True),
        ("ALARM", 15, False),
    ]
    assert code_map.proposed_share == 1
    assert code_map.records[1]["note"].startswith("15 rows as opened")
