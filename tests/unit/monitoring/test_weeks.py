"""Weekly rates: completed, charted, and withheld where they would say too much."""

import subprocess
import sys
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cdi.monitoring.weeks import weekly_rates

FIRST = date(2017, 1, 2)
# of 100 due crimes 50 are recorded in the week, 20 in the next, 10 in the third, 20 never
DELAYS = {0: 50, 1: 20, 2: 10}


def changes(count: int, **special: dict[int, int]) -> pa.Table:
    """A triangle of `count` weeks as of the end of the last; `w3={0: 10}`: week 3 differs."""
    rows = []
    for week in range(count):
        recorded = special.get(f"w{week}", DELAYS)
        for age in range(count - week):
            rows.append(
                {
                    "universe": "frame",
                    "reported_week_on": FIRST + timedelta(weeks=week),
                    "age_weeks": age,
                    "is_mature": count - week > 5,
                    "recorded_change": recorded.get(age, 0),
                    "due_change": 100 if age == 0 else 0,
                    "untimed_count": 0,
                }
            )
    return pa.Table.from_pylist(rows)


def single_weeks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of single weeks, without that of the newest weeks together."""
    return [row for row in rows if row["week_count"] == 1]


def test_each_week_is_completed_by_what_is_usual_at_its_age() -> None:
    rows = weekly_rates(changes(30), None)
    single = single_weeks(rows)
    assert [row["rate_so_far"] for row in single[-3:]] == pytest.approx([0.8, 0.7, 0.5])
    assert [row["nowcast_rate"] for row in single] == pytest.approx([0.8] * 30)
    assert all(row["nowcast_low"] <= 0.8 + 1e-9 <= row["nowcast_high"] + 2e-9 for row in single)
    assert all(row["withheld_reason"] is None for row in rows)
    assert not any(row["has_changed_delays"] for row in rows)


def test_the_newest_eight_weeks_are_told_together() -> None:
    (row,) = (row for row in weekly_rates(changes(30), None) if row["week_count"] == 8)
    assert row["reported_week_on"] == FIRST + timedelta(weeks=22)
    assert (row["recorded_count"], row["due_count"]) == (6 * 80 + 70 + 50, 800)
    assert row["rate_so_far"] == pytest.approx(0.75)
    assert row["nowcast_rate"] == pytest.approx(0.8)
    assert not row["is_mature"]
    assert row["chart_centre"] is None


def test_limits_are_wider_the_younger_the_week() -> None:
    noisy = {
        f"w{week}": {0: 50 + (week * 7) % 11 - 5, 1: 20 - (week * 5) % 7 + 3, 2: 10}
        for week in range(30)
    }
    single = single_weeks(weekly_rates(changes(30, **noisy), None))
    width = [row["nowcast_high"] - row["nowcast_low"] for row in single[-3:]]
    assert width[0] < width[1] < width[2]
    # where crimes are due no more than are recorded, the rate stops at 1
    assert all(row["nowcast_high"] <= 1 for row in single)


def test_a_crime_cancelled_later_is_taken_off_in_young_weeks_too() -> None:
    """Of 50 recorded at once 5 are cancelled two weeks later: of young weeks' too, as expected."""
    cancelled = {f"w{week}": {0: 50, 2: -5} for week in range(30)}
    single = single_weeks(weekly_rates(changes(30, **cancelled), None))
    assert [row["rate_so_far"] for row in single[-3:]] == pytest.approx([0.45, 0.5, 0.5])
    assert [row["nowcast_rate"] for row in single[-3:]] == pytest.approx([0.45, 0.45, 0.45])


def test_only_mature_weeks_are_charted_and_one_that_differs_is_a_signal() -> None:
    special = {f"w{week}": {0: 50 + week % 3, 1: 20, 2: 10} for week in range(30)}
    special["w12"] = {0: 20, 1: 8, 2: 4}
    single = single_weeks(weekly_rates(changes(30, **special), None))
    assert [row["chart_low"] is not None for row in single] == [row["is_mature"] for row in single]
    assert [at for at, row in enumerate(single) if row["is_signal"]] == [12]


def test_a_short_history_gives_no_nowcast_and_says_so() -> None:
    rows = weekly_rates(changes(25), None)
    assert all(row["nowcast_rate"] is None for row in rows)
    assert all("needs 26 weeks of data" in row["withheld_reason"] for row in rows)
    assert all(row["has_changed_delays"] is None for row in rows)
    assert rows[0]["rate_so_far"] == pytest.approx(0.8)
    assert rows[0]["chart_centre"] == pytest.approx(0.8)


