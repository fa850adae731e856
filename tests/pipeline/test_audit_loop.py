"""The audit through its commands: worksheets out, findings in, and what cheating meets."""

import csv
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cdi import cli, paths
from cdi.audit.draws import Draw, load_draw, read_assignments
from cdi.audit.register import Register
from cdi.errors import AuditError
from cdi.landing.batches import accepted_batches
from cdi.people.audit import Delivery, choose_period, deliver_worksheet, draw_period, find_draw
from cdi.people.audit_sheet import HEADER, READ, SHOWN, read_audit_sheet, write_audit_sheet
from cdi.people.worksheets import write_draw_worksheets
from cdi.publish.access import read_access_log
from cdi.report.figures import read_summary, summary_text
from cdi.sql import connect
from cdi.steps.audit import draw_audit, write_worksheets
from cdi_proofs.ranges import find_rates
from tests.conftest import (
    CALL_HEADER,
    RECORD_HEADER,
    SmallAgency,
    alone,
    csv_bytes,
    make_once,
)

CALLS = 240
NAMED = range(30, 40)  # logs that a refused row names
STARTS, ENDS = date(2026, 1, 5), date(2026, 1, 7)
AUDITORS = ["1207", "1311"]
# after any draw of these tests, whenever they run
READ_AT = datetime.now().replace(second=0, microsecond=0) + timedelta(days=1)
TYPES = ("ASSAULT", "THEFT", "NOISE")


def number(n: int) -> str:
    return f"T-{n:04d}"


def is_crime(n: int) -> bool:
    """Of three logs two report a crime."""
    return n % 3 != 2


def is_recorded(n: int) -> bool:
    """Of four crimes three have a record."""
    return is_crime(n) and n % 4 != 0


def phrase(n: int) -> str:
    """Words that only one log has."""
    letters = "".join(chr(ord("a") + int(digit)) for digit in f"{n:04d}")
    return f"my {letters} kettle was hurled through the {letters} greenhouse pane"


def calls() -> list[list[str]]:
    """240 logs of two days; each names the one before it."""
    start = datetime(2026, 1, 5)
    rows = []
    for n in range(CALLS):
        at = f"{start + timedelta(minutes=11 * n):%Y-%m-%d %H:%M}"
        said = f"{phrase(n)}. See t{n - 1:04d} too" if n else "=HYPERLINK(1)"
        code, district = TYPES[n % 3], "NS"[n % 2]
        rows.append([number(n), at, at, code, code, "NONE", district, "", "", said])
    return rows


def write_calls(agency: SmallAgency, rows: list[list[str]]) -> None:
    """Write the calls, and rows that are refused and name some of them."""
    refused = "".join(f"{number(n)},too short\n" for n in NAMED)
    agency.write("calls.csv.gz", csv_bytes(CALL_HEADER, rows) + refused.encode())


@contextmanager
def force_in(folder: Path) -> Iterator[SmallAgency]:
    """The agency with these logs, two months old, and with their records."""
    with alone(folder) as agency:
        for source in agency.settings["sources"].values():
            source["files"][0]["as_of"] = "2026-03-05"
        agency.write_settings()
        write_calls(agency, calls())
        records = [
            [f"R{n}", number(n), call[1], "A1", "OPEN", "N"]
            for n, call in enumerate(calls())
            if is_recorded(n)
        ]
        agency.write("records.csv", csv_bytes(RECORD_HEADER, records))
        yield agency


@contextmanager
def published_force(factory: pytest.TempPathFactory) -> Iterator[SmallAgency]:
    """The same, published: one build serves this file and tests/pipeline/test_erasure.py."""

    def publish(folder: Path) -> None:
        with force_in(folder) as agency:
            assert agency.run()

    once = make_once(factory, "force", publish)
    folder = factory.mktemp("force")
    shutil.copytree(once / "state", folder / "state", symlinks=True)
    with force_in(folder) as agency:
        yield agency


@pytest.fixture(scope="module")
def force(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallAgency]:
    """The published force, of which this file changes the audits alone."""
    with published_force(tmp_path_factory) as agency:
        yield agency


@pytest.fixture
def fresh(force: SmallAgency) -> Iterator[SmallAgency]:
    """The same, with nothing drawn and nothing found yet."""
    yield force
    shutil.rmtree(paths.audit("testville"), ignore_errors=True)
    shutil.rmtree(paths.landing("testville", "audit_readings"), ignore_errors=True)


