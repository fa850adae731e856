"""The map of the words that mark a log, of which a log may have several."""

import json

import pytest

from cdi import paths
from cdi.agency.code_maps import OPTIONAL_MAPS, QUALIFIER_SEPARATORS
from cdi.landing.batches import accepted_batches
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes

HEADER = ",".join(OPTIONAL_MAPS["qualifiers"])


@pytest.mark.parametrize(
    ("lines", "observed"),
    [
        (None, None),
        ("DV,,domestic_abuse,\nALC,,,", None),
        ("DV,,domestic_abuse,", "ALC: 12"),
        ("dv,,domestic_abuse,\nALC,,,", "DV: 20"),
        ("Alc,,,", "ALC, DV: 12, others: 8"),
        ("ALC,,,", "DV: 20"),
    ],
)
def test_a_batch_warns_of_the_qualifiers_that_the_map_does_not_list(
    small: SmallAgency, lines: str | None, observed: str | None
) -> None:
    """Twelve logs have two qualifiers, eight have one of them, and four have none."""
    small.settings["sources"]["calls"]["columns"]["qualifiers"] = "marks"
    small.write_settings()
    marks = ["DV; ALC"] * 12 + ["DV,"] * 8 + [""] * 4
    rows = [[f"T-{n:04}", *CALLS[0][1:], mark] for n, mark in enumerate(marks)]
    small.write("calls.csv", csv_bytes([*CALL_HEADER, "marks"], rows))
    if lines:
        small.write_text("qualifiers.csv", f"{HEADER}\n{lines}\n")
    small.extract_and_check()
    (batch,) = accepted_batches("testville", "calls")
    results = json.loads((batch.folder / "validation.json").read_text(encoding="utf-8"))
    (result,) = (row for row in results if row["rule_id"] == "CALL-25")
    assert (result["is_success"], result["severity"]) == (observed is None, "warn")
    assert result["element_count"] == 24
    if observed:
        assert result["observed_value"] == observed


def test_the_model_separates_qualifiers_at_the_same_characters() -> None:
    """SQL of dbt cannot ask Python for them."""
    model = paths.DBT_PROJECT / "models/disclosure/int_disclosure__evidence_qualifiers.sql"
    assert f"regexp_split_to_array(qualifiers, '{QUALIFIER_SEPARATORS}')" in model.read_text()
