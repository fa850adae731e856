"""What a build is told of the agency."""

from datetime import UTC, datetime
from typing import Any

import duckdb

from cdi.build.inputs import open_landing
from cdi.build.version import Version
from tests.conftest import SmallAgency


def test_a_build_knows_which_columns_of_crime_records_the_agency_delivers(
    small: SmallAgency,
) -> None:
    agency = small.agency
    empty: dict[str, list[Any]] = {name: [] for name in agency.sources}
    version = Version(agency, datetime(2026, 1, 7, tzinfo=UTC), empty, "0" * 64)
    with duckdb.connect() as con:
        open_landing(con, version)
        (row,) = con.execute("select crime_record_columns from landing.settings").fetchall()
    delivered = ["district", "offence_code", "record_reference", "recorded_at", "status_code"]
    assert row == (sorted(["call_reference", *delivered]),)
