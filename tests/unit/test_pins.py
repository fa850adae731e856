"""Bytes that are hashed, or were written once for good, stay as they are.

An agency's state folder outlives the code that wrote it: an old draw must still be proven, a
released quarter must still be shown, a new hash must equal the old one of the same value. Where the
rule is simple, the expected bytes are worked out here by Python's own hashlib; elsewhere they were
written by commit d3b23b1 (tests/data/pinned), because "unchanged since then" is what is tested.
"""

import hashlib
import hmac
import json
import re
import shutil
import struct
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cdi import paths
from cdi.agency.datasets import (
    LINEAGE,
    number_expressions,
    output_columns,
    variant_columns,
)
from cdi.agency.interval import Interval
from cdi.agency.model import Agency
from cdi.audit.design import Options
from cdi.audit.draws import (
    districts_hash,
    draw_audit,
    erase_from_register,
    frame_leaves,
    load_draw,
    predictions_hash,
)
from cdi.audit.predictions import Frame, Period
from cdi.audit.register import ORIGIN, Register, register_fingerprint
from cdi.keys import decrypt_text, hmac_expression, read_agency_key, set_hash_key
from cdi.landing.extract import extract_dataset
from cdi.landing.rows import row_hash_expression
from cdi.landing.tombstones import add_tombstone, hash_references, things_of_reference
from cdi.learning import text as learning_text
from cdi.learning.weights import save_weights
from cdi.people import decisions, sheet_decisions, worklist_sheet
from cdi.people.decisions import add_decision
from cdi.people.sheet_decisions import add_decisions_of_sheet
from cdi.people.worklist_sheet import write_worklist_csv
from cdi.quality import waivers
from cdi.quality.waivers import version_content_id
from cdi.sql import connect
from tests.unit.open_extract.test_blocks import FIRST, crime, crimes, released, version

PINNED = Path(__file__).resolve().parents[1] / "data" / "pinned"
KEY = bytes(range(32))
AT = datetime(2017, 7, 1, 12)
PERIOD = Period("frame", datetime(2016, 7, 1), datetime(2017, 5, 31))
DRAW = "frame_20160701_20170531_1"