def draw_logs(force: SmallAgency, **options: Any) -> Draw:
    period = choose_period(force.agency, "frame", STARTS, ENDS)
    return draw_period(force.agency, period, AUDITORS, **{"logs": 60, "seed": 1, **options})


def sheet(draw: Draw, auditor: str, ending: str = "csv", part: str = "") -> Path:
    folder = paths.audit("testville") / draw.draw_id / "worksheets"
    return folder / f"SIMULATED_{draw.draw_id}_{auditor}{part}.{ending}"


def filled(draw: Draw, auditor: str, part: str = "", **changed: Any) -> Path:
    """An auditor's CSV sheet, filled in with the truth; `changed` is put into its first reading."""
    file = sheet(draw, auditor, part=part)
    with file.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    out: list[dict[str, Any]] = []
    for row in rows:
        n = int(row["call_reference"][2:])
        reading = {"audited_at": f"{READ_AT}"}
        counts = {"due_count": int(is_crime(n)), "recorded_count": int(is_recorded(n))}
        out.append({**row, **reading, **counts, **(changed if not out else {})})
        if is_crime(n):
            judged = {"recorded_code": "Y" if is_recorded(n) else "N", "offence_code": "A1"}
            out.append({**row, "crime_number": 1, **judged})
    target = file.with_name(f"filled_{auditor}{part}.csv")
    with target.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(out)
    return target


def deliver(force: SmallAgency, draw: Draw) -> Draw:
    """Deliver all sheets, those of the second readings too; returns the draw with these."""
    for auditor in AUDITORS:
        delivery = deliver_worksheet(force.agency, filled(draw, auditor))
        assert delivery.read == delivery.given
    assert delivery.twice == sum(map(bool, load_draw("testville", draw.draw_id).seconds)) > 0
    for auditor in second_auditors(delivery):
        delivery = deliver_worksheet(force.agency, filled(draw, auditor, "_second"))
        assert delivery.read == delivery.given > 0
    return load_draw("testville", draw.draw_id)


def second_auditors(delivery: Delivery) -> set[str]:
    """Who was given logs to read a second time."""
    return {file.stem.removesuffix("_second")[-4:] for file in delivery.second_sheets}


def test_the_default_period_is_whole_and_mature(fresh: SmallAgency) -> None:
    """As of 5 March, with calls from 5 January on, no whole month is mature."""
    with pytest.raises(AuditError, match="AUDIT-PERIOD"):
        choose_period(fresh.agency, "frame")


def test_a_sheet_shows_the_log_and_no_prediction(fresh: SmallAgency) -> None:
    draw = draw_logs(fresh, logs=120)
    write_draw_worksheets(fresh.agency, draw)
    handed_out: list[str] = []
    for auditor in AUDITORS:
        book = openpyxl.load_workbook(sheet(draw, auditor, "xlsx"))
        assert book.sheetnames == ["Instructions", "Logs", "Crimes", "Codes"]
        assert all(str(page["A1"].value).startswith("SIMULATED") for page in book)
        # on paper each sheet is as wide as a page, whose number and title each page has
        assert all(page.sheet_properties.pageSetUpPr.fitToPage for page in book)
        assert all(page.oddHeader.center.text == page["A1"].value for page in book)
        assert [page.print_title_rows for page in book] == [None, *["$1:$2"] * 3]
        assert any(
            "Do not count a crime whose record was cancelled by the rules. If its record was "
            "cancelled against the rules, count it and write N." in str(cell.value)
            for cell in book["Instructions"]["A"]
        )
        headings = [cell.value for cell in book["Logs"][2]]
        assert headings == [*SHOWN.values(), *READ.values()]
        rows = list(book["Logs"].iter_rows(min_row=3, values_only=True))
        handed_out += [str(row[0]) for row in rows]
        assert all(row[-3:] == (None, None, None) for row in rows)
        lists = {rule.formula1 for rule in book["Crimes"].data_validations.dataValidation}
        assert {'"Y,N"', "Codes!$A$3:$A$3"} <= lists
        assert book["Codes"]["A3"].value == "A1"
    # each log in its auditor's sheet, and in no other before all were read
    assert len(handed_out) == 120
    assert set(handed_out) == set(draw.call_ids)


