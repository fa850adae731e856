"""One year of the force as numbers: incidents, their crimes and logs, and what became of each.

Everything is an array per table, drawn from one seeded generator; the texts and files come later.
A log's row is final here: what of it was known at as_of is decided when it is written out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from cdi.simulation import texts
from cdi.simulation.clock import DAY, HOUR, Clock
from cdi.simulation.quotas import apportion, no_log_by_offence, quotas, records_by_offence
from cdi.simulation.scenario import Scenario

Table = dict[str, NDArray[Any]]
Bools = NDArray[np.bool_]

# kinds of logs
FRAME_CRIME, HIDDEN, FRAME_NO_CRIME, NO_CRIME, DUPLICATE = range(5)
# what becomes of a crime in the end
RECORDED, WRONGLY_CANCELLED, UNRECORDED, JUSTIFIED = range(4)
FATES = ("recorded", "wrongly_cancelled", "unrecorded", "justified")
# universes
FRAME, HIDDEN_ONLY, NO_LOG = range(3)
UNIVERSES = ("frame", "hidden", "no_log")
# kinds of account
TOLD, NEAR_MISS, AMBIGUOUS, BLAND = range(4)
# how a reference stands on the record
CLEAN, ODD, MISTYPED, BLANK = range(4)

CHANNELS = ("999", "101", "ONLINE", "PARTNER", "OFFICER", "COUNTER")
RESULTS = ("RMS CRIME", "RMS ARREST", "RMS RELATED", "NOT RMS", "ADVICE", "NFA", "VIC NO ENG",
           "NO TRACE", "DUP", "ADMIN", "NO CRIME", "OTH FORCE", "GOOD INT", "AF REF", "CONTRARY",
           "UNTRACED", "3P UNCONF", "SCHOOL", "PO SPENT", "COUNTER", "ALREADY",
           "NOT NOTIF")  # fmt: skip
RESULT_OF_REASON = {
    "NO_CRIME_BOP": "NO CRIME", "CREDIBLE_CONTRARY": "CONTRARY", "GOOD_INTENT": "GOOD INT",
    "OTHER_FORCE": "OTH FORCE", "NOT_NOTIFIABLE": "NOT NOTIF", "VICTIM_UNTRACED": "UNTRACED",
    "THIRD_PARTY_UNCONFIRMED": "3P UNCONF", "SCHOOLS": "SCHOOL", "FRAUD_REFERRED": "AF REF",
    "PUBLIC_ORDER_SPENT": "PO SPENT", "COUNTER_ALLEGATION": "COUNTER",
    "ALREADY_RECORDED": "ALREADY",
}  # fmt: skip
REASON_WEIGHTS = {
    "NO_CRIME_BOP": 30, "CREDIBLE_CONTRARY": 8, "GOOD_INTENT": 15, "OTHER_FORCE": 5,
    "NOT_NOTIFIABLE": 12, "VICTIM_UNTRACED": 9, "THIRD_PARTY_UNCONFIRMED": 9, "SCHOOLS": 3,
    "FRAUD_REFERRED": 4, "COUNTER_ALLEGATION": 1, "ALREADY_RECORDED": 4,
}  # fmt: skip
QUALIFIERS = ("DOMESTIC ABUSE", "ALCOHOL", "MENTAL HEALTH", "YOUTH", "HATE", "VULNERABLE",
              "WEAPON")  # fmt: skip
# codes that are no crime, under which crimes hide or are closed: code, subject of the phrases
COVERS = {"AS01": "asb_personal", "AS02": "asb_nuisance", "PW04": "concern_for_safety",
          "PW05": "domestic_incident", "PW08": "suspicious_circumstances",
          "AD06": "contact_record", "PW06": "missing_person", "PW03": "civil_dispute"}  # fmt: skip


def choice(rng: np.random.Generator, weights: Mapping[Any, float], n: int) -> NDArray[Any]:
    """Draw keys in proportion to their weights."""
    keys = np.array(list(weights))
    share = np.cumsum(np.array(list(weights.values()), float))
    at = np.searchsorted(share, rng.random(n) * share[-1], side="right")
    return np.asarray(keys[np.minimum(at, len(keys) - 1)])


def exactly(rng: np.random.Generator, n: int, share: float) -> Bools:
    """A random subset that holds exactly this share, rounded."""
    chosen = np.zeros(n, bool)
    chosen[rng.permutation(n)[: round(n * share)]] = True
    return chosen


def take(table: Table, rows: NDArray[Any]) -> Table:
    """Some rows of a table."""
    return {name: column[rows] for name, column in table.items()}


@dataclass
class Year:
    """A simulated year.

    Attributes:
        scenario: What was simulated.
        clock: The year's hours; moments are seconds since 1970, UTC.
        as_of: When the extract was made.
        logs: One row per log, in the order of receipt.
        crimes: One row per crime that was reported, by log or not; `log` is -1 without one.
        records: One row per occurrence of the records system, in the order of recording.
    """

    scenario: Scenario
    clock: Clock
    as_of: int
    codes: tuple[str, ...]
    logs: Table = field(default_factory=dict)
    crimes: Table = field(default_factory=dict)
    records: Table = field(default_factory=dict)


def simulate(
    scenario: Scenario, seed: int, *, years_back: int = 0, volume: float = 1.0, force: int = 0
) -> Year:
    """Draw one year.

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
            [*(o.opening for o in scenario.settings.offences),
             *(i.code for i in scenario.settings.incidents), "CR20", "CR21", "AD01"]
        )
    )  # fmt: skip
    year = Year(scenario, clock, clock.end, codes)
    rng = np.random.default_rng([seed, years_back, force])
    _Maker(year, rng, volume).make()
    return year


