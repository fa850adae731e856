"""The queue: which logs are to be read, in which order, and who has one of them open.

First come the logs with a likely crime that can still be recorded in time, the one with the least
time left first. Then come those that are overdue, the gravest first, and last those in which a
crime is only possible. The clock is that of the page, not of the build.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cdi.desk.claims import Claim, make_call_hash
from cdi.desk.standing import CONFIRMED, DISMISSED, PASSED, PROPOSED, SUSPECTED, Standing
from cdi.desk.versions import Shown
from cdi.sql import connect, fetch_dicts, read_query, scalar

SQL = Path(__file__).parent / "sql"
# One log of ten is drawn by lot, so that all decided logs up to the number of the last lot are a
# random sample of the list (the model `likelihood_yields`).
LOT_SHARE = 10
# The lists of the desk, by the standing of a crime.
LISTS = {
    SUSPECTED: "To decide",
    PROPOSED: "Waiting for a second person",
    PASSED: "Passed to the registrar",
    CONFIRMED: "Confirmed",
    DISMISSED: "Dismissed",
}

Crime = dict[str, Any]


@dataclass(frozen=True)
class Filters:
    """Which logs of the queue to show; each filter that is blank lets all pass.

    Attributes:
        list: Of `LISTS`.
        district: Police district of the log.
        team: Team of who closed it.
        offence: Offence group of a crime.
        result: How the log was closed.
        severity: Of a crime.
        likelihood: Of a crime.
        since: First day on which the log came in, as 2017-06-30.
        until: Last day.
        text: What the account, the closing text or the number of the log must contain.
    """

    list: str = SUSPECTED
    district: str = ""
    team: str = ""
    offence: str = ""
    result: str = ""
    severity: str = ""
    likelihood: str = ""
    since: str = ""
    until: str = ""
    text: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Filters":
        """Read the filters of a page's address; what is not understood filters nothing."""
        given = {f.name: query.get(f.name, "").strip()[:200] for f in fields(cls)}
        given["list"] = given["list"] if given["list"] in LISTS else SUSPECTED
        for name in ("since", "until"):
            given[name] = given[name] if _is_day(given[name]) else ""
        return cls(**given)

    def to_query(self, **changes: str) -> str:
        """Write the filters as the query of an address, without those that are blank."""
        return urlencode(self.to_fields(**changes))

    def to_fields(self, **changes: str) -> dict[str, str]:
        """Write the filters as the fields of a form, without those that are blank."""
        given = {f.name: getattr(self, f.name) for f in fields(self)} | changes
        given = {name: value for name, value in given.items() if value}
        if given.get("list") == SUSPECTED:
            del given["list"]
        return given

    @property
    def ends_before_it_begins(self) -> bool:
        """Whether the first day is after the last one, so that no log fits."""
        return bool(self.until) and self.since > self.until

    def lets_pass(self, crime: Crime) -> bool:
        """Whether a crime is one of those that are wanted."""
        wanted = (
            (self.district, crime["district"]),
            (self.team, crime["team"]),
            (self.offence, crime["offence_group"]),
            (self.result, crime["disposition_code"]),
            (self.severity, crime["severity"]),
            (self.likelihood, crime["likelihood"]),
        )
        received_on = f"{crime['received_on']}"
        return (
            all(value in ("", found) for value, found in wanted)
            and self.since <= received_on
            and (not self.until or received_on <= self.until)
            and all(word in crime["searched"] for word in self.text.casefold().split())
        )


@dataclass(frozen=True)
class QueuedLog:
    """A log of the queue.

    Attributes:
        call_id: Its number.
        lot: What lots are drawn by, the least first: the hash that stands for its number.
        crimes: Its crimes that stand as the list says, in the order of the worklist.
        due_at: Until when the first of them can be recorded in time (UTC); None if none can.
        claim: Who has it open; None if nobody has.
    """

    call_id: str
    lot: int
    crimes: Sequence[Crime]
    due_at: datetime | None
    claim: Claim | None

    @property
    def place(self) -> tuple[Any, ...]:
        """What the queue is sorted by."""
        first = min(self.crimes, key=_overdue_place)
        if self.due_at is not None:
            return 0, self.due_at, _overdue_place(first)
        return 1, _overdue_place(first)