def test_few_crimes_or_records_without_a_time_give_no_nowcast() -> None:
    few = changes(30, **{f"w{week}": {0: 1} for week in range(30)})
    untimed = changes(30)
    place = untimed.column_names.index("untimed_count")
    untimed = untimed.set_column(place, "untimed_count", pa.array([1] * len(untimed)))
    for table, said in ((few, "needs 50 recorded crimes"), (untimed, "does not say when")):
        rows = weekly_rates(table, None)
        assert len(single_weeks(rows)) == 30
        assert all(row["nowcast_rate"] is None for row in rows)
        assert all(said in row["withheld_reason"] for row in rows)


def test_weeks_since_the_delays_changed_are_not_completed_and_say_so() -> None:
    """From week 31 on 70 of 100 are recorded at once; 80 are recorded in the end, as before."""
    changed = changes(40, **{f"w{week}": {0: 70, 1: 8, 2: 2} for week in range(31, 40)})
    rows = weekly_rates(changed, None)
    single = single_weeks(rows)
    assert [row["has_changed_delays"] for row in single] == [False] * 31 + [True] * 9
    for row in single[:31]:
        assert row["nowcast_low"] <= row["nowcast_rate"] <= row["nowcast_high"]
        assert row["withheld_reason"] is None
    (together,) = (row for row in rows if row["week_count"] == 8)
    assert together["has_changed_delays"]
    for row in (*single[31:], together):
        assert row["nowcast_rate"] is row["nowcast_low"] is row["nowcast_high"] is None
        assert "delays have changed" in row["withheld_reason"]
        assert "since 2017-08-07 come in sooner than before" in row["withheld_reason"]
    # what is recorded so far stays
    assert [row["rate_so_far"] for row in single[-3:]] == pytest.approx([0.8, 0.78, 0.7])
    assert together["rate_so_far"] == pytest.approx((6 * 80 + 78 + 70) / 800)


def test_weeks_since_the_delays_changed_are_not_judged() -> None:
    """From week 31 on all 80 are recorded at once; the old delays would let more be expected."""
    usual = {f"w{week}": {0: 50 + week % 3, 1: 20, 2: 10 - week % 3} for week in range(31)}
    faster = {f"w{week}": {0: 80} for week in range(31, 40)}
    single = single_weeks(weekly_rates(changes(40, **usual, **faster), None))
    assert [row["has_changed_delays"] for row in single] == [False] * 31 + [True] * 9
    assert [row["is_mature"] for row in single] == [True] * 35 + [False] * 5
    assert [row["is_signal"] for row in single] == [False] * 31 + [None] * 9
    assert [row["chart_centre"] for row in single[31:]] == [None] * 9
    assert single[0]["chart_centre"] == pytest.approx(0.8)


def test_of_slower_records_it_says_that_they_come_in_later() -> None:
    changed = changes(40, **{f"w{week}": {0: 30, 1: 30, 2: 20} for week in range(31, 40)})
    reasons = {row["withheld_reason"] for row in weekly_rates(changed, None)} - {None}
    assert len(reasons) == 1
    assert "come in later than before" in reasons.pop()


def test_where_rates_are_withheld_the_counts_stand_alone() -> None:
    rows = weekly_rates(changes(30), "too few usable codes")
    assert len(single_weeks(rows)) == 30
    for row in rows:
        filled_in = {name for name, value in row.items() if value is not None}
        counts = {"week_count", "recorded_count", "due_count"}
        assert filled_in == counts | {
            "universe",
            "reported_week_on",
            "is_mature",
            "withheld_reason",
        }


A_BUILD = """
import sys, duckdb
from cdi.monitoring.weeks import COLUMNS, weekly_rates
from cdi.sql import relation

con = duckdb.connect()
changes = con.sql('''
    select 'all' as universe, date '2017-01-02' as reported_week_on, 0 as age_weeks,
        true as is_mature, 9 as recorded_change, 9 as due_change, 0 as untimed_count
''')
rows = weekly_rates(changes.to_arrow_table(), None)
assert len(relation(con, COLUMNS, rows)) == 1
assert not {"pandas", "scipy"} & set(sys.modules)
"""


def test_a_build_pays_for_neither_pandas_nor_scipy() -> None:
    subprocess.run([sys.executable, "-c", A_BUILD], check=True)


def test_without_whole_weeks_the_table_is_empty() -> None:
    assert len(weekly_rates(changes(1).slice(0, 0), None)) == 0


def test_old_weeks_are_dropped_and_the_oldest_kept_is_the_hundred_and_fourth() -> None:
    single = single_weeks(weekly_rates(changes(110), None))
    assert len(single) == 104
    assert single[0]["reported_week_on"] == FIRST + timedelta(weeks=6)
    assert np.isclose(single[-1]["nowcast_rate"], 0.8)