def sha256(text: str | bytes) -> str:
    """The hash of some bytes, in hex."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def keyed(purpose: str, text: str) -> str:
    """HMAC-SHA256 of a text, in hex, under the key that is derived from KEY for a purpose."""
    derived = hmac.new(KEY, purpose.encode(), hashlib.sha256).digest()
    return hmac.new(derived, text.encode(), hashlib.sha256).hexdigest()


@pytest.fixture
def keyed_sample(sample: Agency) -> Agency:
    """The agency `sample` under a known secret key."""
    file = paths.secrets() / "sample.key"
    file.parent.mkdir(parents=True)
    file.write_text(f"{KEY.hex()}\n")
    return sample


# ---------------------------------------------------------------------- the audit


def test_the_same_frame_and_seed_give_the_same_draw(state: Path) -> None:
    pinned = PINNED / "draw"
    frame = Frame(pq.read_table(pinned / "logs.parquet"), pq.read_table(pinned / "crimes.parquet"))
    auditors = ["AUD01", "AUD02", "AUD03"]
    draw_audit("sample", "v1", PERIOD, frame, Options(120), auditors, AT, seed=7)
    erase_from_register("sample", ["L00506"], AT, "request 12")
    lines = Register("sample").entries()
    before = [json.loads(line) for line in (pinned / "register.jsonl").read_text().splitlines()]
    assert len(lines) == len(before) == 3
    # since then second readings are drawn later, and more of them: all else is as it was
    assert lines[0].pop("seconds") == "after_first"
    changed = {"double_blind", "sample_hash", "previous", "hash"}
    for line, old in zip(lines, before, strict=True):
        assert {k: v for k, v in line.items() if k not in changed} == {
            k: v for k, v in old.items() if k not in changed
        }
    for name in ("frame.parquet", "crimes.parquet", "sample.parquet"):
        drawn = pq.read_table(paths.audit("sample") / DRAW / name)
        old_table = pq.read_table(pinned / name)
        kept = [column for column in old_table.column_names if column != "second_auditor"]
        assert drawn.equals(old_table.select(kept)), name


def test_a_draw_of_an_earlier_version_is_still_proven(state: Path) -> None:
    folder = paths.audit("sample")
    shutil.copytree(PINNED / "draw", folder / DRAW)
    (folder / DRAW / "register.jsonl").rename(folder / "register.jsonl")
    draw = load_draw("sample", DRAW)
    assert len(draw.positions) == 120
    assert draw.holes == {506}


def test_what_stands_for_a_log_and_for_its_predictions_is_hashed_as_ever() -> None:
    logs = {
        "call_id": ["L1", "Ł2"], "row_hash": ["aa", "bb"], "district": ["NORTH", "Sør"],
        "recorded": [1, 0], "due": [1, 1], "missed": [0.25, 0.5], "variance": [0.125, 2.0],
    }  # fmt: skip
    frame = Frame(pa.table(logs), pa.table({"position": [0], "is_rape": [True]}))
    assert frame_leaves(frame) == [sha256("L1\x1faa\x1f"), sha256("Ł2\x1fbb\x1f")]
    numbers = [(1.0, 0.0), (1.0, 1.0), (0.25, 0.5), (0.125, 2.0)]
    columns = b"".join(struct.pack("<2d", *pair) + b"\x1f" for pair in numbers)
    crime_text = b'[{"is_rape": true, "position": 0}]\x1f'
    assert predictions_hash(frame) == sha256(columns + crime_text)
    assert districts_hash(frame) == sha256('["NORTH", "S\\u00f8r"]\x1f')


def test_a_line_of_the_register_holds_the_hash_of_the_line_before(state: Path) -> None:
    book = Register("sample")
    book.append("delivery", AT, auditor="AUD01", rows=2)
    book.append("erasure", AT, reason="Ł")
    at = '"at": "2017-07-01T12:00:00"'
    first = f'{{{at}, "auditor": "AUD01", "kind": "delivery", "previous": "{ORIGIN}", "rows": 2}}'
    hashed = sha256(f"{first}\x1f")
    second = f'{{{at}, "kind": "erasure", "previous": "{hashed}", "reason": "\\u0141"}}'
    written = [json.loads(line) for line in book.file.read_text(encoding="utf-8").splitlines()]
    assert written == [
        json.loads(first) | {"hash": hashed},
        json.loads(second) | {"hash": sha256(f"{second}\x1f")},
    ]
    assert register_fingerprint("sample") == sha256(book.file.read_bytes() + b"\x1f")


# ---------------------------------------------------------------------- personal data


def test_keys_and_keyed_hashes_follow_from_the_secret_alone(keyed_sample: Agency) -> None:
    assert read_agency_key("sample") == KEY
    for purpose in ("hash", "erase"):
        with connect() as con:
            set_hash_key(con, "sample", purpose)
            expression = hmac_expression("'Zoë'", purpose)
            assert con.execute(f"select {expression}").fetchall() == [(keyed(purpose, "Zoë"),)]


def test_a_row_that_an_earlier_version_encrypted_can_still_be_read(keyed_sample: Agency) -> None:
    # written by d3b23b1, as the token holds the time at which it was made
    token = (
        "gAAAAABrCOWPM8yNrwgmwr_35Qvp1ROP1UAGMmqLiLt70klAg1N4vm3QPNWWE-Uoh_fog8xrKV6MRV4tBV61NzDCp"
        "ZQ8Z7MPLzkOl5kg5EyO4ssxWX5VscI="
    )
    assert decrypt_text("sample", token) == "NMP-20170320-0007;Jane Doe"


def test_a_tombstone_holds_keyed_hashes_of_both_forms_of_a_reference(keyed_sample: Agency) -> None:
    references = things_of_reference(keyed_sample, "log 7 of 20/03/2017")
    names = hash_references("sample", references)
    add_tombstone("sample", names, "request 12", datetime(2026, 1, 1, tzinfo=UTC))
    hashes = sorted(
        keyed("erase", text) for text in ("call:NMP-20170320-0007", "call:LOG 7 OF 20/03/2017")
    )
    assert paths.tombstones("sample").read_text() == (
        f'{{"at": "2026-01-01T00:00:00+00:00", "hashes": ["{hashes[0]}", "{hashes[1]}"], '
        '"reason": "request 12"}\n'
    )


# ---------------------------------------------------------------------- the landing

# the first log of the sample's first day, as it stands in the landing
FIRST_LOG = (
    '{"call_reference":"NMP-20170320-0001","call_key":"NMP-20170320-0001",'
    '"received_at":"2017-03-20 02:44:17","dispatched_at":null,"arrived_at":null,'
    '"closed_at":"2017-03-20 03:32:36","source_channel":"999","initial_priority_code":null,'
    '"priority_code":"P","initial_type_code":"CR17","initial_type_name":"Public order",'
    '"final_type_code":"CR17","final_type_name":"Public order","disposition_code":"RMS CRIME",'
    '"disposition_name":null,"qualifiers":null,"is_self_initiated":false,"district":"KD",'
    '"beat":"KD02","longitude":-1.4175,"latitude":54.3517,"easting":null,"northing":null,'
    '"location_hash":"<41 old ropewalk>","location_line_hash":"<41 old ropewalk>",'
    '"location_postcode_hash":null,"has_location":true,"record_reference":null,'
    '"record_key":null,"cross_reference":null,"cross_key":null,'
    '"caller_name_hash":"<lorcaninglerayne>","has_caller_name":true,'
    '"caller_phone_hash":"<7700900441>","has_caller_phone":true,"victim_name_hash":null,'
    '"has_victim_name":false,"victim_surname_hash":null,"has_victim_surname":null,'
    '"victim_forename_hash":null,"has_victim_forename":null,"victim_birth_date_hash":null,'
    '"has_victim_birth_date":false,'
    '"log_text_masked":"Group of youths at [address] shouting and kicking a ball at fences."}'
)


# Rows of one day that name an O'Swale. Commit d3b23b1 left the O of such a name in the text.
MASKED_WHOLE = (21, 27, 42, 49, 51)
# What commit b30cdf3 masked otherwise: it took "Owner Anon" for a name, and left a lone "Lorcan".
MASKED_OTHERWISE = (34, 50)


@pytest.mark.parametrize("dataset", ["calls", "crime_records"])
def test_a_source_row_has_the_same_name_and_hash_as_ever(
    keyed_sample: Agency, dataset: str
) -> None:
    first_day = Interval.of_days(keyed_sample, date(2017, 3, 20), date(2017, 3, 21))
    batch = extract_dataset(keyed_sample, dataset, first_day).batch
    assert batch is not None
    rows = pq.read_table(batch.rows, columns=["row_id", "row_hash"]).to_pylist()
    pinned = json.loads((PINNED / "landing.json").read_text())[dataset]
    hashes = {row["row_id"]: row["row_hash"] for row in rows}
    changed = {
        row_id for row_id, row_hash in hashes.items() if pinned["row_hashes"][row_id] != row_hash
    }
    assert hashes.keys() == pinned["row_hashes"].keys()
    if dataset == "crime_records":
        assert not changed
        assert batch.manifest["content_sha256"] == pinned["content_sha256"]
    if dataset == "calls":
        whole, otherwise = (
            [f"calls-2017-03-20.csv.gz:{number:09}" for number in numbers]
            for numbers in (MASKED_WHOLE, MASKED_OTHERWISE)
        )
        assert changed == {*whole, *otherwise}
        # With its text as it was, each of them has its old hash: nothing else has changed.
        before = (
            "case when list_contains($whole, row_id) "
            "then replace(log_text_masked, '[name] [name]', '[name] O''[name]') else "
            "replace(replace(log_text_masked, 'Owner Anon', '[name]'), "
            "'with [name]', 'with Lorcan') end as log_text_masked"
        )
        added = {*LINEAGE, *number_expressions(dataset), *variant_columns(dataset)}
        columns = [name for name in output_columns(dataset) if name not in added]
        with connect() as con:
            again = con.execute(
                f"select row_id, {row_hash_expression(columns)} from "
                f"(select * replace ({before}) from read_parquet($rows)) "
                "where list_contains($changed, row_id)",
                {"rows": str(batch.rows), "changed": list(changed), "whole": whole},
            ).fetchall()
        assert dict(again) == {row_id: pinned["row_hashes"][row_id] for row_id in changed}
        content = re.sub("<(.+?)>", lambda found: keyed("hash", found[1]), FIRST_LOG)
        assert pinned["row_hashes"]["calls-2017-03-20.csv.gz:000000001"] == sha256(content)


# ---------------------------------------------------------------------- decisions


def test_a_decision_of_an_earlier_version_has_the_same_hash_as_ever(sample: Agency) -> None:
    """Or each of them would be landed again as new: the columns that came since are null."""
    file = paths.decisions_file("sample")
    file.parent.mkdir(parents=True)
    file.write_text(
        "decision_reference,decision_kind,call_reference,record_reference,crime_number,rule_id,"
        "content_id,reason_code,reason,decided_by,decided_at,second_person\n"
        "D0,dismissed,NMP-20170320-0007,,2,,,GOOD_INTENT,he said so,0123,"
        "2017-04-03 10:00:00+0100,0456\n"
    )
    days = Interval.of_days(sample, date(2017, 4, 3), date(2017, 4, 4))
    batch = extract_dataset(sample, "decisions", days).batch
    assert batch is not None
    # as commit ac928e5 hashed it
    content = (
        '{"decision_reference":"D0","decision_kind":"dismissed",'
        '"call_reference":"NMP-20170320-0007","call_key":"NMP-20170320-0007",'
        '"record_reference":null,"record_key":null,"crime_number":2.0,"rule_id":null,'
        '"content_id":null,"reason_code":"GOOD_INTENT","reason_masked":"he said so",'
        '"decided_by":"0123","decided_at":"2017-04-03 09:00:00","second_person":"0456"}'
    )
    assert pq.read_table(batch.rows)["row_hash"].to_pylist() == [sha256(content)]


def test_a_sheet_that_is_given_again_has_the_same_references(
    sample: Agency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet_decisions, "find_problems", lambda agency, rows: {})
    sheet = tmp_path / "worklist.csv"
    row = {
        "reported_crime_id": "NMP-20170320-0007#2", "decision": "Dismissed",
        "reason_code": "good_intent", "decided_by": "0123", "second_person": "0456",
        "note": 'Zoë said "no"', "version": "20170403T0000-0123456789",
    }  # fmt: skip
    write_worklist_csv(sheet, [{name: "" for name in worklist_sheet.NAMES} | row])
    assert add_decisions_of_sheet(sample, sheet).added == 1
    content = (
        '{"call_reference": "NMP-20170320-0007", "crime_number": 2, "decided_by": "0123", '
        '"decision_kind": "dismissed", "reason": "Zo\\u00eb said \\"no\\"", '
        '"reason_code": "GOOD_INTENT", "second_person": "0456", '
        '"version": "20170403T0000-0123456789"}'
    )
    reference = f"D{sha256(content)[:12]}"
    text = (paths.decisions("sample") / "decisions.csv").read_bytes().decode()
    assert re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4}", "<now>", text) == (
        "decision_reference,decision_kind,call_reference,record_reference,crime_number,rule_id,"
        "content_id,reason_code,reason,decided_by,decided_at,second_person,version_seen,"
        "evidence_hash,seen_likelihood,selection\n"
        f"{reference},dismissed,NMP-20170320-0007,,2,,,GOOD_INTENT,"
        '"Zoë said ""no""",0123,<now>,0456,20170403T0000-0123456789,,,order\n'
    )


