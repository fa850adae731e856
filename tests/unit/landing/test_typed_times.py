"""Typed times of Parquet files: local times and moments, whatever their fraction of a second."""

from datetime import datetime

import duckdb
import pytest

from cdi.errors import SourceError
from cdi.landing.batches import Batch
from cdi.landing.extract import extract_dataset
from tests.conftest import SmallAgency

pytestmark = pytest.mark.usefixtures("state")


def extract_calls(small: SmallAgency, times: str, kind: str) -> Batch:
    """Extract calls from a Parquet file whose column `received` holds these times.

    Args:
        small: The agency.
        times: SQL list of texts.
        kind: DuckDB type that they are cast to.
    """
    calls = small.settings["sources"]["calls"]
    calls["format"] = "parquet"
    calls["columns"]["received_at"].pop("format", None)
    small.write_settings()
    (small.data / "calls.csv").unlink()
    with duckdb.connect() as con:
        con.execute("set timezone = 'America/New_York'")  # the writer's zone must not matter
        con.execute(
            "copy (select 'T-' || lpad(cast(row_number() over () as varchar), 4, '0') as number, "
            f"cast(time as {kind}) as received, null::varchar as closed, 'NOISE' as opened_as, "
            "'NOISE' as closed_as, 'NONE' as closure, 'S' as district, '' as caller, '' as phone, "
            f"'' as text from (select unnest({times}) as time)) to '{small.data}/calls.parquet'"
        )
    batch = extract_dataset(small.agency, "calls", small.interval)
    assert batch is not None
    return batch


def landed_times(batch: Batch) -> list[datetime]:
    rows = duckdb.sql(f"select received_at from '{batch.rows}' order by call_reference").fetchall()
    return [time for (time,) in rows]


@pytest.mark.parametrize(
    ("kind", "given", "landed"),
    [
        # Europe/London is an hour ahead of UTC in summer; each fraction is kept.
        ("TIMESTAMP", "2025-07-01 00:00:15.7", datetime(2025, 6, 30, 23, 0, 15, 700_000)),
        ("TIMESTAMP", "2026-01-05 10:00:00", datetime(2026, 1, 5, 10)),
        ("TIMESTAMP_S", "2025-07-01 12:00:05", datetime(2025, 7, 1, 11, 0, 5)),
        ("TIMESTAMP_NS", "2026-01-05 10:00:00.123456", datetime(2026, 1, 5, 10, 0, 0, 123_456)),
        ("TIMESTAMPTZ", "2025-07-01 12:00:00+00", datetime(2025, 7, 1, 12)),
        ("TIMESTAMPTZ", "2025-07-01 12:00:00.25-05", datetime(2025, 7, 1, 17, 0, 0, 250_000)),
        ("DATE", "2025-07-01", datetime(2025, 6, 30, 23)),
    ],
)
def test_a_typed_time_needs_no_format(
    small: SmallAgency, kind: str, given: str, landed: datetime
) -> None:
    assert landed_times(extract_calls(small, f"['{given}']", kind)) == [landed]


def test_a_typed_time_that_is_no_time_is_quarantined(small: SmallAgency) -> None:
    """PostgreSQL has `infinity`; a row without a time breaks another rule."""
    times = "['infinity', '2026-01-05 10:00:00', null, '-infinity']"
    batch = extract_calls(small, times, "TIMESTAMP")
    assert landed_times(batch) == [datetime(2026, 1, 5, 10)]
    rules = duckdb.sql(f"select rule_id from '{batch.quarantine}' order by row_id").fetchall()
    assert rules == [("TYPE-VALUE",), ("TYPE-REQUIRED",), ("TYPE-VALUE",)]


def test_a_time_that_is_a_text_needs_a_format(small: SmallAgency) -> None:
    with pytest.raises(SourceError, match="SRC-FORMAT") as caught:
        extract_calls(small, "['2026-01-05 10:00:00']", "VARCHAR")
    assert "received (for received_at) is VARCHAR" in str(caught.value)
    assert "`format`" in caught.value.fix


def test_formats_for_texts_do_no_harm_to_typed_times(small: SmallAgency) -> None:
    """A typed time was a text before it needed no format; agencies list formats for it."""
    calls = small.settings["sources"]["calls"]
    before = calls["columns"]["received_at"]["format"]
    batch = extract_calls(small, "['2026-01-05 10:00:15.7']", "TIMESTAMP")
    calls["columns"]["received_at"]["format"] = before
    small.write_settings()
    again = extract_dataset(small.agency, "calls", small.interval)
    assert again is not None
    assert landed_times(again) == landed_times(batch) == [datetime(2026, 1, 5, 10, 0, 15, 700_000)]
