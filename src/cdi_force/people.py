"""People who are victims again, and people who call again and again.

Each incident has a victim, a caller and a place of its own, unless the scenario's `people` say
otherwise.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdi_force.clock import DAY
from cdi_force.year import FRAME_CRIME, HIDDEN, Draw, Table

# Groups whose victims are people who know, or meet, the offender again.
AGAINST_PEOPLE = ("violence_against_the_person", "sexual_offences", "public_order")
PLACE = ("address", "district", "beat", "easting", "northing")
LOGS_OF_A_FREQUENT_CALLER = 50  # a year


def repeat_people(draw: Draw, incidents: Table) -> None:
    """Give some incidents the victim and place of an earlier one, and others a frequent caller.

    Adds the column `is_repeat`.

    Args:
        draw: Of the year.
        incidents: With people and places, which are changed.
    """
    incidents["is_repeat"] = np.zeros(len(incidents["kind"]), bool)
    people = draw.settings.people
    rng = np.random.default_rng([*draw.seeds, 19])
    is_personal = np.isin(incidents["kind"], (FRAME_CRIME, HIDDEN)) & np.isin(
        draw.group_of[incidents["offence"]],
        [number for number, group in enumerate(draw.groups) if group in AGAINST_PEOPLE],
    )
    personal = np.flatnonzero(is_personal | incidents["is_da"])
    share = np.where(incidents["is_da"][personal], people.repeat_domestic, people.repeat_other)
    _let_some_call_often(incidents, people.frequent_callers, rng)
    _repeat_victims(incidents, personal, rng.random(len(personal)) < share, rng, draw)


def _repeat_victims(
    incidents: Table,
    rows: NDArray[Any],
    is_chosen: NDArray[np.bool_],
    rng: np.random.Generator,
    draw: Draw,
) -> None:
    """Let chosen incidents have the victim and the place of one of the weeks before.

    Args:
        incidents: Are changed.
        rows: Incidents that may follow each other.
        is_chosen: Which of them follow an earlier one, if there is one.
        rng: Source of chance.
        draw: Of the year.
    """
    order = np.argsort(incidents["received"][rows], kind="stable")
    rows, is_chosen = rows[order], is_chosen[order]
    received = incidents["received"][rows]
    place = np.arange(len(rows))
    since = received - draw.settings.people.repeat_within_days * DAY
    oldest = np.searchsorted(received, since)
    drawn = oldest + (rng.random(len(rows)) * (place - oldest)).astype(np.int64)
    followed = np.where(is_chosen & (place > oldest), drawn, place)
    incidents["is_repeat"][rows] = followed != place
    # Whom an incident follows may itself follow another: all have the victim of the first.
    while (first := followed[followed]).tolist() != followed.tolist():
        followed = first
    was_caller = incidents["caller"] == incidents["victim"]
    for name in ("victim", *PLACE):
        incidents[name][rows] = incidents[name][rows[followed]]
    incidents["caller"] = np.where(was_caller, incidents["victim"], incidents["caller"])


def _let_some_call_often(incidents: Table, share: float, rng: np.random.Generator) -> None:
    """Let a share of all incidents be called in by a few people, each from a place of their own."""
    chosen = np.flatnonzero(rng.random(len(incidents["kind"])) < share)
    if not len(chosen):
        return
    callers = rng.integers(0, 1 << 40, -(-len(chosen) // LOGS_OF_A_FREQUENT_CALLER))
    homes = rng.integers(0, len(incidents["kind"]), len(callers))
    caller = rng.integers(0, len(callers), len(chosen))
    incidents["caller"][chosen] = callers[caller]
    for name in PLACE:
        incidents[name][chosen] = incidents[name][homes[caller]]
