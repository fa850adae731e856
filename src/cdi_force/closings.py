"""How each log was opened and closed: codes, result and text; late reopenings; duplicate logs.

A log whose crime was not recorded is closed as the miss law says; a log that reports no crime is
closed with a reason, which mostly stands in the code and in the text.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdi_force.clock import DAY
from cdi_force.conditions import Facts
from cdi_force.facts import incident_facts, name_rows
from cdi_force.quotas import VIOLENCE
from cdi_force.year import (
    AMBIGUOUS,
    DUPLICATE,
    FRAME_CRIME,
    FRAME_NO_CRIME,
    HIDDEN,
    NEAR_MISS,
    NO_CRIME,
    RECORDED,
    TOLD,
    Draw,
    Table,
    draw_choice,
    draw_exactly,
    take_rows,
)

# a report of rape is a crime or an N100 (CRR 2026/27 p63): these excuse none
NO_REASON_FOR_RAPE = ("NOT_NOTIFIABLE", "SCHOOLS", "FRAUD_REFERRED")


def close_logs(draw: Draw, incidents: Table, crimes: Table) -> None:
    """Draw opening and closing code, result, and the subject of the closing text, of each log."""
    rng, codes, n = draw.rng, draw.year.codes, len(incidents["kind"])
    kind, offence = incidents["kind"], incidents["offence"]
    crime_code = np.where(offence >= 0, draw.opening_of[offence], -1)
    of_violence = np.array([each.group == VIOLENCE for each in draw.offences])
    is_violence = np.where(offence >= 0, of_violence[offence], False)
    domestic_code = incidents["is_da"] & is_violence & (rng.random(n) < 0.6)
    crime_code = np.where(domestic_code, codes.index("CR20"), crime_code)
    cover = _draw_covers(draw, incidents)
    has_any = np.zeros(n, bool)
    np.logical_or.at(has_any, crimes["incident"], crimes["has_record"])
    incidents["has_record"] = has_any

    # Some are opened as something else; whoever records the crime corrects the closing code.
    opened_other = (kind == FRAME_CRIME) & has_any & (rng.random(n) < 0.06)
    incidents["opening"] = np.select(
        [kind == NO_CRIME, (kind == HIDDEN) | opened_other],
        [incidents["own_code"], cover],
        crime_code,
    )
    incidents["closing"] = np.where(kind == FRAME_CRIME, crime_code, incidents["opening"])
    incidents["result"] = np.zeros(n, np.int8)
    incidents["text_kind"] = np.full(n, "closing", "<U8")
    incidents["text_subject"] = np.full(n, "ended", "<U24")
    incidents["is_non_crime"] = np.zeros(n, bool)
    incidents["reopened"] = np.zeros(n, np.int64)
    closed = np.minimum(np.exp(rng.normal(9.2, 1.1, n)), 5 * DAY).astype(np.int64)
    incidents["closed"] = incidents["received"] + 240 + closed
    _close_recorded(draw, incidents, np.flatnonzero(has_any))
    missed = np.flatnonzero(np.isin(kind, (FRAME_CRIME, HIDDEN)) & ~has_any)
    _close_missed(draw, incidents, missed, cover)
    _close_no_crime(draw, incidents, cover)
    # Nobody can decide these accounts, so their closing must not betray the truth either.
    vague = np.flatnonzero((incidents["account"] == AMBIGUOUS) & ~has_any)
    _close_as(draw, incidents, vague, "undecidable")
    vague = vague[kind[vague] != NO_CRIME]
    incidents["closing"][vague] = incidents["opening"][vague]
    incidents["is_non_crime"][vague] = False
    _reopen_late_records(draw, incidents, crimes, cover)
    _use_other_codes(draw, incidents)


def _use_other_codes(draw: Draw, incidents: Table) -> None:
    """Replace opening, closing and result codes as the rules `codes` of the scenario say."""
    rng = np.random.default_rng([*draw.seeds, 23])
    is_missed = np.isin(incidents["kind"], (FRAME_CRIME, HIDDEN)) & ~incidents["has_record"]
    for rule in draw.settings.codes:
        facts = incident_facts(draw, incidents) | {
            "opening": name_rows(incidents["opening"], draw.year.codes),
            "closing": name_rows(incidents["closing"], draw.year.codes),
            "result": name_rows(incidents["result"], draw.closings.results),
            "is_missed": is_missed,
        }
        rows = np.flatnonzero(Facts(facts).match_rows(rule.when))
        rows = rows[rng.random(len(rows)) < rule.share]
        for name, code in (("opening", rule.opening), ("closing", rule.closing)):
            if code:
                incidents[name][rows] = draw.year.codes.index(code)
        if rule.closing:
            incidents["first_closing"][rows] = draw.year.codes.index(rule.closing)
        if rule.result:
            incidents["result"][rows] = draw.result_of(rule.result)


def _draw_covers(draw: Draw, incidents: Table) -> NDArray[Any]:
    """For each log a code that is no crime, under which it may be opened or closed."""
    n, codes = len(incidents["kind"]), draw.year.codes
    covers = draw.closings.covers
    plain_weights = {code: c.weight for code, c in covers.items() if c.weight}
    domestic_weights = {code: c.weight_domestic for code, c in covers.items() if c.weight_domestic}
    plain = draw_choice(draw.rng, plain_weights, n)
    domestic = draw_choice(draw.rng, domestic_weights, n)
    chosen = np.where(incidents["is_da"], domestic, plain)
    number = {code: codes.index(code) for code in covers}
    return np.vectorize(number.__getitem__, otypes=[np.int64])(chosen)


def _close_as(draw: Draw, incidents: Table, rows: NDArray[Any], manner: str) -> None:
    """Draw closing text and result code of some logs, by a manner of closings.yaml."""
    weights, n = draw.closings.manners[manner], len(rows)
    subjects = weights.subjects or {
        code: reason.weight for code, reason in draw.closings.reasons.items() if reason.weight
    }
    incidents["text_kind"][rows] = weights.text_kind
    incidents["text_subject"][rows] = draw_choice(draw.rng, subjects, n)
    numbers = {draw.result_of(result): weight for result, weight in weights.results.items()}
    incidents["result"][rows] = draw_choice(draw.rng, numbers, n)


def _close_recorded(draw: Draw, incidents: Table, rows: NDArray[Any]) -> None:
    frame = rows[incidents["kind"][rows] == FRAME_CRIME]
    hidden = rows[incidents["kind"][rows] == HIDDEN]
    _close_as(draw, incidents, frame, "crime_recorded")
    _close_as(draw, incidents, hidden, "hidden_crime_recorded")


def _close_missed(draw: Draw, incidents: Table, rows: NDArray[Any], cover: NDArray[Any]) -> None:
    law = draw.year.scenario.miss_law
    manner = np.where(
        incidents["kind"][rows] == FRAME_CRIME,
        draw_choice(draw.rng, dict(law.manner_frame), len(rows)),
        draw_choice(draw.rng, dict(law.manner_hidden), len(rows)),
    )
    excused = rows[np.isin(manner, ("kept_code_excuse", "excuse"))]
    _close_as(draw, incidents, excused, "excused")
    for subject, result in (("victim_unwilling", "VIC NO ENG"), ("no_lines", "NO TRACE")):
        with_code = excused[incidents["text_subject"][excused] == subject]
        with_code = with_code[draw.rng.random(len(with_code)) < 0.6]
        incidents["result"][with_code] = draw.result_of(result)
    _close_as(draw, incidents, rows[manner == "promised"], "promised")
    gamed = rows[manner == "gamed_code"]
    _close_as(draw, incidents, gamed, "gamed")
    incidents["closing"][gamed] = cover[gamed]
    _close_as(draw, incidents, rows[manner == "relabelled"], "relabelled")
    contradicted = rows[manner == "contradicted"]
    _close_as(draw, incidents, contradicted, "contradicted")
    half = contradicted[draw.rng.random(len(contradicted)) < 0.5]
    incidents["closing"][half] = cover[half]
    non_crime = rows[manner == "non_crime_occurrence"]
    _close_as(draw, incidents, non_crime, "non_crime_occurrence")
    incidents["is_non_crime"][non_crime] = True
    if len(misused := rows[manner == "wrong_reason"]):
        _close_as(draw, incidents, misused, "reason_for_no_crime")
        _give_code_of_reason(draw, incidents, misused, draw.rng)


def _give_code_of_reason(
    draw: Draw, incidents: Table, rows: NDArray[Any], rng: np.random.Generator
) -> None:
    """Give four of five logs that are closed with a legitimate reason the reason's result code."""
    chosen = rows[rng.random(len(rows)) < 0.8]
    numbers = {code: draw.result_of(r.result) for code, r in draw.closings.reasons.items()}
    incidents["result"][chosen] = np.vectorize(numbers.__getitem__, otypes=[np.int8])(
        incidents["text_subject"][chosen]
    )


