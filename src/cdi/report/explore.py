"""The page "Explore": counts of reported crimes that a reader filters in the browser.

It is the only page of ours with a script, which is one file beside this one. The page allows it by
its hash, and so does Airflow's plugin (`cdi_airflow.views`); no other script could run there. All
counts are in the page, so the script asks no server for anything. Without the script the page
shows the totals.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from markupsafe import Markup

from cdi.agency.code_maps import read_seed
from cdi.build.version import Version
from cdi.files import write_text
from cdi.render import render
from cdi.report.wording import UNIVERSES, data_as_of
from cdi.sql import fetch_dicts, read_query

SQL = Path(__file__).parent / "sql"
PAGE = "explore.html"
UNKNOWN = "unknown"  # the district of logs without one
WITHOUT_FRAUD = "fraud left out"
# What a line of the CSV has; the names are those of `fct_reported_crimes` where it has them.
COLUMNS = (
    *("district", "offence_group", "offence_group_name", "reported_month_on", "outcome"),
    *("is_in_frame", "crime_count", "version", "data"),
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Breakdown:
    """Something that crimes can be filtered and counted by.

    Attributes:
        name: In the address of the page.
        title: For people.
        values: Codes and names, in the order in which they are shown.
    """

    name: str
    title: str
    values: Sequence[tuple[str, str]]


def write_explore_page(con: duckdb.DuckDBPyConnection, version: Version) -> None:
    """Write ``explore.html`` beside the private file.

    Args:
        con: The private file.
        version: Whose it is.
    """
    (release,) = fetch_dicts(con, "from release")
    rows = fetch_dicts(con, read_query(SQL / "explored_counts.sql"))
    page = render_explore_page(rows, release, version.agency.agency, version.name)
    write_text(version.folder / PAGE, page)


def render_explore_page(rows: Sequence[Row], release: Row, agency: str, version: str) -> str:
    """Render the page.

    Args:
        rows: Of the query ``explored_counts``.
        release: The row of the table `release`.
        agency: Id of the agency.
        version: Name of the version.
    """
    breakdowns = _list_breakdowns(rows)
    district, offence, month, outcome = (
        {code: place for place, (code, _) in enumerate(breakdown.values)}
        for breakdown in breakdowns
    )
    cube = {
        "cells": [
            (
                district[row["district"]],
                offence[row["offence_group"]],
                month[f"{row['reported_month_on']:%Y-%m}"],
                outcome[row["outcome"]],
                int(row["is_in_frame"]),
                row["crime_count"],
            )
            for row in rows
        ],
        "kept_apart": sorted(
            {offence[row["offence_group"]] for row in rows if not row["is_headline"]}
        ),
        "base_without_fraud": WITHOUT_FRAUD,
        "unknown": UNKNOWN,
        "desk": f"../desk/{agency}/",
        "columns": COLUMNS,
        "version": version,
        "data": "SIMULATED" if release["is_simulated"] else "",
        "file": f"{agency}-explore.csv",
    }
    return render(
        "explore.html.j2",
        release=release,
        as_of=data_as_of(release),
        is_simulated=release["is_simulated"],
        version=version,
        breakdowns=breakdowns,
        universes=UNIVERSES,
        without_fraud=WITHOUT_FRAUD,
        totals=[(name, _count(rows, code)) for code, name in _list_outcomes()],
        reported=_count(rows),
        cube=cube,
        script=Markup(read_script()),  # noqa: S704  # our own file
        script_policy=write_script_policy(),
    )


def read_script() -> str:
    """Read the script of the page."""
    return Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def write_script_policy() -> str:
    """Write what a Content-Security-Policy must say so that this script runs, and no other one."""
    digest = base64.b64encode(hashlib.sha256(read_script().encode()).digest()).decode()
    return f"script-src 'sha256-{digest}'; connect-src 'none'"


def _list_outcomes() -> list[tuple[str, str]]:
    """List the codes and names of outcomes, in the order in which pages show them."""
    return [(row["outcome"], row["outcome_name"]) for row in read_seed("outcomes")]


def _list_breakdowns(rows: Sequence[Row]) -> tuple[Breakdown, ...]:
    """List what crimes can be counted by, in the order of the numbers of a cell."""
    offences = {row["offence_group"]: row for row in rows}
    months = {row["reported_month_on"] for row in rows}
    found = {row["outcome"] for row in rows}
    return (
        Breakdown("district", "District", [(d, d) for d in sorted({r["district"] for r in rows})]),
        Breakdown(
            "offence",
            "Offence group",
            [
                (code, row["offence_group_name"])
                for code, row in sorted(offences.items(), key=lambda pair: pair[1]["sort_order"])
            ],
        ),
        Breakdown("month", "Month", [(f"{day:%Y-%m}", f"{day:%B %Y}") for day in sorted(months)]),
        Breakdown("outcome", "Outcome", [pair for pair in _list_outcomes() if pair[0] in found]),
    )


def _count(rows: Sequence[Row], outcome: str | None = None) -> dict[str, int]:
    """Count crimes other than fraud, in each universe; of one outcome, or of all."""
    wanted = [row for row in rows if row["is_headline"] and outcome in (None, row["outcome"])]
    return {
        "frame": sum(row["crime_count"] for row in wanted if row["is_in_frame"]),
        "all": sum(row["crime_count"] for row in wanted),
    }
