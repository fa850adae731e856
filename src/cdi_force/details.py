"""What the exports show beyond the year itself: the state at as_of, noise, wrong cancellations.

Adds columns to `year.logs` and `year.records`, which `extracts` writes to files.
"""

import numpy as np
from numpy.typing import NDArray

from cdi_force.clock import DAY, HOUR
from cdi_force.year import JUSTIFIED, WRONGLY_CANCELLED, Table, Year, take_rows

QUALIFIERS = ("DOMESTIC ABUSE", "ALCOHOL", "MENTAL HEALTH", "YOUTH", "HATE", "VULNERABLE", "WEAPON")
SELF_DEFENCE = ("8N", "104", "105A")  # classes that C5 is for (CRR 2026/27 p26)
APRIL_2015 = 1_427_842_800  # local midnight; seconds since 1970
# The time of what never happens; it is later than any as_of, so it is never shown.
NEVER = np.iinfo(np.int64).max
OUTCOMES = ("1", "2", "8", "14", "15", "16", "18", "")


def add_details(year: Year, seed: int) -> None:
    """Draw what the exports of a year need beyond its own tables.

    Args:
        year: With phrases.
        seed: Same seed, same details.
    """
    rng = np.random.default_rng([seed, year.clock.start, 11])
    _add_log_details(year, rng)
    _add_record_details(year, rng)
    _type_by_hand(year, np.random.default_rng([seed, year.clock.start, 17]))
    _write_numbers_back(year)


def _add_log_details(year: Year, rng: np.random.Generator) -> None:
    logs, as_of = year.logs, year.as_of
    n = len(logs["kind"])
    logs["reclosed"] = np.where(logs["reopened"] > 0, logs["reopened"] + 2 * DAY, 0)
    logs["is_open"] = logs["closed"] >= as_of
    is_first = (logs["reopened"] > 0) & (logs["reclosed"] >= as_of)
    for name in ("closing", "result"):
        logs[f"seen_{name}"] = np.where(is_first, logs[f"first_{name}"], logs[name])
    logs["seen_closing"] = np.where(logs["is_open"], logs["opening"], logs["seen_closing"])
    logs["seen_result"] = np.where(logs["is_open"], -1, logs["seen_result"])
    logs["seen_closed"] = np.where(
        logs["is_open"],
        NEVER,
        np.where((logs["reopened"] > 0) & ~is_first, logs["reclosed"], logs["closed"]),
    )
    wait = rng.integers(60, 1800, n) * logs["grade"]
    logs["dispatched"] = np.where(logs["is_attended"], logs["received"] + wait, NEVER)
    logs["arrived"] = np.where(
        logs["is_attended"], logs["received"] + wait + rng.integers(120, 1800, n), NEVER
    )
    noise = rng.normal(0, 30, (n, 2)).round().astype(np.int32)
    logs["x"], logs["y"] = logs["easting"] + noise[:, 0], logs["northing"] + noise[:, 1]
    missing = rng.random(n) < year.scenario.settings.hardness.position_missing
    logs["x"], logs["y"] = np.where(missing, 0, logs["x"]), np.where(missing, 0, logs["y"])
    logs["has_victim"] = rng.random(n) < year.scenario.settings.hardness.victim_named
    logs["has_birth_date"] = rng.random(n) < year.scenario.settings.hardness.victim_birth_date
    logs["qualifiers"] = _draw_qualifiers(year, rng)
    logs["breakage"] = _draw_breakage(year, rng, n)


def _draw_breakage(year: Year, rng: np.random.Generator, n: int) -> NDArray[np.int8]:
    """Choose unreadable rows. 0: a good row; 1: a field too many; 2: no such date; 3: not UTF-8."""
    broken = np.zeros(n, np.int8)
    rows = rng.permutation(n)[: round(n * year.scenario.settings.hardness.unparseable_rows)]
    broken[rows] = rng.integers(1, 4, len(rows))
    return broken


def _draw_qualifiers(year: Year, rng: np.random.Generator) -> NDArray[np.int16]:
    """Draw the qualifiers of each log, as one bit for each of `QUALIFIERS`."""
    logs = year.logs
    n = len(logs["kind"])
    keys = np.array([o.key for o in year.scenario.settings.offences])
    key = np.where(logs["offence"] >= 0, keys[logs["offence"]], "")
    hour = year.clock.local(logs["received"]) % DAY // HOUR
    night = (hour >= 21) | (hour < 5)
    shares = (
        np.where(logs["is_da"], 0.78, 0.01),
        np.where(night, 0.18, 0.05),
        np.full(n, 0.06),
        np.where(np.isin(logs["opening"], _numbers_of_codes(year, "AS01", "AS02")), 0.4, 0.05),
        np.where(key == "racial_public_order", 0.85, 0.004),
        np.where(logs["is_vulnerable"], 0.6, 0.02),
        np.where(np.isin(key, ("bladed_article", "offensive_weapon")), 0.85, 0.006),
    )
    bits = np.zeros(n, np.int16)
    for bit, share in enumerate(shares):
        bits |= (rng.random(n) < share).astype(np.int16) << bit
    return bits


