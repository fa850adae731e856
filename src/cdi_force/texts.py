"""The phrase bank: each phrase in several variants, drawn by (kind, subject, half).

A variant fills the slots, abbreviates as control rooms do and misspells. Variants are made once,
from the phrases alone, so a log's text is a few numbers until it is written out.
"""

import re

import numpy as np
from numpy.typing import NDArray

from cdi_force.scenario import Scenario

Ints = NDArray[np.int32]
VARIANTS = 8
HALVES = ("A", "B")


OFFENDERS = {
    False: (
        "an unknown male", "a male", "two males", "a youth", "the neighbour", "a female",
        "an unknown person", "a local male", "a man in a dark jacket", "a group of youths",
        "a male known to inft", "a male named as Darren Colford",
    ),
    True: (
        "her ex partner", "his ex partner", "the husband", "the boyfriend", "the wife",
        "the ex husband", "the partner", "the ex girlfriend", "the father of the children",
        "inft's partner", "the estranged husband", "the ex, named as Lee Marwick",
    ),
}  # fmt: skip
ITEMS = {
    "shop": ("a bottle of vodka", "two packs of meat", "a coat", "perfume", "four bottles of wine",
             "a games console", "razor blades", "a joint of beef"),
    "damage": ("the front window", "the fence", "a door panel", "the bus shelter", "a bench",
               "the garden wall", "the shed door", "a sign"),
    "vehicle": ("a rucksack", "a sat nav", "power tools", "a laptop", "a handbag",
                "the number plates", "loose change", "a stereo"),
    "any": ("a mobile phone", "a wallet", "a handbag", "a laptop", "cash", "jewellery",
            "a mountain bike", "a lawnmower", "power tools", "a watch"),
}  # fmt: skip
PLACES = ("outside the co-op", "in the street", "in the car park", "near the bus station",
          "outside the pub", "by the park", "in the town centre", "at the home address",
          "near the school", "on the estate")  # fmt: skip
TIMES = ("about ten minutes ago", "this morning", "overnight", "last night", "an hour ago",
         "yesterday", "just now", "earlier today", "at the weekend", "on friday")  # fmt: skip

ABBREVIATIONS = (
    (r"\bcaller\b", "clr"), (r"\bofficers?\b", "ofcr"), (r"\bvehicle\b", "veh"),
    (r"\bfemale\b", "fml"), (r"\bmale\b", "ml"), (r"\band\b", "&"), (r"\bvictim\b", "vic"),
    (r"\baddress\b", "addr"), (r"\bneighbour\b", "nbr"), (r"\bwith\b", "w/"),
    (r"\bpolice\b", "pol"), (r"\bstates\b", "sts"), (r"\bregarding\b", "re"),
    (r"\bwindow\b", "wdw"), (r"\bpartner\b", "ptnr"), (r"\bminutes\b", "mins"),
)  # fmt: skip
NEIGHBOURS = {
    "a": "s", "e": "r", "i": "o", "o": "p", "t": "y", "n": "m", "s": "a", "r": "e", "c": "x",
    "d": "f", "l": "k", "h": "j", "u": "i", "p": "o", "g": "h",
}  # fmt: skip


def _misspell(text: str, rng: np.random.Generator) -> str:
    """One slip of the fingers in one longer word."""
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long:
        return text
    at = int(rng.choice(long))
    word = words[at]
    place = int(rng.integers(1, len(word) - 1))
    slips = (
        word[:place] + word[place + 1] + word[place] + word[place + 2 :],  # swapped
        word[:place] + word[place + 1 :],  # left out
        word[:place] + word[place] + word[place:],  # doubled
        word[:place] + NEIGHBOURS.get(word[place], word[place]) + word[place + 1 :],
    )
    words[at] = slips[int(rng.integers(len(slips)))]
    return " ".join(words)


def _fill(text: str, subject: str, is_domestic: bool, rng: np.random.Generator) -> str:
    if subject == "shoplifting":
        items = ITEMS["shop"]
    elif subject.startswith("criminal_damage") or subject in ("damage", "arson"):
        items = ITEMS["damage"]
    elif "vehicle" in subject:
        items = ITEMS["vehicle"]
    else:
        items = ITEMS["any"]
    choices = {"off": OFFENDERS[is_domestic], "item": items, "place": PLACES, "when": TIMES}
    return re.sub(
        r"\{(\w+)\}",
        lambda slot: str(choices[slot[1]][int(rng.integers(len(choices[slot[1]])))]),
        text,
    )


class Bank:
    """All variants of a scenario's phrases, and draws from them."""

    def __init__(self, scenario: Scenario) -> None:
        """Make the variants; the same phrases make the same ones, whatever the seed."""
        self.texts: list[str] = []
        places: dict[tuple[str, str, int], list[int]] = {}
        for number, phrase in enumerate(scenario.phrases):
            rng = np.random.default_rng([20170701, number])
            place = (phrase.kind, phrase.subject, HALVES.index(phrase.half))
            places.setdefault(place, []).append(number)
            for is_domestic in (False, True):
                for variant in range(VARIANTS):
                    text = _fill(phrase.text, phrase.subject, is_domestic, rng)
                    if variant % 2:
                        for pattern, short in ABBREVIATIONS:
                            if rng.random() < 0.5:
                                text = re.sub(pattern, short, text)
                    if variant >= 5:
                        text = _misspell(text, rng)
                    self.texts.append(text)
        self._numbers = {place: np.array(found, np.int32) for place, found in places.items()}

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
        named = np.broadcast_to(np.asarray(subjects), (count,))
        names, inverse = np.unique(named, return_inverse=True)
        chance = rng.random(count)
        group = inverse * 2 + halves
        for value in np.unique(group):
            there = np.flatnonzero(group == value)
            choices = self._numbers[kind, str(names[value // 2]), int(value % 2)]
            phrase[there] = choices[(chance[there] * len(choices)).astype(np.int32)]
        variant = rng.integers(0, VARIANTS, count, dtype=np.int32)
        domestic = np.broadcast_to(np.asarray(is_domestic, np.int32), (count,))
        return (phrase * 2 + domestic) * VARIANTS + variant
