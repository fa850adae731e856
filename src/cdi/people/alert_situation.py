"""Reads what alerts are made from: the published worklist, and what people decided since.

A decision takes a crime out of the messages at once, though it counts in a version only after the
next build. Which decision counts is the rule of `cdi.people.decision_file`, as in the build.
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdi.agency.model import Agency
from cdi.build.freshness import describe_unfilled, known_until
from cdi.build.version import read_description
from cdi.keys import derive_key
from cdi.people.alerts import OpenCrime, Situation
from cdi.people.decision_file import Row, is_settled, read_decisions, standing_decisions
from cdi.sql import connect, fetch_dicts, read_query

SQL = Path(__file__).parent / "sql"
_KEY_LETTERS = 24  # of a crime's hash, which is enough to tell a force's crimes apart

# By call and number of the crime, or None for all crimes of the call.
Standing = Mapping[tuple[str, int | None], Row]


def is_open(crime: Mapping[str, Any], standing: Standing) -> bool:
    """Whether a crime is likely missed, and still to be decided.

    Args:
        crime: A row of `open_crimes.sql`.
        standing: The decisions that count (`standing_decisions`).
    """
    decision = _find_decision(crime, standing)
    if decision is None:
        return crime["status"] == "suspected" and bool(crime["is_likely"])
    if is_settled(decision, is_rape=bool(crime["is_rape"])):
        return False
    return bool(crime["is_likely"])


def is_confirmed(crime: Mapping[str, Any], standing: Standing) -> bool:
    """Whether somebody confirmed a crime of the worklist, which has no record yet.

    Args:
        crime: A row of `open_crimes.sql`.
        standing: The decisions that count (`standing_decisions`).
    """
    decision = _find_decision(crime, standing)
    kind = crime["status"] if decision is None else decision["decision_kind"]
    return bool(kind == "confirmed")


def _find_decision(crime: Mapping[str, Any], standing: Standing) -> Row | None:
    call_id, number = crime["call_id"], crime["crime_number"]
    return standing.get((call_id, number)) or standing.get((call_id, None))


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
    standing = standing_decisions(agency, read_decisions(agency))
    secret = derive_key(agency.agency, "alert")
    description = read_description(version)
    return Situation(
        agency,
        now,
        datetime.fromisoformat(description["as_of"]),
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
            if is_open(crime, standing)
        ),
        tuple(severity for (severity,) in severities),
        tuple(_list_decided(agency, standing)),
        known_until(agency, description),
        tuple(
            crime["due_at"].replace(tzinfo=UTC) for crime in crimes if is_confirmed(crime, standing)
        ),
        describe_unfilled(agency),
    )


def _list_decided(agency: Agency, standing: Standing) -> list[tuple[datetime, str]]:
    """List when people decided, and how; what was undone since is not among them."""
    rows = {row["decision_reference"]: row for row in standing.values()}.values()
    return sorted(
        (_read_moment(row["decided_at"], agency), row["decision_kind"])
        for row in rows
        if row["decision_kind"] != "undone"
    )


def _read_moment(text: str, agency: Agency) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=moment.tzinfo or agency.zone).astimezone(UTC)