def test_the_sheets_of_second_readings_do_not_tell_what_was_found(fresh: SmallAgency) -> None:
    draw = draw_logs(fresh, logs=120)
    write_draw_worksheets(fresh.agency, draw)
    first = deliver_worksheet(fresh.agency, filled(draw, "1207"))
    assert (first.twice, first.second_sheets) == (0, [])
    delivery = deliver_worksheet(fresh.agency, filled(draw, "1311"))
    assert delivery.twice == 12  # 10% of 120
    draw = load_draw("testville", draw.draw_id)
    readers = dict(zip(draw.call_ids, zip(draw.auditors, draw.seconds, strict=True), strict=True))
    handed_out: list[str] = []
    for auditor in second_auditors(delivery):
        book = openpyxl.load_workbook(sheet(draw, auditor, "xlsx", "_second"))
        assert "you must not know what was found" in "".join(
            str(cell.value) for cell in book["Instructions"]["A"]
        )
        assert [cell.value for cell in book["Logs"][2]] == [*SHOWN.values(), *READ.values()]
        rows = list(book["Logs"].iter_rows(min_row=3, values_only=True))
        assert all(row[-3:] == (None, None, None) for row in rows)
        assert {readers[str(row[0])][1] for row in rows} == {auditor}
        handed_out += [str(row[0]) for row in rows]
    assert len(handed_out) == len(set(handed_out)) == 12
    assert all(readers[log][0] != readers[log][1] for log in handed_out)
    # asked for again, they are the same; and they are written again if they were lost
    for file in delivery.second_sheets:
        file.unlink()
    again = write_draw_worksheets(fresh.agency, find_draw(fresh.agency))
    assert {*delivery.second_sheets} < {*again}
    assert all(file.is_file() for file in delivery.second_sheets)


def test_a_sheet_that_was_filled_in_is_kept_and_named(
    fresh: SmallAgency, caplog: pytest.LogCaptureFixture
) -> None:
    draw = draw_logs(fresh)
    assert {sheet(draw, "1207"), sheet(draw, "1311", "xlsx")} < {
        *write_draw_worksheets(fresh.agency, draw)
    }
    plain, workbook = filled(draw, "1207").replace(sheet(draw, "1207")), sheet(draw, "1311", "xlsx")
    book = openpyxl.load_workbook(workbook)
    book["Logs"].cell(3, len(SHOWN) + 1, 1)  # one count, and nothing else yet
    book.save(workbook)
    kept = {file: file.read_bytes() for file in (plain, workbook)}
    assert CliRunner().invoke(cli.app, ["audit", "worksheets", "testville"]).exit_code == 0
    assert {file: file.read_bytes() for file in kept} == kept
    said = [record.getMessage() for record in caplog.records if "SHEET-KEPT" in record.message]
    assert [str(file) in line for file, line in zip(kept, said, strict=True)] == [True, True]
    written = write_draw_worksheets(fresh.agency, draw)
    assert {*written} == {sheet(draw, "1207", "xlsx"), sheet(draw, "1311")}
    for file in kept:
        file.unlink()
    write_draw_worksheets(fresh.agency, draw)
    assert [read_audit_sheet(file) for file in kept] == [[], []]


def test_a_first_reading_cannot_change_once_second_ones_are_drawn(fresh: SmallAgency) -> None:
    draw = draw_logs(fresh, logs=120)
    write_draw_worksheets(fresh.agency, draw)
    files = [filled(draw, auditor) for auditor in AUDITORS]
    for file in files:
        deliver_worksheet(fresh.agency, file)
    assert deliver_worksheet(fresh.agency, files[0]).twice == 0  # the same once more is no change
    rows = read_audit_sheet(files[0])
    log = next(row["call_reference"] for row in rows if row["recorded_count"] == "1")
    kept = {f.name: f.read_bytes() for f in (paths.audit("testville") / "findings").glob("*")}
    with pytest.raises(AuditError, match=f"AUDIT-SECOND.*{log}"):
        deliver_worksheet(fresh.agency, written(files[0], missed(rows, log)))
    assert len(kept) == 4  # two files and their seals
    assert kept == {
        f.name: f.read_bytes() for f in (paths.audit("testville") / "findings").glob("*")
    }


def test_what_a_caller_said_is_never_a_formula(fresh: SmallAgency) -> None:
    draw = draw_logs(fresh, logs=160)
    write_draw_worksheets(fresh.agency, draw)
    logs = [{"call_id": "T-0000", **dict.fromkeys(list(SHOWN)[1:], "=1+1")}]
    facts = {"agency": "x", "draw_id": "d", "auditor": "a", "is_simulated": False, "part": ""}
    xlsx, plain = write_audit_sheet(paths.home(), facts, logs, [("A1", "@sum")])
    book = openpyxl.load_workbook(xlsx)
    assert {cell.data_type for row in book["Logs"].iter_rows(min_row=3) for cell in row} <= {
        "s",
        "n",
    }
    assert book["Codes"]["B3"].data_type == "s"
    assert ",=1+1" not in plain.read_text()
    assert ",'=1+1" in plain.read_text()