class _Maker:
    """Fills a year, step by step; each step reads what the ones before it drew."""

    def __init__(self, year: Year, rng: np.random.Generator, volume: float) -> None:
        self.year = year
        self.rng = rng
        self.volume = volume
        self.settings = year.scenario.settings
        self.hard = self.settings.hardness
        self.offences = self.settings.offences
        self.groups = year.scenario.groups
        self.group_of = np.array([self.groups.index(o.group) for o in self.offences])
        self.opening_of = np.array([year.codes.index(o.opening) for o in self.offences])
        self.da_share = np.array([o.da for o in self.offences])
        self.is_rape = np.array([o.is_rape for o in self.offences])
        self.is_child = np.array(["child" in o.key for o in self.offences])
        self.profile_of = np.array([o.profile for o in self.offences])
        self.family_of = np.array([texts.family(o.key, o.group) for o in self.offences])

    def make(self) -> None:
        crimes = self._crimes_from_logs()
        incidents = self._incidents(crimes)
        self._people_and_places(incidents)
        self._fates(crimes, incidents)
        logs = self._logs(incidents, crimes)
        self._finish_crimes(crimes, logs)
        self._records(crimes, logs)
        self._references()

    # ------------------------------------------------------------------ crimes

    def _crimes_from_logs(self) -> Table:
        """Crimes that should be recorded, frame and hidden, with `first` = first of its log."""
        records = records_by_offence(self.settings, self.volume)
        from_logs = (records - no_log_by_offence(self.settings, records)).astype(float)
        offence, universe = [], []
        for number, quota in enumerate(quotas(self.settings, self.volume).values()):
            mix = np.where(self.group_of == number, from_logs, 0.0)
            for kind, count in (
                (FRAME, quota.frame_recorded + quota.frame_missed),
                (HIDDEN_ONLY, quota.hidden_recorded + quota.hidden_missed),
            ):
                if count:
                    offence.append(np.repeat(np.arange(len(mix)), apportion(count, mix)))
                    universe.append(np.full(count, kind, np.int8))
        # on top: recorded, and rightly cancelled later
        cancelled = round(self.hard.rightly_cancelled * int(records.sum()))
        offence.append(np.repeat(np.arange(len(from_logs)), apportion(cancelled, from_logs)))
        universe.append(np.full(cancelled, FRAME, np.int8))
        n = sum(map(len, offence))
        crimes: Table = {
            "offence": np.concatenate(offence).astype(np.int16),
            "universe": np.concatenate(universe),
            "fate": np.full(n, RECORDED, np.int8),
        }
        crimes["fate"][n - cancelled :] = JUSTIFIED
        crimes = take(crimes, self.rng.permutation(n))
        chance = self.rng.random(n)
        share = self.da_share[crimes["offence"]] * np.where(crimes["universe"] == FRAME, 1, 1.3)
        crimes["is_da"] = chance < share
        self._share_logs(crimes)
        return crimes

    def _share_logs(self, crimes: Table) -> None:
        """Put some crimes into the log of another: `incident` and `ordinal`."""
        n = len(crimes["offence"])
        alone = (crimes["fate"] == JUSTIFIED) | ~np.isin(
            [self.groups[g] for g in self.group_of[crimes["offence"]]],
            ("violence_against_the_person", "public_order", "arson_and_criminal_damage", "theft",
             "sexual_offences", "vehicle_offences", "burglary"),
        )  # fmt: skip
        wanted = round(self.hard.further_crimes * n)
        eligible = np.flatnonzero(~alone)
        further = self.rng.permutation(eligible)[:wanted]
        is_first = np.ones(n, bool)
        is_first[further] = False
        hosts = np.flatnonzero(is_first & ~alone)
        pool = crimes["universe"][hosts] * 2 + crimes["is_da"][hosts]
        same = crimes["offence"][hosts].astype(np.int64) * 10 + pool
        order_same, order_pool = np.argsort(same, kind="stable"), np.argsort(pool, kind="stable")
        key_pool = crimes["universe"][further] * 2 + crimes["is_da"][further]
        key_same = crimes["offence"][further].astype(np.int64) * 10 + key_pool
        is_same = self.rng.random(len(further)) < 0.55
        host = hosts[order_pool[_pick(self.rng, pool[order_pool], key_pool)]]
        host_same = hosts[order_same[_pick(self.rng, same[order_same], key_same)]]
        has_same = same[order_same][_pick(self.rng, same[order_same], key_same)] == key_same
        host = np.where(is_same & has_same, host_same, host)
        incident = np.full(n, -1, np.int64)
        incident[is_first] = np.arange(int(is_first.sum()))
        order = np.argsort(host, kind="stable")
        ordinal = np.ones(n, np.int8)
        place = np.arange(len(order)) - np.searchsorted(host[order], host[order])
        ordinal[further[order]] = 2 + np.minimum(place, 100)
        incident[further] = incident[host]
        spill = ordinal > 4  # a fifth crime has its own log
        ordinal[spill] = 1
        incident[spill] = int(is_first.sum()) + np.arange(int(spill.sum()))
        crimes["incident"], crimes["ordinal"] = incident, ordinal

    # --------------------------------------------------------------- incidents

    def _incidents(self, crimes: Table) -> Table:
        """All incidents: those with crimes, those opened as crimes, and all others."""
        s, codes = self.settings, self.year.codes
        first = np.flatnonzero(crimes["ordinal"] == 1)
        first = first[np.argsort(crimes["incident"][first])]
        n_crime = len(first)
        n_frame = round(s.volumes.frame_no_crime_logs * self.volume)
        total = round(s.volumes.logs * self.volume)
        n_other = total - round(total * self.hard.duplicate_logs) - n_crime - n_frame
        weights = np.array([o.annual * (1.5 if o.profile != "shop" else 0.6) for o in s.offences])
        false_offence = np.repeat(np.arange(len(weights)), apportion(n_frame, weights))
        other = np.repeat(
            np.arange(len(s.incidents)),
            apportion(n_other, np.array([i.weight for i in s.incidents])),
        )
        kind = np.concatenate(
            [np.where(crimes["universe"][first] == FRAME, FRAME_CRIME, HIDDEN),
             np.full(n_frame, FRAME_NO_CRIME), np.full(n_other, NO_CRIME)]
        ).astype(np.int8)  # fmt: skip
        offence = np.concatenate(
            [crimes["offence"][first], false_offence, np.full(n_other, -1)]
        ).astype(np.int16)
        profile = np.concatenate(
            [self.profile_of[offence[: n_crime + n_frame]],
             np.array([i.profile for i in s.incidents])[other]]
        )  # fmt: skip
        own_code = np.array([codes.index(i.code) for i in s.incidents])[other]
        is_da = np.concatenate(
            [crimes["is_da"][first],
             self.rng.random(n_frame) < self.da_share[false_offence],
             (own_code == codes.index("PW05")) | (self.rng.random(n_other) < 0.01)]
        )  # fmt: skip
        n = len(kind)
        incidents: Table = {
            "kind": kind,
            "offence": offence,
            "is_da": is_da,
            "received": self.year.clock.sample(self.rng, s, profile),
            "own_code": np.concatenate([np.full(n_crime + n_frame, -1), own_code]),
            "half": exactly(self.rng, n, 0.5).astype(np.int8),
            "is_vulnerable": (self.rng.random(n) < 0.08)
            | np.where(offence >= 0, self.is_child[offence], False),
        }
        self._grades_and_accounts(incidents)
        return incidents

    def _grades_and_accounts(self, incidents: Table) -> None:
        rng, n = self.rng, len(incidents["kind"])
        incidents["channel"] = rng.choice(6, n, p=[0.25, 0.59, 0.03, 0.04, 0.05, 0.04])
        child = np.where(incidents["offence"] >= 0, self.is_child[incidents["offence"]], False)
        incidents["channel"] = np.where(child & (rng.random(n) < 0.4), 3, incidents["channel"])
        incidents["grade"] = 1 + rng.choice(4, n, p=[0.18, 0.3, 0.27, 0.25])
        incidents["is_attended"] = (
            rng.random(n) < np.array([0.98, 0.93, 0.75, 0.25])[incidents["grade"] - 1]
        )
        kind, hard = incidents["kind"], self.hard
        serious = incidents["is_da"] | np.where(
            incidents["offence"] >= 0, self.is_rape[incidents["offence"]], False
        )
        account = np.full(n, TOLD, np.int8)
        for which, share in (
            (FRAME_CRIME, hard.undecidable_frame),
            (HIDDEN, hard.undecidable_hidden),
        ):
            for is_serious in (False, True):
                there = np.flatnonzero((kind == which) & (serious == is_serious))
                wanted = share * (hard.undecidable_serious if is_serious else 1.0)
                account[there[exactly(rng, len(there), wanted)]] = AMBIGUOUS
        false = np.flatnonzero(kind == FRAME_NO_CRIME)
        account[false] = rng.choice(
            np.array([TOLD, NEAR_MISS, AMBIGUOUS], np.int8), len(false), p=[0.65, 0.2, 0.15]
        )
        none = np.flatnonzero(kind == NO_CRIME)
        account[none] = rng.choice(
            np.array([NEAR_MISS, AMBIGUOUS, BLAND], np.int8), len(none),
            p=[hard.near_miss, hard.ambiguous, 1 - hard.near_miss - hard.ambiguous],
        )  # fmt: skip
        incidents["account"] = account

    def _people_and_places(self, incidents: Table) -> None:
        """Victim, caller and place of each incident, as numbers into the pools of `names`."""
        rng, n, s = self.rng, len(incidents["kind"]), self.settings
        pool = round(s.volumes.addresses * self.volume)
        district = np.repeat(
            np.arange(len(s.force.districts)),
            apportion(pool, np.array([d.share for d in s.force.districts])),
        )
        rng.shuffle(district)
        centre = np.array([(d.easting, d.northing) for d in s.force.districts])[district]
        spot = centre + rng.normal(0, 3500, (pool, 2))
        # some addresses call often
        at = (pool * rng.random(n) ** 1.6).astype(np.int64)
        incidents["address"] = at
        incidents["district"] = district[at].astype(np.int8)
        incidents["beat"] = (at * 7919 % 5).astype(np.int8)
        incidents["easting"] = np.round(spot[at, 0]).astype(np.int32)
        incidents["northing"] = np.round(spot[at, 1]).astype(np.int32)
        for who in ("victim", "caller"):
            incidents[who] = rng.integers(0, 1 << 40, n)
        same = rng.random(n) < 0.5
        incidents["caller"] = np.where(same, incidents["victim"], incidents["caller"])

    # ------------------------------------------------------------------- fates

    def _fates(self, crimes: Table, incidents: Table) -> None:
        """Which crimes are missed: the number is a quota, the miss law says where they fall."""
        odds = self.year.scenario.miss_law.odds
        log = take(incidents, crimes["incident"])
        hour = self.year.clock.local(log["received"]) % DAY // HOUR
        facts = {
            "domestic_abuse": crimes["is_da"],
            "further_crime": crimes["ordinal"] > 1,
            "night": (hour >= 22) | (hour < 6),
            "child_or_vulnerable": log["is_vulnerable"],
            "partner_report": log["channel"] == CHANNELS.index("PARTNER"),
            "not_attended": ~log["is_attended"],
            "undecidable": log["account"] == AMBIGUOUS,
        }
        weight = np.ones(len(hour))
        for name, factor in odds.items():
            weight *= np.where(facts[name], factor, 1.0)
        # the smallest of exponential times: a weighted draw without replacement
        turn = self.rng.exponential(size=len(hour)) / weight
        turn[crimes["fate"] == JUSTIFIED] = np.inf
        group = self.group_of[crimes["offence"]]
        wrongly = round(self.hard.wrongly_cancelled * int((crimes["universe"] == FRAME).sum()))
        missed: list[NDArray[Any]] = []
        for number, quota in enumerate(quotas(self.settings, self.volume).values()):
            for universe, count in (
                (FRAME, quota.frame_missed),
                (HIDDEN_ONLY, quota.hidden_missed),
            ):
                there = np.flatnonzero((group == number) & (crimes["universe"] == universe))
                chosen = there[np.argsort(turn[there], kind="stable")[:count]]
                crimes["fate"][chosen] = UNRECORDED
                if universe == FRAME:
                    missed.append(chosen)
        pool = np.concatenate(missed)
        crimes["fate"][self.rng.permutation(pool)[:wrongly]] = WRONGLY_CANCELLED
        crimes["has_record"] = crimes["fate"] != UNRECORDED

    # -------------------------------------------------------------------- logs

    def _logs(self, incidents: Table, crimes: Table) -> Table:
        """Logs in the order of receipt: one per incident, and the duplicates."""
        n = len(incidents["kind"])
        incidents["incident"] = np.arange(n)
        self._closings(incidents, crimes)
        total = round(self.settings.volumes.logs * self.volume)
        logs = self._with_duplicates(incidents, total - n)
        order = np.argsort(logs["received"], kind="stable")
        logs = take(logs, order)
        day = self.year.clock.local(logs["received"]) // DAY
        logs["local_day"] = day
        logs["serial"] = 1 + np.arange(len(day)) - np.searchsorted(day, day)
        first = np.flatnonzero(logs["kind"] != DUPLICATE)
        primary = np.zeros(n, np.int64)
        primary[logs["incident"][first]] = first
        logs["primary"] = primary[logs["incident"]]
        self.year.logs = logs
        return logs

    def _closings(self, incidents: Table, crimes: Table) -> None:
        """Opening and closing code, result and the manner of the closing text."""
        rng, codes, n = self.rng, self.year.codes, len(incidents["kind"])
        kind, offence = incidents["kind"], incidents["offence"]
        crime_code = np.where(offence >= 0, self.opening_of[offence], -1)
        is_violence = np.where(offence >= 0, self.group_of[offence] == 0, False)
        domestic_code = incidents["is_da"] & is_violence & (rng.random(n) < 0.6)
        crime_code = np.where(domestic_code, codes.index("CR20"), crime_code)
        cover = self._cover(incidents)
        has_any = np.zeros(n, bool)
        np.logical_or.at(has_any, crimes["incident"], crimes["has_record"])
        incidents["has_record"] = has_any

        # opened as something else, and put right: by those who recorded the crime
        opened_other = (kind == FRAME_CRIME) & has_any & (rng.random(n) < 0.06)
        incidents["opening"] = np.select(
            [kind == NO_CRIME, (kind == HIDDEN) | opened_other],
            [incidents["own_code"], cover], crime_code,
        )  # fmt: skip
        incidents["closing"] = np.where(kind == FRAME_CRIME, crime_code, incidents["opening"])
        incidents["result"] = np.zeros(n, np.int8)
        incidents["text_kind"] = np.full(n, "closing", "<U8")
        incidents["text_subject"] = np.full(n, "ended", "<U24")
        incidents["is_non_crime"] = np.zeros(n, bool)
        incidents["reopened"] = np.zeros(n, np.int64)
        closed = np.minimum(np.exp(rng.normal(9.2, 1.1, n)), 5 * DAY).astype(np.int64)
        incidents["closed"] = incidents["received"] + 240 + closed
        self._close_recorded(incidents, np.flatnonzero(has_any))
        missed = np.flatnonzero(np.isin(kind, (FRAME_CRIME, HIDDEN)) & ~has_any)
        self._close_missed(incidents, missed, cover)
        self._close_no_crime(incidents, cover)
        # an account that nobody can decide is closed alike, whatever the truth
        vague = np.flatnonzero((incidents["account"] == AMBIGUOUS) & ~has_any)
        self._set(incidents, vague, {"no_reply": 35, "advice": 30, "no_offences": 35},
                  {"NFA": 30, "ADVICE": 30, "NOT RMS": 30, "NO CRIME": 10})  # fmt: skip
        vague = vague[kind[vague] != NO_CRIME]
        incidents["closing"][vague] = incidents["opening"][vague]
        incidents["is_non_crime"][vague] = False
        self._reopen(incidents, crimes, cover)

    def _cover(self, incidents: Table) -> NDArray[Any]:
        """A code that is no crime, under which a log may be opened or closed."""
        n, codes = len(incidents["kind"]), self.year.codes
        plain = choice(self.rng, {"AS01": 22, "AS02": 16, "PW04": 22, "PW08": 16, "AD06": 14,
                                  "PW06": 3, "PW03": 7}, n)  # fmt: skip
        domestic = choice(self.rng, {"PW05": 75, "PW04": 20, "AD06": 5}, n)
        chosen = np.where(incidents["is_da"], domestic, plain)
        number = {code: codes.index(code) for code in COVERS}
        return np.vectorize(number.__getitem__, otypes=[np.int64])(chosen)

    def _set(
        self,
        incidents: Table,
        rows: NDArray[Any],
        subjects: dict[str, float],
        results: dict[str, float],
        text_kind: str = "closing",
    ) -> None:
        n = len(rows)
        incidents["text_kind"][rows] = text_kind
        incidents["text_subject"][rows] = choice(self.rng, subjects, n)
        numbers = {RESULTS.index(result): weight for result, weight in results.items()}
        incidents["result"][rows] = choice(self.rng, numbers, n)

    def _close_recorded(self, incidents: Table, rows: NDArray[Any]) -> None:
        frame = rows[incidents["kind"][rows] == FRAME_CRIME]
        hidden = rows[incidents["kind"][rows] == HIDDEN]
        self._set(incidents, frame, {"recorded": 80, "record_pending": 20},
                  {"RMS CRIME": 90, "RMS ARREST": 6, "RMS RELATED": 4})  # fmt: skip
        self._set(incidents, hidden, {"recorded": 60, "record_pending": 20, "resolved": 20},
                  {"RMS CRIME": 60, "RMS RELATED": 40})  # fmt: skip

    def _close_missed(self, incidents: Table, rows: NDArray[Any], cover: NDArray[Any]) -> None:
        law = self.year.scenario.miss_law
        manner = np.where(
            incidents["kind"][rows] == FRAME_CRIME,
            choice(self.rng, dict(law.manner_frame), len(rows)),
            choice(self.rng, dict(law.manner_hidden), len(rows)),
        )
        excuses: dict[str, float] = {
            "victim_unwilling": 40, "no_lines": 25, "hoax_suspected": 8, "under_influence": 10,
            "advice": 17,
        }  # fmt: skip
        plain: dict[str, float] = {"NOT RMS": 40, "ADVICE": 30, "NFA": 30}

        def of(*names: str) -> NDArray[Any]:
            return rows[np.isin(manner, names)]

        excused = of("kept_code_excuse", "excuse")
        self._set(incidents, excused, excuses, plain)
        for subject, result in (("victim_unwilling", "VIC NO ENG"), ("no_lines", "NO TRACE")):
            there = excused[incidents["text_subject"][excused] == subject]
            there = there[self.rng.random(len(there)) < 0.6]
            incidents["result"][there] = RESULTS.index(result)
        self._set(incidents, of("promised"), {"record_pending": 70, "recorded": 30},
                  {"RMS CRIME": 100})  # fmt: skip
        gamed = of("gamed_code")
        self._set(incidents, gamed, {"asb_relabel": 50, "resolved": 30, "advice": 20}, plain)
        incidents["closing"][gamed] = cover[gamed]
        self._set(incidents, of("relabelled"), {"asb_relabel": 55, "resolved": 45}, plain)
        contradicted = of("contradicted")
        self._set(incidents, contradicted, {"no_offences": 100}, {"NO CRIME": 70, "NOT RMS": 30})
        half = contradicted[self.rng.random(len(contradicted)) < 0.5]
        incidents["closing"][half] = cover[half]
        other = of("non_crime_occurrence")
        self._set(incidents, other, {"non_crime_occurrence": 100}, {"RMS RELATED": 100})
        incidents["is_non_crime"][other] = True

    def _close_no_crime(self, incidents: Table, cover: NDArray[Any]) -> None:
        rng, kind = self.rng, incidents["kind"]
        false = np.flatnonzero(kind == FRAME_NO_CRIME)
        told = false[incidents["account"][false] == TOLD]
        near = false[incidents["account"][false] == NEAR_MISS]
        weights: dict[str, float] = dict(REASON_WEIGHTS)
        self._set(incidents, told, weights, {"NOT RMS": 40, "ADVICE": 30, "NFA": 30}, "no_crime")
        spent = told[
            (incidents["opening"][told] == self.year.codes.index("CR17"))
            & (rng.random(len(told)) < 0.4)
        ]
        incidents["text_subject"][spent] = "PUBLIC_ORDER_SPENT"
        coded = told[rng.random(len(told)) < 0.8]
        numbers = {reason: RESULTS.index(r) for reason, r in RESULT_OF_REASON.items()}
        incidents["result"][coded] = np.vectorize(numbers.__getitem__, otypes=[np.int8])(
            incidents["text_subject"][coded]
        )
        self._set(incidents, near, {"resolved": 40, "advice": 30, "no_offences": 30},
                  {"NOT RMS": 40, "ADVICE": 20, "NO CRIME": 25, "GOOD INT": 15})  # fmt: skip
        recoded = false[rng.random(len(false)) < 0.5]
        incidents["closing"][recoded] = cover[recoded]
        none = np.flatnonzero(kind == NO_CRIME)
        self._set(incidents, none, {"ended": 60, "resolved": 25, "advice": 15},
                  {"NOT RMS": 50, "NFA": 30, "ADVICE": 20})  # fmt: skip
        admin = none[incidents["own_code"][none] == self.year.codes.index("AD07")]
        incidents["result"][admin] = RESULTS.index("ADMIN")
        people = np.isin(
            incidents["own_code"], [self.year.codes.index(c) for c in (*COVERS, "TR01", "PW07")]
        )
        wanted = round(self.settings.volumes.non_crime_occurrences * self.volume * 0.7)
        made = self.rng.permutation(np.flatnonzero(people & (kind == NO_CRIME)))[:wanted]
        incidents["is_non_crime"][made] = True
        self._set(incidents, made, {"non_crime_occurrence": 60, "resolved": 40},
                  {"RMS RELATED": 100})  # fmt: skip
        n100 = told[
            (incidents["opening"][told] == self.year.codes.index("CR05"))
            & (rng.random(len(told)) < 0.6)
        ]
        incidents["is_non_crime"][n100] = True

    def _reopen(self, incidents: Table, crimes: Table, cover: NDArray[Any]) -> None:
        """Some recorded only months later: closed like a miss first, then reopened and crimed."""
        names = ("closing", "result", "text_kind", "text_subject")
        only = np.bincount(crimes["incident"], minlength=len(incidents["kind"])) == 1
        fit = np.flatnonzero(
            (incidents["kind"] == FRAME_CRIME) & incidents["has_record"] & only
            & (incidents["account"] == TOLD)
            & (incidents["opening"] == incidents["closing"])
        )  # fmt: skip
        recorded = int((crimes["fate"] == RECORDED).sum())
        chosen = self.rng.permutation(fit)[: round(self.hard.reopened_late * recorded)]
        final = {name: incidents[name].copy() for name in names}
        non_crime = incidents["is_non_crime"].copy()
        self._close_missed(incidents, chosen, cover)
        incidents["is_non_crime"] = non_crime
        for name in names:
            incidents[f"first_{name}"] = incidents[name]
            incidents[name] = final[name]
        days = self.rng.uniform(30, 180, len(chosen))
        incidents["reopened"][chosen] = incidents["closed"][chosen] + (days * DAY).astype(np.int64)

    def _with_duplicates(self, incidents: Table, count: int) -> Table:
        """Further callers about the same incident, each with a log of its own."""
        rng = self.rng
        weight = np.where(np.isin(incidents["kind"], (FRAME_CRIME, FRAME_NO_CRIME)), 2.0, 1.0)
        weight *= np.where(incidents["grade"] <= 2, 1.5, 1.0)
        share = np.cumsum(weight)
        parent = np.searchsorted(share, rng.random(count) * share[-1], side="right")
        copies = take(incidents, np.minimum(parent, len(share) - 1))
        is_unmarked = exactly(rng, count, self.hard.duplicates_unmarked)
        wait = rng.integers(60, 2400, count)
        copies["kind"] = np.full(count, DUPLICATE, np.int8)
        copies["received"] = np.minimum(copies["received"] + wait, self.year.clock.end - 1)
        copies["closed"] = copies["received"] + rng.integers(120, 3600, count)
        copies["caller"] = rng.integers(0, 1 << 40, count)
        copies["is_unmarked"] = is_unmarked
        copies["reopened"] = np.zeros(count, np.int64)
        copies["is_non_crime"] = np.zeros(count, bool)
        keeps_code = is_unmarked | (rng.random(count) < 0.2)
        copies["closing"] = np.where(keeps_code, copies["opening"], self.year.codes.index("AD01"))
        for name in ("first_closing", "first_result", "first_text_kind", "first_text_subject"):
            copies.pop(name)
        self._set(
            copies, np.flatnonzero(~is_unmarked), {"DUPLICATE_LOG": 1}, {"DUP": 1}, "no_crime"
        )
        self._set(copies, np.flatnonzero(is_unmarked), {"ended": 60, "resolved": 40},
                  {"NFA": 50, "NOT RMS": 50})  # fmt: skip
        for name in ("closing", "result", "text_kind", "text_subject"):
            copies[f"first_{name}"] = copies[name]
        incidents["is_unmarked"] = np.zeros(len(share), bool)
        return {name: np.concatenate([incidents[name], copies[name]]) for name in incidents}

    # ---------------------------------------------------------------- outcomes

    def _finish_crimes(self, crimes: Table, logs: Table) -> None:
        """When each crime was recorded, and what of it stands in the log's text."""
        rng, n = self.rng, len(crimes["offence"])
        where = np.zeros(int(logs["incident"].max()) + 1, np.int64)
        first = np.flatnonzero(logs["kind"] != DUPLICATE)
        where[logs["incident"][first]] = first
        crimes["log"] = where[crimes["incident"]]
        log = take(logs, crimes["log"])
        hours, shares = zip(*self.settings.delays.steps, strict=True)
        edges = np.log(np.array([0.2, *hours]))
        delay = np.exp(np.interp(rng.random(n), [0.0, *shares], edges)) * HOUR
        recorded = log["received"] + delay.astype(np.int64)
        is_before = exactly(rng, n, self.hard.record_before_log) & (log["reopened"] == 0)
        recorded = np.where(is_before, log["received"] - rng.integers(600, 6 * HOUR, n), recorded)
        late = log["reopened"] > 0
        recorded = np.where(late, log["reopened"] + rng.integers(600, 2 * DAY, n), recorded)
        crimes["recorded"] = np.where(crimes["has_record"], recorded, 0)
        crimes["is_before"] = is_before & crimes["has_record"]
        crimes["reported"] = log["received"]
        crimes["is_decidable"] = log["account"] == TOLD
        is_said = ~((crimes["ordinal"] > 1) & (rng.random(n) < self.hard.second_crime_unsaid))
        crimes["is_said"] = is_said & crimes["is_decidable"]
        crimes["is_decidable"] &= is_said
        crimes["victim"] = np.where(
            (crimes["ordinal"] == 1) | (rng.random(n) < 0.4),
            log["victim"], rng.integers(0, 1 << 40, n),
        )  # fmt: skip
        self.year.crimes = crimes

    def _records(self, crimes: Table, logs: Table) -> None:
        """All occurrences: crimes with a record, crimes without a log, and what is no crime."""
        rng = self.rng
        made = np.flatnonzero(crimes["has_record"])
        bare = self._without_log()
        start = len(crimes["offence"])
        self.year.crimes = {
            name: np.concatenate([column, bare[name]]) for name, column in crimes.items()
        }
        linked = np.flatnonzero(logs["is_non_crime"])
        wanted = round(self.settings.volumes.non_crime_occurrences * self.volume)
        loose = max(0, wanted - len(linked))
        moment = np.concatenate(
            [
                logs["received"][linked],
                self.year.clock.sample(rng, self.settings, np.full(loose, "day")),
            ]
        )
        non_crime: Table = {
            "crime": np.full(len(moment), -1),
            "log": np.concatenate([linked, np.full(loose, -1)]),
            "reported": moment,
            "recorded": moment + np.exp(rng.normal(9.5, 1.0, len(moment))).astype(np.int64),
        }
        numbers = np.concatenate([made, np.arange(start, start + len(bare["offence"]))])
        crime: Table = {
            "crime": numbers,
            "log": self.year.crimes["log"][numbers],
            "reported": self.year.crimes["reported"][numbers],
            "recorded": self.year.crimes["recorded"][numbers],
        }
        records = {name: np.concatenate([crime[name], non_crime[name]]) for name in crime}
        records = take(records, np.argsort(records["recorded"], kind="stable"))
        local = self.year.clock.local(records["recorded"]).astype("datetime64[s]")
        yy = local.astype("datetime64[Y]").astype(int) + 1970
        serial = 1 + np.arange(len(yy)) - np.searchsorted(yy, yy)
        start_year = date.fromtimestamp(self.year.clock.start).year
        serial += np.where(yy == start_year, 41_207, 207)
        records["number"] = (yy % 100) * 10_000_000 + serial
        self.year.records = records
        of_crime = np.full(len(self.year.crimes["offence"]), -1, np.int64)
        there = np.flatnonzero(records["crime"] >= 0)
        of_crime[records["crime"][there]] = there
        self.year.crimes["record"] = of_crime

    def _without_log(self) -> Table:
        """Crimes reported to the bureau, at a counter, online, by a partner or to an officer."""
        rng = self.rng
        records = records_by_offence(self.settings, self.volume)
        counts = no_log_by_offence(self.settings, records)
        offence = np.repeat(np.arange(len(counts)), counts).astype(np.int16)
        n = len(offence)
        reported = self.year.clock.sample(rng, self.settings, np.full(n, "day"))
        return {
            "offence": offence,
            "universe": np.full(n, NO_LOG, np.int8),
            "fate": np.full(n, RECORDED, np.int8),
            "is_da": rng.random(n) < self.da_share[offence],
            "incident": np.full(n, -1, np.int64),
            "ordinal": np.ones(n, np.int8),
            "has_record": np.ones(n, bool),
            "log": np.full(n, -1, np.int64),
            "recorded": reported + np.exp(rng.normal(8.5, 1.3, n)).astype(np.int64),
            "is_before": np.zeros(n, bool),
            "reported": reported,
            "is_decidable": np.ones(n, bool),
            "is_said": np.zeros(n, bool),
            "victim": rng.integers(0, 1 << 40, n),
        }

    # -------------------------------------------------------------- references

    def _references(self) -> None:
        """How each record names its log, and whether the log names the record."""
        rng, records, logs = self.rng, self.year.records, self.year.logs
        law = self.settings.references
        n = len(records["log"])
        has_log = np.flatnonzero(records["log"] >= 0)
        is_crime = records["crime"] >= 0
        form = np.full(n, BLANK, np.int8)
        for rows in (has_log[is_crime[has_log]], has_log[~is_crime[has_log]]):
            shares = np.array([law.none, law.mistyped, law.odd_format,
                               1 - law.none - law.mistyped - law.odd_format])  # fmt: skip
            kinds = np.repeat([BLANK, MISTYPED, ODD, CLEAN], apportion(len(rows), shares))
            form[rows] = rng.permutation(kinds)
        back = (form != BLANK) & (rng.random(n) < law.written_back)
        mistyped = form == MISTYPED
        back[mistyped] = rng.random(int(mistyped.sum())) < law.mistyped_written_back
        only = (form == CLEAN) & (rng.random(n) < law.only_on_log)
        back |= only
        records["has_reference"] = form != BLANK
        records["form"] = np.where(only, BLANK, form)
        records["is_written_back"] = back
        # the number typed: the log's own, or a duplicate's
        target = records["log"].copy()
        duplicates = np.flatnonzero(logs["kind"] == DUPLICATE)
        by_primary = duplicates[np.argsort(logs["primary"][duplicates], kind="stable")]
        at = np.searchsorted(logs["primary"][by_primary], target)
        at = np.minimum(at, max(0, len(by_primary) - 1))
        has_twin = (target >= 0) & (logs["primary"][by_primary][at] == target)
        to_twin = has_twin & (rng.random(n) < self.hard.reference_to_duplicate)
        records["target"] = np.where(to_twin, by_primary[at], target)
        records["slip"] = rng.integers(0, 4, n).astype(np.int8)
        records["odd"] = rng.integers(0, 6, n).astype(np.int8)


def _pick(
    rng: np.random.Generator, ordered: NDArray[Any], wanted: NDArray[Any]
) -> NDArray[np.int64]:
    """For each wanted key a random place among the equal ones of an ordered array."""
    low = np.searchsorted(ordered, wanted, side="left")
    high = np.searchsorted(ordered, wanted, side="right")
    at = low + (rng.random(len(wanted)) * (high - low)).astype(np.int64)
    return np.minimum(at, len(ordered) - 1)
