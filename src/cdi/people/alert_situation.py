"""Reads what alerts are made from: the published worklist, and what people decided since.

A decision takes a crime out of the messages at once, though it counts in a version only after the
next build. Of several decisions about a crime the newest counts, as in the build.
"""

import csv
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.agency.key_rules import key_expression
from cdi.agency.model import Agency
from cdi.build.version import read_description
from cdi.files import put_torn_rest_aside
from cdi.keys import derive_key
from cdi.people.alerts import OpenCrime, Situation
from cdi.sealed_files import verify_file
from cdi.sql import Params, connect, fetch_dicts, read_query

SQL = Path(__file__).parent / "sql"
DECIDED = ("confirmed", "dismissed")
# After one of these a crime is still to be decided: by another person, or anew.
UNDECIDED = ("passed", "proposed", "undone")
_KEY_LETTERS = 24  # of a crime's hash, which is enough to tell a force's crimes apart

Row = Mapping[str, Any]


class Decisions:
    """The newest decision about each crime, from the file to which decisions are added.

    Args:
        rows: The rows of the file, oldest first, with the canonical `call_id`.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        """Keep the newest row of each crime, and of each call as a whole."""
        self._by_call: dict[str, Row] = {}
        self._by_crime: dict[tuple[str, str], Row] = {}
        for row in rows:
            call_id, number = row["call_id"], row["crime_number"]
            if number:
                self._by_crime[call_id, number] = row
            else:  # it is about every crime of the call, so the older ones of each are void
                self._by_call[call_id] = row
                for crime in [crime for crime in self._by_crime if crime[0] == call_id]:
                    del self._by_crime[crime]

    def is_open(self, crime: Row) -> bool:
        """Whether a row of the worklist is likely missed, and still to be decided."""
        key = crime["call_id"], crime["crime_number"]
        newest = self._by_crime.get(key) or self._by_call.get(key[0])
        if newest is None:
            return crime["status"] == "suspected" and bool(crime["is_likely"])
        if _is_decided(newest, is_rape=bool(crime["is_rape"])):
            return False
        # The version counts a dismissed crime as no miss, and cannot know that this was undone.
        return bool(crime["is_likely"]) or crime["status"] == "dismissed"

    def list_decided(self) -> list[tuple[datetime, str]]:
        """List when crimes were decided, and how; what was undone since is not among them."""
        rows = (*self._by_call.values(), *self._by_crime.values())
        return sorted(
            (row["decided_at"], row["decision_kind"])
            for row in rows
            if row["decision_kind"] in DECIDED
        )


def _is_decided(decision: Row, *, is_rape: bool) -> bool:
    """Whether a decision settles a crime; two people must dismiss a report of rape."""
    kind = decision["decision_kind"]
    return kind in DECIDED and not (
        kind == "dismissed" and is_rape and not decision["second_person"]
    )


def read_situation(agency: Agency, version: Path, now: datetime) -> Situation:
    """Read what is known of an agency's open crimes at a moment.

    Args:
        agency: The agency.
        version: The folder of its published version.
        now: The moment, with its time zone.

    Raises:
        StateError: STATE-DAMAGED if the version's description or the file of decisions is damaged.
    """
    with connect(version / "recording.duckdb", read_only=True) as con:
        crimes = fetch_dicts(con, read_query(SQL / "open_crimes.sql"))
        severities = con.execute(
            "select severity from rules.severities order by severity_rank"
        ).fetchall()
        decisions = Decisions(_read_rows(con, agency))
    secret = derive_key(agency.agency, "alert")
    return Situation(
        agency,
        now,
        datetime.fromisoformat(read_description(version)["as_of"]),
        tuple(
            OpenCrime(
                hmac.digest(secret, crime["reported_crime_id"].encode(), "sha256").hex()[
                    :_KEY_LETTERS
                ],
                crime["due_at"].replace(tzinfo=UTC),
                crime["district"],
                crime["severity"],
            )
            for crime in crimes
            if decisions.is_open(crime)
        ),
        tuple(severity for (severity,) in severities),
        tuple(decisions.list_decided()),
    )


def _read_rows(con: duckdb.DuckDBPyConnection, agency: Agency) -> list[dict[str, Any]]:
    """Read the decisions about crimes, oldest first."""
    file = paths.decisions_file(agency.agency)
    verify_file(agency.agency, file, may_grow=True)
    put_torn_rest_aside(file)
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as text:
        rows = [
            row for row in csv.DictReader(text) if row["decision_kind"] in (*DECIDED, *UNDECIDED)
        ]
    canonical = _find_canonical(con, agency, {row["call_reference"] for row in rows})
    return [
        {
            **row,
            "call_id": canonical[row["call_reference"]],
            "decided_at": _read_moment(row["decided_at"], agency),
        }
        for row in rows
    ]


def _find_canonical(
    con: duckdb.DuckDBPyConnection, agency: Agency, references: Iterable[str]
) -> dict[str, str]:
    """Find the canonical form of references, as the landing does."""
    bound = Params()
    canonical = key_expression(agency, "call", "trim(typed)", bound)
    query = (
        f"select typed, coalesce({canonical}, upper(trim(typed))) "
        "from (select unnest($typed::varchar[]) as typed)"
    )
    return dict(con.execute(query, bound.values | {"typed": list(references)}).fetchall())


def _read_moment(text: str, agency: Agency) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=moment.tzinfo or agency.zone).astimezone(UTC)
