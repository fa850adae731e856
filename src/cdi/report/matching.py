"""The match report of a version: how records were linked to calls, and whether to believe it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from cdi.build.version import Version
from cdi.files import write_text
from cdi.render import render
from cdi.report.wording import data_as_of
from cdi.sql import fetch_dicts, read_query

SQL = Path(__file__).parent / "sql"
RUNGS = {
    "decided": "a person decided",
    "canonical_key": "the record names the log",
    "written_back": "the log names the record",
    "repaired_key": "the record names a log with one typing error",
    "scored": "time, place, offence and person",
}


def write_matching_page(con: duckdb.DuckDBPyConnection, version: Version) -> None:
    """Write ``matching.html`` beside the private file.

    Args:
        con: The private file.
        version: Whose it is.
    """
    from cdi.report.charts import Drawing  # altair takes two seconds to import

    drawing = Drawing(is_simulated=version.agency.is_simulated)
    calibration = fetch_dicts(con, CALIBRATION)
    figure = None
    if calibration:
        caption = (
            "Each dot is a tenth of the range of probability, with its number of records. Dots "
            "above the dashed line: their likeliest log was right more often than expected; dots "
            "below it: less often."
        )
        figure = drawing.calibration(calibration, caption)
    (release,) = fetch_dicts(con, "from release")
    (totals,) = fetch_dicts(con, read_query(SQL / "link_totals.sql"))
    page = render(
        "matching.html.j2",
        agency=version.agency,
        is_simulated=version.agency.is_simulated,
        version=version.name,
        release=release,
        as_of=data_as_of(release),
        totals=totals,
        clock=fetch_dicts(con, "from records_clock")[0],
        rungs=fetch_dicts(con, read_query(SQL / "links_by_rung.sql"), {"rungs": list(RUNGS)}),
        rung_names=RUNGS,
        bands=fetch_dicts(con, read_query(SQL / "links_by_probability.sql")),
        calibration=figure,
        found_right=summarise_calibration(calibration) if calibration else None,
        calibrated_with=calibration[0]["weights_version"] if calibration else None,
        routes=fetch_dicts(con, read_query(SQL / "crimes_without_call.sql")),
        rulesets=fetch_dicts(con, "from rules.rulesets order by min_evidence_rank desc"),
    )
    write_text(version.folder / "matching.html", page)


def summarise_calibration(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say of how many records the likeliest log was right: of the surest, and of all others.

    Args:
        rows: Of `link_calibration`, by probability; at least one.
    """
    *others, surest = rows
    least = f"{surest['probability_from']:.0%}"
    surely = f"records whose likeliest log has a probability of {least} or more"
    said = f"Of {_say_right([surest], surely)}"
    return f"{said} Of {_say_right(others, 'other records')}" if others else said


def _say_right(rows: Sequence[Mapping[str, Any]], records: str) -> str:
    """Of how many of these records it was right."""
    counted = ("record_count", "match_count", "expected_count")
    count, right, expected = (sum(row[name] for row in rows) for name in counted)
    return f"{count:,} {records}, it is right for {right:,}; {expected:,.0f} were expected."


CALIBRATION = """
    select *, expected_count / record_count as expected, match_count / record_count as found
    from link_calibration
    where record_count > 0
    order by probability_from
"""
