"""Write the folder ``open/`` of a version: the quarters that are released, and their tables.

A quarter is released once, when it is whole and settled, and is kept as it was released.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.build.version import Version
from cdi.open_extract import blocks
from cdi.open_extract.blocks import Quarter, release_quarter
from cdi.open_extract.tables import write_tables
from cdi.sql import connect, fetch_dicts, literal, relation

# a month whose first day has no call is not whole, as for an audit: the next one is the first
SPAN = """
with days as (
    select
        min(timezone(release.timezone, timezone('UTC', calls.received_at))) as first_at,
        least(
            any_value(release.as_of),
            any_value(release.calls_as_of),
            any_value(release.crime_records_as_of)
        ) as known_at,
        any_value(release.timezone) as zone
    from release
    cross join fct_calls as calls
)

select
    cast(date_trunc('month', first_at - interval 1 day) + interval 1 month as date) as first_on,
    cast(timezone(zone, timezone('UTC', known_at)) as date) as known_on
from days
"""


def write_open_extract(version: Version) -> Path:
    """Write the folder ``open/`` beside the private file.

    Returns:
        The folder.
    """
    folder = version.folder / "open"
    with open_for_extract(version.file) as con:
        make_extract(con, paths.released(version.agency.agency), folder)
    return folder


@contextmanager
def open_for_extract(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A version's file, to be read, in a connection that can write others."""
    with connect() as con:
        con.execute(f"attach {literal(str(file))} as recording (read_only)")
        con.execute("use recording")
        yield con


def make_extract(
    con: duckdb.DuckDBPyConnection, released: Path, folder: Path, *, is_secondary: bool = True
) -> None:
    """Release what has become whole and mature, and make the tables of all that is released.

    Args:
        con: As from `open_for_extract`.
        released: Where released quarters are kept.
        folder: Of the tables.
        is_secondary: False leaves out secondary suppression: only for `rehearsal`, to be broken.
    """
    limits = dict(
        con.execute("select limit_name, limit_value from rules.disclosure_limits").fetchall()
    )
    quarters = ripe_quarters(con, limits["maturity_days"])
    for quarter in quarters:
        file = released / f"{quarter.name}.parquet"
        if not file.is_file():
            _keep(con, release_quarter(con, quarter, limits, is_secondary=is_secondary), file)
    files = [released / f"{quarter.name}.parquet" for quarter in quarters]
    write_tables(con, files, folder, limits)


def ripe_quarters(con: duckdb.DuckDBPyConnection, maturity_days: int) -> list[Quarter]:
    """The quarters that the file holds whole, and that ended so many days before it was made."""
    (span,) = fetch_dicts(con, SPAN)
    first, known = span["first_on"], span["known_on"]
    if first is None:
        return []
    quarter = Quarter(date(first.year, (first.month - 1) // 3 * 3 + 1, 1))
    if quarter.starts_on < first:
        quarter = quarter.next
    found = []
    while quarter.next.starts_on + timedelta(days=maturity_days) <= known:
        found.append(quarter)
        quarter = quarter.next
    return found


def _keep(con: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]], file: Path) -> None:
    """Keep a released quarter; what was kept before stays as it is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}")
    relation(con, blocks.COLUMNS, rows).write_parquet(str(new), compression="zstd")
    new.chmod(0o444)
    try:
        os.link(new, file)
    except FileExistsError:
        pass
    finally:
        new.unlink()
