"""Finds names by their capitals, which regular expressions cannot: whole logs are in capitals.

A word that begins with a capital or consists of them is taken for a name if no word list has it
(``words/``) and if it also stands beside another such word, behind a word for a person ("EX
DARREN"), or in front of a word for speaking ("DARREN STATES"). Two kinds of names need more:

- What may be a mistyped word (CHEN, "then") is only found beside a name, or where a name is
  announced ("NAMED CHEN"), unless it is a common given name. Logs are typed in haste.
- A name that is a word as well (Mark, Rose) is only found beside a name, or, if it is a given name,
  behind a word for a person.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from string import ascii_lowercase

import yaml

WORDS = Path(__file__).parent / "words"
NAME, ADDRESS = "[name]", "[address]"

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_PART = re.compile(r"[^\W\d_]+")
_VOWEL = re.compile(r"[aeiouy]")
_BLANK = re.compile(r"[ \t]{1,3}")
_COMMA = re.compile(r"[ \t]?,[ \t]{0,2}")
_LINK = re.compile(r"[ \t]?[,:;=-]?[ \t]{0,2}")
_HOUSE = re.compile(r"\d{1,4}[A-Za-z]?,?[ \t]{1,3}$")

_ROLES = {
    name: frozenset(words.split())
    for name, words in yaml.safe_load((WORDS / "roles.yaml").read_text(encoding="utf-8")).items()
}
_PERSONS, _BETWEEN = _ROLES["persons"], _ROLES["between"]
_ANNOUNCING, _BETWEEN_ANNOUNCING = _ROLES["announcing"], _ROLES["between_announcing"]
_SPEAKING = _ROLES["speaking"]
_GIVEN_NAMES_AND_WORDS = _ROLES["given_names_and_words"]
_SURNAMES_AND_WORDS = _ROLES["surnames_and_words"]
_STREETS, _BEFORE_STREET = _ROLES["streets"], _ROLES["before_street"]
_NO_STREET = _ROLES["no_street"] | _BEFORE_STREET


@functools.cache
def _read_words(*lists: str) -> frozenset[str]:
    words: set[str] = set()
    for name in lists:
        for line in (WORDS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                words.update(line.split())
    return frozenset(words)


def _one_edit_away(word: str) -> Iterator[str]:
    """Give what a word may have been before one sign was typed wrongly."""
    for place in range(len(word) + 1):
        head, tail = word[:place], word[place:]
        yield head + tail[1:]
        yield head + tail[1:2] + tail[:1] + tail[2:]
        for letter in ascii_lowercase:
            yield head + letter + tail
            yield head + letter + tail[1:]


class Kind(IntEnum):
    """What a word is, by the word lists alone."""

    KNOWN = 0
    MISTYPED = 1
    UNKNOWN = 2
    GIVEN = 3


# A control room uses few words, so answers are kept, in the memory of the process alone.
@functools.lru_cache(maxsize=50_000)
def _find_kind(word: str) -> Kind:
    folded = unicodedata.normalize("NFD", word.casefold())
    folded = "".join(sign for sign in folded if not unicodedata.combining(sign))
    known = _read_words("english", "control_room")
    parts = [part for part in _PART.findall(folded) if len(part) > 1]
    if all(part in known for part in parts) or len(folded) < 3 or not _VOWEL.search(folded):
        return Kind.KNOWN  # or an abbreviation
    if not _read_words("given_names").isdisjoint(parts):
        return Kind.GIVEN
    return Kind.UNKNOWN if known.isdisjoint(_one_edit_away(folded)) else Kind.MISTYPED


class _Words:
    """The words of a text, and what stands between them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.spans = [match.span() for match in _WORD.finditer(text)]
        self.words = [text[start:end] for start, end in self.spans]
        self.folded = [word.casefold() for word in self.words]
        self.kinds = [
            _find_kind(word) if word[0].isupper() and not self._is_mask(place) else Kind.KNOWN
            for place, word in enumerate(self.words)
        ]

    def _is_mask(self, place: int) -> bool:
        start, end = self.spans[place]
        return self.text[start - 1 : start] == "[" and self.text[end : end + 1] == "]"

    def are_joined(self, place: int, gap: re.Pattern[str]) -> bool:
        """Whether only such a gap is between a word and the next."""
        if not 0 <= place < len(self.words) - 1:
            return False
        return bool(gap.fullmatch(self.text, self.spans[place][1], self.spans[place + 1][0]))

    def list_neighbours(self, place: int, gap: re.Pattern[str]) -> Iterator[int]:
        """Give the places beside a word, as far as only such a gap is between."""
        if self.are_joined(place - 1, gap):
            yield place - 1
        if self.are_joined(place, gap):
            yield place + 1

    def is_behind(self, place: int, words: frozenset[str], between: frozenset[str]) -> bool:
        """Whether one of some words stands before a word, with at most four others between."""
        for before in range(place - 1, max(place - 6, -1), -1):
            if not self.are_joined(before, _LINK):
                return False
            if self.folded[before] in words:
                return True
            is_forename = before == place - 1 and self.kinds[before] == Kind.MISTYPED
            if self.folded[before] not in between and not is_forename:
                return False
        return False

    def is_name(self, place: int) -> bool:
        """Whether a word is a name for itself, whatever its neighbours are."""
        kind = self.kinds[place]
        if kind == Kind.MISTYPED:
            return self.is_behind(place, _ANNOUNCING, _BETWEEN_ANNOUNCING)
        if kind == Kind.KNOWN:
            return self.is_given_and_word(place) and self.is_behind(place, _PERSONS, _BETWEEN)
        least = Kind.MISTYPED if kind == Kind.GIVEN else Kind.UNKNOWN
        is_beside_another = any(
            self.kinds[beside] >= least or self.is_given_and_word(beside)
            for beside in self.list_neighbours(place, _BLANK)
        ) or any(self.kinds[beside] >= least for beside in self.list_neighbours(place, _COMMA))
        is_speaking = self.are_joined(place, _BLANK) and self.folded[place + 1] in _SPEAKING
        return is_beside_another or is_speaking or self.is_behind(place, _PERSONS, _BETWEEN)

    def is_given_and_word(self, place: int) -> bool:
        """Whether a word may be a given name, and begins with a capital."""
        return self.folded[place] in _GIVEN_NAMES_AND_WORDS and self.words[place][0].isupper()

    def may_join_name(self, place: int) -> bool:
        """Whether a word belongs to a name that stands beside it."""
        if self.kinds[place] != Kind.KNOWN or self.is_given_and_word(place):
            return True
        return self.folded[place] in _SURNAMES_AND_WORDS and self.words[place][0].isupper()

    def find_names(self) -> set[int]:
        """Find the places of names."""
        names = {place for place in range(len(self.words)) if self.is_name(place)}
        joining = set()
        for place in names:
            neighbours = set(self.list_neighbours(place, _BLANK))
            # A name of two words is whole: what follows it may be mistyped.
            if names.isdisjoint(neighbours):
                joining |= {beside for beside in neighbours if self.may_join_name(beside)}
        return names | joining

    def find_streets(self) -> list[tuple[int, int, int]]:
        """Find streets: the places of their first and last word, and where they begin.

        A street begins with the number of the house, if there is one.
        """
        streets = []
        for place, word in enumerate(self.folded):
            if word not in _STREETS or not self.words[place][0].isupper():
                continue
            first = place
            while (
                first > max(place - 3, 0)
                and self.are_joined(first - 1, _BLANK)
                and self.folded[first - 1] not in _NO_STREET
                and not self.folded[first - 1].endswith(("'s", "’s"))
                and self.words[first - 1][0].isupper()
            ):
                first -= 1
            start = self.spans[first][0]
            house = _HOUSE.search(self.text, max(start - 9, 0), start)
            is_announced = (
                self.are_joined(first - 1, _BLANK) and self.folded[first - 1] in _BEFORE_STREET
            )
            if first < place and (house or is_announced):
                streets.append((first, place, house.start() if house else start))
        return streets


def mask_names(text: str) -> str:
    """Mask names and streets that capitals give away.

    Args:
        text: A text; what else is personal in it is masked already.
    """
    words = _Words(text)
    streets = words.find_streets()
    masks = [(start, words.spans[last][1], ADDRESS) for _, last, start in streets]
    in_streets = {place for first, last, _ in streets for place in range(first, last + 1)}
    previous = -1
    for place in sorted(words.find_names() - in_streets):
        start, end = words.spans[place]
        if previous == place - 1 and words.are_joined(previous, _BLANK):
            start = masks.pop()[0]
        masks.append((start, end, NAME))
        previous = place
    for start, end, mask in sorted(masks, reverse=True):
        text = text[:start] + mask + text[end:]
    return text
