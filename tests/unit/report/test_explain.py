"""What the terminal says of a cancelled record."""

import pytest

from cdi.report.explain import _describe_cancellation


@pytest.mark.parametrize(
    ("check", "meaning", "said"),
    [
        ("no_record", None, None),
        ("met", "Cancelled by the rules, as far as a table can show", "cancelled, by the rules"),
        ("victim_not_told", "The victim must be told, and was not", "victim not told"),
        (
            "not_assessable",
            "It cannot be checked: the agency does not deliver the reason (cancellation_code)",
            "cancelled. It cannot be checked: the agency does not deliver the reason "
            "(cancellation_code)",
        ),
    ],
)  # fmt: skip
def test_a_cancellation_that_cannot_be_checked_says_why(
    check: str, meaning: str | None, said: str | None
) -> None:
    crime = {"cancellation_check": check, "check_meaning": meaning}
    assert _describe_cancellation(crime) == said
