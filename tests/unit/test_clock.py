"""Times as people read them: the style guide of GOV.UK (`Times`, `Dates`)."""

from datetime import UTC, datetime, timedelta

import pytest

from cdi.clock import clock_time, day_and_time, local_moment, name_days


@pytest.mark.parametrize(
    ("hour", "minute", "text"),
    [
        (0, 0, "midnight"),
        (0, 36, "12:36am"),
        (7, 0, "7am"),
        (11, 59, "11:59am"),
        (12, 0, "midday"),
        (12, 5, "12:05pm"),
        (17, 30, "5:30pm"),
        (23, 36, "11:36pm"),
    ],
)
def test_a_time_of_day_is_written_as_gov_uk_writes_it(hour: int, minute: int, text: str) -> None:
    assert clock_time(datetime(2017, 6, 30, hour, minute, 59)) == text


def test_each_minute_of_a_day_is_written_differently() -> None:
    minutes = [datetime(2017, 6, 30) + timedelta(minutes=n) for n in range(24 * 60)]
    assert len({clock_time(moment) for moment in minutes}) == len(minutes)


def test_a_moment_of_a_file_is_written_as_the_clocks_of_its_place_show_it() -> None:
    assert local_moment(datetime(2017, 6, 30, 22, 36), "Europe/London") == "30 June 2017, 11:36pm"
    assert local_moment(datetime(2017, 6, 30, 23), "Europe/London") == "1 July 2017, midnight"
    assert local_moment(datetime(2017, 6, 30, 22, 36), "America/Chicago") == "30 June 2017, 5:36pm"
    assert day_and_time(datetime(2017, 1, 1, 9, tzinfo=UTC)) == "1 January 2017, 9am"


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ("2017-04-01", "2017-05-01", "1 to 30 April 2017"),
        ("2017-04-01", "2017-07-01", "1 April to 30 June 2017"),
        ("2016-12-01", "2017-02-01", "1 December 2016 to 31 January 2017"),
        ("2017-04-01", "2017-04-02", "1 April 2017"),
        ("2017-04-01", "2017-04-02T07:00", "1 April 2017, midnight to 2 April 2017, 7am"),
    ],
)
def test_days_are_named_by_the_first_and_the_last(start: str, end: str, text: str) -> None:
    assert name_days(datetime.fromisoformat(start), datetime.fromisoformat(end)) == text