def test_a_decision_made_alone_has_a_reference_of_twelve_hex_digits(
    sample: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "find_problems", lambda agency, rows: {})
    given = {"decision_kind": "confirmed", "call_reference": "NMP-20170320-0007"}
    assert re.fullmatch("D[0-9a-f]{12}", add_decision(sample, given))


def test_a_released_failure_is_known_by_the_same_content(sample: Agency) -> None:
    calls = [SimpleNamespace(manifest={"content_sha256": "c1"})]
    decided = [SimpleNamespace(manifest={"content_sha256": "d1"})]
    planned: Any = SimpleNamespace(
        batches={"calls": calls, "decisions": decided}, as_of=datetime(2017, 4, 3)
    )
    about = sha256('[{"calls": ["c1"]}, "2017-04-03T00:00:00"]')
    assert version_content_id(planned) == about
    result = {"rule_id": "R1", "unexpected_count": 3, "observed_value": "0.5", "error": None}
    assert waivers._hash_failure(about, result) == sha256(f'["{about}", "R1", 3, "0.5"]')[:16]


# ---------------------------------------------------------------------- what was learnt


def test_the_same_knowledge_has_the_same_version(state: Path) -> None:
    def write(folder: Path) -> dict[str, int]:
        (folder / "b.csv").write_text("2\n")
        (folder / "a.csv").write_text("1\n")
        return {"rows": 2}

    learnt = save_weights("sample", "links", AT, "fingerprint", write)
    assert learnt.version == sha256(b"a.csv\x001\nb.csv\x002\n")[:12]
    text = (paths.weights("sample") / "links" / learnt.version / "weights.json").read_text()
    assert text == (
        '{\n  "as_of": "2017-07-01T12:00:00",\n  "counts": {\n    "rows": 2\n  },\n'
        '  "kind": "links",\n  "learnt_from": "fingerprint",\n  "seq": 1,\n'
        f'  "version": "{learnt.version}"\n}}\n'
    )


