"""`check-agency --connect` on a real PostgreSQL: each question, when all is right and when not."""

import json
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cdi import cli
from cdi.console import console
from cdi.onboarding import source_times
from cdi_force.database import Server, connection_of
from tests.conftest import SmallAgency
from tests.postgres import CONNECTION, Systems, postgres_or_skip, read_by_sql

CALLER, PHONE, TEXT = "Jane Quill", "07700 900123", "says her husband hit her"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_or_skip("timezone=America/New_York") as started:
        yield started


class Checked(Systems):
    """Testville's systems, and what the command says of them."""

    small: SmallAgency

    def check(self) -> Result:
        """Run the command."""
        arguments = ["check-agency", "--agency", "testville", "--connect"]
        result = CliRunner().invoke(cli.app, arguments)
        assert not result.exception or isinstance(result.exception, SystemExit), result.exception
        for secret in (self.server.password, CALLER, PHONE, TEXT):
            assert secret not in result.output
        return result

    def find(self, key: str, level: str = "") -> list[str]:
        """The answers about a key, as lines."""
        lines = [line for line in self.check().output.splitlines() if f": {key}: " in line]
        return [line for line in lines if line.startswith(level)]

    def find_one(self, key: str, words: str) -> str:
        """The one answer about a key that has these words."""
        lines = [line for line in self.find(key) if words in line]
        assert len(lines) == 1, self.check().output
        return lines[0]


def fill(systems: Systems) -> None:
    """Calls of five days, each twenty minutes but from three to six, and a record of some."""
    systems.run(
        "insert into calls (number, received, closed, opened_as, closed_as, closure, district, "
        "caller, phone, text) select 'T-' || to_char(n, 'FM0000'), t, t + interval '1 hour', "
        "'NOISE', case when mod(n, 2) = 0 then 'NOISE' else 'THEFT' end, 'NONE', 'S', %s, %s, %s "
        "from (select n, timestamp '2026-01-02' + n * interval '20 minutes' as t "
        "from generate_series(0, 359) as n) as every where extract(hour from t) not in (3, 4, 5)",
        CALLER, PHONE, TEXT,
    )  # fmt: skip
    systems.run(
        "insert into records select 'R' || row_number() over (), number, received, 'A1', 'OPEN', "
        "'S' from calls where right(number, 1) = '0'"
    )
    systems.set_clock("2026-01-07 00:30+00")


@pytest.fixture
def systems(
    server: Server, small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Checked]:
    read_by_sql(small, crime_records=400)
    monkeypatch.setattr(console, "width", 300)
    made = Checked.create(server, "testville_checked")
    made.small = small
    fill(made)
    set_connection(made, monkeypatch)
    yield made
    made.close()


def set_connection(systems: Systems, monkeypatch: pytest.MonkeyPatch, **changed: str) -> None:
    parts = json.loads(connection_of(systems.server, "reader")) | {"schema": systems.name}
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(parts | changed))


def test_what_is_right_is_told_with_its_figures_and_stops_nothing(systems: Checked) -> None:
    checked = systems.check()
    assert checked.exit_code == 0
    *lines, valid, schedule = checked.output.splitlines()
    assert " is valid: " in valid
    assert schedule == "it is extracted @daily (Europe/London)"
    assert {line.split(" ")[0] for line in lines} == {"fine"}
    told = {line.partition(" ")[2].split(", counted")[0] for line in lines}
    assert told >= {
        "agency.yaml: sources.calls.connection: testville_systems: reached as reader, which may "
        "only read",
        "agency.yaml: sources.calls.columns: all 10 mapped columns are there",
        "agency.yaml: sources.calls.days: a run would read 315 rows of 35 days",
        "agency.yaml: sources.calls.columns.received_at: no row lacks a time in received",
        "agency.yaml: sources.calls.max_age_hours: the newest row is 50 min older than the "
        "source's clock",
        "agency.yaml: timezone: the quietest hour of the day begins at 04:00 in Europe/London",
        "agency.yaml: key_rules.call: read 100.0% (315 of 315) of the references in "
        "sources.calls.columns.call_reference",
        "agency.yaml: sources.crime_records.columns.call_reference: 100.0% (32 of 32) of the "
        "records read have their call there",
        "call_types.csv: final_type_code: 2 codes in use, each with a row",
        "closures.csv: disposition_code: 1 code in use, each with a row",
        "offences.csv: offence_code: 1 code in use, each with a row",
    }
    assert "yesterday has 63, counted in" in checked.output


