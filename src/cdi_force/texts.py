"""The phrase bank: each phrase in several variants, drawn by (kind, subject, half).

A variant fills the slots of a phrase; some variants abbreviate as control rooms do, and some have a
typing error. Variants are made once, from the phrases alone, so that the text of a log is a few
numbers until it is written to a file.
"""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cdi_force.scenario import Phrase, Words

Ints = NDArray[np.int32]
VARIANTS = 8
HALVES = ("A", "B")


def _misspell_word(text: str, words_of_scenario: Words, rng: np.random.Generator) -> str:
    """Mistype one of the longer words, if the text has one."""
    words, keys = text.split(" "), words_of_scenario.neighbouring_keys
    long_words = [i for i, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long_words:
        return text
    chosen = int(rng.choice(long_words))
    word = words[chosen]
    place = int(rng.integers(1, len(word) - 1))
    slips = (
        word[:place] + word[place + 1] + word[place] + word[place + 2 :],  # swapped
        word[:place] + word[place + 1 :],  # left out
        word[:place] + word[place] + word[place:],  # doubled
        word[:place] + keys.get(word[place], word[place]) + word[place + 1 :],
    )
    words[chosen] = slips[int(rng.integers(len(slips)))]
    return " ".join(words)


def _fill_slots(
    text: str, subject: str, is_domestic: bool, words: Words, rng: np.random.Generator
) -> str:
    items: Literal["shop", "damage", "vehicle", "any"]
    if subject == "shoplifting":
        items = "shop"
    elif subject.startswith("criminal_damage") or subject in ("damage", "arson"):
        items = "damage"
    elif "vehicle" in subject:
        items = "vehicle"
    else:
        items = "any"
    choices = {
        "off": words.offenders["domestic" if is_domestic else "other"],
        "item": words.items[items],
        "place": words.places,
        "when": words.times,
    }
    return re.sub(
        r"\{(\w+)\}",
        lambda slot: str(choices[slot[1]][int(rng.integers(len(choices[slot[1]])))]),
        text,
    )


class Bank:
    """All variants of a scenario's phrases, and draws from them."""

    def __init__(self, phrases: Sequence[Phrase], words: Words) -> None:
        """Make the variants; the same phrases make the same ones, whatever the seed.

        Args:
            phrases: Of the scenario, for the year itself or for the year before.
            words: What fills their slots.
        """
        self.texts: list[str] = []
        places: dict[tuple[str, str, int], list[int]] = {}
        for number, phrase in enumerate(phrases):
            rng = np.random.default_rng([20170701, number])
            place = (phrase.kind, phrase.subject, HALVES.index(phrase.half))
            places.setdefault(place, []).append(number)
            for is_domestic in (False, True):
                for variant in range(VARIANTS):
                    text = _fill_slots(phrase.text, phrase.subject, is_domestic, words, rng)
                    if variant % 2:
                        for pattern, short in words.abbreviations.items():
                            if rng.random() < 0.5:
                                text = re.sub(pattern, short, text)
                    if variant >= 5:
                        text = _misspell_word(text, words, rng)
                    self.texts.append(text)
        self._numbers = {
            place: np.array(phrase_numbers, np.int32) for place, phrase_numbers in places.items()
        }

    def draw(
        self,
        rng: np.random.Generator,
        kind: str,
        subjects: NDArray[np.str_] | str,
        halves: NDArray[np.int8],
        is_domestic: NDArray[np.bool_] | bool = False,
    ) -> Ints:
        """Draw one variant for each log.

        Args:
            rng: Source of chance.
            kind: Kind of phrase.
            subjects: Subject for each log, or one for all.
            halves: 0 for half A, 1 for half B, for each log.
            is_domestic: Whether the offender is a partner or family, for each log or all.

        Returns:
            Indices into `texts`.
        """
        count = len(halves)
        phrase = np.zeros(count, np.int32)
        subject_of_log = np.broadcast_to(np.asarray(subjects), (count,))
        distinct, inverse = np.unique(subject_of_log, return_inverse=True)
        chance = rng.random(count)
        group = inverse * 2 + halves
        for value in np.unique(group):
            logs = np.flatnonzero(group == value)
            choices = self._numbers[kind, str(distinct[value // 2]), int(value % 2)]
            phrase[logs] = choices[(chance[logs] * len(choices)).astype(np.int32)]
        variant = rng.integers(0, VARIANTS, count, dtype=np.int32)
        domestic = np.broadcast_to(np.asarray(is_domestic, np.int32), (count,))
        return (phrase * 2 + domestic) * VARIANTS + variant