def test_a_filled_in_workbook_says_what_the_csv_says(fresh: SmallAgency) -> None:
    draw = draw_logs(fresh)
    write_draw_worksheets(fresh.agency, draw)
    expected = read_audit_sheet(filled(draw, "1207"))
    file = sheet(draw, "1207", "xlsx")
    book = openpyxl.load_workbook(file)
    logs, crimes, line = book["Logs"], book["Crimes"], 3
    columns = len(SHOWN)
    for row in range(3, logs.max_row + 1):
        n = int(logs.cell(row, 1).value[2:])
        for place, value in enumerate((int(is_crime(n)), int(is_recorded(n)), READ_AT), start=1):
            logs.cell(row, columns + place, value)
        if is_crime(n):
            judged = "Y" if is_recorded(n) else "N"
            for place, value in ((1, number(n)), (2, 1), (3, "A1"), (5, judged)):
                crimes.cell(line, place, value)
            line += 1
    book.save(file)

    def key(row: dict[str, str]) -> tuple[str, str]:
        return row["call_reference"], row["crime_number"]

    assert sorted(read_audit_sheet(file), key=key) == sorted(expected, key=key)
    crimes.cell(3, 3, "=A1")
    book.save(file)
    with pytest.raises(AuditError, match=r"AUDIT-SHEET.*formula"):
        read_audit_sheet(file)


@pytest.mark.parametrize("end", [0, 4000])
def test_a_workbook_that_is_cut_or_locked_is_no_worksheet(
    fresh: SmallAgency, tmp_path: Path, end: int
) -> None:
    draw = draw_logs(fresh)
    write_draw_worksheets(fresh.agency, draw)
    cut, locked = tmp_path / "cut.xlsx", tmp_path / "locked.xlsx"
    cut.write_bytes(sheet(draw, "1207", "xlsx").read_bytes()[:end])
    locked.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(end))  # as Excel encrypts it
    for file in (cut, locked):
        with pytest.raises(AuditError, match="AUDIT-SHEET"):
            read_audit_sheet(file)


def test_findings_are_landed_and_counted(fresh: SmallAgency) -> None:
    draw = draw_logs(fresh)
    write_draw_worksheets(fresh.agency, draw)
    draw = deliver(fresh, draw)
    fresh.extract_and_check("audit_readings")
    (batch,) = accepted_batches("testville", "audit_readings")
    twice = sum(map(bool, draw.seconds))
    with connect() as con:
        counts = con.execute(
            "select count(*) filter (crime_number = 0), sum(due_count), sum(recorded_count), "
            "count(*) filter (recorded_code = 'Y') from read_parquet(?)",
            [str(batch.rows)],
        ).fetchone()
    assert counts is not None
    assert counts[0] == 60 + twice
    assert counts[2] == counts[3] <= counts[1]
    assert batch.manifest["quarantined"] == 0
    kinds = [line["kind"] for line in Register("testville").entries()]
    assert kinds[:5] == ["draw", "sample", "delivery", "delivery", "second"]
    assert set(kinds[5:]) == {"delivery"}


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"call_reference": "T-9999"}, "RDG-01"),
        ({"auditor_code": "9999"}, "AUDIT-SHEET"),
        ({"auditor_code": ""}, "AUDIT-SHEET"),
        ({"audited_at": "2020-01-01 10:00:00"}, "RDG-02"),
        ({"audited_at": "yesterday"}, "TYPE-VALUE"),
        ({"crime_number": "0.5"}, "RDG-03"),
        ({"due_count": 1, "recorded_count": 2}, "RDG-04"),
        ({"due_count": 4, "recorded_count": 1}, "RDG-05"),
        ({"due_count": ""}, "RDG-04"),
        ({"draw_id": "frame_20200101_20200201_1"}, "AUDIT-"),
    ],
)
def test_findings_that_cannot_be_are_refused_by_the_command(
    fresh: SmallAgency, changed: dict[str, Any], rule: str
) -> None:
    draw = draw_logs(fresh)
    write_draw_worksheets(fresh.agency, draw)
    with pytest.raises(AuditError, match=rule):
        deliver_worksheet(fresh.agency, filled(draw, "1207", **changed))
    assert not list((paths.audit("testville") / "findings").glob("*"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"audited_at": "yesterday"},
            "TYPE-VALUE: Write “Read on” as date and time, for example 2026-01-31 14:30",
        ),
        (
            {"due_count": "two"},
            "TYPE-VALUE: Write “Crimes that should be recorded” as a figure, for example 2",
        ),
        ({"due_count": 4, "recorded_count": 0}, "RDG-05: You counted 4, but filled in "),
    ],
)
def test_a_refused_sheet_says_which_log_and_what_to_write(
    fresh: SmallAgency, changed: dict[str, Any], said: str
) -> None:
    draw = draw_logs(fresh)
    write_draw_worksheets(fresh.agency, draw)
    file = filled(draw, "1207", **changed)
    log = read_audit_sheet(file)[0]["call_reference"]
    with pytest.raises(AuditError, match="AUDIT-REFUSED") as refused:
        deliver_worksheet(fresh.agency, file)
    assert f"\n    log {log}: {said}" in refused.value.message


