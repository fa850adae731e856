"""The words of a free text, and what stands between them; and the streets among them."""

import re
from collections.abc import Iterator

from cdi.landing.word_kinds import PERSONS, PLACES, ROLES, Kind, describe_word

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
# R/P, I/P, S/O and D/O are one word each, and so is B/M
_WORD_OR_ROLE = re.compile(rf"\b(?:[RrIiSsDd]/[PpOo]|[A-Z]/[MF])\b|{WORD.pattern}")
# what may stand between a word and the next
BLANK = re.compile(r"[ \t]{1,3}")
DOTTED = re.compile(r"\.?[ \t]{0,3}")
# a sign, a quote or an officer's number may stand between a word for a person and the name
_LINK = re.compile(r"[ \t]?[,:;=-]?[ \t]{0,2}[\"“”'(]?|[ \t]#?\d{2,6}[ \t]")
_HOUSE = re.compile(r"(?:\b[Uu]?\d{1,4}/)?\b\d{1,5}[A-Za-z]?,?[ \t]{1,3}$")

NUMBER = re.compile(r"\d+")
TIME = re.compile(r"(?:[01]\d|2[0-3])[0-5]\d")
# With small letters and a capital it is a street: from Mill Close to the park.
_CLOSE_TO = re.compile(r"\b(?:close[ \t]+(?:to|by)|CLOSE[ \t]+(?:TO|BY))\b")

_STREETS = ROLES["streets"]
BEFORE_STREET = ROLES["before_street"]
COUNTED = ROLES["counted"]
_NO_STREET = ROLES["no_street"] | COUNTED | BEFORE_STREET
NO_STREETS = ROLES["no_streets"]
LAST_OF_STREET = _STREETS | ROLES["street_ends"]
_WITH_DOT = ROLES["with_dot"]
_PHRASES = frozenset(tuple(phrase.split()) for phrase in PLACES["phrases"])
_FIRST_OF_PHRASES = frozenset(phrase[0] for phrase in _PHRASES)
_DONE = re.compile(r"\w{2,}[^\We]ed")


def is_done(folded: str) -> bool:
    """Whether a word tells what happened, as one of a street hardly does: 3 ARRESTED MILL LANE."""
    return folded in ROLES["no_streets_with"] or (
        _DONE.fullmatch(folded) is not None
        and describe_word(folded).kind == Kind.KNOWN
        and folded not in ROLES["streets_with_ed"]
    )


def is_close_to(text: str, end: int, number: str | None) -> bool:
    """Whether "close" is no street where it ends: AT 2130 ROBBED CLOSE TO SHOP.

    Args:
        text: A text.
        end: Where the last word of what may be a street ends.
        number: The number in front. If it is no time of the day, it is one of a house:
            14 mill close to the park.
    """
    return (number is None or TIME.fullmatch(number) is not None) and bool(
        _CLOSE_TO.match(text, max(end - len("close"), 0))
    )


