"""What a file looks like beside the batches before it: each measure finds its own failure alone."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdi.agency.datasets import output_columns
from cdi.landing.batches import Batch, write_manifest
from cdi.quality.profile import measure_profile
from tests.conftest import load_sample

Row = dict[str, Any]
FIRST = datetime(2017, 6, 1)
DAYS, DAILY = 21, 100  # of each batch, enough for the hours too


def calls(start: datetime) -> list[Row]:
    """Three weeks of calls: mostly by day, in six beats, each with a text of its own."""
    rows: list[Row] = []
    for number in range(DAYS * DAILY):
        day, of_day = divmod(number, DAILY)
        hour = 8 + of_day * 12 // DAILY if of_day % 10 else of_day * 24 // DAILY
        received = start + timedelta(days=day, hours=hour, minutes=number % 60, seconds=day)
        rows.append(
            {
                "call_key": f"NMP-{start + timedelta(days=day):%Y%m%d}-{of_day:04d}",
                "received_at": received,
                "final_type_code": f"CR{number % 7}",
                "district": ("N", "S", "W")[number % 3],
                "beat": f"B{number % 6}",
                "is_self_initiated": number % 8 == 0,
                "disposition_code": f"D{number % 3}" if number % 100 == 0 else None,
                "easting": 430_000 + number % 977,
                "northing": 460_000 + number % 991,
                "log_text_masked": f"caller {number} says it is gone, {'x' * (number % 89)}"
                * (number % 4),
            }
        )
    for number, row in enumerate(rows):
        row |= {"call_reference": row["call_key"], "row_id": f"f:{number}", "source_file": "f"}
        row["log_text_masked"] = row["log_text_masked"] or None
    return rows


def batch(folder: Path, rows: list[Row], seq: int, dataset: str = "calls") -> Batch:
    """Rows as a batch of a snapshot."""
    folder.mkdir()
    names = output_columns(dataset)
    with duckdb.connect() as con:
        con.execute(f"create table rows ({', '.join(f'{n} {t}' for n, t in names.items())})")
        con.execute(
            "insert into rows by name select unnest($rows, recursive := true)", {"rows": rows}
        )
        con.execute("copy rows to $file (format parquet)", {"file": str(folder / "rows.parquet")})
    end = max(row.get("received_at", FIRST) for row in rows).replace(hour=0, minute=0, second=0)
    manifest = {
        "dataset": dataset,
        "delivery": "snapshot",
        "seq": seq,
        "interval_start": str(FIRST),
        "as_of": f"{end + timedelta(days=1, hours=-1)}+00:00",
    }
    write_manifest(folder, manifest)
    return Batch(folder, manifest)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return batch(tmp_path_factory.mktemp("earlier") / "b", calls(FIRST), 1)


def measured(
    folder: Path, rows: list[Row], before: list[Batch], dataset: str = "calls"
) -> dict[str, Any]:
    """The measures of one batch that say anything."""
    spoiled = batch(folder / "b", rows, 2, dataset)
    with duckdb.connect() as con:
        con.execute(f"create view rows as from read_parquet('{spoiled.rows}')")
        measure_profile(con, load_sample(), spoiled, before)
        (values,) = con.execute("from profiles").fetchall()
        names = [column[0] for column in con.description or []]
    return dict(zip(names, values, strict=True))


def every(step: int, **values: Any) -> Callable[[list[Row]], None]:
    def spoil(rows: list[Row]) -> None:
        for row in rows[::step]:
            row |= values

    return spoil


def later(hours: int) -> Callable[[list[Row]], None]:
    def spoil(rows: list[Row]) -> None:
        for row in rows:
            row["received_at"] += timedelta(hours=hours)

    return spoil


def swapped(rows: list[Row]) -> None:
    for row in rows:
        row["easting"], row["northing"] = row["northing"], row["easting"]


def midnight(rows: list[Row]) -> None:
    for row in rows:
        row["received_at"] = row["received_at"].replace(hour=0, minute=0)


def cut(rows: list[Row]) -> None:
    for row in rows:
        row["log_text_masked"] = row["log_text_masked"] and row["log_text_masked"][:20]


def without_a_day(rows: list[Row]) -> None:
    del rows[5 * DAILY : 6 * DAILY]


def twice(rows: list[Row]) -> None:
    for row in rows[5 * DAILY : 6 * DAILY]:
        again = row["call_key"][:-4] + f"{int(row['call_key'][-4:]) + 5000}"
        rows.append({**row, "call_key": again, "call_reference": again})


def anew(rows: list[Row]) -> None:
    for number, row in enumerate(rows[14 * DAILY :]):
        row["call_key"] = row["call_reference"] = f"NMP-20170101-{number:04d}"


LATER = FIRST + timedelta(days=DAYS)


def test_a_clean_batch_differs_in_nothing(tmp_path: Path, earlier: Batch) -> None:
    measures = measured(tmp_path, calls(LATER), [earlier])
    assert {name for name, value in measures.items() if isinstance(value, str)} == {"source_file"}
    assert measures["moved_hours"] < 0.1
    assert measures["hours_sharper"] < 0.01
    assert measures["far_share"] == measures["twin_share"] == 0


@pytest.mark.parametrize(
    ("spoil", "measure", "expected"),
    [
        (every(1, district=None), "emptied_columns", "district"),
        (every(2, beat=None), "thinned_columns", "beat"),
        (every(1, is_self_initiated=False), "constant_columns", "is_self_initiated"),
        (every(10, beat="ZZ"), "unheard_of_columns", "beat"),
        (cut, "cut_columns", "log_text_masked"),
        (every(40, district="NULL"), "placeholder_columns", "district"),
        (every(400, log_text_masked="SiÃ¢n was hit"), "garbled_columns", "log_text_masked"),
        (every(400, log_text_masked="tom &amp; jo"), "garbled_columns", "log_text_masked"),
        (every(400, log_text_masked="=1+1"), "formula_columns", "log_text_masked"),
        (without_a_day, "missing_days", "2017-06-27"),
        (twice, "doubled_days", "2017-06-27"),
        (anew, "falling_days", "2017-07-06"),
    ],
)
def test_a_list_names_the_column_or_the_day(
    tmp_path: Path, earlier: Batch, spoil: Callable[[list[Row]], None], measure: str, expected: str
) -> None:
    rows = calls(LATER)
    spoil(rows)
    measures = measured(tmp_path, rows, [earlier])
    assert measures[measure] == expected
    others = {n for n, value in measures.items() if n.endswith(("_columns", "_days")) and value}
    assert others - {measure} <= {"unheard_of_columns"}  # a new word is an unheard-of code too


@pytest.mark.parametrize(
    ("spoil", "measure", "least"),
    [
        (later(1), "moved_hours", 0.95),
        (midnight, "hours_sharper", 0.3),
        (swapped, "far_share", 1.0),
        (twice, "twin_share", 2 / (DAYS + 1)),
    ],
)
def test_a_share_tells_how_much(
    tmp_path: Path, earlier: Batch, spoil: Callable[[list[Row]], None], measure: str, least: float
) -> None:
    rows = calls(LATER)
    spoil(rows)
    assert measured(tmp_path, rows, [earlier])[measure] >= least


def test_what_was_known_keeps_its_time(tmp_path: Path, earlier: Batch) -> None:
    rows = calls(FIRST)
    for row in rows[::4]:
        row["received_at"] += timedelta(hours=1)
    assert measured(tmp_path, rows, [earlier])["retimed_share"] == pytest.approx(0.25)


def test_a_rare_column_with_one_value_is_no_default(tmp_path: Path, earlier: Batch) -> None:
    """Three values in a month may well be one code; found as a false alarm."""
    rows = calls(LATER)
    every(1, disposition_code=None)(rows)
    every(700, disposition_code="D1")(rows)
    assert measured(tmp_path, rows, [earlier])["constant_columns"] is None


def test_a_first_batch_is_compared_with_nothing(tmp_path: Path) -> None:
    """What a file shows by itself is told all the same."""
    rows = calls(FIRST)
    without_a_day(rows)
    every(400, log_text_masked="=1+1")(rows)
    measures = measured(tmp_path, rows, [])
    names = {name for name, value in measures.items() if value is not None}
    assert names == {"source_file", "missing_days", "silent_hours", "formula_columns", "twin_share"}


def test_a_column_that_has_one_value_a_file_is_no_default(tmp_path: Path) -> None:
    """As where each district or auditor has a file; in a file that held both it would be one."""
    for is_apart in (True, False):
        before, after = calls(FIRST), calls(FIRST + timedelta(days=DAYS))
        for number, row in enumerate(before):
            row["district"] = ("N", "S")[number % 2]
            row["source_file"] = row["district"] if is_apart else "f"
        for row in after:
            row["district"] = "S"
        (tmp_path / str(is_apart)).mkdir()
        earlier = batch(tmp_path / str(is_apart) / "earlier", before, 1)
        constant = measured(tmp_path / str(is_apart), after, [earlier])["constant_columns"]
        assert constant == (None if is_apart else "district")


def test_a_new_round_of_an_audit_is_no_new_code(tmp_path: Path) -> None:
    """Each draw has a name of its own; an auditor whom nobody has heard of is told."""

    def readings(draw: str, auditor: str) -> list[Row]:
        return [
            {
                "draw_id": draw,
                "call_key": f"NMP-{number}",
                "auditor_code": auditor,
                "source_file": "f",
                "row_id": f"f:{number}",
            }
            for number in range(200)
        ]

    earlier = batch(tmp_path / "earlier", readings("frame-2017-1", "A1"), 1, "audit_readings")
    measures = measured(tmp_path, readings("frame-2018-1", "A2"), [earlier], "audit_readings")
    assert measures["unheard_of_columns"] == "auditor_code"