def test_an_audited_log_stays_in_its_fold() -> None:
    call_ids = [f"NMP-20170320-{number:04}" for number in range(20)]
    expected = [int(sha256(call_id)[:8], 16) % 5 for call_id in call_ids]
    assert [learning_text._fold_of_call(call_id) for call_id in call_ids] == expected


# ---------------------------------------------------------------------- the open extract


def _without_added_columns(tables: dict[str, list[dict[str, Any]]]) -> Any:
    """Tables of an open extract as JSON, without the column that is worked out since then."""
    (quarter,) = tables["quarters"]
    assert quarter.pop("days_after_end") == (date(2017, 5, 2) - date(2017, 4, 1)).days
    return json.loads(json.dumps(tables, default=str))


def test_a_quarter_is_kept_with_the_same_rows_and_shown_in_the_same_tables(tmp_path: Path) -> None:
    file = version(tmp_path / "recording.duckdb", crimes(FIRST), date(2017, 5, 2))
    shown = released(file, tmp_path / "kept", tmp_path / "open")
    kept = pq.read_table(tmp_path / "kept" / "2017-Q1.parquet")
    assert kept.equals(pq.read_table(PINNED / "2017-Q1.parquet"))
    assert _without_added_columns(shown) == json.loads((PINNED / "open.json").read_text())


def test_a_quarter_that_left_the_house_is_shown_as_it_was(tmp_path: Path) -> None:
    kept = tmp_path / "kept" / "2017-Q1.parquet"
    kept.parent.mkdir()
    shutil.copy(PINNED / "2017-Q1.parquet", kept)
    more = [*crimes(FIRST), *(crime(date(2017, 2, 1), "B", "theft") for _ in range(50))]
    file = version(tmp_path / "recording.duckdb", more, date(2017, 5, 2))
    shown = _without_added_columns(released(file, kept.parent, tmp_path / "open"))
    assert kept.read_bytes() == (PINNED / "2017-Q1.parquet").read_bytes()
    pinned = json.loads((PINNED / "open.json").read_text())
    by_quarter = [name for name, rows in pinned.items() if rows and "quarter" in rows[0]]
    assert by_quarter == [
        "crimes", "missed_crimes", "n100_incidents", "quarters", "rates", "sensitive_classes",
        "time_to_record",
    ]  # fmt: skip
    assert {name: shown[name] for name in by_quarter} == {name: pinned[name] for name in by_quarter}
