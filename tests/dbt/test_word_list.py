"""The second map of the real agencies' codes is the published word list, stated here once more."""

import csv

import pytest

from cdi import paths

# A type is a crime type if its text contains one of these...
WORDS = (
    "BATTERY", "ASSAULT", "ROBBERY", "BURGLARY", "THEFT", "STOLEN", "HOMICIDE", "RAPE", "CARJACK",
    "CRIMINAL DAMAGE", "DESTRUCTION OF PROPERTY", "CRIMINAL MISCHIEF", "SNATCH", "SHOPLIFT",
    "KIDNAP", "ARSON", "EXTORTION", "FORGERY", "FRAUD", "DISCHARGING FIREARM", "ILLEGAL CARRYING",
    "ILLEGAL USE", "DRUG", "TRESPASS", "SHOOTING", "CUTTING", "SEXUAL", "STALK", "THREATS", "PURSE",
)  # fmt: skip
# ... and neither of these.
UNLESS = ("ACCIDENT", "RECOVER")


def is_on_the_list(name: str) -> bool:
    text = name.upper()
    return any(word in text for word in WORDS) and not any(word in text for word in UNLESS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SIMPLE BATTERY (DOMESTIC)", True),
        ("Aggravated Assault", True),
        ("HOMICIDE", True),
        ("AUTO THEFT & RECOVERY", False),
        ("AUTO ACCIDENT, STOLEN VEHICLE", False),
        ("MURDER", False),
        ("LOST PROPERTY", False),
    ],
)
def test_the_rule_as_stated(name: str, expected: bool) -> None:
    assert is_on_the_list(name) is expected


@pytest.mark.parametrize("agency", ["nopd", "ucsd"])
@pytest.mark.parametrize("code_map", ["call_types", "offences"])
def test_the_second_map_is_the_word_list(agency: str, code_map: str) -> None:
    file = paths.REPO / "agencies" / agency / f"{code_map}.csv"
    with file.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) > 100
    kept = {row["code"]: row["is_crime_type_word_list"] for row in rows}
    expected = {row["code"]: str(is_on_the_list(row["name"])).lower() for row in rows}
    assert len(kept) == len(rows)
    differing = {code for code in kept if kept[code] != expected[code]}
    assert not differing
