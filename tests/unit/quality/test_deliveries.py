"""Deliveries beside those before: sizes, shrinking snapshots, copies, repeated files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdi.agency.model import Agency
from cdi.landing.batches import Batch
from cdi.quality.deliveries import describe_deliveries
from tests.conftest import load_sample

MONDAY = datetime(2017, 6, 5, 23, tzinfo=UTC)  # midnight in summer


def delivery(
    days: float, reads: list[int], delivery: str = "changes", shas: list[str] | None = None
) -> Batch:
    """A batch of so many days after the first Monday, whose files have so many rows."""
    as_of = (MONDAY + timedelta(days=days)).isoformat()
    files = [
        {
            "name": f"{days}-{number}",
            "read": read,
            "as_of": as_of,
            "sha256": shas[number] if shas else f"{days}-{number}",
        }
        for number, read in enumerate(reads)
    ]
    manifest = {
        "dataset": "calls",
        "delivery": delivery,
        "as_of": as_of,
        "read": sum(reads),
        "files": files,
    }
    return Batch(Path(), manifest)


def describe(batch: Batch, earlier: list[Batch]) -> dict[str, Any]:
    """What is said of the last file of a batch."""
    return describe_deliveries(load_sample(), batch, earlier)[batch.manifest["files"][-1]["name"]]


# Four weeks with 1,000 rows on each day but 400 on Sundays.
WEEKS = [
    delivery(day, [400 if day % 7 == 6 else 600, 0 if day % 7 == 6 else 400]) for day in range(28)
]


@pytest.mark.parametrize(("day", "read", "share"), [(28, 490, 0.49), (34, 490, 1.225)])
def test_a_delivery_is_compared_with_its_weekday(day: int, read: int, share: float) -> None:
    """Half of a Monday is little, and the same on a Sunday is much; both files of a day count."""
    described = describe(delivery(day, [read - 100, 100]), WEEKS)
    assert described["share_of_usual"] == pytest.approx(share)
    assert described["comparable_count"] == 4


def test_a_delivery_of_an_hour_is_compared_with_its_hour() -> None:
    """The nights of a feed that comes by the hour are quiet, and no upload broke off then."""
    nights = [delivery(day, [1000]) for day in (0, 7, 14, 21)]
    busy = [delivery(day + 0.5, [4000]) for day in (0, 7, 14, 21)]
    assert describe(delivery(28, [900]), nights + busy)["share_of_usual"] == pytest.approx(0.9)


def with_paths(*paths: str) -> Agency:
    """The sample whose calls come in files of these paths, each true at the end of its day."""
    agency = load_sample()
    source = agency.sources["calls"]
    files = tuple(
        source.files[0].model_copy(update={"path": path, "as_of": None}) for path in paths
    )
    calls = source.model_copy(update={"files": files})
    return agency.model_copy(update={"sources": agency.sources | {"calls": calls}})


@pytest.mark.parametrize("path", ["calls*", "calls-{date:%Y-%m}.csv"])
def test_a_file_that_is_of_no_day_has_no_usual_size(path: str) -> None:
    """The file of a month grows, and begins anew."""
    batch = delivery(28, [10])
    batch.manifest["files"][0]["name"] = "calls-2017-07.csv"
    described = describe_deliveries(with_paths(path), batch, WEEKS)["calls-2017-07.csv"]
    assert described["share_of_usual"] is None
    assert described["comparable_count"] is None


@pytest.mark.parametrize("path", ["month*", "month-{date:%Y-%m}.csv"])
def test_a_file_of_a_month_leaves_the_daily_files_beside_it_comparable(path: str) -> None:
    """The file of the month comes each day beside a daily one, and has 9,000 rows."""

    def name_files(day: int, rows: int) -> Batch:
        batch = delivery(day, [rows, 9000])
        shown = datetime(2017, 6, 5) + timedelta(days=day)  # the day that ends at the file's as_of
        batch.manifest["files"][0]["name"] = f"calls-{shown:%Y-%m-%d}.csv"
        batch.manifest["files"][1]["name"] = f"month-{shown:%Y-%m}.csv"
        return batch

    agency = with_paths("calls-{date:%Y-%m-%d}.csv", path)
    weeks = [name_files(day, 1000) for day in range(28)]
    described = describe_deliveries(agency, name_files(28, 400), weeks)
    day, month = described["calls-2017-07-03.csv"], described["month-2017-07.csv"]
    assert (day["share_of_usual"], day["comparable_count"]) == (pytest.approx(0.4), 4)
    assert (month["share_of_usual"], month["comparable_count"]) == (None, None)


def test_without_three_deliveries_of_the_weekday_nothing_is_usual() -> None:
    described = describe(delivery(14, [10]), WEEKS[:14])
    assert described["share_of_usual"] is None
    assert described["comparable_count"] == 2


def test_a_small_feed_may_halve() -> None:
    small = [delivery(7 * week, [40]) for week in range(6)]
    assert describe(delivery(42, [3]), small)["share_of_usual"] is None


def test_a_repeated_delivery_takes_the_place_of_the_first() -> None:
    """A whole file that came after its half."""
    weeks = [delivery(7 * week, [100 if week % 2 else 1000]) for week in range(4)]
    again = [delivery(7 * week, [1000]) for week in (1, 3)]
    assert describe(delivery(28, [1000]), [*weeks, *again])["share_of_usual"] == 1


def test_the_other_days_of_a_backfill_are_compared_too() -> None:
    """A first batch of many days has a half day in it."""
    backfill = delivery(0, [])
    backfill.manifest["files"] = [
        delivery(day, [300 if day == 14 else 1000]).manifest["files"][0] for day in range(28)
    ]
    described = describe_deliveries(load_sample(), backfill, [])
    shares = {name: values["share_of_usual"] for name, values in described.items()}
    assert {name for name, share in shares.items() if share < 0.5} == {"14-0"}


@pytest.mark.parametrize(("read", "is_told"), [(1000, False), (600, True)])
def test_a_snapshot_shrinks_no_more_than_ever(read: int, is_told: bool) -> None:
    growing = [delivery(day, [990 + day], "snapshot") for day in range(5)]
    share = describe(delivery(5, [read], "snapshot"), growing)["share_of_smallest"]
    assert (share < 0.8) is is_told
    assert describe(delivery(5, [read], "snapshot"), growing[:3])["share_of_smallest"] is None
    # a snapshot of the last days is used to shrink
    rolling = [delivery(day, [1000 if day % 2 else 700], "snapshot") for day in range(6)]
    assert describe(delivery(6, [600], "snapshot"), rolling)["share_of_smallest"] > 0.8


def test_copies_and_repeated_files_are_named() -> None:
    copies = delivery(3, [5, 5], shas=["same", "same"])
    assert describe(copies, [])["copy_of"] == "3-0"
    assert describe_deliveries(load_sample(), copies, [])["3-0"]["copy_of"] is None
    before = [delivery(1, [5], shas=["a"]), delivery(2, [5], shas=["b"])]
    assert describe(delivery(3, [5], shas=["a"]), before)["repeat_of"] == "1-0"
    # the same day delivered again is no other day
    assert describe(delivery(2, [5], shas=["b"]), before)["repeat_of"] is None
    # two days that come in one run
    together = delivery(4, [])
    together.manifest["files"] = [
        delivery(day, [5], shas=[sha]).manifest["files"][0] for day, sha in ((3, "c"), (4, "c"))
    ]
    described = describe_deliveries(load_sample(), together, before)
    assert [each["repeat_of"] for each in described.values()] == [None, "3-0"]


def test_days_of_a_live_source_are_not_compared() -> None:
    assert set(describe(delivery(28, [1], "days"), WEEKS).values()) == {None}