def test_without_connect_no_source_is_opened(
    systems: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(systems, monkeypatch, host="nowhere.invalid")
    checked = CliRunner().invoke(cli.app, ["check-agency", "--agency", "testville"])
    assert checked.exit_code == 0
    assert len(checked.output.splitlines()) == 2  # that it is valid, and when it is extracted


# Can it be reached, and with what rights


def test_a_login_that_is_refused_stops(systems: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(systems, monkeypatch, password="a planted secret")
    checked = systems.check()
    assert checked.exit_code == 1
    (line,) = [line for line in checked.output.splitlines() if "sources.calls" in line]
    assert line.startswith("stop agency.yaml: sources.calls.connection: ")
    assert "refuses the login reader" in line
    assert "next step: correct login and password" in line
    assert "a planted secret" not in checked.output
    assert "2 of these answers would stop an extraction" in checked.output


def test_a_connection_that_is_not_there_stops(
    systems: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(f"AIRFLOW_CONN_{CONNECTION.upper()}")
    line = systems.find_one("sources.calls.connection", "is not there")
    assert line.startswith("stop ")
    variable = f"AIRFLOW_CONN_{CONNECTION.upper()}"
    assert f"set {variable} for this command" in line
    assert f"docker compose exec -e {variable} ...); a connection that only Airflow has" in line


def test_a_login_that_may_write_is_told(systems: Checked) -> None:
    systems.run("grant delete on calls to reader")
    line = systems.find_one("sources.calls.connection", "may write: public.calls")
    assert line.startswith("look ")
    assert "give a login that may only read" in line


def test_a_table_that_is_not_there_stops_its_source_alone(systems: Checked) -> None:
    systems.run("alter table calls rename to incidents")
    assert systems.find_one("sources.calls.sql", "SRC-SQL").startswith("stop ")
    assert systems.find_one("sources.crime_records.days", "32 rows")


# Columns


def test_a_missing_column_is_told_with_the_nearest_and_the_others_are_asked(
    systems: Checked,
) -> None:
    systems.run("alter table calls rename column closed to closed_time")
    line = systems.find_one("sources.calls.columns.closed_at", "there is no column closed")
    assert line.startswith("stop ")
    assert "near: closed_time" in line
    assert "write closed_time" in line
    assert systems.check().exit_code == 1
    assert systems.find_one("key_rules.call", "315 of 315")
    assert "closed_time" in systems.find_one("sources.calls.ignored", "neither mapped nor")


def test_a_missing_time_of_the_row_leaves_its_source_unread(systems: Checked) -> None:
    systems.run("alter table calls rename column received to created")
    assert systems.find("sources.calls.columns.received_at", "stop")
    assert "were not looked at" in systems.find_one("sources.calls", "received")
    assert systems.find_one("sources.crime_records.days", "32 rows")


def test_a_column_that_is_neither_mapped_nor_ignored_is_listed(systems: Checked) -> None:
    systems.run("alter table calls add column officer text")
    line = systems.find_one("sources.calls.ignored", "1 column neither mapped nor ignored: officer")
    assert line.startswith("look ")
    assert "updated_at" not in line  # that is ignored


# Types


def test_a_time_in_a_text_column_without_a_format_stops(systems: Checked) -> None:
    systems.run("alter table calls alter column closed type text")
    line = systems.find_one("sources.calls.columns.closed_at.format", "missing")
    assert line.startswith("stop ")
    assert "'%Y-%m-%d %H:%M:%S'" in line
    columns = systems.small.settings["sources"]["calls"]["columns"]
    columns["closed_at"] = {"from": "closed", "format": "%Y-%m-%d %H:%M:%S"}
    systems.small.write_settings()
    assert systems.find("sources.calls.columns.closed_at.format") == []


def test_a_text_as_the_time_of_the_row_stops(systems: Checked) -> None:
    systems.run("alter table calls alter column received type text")
    line = systems.find_one("sources.calls.columns.received_at", "SRC-MOMENT")
    assert line.startswith("stop ")
    assert "is a string and no time" in line


@pytest.mark.parametrize(("kind", "told"), [("bytea", "bytes"), ("json", "JSON"), ("xml", "XML")])
def test_a_column_of_no_plain_values_is_told(systems: Checked, kind: str, told: str) -> None:
    systems.run("alter table calls drop column district")
    systems.run(f"alter table calls add column district {kind}")
    line = systems.find_one("sources.calls.columns.district", "no plain value")
    assert line.startswith("look ")
    assert f"district is {told}" in line


# Times


def test_a_newest_row_that_is_too_old_is_told(systems: Checked) -> None:
    systems.set_clock("2026-01-12 12:00+00")
    line = systems.find_one("sources.calls.max_age_hours", "48 hours are allowed")
    assert line.startswith("look ")
    assert "5 days older" in line
    systems.set_clock("2026-08-12 12:00+00")
    assert systems.find_one("sources.calls.max_age_hours", "no row read").startswith("look ")
    assert systems.find_one("sources.calls.days", "0 rows of 35 days").startswith("look ")
    # without a row no column is blamed
    line = systems.find_one("sources.calls", "there is no row of the last 35 days")
    assert line.startswith("look ")
    assert systems.find("final_type_code") == []
    assert systems.find("sources.calls.columns.call_reference") == []


def test_a_code_that_no_row_has_is_told(systems: Checked) -> None:
    systems.run("update calls set closed_as = null")
    line = systems.find_one("final_type_code", "no code was compared")
    assert line.startswith("look call_types.csv: ")
    assert "no row that was read has a value in closed_as" in line


def test_rows_that_are_later_than_the_clock_tell_a_wrong_zone(systems: Checked) -> None:
    systems.set_clock("2026-01-06 19:00+00")
    line = systems.find_one("sources.calls.columns.received_at", "later than the source's clock")
    assert line.startswith("look ")
    assert "(14 of 315)" in line  # of 19:20 to 23:40; a clock may be some minutes behind
    assert "by up to 4 h: the zone may be wrong" in line
    assert "correct `timezone` (Europe/London)" in line


def test_rows_without_a_time_are_counted(systems: Checked) -> None:
    systems.add_call("T-9998", None)
    systems.add_call("T-9999", "infinity")
    line = systems.find_one("sources.calls.columns.received_at", "2 rows without a time")
    assert line.startswith("look ")
    assert "FILE-25" in line


def test_a_quiet_hour_at_noon_tells_a_wrong_zone(systems: Checked) -> None:
    systems.run("update calls set received = received + interval '8 hours'")
    systems.set_clock("2026-01-07 09:00+00")
    line = systems.find_one("timezone", "begins at 12:00")
    assert line.startswith("look ")
    assert "the zone may be wrong" in line


def test_times_without_a_time_of_day_are_told(systems: Checked) -> None:
    systems.run("update calls set received = date_trunc('day', received)")
    line = systems.find_one("sources.calls.columns.received_at", "time of day is missing")
    assert line.startswith("look ")


# Counts


def test_counting_that_takes_long_asks_for_an_index(
    systems: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "index" not in systems.check().output
    monkeypatch.setattr(source_times, "SLOW_SECONDS", 0.0)
    line = systems.find_one("sources.calls.days", "takes more than")
    assert line.startswith("look ")
    assert "an index on received" in line


# Key rules


def test_references_that_no_rule_reads_are_counted(systems: Checked) -> None:
    systems.run("update calls set number = 'X' || number where right(number, 1) = '5'")
    line = systems.find_one("key_rules.call", "sources.calls.columns")
    assert line.startswith("look ")
    assert "read 90.2% (284 of 315)" in line
    assert "add a pattern" in line


def test_records_whose_call_is_not_there_are_counted(systems: Checked) -> None:
    systems.run("update records set call = 'T-' || (9000 + right(record, 1)::int) "
                "where record > 'R2'")  # fmt: skip
    key = "sources.crime_records.columns.call_reference"
    line = systems.find_one(key, "records read have their call")
    assert "37.5% (12 of 32)" in line
    systems.run("update records set call = 'T-9000'")
    line = systems.find_one(key, "records read have their call")
    assert line.startswith("look ")
    assert "0.0% (0 of 32)" in line
    assert "key_rules" in line


def test_records_with_rows_on_several_days_are_told(systems: Checked) -> None:
    systems.small.settings["sources"]["crime_records"]["rows_per_key"] = "many"
    systems.small.write_settings()
    key = "sources.crime_records.rows_per_key"
    assert systems.find_one(key, "0.0% (0 of 32)").startswith("fine ")
    systems.run("alter table records drop constraint records_pkey")
    systems.run("update records set record = 'R1' where record = 'R32'")
    line = systems.find_one(key, "rows on several days")
    assert line.startswith("look ")
    assert "3.2% (1 of 31)" in line


# Codes


def test_a_type_without_a_row_stops_above_two_in_a_hundred(systems: Checked) -> None:
    systems.run("update calls set closed_as = 'ZEBRA' where right(number, 1) = '1'")
    line = systems.find_one("final_type_code", "ZEBRA 9.8%")
    assert line.startswith("stop call_types.csv: ")
    assert "CALL-07 stops the batch" in line
    assert "add a row" in line
    assert systems.check().exit_code == 1


def test_a_closure_without_a_row_is_told_and_stops_nothing(systems: Checked) -> None:
    systems.run("update calls set closure = 'GONE' where right(number, 1) = '1'")
    line = systems.find_one("disposition_code", "GONE 9.8%")
    assert line.startswith("look closures.csv: ")
    assert systems.check().exit_code == 0


def test_an_offence_without_a_row_is_told(systems: Checked) -> None:
    systems.run("update records set offence = 'B7' where record > 'R2'")
    line = systems.find_one("offence_code", "B7 62.5%")
    assert line.startswith("stop offences.csv: ")
    assert "CRM-04" in line


def test_a_rare_code_is_counted_and_not_shown(systems: Checked) -> None:
    systems.run("update calls set closed_as = 'QUILL J' where number <= 'T-0002'")
    systems.run("update calls set closed_as = '07700 900124' where right(number, 1) = '3'")
    checked = systems.check()
    assert "QUILL J" not in checked.output
    assert "07700 900124" not in checked.output  # often, and a phone
    line = systems.find_one("final_type_code", "2 codes not shown")
    assert "are not in it: 2 codes not shown" in line
    assert "list the values of closed_as in the source" in line


def test_names_that_are_mapped_as_codes_are_not_shown(systems: Checked) -> None:
    systems.small.settings["sources"]["calls"]["columns"]["final_type_code"] = "caller"
    systems.small.write_settings()
    line = systems.find_one("final_type_code", "1 code not shown")  # CALLER, in every row
    assert line.startswith("stop ")


# Secrets and values


def test_an_error_of_the_database_that_quotes_a_value_does_not_show_it(systems: Checked) -> None:
    systems.run("create view odd as select calls.*, cast(caller as integer) as n from calls")
    systems.run("grant select on odd to reader")
    source = systems.small.settings["sources"]["calls"]
    source["sql"]["relation"] = "odd"
    source["columns"]["beat"] = source["columns"].pop("district")
    source["columns"]["disposition_code"] = "n"
    systems.small.write_settings()
    line = systems.find_one("sources.calls.sql", "the value is not shown")
    assert line.startswith("stop ")


def test_nothing_that_was_read_is_left_behind(
    systems: Checked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    systems.check()
    assert list(folder.rglob("*")) == []


def test_a_small_table_is_asked_whole(systems: Checked) -> None:
    source = systems.small.settings["sources"]["crime_records"]
    del source["days"]
    source["delivery"] = "snapshot"
    systems.small.write_settings()
    assert systems.find_one("sources.crime_records.delivery", "read all 32 rows")
    key = "sources.crime_records.columns.call_reference"
    assert systems.find_one(key, "100.0% (32 of 32)")
    systems.run("delete from records")
    assert systems.find_one("sources.crime_records.delivery", "0 rows").startswith("look ")


def test_of_files_the_newest_answers_for_its_columns_references_and_codes(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "width", 300)
    arguments = ["check-agency", "--agency", "testville", "--connect"]
    right = CliRunner().invoke(cli.app, arguments)
    assert right.exit_code == 0, right.output
    assert "sources.calls.files: calls.csv has all mapped columns, and 5 rows" in right.output
    assert "cannot be read" not in right.output
    file = small.data / "calls.csv"
    small.write("calls.csv", file.read_bytes() + "T-0099,café\n".encode("cp1252"))
    partly = CliRunner().invoke(cli.app, arguments)
    assert (
        "stop agency.yaml: sources.calls.files: calls.csv: 16.7% (1 of 6) of the" in partly.output
    )
    whole = file.read_bytes().rsplit(b"T-0099", 1)[0]
    assert "no readable value" not in right.output
    header, first, *others = whole.splitlines(keepends=True)
    times = first.replace(b"2026-01", b"01/2026")
    small.write("calls.csv", b"".join([header, times, *others]))
    unreadable = CliRunner().invoke(cli.app, arguments)
    assert (
        "stop agency.yaml: sources.calls.columns.received_at: 20.0% (1 of 5) of the rows have no "
        "readable value" in unreadable.output
    )
    small.write("calls.csv", b"number,received\nT-0001,2026-01-05 10:00\n")
    wrong = CliRunner().invoke(cli.app, arguments)
    assert wrong.exit_code == 1
    assert "stop agency.yaml: sources.calls.files: calls.csv has no column" in wrong.output
    # of files by day, that of yesterday is the newest until today is over
    yesterday = datetime.now(small.agency.zone).date() - timedelta(days=1)
    small.settings["sources"]["calls"]["files"] = [{"path": "calls-{date:%Y-%m-%d}.csv"}]
    del small.settings["coverage"]
    small.write_settings()
    small.write(f"calls-{yesterday}.csv", whole)
    daily = CliRunner().invoke(cli.app, arguments)
    assert f"calls-{yesterday}.csv has all mapped columns, and 5 rows" in daily.output


def test_a_required_time_of_two_columns_or_a_part_of_one_is_read_as_a_run_reads_it(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "width", 300)
    columns = small.settings["sources"]["calls"]["columns"]
    header, *rows = (small.data / "calls.csv").read_text(encoding="utf-8").splitlines()
    number, received, *others = header.split(",")
    assert (number, received) == ("number", "received")
    divided = [",".join([number, "day", "hour", *others])]
    divided += [row.replace(" ", ",", 1) for row in rows]
    small.write("calls.csv", "".join(f"{row}\n" for row in divided).encode())
    columns["received_at"] = {"from": ["day", "hour"], "format": "%Y-%m-%d %H:%M"}
    small.write_settings()
    assert "calls.csv has all mapped columns, and 5 rows" in check_fine(small)
    longer = [header, *(row.replace(" ", " at ", 1) for row in rows)]
    small.write("calls.csv", "".join(f"{row}\n" for row in longer).encode())
    columns["received_at"] = {"from": "received", "extract": "^([0-9-]+) at", "format": "%Y-%m-%d"}
    small.write_settings()
    assert "calls.csv has all mapped columns, and 5 rows" in check_fine(small)


def check_fine(small: SmallAgency) -> str:
    """What the command says of an agency of files of which every required value can be read."""
    arguments = ["check-agency", "--agency", small.agency.agency, "--connect"]
    checked = CliRunner().invoke(cli.app, arguments)
    assert checked.exit_code == 0, checked.output
    assert "no readable value" not in checked.output
    return checked.output


def test_rows_that_a_run_would_refuse_for_a_value_that_is_not_required_stop_above_its_limit(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of twenty rows is the limit of FILE-03; more stop the file."""
    monkeypatch.setattr(console, "width", 300)
    small.settings["sources"]["calls"]["delimiter"] = ";"
    small.settings["sources"]["calls"]["columns"] = {
        "call_reference": "number",
        "received_at": {"from": "received", "format": "%Y-%m-%d %H:%M"},
        "final_type_code": "closed_as",
        "longitude": "x",
    }
    small.write_settings()
    arguments = ["check-agency", "--agency", "testville", "--connect"]
    for with_comma, level, exit_code in [(1, "look", 0), (2, "stop", 1)]:
        longitudes = ["-122,3"] * with_comma + ["-122.3"] * 10 + [""] * (10 - with_comma)
        rows = [f"T-{n:04d};2026-01-05 10:00;NOISE;{x}\n" for n, x in enumerate(longitudes)]
        small.write("calls.csv", "".join(["number;received;closed_as;x\n", *rows]).encode())
        checked = CliRunner().invoke(cli.app, arguments)
        assert checked.exit_code == exit_code, checked.output
        assert (
            f"{level} agency.yaml: sources.calls.columns.longitude: {5 * with_comma}.0% "
            f"({with_comma} of 20) of the rows have a value that cannot be read: TYPE-VALUE "
            "refuses them, and FILE-03 stops a file above 5%; next step: have these numbers "
            "delivered with a decimal point, as they have a comma"
        ) in checked.output
