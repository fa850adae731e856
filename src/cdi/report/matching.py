"""The match report of a version: how records were linked to calls, and whether to believe it."""

from pathlib import Path

import duckdb

from cdi.build.version import Version
from cdi.render import render
from cdi.sql import fetch_dicts

RUNGS = {
    "decided": "a person decided",
    "canonical_key": "the record names the call",
    "written_back": "the log names the record",
    "repaired_key": "the record names a call one slip away",
    "scored": "time, place, offence and person",
}


def write_matching_page(con: duckdb.DuckDBPyConnection, version: Version) -> Path:
    """Write ``matching.html`` beside the private file.

    Args:
        con: The private file.
        version: Whose it is.

    Returns:
        Path of the page.
    """
    from cdi.report.charts import Drawing  # altair takes a second to import

    drawing = Drawing(is_simulated=version.agency.is_simulated)
    calibration = fetch_dicts(con, CALIBRATION)
    figure = None
    if calibration:
        figure = drawing.calibration(
            calibration,
            "Each dot is a tenth of probability. On the dashed line what was expected is what "
            "references prove; above it links are better than they say. Most records lie in the "
            "first and in the last tenth.",
        )
    page = render(
        "matching.html.j2",
        agency=version.agency,
        is_simulated=version.agency.is_simulated,
        version=version.name,
        release=fetch_dicts(con, "from release")[0],
        totals=fetch_dicts(con, TOTALS)[0],
        rungs=fetch_dicts(con, BY_RUNG, {"rungs": list(RUNGS)}),
        rung_names=RUNGS,
        bands=fetch_dicts(con, BANDS),
        calibration=figure,
        calibrated_with=calibration[0]["weights_version"] if calibration else None,
        routes=fetch_dicts(con, UNMATCHED),
        rulesets=fetch_dicts(con, "from rules.rulesets order by min_evidence_rank desc"),
    )
    file = version.folder / "matching.html"
    file.write_text(page, encoding="utf-8")
    return file


TOTALS = """
    select
        count(*) as records,
        count(*) filter (where is_crime) as crimes,
        count(*) filter (where is_crime and link_rung is not null) as linked_crimes,
        count(*) filter (where is_crime and is_proven_by_reference) as proven_crimes,
        count(*) filter (where not is_crime and link_rung is not null) as linked_others,
        (select any_value(weights_version) from links) as weights_version
    from (
        select links.*, coalesce(offences.offence_group is not null, false) as is_crime
        from staging.stg_crime_records as records
        left join codes.offences as offences on records.offence_code = offences.code
        left join links on records.crime_record_id = links.crime_record_id
        where not records.is_withdrawn
    )
"""

BY_RUNG = """
    select
        link_rung,
        count(*) filter (where is_crime_record) as crimes,
        count(*) filter (where not is_crime_record) as others,
        count(*) filter (where is_crime_record and link_probability < 0.8) as doubtful,
        avg(link_probability) as probability,
        min(link_probability) as least
    from links
    group by link_rung
    order by list_position($rungs, link_rung)
"""

BANDS = """
    select
        least(floor(link_probability * 10) / 10, 0.9) as probability_from,
        count(*) filter (where is_crime_record) as crimes,
        count(*) filter (where not is_crime_record) as others
    from links
    where not is_proven_by_reference
    group by 1
    order by 1 desc
"""

CALIBRATION = """
    select *, expected_count / record_count as expected, match_count / record_count as found
    from link_calibration
    where record_count > 0
    order by probability_from
"""

UNMATCHED = """
    select
        route,
        cast(sum(crime_count) as bigint) as crimes,
        cast(sum(without_call_count) as bigint) as without_call,
        sum(without_call_count) / sum(crime_count) as share
    from crimes_without_call
    group by route
    order by crimes desc, route
"""
