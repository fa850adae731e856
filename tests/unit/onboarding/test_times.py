"""Formats of times: what reads all values is proposed, and an ambiguous order is not guessed."""

from datetime import datetime
from pathlib import Path

import pytest

from cdi.onboarding.times import TimeReading
from cdi.sql import connect
from tests.unit.onboarding.invented import profile_rows, read_rows


def read_column(
    folder: Path, values: list[str], is_day_first: bool | None = None
) -> TimeReading | None:
    with connect() as con:
        rows = [{"when": value, "other": f"o{place}"} for place, value in enumerate(values)]
        return profile_rows(con, folder, rows, is_day_first=is_day_first)["when"].time


@pytest.mark.parametrize(
    ("values", "formats"),
    [
        (["3/14/2026 7:05", "12/1/2026 17:05"], ("%m/%d/%Y %H:%M",)),
        (["14/3/2026 7:05", "1/12/2026 17:05"], ("%d/%m/%Y %H:%M",)),
        (["03/14/2026 07:05:00 PM", "03/15/2026 12:05:00 AM"], ("%m/%d/%Y %I:%M:%S %p",)),
        (["2026-03-14T07:05:00.000", "2026-03-15T07:05:00.000"], ("%Y-%m-%dT%H:%M:%S.%f",)),
        (["2026-03-14 07:05:00.0000000"], ("%Y-%m-%d %H:%M:%S.%n",)),
        (["2026-03-14T07:05:00Z", "2026-03-14T07:05:00+01:00"], ("%Y-%m-%dT%H:%M:%S%z",)),
        (["14-Mar-2026 07:05"], ("%d-%b-%Y %H:%M",)),
        (["3/14/26", "3/15/26"], ("%m/%d/%y",)),
        (["3/14/26 07:05:00 PM", "3/15/26 12:05:00 AM"], ("%m/%d/%y %I:%M:%S %p",)),
        (["14/3/26 7:05 PM", "15/3/26 12:05 AM"], ("%d/%m/%y %I:%M %p",)),
        # %Y would read the year 26 from the shorter one, so %y is tried first
        (["3/14/2026", "3/15/26", "3/16/2026"], ("%m/%d/%y", "%m/%d/%Y")),
        (["2026-03-14 07:05:00", "2026-03-14", "2026-03-15 07:05:00"],
         ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d")),
    ],
)  # fmt: skip
def test_formats_that_read_all_values_are_proposed(
    values: list[str], formats: tuple[str, ...], tmp_path: Path
) -> None:
    time = read_column(tmp_path, values)
    assert time is not None
    assert (time.formats, time.share, time.other_order) == (formats, 1.0, "")
    assert time.is_readable


def test_an_order_of_day_and_month_that_the_values_do_not_tell_is_not_guessed(
    tmp_path: Path,
) -> None:
    values = ["03/04/2026 10:00", "11/12/2026 10:00"]
    time = read_column(tmp_path, values)
    assert time is not None
    assert {time.formats[0], time.other_order} == {"%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M"}
    assert not time.is_readable
    for is_day_first, form in ((True, "%d/%m/%Y %H:%M"), (False, "%m/%d/%Y %H:%M")):
        known = read_column(tmp_path, values, is_day_first)
        assert known is not None
        assert (known.formats, known.is_readable) == ((form,), True)


def test_what_a_person_says_does_not_overrule_the_values(tmp_path: Path) -> None:
    time = read_column(tmp_path, ["03/14/2026 10:00", "11/12/2026 10:00"], is_day_first=True)
    assert time is not None
    assert time.formats == ("%m/%d/%Y %H:%M",)


@pytest.mark.parametrize(
    ("often", "seldom", "is_day_first", "formats"),
    [
        # one column has one order, whatever a person says
        ("25/03/2026 10:05", "05/03/2026", True, ("%d/%m/%Y %H:%M", "%d/%m/%Y")),
        ("25/03/2026 10:05", "05/03/2026", None, ("%d/%m/%Y %H:%M", "%d/%m/%Y")),
        ("03/25/2026 10:05", "03/05/2026", True, ("%m/%d/%Y %H:%M", "%m/%d/%Y")),
        # the order of the second format alone is open, and a person knows it
        ("2026-03-25 10:05", "05/03/2026", True, ("%Y-%m-%d %H:%M", "%d/%m/%Y")),
        ("2026-03-25 10:05", "05/03/2026", False, ("%Y-%m-%d %H:%M", "%m/%d/%Y")),
        ("2026-03-25 10:05", "03/25/2026", True, ("%Y-%m-%d %H:%M", "%m/%d/%Y")),
    ],
)
def test_a_second_format_exchanges_no_day_and_month(
    often: str, seldom: str, is_day_first: bool | None, formats: tuple[str, str], tmp_path: Path
) -> None:
    time = read_column(tmp_path, [often] * 3 + [seldom], is_day_first)
    assert time is not None
    assert (time.formats, time.share, time.is_readable) == (formats, 1.0, True)


def test_an_order_that_only_the_second_format_leaves_open_is_not_guessed(tmp_path: Path) -> None:
    time = read_column(tmp_path, ["2026-03-25 10:05"] * 3 + ["05/03/2026"])
    assert time is not None
    assert {time.uncertain_format, time.other_order} == {"%d/%m/%Y", "%m/%d/%Y"}
    assert time.uncertain_format == time.formats[1]
    assert not time.is_readable


def test_milliseconds_since_1970_are_a_format(tmp_path: Path) -> None:
    time = read_column(tmp_path, ["1620426600000", "1620426700000"])
    assert time is not None
    assert (time.formats, time.is_readable) == (("epoch_ms",), True)
    assert (time.least, time.greatest) == (
        datetime(2021, 5, 7, 22, 30),
        datetime(2021, 5, 7, 22, 31, 40),
    )


def test_a_date_that_stands_for_none_is_counted_and_does_not_begin_the_period(
    tmp_path: Path,
) -> None:
    time = read_column(tmp_path, ["01/31/1900 00:00"] * 3 + ["03/14/2026 07:05"])
    assert time is not None
    assert time.sentinel_share == 0.75
    assert time.least is not None
    assert time.least.year == 2026


def test_dates_alone_are_told_to_have_no_time_of_day(tmp_path: Path) -> None:
    dates, times = (
        read_column(tmp_path, [f"2026-03-14T{hour}:00:00.000", "2026-03-15T00:00:00.000"])
        for hour in ("00", "09")
    )
    assert dates is not None
    assert times is not None
    assert (dates.midnight_share, times.midnight_share) == (1.0, 0.5)


@pytest.mark.parametrize("value", ["555-0134", "12B - Alarm", "A-00117-22", "26000075639", "W"])
def test_what_is_no_time_is_none(value: str, tmp_path: Path) -> None:
    assert read_column(tmp_path, [value, value]) is None


def test_a_typed_time_needs_no_format(tmp_path: Path) -> None:
    from cdi.onboarding.profile import profile_columns
    from cdi.onboarding.reading import read_file_sample

    file = tmp_path / "calls.parquet"
    with connect() as con:
        con.execute(
            "copy (select timestamp '2026-03-14 07:05:00' as received, "
            "date '2026-03-14' as reported_on, 'A' as type) "
            f"to '{file}' (format parquet)"
        )
        profiles = profile_columns(con, read_file_sample(con, "calls", file))
    time, day = [p.time for p in profiles if p.time]
    for typed in (time, day):
        assert (typed.formats, typed.is_readable) == ((), True)
    # a date is told to have no time of day, as a date in a text file is
    assert (time.midnight_share, day.midnight_share) == (0.0, 1.0)


def test_a_time_that_one_row_in_a_hundred_lacks_the_form_of_is_still_readable(
    tmp_path: Path,
) -> None:
    good = [f"2026-03-14 07:{minute % 60:02d}" for minute in range(200)]
    for bad_count, is_readable in ((1, True), (10, False)):
        time = read_column(tmp_path, [*good, *["14th of March 7h05"] * bad_count])
        assert time is not None
        assert time.is_readable == is_readable


def test_the_profile_looks_at_rows_of_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cdi.onboarding import profile

    monkeypatch.setattr(profile, "MOST_ROWS", 10)
    rows = [{"number": f"{place:05d}", "type": "A" if place < 50 else "B"} for place in range(100)]
    with connect() as con:
        columns = profile.profile_columns(con, read_rows(con, tmp_path, rows))
    by_name = {column.name: column for column in columns}
    assert by_name["number"].filled_count == 10
    assert by_name["type"].distinct_count == 2
    assert by_name["type"].filled_share == 1
