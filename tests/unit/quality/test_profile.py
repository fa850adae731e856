"""What a file looks like beside the batches before it: each measure finds its own failure alone."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdi.agency.datasets import output_columns
from cdi.agency.model import Agency
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


def batch(
    folder: Path, rows: list[Row], seq: int, dataset: str = "calls", **settings: str
) -> Batch:
    """Rows as a batch of a snapshot, unless the settings of its manifest say otherwise."""
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
        **settings,
    }
    files = sorted({row.get("source_file", "f") for row in rows})
    manifest["files"] = [{"name": name, "as_of": manifest["as_of"]} for name in files]
    write_manifest(folder, manifest)
    return Batch(folder, manifest)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return batch(tmp_path_factory.mktemp("earlier") / "b", calls(FIRST), 1)


def measured(
    folder: Path,
    rows: list[Row],
    before: list[Batch],
    dataset: str = "calls",
    agency: Agency | None = None,
    **settings: str,
) -> dict[str, Any]:
    """The measures of one batch of one file that say anything."""
    (measures,) = measured_by_file(folder, rows, before, dataset, agency, **settings).values()
    return measures


def measured_by_file(
    folder: Path,
    rows: list[Row],
    before: list[Batch],
    dataset: str = "calls",
    agency: Agency | None = None,
    **settings: str,
) -> dict[str, dict[str, Any]]:
    """The measures of each file of one batch that say anything."""
    spoiled = batch(folder / "b", rows, 2, dataset, **settings)
    with duckdb.connect() as con:
        con.execute(f"create view rows as from read_parquet('{spoiled.rows}')")
        measure_profile(con, agency or load_sample(), spoiled, before)
        profiles = con.execute("from profiles").fetchall()
        names = [column[0] for column in con.description or []]
    measures = [dict(zip(names, values, strict=True)) for values in profiles]
    return {each["source_file"]: each for each in measures}


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
    assert names == {
        *("source_file", "missing_days", "silent_hours", "formula_columns", "twin_share"),
        "mean_hour",
    }


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


@pytest.mark.parametrize("lost_days", [0, 2])
def test_a_snapshot_that_ends_before_the_one_before_it_lost_its_end(
    tmp_path: Path, earlier: Batch, lost_days: int
) -> None:
    """It was cut off at the end of a row, or is an older one under a new name."""
    whole = calls(FIRST)
    kept = whole[: len(whole) - lost_days * DAILY]
    as_of = f"{datetime.fromisoformat(earlier.manifest['as_of']) + timedelta(days=1)}"
    measures = measured(tmp_path, kept, [earlier], as_of=as_of)
    end, own_end = (max(row["received_at"] for row in rows) for rows in (whole, kept))
    assert measures["hours_back"] == pytest.approx((end - own_end) / timedelta(hours=1), abs=0.1)


def test_an_older_snapshot_that_comes_late_lost_nothing(tmp_path: Path, earlier: Batch) -> None:
    measures = measured(tmp_path, calls(FIRST)[: -2 * DAILY], [earlier])
    assert measures["hours_back"] is None


@pytest.mark.parametrize(("first_day", "share"), [(0, 1.0), (1, 0.95), (15, 0.25), (20, 0.0)])
def test_a_snapshot_of_other_days_than_the_one_before_it_would_withdraw_all_of_it(
    tmp_path: Path, first_day: int, share: float
) -> None:
    """Twenty days that come again a day later, say, keep nineteen; a file of new days keeps none.

    A few rows that come late are of old days, and do not make those days whole.
    """
    whole = calls(FIRST)
    before = batch(tmp_path / "before", whole[: 20 * DAILY], 1)
    late = whole[:1] if first_day else []
    rows = late + whole[first_day * DAILY :]
    kept = measured(tmp_path, rows, [before])["kept_days_share"]
    assert kept == pytest.approx(share, abs=0.002)


def daily(
    day: datetime, until: int = 24, dataset: str = "calls"
) -> tuple[list[Row], dict[str, str]]:
    """A day's file of changes, which speaks up to an hour of that day, and its manifest."""
    end = day + timedelta(days=1)
    rows = [
        {
            "call_reference": f"C{day:%d%m}{number}",
            "received_at": day + timedelta(hours=until * number / 120),
            "final_type_code": f"CR{number % 7}",
            "source_file": "f",
            "source_as_of": end - timedelta(hours=1),
            "row_id": f"f:{number}",
            "row_hash": str(number),
        }
        for number in range(120)
    ]
    as_of = f"{end - timedelta(hours=1)}+00:00"  # midnight in summer
    start = f"{day - timedelta(hours=1)}+00:00"
    return rows, {"delivery": "changes", "interval_start": start, "as_of": as_of}


def deliver(folder: Path, days: range, until: int) -> list[Batch]:
    """Accepted batches of days in June, the first one whole, so that a usual day is known."""
    return [
        batch(folder / str(day), rows, day, **settings)
        for day in days
        for rows, settings in [daily(datetime(2017, 6, day), until)]
    ]


