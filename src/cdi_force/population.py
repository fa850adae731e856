"""One year of the force as numbers: incidents, their crimes and logs, and what became of each.

A table is a dictionary of arrays, all drawn from one seeded generator; texts and files come later.
A row says how things end; what of it was known at as_of is decided when it is written to a file.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from cdi_force.clock import DAY, HOUR, Clock
from cdi_force.closings import add_duplicates, close_logs
from cdi_force.conditions import Facts
from cdi_force.facts import crime_facts
from cdi_force.people import repeat_people
from cdi_force.quotas import apportion_total, no_log_by_offence, quotas_by_group, records_by_offence
from cdi_force.records import finish_crimes, make_records, refer_records
from cdi_force.scenario import Scenario
from cdi_force.year import (
    AMBIGUOUS,
    BLAND,
    CHANNELS,
    DUPLICATE,
    FRAME,
    FRAME_CRIME,
    FRAME_NO_CRIME,
    HIDDEN,
    HIDDEN_ONLY,
    JUSTIFIED,
    NEAR_MISS,
    NO_CRIME,
    RECORDED,
    TOLD,
    UNRECORDED,
    WRONGLY_CANCELLED,
    Draw,
    Table,
    Year,
    draw_exactly,
    pick_places,
    take_rows,
)


def simulate_year(
    scenario: Scenario, seed: int, *, years_back: int = 0, volume: float = 1.0, force: int = 0
) -> Year:
    """Simulate one year.

    Args:
        scenario: What to simulate.
        seed: Same seed, same year.
        years_back: 1 for the year before (for the audit).
        volume: Size of the force, 1.0 as published.
        force: Number of the force, for several forces of one seed.
    """
    end = scenario.settings.period_end
    zone = ZoneInfo(scenario.settings.timezone)
    start = datetime(end.year - years_back - 1, end.month, end.day, tzinfo=zone)
    stop = datetime(end.year - years_back, end.month, end.day, tzinfo=zone)
    clock = Clock.of(zone, start, stop)
    codes = tuple(
        dict.fromkeys(
            [
                *(o.opening for o in scenario.settings.offences),
                *(i.code for i in scenario.settings.incidents),
                "CR20",
                "CR21",
                "AD01",
                *scenario.closings.covers,
                *(c for r in scenario.settings.codes for c in (r.opening, r.closing) if c),
                # Closings and records look for logs under these; a scenario need have none.
                *("CR05", "CR17", "AD07", "TR01", "PW07"),
            ]
        )
    )
    year = Year(scenario, clock, clock.end, codes)
    draw = Draw(year, [seed, years_back, force], volume)
    crimes = _draw_crimes_from_logs(draw)
    incidents = _draw_incidents(draw, crimes)
    _draw_people_and_places(draw, incidents)
    repeat_people(draw, incidents)
    _draw_fates(draw, crimes, incidents)
    logs = _make_logs(draw, incidents, crimes)
    finish_crimes(draw, crimes, logs)
    make_records(draw, crimes, logs)
    refer_records(draw)
    return year


def _draw_crimes_from_logs(draw: Draw) -> Table:
    """Draw the crimes that should be recorded, with a crime code on their log or hidden."""
    live = records_by_offence(draw.settings, draw.volume)
    from_logs = (live - no_log_by_offence(draw.settings, live)).astype(float)
    offence, universe = [], []
    for number, quota in enumerate(quotas_by_group(draw.settings, draw.volume).values()):
        mix = np.where(draw.group_of == number, from_logs, 0.0)
        for kind, count in (
            (FRAME, quota.frame_recorded + quota.frame_missed),
            (HIDDEN_ONLY, quota.hidden_recorded + quota.hidden_missed),
        ):
            if count:
                offence.append(np.repeat(np.arange(len(mix)), apportion_total(count, mix)))
                universe.append(np.full(count, kind, np.int8))
    # In addition: crimes that are recorded, and rightly cancelled later.
    cancelled = round(draw.hard.rightly_cancelled * int(live.sum()))
    offence.append(np.repeat(np.arange(len(from_logs)), apportion_total(cancelled, from_logs)))
    universe.append(np.full(cancelled, FRAME, np.int8))
    n = sum(map(len, offence))
    crimes: Table = {
        "offence": np.concatenate(offence).astype(np.int16),
        "universe": np.concatenate(universe),
        "fate": np.full(n, RECORDED, np.int8),
    }
    crimes["fate"][n - cancelled :] = JUSTIFIED
    crimes = take_rows(crimes, draw.rng.permutation(n))
    chance = draw.rng.random(n)
    share = draw.da_share[crimes["offence"]] * np.where(crimes["universe"] == FRAME, 1, 1.3)
    crimes["is_da"] = chance < share
    _put_crimes_into_shared_logs(draw, crimes)
    return crimes


def _put_crimes_into_shared_logs(draw: Draw, crimes: Table) -> None:
    """Put some crimes into the log of another crime, as its second to fourth.

    A little over half of them join a log with a crime of their own offence (a further victim), if
    there is one; the others join any log of the same universe and domestic-abuse flag.
    """
    n = len(crimes["offence"])
    is_alone = (crimes["fate"] == JUSTIFIED) | ~np.isin(
        [draw.groups[g] for g in draw.group_of[crimes["offence"]]],
        (
            "violence_against_the_person",
            "public_order",
            "arson_and_criminal_damage",
            "theft",
            "sexual_offences",
            "vehicle_offences",
            "burglary",
        ),
    )
    wanted = round(draw.hard.further_crimes * n)
    eligible = np.flatnonzero(~is_alone)
    further = draw.rng.permutation(eligible)[:wanted]
    is_first = np.ones(n, bool)
    is_first[further] = False
    hosts = np.flatnonzero(is_first & ~is_alone)
    pool = crimes["universe"][hosts] * 2 + crimes["is_da"][hosts]
    key_of_host_same = crimes["offence"][hosts].astype(np.int64) * 10 + pool
    order_same, order_pool = (
        np.argsort(key_of_host_same, kind="stable"),
        np.argsort(pool, kind="stable"),
    )
    key_pool = crimes["universe"][further] * 2 + crimes["is_da"][further]
    key_same = crimes["offence"][further].astype(np.int64) * 10 + key_pool
    is_same = draw.rng.random(len(further)) < 0.55
    host = hosts[order_pool[pick_places(draw.rng, pool[order_pool], key_pool)]]
    host_same = hosts[order_same[pick_places(draw.rng, key_of_host_same[order_same], key_same)]]
    has_same = (
        key_of_host_same[order_same][pick_places(draw.rng, key_of_host_same[order_same], key_same)]
        == key_same
    )
    host = np.where(is_same & has_same, host_same, host)
    incident = np.full(n, -1, np.int64)
    incident[is_first] = np.arange(int(is_first.sum()))
    order = np.argsort(host, kind="stable")
    ordinal = np.ones(n, np.int8)
    place = np.arange(len(order)) - np.searchsorted(host[order], host[order])
    ordinal[further[order]] = 2 + np.minimum(place, 100)
    incident[further] = incident[host]
    spill = ordinal > 4  # no log has a fifth crime: it gets a log of its own
    ordinal[spill] = 1
    incident[spill] = int(is_first.sum()) + np.arange(int(spill.sum()))
    crimes["incident"], crimes["ordinal"] = incident, ordinal


def _draw_incidents(draw: Draw, crimes: Table) -> Table:
    """Draw all incidents: those with crimes, those opened as crimes that are none, all others."""
    s, codes = draw.settings, draw.year.codes
    first = np.flatnonzero(crimes["ordinal"] == 1)
    first = first[np.argsort(crimes["incident"][first])]
    n_crime = len(first)
    n_frame = round(s.volumes.frame_no_crime_logs * draw.volume)
    total = round(s.volumes.logs * draw.volume)
    n_other = total - round(total * draw.hard.duplicate_logs) - n_crime - n_frame
    weights = np.array([o.annual * (1.5 if o.profile != "shop" else 0.6) for o in s.offences])
    false_offence = np.repeat(np.arange(len(weights)), apportion_total(n_frame, weights))
    incident_type = np.repeat(
        np.arange(len(s.incidents)),
        apportion_total(n_other, np.array([i.weight for i in s.incidents])),
    )
    kind = np.concatenate(
        [
            np.where(crimes["universe"][first] == FRAME, FRAME_CRIME, HIDDEN),
            np.full(n_frame, FRAME_NO_CRIME),
            np.full(n_other, NO_CRIME),
        ]
    ).astype(np.int8)
    offence = np.concatenate(
        [crimes["offence"][first], false_offence, np.full(n_other, -1)]
    ).astype(np.int16)
    profile = np.concatenate(
        [
            draw.profile_of[offence[: n_crime + n_frame]],
            np.array([i.profile for i in s.incidents])[incident_type],
        ]
    )
    own_code = np.array([codes.index(i.code) for i in s.incidents])[incident_type]
    is_da = np.concatenate(
        [
            crimes["is_da"][first],
            draw.rng.random(n_frame) < draw.da_share[false_offence],
            (own_code == codes.index("PW05")) | (draw.rng.random(n_other) < 0.01),
        ]
    )
    n = len(kind)
    incidents: Table = {
        "kind": kind,
        "offence": offence,
        "is_da": is_da,
        "received": draw.year.clock.sample(draw.rng, s, profile),
        "own_code": np.concatenate([np.full(n_crime + n_frame, -1), own_code]),
        "half": draw_exactly(draw.rng, n, 0.5).astype(np.int8),
        "is_vulnerable": (draw.rng.random(n) < 0.08)
        | np.where(offence >= 0, draw.is_child[offence], False),
    }
    _draw_grades_and_accounts(draw, incidents)
    return incidents


def _draw_grades_and_accounts(draw: Draw, incidents: Table) -> None:
    rng, n = draw.rng, len(incidents["kind"])
    incidents["channel"] = rng.choice(6, n, p=[0.25, 0.59, 0.03, 0.04, 0.05, 0.04])
    child = np.where(incidents["offence"] >= 0, draw.is_child[incidents["offence"]], False)
    incidents["channel"] = np.where(child & (rng.random(n) < 0.4), 3, incidents["channel"])
    incidents["grade"] = 1 + rng.choice(4, n, p=[0.18, 0.3, 0.27, 0.25])
    incidents["is_attended"] = (
        rng.random(n) < np.array([0.98, 0.93, 0.75, 0.25])[incidents["grade"] - 1]
    )
    kind, hard = incidents["kind"], draw.hard
    serious = incidents["is_da"] | np.where(
        incidents["offence"] >= 0, draw.is_rape[incidents["offence"]], False
    )
    account = np.full(n, TOLD, np.int8)
    for log_kind, share in (
        (FRAME_CRIME, hard.undecidable_frame),
        (HIDDEN, hard.undecidable_hidden),
    ):
        for is_serious in (False, True):
            rows = np.flatnonzero((kind == log_kind) & (serious == is_serious))
            wanted = share * (hard.undecidable_serious if is_serious else 1.0)
            account[rows[draw_exactly(rng, len(rows), wanted)]] = AMBIGUOUS
    false = np.flatnonzero(kind == FRAME_NO_CRIME)
    account[false] = rng.choice(
        np.array([TOLD, NEAR_MISS, AMBIGUOUS], np.int8), len(false), p=[0.65, 0.2, 0.15]
    )
    none = np.flatnonzero(kind == NO_CRIME)
    account[none] = rng.choice(
        np.array([NEAR_MISS, AMBIGUOUS, BLAND], np.int8),
        len(none),
        p=[hard.near_miss, hard.ambiguous, 1 - hard.near_miss - hard.ambiguous],
    )
    incidents["account"] = account


def _draw_people_and_places(draw: Draw, incidents: Table) -> None:
    """Draw victim, caller and place of each incident: numbers, which `columns` turns to names."""
    rng, n, s = draw.rng, len(incidents["kind"]), draw.settings
    pool = round(s.volumes.addresses * draw.volume)
    district = np.repeat(
        np.arange(len(s.force.districts)),
        apportion_total(pool, np.array([each.share for each in s.force.districts])),
    )
    rng.shuffle(district)
    centre = np.array([(each.easting, each.northing) for each in s.force.districts])[district]
    address_positions = centre + rng.normal(0, 3500, (pool, 2))
    # The power lets low numbers come up often: some addresses call again and again.
    address_of_incident = (pool * rng.random(n) ** 1.6).astype(np.int64)
    incidents["address"] = address_of_incident
    incidents["district"] = district[address_of_incident].astype(np.int8)
    incidents["beat"] = (address_of_incident * 7919 % 5).astype(np.int8)
    incidents["easting"] = np.round(address_positions[address_of_incident, 0]).astype(np.int32)
    incidents["northing"] = np.round(address_positions[address_of_incident, 1]).astype(np.int32)
    for role in ("victim", "caller"):
        incidents[role] = rng.integers(0, 1 << 40, n)
    is_victim_calling = rng.random(n) < 0.5
    incidents["caller"] = np.where(is_victim_calling, incidents["victim"], incidents["caller"])


def _draw_fates(draw: Draw, crimes: Table, incidents: Table) -> None:
    """Choose which crimes are missed: how many is a quota, the miss law says which."""
    odds = draw.year.scenario.miss_law.odds
    log = take_rows(incidents, crimes["incident"])
    hour = draw.year.clock.local(log["received"]) % DAY // HOUR
    facts = {
        "domestic_abuse": crimes["is_da"],
        "further_crime": crimes["ordinal"] > 1,
        "night": (hour >= 22) | (hour < 6),
        "child_or_vulnerable": log["is_vulnerable"],
        "partner_report": log["channel"] == CHANNELS.index("PARTNER"),
        "not_attended": ~log["is_attended"],
        "undecidable": log["account"] == AMBIGUOUS,
    }
    rules = draw.year.scenario.miss_law.rules
    weight = Facts(crime_facts(draw, crimes, log)).weigh_rows(rules)
    for name, factor in odds.items():
        weight *= np.where(facts[name], factor, 1.0)
    # Taking the smallest of exponential times is a weighted draw without replacement.
    turns = draw.rng.exponential(size=len(hour)) / weight
    turns[crimes["fate"] == JUSTIFIED] = np.inf
    group = draw.group_of[crimes["offence"]]
    wrongly = round(draw.hard.wrongly_cancelled * int((crimes["universe"] == FRAME).sum()))
    missed: list[NDArray[Any]] = []
    for number, quota in enumerate(quotas_by_group(draw.settings, draw.volume).values()):
        for universe, count in (
            (FRAME, quota.frame_missed),
            (HIDDEN_ONLY, quota.hidden_missed),
        ):
            rows = np.flatnonzero((group == number) & (crimes["universe"] == universe))
            chosen = rows[np.argsort(turns[rows], kind="stable")[:count]]
            crimes["fate"][chosen] = UNRECORDED
            if universe == FRAME:
                missed.append(chosen)
    pool = np.concatenate(missed)
    crimes["fate"][draw.rng.permutation(pool)[:wrongly]] = WRONGLY_CANCELLED
    crimes["has_record"] = crimes["fate"] != UNRECORDED


def _make_logs(draw: Draw, incidents: Table, crimes: Table) -> Table:
    """Make the logs in the order of receipt: one per incident, and the duplicates."""
    n = len(incidents["kind"])
    incidents["incident"] = np.arange(n)
    close_logs(draw, incidents, crimes)
    total = round(draw.settings.volumes.logs * draw.volume)
    logs = add_duplicates(draw, incidents, total - n)
    order = np.argsort(logs["received"], kind="stable")
    logs = take_rows(logs, order)
    day = draw.year.clock.local(logs["received"]) // DAY
    logs["local_day"] = day
    logs["serial"] = 1 + np.arange(len(day)) - np.searchsorted(day, day)
    first = np.flatnonzero(logs["kind"] != DUPLICATE)
    primary = np.zeros(n, np.int64)
    primary[logs["incident"][first]] = first
    logs["primary"] = primary[logs["incident"]]
    draw.year.logs = logs
    return logs
