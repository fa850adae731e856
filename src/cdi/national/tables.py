"""``national.duckdb``: the open extracts of all agencies in one file, and who has sent one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from cdi.national.exchange import Received
from cdi.open_extract.tables import TABLES
from cdi.report.peers import read_released
from cdi.scratch import open_scratch_database
from cdi.sql import (
    STORAGE_VERSION,
    comment,
    connect,
    create_table,
    fetch_dicts,
    literal,
    read_query,
)

SQL = Path(__file__).parent / "sql"
REPORTING = {
    "agency": "Name of the agency.",
    "state": "reported, late, silent, withdrawn, damaged, or unknown (nobody expects it).",
    "version": "The version that it has sent.",
    "as_of": "The moment up to which its data are known, in UTC.",
    "sent_at": "When it was sent, in UTC.",
    "problem": "What is wrong, or why it was withdrawn.",
}
_TYPES = {"as_of": "TIMESTAMP WITH TIME ZONE", "sent_at": "TIMESTAMP WITH TIME ZONE"}
_BY = "The agency that sent it."
_LIMITS = {"smallest_denominator": "its agency's limit of"}  # each agency may have another one


def describe_reporting(received: Sequence[Received]) -> list[dict[str, Any]]:
    """Make a row of each agency for the table `reporting` and the page."""
    return [{name: getattr(agency, name) for name in REPORTING} for agency in received]


def refuse_unreadable(received: Received) -> Received:
    """Name an agency as damaged whose files are as it sent them, but are no open extract.

    An agency with another version of this program may lack a table or a column. Without this look,
    one such agency would stop the page of all others.
    """
    if received.folder is None:
        return received
    try:
        read_released({received.agency: received.folder})
        with connect() as con:
            for name in _list_tables(received.folder):
                file = literal(str(received.folder / f"{name}.parquet"))
                con.execute(f"select count(columns(*)) from read_parquet({file})").fetchall()
    except (duckdb.Error, ValueError, TypeError) as error:  # also a table of no rows, or of nulls
        problem = f"it is not an open extract that can be read: {str(error).splitlines()[0]}"
        return replace(received, state="damaged", problem=problem, folder=None)
    return received


def _list_tables(folder: Path) -> list[str]:
    """List the tables of the open extract that an agency has sent."""
    return [name for name in TABLES if (folder / f"{name}.parquet").is_file()]


def write_national_file(received: Sequence[Received], file: Path) -> list[dict[str, Any]]:
    """Write the file anew; who reads the old one goes on reading it.

    Args:
        received: What was collected. Only agencies with a folder have rows.
        file: Is replaced as a whole.

    Returns:
        All agencies of a kind together: a row per kind and quarter, as `trend.sql` makes it.
    """
    extracts = {agency.agency: agency.folder for agency in received if agency.folder}
    unfinished = file.with_name(f".{file.name}")
    unfinished.unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    with open_scratch_database() as con:
        con.execute(
            f"attach {literal(str(unfinished))} as nation (storage_version '{STORAGE_VERSION}')"
        )
        con.execute("use nation")
        types = {name: _TYPES.get(name, "VARCHAR") for name in REPORTING}
        create_table(con, "reporting", types, describe_reporting(received))
        meaning = "Who has sent an open extract, and who has not. One row per agency."
        comment(con, "reporting", meaning, REPORTING)
        for name in TABLES:
            _write_table(con, name, extracts)
        trend = fetch_dicts(con, read_query(SQL / "trend.sql")) if extracts else []
        con.execute("checkpoint nation")
        con.execute("use memory")
        con.execute("detach nation")
    unfinished.replace(file)
    return trend


def _write_table(con: Any, name: str, extracts: Mapping[str, Path]) -> None:
    """Write one table of the open extract, of all agencies that have it; none if nobody has it."""
    parts = [
        f"select {literal(agency)} as agency, * from read_parquet("
        f"{literal(str(folder / f'{name}.parquet'))})"
        for agency, folder in sorted(extracts.items())
        if name in _list_tables(folder)
    ]
    if parts:
        con.execute(f"create table {name} as {' union all by name '.join(parts)}")
        meaning = TABLES[name].describe(_LIMITS)
        comment(con, name, f"{meaning} Of all agencies.", {"agency": _BY})