def test_a_refused_sheet_names_ten_logs_with_the_same_fault(fresh: SmallAgency) -> None:
    draw = draw_logs(fresh)
    write_draw_worksheets(fresh.agency, draw)
    rows = read_audit_sheet(filled(draw, "1207"))
    logs = sorted(row["call_reference"] for row in rows if row["crime_number"] == "0")
    for row in rows:
        row["audited_at"] = "2020-01-01 10:00:00"
    file = written(sheet(draw, "1207"), rows)
    with pytest.raises(AuditError, match="AUDIT-REFUSED") as refused:
        deliver_worksheet(fresh.agency, file)
    told = f"logs {', '.join(logs[:10])} and {len(logs) - 10} more: RDG-02: "
    assert f"\n    {told}" in refused.value.message


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"offence_code": "ZZ"}, "RDG-07"),
        ({"recorded_code": "N", "domestic_abuse_code": "?"}, "RDG-06"),
        ({"crime_number": "1.5"}, "RDG-03"),
        ({"audited_at": "2020-01-01 10:00:00"}, "RDG-02"),
    ],
)
def test_a_crime_that_breaks_a_rule_takes_its_whole_log_with_it(
    fresh: SmallAgency, changed: dict[str, Any], rule: str
) -> None:
    """Set apart alone, a crime that was not recorded would make its log kinder."""
    draw = draw_logs(fresh)
    write_draw_worksheets(fresh.agency, draw)
    rows = read_audit_sheet(filled(draw, "1207"))
    crime = next(r for r in rows if r["recorded_code"] == "N")
    crime |= changed
    folder = paths.audit("testville") / "findings"
    folder.mkdir()
    with (folder / "mine.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    fresh.extract_and_check("audit_readings")
    (batch,) = accepted_batches("testville", "audit_readings")
    with connect() as con:
        refused = con.execute(
            "select distinct rule_id from read_parquet(?)", [str(batch.quarantine)]
        ).fetchall()
        left = con.execute(
            "select distinct call_reference from read_parquet(?)", [str(batch.rows)]
        ).fetchall()
    assert refused == [(rule,)]
    assert batch.manifest["quarantined"] == 2  # the log's row and its crime's
    assert (crime["call_reference"],) not in left


def test_rows_that_somebody_puts_there_are_checked_at_the_border(fresh: SmallAgency) -> None:
    draw = draw_logs(fresh)
    write_draw_worksheets(fresh.agency, draw)
    folder = paths.audit("testville") / "findings"
    folder.mkdir()
    other = next(n for n in range(CALLS) if number(n) not in set(draw.call_ids))
    rows = read_audit_sheet(filled(draw, "1207", call_reference=number(other)))
    with (folder / "mine.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    fresh.extract_and_check("audit_readings")
    (batch,) = accepted_batches("testville", "audit_readings")
    with connect() as con:
        refused = con.execute(
            "select distinct rule_id from read_parquet(?) order by 1", [str(batch.quarantine)]
        ).fetchall()
    assert ("RDG-01",) in refused


def written(file: Path, rows: list[dict[str, str]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    return file


def missed(rows: list[dict[str, str]], log: str) -> list[dict[str, str]]:
    """Readings of somebody who finds no record of a log's crime."""
    return [
        {
            **row,
            "recorded_count": "0" if row["crime_number"] == "0" else "",
            "recorded_code": "N" if row["crime_number"] == "1" else "",
        }
        if row["call_reference"] == log
        else row
        for row in rows
    ]


def test_where_two_auditors_differ_the_registrar_gets_a_sheet(fresh: SmallAgency) -> None:
    draw = draw_logs(fresh, logs=120)
    write_draw_worksheets(fresh.agency, draw)
    deliver_worksheet(fresh.agency, filled(draw, "1207"))
    second_auditors(deliver_worksheet(fresh.agency, filled(draw, "1311")))
    file = filled(draw, "1311", "_second")
    rows = read_audit_sheet(file)
    log, other, *_ = (r for r in rows if r["recorded_count"] == "1")
    rows = missed(rows, log["call_reference"])
    delivery = deliver_worksheet(fresh.agency, written(file, rows))
    assert delivery.undecided == 1
    assert {f.suffix for f in delivery.sheets} == {".xlsx", ".csv"}
    book = openpyxl.load_workbook(next(f for f in delivery.sheets if f.suffix == ".xlsx"))
    line = [cell.value for cell in book["Logs"][3]]
    assert line[0] == log["call_reference"]
    assert any("A1, recorded Y" in str(value) for value in line)
    assert any("A1, recorded N" in str(value) for value in line)
    decided = deliver_worksheet(fresh.agency, filled(draw, "FCR"))
    assert (decided.auditor, decided.read, decided.undecided) == ("FCR", 1, 0)
    # on what the two agree there is nothing to decide
    agreed = [{**r, "auditor_code": "FCR"} for r in missed(rows, other["call_reference"])]
    agreed = [r for r in agreed if r["call_reference"] == other["call_reference"]]
    with pytest.raises(AuditError, match=f"AUDIT-AGREED.*{other['call_reference']}"):
        deliver_worksheet(fresh.agency, written(file.with_name("agreed.csv"), agreed))
    # a later difference stands in one sheet with the first, whose delivery it replaces
    delivery = deliver_worksheet(fresh.agency, written(file, missed(rows, other["call_reference"])))
    assert delivery.undecided == 1
    decided = deliver_worksheet(fresh.agency, filled(draw, "FCR"))
    assert (decided.read, decided.undecided) == (2, 0)


def run(*arguments: str) -> str:
    """The command line in this process; what it raises, or prints."""
    result = CliRunner().invoke(cli.app, ["audit", *arguments], catch_exceptions=True)
    return str(result.exception or result.output)


DAYS = ("--from", "2026-01-05", "--to", "2026-01-07")
DRAW = ("draw", "testville", "--auditor", "1207", "--auditor", "1311", "--logs", "60", *DAYS)


def test_the_commands_plan_draw_and_take_findings(fresh: SmallAgency) -> None:
    output = run("plan", "testville", "--points", "8", *DAYS)
    assert (
        "To know the rate (force) to within 8 points, audit 160 logs of frame_20260105_20260107"
        in output
    )
    output = run(*DRAW)
    assert "draw frame_20260105_20260107_1: 60 of 160 logs" in output
    draw = find_draw(fresh.agency)
    before = len(list(read_access_log("testville")))
    output = run("findings", "testville", *(str(filled(draw, auditor)) for auditor in AUDITORS))
    assert "1207: " in output
    assert "logs read" in output
    assert "_second" in output  # after both, once; the sheets of second readings show logs
    noted = list(read_access_log("testville"))[before:]
    assert [entry["what"] for entry in noted] == [f"worksheets of the draw {draw.draw_id}"]


def assert_headline_is_a_range(agency: SmallAgency, page: str, truth: float) -> None:
    """Before an audit no rate is shown, and the range holds the true one."""
    headline = re.search(r'<p class="headline">(.*?)</p>', page, re.S)
    assert headline is not None
    said = re.sub(r"<[^>]+>", "", headline[1])
    assert "no recording rate is known" in said
    ((low, high),) = agency.rows(
        "select low_rate, high_rate from recording_range "
        "where universe = 'frame' and breakdown = 'total'"
    )
    assert f"it is between {low:.1%} and {high:.1%}" in said
    assert said.count("%") == 2
    assert low <= truth <= high
    (closures,) = re.findall(r"<summary>By result</summary>(.*?)</details>", page, re.S)
    assert ">Recorded</th>" in closures
    assert ">Rate" not in closures
    summary = summary_text(read_summary(agency.published / "recording.duckdb"))
    assert f"not known before an audit, between {low:.1%} and {high:.1%}" in summary
    assert summary.count("%") == 2


def test_a_rate_that_is_shown_before_an_audit_is_found(force: SmallAgency, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    shutil.copytree(force.published.resolve(), shown)
    assert find_rates(shown) == []
    file = shown / "recording.duckdb"
    file.chmod(0o600)
    with duckdb.connect(str(file)) as con:
        con.execute("update measures.recording_range set low_rate = low_rate - 0.1")
    ((rate,),) = force.rows(
        "select recording_rate from recording_rate "
        "where breakdown = 'total' and universe = 'frame' and ruleset = 'strict'"
    )
    page = (shown / "report.html").read_text(encoding="utf-8").replace(f"{rate:.1%}", "65.0%")
    for before, after, found in (
        ("<table><tr><td>", "</td></tr></table>", []),
        ("<p>", "</p>", [f"report: strict, frame, {rate:.1%}"]),
    ):
        leaking = page.replace("</main>", f"{before}{rate:.1%}{after}</main>")
        assert leaking != page
        (shown / "report.html").write_text(leaking, encoding="utf-8")
        assert [line for line in find_rates(shown) if "strict, frame" in line] == found


def test_a_rate_is_published_once_every_log_was_read(fresh: SmallAgency) -> None:
    """The expected rate is counted by hand from what is true of all logs of the frame."""
    version = paths.published("testville") / "current"
    before = version.resolve()
    draw = draw_logs(fresh, logs=80)
    assert not fresh.run()  # a draw alone changes no figure
    assert "AUDIT-UNPUBLISHED" in run("pack", "testville")
    write_draw_worksheets(fresh.agency, draw)
    deliver_worksheet(fresh.agency, filled(draw, "1207"))
    assert fresh.run()
    assert "AUDIT-INCOMPLETE" in run("estimate", "testville")  # peeking; and an auditor is missing
    assert "AUDIT-INCOMPLETE" in run("pack", "testville")
    assert fresh.rows("select count(*) from audited_rates") == [(0,)]
    assert fresh.rows("select read_count < drawn_count, is_headline from audits") == [(True, False)]
    page = (fresh.published / "report.html").read_text(encoding="utf-8")
    assert "gives no rate (AUDIT-INCOMPLETE)" in page
    crimes = [n for n in range(CALLS) if is_crime(n) and n < 240]
    truth = sum(map(is_recorded, crimes)) / len(crimes)
    assert_headline_is_a_range(fresh, page, truth)
    delivery = deliver_worksheet(fresh.agency, filled(draw, "1311"))
    assert fresh.run()
    assert "no second ones are drawn" not in run("estimate", "testville")
    assert "AUDIT-INCOMPLETE" in run("estimate", "testville")  # the second readings are missing
    seconds = second_auditors(delivery)
    for auditor in seconds:
        deliver_worksheet(fresh.agency, filled(draw, auditor, "_second"))
    assert fresh.run()
    ((rate, low, high, crime_count, base),) = fresh.rows(
        "select recording_rate, lower_limit, upper_limit, audited_crimes, recorded_year_count "
        "from audited_rates where domain = 'force'"
    )
    assert low < truth < high
    assert rate == pytest.approx(truth, abs=0.12)
    assert crime_count == 80  # of the frame each log reports one
    records = sum(map(is_recorded, range(CALLS)))
    # the first record was made eleven minutes after the two days began; that time is scaled up
    days = 2 - 11 / (24 * 60)
    assert base == pytest.approx(records * 365.25 / days, rel=0.001)
    assert fresh.rows(
        "select round(recorded_months, 3) from audited_rates where domain = 'force'"
    ) == [(round(days / (365.25 / 12), 3),)]
    (sums,) = fresh.rows("select sum(log_count), sum(audited_count) from audit_strata")
    assert sums == (160, 80)
    # so rules that count audited logs for all logs can weigh them
    weights = "select count(weight), sum(weight) from disclosure.int_disclosure__audit_labels"
    assert fresh.rows(weights) == [(80, pytest.approx(160))]
    y, m = fresh.rows("select sum(recorded_count), sum(due_count) from audited_logs")[0]
    assert m == 80
    assert y == sum(is_recorded(int(str(c)[2:])) for c in draw.call_ids)
    page = (fresh.published / "report.html").read_text(encoding="utf-8")
    assert "measured by" in page
    assert f"{100 * low:.1f}%" in page
    output = run("estimate", "testville")
    assert f"{100 * rate:.1f}%" in output
    summary = summary_text(read_summary(fresh.published / "recording.duckdb"))
    assert f"(frame, audited): {100 * rate:.1f}%, between {100 * low:.1f}%" in summary
    assert not fresh.run()
    counts = "select delivery_count, read_count, double_count from audits"
    assert fresh.rows(counts) == [(2 + len(seconds), 80, 8)]
    shares = "overlooked_share, invented_share, taken_for_missed_share, taken_for_recorded_share"
    assert fresh.rows(f"select {shares} from audits") == [(0, 0, 0, 0)]
    assert fresh.rows("select sum(is_read_twice::int) from audited_logs") == [(8,)]
    # a draw that was tampered with tells no rate any more, and stops nobody's worklist
    file = paths.audit("testville") / draw.draw_id / "sample.parquet"
    table = pq.read_table(file)
    pq.write_table(table.slice(1), file)
    Register("testville").append("delivery", READ_AT, draw_id="another")  # something to build
    assert fresh.run()
    assert "AUDIT-SAMPLE" in run("estimate", "testville")
    assert fresh.rows("select withheld_rule_id from audits") == [("AUDIT-SAMPLE",)]
    assert fresh.rows(weights) == [(0, None)]
    assert before != version.resolve()


def test_a_census_is_published_with_its_rate_for_limits(fresh: SmallAgency) -> None:
    draw = draw_logs(fresh, logs=160)  # all that there are
    write_draw_worksheets(fresh.agency, draw)
    deliver(fresh, draw)
    assert fresh.run()
    crimes = [int(str(call_id)[2:]) for call_id in draw.call_ids]
    truth = sum(map(is_recorded, crimes)) / len(crimes)
    ((rate, error, low, high),) = fresh.rows(
        "select recording_rate, standard_error, lower_limit, upper_limit from audited_rates "
        "where domain = 'force'"
    )
    # nothing is left to the chance of the draw, and little to errors, of which none was seen
    assert rate == pytest.approx(truth)
    assert low < truth < high
    assert 0 < error < 0.005


def test_a_period_is_not_drawn_again_without_a_reason(fresh: SmallAgency) -> None:
    run(*DRAW)
    assert "AUDIT-REDRAWN" in run(*DRAW)
    # nor one that has a day of it
    assert "AUDIT-REDRAWN" in run(*DRAW[:-4], "--from", "2026-01-06", "--to", "2026-01-08")
    assert len(Register("testville").draws()) == 1
    assert "drawn again: auditor ill" in run(*DRAW, "--reason", "auditor ill")
    assert Register("testville").draws()[-1]["reason"] == "auditor ill"


def test_one_auditor_is_not_enough(fresh: SmallAgency) -> None:
    assert "AUDIT-AUDITORS" in run(*DRAW[:4], *DRAW[6:])
    assert Register("testville").draws() == []


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [("row_hash", "other", "AUDIT-FRAME"), ("missed", 0.5, "AUDIT-PREDICTIONS")],
)
def test_a_changed_frame_or_prediction_stops_every_command(
    fresh: SmallAgency, column: str, value: Any, rule: str
) -> None:
    draw = draw_logs(fresh)
    write_draw_worksheets(fresh.agency, draw)
    file = paths.audit("testville") / draw.draw_id / "frame.parquet"
    table = pq.read_table(file)
    values = table[column].to_pylist()
    values[5] = value
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, pa.array(values)), file)
    assert rule in run("worksheets", "testville")
    assert rule in run("findings", "testville", str(filled(draw, "1207")))
    # and nothing that was read of it is taken
    assert read_assignments("testville") == []


def test_steps_of_the_dag_skip_what_was_drawn_and_fail_on_what_was_asked(
    fresh: SmallAgency,
) -> None:
    nothing = draw_audit("testville", auditors="1207,1311")
    assert not nothing.is_new
    days = {"starts_on": "2026-01-05", "ends_on": "2026-01-07"}
    step = draw_audit("testville", logs="60", auditors="1207, 1311", **days)
    assert step.result == "frame_20260105_20260107_1"
    assert "4 worksheets" in write_worksheets("testville", str(step.result)).note
    *_, access = read_access_log("testville")  # worksheets show logs to people
    assert access["what"] == f"worksheets of the draw {step.result}"
    assert access["who"].endswith(" (audit DAG)")
    with pytest.raises(AuditError, match="AUDIT-REDRAWN"):
        draw_audit("testville", logs="60", auditors="1207,1311", **days)
