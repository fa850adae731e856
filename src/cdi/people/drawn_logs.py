"""What a reader sees of a drawn log: what is in it, masked, and nothing of what the pipeline says.

Worksheets and the desk show the same.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.agency.model import Agency
from cdi.audit.draws import Draw
from cdi.build.version import read_current
from cdi.errors import AuditError
from cdi.sql import connect, fetch_dicts, read_query

SQL = Path(__file__).parent / "sql"


def published_file(agency: Agency) -> Path:
    """Give the published file of an agency.

    Raises:
        AuditError: AUDIT-UNPUBLISHED if there is none.
    """
    if read_current(agency.agency) is None:
        raise AuditError(
            "AUDIT-UNPUBLISHED",
            f"no version of {agency.agency} is published to draw from",
            f"run the pipeline first: {paths.name_run(agency.agency)}",
        )
    return paths.current(agency.agency) / "recording.duckdb"


def read_drawn_logs(
    agency: Agency, draw: Draw, call_ids: Sequence[str] | None = None
) -> tuple[dict[str, dict[str, Any]], list[tuple[str, str]]]:
    """Read what is shown of drawn logs, and the offences to choose from.

    Args:
        agency: Whose audit.
        draw: The draw.
        call_ids: Numbers of the logs; all that were drawn and not erased, by default.

    Returns:
        The logs by their number, with the columns of `cdi.people.audit_sheet.SHOWN`; codes and
        names of the offences that count as a crime.

    Raises:
        AuditError: AUDIT-UNPUBLISHED if the version of the draw is not kept, and none is published.
    """
    # Shown as it was at the draw if that version is still kept, else as it is published now.
    version = paths.published(agency.agency) / "versions" / draw.facts["version"]
    file = version / "recording.duckdb"
    ids = [call_id for call_id in draw.call_ids if call_id is not None]
    with connect(file if file.is_file() else published_file(agency), read_only=True) as con:
        rows = fetch_dicts(
            con,
            read_query(SQL / "worksheet_logs.sql"),
            {"ids": ids if call_ids is None else list(call_ids), "zone": agency.timezone},
        )
        codes = con.execute(read_query(SQL / "headline_offences.sql")).fetchall()
    return {row["call_id"]: row for row in rows}, [(str(code), str(name)) for code, name in codes]


def read_headline_codes(agency: Agency) -> set[str]:
    """Read the codes of offences that count as a crime, in the published version.

    Raises:
        AuditError: AUDIT-UNPUBLISHED if there is none.
    """
    with connect(published_file(agency), read_only=True) as con:
        offences = con.execute(read_query(SQL / "headline_offences.sql")).fetchall()
    return {str(code) for code, _ in offences}
