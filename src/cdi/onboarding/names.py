"""How well the name of a source column fits a canonical column, by the synonyms of the field."""

import re

from cdi.onboarding.profile import split_words
from cdi.onboarding.rules import read_rules

# How well a name fits, from 0 to 1: the whole name is a phrase of the field, or it holds one.
_WHOLE = {"strong": 1.0, "weak": 0.75}
_PART = {"strong": 0.5, "weak": 0.2}
_PART_MORE = 0.35  # times the share of the name's words that the phrase has
_NUMBER = ("number", "num", "no", "nr", "nbr")  # ways to write the word; `#` is one as well
_SHORT_WORDS = {
    **dict.fromkeys(_NUMBER, "number"),
    "cd": "code",
    **dict.fromkeys(("desc", "descr"), "description"),
}


def score_name(dataset: str, column: str, header: str) -> float:
    """Score how well the name of a source column fits a canonical column.

    Args:
        dataset: `calls` or `crime_records`.
        column: The canonical column.
        header: The name of the source column as delivered.

    Returns:
        A number from 0 to 1.
    """
    words = _spell_out(split_words(header.replace("#", " number ")))
    squeezed = re.sub(r"[^a-z0-9]", "", header.lower())
    best = float(squeezed == column.replace("_", ""))
    for rule in read_rules("column_synonyms"):
        if rule["column"] != column or rule["dataset"] not in (dataset, "*"):
            continue
        phrase = _spell_out(rule["phrase"].split())
        squeezed_phrases = _squeeze(phrase)
        if words == phrase or squeezed in squeezed_phrases:
            best = max(best, _WHOLE[rule["strength"]])
        elif _holds(words, phrase):
            part = _PART[rule["strength"]] + _PART_MORE * len(phrase) / len(words)
            best = max(best, part)
        elif not squeezed_phrases.isdisjoint(words):
            best = max(best, _PART[rule["strength"]] + _PART_MORE / len(words))
    return best


def _spell_out(words: list[str]) -> list[str]:
    """Write each word of `_SHORT_WORDS` in full."""
    return [_SHORT_WORDS.get(word, word) for word in words]


def _squeeze(phrase: list[str]) -> set[str]:
    """List the ways to write a phrase as one word: `callnumber`, `callno`."""
    if phrase[-1] != "number":
        return {"".join(phrase)}
    return {"".join(phrase[:-1]) + word for word in _NUMBER}


def _holds(words: list[str], phrase: list[str]) -> bool:
    """Whether the words of a phrase stand in a row among the words of a name."""
    return any(
        words[start : start + len(phrase)] == phrase
        for start in range(len(words) - len(phrase) + 1)
    )
