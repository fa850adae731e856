"""What a word may be by the word lists alone (``words/``): known, mistyped, or a name."""

import functools
import re
import unicodedata
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from string import ascii_lowercase
from typing import NamedTuple

import yaml

WORDS = Path(__file__).parent / "words"

_PART = re.compile(r"[^\W\d_]+")
_VOWEL = re.compile(r"[aeiouy]")


def read_word_lists(file: str) -> dict[str, frozenset[str]]:
    """Read the lists of a file of `words/`, by their names; a list of phrases has one a line."""
    content = yaml.safe_load((WORDS / file).read_text(encoding="utf-8"))
    return {
        name: frozenset(words.split() if isinstance(words, str) else words)
        for name, words in content.items()
    }


ROLES = read_word_lists("roles.yaml")
PLACES = read_word_lists("places_and_brands.yaml")
PERSONS, TOWNS = ROLES["persons"], PLACES["towns"]
BRANDS = PLACES["makes"] | PLACES["models"] | PLACES["brands"]
GIVEN_NAMES_AND_WORDS = ROLES["given_names_and_words"]
GIVEN_NAMES_IN_ROWS = ROLES["given_names_in_rows"] | GIVEN_NAMES_AND_WORDS
SURNAMES_AND_WORDS = ROLES["surnames_and_words"]


@functools.cache
def _read_words(*lists: str) -> frozenset[str]:
    words: set[str] = set()
    for name in lists:
        for line in (WORDS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                words.update(line.split())
    return frozenset(words)


def read_known_words() -> frozenset[str]:
    """Read the words that are taken for no name: English, and what control rooms write."""
    return _read_words("english", "control_room")


def _one_edit_away(word: str) -> Iterator[str]:
    """Give what a word may have been before one sign was typed wrongly.

    A word that is longer than any known one by more than a sign is none of them, mistyped.
    """
    if len(word) > _longest_word() + 1:
        return
    for place in range(len(word) + 1):
        head, tail = word[:place], word[place:]
        yield head + tail[1:]
        yield head + tail[1:2] + tail[:1] + tail[2:]
        for letter in ascii_lowercase:
            yield head + letter + tail
            yield head + letter + tail[1:]


@functools.cache
def _longest_word() -> int:
    return max(map(len, read_known_words()))


class Kind(IntEnum):
    """What a word is, by the word lists alone."""

    KNOWN = 0
    MISTYPED = 1
    UNKNOWN = 2
    GIVEN = 3


def fold(word: str) -> str:
    """Write a word in small letters without accents."""
    if word.isascii():
        return word.lower()
    folded = unicodedata.normalize("NFD", word.casefold())
    return "".join(sign for sign in folded if not unicodedata.combining(sign))


@functools.cache
def _read_given_names() -> frozenset[str]:
    return _read_words("given_names", "given_names_common", "given_names_rare")


@functools.cache
def _read_given_names_and_words() -> frozenset[str]:
    return _read_given_names() | GIVEN_NAMES_AND_WORDS


def may_be_surname(folded: str) -> bool:
    """Whether a word is among the common surnames, of which many look like mistyped words."""
    return folded in _read_words("surnames")


class Word(NamedTuple):
    """What a word is by the lists, if it begins with a capital and if it does not."""

    folded: str
    #: without the 's of an owner
    base: str
    kind: Kind
    #: hardly anything but a given name, wherever it stands
    is_given_name: bool
    #: the same, in small letters
    is_small_given_name: bool
    #: whether it may be (a part of) a name at all
    is_candidate: bool


# A control room uses few words, so answers are kept, in the memory of the process alone.
@functools.lru_cache(maxsize=50_000)
def describe_word(word: str) -> Word:
    """Look a word up in the lists."""
    folded = fold(word)
    base = folded.removesuffix("'s").removesuffix("’s") if folded not in BRANDS else folded
    kind = _find_kind(folded)
    is_given, looks_mistyped = False, False
    if kind == Kind.GIVEN and folded not in TOWNS:
        parts = {part for part in _PART.findall(folded) if part not in TOWNS}
        looks_mistyped = not read_known_words().isdisjoint(_one_edit_away(folded))
        common = _read_words("given_names") if looks_mistyped else _read_common_given_names()
        is_given = not common.isdisjoint(parts) or (
            len(parts) > 1 and parts <= GIVEN_NAMES_AND_WORDS
        )
    is_candidate = (
        kind != Kind.KNOWN
        or base in GIVEN_NAMES_IN_ROWS
        or base in SURNAMES_AND_WORDS
        or base in ROLES["surnames_behind_rank_only"]
        or (len(folded) == 1 and word.isupper())
    )
    return Word(folded, base, kind, is_given, is_given and not looks_mistyped, is_candidate)


def _read_common_given_names() -> frozenset[str]:
    return _read_words("given_names", "given_names_common")


def _find_kind(folded: str) -> Kind:
    known = read_known_words()
    parts = [part for part in _PART.findall(folded) if len(part) > 1]
    if len(parts) > 1 and all(part in _read_given_names_and_words() for part in parts):
        return Kind.GIVEN  # LILY-ROSE
    # An abbreviation has no vowel, but in another script nobody knows it by that.
    is_short = len(folded) < 3 or (folded.isascii() and not _VOWEL.search(folded))
    if is_short or all(part in known for part in parts):
        return Kind.KNOWN
    if folded in BRANDS or folded in PERSONS:
        return Kind.KNOWN
    if not _read_given_names().isdisjoint(parts):
        return Kind.GIVEN
    if folded in TOWNS:
        return Kind.KNOWN
    return Kind.UNKNOWN if known.isdisjoint(_one_edit_away(folded)) else Kind.MISTYPED