def _split_role(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Give the span of a word; two if a word for a person is tied to it (IP-JOHNSON)."""
    hyphen = text.find("-", start, end)
    if hyphen > 0 and text[start:hyphen].casefold() in PERSONS:
        yield start, hyphen
        start = hyphen + 1
    yield start, end


class Words:
    """The words of a text, and what stands between them."""

    def __init__(self, text: str) -> None:
        """Find the words of a text, and look each of them up."""
        self.text = text
        pattern = _WORD_OR_ROLE if "/" in text else WORD
        self.spans = [match.span() for match in pattern.finditer(text)]
        if "-" in text:
            self.spans = [part for span in self.spans for part in _split_role(text, *span)]
        self.words = [text[start:end] for start, end in self.spans]
        self.facts = [describe_word(word) for word in self.words]
        self.folded = [fact.folded for fact in self.facts]
        self.capital = [word[0].isupper() for word in self.words]
        self.kinds = [
            fact.kind if capital else Kind.KNOWN
            for fact, capital in zip(self.facts, self.capital, strict=True)
        ]
        if not text.isupper():
            self._trust_capitals()
        self.candidates = [place for place, fact in enumerate(self.facts) if fact.is_candidate]
        if "[" in text:
            self.candidates = [place for place in self.candidates if not self._is_mask(place)]
        if not _FIRST_OF_PHRASES.isdisjoint(self.folded):
            self._take_phrases()

    def _trust_capitals(self) -> None:
        """Take no word for mistyped whose capital is no matter of course: youth Fionn."""
        for place, kind in enumerate(self.kinds):
            if kind == Kind.MISTYPED and place and not self.words[place].isupper():
                end, start = self.spans[place - 1][1], self.spans[place][0]
                if self.words[place - 1].islower() and BLANK.fullmatch(self.text, end, start):
                    self.kinds[place] = Kind.UNKNOWN

    def _is_mask(self, place: int) -> bool:
        start, end = self.spans[place]
        return self.text[start - 1 : start] == "[" and self.text[end : end + 1] == "]"

    def _take_phrases(self) -> None:
        """Take the words of a shop or a make of several words for known (Wells Fargo)."""
        for place, word in enumerate(self.folded):
            if word not in _FIRST_OF_PHRASES:
                continue
            for length in (2, 3, 4):
                phrase = tuple(self.folded[place : place + length])
                if phrase in _PHRASES:
                    for known in range(place, place + len(phrase)):
                        self.kinds[known], self.capital[known] = Kind.KNOWN, False

    def are_joined(self, place: int, gap: re.Pattern[str]) -> bool:
        """Whether only such a gap is between a word and the next."""
        if not 0 <= place < len(self.words) - 1:
            return False
        return bool(gap.fullmatch(self.text, self.spans[place][1], self.spans[place + 1][0]))

    def are_in_one_name(self, place: int) -> bool:
        """Whether a word and the next are parts of one name; a dot may end an initial."""
        gap = DOTTED if len(self.words[place]) == 1 else BLANK
        return self.are_joined(place, gap)

    def list_neighbours(self, place: int, gap: re.Pattern[str]) -> Iterator[int]:
        """Give the places beside a word, as far as only such a gap is between."""
        if self.are_joined(place - 1, gap):
            yield place - 1
        if self.are_joined(place, gap):
            yield place + 1

    def is_behind(self, place: int, words: frozenset[str], between: frozenset[str]) -> bool:
        """Whether one of some words stands before a word, with at most four others between."""
        for before in range(place - 1, max(place - 6, -1), -1):
            dotted = self.folded[before] in _WITH_DOT and self.are_joined(before, DOTTED)
            if not dotted and not self.are_joined(before, _LINK):
                return False
            if self.folded[before] in words:
                return True
            is_forename = before == place - 1 and self.kinds[before] == Kind.MISTYPED
            if self.folded[before] not in between and not is_forename:
                return False
        return False

    def find_streets(self) -> list[tuple[int, int, int]]:
        """Find streets: the places of their first and last word, and where they begin.

        A street begins with the number of the house, if there is one.
        """
        streets = []
        for place, word in enumerate(self.folded):
            if word not in LAST_OF_STREET or not self.words[place][0].isupper():
                continue
            if f"{self.folded[place - 1]} {word}" in NO_STREETS:
                continue
            first = place
            while (
                first > max(place - 3, 0)
                and self.are_joined(first - 1, BLANK)
                and self.folded[first - 1] not in _NO_STREET
                and not is_done(self.folded[first - 1])
                and not self.words[first - 1].casefold().endswith(("'s", "’s"))
                and self.words[first - 1][0].isupper()
            ):
                first -= 1
            start = self.spans[first][0]
            house = _HOUSE.search(self.text, max(start - 9, 0), start)
            number = NUMBER.findall(house[0])[-1] if house else None
            if is_close_to(self.text, self.spans[place][1], number):
                continue
            is_announced = (
                word in _STREETS
                and self.are_joined(first - 1, BLANK)
                and self.folded[first - 1] in BEFORE_STREET
            )
            is_institution = not house and any(
                self.are_joined(after - 1, BLANK) and self.folded[after] in PLACES["institutions"]
                for after in (place + 1, place + 2)
            )
            if first < place and (house or is_announced) and not is_institution:
                streets.append((first, place, house.start() if house else start))
        return streets