def _close_no_crime(draw: Draw, incidents: Table, cover: NDArray[Any]) -> None:
    rng, kind = draw.rng, incidents["kind"]
    opened_as_crime = np.flatnonzero(kind == FRAME_NO_CRIME)
    with_reason = opened_as_crime[incidents["account"][opened_as_crime] == TOLD]
    near_misses = opened_as_crime[incidents["account"][opened_as_crime] == NEAR_MISS]
    _close_as(draw, incidents, with_reason, "reason_for_no_crime")
    spent_offences = with_reason[
        (incidents["opening"][with_reason] == draw.year.codes.index("CR17"))
        & (rng.random(len(with_reason)) < 0.4)
    ]
    incidents["text_subject"][spent_offences] = "PUBLIC_ORDER_SPENT"
    rape = with_reason[incidents["opening"][with_reason] == draw.year.codes.index("CR05")]
    excused = rape[np.isin(incidents["text_subject"][rape], NO_REASON_FOR_RAPE)]
    incidents["text_subject"][excused] = "CREDIBLE_CONTRARY"
    _give_code_of_reason(draw, incidents, with_reason, rng)
    _close_as(draw, incidents, near_misses, "near_miss")
    recoded = opened_as_crime[rng.random(len(opened_as_crime)) < 0.5]
    incidents["closing"][recoded] = cover[recoded]
    without_crime = np.flatnonzero(kind == NO_CRIME)
    _close_as(draw, incidents, without_crime, "no_crime_told")
    admin = without_crime[incidents["own_code"][without_crime] == draw.year.codes.index("AD07")]
    incidents["result"][admin] = draw.result_of("ADMIN")
    people = np.isin(
        incidents["own_code"],
        [draw.year.codes.index(c) for c in (*draw.closings.covers, "TR01", "PW07")],
    )
    wanted = round(draw.settings.volumes.non_crime_occurrences * draw.volume * 0.7)
    non_crimes = draw.rng.permutation(np.flatnonzero(people & (kind == NO_CRIME)))[:wanted]
    incidents["is_non_crime"][non_crimes] = True
    _close_as(draw, incidents, non_crimes, "non_crime_occurrence_of_no_crime")
    n100 = with_reason[np.isin(with_reason, rape) & (rng.random(len(with_reason)) < 0.6)]
    incidents["is_non_crime"][n100] = True


