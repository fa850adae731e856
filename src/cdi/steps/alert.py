"""The step of the alert DAG: tell the agency's staff of deadlines that are near, and of shifts.

How a message leaves is the caller's: Airflow sends it by mail or to a web hook
(`cdi_airflow.messages`), and a person who asks for a preview gets it printed.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cdi import paths
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.build.freshness import find_clock
from cdi.build.version import read_description
from cdi.errors import CdiError, MachineError
from cdi.files import wait_for_lock
from cdi.landing.batches import refuse_moved
from cdi.people.alert_memory import forget_old, read_memory, remember
from cdi.people.alert_situation import read_situation
from cdi.people.alerts import Memory, Message, make_messages
from cdi.publish.access import current_folder
from cdi.steps.step import Step

# Connection, recipients of mail, message. It raises a CdiError unless the message was taken.
Send = Callable[[str, tuple[str, ...], Message], None]
NOT_SET_UP = "(no connection)"


def send_alerts(agency: str, send: Send, now: datetime | None = None) -> Step:
    """Send each connection of agency.yaml what it has not been sent yet.

    What a connection did not take is sent by a later run, and the other connections get it now.

    Args:
        agency: The agency.
        send: Sends one message.
        now: The moment; default: the clock's.

    Raises:
        CdiError: What `send` raised; MachineError if sending again may help.
        StateError: AGENCY-MOVED if the agency is worked on elsewhere, whence its staff are warned.
    """
    refuse_moved(agency)
    loaded, moment = load_agency(agency), now or datetime.now(UTC)
    version = _find_version(agency)
    if version is None:
        return Step(False, "no version is published yet, so there is nothing to send")
    sent: list[str] = []
    failures: list[CdiError] = []
    with wait_for_lock(paths.alerts(agency)):
        situation = read_situation(loaded, version, moment)
        forget_old(agency, moment)
        for connection in loaded.alerts.connections:
            for message in make_messages(situation, read_memory(agency, connection)):
                try:
                    send(connection, loaded.alerts.to, message)
                except CdiError as error:
                    remember(agency, connection, message, moment, is_sent=False)
                    failures.append(error)
                    break  # the next message would not be taken either
                remember(agency, connection, message, moment, is_sent=True)
                sent.append(f"{connection}: {message.subject}")
    if failures:
        raise _join_failures(failures, sent)
    note = "\n".join(sent) or "nothing to send: no deadline is near, and no shift has changed since"
    return Step(bool(sent), note, counts={"messages sent": len(sent)})


def _find_version(agency: str) -> Path | None:
    """Find the folder of the current version; None if there is none that can be asked."""
    version = current_folder(agency)
    return version if version and (version / "recording.duckdb").is_file() else None


def _join_failures(failures: list[CdiError], sent: list[str]) -> CdiError:
    """Make one error of all: it is tried again if that may help with one of them."""
    if len(failures) == 1 and not sent:
        return failures[0]
    kind = MachineError if any(isinstance(each, MachineError) for each in failures) else CdiError
    told = [each.message for each in failures] + [f"sent all the same: {line}" for line in sent]
    return kind(
        failures[0].rule_id, "\n    ".join(told), "; ".join({each.fix: "" for each in failures})
    )


def preview_alerts(
    agency: Agency, now: datetime | None = None
) -> list[tuple[str, list[Message]]] | None:
    """Tell what would be sent now, without sending or remembering it.

    Args:
        agency: The agency.
        now: The moment; default: what the desk takes for now (`find_clock`).

    Returns:
        The messages by connection; if agency.yaml names none, what a first one would be sent. None
        if no version is published.
    """
    version = _find_version(agency.agency)
    if version is None:
        return None
    as_of = datetime.fromisoformat(read_description(version)["as_of"])
    situation = read_situation(agency, version, now or find_clock(agency, as_of, datetime.now(UTC)))
    memories = {
        connection: read_memory(agency.agency, connection)
        for connection in agency.alerts.connections
    } or {NOT_SET_UP: Memory()}
    return [(name, make_messages(situation, memory)) for name, memory in memories.items()]
