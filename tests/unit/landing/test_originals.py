"""Which references the fields of a refused row hold, whatever rule refused it."""

import duckdb
import pytest

from cdi.agency.datasets import THINGS
from cdi.landing.batches import batch_as_of
from cdi.landing.extract import extract_dataset
from cdi.landing.forget import forget_in_batch
from cdi.landing.originals import find_references
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes
from tests.unit.landing.test_forget import bury_reference


def references_of(small: SmallAgency, original: str) -> list[tuple[str, str]]:
    """What may be a reference in a refused call."""
    with duckdb.connect() as con:
        _, found = find_references(con, small.agency, "calls", ["{}", original])
    return found


def map_reference(small: SmallAgency, mapping: object) -> None:
    """Map the number of a call."""
    small.settings["sources"]["calls"]["columns"]["call_reference"] = mapping
    small.write_settings()


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
    map_reference(small, "Incident Number")
    assert references_of(small, original) == [("call", reference) for reference in references]


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
    found = references_of(small, original)
    assert {("call", "T-0001"), ("record", "T-0001")} <= set(found)
    assert {thing for thing, _ in found} == set(THINGS)


@pytest.mark.parametrize(
    ("original", "references"),
    [
        ('{"year": "26", "daily_no": "0001", "text": "x"}', ["26-0001"]),
        ('{"Year":26,"Daily No":"0001"}', ["26-0001"]),
        ('{"Year":"26","Year":"27","Daily No":"0001"}', ["26-0001", "27-0001"]),
        ('{"year": " ", "daily_no": "0001"}', ["0001"]),
        ('{"year": null, "text": "x"}', []),
        # as the check of a batch keeps a row: with the landing's columns
        ('{"call_reference": "26-0001", "call_key": null, "row_id": "calls.csv:1"}', ["26-0001"]),
    ],
)
def test_a_reference_that_is_joined_of_columns_is_found(
    small: SmallAgency, original: str, references: list[str]
) -> None:
    map_reference(small, {"from": ["Year", "Daily No"], "join": "-"})
    assert references_of(small, original) == [("call", reference) for reference in references]


@pytest.mark.parametrize("line", ["N,26,0001,x", "0001;26", '{"Daily No":"0001","Year":26,"x'])
def test_a_joined_reference_is_found_in_a_line_that_cannot_be_read(
    small: SmallAgency, line: str
) -> None:
    map_reference(small, {"from": ["Year", "Daily No"], "join": "-"})
    assert ("call", "26-0001") in references_of(small, line)


def test_a_reference_that_a_pattern_reads_is_found(small: SmallAgency) -> None:
    map_reference(small, {"from": "number", "extract": r"^Log (\S+)"})
    assert references_of(small, '{"number": "Log 7 of the day"}') == [("call", "7")]
    assert references_of(small, '{"number": "none"}') == []
    assert ("call", "7") in references_of(small, "Log 7 of the day,x")


def test_an_erasure_takes_a_refused_row_whose_reference_is_joined_of_columns(
    small: SmallAgency,
) -> None:
    """No word of the row is the reference, and its parts stand in other rows as well."""
    small.settings["key_rules"]["call"] = [{"pattern": r"(\d{2})-(\d{4})", "canonical": r"\1-\2"}]
    map_reference(small, {"from": ["year", "number"], "join": "-"})
    rows = [["26", f"{n:04}", *row[1:]] for n, row in enumerate(CALLS, 1)]
    untyped = ["26", "0007", "noon", *CALLS[0][2:]]
    other = ["26", "0008", "noon", *CALLS[0][2:]]
    small.write("calls.csv", csv_bytes(["year", *CALL_HEADER], [*rows, untyped, other]))
    batch = extract_dataset(small.agency, "calls", small.interval).batch
    assert batch
    assert batch.manifest["quarantined"] == 2
    bury_reference(small.agency, "26-0007")
    assert forget_in_batch(small.agency, batch, batch_as_of(batch)).refused == 1
    left = duckdb.execute(f"select source_line from '{batch.quarantine}'").fetchall()
    assert left == [(7,)]
    # Extracted again, the row is left out, as it was erased.
    again = extract_dataset(small.agency, "calls", small.interval).batch
    assert again
    assert (again.manifest["quarantined"], again.manifest["erased"]) == (1, 1)
