"""Masks an e-mail address that is typed with the word "at": jo at gmail.com."""

import itertools
import re

from cdi.landing.names import is_no_name
from cdi.landing.word_kinds import ROLES, fold

# At a house of mail, as "looked at amazon.co.uk" is none. The pattern is written for DuckDB, which
# looks for texts that may have such an address.
MAY_BE_MAIL_AT_HOUSE = (
    r"(?i)([^\s@]*\pL[\pL\d]*) at (?:gmail|googlemail|hotmail|outlook|yahoo|icloud|live|aol|"
    r"btinternet|sky)(?:\.\pL{2,3}){1,2}\b"
)
# Python takes each word whole, with what follows it if that is such a house: its patterns, other
# than those of DuckDB, would try each letter of a long word as the beginning and each as the end.
_WORD_AT_HOUSE = re.compile(
    r"([^\s@]++)"
    + MAY_BE_MAIL_AT_HOUSE.replace(r"(?i)([^\s@]*\pL[\pL\d]*)", "(").replace(r"\pL", r"[^\W\d_]")
    + ")?",
    re.IGNORECASE,
)
_BEFORE_MAIL_HOUSE = ROLES["before_mail_house"]


def mask_mails_at_house(text: str) -> str:
    """Mask an e-mail address at a house of mail, but no account: EMAIL HACKED AT HOTMAIL.COM.

    Args:
        text: A text in which other e-mail addresses are masked already.
    """
    return _WORD_AT_HOUSE.sub(_mask_mail, text)


def _mask_mail(match: re.Match[str]) -> str:
    if match[2] is None or not _ends_with_letter(match[1]):
        return match[0]
    is_account = len(match[1]) > 1 and (
        is_no_name(match[1]) or fold(match[1]) in _BEFORE_MAIL_HOUSE
    )
    return match[0] if is_account else "[email]"


def _ends_with_letter(word: str) -> bool:
    """Whether a word ends with a letter, or with digits behind one."""
    end = itertools.takewhile(str.isalnum, reversed(word))
    return any(not sign.isdecimal() for sign in end)
