"""The step of the DAG `peers`: from what agencies have sent to the national page and file.

Also what an agency does to take back what it has sent.
"""

from datetime import UTC, datetime

from cdi import paths
from cdi.agency.load import agency_names
from cdi.errors import CdiError
from cdi.national.exchange import (
    collect_open_extracts,
    resume_open_extract,
    withdraw_open_extract,
)
from cdi.national.tables import describe_reporting, refuse_unreadable, write_national_file
from cdi.report.peers import write_peers
from cdi.steps.step import Step


def compare_sent_extracts() -> Step:
    """Collect the open extracts, and write ``<state>/national/`` anew.

    It holds ``national.duckdb``, ``peers.html`` and ``peers.json``. Only agencies of the registry
    are shown; the others are named.

    Raises:
        CdiError: OPEN-UNSET if CDI_OPEN names no place.
        MachineError: OPEN-PLACE if the place cannot be reached.
    """
    home = paths.national()
    now = datetime.now(UTC)
    collected = collect_open_extracts(read_place(), agency_names(), home / "extracts", now)
    received = [refuse_unreadable(agency) for agency in collected]
    trend = write_national_file(received, home / "national.duckdb")
    extracts = {agency.agency: agency.folder for agency in received if agency.folder}
    write_peers(extracts, home, describe_reporting(received), trend)
    lines = [f"{len(extracts)} of {len(received)} agencies are shown: {home / 'peers.html'}"]
    lines += [
        f"- {agency.agency} is {agency.state}: {agency.problem}"
        for agency in received
        if agency.state != "reported"
    ]
    return Step(True, "\n".join(lines))


def withdraw_sent_extract(agency_id: str, reason: str) -> None:
    """Take back what an agency has sent, and send nothing more.

    Raises:
        CdiError: OPEN-UNSET, or REASON-MISSING if the reason is blank.
        MachineError: OPEN-PLACE.
    """
    if not reason.strip():
        raise CdiError(
            "REASON-MISSING",
            "readers of what was withdrawn want to know why",
            'say it: --reason "..."',
        )
    withdraw_open_extract(agency_id, read_place(), reason.strip(), datetime.now(UTC))


def resume_sending(agency_id: str) -> str:
    """Send again after a withdrawal; returns what was done, in words.

    Raises:
        CdiError: OPEN-UNSET, or OPEN-NOTHING if no version is published.
        MachineError: OPEN-PLACE.
    """
    version = resume_open_extract(agency_id, read_place(), datetime.now(UTC))
    return f"version {version} of {agency_id} was sent" if version else "it was sent before"


def read_place() -> str:
    """Read to which place agencies send.

    Raises:
        CdiError: OPEN-UNSET if CDI_OPEN names none.
    """
    if (place := paths.open_place()) is None:
        raise CdiError(
            "OPEN-UNSET",
            "CDI_OPEN names no place to which agencies send their open extracts",
            "set it to a folder or a URL, e.g. s3://bucket/open; see docs/open-extract.md",
        )
    return place
