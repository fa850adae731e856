"""The generated page that tells how the recording decision is made."""

import pytest

from cdi import paths
from cdi.docs.decisions import _list_decisions, _proofs_by_rule, render_decisions_page

PAGE = paths.REPO / "docs" / "recording-decisions.md"
DECISIONS = _list_decisions(_proofs_by_rule())


def test_the_generated_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == render_decisions_page(), "run `make docs`"


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision["id"])
def test_each_decision_has_an_example_of_two_sentences_and_a_test(
    decision: dict[str, object],
) -> None:
    example = str(decision["example"])
    assert example.endswith(".")
    assert example.count(". ") == 1
    assert decision["proofs"]


def test_the_decisions_stand_in_the_order_in_which_they_are_asked() -> None:
    priorities = [int(decision["priority"]) for decision in DECISIONS]
    assert priorities == sorted(priorities)
    assert DECISIONS[-1]["asks"] == []
