"""Write the folder ``open/`` of a version: the quarters that are released, and their tables.

A quarter is released once, when it is whole and settled, and is kept as it was released. Until an
audit has taught the software to read the agency's logs, its rates are far too low. As a released
quarter never changes, none is released before that.
"""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.agency.model import Owner
from cdi.build.version import Version
from cdi.files import sync_file, sync_folder
from cdi.open_extract.about import About
from cdi.open_extract.blocks import COLUMNS, SQL, Quarter, release_quarter
from cdi.open_extract.folder import write_folder
from cdi.report.figures import is_taught
from cdi.scratch import open_scratch_database
from cdi.sealed_files import seal_file, verify_file
from cdi.sql import fetch_dicts, literal, read_query, relation

ANNOUNCED = 4  # quarters of the release calendar, so one year


def write_open_extract(version: Version) -> Path:
    """Write the folder ``open/`` beside the private file.

    Args:
        version: Whose extract.

    Returns:
        The folder.
    """
    folder = version.folder / "open"
    agency = version.agency
    before = paths.current(agency.agency) / "open"
    with open_for_extract(version.file) as con:
        make_extract(
            con,
            agency.agency,
            paths.released(agency.agency),
            folder,
            contact=agency.contact,
            before=before if before.is_dir() else None,
            smallest_count=agency.open_extract.smallest_count,
        )
    return folder


@contextmanager
def open_for_extract(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a version's file for reading, in a connection that can write other files.

    Args:
        file: The version's file.
    """
    with open_scratch_database() as con:
        con.execute(f"attach {literal(str(file))} as recording (read_only)")
        con.execute("use recording")
        yield con


def make_extract(
    con: duckdb.DuckDBPyConnection,
    agency_id: str,
    released: Path,
    folder: Path,
    *,
    contact: Owner | None = None,
    before: Path | None = None,
    smallest_count: int | None = None,
) -> None:
    """Release what has become whole and mature, and make the tables of all that is released.

    Of a version that no audit has taught, nothing is released. Quarters that an earlier version
    released are shown all the same.

    Args:
        con: A connection of `open_for_extract`.
        agency_id: The agency, with whose key a quarter is sealed.
        released: The folder where released quarters are kept.
        folder: The folder of the tables.
        contact: Who answers questions of the public; None if nobody is named.
        before: The folder of the tables of the release before; None if there is none.
        smallest_count: As for `read_disclosure_limits`.

    Raises:
        StateError: STATE-DAMAGED if a quarter is not as it was released; it is never counted anew.
    """
    limits = read_disclosure_limits(con, smallest_count)
    # by the seals too, so that a released quarter whose file is lost is noticed
    kept = {Quarter.named(file.name[:7]) for file in released.glob("????-Q?.parquet*")}
    quarters, upcoming = plan_releases(con, limits["maturity_days"], kept)
    may_release = is_taught(con)
    files: list[Path] = []
    held_back: list[Quarter] = []
    for quarter in quarters:
        file = released / f"{quarter.name}.parquet"
        verify_file(agency_id, file)
        if not file.is_file() and not may_release:
            held_back.append(quarter)
            continue
        if not file.is_file():
            _keep_quarter(con, agency_id, release_quarter(con, quarter, limits), file)
        files.append(file)
    about = About(
        limits, upcoming, contact, before, may_release=may_release, held_back=tuple(held_back)
    )
    write_folder(con, files, folder, about)


def read_disclosure_limits(
    con: duckdb.DuckDBPyConnection, smallest_count: int | None = None
) -> dict[str, int]:
    """Read the limits of rules.disclosure_limits, by name, raised if the agency asks for it.

    Args:
        con: A version's file.
        smallest_count: The agency's own smallest count to be shown; it only counts if it is larger
            than that of all agencies. No rate is shown of fewer crimes either.
    """
    rows = con.execute("select limit_name, limit_value from rules.disclosure_limits").fetchall()
    limits = {str(name): int(value) for name, value in rows}
    for name in ("smallest_count", "smallest_denominator"):
        limits[name] = max(limits[name], smallest_count or 0)
    return limits


def plan_releases(
    con: duckdb.DuckDBPyConnection, maturity_days: int, kept: Collection[Quarter] = ()
) -> tuple[list[Quarter], tuple[Quarter, ...]]:
    """Find the quarters that may be released, and those that follow.

    Args:
        con: A version's file.
        maturity_days: How many days before the file was made a quarter must have ended.
        kept: The quarters that were released before. Their calls may have been removed since, by
            retention or an erasure.

    Returns:
        The quarters that ended that long ago and that the file holds whole or that are kept; and
        the next ones, `ANNOUNCED` of them, or none if the file holds no call.
    """
    (span,) = fetch_dicts(con, read_query(SQL / "span.sql"))
    first, known = span["first_on"], span["known_on"]
    ripe = {quarter for quarter in kept if quarter.release_on(maturity_days) <= known}
    if first is None:
        return sorted(ripe), ()
    quarter = Quarter(date(first.year, (first.month - 1) // 3 * 3 + 1, 1))
    if quarter.starts_on < first:
        quarter = quarter.next
    while quarter.release_on(maturity_days) <= known:
        ripe.add(quarter)
        quarter = quarter.next
    upcoming = [quarter]
    while len(upcoming) < ANNOUNCED:
        upcoming.append(upcoming[-1].next)
    return sorted(ripe), tuple(upcoming)


def _keep_quarter(
    con: duckdb.DuckDBPyConnection, agency_id: str, rows: list[dict[str, Any]], file: Path
) -> None:
    """Keep a released quarter; a quarter that was kept before stays as it is.

    A link is made instead of a renaming: it fails if the file is there, so of two processes that
    release the same quarter the first one decides.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    unlinked = file.with_name(f".{file.name}")
    relation(con, COLUMNS, rows).write_parquet(str(unlinked), compression="zstd")
    unlinked.chmod(0o444)
    try:
        sync_file(unlinked)
        os.link(unlinked, file)
        sync_folder(file.parent)
        seal_file(agency_id, file)
    except FileExistsError:
        pass
    finally:
        unlinked.unlink()
