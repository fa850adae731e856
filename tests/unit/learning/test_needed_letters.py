"""Letters that the lexicon's phrases need: no text that a phrase matches is without them."""

import csv
import re
import string
from collections.abc import Sequence
from functools import cache
from re import _constants as kinds  # the only other reader of the patterns, and a well-tried one
from re import _parser as parser
from typing import Any

import numpy as np
import pytest

from cdi import paths
from cdi.learning.needed_letters import list_needed_letters, needed_letters
from tests.lexicon_by_hand import phrases

CHARACTERS = "aoxz05_ -'.,;:&/)£é"  # what texts are made of, and letters of several bytes


@pytest.mark.parametrize(
    ("pattern", "needed"),
    [
        ("stolen", {"stolen"}),
        ("(?:stolen|taken) from", {"stolen", "taken"}),
        ("taken (?:off|from) her", {"taken"}),
        ("gang rape|buggered", {"gang", "buggered"}),
        ("colou?r", {"colo"}),
        ("(?:very )?drunk", {"drunk"}),
        ("(?:very ){0,2}sad", {"sad"}),
        ("(?:very ){1,2}sad", {"very"}),
        ("(?:stolen )+car", {"stolen"}),
        (r"disclos\w+ it", {"disclos"}),
        (r"a\wtacked", {"tacked"}),
        ("wom[ae]n", {"wom"}),
        ("{thing} gone", {"phone", "purse"}),
        ("{thing}? gone", {"gone"}),
        ("(?:hit|(?:broken|off) {thing})s", {"hit", "phone", "purse"}),
    ],
)
def test_letters_that_stand_in_whatever_a_pattern_matches(pattern: str, needed: set[str]) -> None:
    assert needed_letters(pattern, {"thing": frozenset({"phone", "purse"})}) == needed


@pytest.mark.parametrize(
    "pattern",
    [
        "0300 ?123",
        r"\w+",
        "(?:stolen)?",
        "(?:stolen|)",
        r"(?:stolen|\d+)",
        "{unknown}",
        # what follows is not understood
        "(?i:stolen)",
        r"stolen\x41",
        r"\Qstolen?\E",
        "stolen[]a]",
        "stolen{,2}",
        "(?:stolen",
        "stolen)|(?:x",
    ],
)
def test_a_pattern_that_can_do_without_or_is_not_understood_needs_nothing(pattern: str) -> None:
    assert needed_letters(pattern, {}) == set()


def test_an_entry_needs_the_letters_of_one_of_its_phrases_and_terms_may_use_terms() -> None:
    listed = list_needed_letters(
        [
            ("theft", "account", "{all} gone"),
            ("theft", "account", "nicked"),
            ("free", "closing", "nicked"),
            ("free", "closing", r"\d+"),
        ],
        [("all", "{one}|keys"), ("one", "wallets?")],
    )
    assert [tuple(row.values()) for row in listed] == [
        ("theft", "account", "keys"),
        ("theft", "account", "nicked"),
        ("theft", "account", "wallet"),
        ("free", "closing", ""),
    ]


CATEGORIES = {
    kinds.CATEGORY_WORD: r"\w",
    kinds.CATEGORY_NOT_WORD: r"\W",
    kinds.CATEGORY_SPACE: r"\s",
    kinds.CATEGORY_NOT_SPACE: r"\S",
    kinds.CATEGORY_DIGIT: r"\d",
}


def is_one_of(character: str, members: tuple[Any, ...]) -> bool:
    """Whether a character belongs to a class, as Python's parser lists its members."""
    found = False
    for kind, value in members:
        if kind is kinds.LITERAL:
            found |= ord(character) == value
        elif kind is kinds.RANGE:
            found |= value[0] <= ord(character) <= value[1]
        elif kind is kinds.CATEGORY:
            found |= bool(re.match(CATEGORIES[value], character, re.ASCII))
        else:
            assert kind is kinds.NEGATE, kind
    return found != (members[0][0] is kinds.NEGATE)


@cache
def characters_of(members: tuple[Any, ...]) -> list[str]:
    return [one for one in CHARACTERS + string.printable if is_one_of(one, members)]


def one_of(some: Sequence[Any], chance: np.random.Generator) -> Any:
    return some[chance.integers(len(some))]


def write(parsed: Any, chance: np.random.Generator) -> str:
    """A text that a parsed pattern matches, if edges of words are where it wants them."""
    text = ""
    for kind, value in parsed:
        if kind is kinds.LITERAL:
            text += chr(value)
        elif kind is kinds.NOT_LITERAL:
            text += one_of(CHARACTERS.replace(chr(value), ""), chance)
        elif kind is kinds.ANY:
            text += one_of(CHARACTERS, chance)
        elif kind is kinds.IN:
            text += one_of(characters_of(tuple(value)), chance)
        elif kind is kinds.BRANCH:
            text += write(one_of(value[1], chance), chance)
        elif kind is kinds.SUBPATTERN:
            text += write(value[-1], chance)
        elif kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT):
            least, most, repeated = value
            for _ in range(chance.integers(least, min(most, least + 2) + 1)):
                text += write(repeated, chance)
        else:
            assert kind is kinds.AT, kind
    return text


def seed(name: str, *columns: str) -> list[Any]:
    with (paths.DBT_PROJECT / "seeds" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return [tuple(row[column] for column in columns) for row in csv.DictReader(file)]


def test_each_text_that_a_phrase_of_the_lexicon_matches_has_letters_of_its_entry() -> None:
    chance = np.random.default_rng(7)
    needed: dict[str, list[str]] = {}
    rows = seed("lexicon", "lexicon_id", "part", "pattern")
    for row in list_needed_letters(rows, seed("lexicon_terms", "term", "words")):
        needed.setdefault(row["lexicon_id"], []).append(row["letters"])
    written = set()
    for (_, _, lexicon_id), some in phrases().items():
        for phrase in some:
            parsed = parser.parse(phrase.pattern)
            for text in (write(parsed, chance) for _ in range(20)):
                if phrase.search(text):
                    written.add(phrase)
                    is_read = any(letters in text for letters in needed[lexicon_id])
                    assert is_read, f"{lexicon_id} is not looked for in {text!r}"
    # most phrases were put to the proof, and most entries need something, so this proves something
    assert len(written) > 0.98 * len(rows)
    assert sum(letters == [""] for letters in needed.values()) < 0.02 * len(needed)
