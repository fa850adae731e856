"""Find a log by the number that somebody types: its own, or that of a record made from it."""

import duckdb

from cdi.agency.key_rules import find_canonical
from cdi.agency.model import Agency
from cdi.errors import CdiError
from cdi.sql import scalar


def find_call_id(con: duckdb.DuckDBPyConnection, agency: Agency, typed: str) -> str:
    """Find the call that was typed, by the key rules that the landing uses.

    Args:
        con: A published file.
        agency: Whose version it is.
        typed: The call's reference, in any form that the key rules read.

    Returns:
        The id of the call.

    Raises:
        CdiError: EXPLAIN-UNKNOWN if the version has no such call, with the reason if it is known.
    """
    (call_id,) = find_canonical(agency, "call", [typed.strip()]).values()
    if scalar(con, "select count(*) from main.fct_calls where call_id = ?", [call_id]):
        return call_id
    message = f"the published version of {agency.agency} has no log '{typed.strip()}'"
    if call_id != typed.strip():
        message += f" (searched as {call_id})"
    fix = "check the number; a log newer than the version comes with the next build"
    # A call may be missing for a reason that the person who asks cannot see: name it.
    if scalar(con, COUNT_WITHDRAWN, [call_id]):
        message += ": the source has withdrawn it"
        fix = "ask the owner of the source why; a withdrawn call is not judged"
    elif scalar(con, COUNT_AUDITED, [call_id]):
        message += ": it is an audited log that only the text model reads"
        fix = "read the findings of the audit; the pipeline does not judge such a log"
    raise CdiError("EXPLAIN-UNKNOWN", message, fix)


def find_call_of_record(
    con: duckdb.DuckDBPyConnection, agency: Agency, typed: str
) -> tuple[str | None, bool]:
    """Find the call that a record is linked to.

    Args:
        con: A published file.
        agency: Whose version it is.
        typed: The record's reference, in any form that the key rules read.

    Returns:
        The id of the call, None if the record is linked to none; and whether there is such a
        record.
    """
    (record_id,) = find_canonical(agency, "record", [typed.strip()]).values()
    call_id = scalar(con, "select call_id from main.links where crime_record_id = ?", [record_id])
    is_known = bool(call_id) or bool(scalar(con, COUNT_RECORDS, [record_id]))
    return call_id, is_known


COUNT_WITHDRAWN = """
    select count(*) from staging.stg_past_calls where natural_id = ? and fate = 'withdrawn'
"""

COUNT_AUDITED = "select count(*) from staging.stg_audit_logs where published_call_id = ?"

COUNT_RECORDS = """
    select count(*) from staging.stg_crime_records
    where published_record_id = ? and not is_withdrawn
"""
