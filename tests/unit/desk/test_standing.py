"""Which decisions change figures: the desk says so beside each."""

import pytest

from cdi.desk.standing import has_effect

# One log of two crimes, of which the first is a report of rape.
CRIMES = [{"crime_number": 1, "is_rape": True}, {"crime_number": 2, "is_rape": False}]


def row(kind: str, crime: str = "", second: str = "", record: str = "") -> dict[str, str]:
    """A decision as the file has it."""
    return {
        "decision_kind": kind,
        "crime_number": crime,
        "second_person": second,
        "record_reference": record,
    }


@pytest.mark.parametrize(
    ("decisions", "changes_figures"),
    [
        ([row("dismissed", "1", second="reader.two")], True),
        ([row("dismissed", "2")], True),
        ([row("confirmed", "1")], True),
        # it takes two people to dismiss a rape, so it stays suspected
        ([row("dismissed", "1")], False),
        # of the whole log: the other crime is dismissed by one
        ([row("dismissed")], True),
        # the newest decision counts, so the confirmation before it no longer does
        ([row("confirmed", "1"), row("dismissed", "1")], True),
        ([row("confirmed", "2"), row("dismissed", "1")], False),
        ([row("dismissed", "1"), row("undone", "1")], False),
        ([row("dismissed", "1", second="reader.two"), row("undone", "1")], True),
        ([row("dismissed", "2"), row("undone", "2"), row("undone", "2")], False),
        ([row("proposed", "1")], False),
        ([row("confirmed", "1"), row("passed", "1")], False),
        ([row("link", record="R-1")], True),
        ([row("link", record="R-1"), row("undone", record="R-1")], True),
        # a crime that the version no longer lists
        ([row("dismissed", "3")], True),
    ],
)
def test_the_last_decision_changes_figures(
    decisions: list[dict[str, str]], changes_figures: bool
) -> None:
    rows = [row | {"decision_reference": f"D{n}"} for n, row in enumerate(decisions)]
    assert has_effect(rows, rows[-1], CRIMES) is changes_figures
