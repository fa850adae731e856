"""What is taken out of sealed files leaves them sealed, and damage is not sealed over."""

import hashlib
from datetime import datetime
from pathlib import Path

import pytest

from cdi import paths
from cdi.audit.register import Register
from cdi.erasure.look import find_typed_by_people
from cdi.erasure.take_out import Removal, _clean_csv, take_out
from cdi.erasure.traces import Wanted
from cdi.errors import StateError
from cdi.sealed_files import append_sealed, is_as_sealed, seal_of
from tests.conftest import SmallAgency

ROWS = "call_reference,note\nT-0001,one\nT-0002,two\n"
REMOVAL = Removal({"call": {"T-0001"}})


@pytest.fixture
def file(state: Path) -> Path:
    """A sealed file with a row about T-0001 and one about T-0002."""
    file = state / "decisions.csv"
    with append_sealed("a", file) as text:
        text.write(ROWS)
    return file


def test_a_cleaned_file_is_sealed_anew(file: Path) -> None:
    assert _clean_csv("a", file, REMOVAL, ["call_reference"]) == 1
    assert file.read_text() == "call_reference,note\nT-0002,two\n"
    assert is_as_sealed("a", file)
    file.write_text(ROWS)
    assert not is_as_sealed("a", file)


def test_a_file_of_which_nothing_is_left_goes_with_its_seal(file: Path) -> None:
    both = Removal({"call": {"T-0001", "T-0002"}})
    assert _clean_csv("a", file, both, ["call_reference"]) == 2
    assert not file.exists()
    assert not seal_of(file).exists()


LONG = b"x" * 200_000  # Python's own limit for a cell is 131,072
ODD_ROWS = {
    "surplus cells": b"T-0003,the caller said, mistaken,and more\n",
    "a short row": b"T-0003\n",
    "a byte of windows-1252": b"T-0003,caf\xe9\n",
    "a long cell": b"T-0003," + LONG + b"\n",
}


@pytest.mark.parametrize("case", ODD_ROWS)
def test_an_odd_row_of_another_program_stays_as_it_is(tmp_path: Path, case: str) -> None:
    file = tmp_path / "other.csv"
    before = b"call_reference,note\n" + ODD_ROWS[case]
    file.write_bytes(before)
    erasure = Removal(REMOVAL.references, wanted=Wanted(frozenset({"T-0001"})))
    for removal in (REMOVAL, erasure):
        assert _clean_csv("a", file, removal, ["call_reference"]) == 0
        assert file.read_bytes() == before
        file.write_bytes(before + b"T-0001,gone\n")
        assert _clean_csv("a", file, removal, ["call_reference"]) == 1
        assert file.read_bytes() == before


def test_a_surplus_cell_that_names_it_is_cleaned(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_bytes(b"call_reference,note\nT-0003,caf\xe9 of T-0001,see T-0001, twice\n")
    erasure = Removal(REMOVAL.references, wanted=Wanted(frozenset({"T-0001"})))
    assert _clean_csv("a", file, erasure, ["call_reference"]) == 1
    cleaned = b"call_reference,note\nT-0003,caf\xe9 of [erased],see [erased], twice\n"
    assert file.read_bytes() == cleaned


def test_typed_references_are_found_beside_odd_rows(small: SmallAgency) -> None:
    file = paths.decisions("testville") / "other.csv"
    file.parent.mkdir(parents=True)
    odd = b"".join(ODD_ROWS.values()).replace(b"T-0003", b"T-9\xe9")
    file.write_bytes(b"call_reference,reason\n" + odd + b"t0001,as agreed\n")
    assert ("t0001", "T-0001") in find_typed_by_people(small.agency, "call")


def test_a_damaged_file_is_not_cleaned_and_sealed_over(file: Path) -> None:
    file.write_text(ROWS.replace("two", "too"))
    with pytest.raises(StateError, match="STATE-DAMAGED"):
        _clean_csv("a", file, REMOVAL, ["call_reference"])
    assert file.read_text() == ROWS.replace("two", "too")


@pytest.mark.parametrize(
    ("rest", "is_removed"),
    [
        (b'D03,confirmed,t-0001,,,"he said "', True),
        (b"D03,confirmed,T-0009,,,caf\xe9", False),
    ],
)
@pytest.mark.parametrize("wanted", [None, Wanted(frozenset({"T-0001"}))])
def test_the_rest_of_a_cut_decision_goes_with_its_call(
    small: SmallAgency, wanted: Wanted | None, rest: bytes, is_removed: bool
) -> None:
    """By a retention run, which looks for no single references in texts, as by an erasure."""
    torn = paths.decisions_file("testville").with_name("decisions.csv.torn")
    torn.parent.mkdir(parents=True)
    torn.write_bytes(rest + b"\n")
    removal = Removal(REMOVAL.references, wanted=wanted)
    assert take_out(small.agency, removal, "too old", print) == is_removed
    assert torn.exists() != is_removed


def test_the_register_says_what_an_erasure_made_of_each_file_of_readings(
    small: SmallAgency,
) -> None:
    """The files of a draw, as they are afterwards; that of another program is in no audit."""
    register = Register("testville")
    register.append("draw", datetime(2017, 7, 1), draw_id="frame_1")
    findings = paths.findings("testville")
    findings.mkdir(parents=True)
    contents = {
        "frame_1_1207.csv": "call_reference,note\nT-0001,one\nT-0002,two\n",
        "frame_1_1311.csv": "call_reference,note\nT-0001,one\n",
        "frame_1_FCR.csv": "call_reference,note\nT-0002,two\n",
        "other.csv": "call_reference,note\nT-0001,one\nT-0002,two\n",
    }
    for name, text in contents.items():
        (findings / name).write_text(text)
    assert take_out(small.agency, REMOVAL, "request 12", print)
    noted = [line for line in register.entries() if line["kind"] == "erasure"]
    cleaned = hashlib.sha256(b"call_reference,note\nT-0002,two\n").hexdigest()
    assert [line["readings"] for line in noted] == [
        {"frame_1_1207.csv": cleaned},
        {"frame_1_1311.csv": None},
    ]
    assert {line["reason"] for line in noted} == {"request 12"}
    assert (findings / "frame_1_1207.csv").read_text() == "call_reference,note\nT-0002,two\n"
