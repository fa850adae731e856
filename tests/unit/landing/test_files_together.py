"""The files of a batch are typed together, and each is counted as if it had been read alone."""

from typing import Any

import pytest

from cdi.landing import rows
from cdi.landing.extract import extract_dataset
from cdi.sql import connect
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes
from tests.unit.landing.test_forget import bury_reference

COUNTS = ("read", "accepted", "quarantined", "duplicates", "erased", "left_out")


def call(number: str, **changed: str) -> list[str]:
    """A call of that number, otherwise like the first of `testville`."""
    row = dict(zip(CALL_HEADER, CALLS[0], strict=True)) | {"number": number} | changed
    return [row[name] for name in CALL_HEADER]


def write_days(small: SmallAgency) -> None:
    """Write six files, in each of which something else becomes of a row."""
    small.settings["sources"]["calls"] |= {
        "files": [{"path": "calls-{date:%Y-%m-%d}.csv", "as_of": "{date:%Y-%m-%d}"}],
        "delivery": "changes",
        "retention_days": 30,
    }
    small.settings["coverage"] = {"start": "2026-01-05", "end": "2026-01-11"}
    small.write_settings()
    (small.data / "calls.csv").unlink()
    twice = [call("T-0001"), call("T-0001"), call("T-0002")]
    days = {
        "05": csv_bytes(CALL_HEADER, twice),
        "06": csv_bytes(CALL_HEADER, [call("T-0001"), call("T-0003", received="soon")]),
        # one key with two contents, which counts in a file only
        "07": csv_bytes(CALL_HEADER, [call("T-0002"), call("T-0002", text="no"), call("T-0004")]),
        # another column, so that its rows cannot stand beside those before it
        "08": csv_bytes([*CALL_HEADER, "unit"], [[*call("T-0005"), "7"], [*call("T-0666"), "7"]]),
        "09": csv_bytes([*CALL_HEADER, "unit"], [[*call("T-0005"), "8"], [*call("T-0009")]]),
        "10": csv_bytes(CALL_HEADER, [call("T-0666"), call("T-0007", received="2025-01-01 10:00")]),
    }
    for day, content in days.items():
        (small.data / f"calls-2026-01-{day}.csv").write_bytes(content)


def extract_calls(small: SmallAgency) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
    """Extract the calls; returns the manifest, and all rows with where they are from."""
    batch = extract_dataset(small.agency, "calls", small.interval).batch
    assert batch is not None
    with connect() as con:
        accepted = con.execute("from read_parquet(?) order by row_id", [str(batch.rows)]).fetchall()
        refused = con.execute(
            "select * exclude (original_encrypted) from read_parquet(?) order by row_id",
            [str(batch.quarantine)],
        ).fetchall()
    return batch.manifest, [*accepted, *refused]


def test_each_file_of_a_batch_is_counted_by_itself(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_days(small)
    bury_reference(small.agency, "T-0666")
    together, rows_together = extract_calls(small)
    counted = [tuple(file[name] for name in COUNTS) for file in together["files"]]
    assert counted == [
        (3, 2, 0, 1, 0, 0),
        (2, 1, 1, 0, 0, 0),
        (3, 1, 2, 0, 0, 0),
        (2, 1, 0, 0, 1, 0),
        (2, 1, 1, 0, 0, 0),
        (2, 0, 0, 0, 2, 0),  # the erased one, and one that is older than its limit
    ]
    monkeypatch.setattr(rows, "ROWS_AT_A_TIME", 0)
    alone, rows_alone = extract_calls(small)
    assert len(rows_together) == 6 + 4
    assert rows_alone == rows_together
    assert alone["files"] == together["files"]
    assert alone["content_sha256"] == together["content_sha256"]


@pytest.mark.parametrize("rows_at_a_time", [rows.ROWS_AT_A_TIME, 0])
def test_a_copy_of_a_file_is_found_also_if_the_two_are_not_typed_together(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch, rows_at_a_time: int
) -> None:
    monkeypatch.setattr(rows, "ROWS_AT_A_TIME", rows_at_a_time)
    (small.data / "calls_again.csv").write_bytes((small.data / "calls.csv").read_bytes())
    manifest, _ = extract_calls(small)
    assert [(file["accepted"], file["duplicates"]) for file in manifest["files"]] == [
        (5, 0),
        (0, 5),
    ]
