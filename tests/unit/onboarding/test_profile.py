"""What a profile says of a column: shapes, references, and what personal data it holds."""

from pathlib import Path

import pytest

from cdi.onboarding.profile import ColumnProfile, split_words
from cdi.sql import connect
from tests.unit.onboarding.invented import profile_rows


def profile_values(folder: Path, values: list[str], header: str = "thing") -> ColumnProfile:
    with connect() as con:
        rows = [{header: value, "other": f"o{place}"} for place, value in enumerate(values)]
        return profile_rows(con, folder, rows)[header]


def test_figures_and_the_shape_of_a_column(tmp_path: Path) -> None:
    profile = profile_values(tmp_path, ["A-0123", "B-4567", "B-4567", "", "\u00c9-1", "7"])
    assert profile.filled_share == pytest.approx(5 / 6)
    assert (profile.filled_count, profile.distinct_count) == (5, 4)
    assert (profile.shape, profile.shape_share) == ("A-9999", 0.6)
    assert (profile.number_share, profile.least_number) == (0.2, 7)


@pytest.mark.parametrize(
    ("form", "is_reference"),
    [
        ("2020-{0:06d}", True),  # looks like a phone to whoever looks at digits alone
        ("26000{0:06d}", True),
        ("A{0:05d}26", True),
        ("NYP-05012026-{0:04d}", True),
        ("-122.38{0:04d}", False),  # a degree
        ("{0} LARCH STREET", False),
        ("202-555-{0:04d}", False),  # a phone
        ("2026-03-14 07:{0:02d}", False),  # a time
        ("07:05:{0:02d}", False),  # a time of day, as a column of the type TIME shows it
        ("07:05:{0:02d}.250000", False),
        ("{0}", False),  # a small number
        ("D{0}", False),
    ],
)
def test_which_values_are_numbers_of_calls_or_records(
    form: str, is_reference: bool, tmp_path: Path
) -> None:
    values = [form.format(serial) for serial in range(10, 60)]
    assert profile_values(tmp_path, values).is_reference == is_reference


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("jo@example.org", "email"),
        ("(202) 555-0134", "phone"),
        ("202-555-0134", "phone"),
        ("+44 7700 900123", "phone"),
        ("07700 900123", "phone"),
        ("12 Larch Road", "address"),
        ("123-45-6789", "number of a person"),
        ("said " * 30, "free text"),
        ("NOISE", ""),
        ("2020-044620", ""),
        ("12B - Business Alarm", ""),
    ],
)
def test_personal_data_is_known_by_its_shape(value: str, what: str, tmp_path: Path) -> None:
    assert profile_values(tmp_path, [value]).personal_shape == what


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("Officer Badge", "officer"),
        ("VictimRace", "race or ethnicity"),
        ("caller_phone", "caller"),
        ("Nature", ""),
        ("Beat", ""),
    ],
)
def test_personal_data_is_known_by_its_name(header: str, what: str, tmp_path: Path) -> None:
    assert profile_values(tmp_path, ["x"], header).personal_word == what


def test_a_name_is_split_into_words() -> None:
    assert split_words("CADEventNumber") == ["cad", "event", "number"]
    assert split_words("time_create2") == ["time", "create", "2"]
