"""Nothing is lost; rows are counted here with the csv module, not with the pipeline's SQL."""

import csv
import gzip
from pathlib import Path

import duckdb

from cdi_proofs.conservation import try_spoiled_files
from tests.conftest import SmallAgency


def test_every_row_of_every_file_has_one_fate(
    nopd: duckdb.DuckDBPyConnection, nopd_data: Path
) -> None:
    files = nopd.execute(
        "select source_file, read_count, accepted_count, quarantined_count, duplicate_count, "
        "current_count, withdrawn_count, superseded_count from conservation"
    ).fetchall()
    assert len(files) == 3
    for name, read, accepted, quarantined, duplicates, current, withdrawn, superseded in files:
        with gzip.open(nopd_data / name, "rt", encoding="utf-8", newline="") as handle:
            in_file = sum(1 for _ in csv.reader(handle)) - 1
        assert read == in_file, name
        assert read == accepted + quarantined + duplicates, name
        assert accepted == current + withdrawn + superseded, name


def test_every_accepted_call_is_in_exactly_one_place(
    nopd: duckdb.DuckDBPyConnection, nopd_home: Path
) -> None:
    batch = next((nopd_home / "landing" / "nopd" / "calls" / "batches").glob("*/rows.parquet"))
    keys = nopd.execute(
        "select count(*), count(distinct call_key) from read_parquet(?)", [str(batch)]
    ).fetchone()
    assert keys == (6528, 6528)
    lost = nopd.execute(
        "select count(*) from read_parquet(?) as landed "
        "where (select count(*) from fct_calls where call_id = landed.call_key) <> 1",
        [str(batch)],
    ).fetchone()
    assert lost == (0,)


def test_every_call_reports_crimes_or_has_a_decision_that_it_reports_none(
    nopd: duckdb.DuckDBPyConnection,
) -> None:
    undecided = nopd.execute(
        "select count(*) from fct_calls where decision_id is null "
        "or (verdict <> 'no_crime_reported' and reported_crime_count = 0)"
    ).fetchone()
    assert undecided == (0,)


def test_nothing_of_a_file_spoiled_at_random_is_lost(small: SmallAgency, tmp_path: Path) -> None:
    """Whatever happens to its bytes, what is left is accepted or refused, or nothing is taken."""
    columns = small.settings["sources"]["calls"]["columns"]
    del columns["caller_name"], columns["caller_phone"]  # of these, only hashes are kept
    small.write_settings()
    (tmp_path / "spoiled").mkdir()
    ends, faults = try_spoiled_files(small.agency, range(8), tmp_path / "spoiled")
    assert faults == []
    assert ends.total() == 8
    assert ends["taken"] >= 3
