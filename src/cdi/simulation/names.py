"""Invented names, streets and towns. Nobody is meant; parts are put together at random."""

import numpy as np

_FIRST = ("ash", "black", "brad", "brook", "carl", "clay", "cold", "craven", "dun", "east", "el",
          "fair", "fen", "glen", "gold", "green", "hal", "hard", "hart", "hazel", "hol", "kel",
          "kirk", "lang", "lin", "long", "mar", "mel", "mid", "mor", "nor", "oak", "pen", "ray",
          "red", "row", "sel", "shel", "stan", "sut", "thorn", "tun", "wake", "wal", "west", "whit",
          "win", "wood", "wrex", "yar")  # fmt: skip
_LAST = ("bourne", "bridge", "brook", "bury", "by", "croft", "dale", "den", "field", "ford",
         "gate", "ham", "hurst", "ley", "man", "mere", "more", "shaw", "son", "stead", "stone",
         "thorpe", "ton", "ward", "wick", "worth", "wright", "well")  # fmt: skip
FORENAMES = tuple(
    name.upper()
    for name in (
        "Adam Alan Alice Amy Andrew Anna Anthony Barry Ben Beth Brian Callum Carl Carol Charlotte "
        "Chloe Chris Claire Colin Craig Daniel David Dawn Dean Debbie Diane Donna Edward Ellie "
        "Emily Emma Eric Ethan Faye Fiona Frank Gareth Gary Gemma George Georgia Glen Grace Graham "
        "Hannah Harry Heather Helen Holly Ian Jack Jade Jake James Jane Jason Jean Jenny Jess Jill "
        "Joan Joe John Josh Joyce Julie Karen Kate Keith Kelly Ken Kevin Kim Kyle Laura Leanne Lee "
        "Leon Lewis Liam Linda Lisa Louise Luke Lynn Marie Mark Martin Mary Matt Megan Mia Michael "
        "Mike Molly Natalie Neil Nicola Nigel Oliver Owen Pam Pat Paul Pauline Peter Phil Rachel "
        "Ray Rebecca Rhys Rob Robert Ron Rosie Ross Ruth Ryan Sam Sandra Sarah Scott Sean Shane "
        "Sharon Shaun Sheila Simon Sophie Stacey Steph Steve Stuart Sue Tara Terry Theresa Tina "
        "Toby Tom Tony Tracy Val Vicky Wayne Wendy Will Yvonne Zoe"
    ).split()
)
SURNAMES = tuple(sorted({(a + b).upper() for a in _FIRST for b in _LAST if a[-1] != b[0]}))
STREETS = tuple(
    f"{a.upper()}{b.upper()} {kind}"
    for kind in ("ROAD", "STREET", "LANE", "AVENUE", "CLOSE", "DRIVE")
    for a, b in zip(_FIRST, [*_LAST, *_LAST], strict=False)
)


def typing_errors(names: tuple[str, ...]) -> tuple[str, ...]:
    """Each name with one slip of the fingers."""
    rng = np.random.default_rng(20170702)
    slipped = []
    for name in names:
        at = int(rng.integers(1, len(name) - 1))
        ways = (
            name[:at] + name[at + 1] + name[at] + name[at + 2 :],
            name[:at] + name[at + 1 :],
            name[:at] + name[at] + name[at:],
        )
        slipped.append(ways[int(rng.integers(3))])
    return tuple(slipped)
