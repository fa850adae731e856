"""The canonical columns: what a reference becomes, and how the simulated force's are read."""

import pytest

from cdi import agencies, landing, tombstones
from cdi.datasets import DATASETS, LINEAGE, output_columns
from cdi.sql import Params, connect
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes


@pytest.mark.parametrize("dataset", DATASETS)
def test_what_a_row_is_about_is_required(dataset: str) -> None:
    about = [column for column in DATASETS[dataset] if column.is_identity]
    assert about
    assert all(column.is_required for column in about)


@pytest.mark.parametrize("dataset", DATASETS)
def test_no_two_columns_have_one_output(dataset: str) -> None:
    made = [name for column in DATASETS[dataset] for name in column.outputs]
    assert sorted([*made, *LINEAGE]) == sorted(output_columns(dataset))


def test_a_cross_reference_is_read_by_the_key_rules_of_the_calls(small: SmallAgency) -> None:
    small.settings["sources"]["calls"]["columns"]["cross_reference"] = "cross"
    small.write_settings()
    crossed = [["t0003"], ["R1"], [""], [""], [""]]
    rows = [row + cross for row, cross in zip(CALLS, crossed, strict=True)]
    small.write("calls.csv", csv_bytes([*CALL_HEADER, "cross"], rows))
    batch = landing.extract(small.agency, "calls", small.interval)
    assert batch is not None
    with connect() as con:
        found = con.execute(
            "select cross_reference, cross_key from read_parquet(?) order by row_id limit 3",
            [str(batch.rows)],
        ).fetchall()
    assert found == [("t0003", "T-0003"), ("R1", None), (None, None)]


@pytest.mark.parametrize("serial", [7, 42, 512, 1234])
@pytest.mark.parametrize(
    "form",
    ["NMP-20170401-{:04d}", "nmp 20170401 {:04d}", "20170401-{:04d}", "NMP/170401/{:04d}",
     "LOG {} OF 01/04/2017", "NMP20170401{:04d}", "NMP-20170401-{}"],
)  # fmt: skip
def test_every_form_of_a_log_number_of_the_simulated_force_is_read(form: str, serial: int) -> None:
    assert key_of("call", form.format(serial)) == f"NMP-20170401-{serial:04d}"


@pytest.mark.parametrize(
    ("typed", "key"),
    [("12170020838", "12170020838"), ("F22/170022350", None)],
)
def test_only_the_forces_own_occurrence_numbers_are_read(typed: str, key: str | None) -> None:
    assert key_of("record", typed) == key


def key_of(thing: str, typed: str) -> str | None:
    """The canonical form of a reference of the simulated force."""
    bound = Params()
    text = bound.bind(typed)
    key = tombstones.key_expression(
        agencies.load("simulated"), thing, f"cast({text} as varchar)", bound
    )
    with connect() as con:
        row = con.execute(f"select {key}", bound.values).fetchone()
    assert row is not None
    return row[0]
