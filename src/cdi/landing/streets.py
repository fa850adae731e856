"""Masks streets with a house number, which a pattern alone cannot tell from other numbers."""

import re

from cdi.landing.text_words import BEFORE_STREET, COUNTED
from cdi.landing.word_kinds import fold

ADDRESS = "[address]"


def allow_wide_blanks(pattern: str) -> str:
    """Let a pattern, which has no blank in a class, find what is typed with more blanks or tabs."""
    return pattern.replace(" ", r"[ \t]{1,3}")


# The pattern is written for DuckDB, which looks for texts that may have such a street.
MAY_BE_STREET = allow_wide_blanks(
    r"(?i)(?:\b(?:flat|apt|apartment|unit|room) \w+,? |\bu?\d+/)?\b\d+[a-z]?,? "
    r"((?:(?:\pL|['’.-])+ ){1,3})"
    r"(?:street|st|road|rd|lane|ln|avenue|ave|close|drive|court|place|square|terrace|crescent|"
    r"gardens|grove|boulevard|blvd|parkway|pkwy|highway|hwy|mews|cresc?|terr?|tce|trl|cir)\b"
)
# Python has another way to write a letter.
_STREET = re.compile(MAY_BE_STREET.replace(r"\pL", r"[^\W\d_]"))
_WORD = re.compile(r"[^\W\d_]+")
# "12 South Down Road" is a street. Within its name others may stand too: "3 Walton on Marsh Road".
_LAST_OF_ACCOUNT = BEFORE_STREET - {"down"}
_WITHIN_ACCOUNT = _LAST_OF_ACCOUNT - {"of", "off", "on", "via"}
_ARTICLES = frozenset({"a", "her", "his", "my", "the", "their"})


def mask_streets(text: str) -> str:
    """Mask streets with the number of a house, but no account: 2 MALES FIGHTING IN STREET.

    Args:
        text: A text in which e-mail addresses and handles are masked already.
    """
    return _STREET.sub(_mask_street, text)


def _mask_street(match: re.Match[str]) -> str:
    words = [word for word in map(fold, _WORD.findall(match[1])) if word not in _ARTICLES]
    is_account = bool(words) and (
        words[0] in COUNTED
        or words[-1] in _LAST_OF_ACCOUNT
        or not _WITHIN_ACCOUNT.isdisjoint(words[1:])
    )
    return match[0] if is_account else ADDRESS