def _numbers_of_codes(year: Year, *codes: str) -> list[int]:
    return [year.codes.index(code) for code in codes]


def _add_record_details(year: Year, rng: np.random.Generator) -> None:
    records = year.records
    n = len(records["log"])
    crime = records["crime"]
    crime_of_record = take_rows(year.crimes, np.maximum(crime, 0))
    log = take_rows(year.logs, np.maximum(records["log"], 0))
    has_log = records["log"] >= 0
    is_crime = crime >= 0
    s = year.scenario.settings
    is_rape_log = has_log & (log["opening"] == _numbers_of_codes(year, "CR05")[0])
    # Class N100 was introduced together with the 24-hour limit, in April 2015.
    has_n100 = is_rape_log & (records["recorded"] >= APRIL_2015)
    records["type"] = np.where(is_crime, 0, np.where(has_n100, 2, 1))
    records["offence"] = np.where(is_crime, crime_of_record["offence"], -1)
    # Some assaults with injury are recorded as assaults without injury, which is a lesser class.
    key = [o.key for o in s.offences]
    if "assault_injury" in key and "common_assault" in key:
        lesser = (records["offence"] == key.index("assault_injury")) & (rng.random(n) < 0.04)
        records["offence"][lesser] = key.index("common_assault")
    _draw_reclassifications(year, rng, is_crime)
    records["route"] = np.where(
        has_log, 0, rng.choice([1, 2, 3, 4, 5], n, p=[0.45, 0.2, 0.1, 0.15, 0.1])
    )
    records["route"][rng.random(n) < 0.03] = -1
    hard = s.hardness
    is_same_place = rng.random(n) < 1 - hard.record_position_differs
    jitter = rng.normal(0, hard.record_position_metres, (n, 2))
    jitter = np.where(is_same_place, 0.0, 1.0)[:, None] * jitter
    jitter = jitter.round().astype(np.int32)
    pool = take_rows(year.logs, rng.integers(0, len(year.logs["kind"]), n))
    for name in ("address", "district", "beat", "easting", "northing"):
        records[name] = np.where(has_log, log[name], pool[name])
    lost = rng.random(n) < year.scenario.settings.hardness.position_missing
    records["x"] = np.where(lost, 0, records["easting"] + jitter[:, 0])
    records["y"] = np.where(lost, 0, records["northing"] + jitter[:, 1])
    victim = np.where(
        is_crime, crime_of_record["victim"], np.where(has_log, log["victim"], pool["victim"])
    )
    records["victim"] = victim
    records["has_victim"] = is_crime | (rng.random(n) < 0.5)
    records["has_error"] = rng.random(n) < hard.name_typing_error
    seconds_before = rng.integers(0, 2 * HOUR, n)
    records["occurred"] = records["reported"] - seconds_before * np.where(
        rng.random(n) < 0.2, 60, 1
    )
    # Where the record is older than the log, the crime was reported to an officer first.
    early = is_crime & crime_of_record["is_before"]
    records["reported"] = np.where(early, records["recorded"] - 300, records["reported"])
    records["outcome"] = rng.integers(0, len(OUTCOMES), n)
    da = np.where(is_crime, crime_of_record["is_da"], False)
    records["flag"] = np.where(da & (rng.random(n) < 0.85), 1, 0)
    records["breakage"] = _draw_breakage(year, rng, n)
    _draw_cancellations(year, rng, crime_of_record, is_crime)


def _type_by_hand(year: Year, rng: np.random.Generator) -> None:
    """Draw where the records system differs from the log: address, place and time of the report.

    These columns have random numbers of their own, so that they can change without changing others.
    """
    records, hard = year.records, year.scenario.settings.hardness
    n = len(records["log"])
    is_typed_anew = rng.random(n) < hard.address_typed_anew
    records["is_typed_anew"] = is_typed_anew
    records["is_slipped"] = is_typed_anew & (rng.random(n) < hard.address_typing_error)
    records["is_junction"] = is_typed_anew & (rng.random(n) < hard.address_is_junction)
    records["has_postcode"] = ~(is_typed_anew & (rng.random(n) < hard.postcode_missing))
    records["has_town"] = ~(is_typed_anew & (rng.random(n) < 1 / 3))
    records["flat"] = np.where(is_typed_anew & (rng.random(n) < 0.06), rng.integers(1, 30, n), 0)
    has_log = records["log"] >= 0
    elsewhere = has_log & (rng.random(n) < hard.offence_place_differs)
    distance = np.exp(rng.normal(6.5, 0.8, n)) * np.array([1, -1])[rng.integers(0, 2, n)]  # ~ 660 m
    angle = rng.uniform(0, np.pi, n)
    for axis, step in (("x", np.cos(angle) * distance), ("y", np.sin(angle) * distance)):
        moved = elsewhere & (records[axis] != 0)
        records[axis] = np.where(moved, records[axis] + step.round(), records[axis]).astype(int)
    addresses = rng.integers(0, year.scenario.settings.volumes.addresses, n)
    records["address"] = np.where(elsewhere, addresses, records["address"])
    records["is_elsewhere"] = elsewhere
    by_hand = rng.random(n) < hard.reported_by_hand
    grain = np.array([300, 900, 3600])[rng.choice(3, n, p=[0.6, 0.3, 0.1])]
    rounded = records["reported"] // grain * grain
    is_late = has_log & (rng.random(n) < hard.reported_when_recorded)
    taken_up = records["recorded"] - rng.integers(300, HOUR, n)
    reported = np.where(by_hand, rounded, records["reported"])
    records["is_late_entry"] = is_late & (taken_up > records["reported"])
    records["reported"] = np.where(records["is_late_entry"], taken_up, reported)
    records["has_victim"] &= rng.random(n) >= hard.record_victim_unnamed
    records["has_birth_date"] = rng.random(n) >= hard.record_birth_date_missing
    records["has_number"] = ~(is_typed_anew & (rng.random(n) < hard.address_without_number))


