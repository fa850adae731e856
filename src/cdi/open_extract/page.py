"""``index.html`` and ``README.md`` of the open extract: for people who do not write SQL.

What the page shows is read from ``open.duckdb``. A count that is withheld there is withheld here.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from cdi.agency.code_maps import read_seed
from cdi.open_extract.about import About
from cdi.open_extract.blocks import ALL, SQL, Quarter
from cdi.open_extract.package import PACKAGE
from cdi.render import render
from cdi.sql import fetch_dicts, read_query

# Quarters whose ages differ by more days were counted with visibly more or fewer late records. Runs
# that come some days late, as over a holiday, make no such difference.
MOST_DAYS_APART = 7


def render_page(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    tables: list[dict[str, Any]],
    about: About,
    changes: list[dict[str, str]],
) -> str:
    """Render ``index.html``.

    Args:
        con: A connection to ``open.duckdb``.
        folder: The open folder, with all files but the pages.
        tables: As from `package.describe_tables`.
        about: What the page says besides the tables.
        changes: What changed from release to release, the newest first.
    """
    rows = fetch_dicts(con, read_query(SQL / "shown_quarters.sql"))
    by_quarter = [row for row in rows if row["offence_group"] == ALL]
    audits = fetch_dicts(
        con,
        "select *, cast(ends_before_on - interval 1 day as date) as last_on "
        "from audited_rates where domain = 'force' and is_headline",
    )
    return render(
        "open_index.html.j2",
        **_gather_common(con, tables, about),
        newest=by_quarter[0] if by_quarter else None,
        months=Quarter.named(by_quarter[0]["quarter"]).months_in_words if by_quarter else None,
        by_quarter=by_quarter,
        names={
            row["offence_group"]: row["offence_group_name"] for row in read_seed("offence_groups")
        },
        by_group=[row for row in rows if row["is_newest"] and row["offence_group"] != ALL],
        audit=audits[0] if audits else None,
        changes=[
            {**change, "released_on": date.fromisoformat(change["released_on"])}
            for change in changes
        ],
        sizes={file.name: _write_size(file) for file in folder.iterdir()},
        package=PACKAGE,
    )


def render_readme(
    con: duckdb.DuckDBPyConnection, tables: list[dict[str, Any]], about: About
) -> str:
    """Render ``README.md``.

    Args:
        con: A connection to ``open.duckdb``.
        tables: As from `package.describe_tables`.
        about: What the page says besides the tables.
    """
    return render("open_readme.md.j2", **_gather_common(con, tables, about), package=PACKAGE)


def _gather_common(
    con: duckdb.DuckDBPyConnection, tables: list[dict[str, Any]], about: About
) -> Mapping[str, Any]:
    """Gather what both pages say."""
    (release,) = fetch_dicts(con, "from release")
    quarters = [row for (row,) in con.execute("select quarter from quarters").fetchall()]
    return {
        "name": release["agency_name"],
        "is_simulated": release["is_simulated"],
        "release": release,
        "quarters": quarters,
        "ages": _warn_of_ages(con),
        "calendar": [
            {
                "quarter": quarter,
                "released_on": quarter.release_on(about.limits["maturity_days"]),
            }
            for quarter in about.upcoming
        ],
        "about": about,
        "tables": tables,
    }


def _warn_of_ages(con: duckdb.DuckDBPyConnection) -> str:
    """Warn that the quarters were counted at different ages; blank if they were not."""
    (ages,) = fetch_dicts(
        con, "select min(days_after_end) as least, max(days_after_end) as most from quarters"
    )
    if ages["least"] is None or ages["most"] - ages["least"] <= MOST_DAYS_APART:
        return ""
    return (
        f"The quarters were counted at different ages, from {ages['least']} to {ages['most']} days "
        "after their end. The later a quarter is counted, the more crimes that were recorded late "
        "are in it, so a difference between two quarters may come from their ages alone. The table "
        "quarters has the age of each (days_after_end)."
    )


def _write_size(file: Path) -> str:
    """The size of a file, rounded up to kilobytes."""
    return f"{-(-file.stat().st_size // 1000):,} kB"
