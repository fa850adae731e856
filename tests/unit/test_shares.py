"""Shares are not rounded to all or to none, as the statistics offices ask."""

import pytest

from cdi.shares import write_percent, write_range


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0.0%"),
        (0.0004, "less than 0.1%"),
        (0.0006, "0.1%"),
        (0.7784, "77.8%"),
        (0.9994, "99.9%"),
        (0.9996, "more than 99.9%"),
        (1, "100.0%"),
        (0.1 * 3 + 0.7 - 2**-53, "100.0%"),  # all, but for the last bit
    ],
)
def test_what_is_not_all_and_not_nothing_is_not_written_so(share: float, text: str) -> None:
    assert write_percent(share) == text


def test_whole_per_cents_and_ranges_follow_the_same_rule() -> None:
    assert [write_percent(share, 0) for share in (0, 0.004, 0.42, 0.996, 1)] == [
        "0%",
        "less than 1%",
        "42%",
        "more than 99%",
        "100%",
    ]
    assert write_range(0.98, 0.9996) == "98.0% to more than 99.9%"
