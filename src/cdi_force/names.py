"""Invented names of people and streets. Nobody is meant: parts are put together at random."""

from pathlib import Path

import numpy as np
import yaml

PARTS = yaml.safe_load(Path(__file__).with_name("names.yaml").read_text(encoding="utf-8"))
FORENAMES = tuple(PARTS["forenames"])
# A name whose two parts would double a letter where they meet (`red` and `dale`) is left out.
SURNAMES = tuple(
    sorted(
        {
            (first + last).upper()
            for first in PARTS["first_parts"]
            for last in PARTS["last_parts"]
            if first[-1] != last[0]
        }
    )
)
STREETS = tuple(
    f"{first.upper()}{last.upper()} {kind}"
    for kind in ("ROAD", "STREET", "LANE", "AVENUE", "CLOSE", "DRIVE")
    for first, last in zip(PARTS["first_parts"], PARTS["last_parts"] * 2, strict=False)
)


def typing_errors(names: tuple[str, ...]) -> tuple[str, ...]:
    """Mistype each name once: two letters swapped, one left out, or one doubled."""
    rng = np.random.default_rng(20170702)
    slipped = []
    for name in names:
        place = int(rng.integers(1, len(name) - 1))
        ways = (
            name[:place] + name[place + 1] + name[place] + name[place + 2 :],
            name[:place] + name[place + 1 :],
            name[:place] + name[place] + name[place:],
        )
        slipped.append(ways[int(rng.integers(3))])
    return tuple(slipped)
