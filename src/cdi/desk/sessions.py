"""Who is signed in at a desk that runs alone: sessions in a small SQLite database.

The browser holds a random word in a cookie; the database holds the hash of it, with the person's
name, their rights, and until when. So a session ends when somebody signs out, after an hour
without use, and after twelve hours at the latest. Losing the database signs everybody out.
"""

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from fastapi import Request, Response

from cdi import paths
from cdi.desk.people import Person, Right
from cdi.sql import open_sqlite

COOKIE = "cdi_desk"
IDLE = timedelta(hours=1)
LONGEST = timedelta(hours=12)

Rights = Mapping[str, Iterable[Right]]


@dataclass(frozen=True)
class Session:
    """A log-in that holds.

    Attributes:
        person: Who is signed in.
        rights: Their rights by agency.
    """

    person: Person
    rights: dict[str, frozenset[Right]]


def begin_session(name: str, rights: Rights) -> str:
    """Sign somebody in.

    Args:
        name: The name that stands in decisions and in the access log.
        rights: Their rights by agency.

    Returns:
        The word for the browser's cookie.
    """
    word = secrets.token_urlsafe(32)
    now = datetime.now(UTC).timestamp()
    held = {agency: sorted(of_agency) for agency, of_agency in rights.items()}
    with _open_sessions() as con:
        con.execute(
            "insert into sessions values (?, ?, ?, ?, ?)",
            [_hash(word), name, json.dumps(held), now, now],
        )
    return word


def find_session(request: Request) -> Session | None:
    """Find the session that a request belongs to, and keep it alive; None if it has none."""
    word = request.cookies.get(COOKIE)
    if not word:
        return None
    if hasattr(request.state, "session"):  # found earlier in this request
        return cast("Session | None", request.state.session)
    request.state.session = _read_session(word)
    return request.state.session


def _read_session(word: str) -> Session | None:
    with _open_sessions() as con:
        row = con.execute(
            "update sessions set used_at = ? where word = ? returning name, rights",
            [datetime.now(UTC).timestamp(), _hash(word)],
        ).fetchone()
    if row is None:
        return None
    rights = {agency: frozenset(map(Right, held)) for agency, held in json.loads(row[1]).items()}
    return Session(Person(row[0], _hash(word)), rights)


def end_session(request: Request) -> None:
    """Sign out whoever sent a request."""
    word = request.cookies.get(COOKIE)
    if word:
        with _open_sessions() as con:
            con.execute("delete from sessions where word = ?", [_hash(word)])


def set_cookie(response: Response, word: str, *, is_secure: bool) -> None:
    """Give the browser the word of a session.

    Args:
        response: The answer that carries it.
        word: Of `begin_session`.
        is_secure: Whether the browser may send it by HTTPS alone.
    """
    response.set_cookie(COOKIE, word, httponly=True, secure=is_secure, samesite="lax", path="/")


def _hash(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


@contextmanager
def _open_sessions() -> Iterator[sqlite3.Connection]:
    """Open the sessions in one transaction, without those that have ended."""
    now = datetime.now(UTC)
    with open_sqlite(paths.desk_sessions()) as con:
        con.execute(
            "create table if not exists sessions (word text primary key, name text not null, "
            "rights text not null, begun_at real not null, used_at real not null)"
        )
        con.execute(
            "delete from sessions where used_at <= ? or begun_at <= ?",
            [(now - IDLE).timestamp(), (now - LONGEST).timestamp()],
        )
        yield con
