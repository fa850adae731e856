"""The canonical columns: what a reference becomes, and how the simulated force's are read."""

import hashlib

import pytest

from cdi.agency.datasets import (
    DATASETS,
    LINEAGE,
    number_expressions,
    output_columns,
    variant_columns,
)
from cdi.agency.key_rules import key_expression
from cdi.agency.load import load_agency
from cdi.landing.extract import extract_dataset
from cdi.sql import Params, connect
from tests.conftest import (
    CALL_HEADER,
    CALLS,
    RECORD_HEADER,
    RECORDS,
    SmallAgency,
    csv_bytes,
)


@pytest.mark.parametrize("dataset", DATASETS)
def test_what_a_row_is_about_is_required(dataset: str) -> None:
    identity = [column for column in DATASETS[dataset] if column.is_identity]
    assert identity
    assert all(column.is_required for column in identity)


@pytest.mark.parametrize("dataset", DATASETS)
def test_no_two_columns_have_one_output(dataset: str) -> None:
    names = [name for column in DATASETS[dataset] for name in column.outputs]
    derived = [*number_expressions(dataset), *variant_columns(dataset)]
    assert sorted([*names, *derived, *LINEAGE]) == sorted(output_columns(dataset))


def test_a_cross_reference_is_read_by_the_key_rules_of_the_calls(small: SmallAgency) -> None:
    small.settings["sources"]["calls"]["columns"]["cross_reference"] = "cross"
    small.write_settings()
    cross_references = [["t0003"], ["R1"], [""], [""], [""]]
    rows = [row + cross for row, cross in zip(CALLS, cross_references, strict=True)]
    small.write("calls.csv", csv_bytes([*CALL_HEADER, "cross"], rows))
    batch = extract_dataset(small.agency, "calls", small.interval).batch
    assert batch is not None
    with connect() as con:
        landed = con.execute(
            "select cross_reference, cross_key, cross_no from read_parquet(?) "
            "order by row_id limit 3",
            [str(batch.rows)],
        ).fetchall()
    # half of the MD5 of T-0003, which each later batch must repeat
    number = int.from_bytes(hashlib.md5(b"T-0003").digest()[8:], "little")  # noqa: S324
    assert landed == [("t0003", "T-0003", number), ("R1", None, None), (None, None, None)]


LOCAL, OFFSET = "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%z"


@pytest.mark.parametrize("formats", [[OFFSET, LOCAL], [LOCAL, OFFSET]])
def test_a_time_with_an_offset_is_that_moment_and_one_without_is_local_time(
    small: SmallAgency, formats: list[str]
) -> None:
    expected = {
        "2026-07-01T12:00:00+00:00": "2026-07-01 12:00:00",
        "2026-07-01T12:00:00Z": "2026-07-01 12:00:00",
        "2026-07-01T12:00:00+0530": "2026-07-01 06:30:00",
        "2026-07-01 12:00": "2026-07-01 11:00:00",
        "2026-01-01 12:00": "2026-01-01 12:00:00",
    }
    small.settings["sources"]["calls"]["columns"]["received_at"]["format"] = formats
    small.write_settings()
    rows = [[row[0], text, *row[2:]] for row, text in zip(CALLS, expected, strict=True)]
    small.write("calls.csv", csv_bytes(CALL_HEADER, rows))
    batch = extract_dataset(small.agency, "calls", small.interval).batch
    assert batch is not None
    with connect() as con:
        landed = con.execute(
            "select cast(received_at as varchar) from read_parquet(?) order by row_id",
            [str(batch.rows)],
        ).fetchall()
    assert [time for (time,) in landed] == list(expected.values())


def test_a_birth_date_told_as_midnight_with_an_offset_stays_its_day(small: SmallAgency) -> None:
    columns = small.settings["sources"]["crime_records"]["columns"]
    columns["victim_birth_date"] = {"from": "born", "format": ["%Y-%m-%d", OFFSET]}
    small.write_settings()
    born = ["1980-05-01", "1980-05-01T00:00:00+01:00", "1980-04-30T23:00:00Z"]
    rows = [[f"R{n}", *RECORDS[0][1:], day] for n, day in enumerate(born)]
    small.write("records.csv", csv_bytes([*RECORD_HEADER, "born"], rows))
    batch = extract_dataset(small.agency, "crime_records", small.interval).batch
    assert batch is not None
    with connect() as con:
        hashes = con.execute(
            "select count(victim_birth_date_hash), count(distinct victim_birth_date_hash) "
            "from read_parquet(?)",
            [str(batch.rows)],
        ).fetchone()
    assert hashes == (3, 1)


@pytest.mark.parametrize("serial", [7, 42, 512, 1234])
@pytest.mark.parametrize(
    "form",
    [
        "NMP-20170401-{:04d}",
        "nmp 20170401 {:04d}",
        "20170401-{:04d}",
        "NMP/170401/{:04d}",
        "LOG {} OF 01/04/2017",
        "NMP20170401{:04d}",
        "NMP-20170401-{}",
    ],
)
def test_every_form_of_a_log_number_of_the_simulated_force_is_read(form: str, serial: int) -> None:
    assert read_key("call", form.format(serial)) == f"NMP-20170401-{serial:04d}"


@pytest.mark.parametrize(
    ("typed", "key"),
    [("12170020838", "12170020838"), ("F22/170022350", None)],
)
def test_only_the_forces_own_occurrence_numbers_are_read(typed: str, key: str | None) -> None:
    assert read_key("record", typed) == key


def read_key(thing: str, typed: str) -> str | None:
    """The canonical form of a reference of the simulated force."""
    bound = Params()
    text = bound.bind(typed)
    key = key_expression(load_agency("simulated"), thing, f"cast({text} as varchar)", bound)
    with connect() as con:
        row = con.execute(f"select {key}", bound.values).fetchone()
    assert row is not None
    return row[0]
