"""What is taken out of sealed files leaves them sealed, and damage is not sealed over."""

from pathlib import Path

import pytest

from cdi.erasure.take_out import Removal, _clean_csv
from cdi.errors import StateError
from cdi.sealed_files import append_sealed, is_as_sealed, seal_of

ROWS = "call_reference,note\nT-0001,one\nT-0002,two\n"
REMOVAL = Removal({"call": {"T-0001"}})


@pytest.fixture
def file(state: Path) -> Path:
    """A sealed file with a row about T-0001 and one about T-0002."""
    file = state / "decisions.csv"
    with append_sealed("a", file) as text:
        text.write(ROWS)
    return file


def test_a_cleaned_file_is_sealed_anew(file: Path) -> None:
    assert _clean_csv("a", file, REMOVAL, ["call_reference"]) == 1
    assert file.read_text() == "call_reference,note\nT-0002,two\n"
    assert is_as_sealed("a", file)
    file.write_text(ROWS)
    assert not is_as_sealed("a", file)


def test_a_file_of_which_nothing_is_left_goes_with_its_seal(file: Path) -> None:
    both = Removal({"call": {"T-0001", "T-0002"}})
    assert _clean_csv("a", file, both, ["call_reference"]) == 2
    assert not file.exists()
    assert not seal_of(file).exists()


def test_a_damaged_file_is_not_cleaned_and_sealed_over(file: Path) -> None:
    file.write_text(ROWS.replace("two", "too"))
    with pytest.raises(StateError, match="STATE-DAMAGED"):
        _clean_csv("a", file, REMOVAL, ["call_reference"])
    assert file.read_text() == ROWS.replace("two", "too")