@pytest.mark.parametrize(("until", "silence"), [(7, 0), (2, 5)])
def test_what_is_usual_for_a_feed_is_told_by_its_deliveries(
    tmp_path: Path, until: int, silence: int
) -> None:
    """A feed that speaks up to seven in the morning is not silent when it does so again."""
    before = deliver(tmp_path, range(1, 12), 7)
    rows, settings = daily(datetime(2017, 6, 12), until)
    measures = measured(tmp_path, rows, before, **settings)
    assert measures["silent_hours"] == pytest.approx(silence, abs=0.1)
    assert measures["missing_days"] is None


def test_a_feed_of_few_deliveries_has_no_usual_end(tmp_path: Path) -> None:
    rows, settings = daily(datetime(2017, 6, 12), 7)
    measures = measured(tmp_path, rows, deliver(tmp_path, range(1, 3), 7), **settings)
    assert measures["silent_hours"] == pytest.approx(16, abs=0.1)  # seven in UTC is eight there


@pytest.mark.parametrize(("kept", "missing"), [(120, None), (20, "2017-06-12")])
def test_a_last_day_is_compared_with_last_days(
    tmp_path: Path, kept: int, missing: str | None
) -> None:
    """Each file tells the evening of the day before, too, and so a usual day has 200 calls."""
    before = []
    for day in range(1, 12):
        rows, settings = daily(datetime(2017, 6, day), 7)
        evening = [
            row
            | {
                "call_reference": f"E{day}{n}",
                "received_at": row["received_at"] - timedelta(days=1),
            }
            for n in range(2)
            for row in rows
        ]
        for number, row in enumerate(evening):
            row["call_reference"] += f"-{number}"
        before.append(batch(tmp_path / str(day), rows + evening, day, **settings))
    rows, settings = daily(datetime(2017, 6, 12), 7)
    measures = measured(tmp_path, rows[:kept], before, **settings)
    assert measures["missing_days"] == missing


def exchanged(moment: datetime) -> datetime:
    return moment.replace(day=moment.month, month=moment.day)


def test_a_days_file_of_exchanged_days_and_months_is_told_without_any_history(
    tmp_path: Path,
) -> None:
    """The file of 5 December, of which the calls seem to be of May."""
    rows, settings = daily(datetime(2022, 12, 5))
    for row in rows:
        row["received_at"] = exchanged(row["received_at"])
    measures = measured(tmp_path, rows, [], **settings)
    assert measures["outside_share"] == 1
    # the last five come after midnight in summer time, and there is no month 13
    assert measures["swapped_share"] == pytest.approx(115 / 120)


def test_old_logs_that_changed_are_some_of_a_days_file(tmp_path: Path) -> None:
    rows, settings = daily(datetime(2022, 12, 5))
    for number, row in enumerate(rows):
        row["received_at"] -= timedelta(days=(0, 13, 90)[number % 3])
    measures = measured(tmp_path, rows, [], **settings)
    assert measures["outside_share"] == pytest.approx(1 / 3)
    assert measures["swapped_share"] == 0


def test_only_a_file_of_one_day_is_asked_for_the_days_of_its_calls(tmp_path: Path) -> None:
    """The file of December holds the calls of its first days too, when the month is over."""
    sample = load_sample()
    source = sample.sources["calls"]
    files = tuple(
        source.files[0].model_copy(update={"path": path, "as_of": None})
        for path in ("calls-{date:%Y-%m}.csv", "calls-{date:%Y-%m-%d}.csv")
    )
    both = source.model_copy(update={"files": files})
    agency = sample.model_copy(update={"sources": sample.sources | {"calls": both}})
    day, settings = daily(datetime(2022, 12, 31))
    settings["as_of"] = "2023-01-01 00:00:00+00:00"
    rows = [
        row
        | {
            "source_file": name,
            "row_id": f"{name}:{row['row_id']}",
            "received_at": row["received_at"] - timedelta(days=20),
        }
        for name in ("calls-2022-12.csv", "calls-2022-12-31.csv")
        for row in day
    ]
    measures = measured_by_file(tmp_path, rows, [], agency=agency, **settings)
    shares = {name: values["outside_share"] for name, values in measures.items()}
    assert shares == {"calls-2022-12.csv": None, "calls-2022-12-31.csv": 1}


@pytest.mark.parametrize(("hours", "is_at_night"), [(0, False), (8, True)])
def test_times_of_another_zone_have_their_mean_at_night(
    tmp_path: Path, hours: int, is_at_night: bool
) -> None:
    """Also of the first delivery."""
    rows = calls(FIRST)
    later(hours)(rows)
    mean = measured(tmp_path, rows, [])["mean_hour"]
    assert (not 10 <= mean <= 20) is is_at_night


def test_rows_that_another_file_of_the_same_moment_contradicts_are_counted(tmp_path: Path) -> None:
    rows, settings = daily(datetime(2017, 6, 12))
    copies = [row | {"source_file": "g"} for row in rows[:50]]
    for row in copies[:7]:
        row["row_hash"] = "other"
    for is_one, counts in (("one", {"f": 7, "g": 7}), ("many", {"f": None, "g": None})):
        of_files = batch(tmp_path / is_one, rows + copies, 1, rows_per_key=is_one, **settings)
        with duckdb.connect() as con:
            con.execute(f"create view rows as from read_parquet('{of_files.rows}')")
            measure_profile(con, load_sample(), of_files, [])
            query = "select source_file, contradicted_count from profiles"
            assert dict(con.execute(query).fetchall()) == counts
