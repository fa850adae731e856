"""Masks streets with a house number, which a pattern alone cannot tell from other numbers."""

import itertools
import re

from cdi.landing.text_words import (
    BEFORE_STREET,
    COUNTED,
    NO_STREETS,
    NUMBER,
    TIME,
    WORD,
    is_close_to,
    is_done,
)
from cdi.landing.word_kinds import ROLES, TOWNS, Kind, describe_word, fold, may_be_surname

ADDRESS = "[address]"


def allow_wide_blanks(pattern: str) -> str:
    """Let a pattern, which has no blank in a class, find what is typed with more blanks or tabs."""
    return pattern.replace(" ", r"[ \t]{1,3}")


# The pattern is written for DuckDB, which looks for texts that may have such a street.
MAY_BE_STREET = allow_wide_blanks(
    r"(?i)(?:\b(?:flat|apt|apartment|unit|room) \w+,? |\bu?\d+/)?\b(?:no)?\d+(?:-\d+|-?[a-z])?,? "
    r"((?:(?:\pL|['’.-])+ ){1,3})"
    r"(?:street|st|road|rd|lane|ln|avenue|ave|close|drive|court|place|square|terrace|crescent|"
    r"gardens|grove|boulevard|blvd|parkway|pkwy|highway|hwy|mews|cresc?|terr?|tce|trl|cir)\b"
)
# Python has another way to write a letter, and can leave out a sum: £20 ROBBED ON CHURCH STREET.
_SUM = r"(?<![£$€])(?<![£$€]\d,)(?<![£$€]\d\d,)(?<!\d\.)"
_STREET = re.compile(MAY_BE_STREET.replace("(?i)", f"(?i){_SUM}").replace(r"\pL", r"[^\W\d_]"))
# It ends at the first word for a street: "14 mill lane", and not "14 mill lane opposite st".
_SHORTEST = re.compile(_STREET.pattern.replace("{1,3})(?:street", "{1,3}?)(?:street"))
# "12 South Down Road" is a street. Within its name others may stand too: "3 Walton on Marsh Road".
_LAST_OF_ACCOUNT = BEFORE_STREET - {"down"}
_WITHIN_ACCOUNT = _LAST_OF_ACCOUNT - {"of", "via"}
_ARTICLES = frozenset({"a", "her", "his", "my", "the", "their"})
# Twelve of them would be boys or men, so "12 BOY LANE" is a street: but 2130 may be the time.
_ONE_COUNTED = frozenset({"boy", "child", "girl", "man", "person", "woman"})


def mask_streets(text: str) -> str:
    """Mask streets with the number of a house, but no account: 2 MALES FIGHTING IN STREET.

    Args:
        text: A text in which e-mail addresses and handles are masked already.
    """
    return _STREET.sub(_mask_street, text)


def _mask_street(match: re.Match[str]) -> str:
    if not _is_account(match):
        return ADDRESS
    shortest = _SHORTEST.match(match.string, match.start())
    if shortest and not _is_account(shortest):
        return ADDRESS + match.string[shortest.end() : match.end()]
    return match[0]


def _is_account(match: re.Match[str]) -> bool:
    words = [word for word in map(fold, WORD.findall(match[1])) if word not in _ARTICLES]
    return bool(words) and (
        (not COUNTED.isdisjoint(words[:2]) and not _is_name_of_counted(match, words))
        or words[-1] in _LAST_OF_ACCOUNT
        or f"{words[-1]} {fold(match[0].split()[-1])}" in NO_STREETS
        or any(map(is_done, words))
        or is_close_to(match.string, match.end(), _find_number(match))
        or any(
            word in _WITHIN_ACCOUNT and not _may_be_town(before)
            for before, word in itertools.pairwise(words)
        )
    )


def _is_name_of_counted(match: re.Match[str], words: list[str]) -> bool:
    """Whether what else is counted names a street: 7 Boys Close, 300 PERSON STREET."""
    if match[0][match.start(1) - match.start() :].istitle():
        return True
    number = _find_number(match)
    return words[-1] in _ONE_COUNTED and len(number) > 1 and not TIME.fullmatch(number)


def _find_number(match: re.Match[str]) -> str:
    return NUMBER.findall(match[0])[-1]


def _may_be_town(folded: str) -> bool:
    """Whether a word is none of an account, as that of a town is: henley in arden."""
    kind = describe_word(folded).kind
    return (
        kind >= Kind.UNKNOWN
        or (kind == Kind.MISTYPED and may_be_surname(folded))
        or folded in TOWNS
        or folded in ROLES["towns_with_on"]
    )
