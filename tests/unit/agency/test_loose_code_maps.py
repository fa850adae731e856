"""Code maps whose codes are compared without case, blanks, dashes and slashes."""

import json

import pytest

from cdi.agency.code_maps import CODE_MAPS, spellings_query
from cdi.errors import AgencyError
from cdi.landing.batches import accepted_batches
from cdi.sql import connect
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes


def test_each_spelling_in_the_data_becomes_a_row_of_the_map() -> None:
    with connect() as con:
        con.execute("create table map (code varchar, name varchar)")
        con.execute("insert into map values ('DRUG-USE', 'drugs'), ('NOISE', 'noise')")
        con.execute("create table calls (first_code varchar, last_code varchar)")
        codes = ["Drug Use", "drug/use", "DRUG\u2013USE", "DRUG-USE", "Drugs", "noise", None]
        con.executemany("insert into calls values (?, ?)", [(code, "NOISE ") for code in codes])
        con.execute(
            "insert into map " + spellings_query("map", {"calls": ("first_code", "last_code")})
        )
        rows = con.execute("select code, name from map order by all").fetchall()
    assert rows == sorted(
        [
            *((code, "drugs") for code in ("DRUG-USE", "Drug Use", "drug/use", "DRUG\u2013USE")),
            *((code, "noise") for code in ("NOISE", "noise", "NOISE ")),
        ]
    )


def test_the_rules_of_a_batch_know_other_spellings_only_if_the_map_is_loose(
    small: SmallAgency,
) -> None:
    """Otherwise the unknown codes would stop the batch (CALL-07)."""
    rows = [[*row[:4], row[4].title(), *row[5:]] for row in CALLS]
    small.write("calls.csv", csv_bytes(CALL_HEADER, rows))
    small.settings["loose_code_maps"] = ["call_types"]
    small.write_settings()
    small.extract_and_check()
    (batch,) = accepted_batches("testville", "calls")
    results = json.loads((batch.folder / "validation.json").read_text(encoding="utf-8"))
    assert [row["is_success"] for row in results if row["rule_id"] == "CALL-07"] == [True]


def test_codes_of_a_loose_map_that_become_equal_are_an_error(small: SmallAgency) -> None:
    text = f"{','.join(CODE_MAPS['closures'])}\nNO CRIME,,,true,\nno-crime,,,false,\n"
    small.write_text("closures.csv", text)
    assert small.agency.loose_code_maps == ()
    small.settings["loose_code_maps"] = ["closures"]
    small.write_settings()
    with pytest.raises(
        AgencyError, match=r"closures\.csv:3: code 'no-crime' is the same as 'NO CR"
    ):
        _ = small.agency
