"""Forgetting: a batch counts the tombstones that it has seen, and no others."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from cdi.agency.model import Agency
from cdi.landing import forget
from cdi.landing.batches import batch_as_of, hash_content, read_batch
from cdi.landing.extract import extract_dataset
from cdi.landing.tombstones import add_tombstone, hash_references, things_of_reference
from tests.conftest import SmallAgency

AT = datetime(2026, 1, 8, tzinfo=UTC)


def bury_reference(agency: Agency, reference: str) -> None:
    hashes = hash_references(agency.agency, things_of_reference(agency, reference))
    add_tombstone(agency.agency, hashes, "request 12", AT)


def test_an_erasure_that_comes_in_between_is_not_counted_as_seen(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or else the batch would be taken for one that knows of it, and keep what was erased."""
    batch = extract_dataset(small.agency, "calls", small.interval).batch
    assert batch is not None
    bury_reference(small.agency, "T-0001")

    def bury_another(con: duckdb.DuckDBPyConnection) -> str:
        bury_reference(small.agency, "T-0002")
        return hash_content(con)

    monkeypatch.setattr(forget, "hash_content", bury_another)
    forget.forget_in_batch(small.agency, batch, batch_as_of(batch))
    assert read_batch(batch.folder).manifest["tombstones"] == 1
    assert landed_calls(batch.rows) == ["T-0002", "T-0003", "T-0004", "T-0005"]


def landed_calls(rows: Path) -> list[str]:
    query = "select call_key from read_parquet(?) order by all"
    return [key for (key,) in duckdb.execute(query, [str(rows)]).fetchall()]
