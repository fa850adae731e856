"""Testville's two systems in a real PostgreSQL, and the agency that is read from there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest

from cdi.agency.interval import Interval
from cdi.landing.batches import accepted_batches
from cdi.sources.access import Access
from cdi.steps.extract import check_landing, extract
from cdi_force.database import DatabaseError, Server, find_program, run_postgres
from tests.conftest import SmallAgency, table_contents

CONNECTION = "testville_systems"
READER = "reader"
STAGED = "call_reference, received_at, closed_at, disposition_code, district"

# Where rows came from, and what became of those that are not current: one load has one history, and
# many readings have another.
LINEAGE = {"source_file", "row_id", "source_as_of", "batch_seq"}
HISTORIES = {"main.data_quality", "measures.conservation", "measures.quarantine"}


@contextmanager
def postgres_or_skip(*settings: str) -> Iterator[Server]:
    """Start PostgreSQL, or skip the test where its programs are not installed."""
    try:
        find_program("postgres")
    except DatabaseError as error:
        pytest.skip(str(error))
    with run_postgres(*settings) as server:
        yield server


@dataclass
class Systems:
    """The tables `calls` and `records` in a database of their own, and what a writer does there."""

    server: Server
    name: str
    moment: str
    connections: list[Any] = field(default_factory=list)

    @classmethod
    def create(cls, server: Server, name: str, moment: str = "timestamp") -> "Systems":
        """Make the database with empty tables, a clock, and a login that may only read.

        Args:
            server: The server.
            name: Name of the database.
            moment: Type of the times.
        """
        new = cls(server, name, moment)
        maker = new.connect("postgres")
        maker.autocommit = True
        cursor = maker.cursor()
        cursor.execute(f"drop database if exists {name} with (force)")
        cursor.execute(f"create database {name}")
        cursor.execute("select 1 from pg_roles where rolname = %s", (READER,))
        if not cursor.fetchall():
            cursor.execute(f"create role {READER} login password %s", (server.password,))
        new.run(
            f"create table calls (number text primary key, received {moment}, closed {moment}, "
            "opened_as text, closed_as text, closure text, district text, caller text, "
            "phone text, text text, updated_at timestamp)"
        )
        new.run(
            f"create table records (record text primary key, call text, recorded {moment}, "
            "offence text, status text, district text)"
        )
        new.run("create table clock (now timestamptz)")
        new.run("insert into clock values ('2026-01-07')")
        new.run(f"grant select on all tables in schema public to {READER}")
        return new

    def connect(self, database: str | None = None) -> Any:
        """Open a connection of a writer."""
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.server.port, user="postgres",
            password=self.server.password, dbname=database or self.name,
        )  # fmt: skip
        self.connections.append(connection)
        return connection

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement, and commit it."""
        connection = self.connect()
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            found = cursor.fetchall() if cursor.description else []
        connection.close()
        return found

    def close(self) -> None:
        """Close what was opened."""
        for connection in self.connections:
            connection.close()

    def add_call(self, number: str, received: str | None, **values: str | None) -> None:
        """Add a call."""
        row = {
            "number": number, "received": received, "opened_as": "NOISE", "closed_as": "NOISE",
            "closure": "NONE", "district": "S", "text": "loud music", **values,
        }  # fmt: skip
        names = ", ".join(row)
        places = ", ".join(["%s"] * len(row))
        self.run(f"insert into calls ({names}) values ({places})", *row.values())

    def set_clock(self, now: str) -> None:
        """Say at which moment the tables are true."""
        self.run("update clock set now = %s", now)

    @property
    def access(self) -> Access:
        """How the product reaches it: by a login that may only read."""
        return Access(
            "postgres", "127.0.0.1", self.server.port, READER, self.server.password, self.name
        )


def read_by_sql(small: SmallAgency, **windows: int) -> None:
    """Let the agency `testville` be read from its systems.

    Args:
        small: The agency.
        windows: Days that are read, by dataset.
    """
    relations = {"calls": "calls", "crime_records": "records"}
    small.settings.pop("coverage", None)
    small.settings["schedule"] = "@daily"  # tests count nights; by default it would be hourly
    for dataset, source in small.settings["sources"].items():
        for key in ("files", "format", "delimiter"):
            source.pop(key, None)
        source |= {
            "connection": CONNECTION,
            "sql": {"relation": relations[dataset], "clock": "(select now from clock)"},
            "delivery": "days",
            "days": windows.get(dataset, 35),
            "columns": {
                name: mapping["from"] if isinstance(mapping, dict) else mapping
                for name, mapping in source["columns"].items()
            },
        }
    small.settings["sources"]["calls"]["ignored"] = ["updated_at"]
    small.write_settings()


def land(
    small: SmallAgency, systems: Systems, start: str, end: str, dataset: str = "calls"
) -> dict[str, Any] | None:
    """Extract and check a dataset for an interval of whole days.

    Returns:
        The manifest of the accepted batch; None if there was nothing new.
    """
    interval = Interval.of_days(small.agency, date.fromisoformat(start), date.fromisoformat(end))
    extracted = extract("testville", dataset, interval, systems.access)
    if extracted.result is None:
        return None
    check_landing("testville", dataset, extracted.result)
    return accepted_batches("testville", dataset)[-1].manifest


def standing(small: SmallAgency) -> list[tuple[Any, ...]]:
    """The calls that staging holds, without those that were withdrawn."""
    return small.staged(f"select {STAGED} from staging.stg_calls where not is_withdrawn order by 1")


def truth(systems: Systems) -> list[tuple[Any, ...]]:
    """The calls that the table holds, with their times in UTC."""
    zone = " at time zone 'Europe/London'" if systems.moment == "timestamp" else ""
    times = ", ".join(f"{name}{zone} at time zone 'UTC'" for name in ("received", "closed"))
    return systems.run(f"select number, {times}, closure, district from calls order by 1")


def published_contents(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The published tables of a file, without lineage and histories."""
    contents = {}
    with duckdb.connect(str(file), read_only=True) as con:
        for name in table_contents(file).keys() - HISTORIES:
            if name.split(".")[0] in ("main", "measures"):
                columns = [d[0] for d in con.execute(f"from {name} limit 0").description or ()]
                compared = ", ".join(sorted(set(columns) - LINEAGE))
                rows = con.execute(f"select {compared} from {name} order by all").fetchall()
                contents[name] = rows
    return contents
