"""Published versions of made-up agencies that have nothing but an open extract."""

import json
from collections.abc import Sequence

from cdi import paths
from cdi.open_extract.tables import TABLES
from cdi.sql import connect


def publish(
    name: str,
    recorded: int | None,
    due: int | None,
    why: str | None = None,
    *,
    simulated: bool = False,
    has_rates: bool = True,
    erasures: int = 0,
    quarters: Sequence[str] = ("2017-Q1",),
    version: str = "20171001T0000-aaaaaaaaaa",
    as_of: str = "2017-10-01T00:00:00",
) -> None:
    """Publish a version with an open extract: so much in each quarter, and a district apart.

    Args:
        name: The agency; its folder in the registry is made.
        recorded: Recorded crimes of each quarter; None if they are withheld.
        due: Crimes of each quarter that should be recorded; None likewise.
        why: Why no rate is shown.
        simulated: Whether the agency is made up.
        has_rates: Whether the quarters show a rate where it is of 20 crimes or more, and shown.
        erasures: How many there were until then.
        quarters: The released quarters.
        version: Name of the version.
        as_of: Its state of knowledge, in UTC.
    """
    folder = paths.published(name) / "current" / "open"
    folder.mkdir(parents=True, exist_ok=True)
    agency = paths.agencies_folder() / name
    agency.mkdir(parents=True, exist_ok=True)
    (agency / "agency.yaml").write_text(f"agency: {name}\n")
    described = {
        "agency": name, "version": version, "fingerprint": version, "as_of": as_of,
        "batches": {}, "weights": {}, "code": {}, "erasures": erasures,
    }  # fmt: skip
    itself = paths.published(name) / "versions" / version
    itself.mkdir(parents=True, exist_ok=True)
    for place in (folder.parent, itself):
        (place / "version.json").write_text(json.dumps(described))
    (folder / "open.duckdb").unlink(missing_ok=True)
    with connect(folder / "open.duckdb") as con:
        con.execute(
            "create table release as select $name as agency_name, $simulated as is_simulated, "
            "$why::varchar as withheld_reason",
            {"name": name, "simulated": simulated, "why": why},
        )
        con.execute("create table quarters (quarter varchar, design_effect double)")
        con.execute(
            "create table crimes (quarter varchar, month varchar, district varchar, "
            "offence_group varchar, due_count bigint, recorded_count bigint)"
        )
        con.execute(
            "create table rates (quarter varchar, district varchar, offence_group varchar, "
            "standard_rate double)"
        )
        for quarter in quarters:
            if has_rates and recorded is not None and due is not None and due >= 20:
                row = [quarter, round(recorded / due, 2)]
                con.execute("insert into rates values (?, 'all', 'all', ?)", row)
            con.execute("insert into quarters values ($quarter, 1.25)", {"quarter": quarter})
            for district, off in (("all", 0), (f"{name}-secret", 1)):
                recorded_there = None if recorded is None else recorded - off
                con.execute(
                    "insert into crimes values (?, 'all', ?, 'all', ?, ?)",
                    [quarter, district, due, recorded_there],
                )
        for table in TABLES:
            con.execute(f"create table if not exists {table} (agency_name varchar)")
            con.execute(f"copy {table} to '{folder / f'{table}.parquet'}' (format parquet)")
