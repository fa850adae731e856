"""The map of an agency's own reasons for cancelling a crime record."""

import json

import pytest

from cdi.agency.code_maps import OPTIONAL_MAPS
from cdi.errors import AgencyError
from cdi.landing.batches import accepted_batches
from tests.conftest import RECORD_HEADER, RECORDS, SmallAgency, csv_bytes

HEADER = ",".join(OPTIONAL_MAPS["cancellation_codes"])


@pytest.mark.parametrize(
    ("lines", "unknown"),
    [
        (None, "Add verifiable info: 12"),
        ("Duplicate,,C3,", "Add verifiable info: 12"),
        ("Add verifiable info,,C2,", None),
    ],
)
def test_a_batch_warns_of_the_reasons_that_the_map_does_not_list(
    small: SmallAgency, lines: str | None, unknown: str | None
) -> None:
    small.settings["sources"]["crime_records"]["columns"]["cancellation_code"] = "reason"
    small.write_settings()
    # C4 needs no row of the map
    rows = [
        [f"R{n}", *RECORDS[0][1:], "Add verifiable info" if n < 12 else "C4"] for n in range(24)
    ]
    small.write("records.csv", csv_bytes([*RECORD_HEADER, "reason"], rows))
    if lines:
        small.write_text("cancellation_codes.csv", f"{HEADER}\n{lines}\n")
    small.extract_and_check("crime_records")
    (batch,) = accepted_batches("testville", "crime_records")
    results = json.loads((batch.folder / "validation.json").read_text(encoding="utf-8"))
    (result,) = (row for row in results if row["rule_id"] == "CRM-18")
    assert (result["is_success"], result["severity"]) == (unknown is None, "warn")
    if unknown:
        assert result["observed_value"] == unknown


@pytest.mark.parametrize("code", ["C6", "c2", ""])
def test_each_reason_stands_for_one_that_a_rule_knows(small: SmallAgency, code: str) -> None:
    small.write_text("cancellation_codes.csv", f"{HEADER}\nAdd verifiable info,,{code},\n")
    with pytest.raises(
        AgencyError,
        match=rf"cancellation_codes\.csv:2: cancellation_code '{code}' is not one of \['C1', 'C2', "
        r"'C3', 'C4', 'C5'\]",
    ) as refused:
        _ = small.agency
    assert refused.value.rule_id == "AGENCY-CODES"


@pytest.mark.parametrize(
    ("roles", "is_fine"),
    [
        (["DDM"] * 12 + ["Sergeant"] * 12, True),
        (["FCR"] * 11 + ["Sergeant"] * 13, False),
        (["Crime Registrar"] * 24, False),
        ([""] * 23 + ["Sergeant"], False),
        ([""] * 24, True),
    ],
)
def test_a_batch_warns_of_roles_in_words_that_nobody_knows(
    small: SmallAgency, roles: list[str], is_fine: bool
) -> None:
    """Some may have decided against the rules, but not most of them."""
    small.settings["sources"]["crime_records"]["columns"] |= {
        "cancellation_code": "reason",
        "cancelled_by_role": "role",
    }
    small.write_settings()
    # any role may transfer a crime to another force, so these twenty count for nothing
    transferred = [["C1", "Sergeant"]] * 20
    reasons = [["C4", role] for role in roles] + transferred
    rows = [[f"R{n}", *RECORDS[0][1:], *reason] for n, reason in enumerate(reasons)]
    small.write("records.csv", csv_bytes([*RECORD_HEADER, "reason", "role"], rows))
    small.extract_and_check("crime_records")
    (batch,) = accepted_batches("testville", "crime_records")
    results = json.loads((batch.folder / "validation.json").read_text(encoding="utf-8"))
    (result,) = (row for row in results if row["rule_id"] == "CRM-26")
    assert (result["is_success"], result["severity"]) == (is_fine, "warn")
    assert result["element_count"] == 44