def list_logs(
    shown: Shown, standing: Standing, claims: Mapping[str, Claim], filters: Filters
) -> list[QueuedLog]:
    """List the logs of the queue in the order in which they are to be read.

    Args:
        shown: The version.
        standing: What people decided.
        claims: Which logs are open; see `cdi.desk.claims.read_claims`.
        filters: Which logs are wanted.
    """
    wanted: dict[str, list[Crime]] = {}
    for crime in read_crimes(shown.file):
        if status_of(crime, standing) == filters.list and filters.lets_pass(crime):
            wanted.setdefault(crime["call_id"], []).append(crime)
    hash_call = make_call_hash(shown.agency.agency)
    logs = [
        QueuedLog(
            call_id,
            crimes[0]["call_no"],
            crimes,
            min((c["due_at"] for c in crimes if is_in_time(c, shown.now)), default=None),
            claims.get(hash_call(call_id)) if claims else None,
        )
        for call_id, crimes in wanted.items()
    ]
    return sorted(logs, key=lambda log: log.place)


def status_of(crime: Crime, standing: Standing) -> str:
    """Where a crime stands now; without a newer decision, where the version says that it stands."""
    known = standing.status(crime["call_id"], crime["crime_number"], is_rape=bool(crime["is_rape"]))
    return known if known is not None else str(crime["status"])


def is_in_time(crime: Crime, now: datetime) -> bool:
    """Whether a likely crime can still be recorded within its time limit."""
    return crime["is_likely"] and crime["due_at"] is not None and crime["due_at"] > now


def order_of_reading(
    logs: Sequence[QueuedLog], standing: Standing, filters: Filters
) -> tuple[str, Sequence[QueuedLog]]:
    """Say which logs come next: usually in the order of the queue, one of ten by lot.

    Lots are drawn from the whole list alone: what a filter lets pass is no sample of it.

    Args:
        logs: The queue.
        standing: What people decided; it says how many logs came by lot up to now.
        filters: Which logs the queue shows.

    Returns:
        `order` or `lot`, and the logs.
    """
    is_due = (standing.from_lot + 1) * LOT_SHARE <= standing.from_order + standing.from_lot + 1
    # Many that were decided with filters, or on a sheet, are no reason for many lots in a row.
    is_due &= standing.since_lot + 1 >= LOT_SHARE
    if is_due and filters == Filters():
        return "lot", sorted(logs, key=lambda log: log.lot)
    return "order", logs


def list_choices(shown: Shown) -> dict[str, list[tuple[str, str]]]:
    """List what each filter can be set to: codes and names."""
    crimes = read_crimes(shown.file)
    return {
        "district": _choices((c["district"], c["district"]) for c in crimes),
        "team": _choices((c["team"], c["team"]) for c in crimes),
        "offence": _choices((c["offence_group"], c["offence_group_name"]) for c in crimes),
        "result": _choices((c["disposition_code"], c["disposition_name"]) for c in crimes),
        "severity": _choices((c["severity"], c["severity"].replace("_", " ")) for c in crimes),
        "likelihood": _choices((c["likelihood"], c["likelihood_name"]) for c in crimes),
    }


def read_logs_a_month(shown: Shown) -> int:
    """Read how many logs the agency can read in a month; see the model `worklist_yield`."""
    with connect(shown.file, read_only=True) as con:
        return int(scalar(con, "select max(logs_a_month) from worklist_yield"))


def read_crimes(file: Path) -> list[Crime]:
    """Read the crimes of a version's worklist, each with the text that can be searched.

    Args:
        file: The tables of a published version.
    """
    # Only an erasure changes the file of a version.
    return _read_crimes(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read_crimes(file: Path, modified_at: int) -> list[Crime]:
    with connect(file, read_only=True) as con:
        rows = fetch_dicts(con, read_query(SQL / "queue.sql"))
    for row in rows:
        parts = (row["call_id"], row["account"], row["closing"])
        row["searched"] = " ".join(filter(None, parts)).casefold()
    return rows


def _overdue_place(crime: Crime) -> tuple[bool, int, int]:
    return not crime["is_likely"], crime["severity_rank"], crime["list_place"]


def _choices(pairs: Iterable[tuple[str | None, str | None]]) -> list[tuple[str, str]]:
    named = {code: name or code for code, name in pairs if code}
    return sorted(named.items(), key=lambda pair: pair[1])


def _is_day(text: str) -> bool:
    try:
        return f"{date.fromisoformat(text)}" == text
    except ValueError:
        return False
