"""Claims: whoever opens a log has it alone for 15 minutes, so that no log is read twice.

Claims lie in a small SQLite database, since several processes may serve the desk. They hold a keyed
hash in place of the log's number, and losing them costs nothing but that a log may be read twice.
"""

import hmac
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cdi import paths
from cdi.keys import derive_key
from cdi.sql import open_sqlite

CLAIM_TIME = timedelta(minutes=15)


@dataclass(frozen=True)
class Claim:
    """Who has a log, and until when (UTC)."""

    person: str
    until: datetime


def take_claim(agency: str, call_id: str, person: str) -> Claim:
    """Claim a log, or renew one's own claim.

    Returns:
        The claim that now holds: the person's own, or somebody else's who was first.
    """
    with _open_claims(agency) as con:
        return _take(con, hash_call(agency, call_id), person)


def take_first_free(agency: str, calls: Iterable[str], person: str) -> str | None:
    """Claim the first log of a list that nobody else has.

    Args:
        agency: Whose logs.
        calls: Ids of logs, the first to be read first.
        person: Who reads it.

    Returns:
        The log; None if others have all of them.
    """
    hash_of = make_call_hash(agency)
    with _open_claims(agency) as con:
        taken = {
            row[0]
            for row in con.execute(
                "select log from claims where folded(person) <> folded(?)", [person]
            )
        }
        for call_id in calls:
            log = hash_of(call_id)
            if log not in taken:
                _take(con, log, person)
                return call_id
    return None


def release_claim(agency: str, call_id: str, person: str | None = None) -> None:
    """Set a log free before its time.

    Args:
        agency: Whose log.
        call_id: The log.
        person: Whose claim is given up; None gives up anybody's.
    """
    with _open_claims(agency) as con:
        con.execute(
            "delete from claims where log = ? and folded(person) = folded(coalesce(?, person))",
            [hash_call(agency, call_id), person],
        )


def read_claims(agency: str) -> dict[str, Claim]:
    """Read all claims that hold, by the hash of their log; see `hash_call`."""
    with _open_claims(agency) as con:
        rows = con.execute("select log, person, until from claims")
        return {log: Claim(person, _from_seconds(until)) for log, person, until in rows}


def hash_call(agency: str, call_id: str) -> str:
    """Hash the number of a log with the agency's key."""
    return make_call_hash(agency)(call_id)


def make_call_hash(agency: str) -> Callable[[str], str]:
    """Make what hashes the numbers of many logs; the agency's key is read once."""
    key = derive_key(agency, "desk")
    return lambda call_id: hmac.digest(key, call_id.encode(), "sha256").hex()


def _take(con: sqlite3.Connection, log: str, person: str) -> Claim:
    """Claim a log within a transaction that keeps all others out."""
    found = con.execute("select person, until from claims where log = ?", [log]).fetchone()
    if found and found[0].casefold() != person.casefold():
        return Claim(found[0], _from_seconds(found[1]))
    until = datetime.now(UTC) + CLAIM_TIME
    con.execute("insert or replace into claims values (?, ?, ?)", [log, person, until.timestamp()])
    return Claim(person, until)


def _from_seconds(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@contextmanager
def _open_claims(agency: str) -> Iterator[sqlite3.Connection]:
    """Open the claims in one transaction, without those that have run out."""
    with open_sqlite(paths.desk(agency) / "claims.sqlite") as con:
        # Letters of a name count as the same in any case, as they do in `Person.is_same`.
        con.create_function("folded", 1, str.casefold, deterministic=True)
        con.execute(
            "create table if not exists claims "
            "(log text primary key, person text not null, until real not null)"
        )
        con.execute("delete from claims where until <= ?", [datetime.now(UTC).timestamp()])
        yield con
