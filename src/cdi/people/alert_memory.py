"""Remembers what each connection was sent, so that each message is sent once.

A line of ``alerts/<agency>/<day>.jsonl`` tells of one try: when, by which connection, whether it
was taken, the change of shift of a digest, and keyed hashes of the crimes of a warning. It is
written after the try, so a process that is killed in between sends a message again and loses none.
Nothing older than a week is kept, since the deadlines that it was about have passed.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdi import paths
from cdi.files import append_line, read_json_lines, remove_durably
from cdi.people.alerts import Memory, Message

KEPT = timedelta(days=7)
_MODE = 0o600
_FIX = "remove the file; messages of these days may then be sent again"


def read_memory(agency_id: str, connection: str) -> Memory:
    """Read what a connection was sent in the last days.

    Raises:
        StateError: STATE-DAMAGED if a line cannot be read.
    """
    warned: set[str] = set()
    missed: set[str] = set()
    shifts = []
    for file in sorted(paths.alerts(agency_id).glob("*.jsonl")):
        for line in read_json_lines(file, _FIX, ("connection", "is_sent", "keys", "shift")):
            if line["connection"] != connection:
                continue
            (warned if line["is_sent"] else missed).update(line["keys"])
            if line["is_sent"] and line["shift"]:
                shifts.append(datetime.fromisoformat(line["shift"]))
    return Memory(frozenset(warned), frozenset(missed), max(shifts, default=None))


def remember(
    agency_id: str, connection: str, message: Message, now: datetime, *, is_sent: bool
) -> None:
    """Write down that a message was sent or not taken; it is on the disk when this returns.

    Args:
        agency_id: The agency.
        connection: The connection that it was sent to.
        message: The message.
        now: The moment of the run.
        is_sent: Whether it was taken.
    """
    line = {
        "at": now.astimezone(UTC).isoformat(timespec="seconds"),
        "connection": connection,
        "is_sent": is_sent,
        "keys": message.keys,
        "shift": message.shift and message.shift.isoformat(),
    }
    append_line(_file_of(agency_id, now), json.dumps(line), _MODE)


def forget_old(agency_id: str, now: datetime) -> None:
    """Remove what is older than a week."""
    first = _file_of(agency_id, now - KEPT)
    for file in sorted(paths.alerts(agency_id).glob("*.jsonl")):
        if file.name < first.name:
            remove_durably(file)


def _file_of(agency_id: str, moment: datetime) -> Path:
    return paths.alerts(agency_id) / f"{moment.astimezone(UTC):%Y-%m-%d}.jsonl"
