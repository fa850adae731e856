"""Mistyped words: a word that few logs have is read as a frequent one that is a typing error away.

Control rooms type fast. What stands in ten logs or more may be an abbreviation of the force's own
and stays as it is; what is rarer is mostly a slip, and by itself too rare to be learnt.
"""

from collections.abc import Collection, Sequence

from cdi.landing.variants import LEAST_LETTERS, list_variants


def correct_words(words: Sequence[str], known: Collection[str]) -> list[str]:
    """Replace each mistyped word by the known word that it was meant to be.

    Two words are a typing error apart if they share a variant (`cdi.landing.variants`). A word that
    is known, or too short, or like no known word, stays as it is. Of several known words the first
    in the alphabet is taken, so that a word is read the same among any others.

    Args:
        words: In lower case.
        known: Words that are written on purpose.
    """
    meant: dict[str, str] = {}
    for word in sorted(filter(_can_be_mistyped, known)):
        for variant in list_variants(word):
            meant.setdefault(variant, word)
    corrected = {word: word for word in known}

    def correct(word: str) -> str:
        if word not in corrected:
            variants = list_variants(word) if _can_be_mistyped(word) else ()
            corrected[word] = min(
                (meant[variant] for variant in variants if variant in meant), default=word
            )
        return corrected[word]

    return [correct(word) for word in words]


def _can_be_mistyped(word: str) -> bool:
    """With fewer letters a word is like too many others, and a number is like any other."""
    return len(word) >= LEAST_LETTERS and word.isalpha()
