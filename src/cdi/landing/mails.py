"""Masks an e-mail address that is typed with the word "at": jo at gmail.com."""

import re

from cdi.landing.names import is_no_name
from cdi.landing.word_kinds import ROLES, fold

# At a house of mail, as "looked at amazon.co.uk" is none. The pattern is written for DuckDB, which
# looks for texts that may have such an address.
MAY_BE_MAIL_AT_HOUSE = (
    r"(?i)([^\s@]*\pL[\pL\d]*) at (?:gmail|googlemail|hotmail|outlook|yahoo|icloud|live|aol|"
    r"btinternet|sky)(?:\.\pL{2,3}){1,2}\b"
)
# Python has another way to write a letter.
_MAIL_AT_HOUSE = re.compile(
    MAY_BE_MAIL_AT_HOUSE.replace(r"[\pL\d]", r"[^\W_]").replace(r"\pL", r"[^\W\d_]")
)
_BEFORE_MAIL_HOUSE = ROLES["before_mail_house"]


def mask_mails_at_house(text: str) -> str:
    """Mask an e-mail address at a house of mail, but no account: EMAIL HACKED AT HOTMAIL.COM.

    Args:
        text: A text in which other e-mail addresses are masked already.
    """
    return _MAIL_AT_HOUSE.sub(_mask_mail, text)


def _mask_mail(match: re.Match[str]) -> str:
    is_account = len(match[1]) > 1 and (
        is_no_name(match[1]) or fold(match[1]) in _BEFORE_MAIL_HOUSE
    )
    return match[0] if is_account else "[email]"