def _reopen_late_records(draw: Draw, incidents: Table, crimes: Table, cover: NDArray[Any]) -> None:
    """Choose crimes that are recorded months late: closed like a miss, then reopened."""
    names = ("closing", "result", "text_kind", "text_subject")
    has_one_crime = np.bincount(crimes["incident"], minlength=len(incidents["kind"])) == 1
    candidates = np.flatnonzero(
        (incidents["kind"] == FRAME_CRIME)
        & incidents["has_record"]
        & has_one_crime
        & (incidents["account"] == TOLD)
        & (incidents["opening"] == incidents["closing"])
    )
    recorded = int((crimes["fate"] == RECORDED).sum())
    chosen = draw.rng.permutation(candidates)[: round(draw.hard.reopened_late * recorded)]
    final = {name: incidents[name].copy() for name in names}
    non_crime = incidents["is_non_crime"].copy()
    _close_missed(draw, incidents, chosen, cover)
    incidents["is_non_crime"] = non_crime
    for name in names:
        incidents[f"first_{name}"] = incidents[name]
        incidents[name] = final[name]
    days = draw.rng.uniform(30, 180, len(chosen))
    incidents["reopened"][chosen] = incidents["closed"][chosen] + (days * DAY).astype(np.int64)


def add_duplicates(draw: Draw, incidents: Table, count: int) -> Table:
    """Draw further callers about the same incident, each with a log of its own."""
    rng = draw.rng
    weight = np.where(np.isin(incidents["kind"], (FRAME_CRIME, FRAME_NO_CRIME)), 2.0, 1.0)
    weight *= np.where(incidents["grade"] <= 2, 1.5, 1.0)
    share = np.cumsum(weight)
    parent = np.searchsorted(share, rng.random(count) * share[-1], side="right")
    copies = take_rows(incidents, np.minimum(parent, len(share) - 1))
    is_unmarked = draw_exactly(rng, count, draw.hard.duplicates_unmarked)
    wait = rng.integers(60, 2400, count)
    copies["kind"] = np.full(count, DUPLICATE, np.int8)
    copies["received"] = np.minimum(copies["received"] + wait, draw.year.clock.end - 1)
    copies["closed"] = copies["received"] + rng.integers(120, 3600, count)
    copies["caller"] = rng.integers(0, 1 << 40, count)
    copies["is_unmarked"] = is_unmarked
    copies["reopened"] = np.zeros(count, np.int64)
    copies["is_non_crime"] = np.zeros(count, bool)
    keeps_code = is_unmarked | (rng.random(count) < 0.2)
    copies["closing"] = np.where(keeps_code, copies["opening"], draw.year.codes.index("AD01"))
    for name in ("first_closing", "first_result", "first_text_kind", "first_text_subject"):
        copies.pop(name)
    _close_as(draw, copies, np.flatnonzero(~is_unmarked), "duplicate")
    _close_as(draw, copies, np.flatnonzero(is_unmarked), "unmarked_duplicate")
    for name in ("closing", "result", "text_kind", "text_subject"):
        copies[f"first_{name}"] = copies[name]
    incidents["is_unmarked"] = np.zeros(len(share), bool)
    return {name: np.concatenate([incidents[name], copies[name]]) for name in incidents}