def _draw_reclassifications(
    year: Year, rng: np.random.Generator, is_crime: NDArray[np.bool_]
) -> None:
    """Choose crimes that were first recorded under another class of their group."""
    records = year.records
    n = len(records["log"])
    group = np.array([o.group for o in year.scenario.settings.offences])
    moved = is_crime & (rng.random(n) < 0.03)
    records["previous"] = np.full(n, -1)
    for name in np.unique(group):
        peers = np.flatnonzero(group == name)
        rows = np.flatnonzero(moved & (group[records["offence"]] == name))
        records["previous"][rows] = rng.choice(peers, len(rows))
    moved &= records["previous"] != records["offence"]
    records["previous"] = np.where(moved, records["previous"], -1)
    later = records["recorded"] + rng.integers(DAY, 60 * DAY, n)
    records["reclassified"] = np.where(moved, later, NEVER)


def _draw_cancellations(
    year: Year, rng: np.random.Generator, crime_of_record: Table, is_crime: NDArray[np.bool_]
) -> None:
    """Draw the cancellations: right ones pass every check, most wrong ones fail one.

    `flaw` says which check fails: 1 who decided, 2 the victim was not told, 3 the reason lacks its
    proof (the other force's reference, a surviving record, an assault to be self-defence). 0: none.
    """
    records = year.records
    n = len(records["log"])
    right = is_crime & (crime_of_record["fate"] == JUSTIFIED)
    wrong = is_crime & (crime_of_record["fate"] == WRONGLY_CANCELLED)
    is_cancelled = right | wrong
    code = rng.choice([1, 2, 3, 4], n, p=[0.08, 0.52, 0.3, 0.1])
    offences = year.scenario.settings.offences
    self_defence = np.array([o.offence_class in SELF_DEFENCE for o in offences])
    is_assault = np.where(is_crime, self_defence[crime_of_record["offence"]], False)
    after = records["recorded"] + rng.integers(DAY, 40 * DAY, n)
    records["cancelled"] = np.where(is_cancelled, after, NEVER)
    is_rape = np.array([o.is_rape for o in offences])
    rape = np.where(is_crime, is_rape[crime_of_record["offence"]], False)
    flaw = np.where(wrong, rng.choice([0, 1, 2, 3], n, p=[0.2, 0.3, 0.3, 0.2]), 0)
    # C5 (self-defence) is for assaults alone, so for any other class it is a flaw of its own.
    code = np.where(is_assault & (rng.random(n) < 0.15), 5, code)
    code = np.where(~is_assault & (flaw == 3) & (rng.random(n) < 0.3), 5, code)
    # Anybody may decide on a transfer (C1), so what is missing is the other force's reference.
    flaw = np.where((code == 1) & (flaw == 1), 3, flaw)
    records["flaw"] = flaw
    records["cancel_code"] = np.where(is_cancelled, code, 0)
    decider = np.where(rape, 1, 0)
    decider = np.where(flaw == 1, np.where(rape, 0, 2), decider)
    records["decider"] = np.where(is_cancelled, decider, -1)
    is_told = is_cancelled & np.isin(code, (1, 2, 5)) & (flaw != 2)
    records["told"] = np.where(is_told, after - rng.integers(HOUR, DAY, n), NEVER)
    records["other_force"] = np.where(
        is_cancelled & (code == 1) & (flaw != 3), rng.integers(1, 44, n), -1
    )
    live = np.flatnonzero(is_crime & ~is_cancelled)
    survivors = live[np.minimum(np.searchsorted(live, np.arange(n)), len(live) - 1)]
    survivor = np.where(flaw == 3, -1, records["number"][survivors])
    records["survivor"] = np.where(is_cancelled & (code == 3), survivor, -1)


def _write_numbers_back(year: Year) -> None:
    """Write the newest occurrence number that each log shows at as_of back to the log."""
    records, logs = year.records, year.logs
    logs["case"] = np.full(len(logs["kind"]), -1, np.int64)
    rows = np.flatnonzero(records["is_written_back"] & (records["recorded"] + 120 < year.as_of))
    logs["case"][records["log"][rows]] = records["number"][
        rows
    ]  # records stand in the order of recording, so the newest is written last
