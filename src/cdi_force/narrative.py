"""Which phrases each log holds, as indices into the bank: account, updates, closing."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdi_force.subjects import CONTEXTS, family_of
from cdi_force.texts import Bank
from cdi_force.year import (
    AMBIGUOUS,
    BLAND,
    DUPLICATE,
    FRAME_CRIME,
    FRAME_NO_CRIME,
    HIDDEN,
    NEAR_MISS,
    NO_CRIME,
    TOLD,
    Year,
    draw_choice,
)

# The parts of an account, in the order in which they are told.
PARTS = ("opener", "burial", "crime_1", "also", "crime_2", "crime_3")
OTHER_FAMILIES = {
    "violence": 30,
    "harassment": 15,
    "theft": 15,
    "damage": 15,
    "public_order": 12,
    "burglary": 7,
    "sexual": 3,
    "vehicle": 3,
}


def write_narrative(year: Year, bank: Bank, seed: int) -> None:
    """Add to `year.logs` the phrases (-1: none), and whether the crime is told later.

    Args:
        year: A drawn year.
        bank: Phrase variants of its scenario.
        seed: Same seed, same phrases.
    """
    rng = np.random.default_rng([seed, year.clock.start, 7])
    logs = year.logs
    n = len(logs["kind"])
    for part in (*PARTS, "closing_text", "first_closing_text", "update", "reopening"):
        logs[part] = np.full(n, -1, np.int32)
    _tell_crimes(year, bank, rng)
    _tell_openers(year, bank, rng)
    halves = logs["half"]
    for prefix in ("", "first_"):
        for kind in ("closing", "no_crime"):
            rows = np.flatnonzero(logs[f"{prefix}text_kind"] == kind)
            logs[f"{prefix}closing_text"][rows] = bank.draw(
                rng, kind, logs[f"{prefix}text_subject"][rows], halves[rows], logs["is_da"][rows]
            )
    rows = np.flatnonzero(rng.random(n) < 0.55)
    subject = np.where(
        logs["is_vulnerable"] & (rng.random(n) < 0.7),
        "vulnerable",
        np.where(logs["is_attended"], "attended", "any"),
    )
    logs["update"][rows] = bank.draw(rng, "update", subject[rows], halves[rows])
    rows = np.flatnonzero(logs["reopened"] > 0)
    logs["reopening"][rows] = bank.draw(rng, "update", "reopened", halves[rows])
    hard = year.scenario.settings.hardness
    later = np.where(logs["kind"] == HIDDEN, hard.crime_told_later_hidden, 0.0)
    later = np.where(
        np.isin(logs["kind"], (FRAME_CRIME, FRAME_NO_CRIME)), hard.crime_told_later_frame, later
    )
    logs["is_told_later"] = (logs["crime_1"] >= 0) & (rng.random(n) < later)
    _tell_vague_openers(year, bank, rng)
    logs["is_upper"] = rng.random(n) < 0.45


def _tell_crimes(year: Year, bank: Bank, rng: np.random.Generator) -> None:
    """Draw how each log tells its crimes: the first, its further victims, and other crimes."""
    logs, crimes = year.logs, year.crimes
    keys = np.array([offence.key for offence in year.scenario.settings.offences])
    told_crimes = np.flatnonzero(crimes["is_said"] & (crimes["log"] >= 0))
    told_crimes = told_crimes[
        np.lexsort((crimes["ordinal"][told_crimes], crimes["log"][told_crimes]))
    ]
    log = crimes["log"][told_crimes]
    is_first = np.r_[True, log[1:] != log[:-1]]
    first_offence = np.full(len(logs["kind"]), -1, np.int64)
    first_offence[log[is_first]] = crimes["offence"][told_crimes[is_first]]
    is_same = ~is_first & (crimes["offence"][told_crimes] == first_offence[log])
    others = told_crimes[~is_first & ~is_same]
    place = np.arange(len(others)) - np.searchsorted(crimes["log"][others], crimes["log"][others])
    for part, rows in (
        ("crime_1", told_crimes[is_first]),
        ("crime_2", others[place == 0]),
        ("crime_3", others[place >= 1]),
    ):
        logs_of_part = crimes["log"][rows]
        logs[part][logs_of_part] = bank.draw(
            rng,
            "crime",
            keys[crimes["offence"][rows]],
            logs["half"][logs_of_part],
            crimes["is_da"][rows],
        )
    further = np.bincount(log[is_same], minlength=len(logs["kind"]))
    logs["further"] = further
    rows = np.flatnonzero(further)
    logs["also"][rows] = bank.draw(
        rng, "also", np.minimum(further[rows], 3).astype(str), logs["half"][rows]
    )
    # Also told: what was reported as a crime and found to be none, and what a further caller says.
    without_crime = np.flatnonzero((logs["kind"] == FRAME_NO_CRIME) & (logs["account"] == TOLD))
    told_again = np.flatnonzero((logs["kind"] == DUPLICATE) & (logs["account"] == TOLD))
    told_again = told_again[logs["is_unmarked"][told_again] | (rng.random(len(told_again)) < 0.5)]
    for rows in (without_crime, told_again):
        logs["crime_1"][rows] = bank.draw(
            rng, "crime", keys[logs["offence"][rows]], logs["half"][rows], logs["is_da"][rows]
        )
    _tell_missed_tersely(year, bank)


def _tell_missed_tersely(year: Year, bank: Bank) -> None:
    """Tell a share of the missed crimes in few words, as the miss law of the scenario says."""
    share, logs = year.scenario.miss_law.told_tersely, year.logs
    logs["is_terse"] = np.zeros(len(logs["kind"]), bool)
    if not share:
        return
    rng = np.random.default_rng([len(logs["kind"]), year.clock.start, 29])
    is_missed = np.isin(logs["kind"], (FRAME_CRIME, HIDDEN)) & ~logs["has_record"]
    rows = np.flatnonzero(is_missed & (logs["crime_1"] >= 0))
    rows = rows[rng.random(len(rows)) < share]
    families = _choose_families(year, rows, rng)
    logs["crime_1"][rows] = bank.draw(
        rng, "terse", families, logs["half"][rows], logs["is_da"][rows]
    )
    logs["is_terse"][rows] = True


def _choose_families(year: Year, rows: NDArray[Any], rng: np.random.Generator) -> NDArray[np.str_]:
    offences = year.scenario.settings.offences
    family_of_offence = np.array([family_of(o.key, o.group) for o in offences])
    offence = year.logs["offence"][rows]
    return np.where(
        offence >= 0, family_of_offence[offence], draw_choice(rng, dict(OTHER_FAMILIES), len(rows))
    )


def _tell_openers(year: Year, bank: Bank, rng: np.random.Generator) -> None:
    logs = year.logs
    subject_of = {i.code: i.subject for i in year.scenario.settings.incidents}
    subject_of |= {code: c.subject for code, c in year.scenario.closings.covers.items()}
    by_code = np.array([subject_of.get(code, "duplicate") for code in year.codes])
    for account, kind in ((NEAR_MISS, "near_miss"), (AMBIGUOUS, "ambiguous")):
        rows = np.flatnonzero((logs["account"] == account) & (logs["kind"] != DUPLICATE))
        logs["opener"][rows] = bank.draw(
            rng, kind, _choose_families(year, rows, rng), logs["half"][rows], logs["is_da"][rows]
        )
    rows = np.flatnonzero((logs["account"] == BLAND) & (logs["kind"] == NO_CRIME))
    logs["opener"][rows] = bank.draw(
        rng, "bland", by_code[logs["own_code"][rows]], logs["half"][rows], logs["is_da"][rows]
    )
    rows = np.flatnonzero((logs["kind"] == HIDDEN) & (logs["crime_1"] >= 0))
    # A rule of the scenario may open such a log under any code, such as one of administration.
    contexts = np.where(np.isin(by_code, CONTEXTS), by_code, "contact_record")
    logs["opener"][rows] = bank.draw(
        rng, "context", contexts[logs["opening"][rows]], logs["half"][rows], logs["is_da"][rows]
    )
    buried = rows[rng.random(len(rows)) < 0.7]
    logs["burial"][buried] = bank.draw(rng, "burial", "any", logs["half"][buried])
    rows = np.flatnonzero((logs["kind"] == DUPLICATE) & (logs["crime_1"] < 0))
    logs["opener"][rows] = bank.draw(rng, "bland", "duplicate", logs["half"][rows])


def _tell_vague_openers(year: Year, bank: Bank, rng: np.random.Generator) -> None:
    """Make the first account vague where the crime is told later."""
    logs = year.logs
    rows = np.flatnonzero(logs["is_told_later"] & (logs["opener"] < 0))
    logs["opener"][rows] = bank.draw(
        rng, "ambiguous", _choose_families(year, rows, rng), logs["half"][rows], logs["is_da"][rows]
    )
