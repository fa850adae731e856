"""Which texts share a variant: by edit distance, worked out anew."""

import hashlib
import hmac
import itertools
from pathlib import Path

import duckdb
import pytest

from cdi.keys import derive_key
from cdi.landing.masks import variants_expression
from cdi.landing.variants import hash_variants, list_variants, prepare_variants
from cdi.sql import connect, scalar

KEY = b"k" * 32
NAMES = (
    *("smith", "smth", "smiht", "smithe", "smyth", "smtih", "smithson", "jones", "joness", "jonas"),
    *("hill", "hall", "hal", "lee", "lea", "le", "li", "thompson", "thomson", "tomson", "htompson"),
)


def typing_errors(first: str, second: str) -> int:
    """Damerau's distance by dynamic programming: neighbours that changed places are one error."""
    table = [[row + column for column in range(len(second) + 1)] for row in range(len(first) + 1)]
    for row, column in itertools.product(range(1, len(first) + 1), range(1, len(second) + 1)):
        table[row][column] = min(
            table[row - 1][column] + 1,
            table[row][column - 1] + 1,
            table[row - 1][column - 1] + (first[row - 1] != second[column - 1]),
        )
        if row > 1 and column > 1 and first[row - 2 : row] == second[column - 2 : column][::-1]:
            table[row][column] = min(table[row][column], table[row - 2][column - 2] + 1)
    return table[len(first)][len(second)]


def is_alike(first: str, second: str) -> bool:
    return bool({*hash_variants(KEY, first)} & {*hash_variants(KEY, second)})


def test_names_within_one_typing_error_are_alike_and_far_ones_are_not() -> None:
    seen = {0: 0, 1: 0, 2: 0, 3: 0}
    for first, second in itertools.product(NAMES, repeat=2):
        if min(len(first), len(second)) < 4:
            continue
        errors = min(typing_errors(first, second), 3)
        seen[errors] += 1
        if errors <= 1:
            assert is_alike(first, second), (first, second)
        elif errors == 3:
            assert not is_alike(first, second), (first, second)
    assert min(seen.values()) > 5, seen


def test_short_names_are_alike_only_if_they_are_equal() -> None:
    for first, second in itertools.product(("lee", "lea", "le", "li"), repeat=2):
        assert is_alike(first, second) == (first == second)


def test_variants_are_keyed_hashes_and_nothing_of_them_is_the_text() -> None:
    expected = sorted(
        int.from_bytes(hmac.new(KEY, text, hashlib.sha256).digest()[:4], "big")
        for text in (b"abcd", b"bcd", b"acd", b"abd", b"abc")
    )
    assert hash_variants(KEY, "abcd") == expected
    assert hash_variants(b"l" * 32, "abcd") != expected
    assert len(hash_variants(KEY, "aabb")) == 3  # the text, abb and aab
    assert hash_variants(KEY, "") == []


@pytest.fixture
def con(state: Path) -> duckdb.DuckDBPyConnection:
    connection = connect()
    prepare_variants(connection, "here")
    return connection


@pytest.mark.parametrize(
    ("part", "text", "normalised"),
    [
        ("name", "O'Neill", "oneill"),
        ("street", "12 High Street, Town, AB1 2CD", "high"),
        ("street", "Flat 3, 12a High St", "high"),
        ("street", "HIGH RD", "high"),
        ("street", "rear of 14 Church Hill", "churchhill"),
        ("street", "Old Mill Lane / Well Road", "oldmillwell"),
        ("street", "12 Rue de l'Église", "ruedeleglise"),
    ],
)
def test_variants_are_of_the_normalised_part(
    con: duckdb.DuckDBPyConnection, part: str, text: str, normalised: str
) -> None:
    found = scalar(con, f"select {variants_expression(part, '$text::varchar')}", {"text": text})
    assert found == hash_variants(derive_key("here", "variants"), normalised)


@pytest.mark.parametrize(("part", "text"), [("name", None), ("name", "-"), ("street", "12")])
def test_what_has_no_letters_has_no_variants(
    con: duckdb.DuckDBPyConnection, part: str, text: str | None
) -> None:
    assert (
        scalar(con, f"select {variants_expression(part, '$text::varchar')}", {"text": text}) is None
    )


def test_a_text_of_more_than_200_letters_has_no_variants_but_itself() -> None:
    """A text has as many variants as letters, each of its own length."""
    letters = "".join(map(chr, range(1000, 1201)))
    assert len(list_variants(letters[:200])) == 201
    assert list_variants(letters) == {letters}
