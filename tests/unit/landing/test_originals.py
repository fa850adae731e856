"""Which references the fields of a refused row hold, whatever rule refused it."""

import pytest

from cdi.agency.datasets import THINGS
from cdi.landing.originals import reference_fields
from tests.conftest import SmallAgency


@pytest.mark.parametrize(
    ("original", "references"),
    [
        ('{"incident_number": "T-0001", "text": "T-0002"}', ["T-0001"]),
        # as READ-KEYS keeps a row: with the keys of the file, of which one is there twice
        ('{"Incident Number":"T-0001","text":"x","text":"y"}', ["T-0001"]),
        ('{"Incident Number":"T-0001","Incident Number":"T-0002"}', ["T-0001", "T-0002"]),
        ('{"Incident Number":7,"INCIDENT_NUMBER":null,"text":{"a":1,"a":2}}', ["7"]),
        ('{"text":"x","text":"y"}', []),
    ],
)
def test_each_value_of_a_reference_counts_in_a_row_with_keys(
    small: SmallAgency, original: str, references: list[str]
) -> None:
    small.settings["sources"]["calls"]["columns"]["call_reference"] = "Incident Number"
    small.write_settings()
    found = reference_fields(small.agency, "calls", original)
    assert found == [("call", reference) for reference in references]


@pytest.mark.parametrize(
    "original",
    [
        r'{"Incident Number":"T-0001","text":"caf\xe9"}',  # READ-ENCODING
        r'{"text":"caf\xe9", "Incident Number" : "T-0001"}',
        '{"Incident Number":"T-0001","text":"x',  # READ-JSON
        '["T-0001","x"]',
        "x,T-0001",  # READ-WIDTH
    ],
)
def test_a_reference_is_found_in_a_line_that_cannot_be_read(
    small: SmallAgency, original: str
) -> None:
    found = reference_fields(small.agency, "calls", original)
    assert {("call", "T-0001"), ("record", "T-0001")} <= set(found)
    assert {thing for thing, _ in found} == set(THINGS)
