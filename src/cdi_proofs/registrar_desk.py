"""A simulated registrar at the desk: which logs come up, and what is decided about them.

The desk's own functions list the logs and say which comes next. The registrar knows what is true,
and errs in one decision of twenty. All decisions are SIMULATED.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cdi import paths
from cdi.agency.model import Agency
from cdi.desk.queue import Crime, Filters, QueuedLog, is_in_time, list_logs, order_of_reading
from cdi.desk.standing import CONFIRMED, DISMISSED, PROPOSED, Standing
from cdi.desk.versions import Shown, find_shown
from cdi.errors import CdiError
from cdi.files import wait_for_lock
from cdi.keys import read_or_make_secret
from cdi.people.decisions import find_problems, keep_decisions, make_row

RIGHT = 0.95
ORDER, LOT = "order", "lot"
GRAVE = ("rape", "domestic_abuse")
PEOPLE = ("registrar", "second")
REASON = "NO_CRIME_BOP"

Read = tuple[str, QueuedLog]  # whether it came in order or by lot, and the log


@dataclass(frozen=True)
class Decision:
    """What the registrar decided about a crime of the worklist.

    Attributes:
        crime: A row of the desk's queue.
        selection: Whether its log came in order or by lot.
        is_missed: Whether it truly was reported and not recorded.
        kind: confirmed or dismissed; proposed, if a second person does not agree to a dismissal.
    """

    crime: Crime
    selection: str
    is_missed: bool
    kind: str

    @property
    def is_right(self) -> bool:
        """Whether what was decided is true; what is only proposed is not decided."""
        return self.kind == (CONFIRMED if self.is_missed else DISMISSED)


def make_key(agency: str, seed: int) -> None:
    """Make the key of an agency from a seed, so that the same seed draws the same lots.

    Args:
        agency: Its name; nothing of it was landed yet.
        seed: Of the key.
    """
    key = np.random.default_rng(seed).bytes(32).hex()
    read_or_make_secret(paths.secrets() / f"{agency}.key", lambda: f"{key}\n")


def list_open_logs(until: str = "", agency: str = paths.SIMULATED) -> tuple[Shown, list[QueuedLog]]:
    """List what the desk would show before anybody has decided.

    Args:
        until: Last day of the logs, as the desk's filter has it; blank for all.
        agency: Whose logs.

    Returns:
        The version that is shown, and its logs in the order of the desk.
    """
    shown = find_shown(agency)
    if shown is None:
        raise ValueError("nothing is published")
    return shown, list_logs(shown, Standing(), {}, Filters(until=until))


def deal_lots(logs: Sequence[QueuedLog], seed: int) -> list[QueuedLog]:
    """Give the logs other lots than those of the desk, so that many may read the same list.

    Args:
        logs: In the order of the desk.
        seed: Of the lots.
    """
    lots = np.random.default_rng(seed).permutation(len(logs)).tolist()
    return [replace(log, lot=lot) for log, lot in zip(logs, lots, strict=True)]


def hand_out(logs: Sequence[QueuedLog], count: int) -> list[Read]:
    """Let the desk hand out logs one after the other, as to somebody who decides each.

    Args:
        logs: In the order of the desk.
        count: How many are read at most.
    """
    left = {log.call_id: log for log in logs}
    read: list[Read] = []
    came: Counter[str] = Counter()
    since_lot = 0
    while left and len(read) < count:
        standing = Standing(from_order=came[ORDER], from_lot=came[LOT], since_lot=since_lot)
        by, (log, *_) = order_of_reading(list(left.values()), standing, Filters())
        read.append((by, left.pop(log.call_id)))
        came[by] += 1
        since_lot = 0 if by == LOT else since_lot + 1
    return read


def shuffle(logs: Sequence[QueuedLog], count: int, rng: np.random.Generator) -> list[Read]:
    """Read logs in random order instead.

    Args:
        logs: All logs.
        count: How many are read at most.
        rng: Random numbers.
    """
    return [(LOT, logs[place]) for place in rng.permutation(len(logs))[:count]]


def find_sample(read: Sequence[Read]) -> list[Read]:
    """Find the logs that are a random sample of the whole list, whichever way they came up.

    A lot takes the log with the least number of those that are left. So all logs with a lesser
    number were read, some of them in order before. They are the sample, as in the model
    `likelihood_yields`. Those that came by lot alone lack what was read in order, the top of the
    list, more and more of it.

    Args:
        read: As from `hand_out`.
    """
    sample: list[Read] = []
    last = -1
    for by, log in reversed(read):
        if log.lot < last:
            sample.append((by, log))
        if by == LOT:
            last = max(last, log.lot)
    return sample[::-1]


def decide_all(
    read: Sequence[Read],
    missed: Collection[str],
    rng: np.random.Generator,
) -> list[Decision]:
    """Decide about all crimes of the logs that were read.

    A rape is dismissed only if a second person, who errs as often, finds the same.

    Args:
        read: The logs.
        missed: `reported_crime_id` of the rows that truly are missed crimes.
        rng: Random numbers, which say where people err.
    """

    def finds_crime(is_missed: bool) -> bool:
        return is_missed == (rng.random() < RIGHT)

    decisions = []
    for selection, log in read:
        for crime in log.crimes:
            is_missed = crime["reported_crime_id"] in missed
            kind = CONFIRMED if finds_crime(is_missed) else DISMISSED
            if kind == DISMISSED and crime["is_rape"] and finds_crime(is_missed):
                kind = PROPOSED
            decisions.append(Decision(crime, selection, is_missed, kind))
    return decisions


def count_yield(
    shown: Shown, read: Sequence[Read], decisions: Sequence[Decision]
) -> dict[str, float]:
    """Count what reading brought.

    Args:
        shown: The version, whose clock counts.
        read: The logs.
        decisions: What was decided about their crimes.

    Returns:
        Logs read, crimes decided about, missed crimes in the logs and those found (of these the
        ones that can still be recorded in time, and the gravest), and how often people erred.
    """
    found = [each for each in decisions if each.is_missed and each.kind == CONFIRMED]
    decided = [each for each in decisions if each.kind != PROPOSED]

    def count(chosen: Sequence[Decision], is_one: Callable[[Decision], bool]) -> int:
        return sum(map(is_one, chosen))

    return {
        "logs": len(read),
        "rows": len(decisions),
        "missed": count(decisions, lambda each: each.is_missed),
        "found": len(found),
        "found_per_log": len(found) / len(read),
        "found_in_time": count(found, lambda each: is_in_time(each.crime, shown.now)),
        "found_grave": count(found, lambda each: each.crime["severity"] in GRAVE),
        "wrongly_dismissed": count(decided, lambda each: each.is_missed and not each.is_right),
        "wrongly_confirmed": count(decided, lambda each: not each.is_missed and not each.is_right),
        "decided": len(decided),
    }


def write_down(agency: Agency, version: str, decisions: Sequence[Decision]) -> None:
    """Write decisions into the agency's file, by the rules that the desk and the sheet obey.

    Args:
        agency: The agency.
        version: The version that was seen.
        decisions: What was decided.

    Raises:
        CdiError: DECIDE-REFUSED if a decision is refused; then nothing is written.
    """
    rows = [
        make_row(agency, _describe(each, version), f"D{number:08}")
        for number, each in enumerate(decisions, start=1)
    ]
    problems = find_problems(agency, rows)
    if problems:
        told = "; ".join(problems[min(problems)])
        raise CdiError("DECIDE-REFUSED", told, "correct the simulated registrar")
    with wait_for_lock(paths.decisions(agency.agency)):
        keep_decisions(agency, rows)


def _describe(decision: Decision, version: str) -> dict[str, Any]:
    crime, kind = decision.crime, decision.kind
    first, second = PEOPLE
    return {
        "decision_kind": kind,
        "call_reference": crime["call_id"],
        "crime_number": crime["crime_number"],
        "reason_code": None if kind == CONFIRMED else REASON,
        "decided_by": first,
        "second_person": second if kind == DISMISSED and crime["is_rape"] else None,
        "version_seen": version,
        "selection": decision.selection,
    }
