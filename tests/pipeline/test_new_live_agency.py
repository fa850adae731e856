"""The command `agency new` on live sources: a database and a portal give a folder that is valid."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml
from typer.testing import CliRunner, Result

from cdi import cli
from cdi.agency.load import load_agency
from cdi.console import console
from cdi.errors import SourceError
from cdi.onboarding import recent
from cdi.sources.postgres import PostgresReader
from cdi_force.database import Server, connection_of
from tests.faulty_server import DATASET, NOW, Portal, open_portal
from tests.postgres import postgres_or_skip
from tests.unit.onboarding.invented import PERSONAL, RARE, invent_calls, invent_records

ZONE = "America/Chicago"
CONNECTION = "invented_systems"
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_or_skip() as started:
        yield started


@pytest.fixture(autouse=True)
def agencies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "agencies"
    folder.mkdir()
    monkeypatch.setenv("CDI_AGENCIES", str(folder))
    monkeypatch.setenv("CDI_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(console, "width", 300)
    return folder


def type_rows(rows: Rows, forms: dict[str, str], shift: timedelta) -> Rows:
    """Rows with names as databases have them, and with typed times, moved by some days."""
    typed = []
    for row in rows:
        new = {header.lower().replace(" ", "_"): value or None for header, value in row.items()}
        for name, form in forms.items():
            new[name] = new[name] and datetime.strptime(new[name], form) + shift
        typed.append({name: "ZZ" if value == RARE else value for name, value in new.items()})
    return typed


def make_systems(newest: datetime) -> tuple[Rows, Rows]:
    """Calls of fifty days, the newest received at a local time, and the records of each third."""
    calls = invent_calls()
    last = datetime.strptime(calls[-1]["Time Received"], "%m/%d/%Y %H:%M")
    shift = newest - last
    minutes = "%m/%d/%Y %H:%M"
    return (
        type_rows(calls, {"time_received": minutes, "time_closed": minutes}, shift),
        type_rows(invent_records(), {"reported_date": "%Y-%m-%dT%H:%M:%S"}, shift),
    )


def fill_database(server: Server, calls: Rows, records: Rows) -> None:
    """Make both tables, and a column of bytes that nobody can read as text."""
    connection = psycopg2.connect(
        host="127.0.0.1", port=server.port, user="postgres", password=server.password,
        dbname="postgres",
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        for table, rows in (("cad", calls), ("rms", records)):
            kinds = {
                name: "timestamp" if re.search("time|reported", name) else "text"
                for name in rows[0]
            }
            columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
            cursor.execute(f"drop table if exists {table}")
            cursor.execute(f"create table {table} ({columns}, photo bytea, edited_at timestamptz)")
            places = ", ".join(["%s"] * len(kinds))
            cursor.executemany(
                f"insert into {table} ({', '.join(kinds)}, photo, edited_at) "
                f"values ({places}, 'x', now())",
                [list(row.values()) for row in rows],
            )
    connection.close()


@pytest.fixture
def connected(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    variable = f"AIRFLOW_CONN_{CONNECTION.upper()}"
    monkeypatch.setenv(variable, connection_of(server, "postgres"))
    return server


def run_new(calls: str, crimes: str, *options: str) -> Result:
    arguments = ["agency", "new", "invented", "--calls", calls, "--crimes", crimes]
    result = CliRunner().invoke(cli.app, [*arguments, *(options or ("--timezone", ZONE))])
    for personal in (*PERSONAL, "Quill"):
        assert personal not in result.output
    return result


def check() -> Result:
    return CliRunner().invoke(cli.app, ["check-agency", "--agency", "invented", "--connect"])


def read_settings(agencies: Path) -> dict[str, Any]:
    text = (agencies / "invented" / "agency.yaml").read_text(encoding="utf-8")
    settings: dict[str, Any] = yaml.safe_load(text)
    return settings


def written_texts(agencies: Path) -> list[str]:
    return [file.read_text(encoding="utf-8") for file in (agencies / "invented").iterdir()]


def test_tables_of_postgresql_give_a_folder_that_the_check_accepts(
    connected: Server, agencies: Path
) -> None:
    newest = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=8)
    fill_database(connected, *make_systems(newest))
    done = run_new(f"sql:{CONNECTION}/cad", f"sql:{CONNECTION}/public.rms")
    assert done.exit_code == 0, done.exception or done.output
    settings = read_settings(agencies)
    calls, records = settings["sources"]["calls"], settings["sources"]["crime_records"]
    assert calls["sql"] == {"relation": "cad"}
    assert "# schedule: '@hourly'" in (agencies / "invented" / "agency.yaml").read_text()
    assert load_agency("invented").cron == "@hourly"
    assert records["sql"] == {"relation": "public.rms"}
    assert (calls["connection"], calls["delivery"], calls["days"]) == (CONNECTION, "days", 35)
    assert (records["connection"], records["delivery"], records["days"]) == (
        CONNECTION, "days", 400,
    )  # fmt: skip
    # typed times need no format
    assert (calls["columns"]["received_at"], calls["columns"]["closed_at"]) == (
        "time_received", "time_closed",
    )  # fmt: skip
    assert records["columns"]["reported_at"] == "reported_date"
    assert records["columns"]["call_reference"] == "report_number"
    assert {"photo", "edited_at"} <= set(calls["ignored"])
    assert "coverage" not in settings
    assert "data_root" not in settings
    # 35 whole days, today's rows, and no more: a call each three hours
    (line,) = [line for line in done.output.splitlines() if line.startswith("calls:")]
    count = int(re.findall(r"[\d,]+", line)[0])
    assert 35 * 8 <= count <= 36 * 8
    checked = check()
    assert checked.exit_code == 0, checked.output
    assert "stop" not in checked.output
    assert "100.0%" in checked.output
    for text in (*written_texts(agencies), done.output, checked.output):
        for hidden in (*PERSONAL, "Quill", connected.password):
            assert hidden not in text


def test_rows_without_a_time_are_in_no_window_and_it_is_said(connected: Server) -> None:
    """They are refused by no rule, as nobody ever reads them."""
    calls, records = make_systems(datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=8))
    for row in calls[-40:-30]:
        row["time_received"] = None
    fill_database(connected, calls, records)
    output = run_new(f"sql:{CONNECTION}/cad", f"sql:{CONNECTION}/rms").output
    (line,) = [line for line in output.splitlines() if "no readable" in line]
    assert line.endswith(
        "of the rows have no readable received_at (time_received): no window of days holds them, "
        "so no run reads them (FILE-25)."
    )


def test_of_a_table_that_is_no_longer_filled_the_newest_days_with_rows_are_read(
    connected: Server, agencies: Path
) -> None:
    fill_database(connected, *make_systems(datetime(2019, 3, 4, 12)))
    done = run_new(f"sql:{CONNECTION}/cad", f"sql:{CONNECTION}/rms")
    assert done.exit_code == 0, done.exception or done.output
    (line,) = [line for line in done.output.splitlines() if line.startswith("calls:")]
    assert 35 * 8 <= int(re.findall(r"[\d,]+", line)[0]) <= 36 * 8
    assert str(read_settings(agencies)["start_date"]) in ("2019-01-01", "2019-02-01")


def test_columns_of_bytes_are_listed_and_their_values_never_read(
    connected: Server, agencies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_database(connected, *make_systems(datetime(2026, 3, 4, 12)))
    asked: list[str] = []
    rows = PostgresReader.rows

    def note(self: PostgresReader, window: Any, columns: list[str]) -> Any:
        asked.extend(columns)
        return rows(self, window, columns)

    monkeypatch.setattr(PostgresReader, "rows", note)
    run_new(f"sql:{CONNECTION}/cad", f"sql:{CONNECTION}/rms")
    assert "photo" in read_settings(agencies)["sources"]["calls"]["ignored"]
    assert "time_received" in asked
    assert "photo" not in asked


def test_fewer_days_are_read_if_they_have_more_rows_than_memory_holds(
    connected: Server, agencies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=8)
    fill_database(connected, *make_systems(newest))
    monkeypatch.setattr(recent, "MOST_ROWS", 100)
    done = run_new(f"sql:{CONNECTION}/cad", f"sql:{CONNECTION}/rms")
    (line,) = [line for line in done.output.splitlines() if line.startswith("calls:")]
    assert 50 <= int(re.findall(r"[\d,]+", line)[0]) <= 80  # of eight days, and not cut off


@pytest.fixture
def portals() -> Iterator[tuple[Portal, Portal]]:
    newest = NOW.replace(tzinfo=None) - timedelta(hours=8)
    calls, records = make_systems(newest)

    def kinds(rows: Rows) -> dict[str, str]:
        times = ("time_received", "time_closed", "reported_date")
        return {name: "local" if name in times else "text" for name in rows[0]}

    with open_portal(kinds(calls)) as first, open_portal(kinds(records)) as second:
        for portal, rows in ((first, calls), (second, records)):
            portal.rows = [{"_id": number, **row} for number, row in enumerate(rows)]
        yield first, second


def test_datasets_of_a_socrata_portal_give_a_folder_that_the_check_accepts(
    portals: tuple[Portal, Portal], agencies: Path
) -> None:
    addresses = [f"socrata:{portal.address}/{DATASET}" for portal in portals]
    done = run_new(*addresses)
    assert done.exit_code == 0, done.exception or done.output
    settings = read_settings(agencies)
    calls = settings["sources"]["calls"]
    assert calls["socrata"] == {"domain": portals[0].address, "dataset": DATASET}
    assert (calls["delivery"], calls["days"]) == ("days", 35)
    assert "connection" not in calls
    assert calls["columns"]["received_at"] == "time_received"
    assert settings["sources"]["crime_records"]["days"] == 400
    assert settings["start_date"] == date(2026, 10, 1)
    checked = check()
    assert checked.exit_code == 0, checked.output
    assert "stop" not in checked.output
    for text in (*written_texts(agencies), done.output, checked.output):
        for hidden in (*PERSONAL, "Quill"):
            assert hidden not in text


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("sql:invented_systems", "sql:<connection>/<relation>"),
        ("socrata:data.example.org", "socrata:<domain>/<dataset>"),
        ("socrata:data.example.org/calls", "socrata:<domain>/<dataset>"),
        ("arcgis:gis.example.org/0", "arcgis:<address of the layer>"),
    ],
)
def test_an_address_that_does_not_say_where_the_rows_are_is_refused(
    address: str, form: str, agencies: Path
) -> None:
    done = run_new(address, address)
    assert isinstance(done.exception, SourceError)
    assert done.exception.rule_id == "SRC-ADDRESS"
    assert form in done.exception.fix
    assert list(agencies.iterdir()) == []


def test_a_table_without_times_is_refused_with_a_way_out(connected: Server, agencies: Path) -> None:
    calls, records = make_systems(datetime(2026, 1, 1))
    for row in calls:
        row["time_received"], row["time_closed"] = "yesterday", None
    calls = [{"number": row["cad_event_number"], "nature": row["nature_code"]} for row in calls]
    fill_database(connected, calls, records)
    connection = psycopg2.connect(
        host="127.0.0.1", port=connected.port, user="postgres", password=connected.password,
        dbname="postgres",
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        cursor.execute("alter table cad drop column edited_at")
    connection.close()
    done = run_new(f"sql:{CONNECTION}/cad", f"sql:{CONNECTION}/rms")
    assert isinstance(done.exception, SourceError)
    assert done.exception.rule_id == "SRC-MOMENT"
    assert "view" in done.exception.fix


def test_a_connection_that_is_not_there_is_named(agencies: Path) -> None:
    done = run_new("sql:nowhere/cad", "sql:nowhere/rms")
    assert isinstance(done.exception, SourceError)
    assert done.exception.rule_id == "SRC-CONNECTION"
    assert "AIRFLOW_CONN_NOWHERE" in str(done.exception)
