"""What people see of a refused row: never a value that is read out of a text about persons."""

import json
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from cdi.build.inputs import _collect_quarantine
from cdi.keys import decrypt_text
from cdi.landing.batches import Batch, accepted_batches, replace_parquet
from cdi.landing.extract import extract_dataset
from cdi.steps.extract import check_landing
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes

TEXT = "jane example of 4 oak road says R77 is hers"


@pytest.fixture
def with_number_in_text(small: SmallAgency) -> SmallAgency:
    """`testville`, whose calls name their record in the log's text only."""
    columns = small.settings["sources"]["calls"]["columns"]
    columns["record_reference"] = {"from": "text", "extract": r"says (.*) is hers"}
    small.write_settings()
    return small


def write_row(small: SmallAgency, **values: str) -> None:
    """Write the five calls, and one more with some values of its own."""
    row = dict(zip(CALL_HEADER, CALLS[0], strict=True)) | {"number": "T-0100", "text": TEXT}
    small.write("calls.csv", csv_bytes(CALL_HEADER, [*CALLS, list((row | values).values())]))


def land(small: SmallAgency) -> Batch:
    """Extract the calls into a batch that waits for its check."""
    batch = extract_dataset(small.agency, "calls", small.interval).batch
    assert batch
    return batch


def refused(batch: Batch) -> tuple[str, dict[str, Any], str]:
    """Rule, what is shown, and the original of a batch's only refused row."""
    ((rule_id, shown, token),) = duckdb.execute(
        "select rule_id, original_masked, original_encrypted from read_parquet(?)",
        [str(batch.quarantine)],
    ).fetchall()
    return rule_id, json.loads(shown), decrypt_text("testville", token)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"text": f"says {TEXT * 9} is hers"}, ("TYPE-LENGTH", "record_reference")),
        ({"closed_as": ""}, ("TYPE-REQUIRED", "final_type_code")),
        ({"received": "noon"}, ("TYPE-VALUE", "received_at")),
    ],
)
def test_a_row_that_is_refused_shows_nothing_of_a_text_that_a_pattern_reads(
    with_number_in_text: SmallAgency, values: dict[str, str], expected: tuple[str, str]
) -> None:
    write_row(with_number_in_text, **values)
    batch = land(with_number_in_text)
    rule_id, shown, original = refused(batch)
    (detail,) = duckdb.execute(f"select detail from '{batch.quarantine}'").fetchall()[0]
    assert (rule_id, detail) == expected
    assert shown["text"] == "[hidden]"
    assert "district" in shown
    assert "jane" not in json.dumps(shown)
    assert "jane" in original


def test_a_blank_text_is_not_said_to_be_hidden(with_number_in_text: SmallAgency) -> None:
    write_row(with_number_in_text, closed_as="", text="")
    assert refused(land(with_number_in_text))[1]["text"] == ""


def test_a_column_that_is_also_taken_whole_is_shown(small: SmallAgency) -> None:
    columns = small.settings["sources"]["calls"]["columns"]
    columns["beat"] = {"from": "district", "extract": "^(.)"}
    columns["source_channel"] = {"from": "phone", "extract": "^(.)"}  # of a person, so hidden
    small.write_settings()
    write_row(small, closed_as="", district="S", phone="07700 900123")
    shown = refused(land(small))[1]
    assert (shown["district"], shown["phone"]) == ("S", "[hidden]")


def test_a_column_of_which_only_a_pattern_takes_a_part_is_hidden(small: SmallAgency) -> None:
    columns = small.settings["sources"]["calls"]["columns"]
    del columns["log_text"]
    columns["record_reference"] = {"from": "text", "extract": "(R[0-9]+)"}
    small.write_settings()
    write_row(small, closed_as="")
    assert refused(land(small))[1]["text"] == "[hidden]"


def test_a_row_that_breaks_a_rule_of_a_batch_hides_what_was_read_from_a_text(
    with_number_in_text: SmallAgency,
) -> None:
    small = with_number_in_text
    # a hundred rows more, as FILE-03 refuses a batch of which many rows are refused
    row = dict(zip(CALL_HEADER, CALLS[0], strict=True))
    more = [list((row | {"number": f"T-1{n:03}"}).values()) for n in range(100)]
    old = row | {"number": "T-0100", "received": "1900-01-01 10:00", "text": TEXT}
    small.write("calls.csv", csv_bytes(CALL_HEADER, [*CALLS, *more, list(old.values())]))
    check_landing("testville", "calls", land(small).folder.name)
    rule_id, shown, original = refused(accepted_batches("testville", "calls")[-1])
    assert rule_id == "CALL-03"
    assert (shown["record_reference"], shown["record_key"]) == ("[hidden]", "[hidden]")
    assert shown["record_no"] == "[hidden]"
    assert shown["call_reference"] == "T-0100"
    assert json.loads(original)["record_reference"] == "R77"


def test_what_an_older_batch_showed_is_hidden_when_it_is_published(
    with_number_in_text: SmallAgency,
) -> None:
    small = with_number_in_text
    write_row(small, closed_as="")
    batch = land(small)
    shown = [
        ("1", "TYPE-REQUIRED", json.dumps({"text": TEXT, "district": "S", "closed_as": None})),
        ("2", "CALL-03", json.dumps({"record_reference": "jane", "record_no": 7, "district": "S"})),
        ("3", "READ-WIDTH", "xxxx xxxxxxx,9"),
        ("4", "READ-KEYS", '{"xxxx":"x","xxxx":"x"}'),
    ]
    with duckdb.connect() as con:
        con.execute(f"create table quarantine as from '{batch.quarantine}'")
        for row_id, rule_id, masked in shown:
            con.execute(
                "insert into quarantine select * replace (? as row_id, ? as rule_id, ? as "
                "original_masked) from (from quarantine limit 1)",
                [row_id, rule_id, masked],
            )
        replace_parquet(con, "quarantine", batch.quarantine)
    with duckdb.connect() as con:
        con.execute("create schema landing")
        version = SimpleNamespace(agency=small.agency, batches={"calls": [batch]})
        _collect_quarantine(con, version)  # type: ignore[arg-type]
        published = dict(
            con.execute("select row_id, original_masked from landing.quarantined_rows").fetchall()
        )
    assert json.loads(published["1"]) == {"text": "[hidden]", "district": "S", "closed_as": None}
    assert json.loads(published["2"]) == {
        "record_reference": "[hidden]",
        "record_no": "[hidden]",
        "district": "S",
    }
    assert (published["3"], published["4"]) == (shown[2][2], shown[3][2])
