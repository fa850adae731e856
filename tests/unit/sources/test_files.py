"""Finding and reading files: intervals over clock changes, daily paths, URLs, formats, damage."""

import hashlib
import json
import os
import re
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from cdi.agency.asked import read_asked
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.errors import AgencyError, SourceError
from cdi.landing.extract import extract_dataset, is_source_unchanged
from cdi.landing.read import ROW_NO, normalise_header, read_raw_rows
from cdi.sources import files
from cdi.sources.access import Access
from cdi.sources.files import fetch_files
from cdi.sources.reader import SourceBusyError
from cdi.sql import connect, scalar
from cdi.steps.extract import check_landing, extract
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes


def test_a_day_of_a_clock_change_has_23_or_25_hours(small: SmallAgency) -> None:
    spring = Interval.of_days(small.agency, date(2026, 3, 29), date(2026, 3, 30))
    autumn = Interval.of_days(small.agency, date(2026, 10, 25), date(2026, 10, 26))
    assert (spring.end - spring.start).total_seconds() == 23 * 3600
    assert (autumn.end - autumn.start).total_seconds() == 25 * 3600
    assert spring.days(small.agency) == [date(2026, 3, 29)]


def test_an_interval_that_starts_within_a_day_holds_a_part_of_it(small: SmallAgency) -> None:
    interval = Interval(datetime(2026, 1, 5, 1, tzinfo=UTC), datetime(2026, 1, 7, tzinfo=UTC))
    assert interval.days(small.agency) == [date(2026, 1, 5), date(2026, 1, 6)]


@pytest.mark.parametrize(
    ("start", "end", "as_of", "read"),
    [
        # the run at 06:00 of the 6th reads the file of the 5th, which is over
        ("2026-01-05 06", "2026-01-06 06", None, ["5"]),
        ("2026-01-05 06", "2026-01-07 06", None, ["5", "6"]),
        # of the runs each six hours, the one after midnight reads it, and no other
        ("2026-01-05 18", "2026-01-06 00", None, ["5"]),
        ("2026-01-06 00", "2026-01-06 06", None, []),
        ("2026-01-06 06", "2026-01-06 12", None, []),
        # summer time: midnight of London is 23:00 in UTC
        ("2026-07-05 17", "2026-07-05 23", None, ["5"]),
        ("2026-07-05 23", "2026-07-06 05", None, []),
        # a file that shows the state of 06:45 is read by the first run after that
        ("2026-01-05 07", "2026-01-06 07", "06:45", ["6"]),
        ("2026-01-05 06", "2026-01-06 06", "06:45", ["5"]),
        ("2026-01-05 00", "2026-01-06 00", "06:45", ["5"]),
        ("2026-01-05 00", "2026-01-06 00", "00:00", ["5"]),
    ],
)
def test_a_daily_file_is_read_by_the_interval_in_which_its_state_lies(
    small: SmallAgency, tmp_path: Path, start: str, end: str, as_of: str | None, read: list[str]
) -> None:
    stated = {"as_of": f"{{date:%Y-%m-%d}} {as_of}"} if as_of else {}
    small.settings["sources"]["calls"]["files"] = [{"path": "calls-{date:%Y-%m-%d}.csv", **stated}]
    small.write_settings()
    for month, day in [(1, 4), (1, 5), (1, 6), (1, 7), (7, 4), (7, 5), (7, 6)]:
        small.write(f"calls-2026-{month:02d}-{day:02d}.csv", csv_bytes(CALL_HEADER, CALLS))
    interval = Interval(*(datetime.fromisoformat(f"{time}:00+00:00") for time in (start, end)))
    fetched, absent = fetch_files(small.agency, "calls", interval, tmp_path)
    assert [file.name[-5:-4] for file in fetched] == read
    assert absent == []


def test_a_file_that_two_entries_match_is_read_once_as_its_latest_state(
    small: SmallAgency, tmp_path: Path
) -> None:
    small.settings["sources"]["calls"]["files"] = [
        {"path": "calls*", "as_of": "2026-01-06"},
        {"path": "*.csv", "as_of": "2026-01-07"},
        {"path": "calls.csv", "as_of": "2026-01-05"},
    ]
    small.write_settings()
    (small.data / "records.csv").unlink()
    (file,), _ = fetch_files(small.agency, "calls", small.interval, tmp_path)
    assert (file.name, file.as_of) == ("calls.csv", datetime(2026, 1, 7, tzinfo=UTC))


def test_the_file_of_a_month_is_read_once_by_an_interval_of_several_days(
    small: SmallAgency, tmp_path: Path
) -> None:
    small.settings["sources"]["calls"]["files"] = [{"path": "calls-{date:%Y-%m}.csv"}]
    small.write_settings()
    small.write("calls-2026-01.csv", csv_bytes(CALL_HEADER, CALLS))
    interval = Interval.of_days(small.agency, date(2026, 1, 20), date(2026, 2, 10))
    (file,), absent = fetch_files(small.agency, "calls", interval, tmp_path)
    assert (file.name, file.as_of) == ("calls-2026-01.csv", datetime(2026, 2, 1, tzinfo=UTC))
    assert absent == ["calls-2026-02.csv"]


def test_an_interval_without_the_end_of_a_day_asks_for_no_daily_file(small: SmallAgency) -> None:
    """So it says nothing about how far the source goes."""
    small.settings["sources"]["calls"]["files"] = [{"path": "calls-{date:%Y-%m-%d}.csv"}]
    small.write_settings()
    morning = Interval(datetime(2026, 1, 6, 6, tzinfo=UTC), datetime(2026, 1, 6, 12, tzinfo=UTC))
    step = extract("testville", "calls", morning)
    assert not step.is_new
    assert step.note == "nothing new: no file is for this interval"
    assert read_asked("testville", "calls") is None


def test_a_daily_path_takes_the_days_of_the_interval_and_names_absent_ones(
    small: SmallAgency, tmp_path: Path
) -> None:
    small.settings["sources"]["calls"]["files"] = [{"path": "calls-{date:%Y%m%d}.csv"}]
    small.write_settings()
    for day in (4, 5, 7):
        (small.data / f"calls-202601{day:02d}.csv").write_bytes(csv_bytes(CALL_HEADER, CALLS))
    interval = Interval.of_days(small.agency, date(2026, 1, 5), date(2026, 1, 7))
    fetched, absent = fetch_files(small.agency, "calls", interval, tmp_path)
    assert [file.name for file in fetched] == ["calls-20260105.csv"]
    assert absent == ["calls-20260106.csv"]
    # a daily file tells the state at the end of its day
    assert fetched[0].as_of == datetime(2026, 1, 6, tzinfo=UTC)


def test_a_url_is_read_through_fsspec_with_the_connections_options(
    small: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/exports/calls.csv", csv_bytes(CALL_HEADER, CALLS))
    monkeypatch.setenv("CDI_DATA", "memory://exports")
    fetched, _ = fetch_files(small.agency, "calls", small.interval, tmp_path, {"asynchronous": 0})
    assert [file.name for file in fetched] == ["calls.csv"]
    assert fetched[0].path.read_bytes() == csv_bytes(CALL_HEADER, CALLS)


class LockedMemory(MemoryFileSystem):
    """Files in memory that want a password."""

    protocol = "locked"
    cachable = False

    def __init__(self, password: str) -> None:
        """Check the password."""
        super().__init__()
        assert password == "open sesame"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = super()._strip_protocol(path.replace("locked://", "memory://"))
        return stripped


def test_files_behind_a_connection_are_asked_for_by_runs_alone(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make run` looks whether anything is new before it starts, and has no connection then."""
    monkeypatch.setitem(_registry, "locked", LockedMemory)
    fsspec.filesystem("memory").pipe("/exports/calls.csv", csv_bytes(CALL_HEADER, CALLS))
    small.settings["sources"]["calls"]["connection"] = "exports"
    small.write_settings()
    monkeypatch.setenv("CDI_DATA", "locked://exports")
    access = Access(kind="sftp", password="open sesame")
    landed = extract("testville", "calls", small.interval, access)
    assert landed.result
    assert check_landing("testville", "calls", landed.result).is_new
    assert not is_source_unchanged(small.agency, "calls", small.interval)
    assert not extract("testville", "calls", small.interval, access).is_new


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "json", "json.gz", "jsonl"])
def test_all_formats_give_the_same_text(small: SmallAgency, tmp_path: Path, kind: str) -> None:
    content = csv_bytes(CALL_HEADER, CALLS)
    rows = [dict(zip(CALL_HEADER, row, strict=True)) for row in CALLS]
    if kind == "jsonl":
        content = "\n".join(json.dumps(row) for row in rows).encode()
    if kind in ("json", "json.gz"):
        content = json.dumps(rows, indent=2).encode()
    if kind == "parquet":
        (tmp_path / "x.csv").write_bytes(content)
        with duckdb.connect() as con:
            con.execute(
                f"copy (from read_csv('{tmp_path}/x.csv', all_varchar = true)) "
                f"to '{tmp_path}/x.parquet'"
            )
        content = (tmp_path / "x.parquet").read_bytes()
    small.settings["sources"]["calls"]["format"] = kind.removesuffix(".gz")
    small.write_settings()
    small.write(f"calls.{kind}", content)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (file,), _ = fetch_files(small.agency, "calls", small.interval, scratch)
    con = connect()
    unexpected = read_raw_rows(con, "calls", small.agency.sources["calls"], file, 0)
    assert unexpected == []
    names = ", ".join(CALL_HEADER)
    read = con.execute(f"select {names} from raw order by {ROW_NO}").fetchall()
    assert [[value or "" for value in row] for row in read] == CALLS
    assert con.execute("select count(*) from refused").fetchone() == (0,)


def test_an_element_of_a_json_array_that_is_no_object_is_refused(
    small: SmallAgency, tmp_path: Path
) -> None:
    rows = [dict(zip(CALL_HEADER, row, strict=True)) for row in CALLS]
    small.settings["sources"]["calls"]["format"] = "json"
    small.write_settings()
    small.write("calls.json", json.dumps([rows[0], ["T-0100"], *rows[1:]]).encode())
    (file,), _ = fetch_files(small.agency, "calls", small.interval, tmp_path)
    con = connect()
    read_raw_rows(con, "calls", small.agency.sources["calls"], file, 0)
    refused = con.execute("select line, rule_id, original from refused").fetchall()
    assert refused == [(2, "READ-JSON", '["T-0100"]')]
    assert con.execute("select count(*) from raw").fetchone() == (5,)


@pytest.mark.parametrize("content", ['{"number": "T-0001"}', '[{"number": "T-0001"}, {"num', "?"])
def test_a_file_that_is_no_whole_json_array_is_told_without_its_rows(
    small: SmallAgency, tmp_path: Path, content: str
) -> None:
    small.settings["sources"]["calls"]["format"] = "json"
    small.write_settings()
    small.write("calls.json", content.encode())
    (file,), _ = fetch_files(small.agency, "calls", small.interval, tmp_path)
    with pytest.raises(SourceError, match="SRC-FORMAT") as caught:
        read_raw_rows(connect(), "calls", small.agency.sources["calls"], file, 0)
    assert "calls.json is not one whole JSON array" in str(caught.value)
    assert "T-0001" not in str(caught.value)


def test_rows_of_another_dataset_are_left_out_of_all_counts(small: SmallAgency) -> None:
    """The column that tells is mapped to nothing, and known all the same."""
    rows = [
        [*row, kind] for row, kind in zip(CALLS, ["log", " log ", "visit", "", "logs"], strict=True)
    ]
    small.write("calls.csv", csv_bytes([*CALL_HEADER, "Kind Of Row"], rows))
    small.settings["sources"]["calls"]["rows"] = {"from": "kind_of_row", "matches": "log|LOG"}
    small.write_settings()
    batch = extract_dataset(small.agency, "calls", small.interval).batch
    assert batch is not None
    (file,) = batch.manifest["files"]
    assert file["unexpected_columns"] == []
    assert {key: file[key] for key in ("read", "accepted", "left_out")} == {
        "read": 2,
        "accepted": 2,
        "left_out": 3,
    }
    landed = duckdb.execute(f"select call_key, row_id from '{batch.rows}' order by 1").fetchall()
    assert landed == [("T-0001", "calls.csv:000000001"), ("T-0002", "calls.csv:000000002")]


def test_the_column_that_chooses_rows_must_be_there(small: SmallAgency, tmp_path: Path) -> None:
    small.settings["sources"]["calls"]["rows"] = {"from": "kind", "matches": "log"}
    small.write_settings()
    (file,), _ = fetch_files(small.agency, "calls", small.interval, tmp_path)
    with pytest.raises(SourceError, match=r"has no column kind \(for rows\)"):
        read_raw_rows(connect(), "calls", small.agency.sources["calls"], file, 0)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (
            lambda s: s["key_rules"]["call"].append({"pattern": "(", "canonical": "x"}),
            "key_rules.call.1.pattern",
        ),
        (
            lambda s: s["sources"]["calls"].update(rows={"from": "number", "matches": "("}),
            "sources.calls.rows.matches",
        ),
        (
            lambda s: s["sources"]["calls"]["columns"].update(
                beat={"from": "text", "extract": "("}
            ),
            "sources.calls.columns.beat.extract",
        ),
    ],
)
def test_an_unreadable_regular_expression_is_reported_by_its_key(
    small: SmallAgency, change: Callable[[dict[str, Any]], Any], key: str
) -> None:
    change(small.settings)
    small.write_settings()
    with pytest.raises(AgencyError) as caught:
        extract_dataset(small.agency, "calls", small.interval)
    assert f"key `{key}`: '(' is not a regular expression" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda s: s["key_rules"]["call"][0].update(canonical=r"T-\9"),
            r"key `key_rules.call.0.canonical`: 'T-\9' is not a canonical form of that pattern",
        ),
        (
            lambda s: s["sources"]["calls"]["columns"]["closed_at"].update(format=["%H:%M", "%s"]),
            "key `sources.calls.columns.closed_at.format`: '%s' is not a format",
        ),
    ],
)
def test_what_the_database_cannot_read_is_reported_by_its_key(
    small: SmallAgency, change: Callable[[dict[str, Any]], Any], told: str
) -> None:
    change(small.settings)
    small.write_settings()
    with pytest.raises(AgencyError) as caught:
        extract_dataset(small.agency, "calls", small.interval)
    assert told in str(caught.value)


def test_headers_agree_whatever_their_case_blanks_and_underscores() -> None:
    for name in ("Report Type", "report_type", " REPORT  TYPE "):
        assert normalise_header(name) == "report_type"


def test_a_gzip_file_with_flipped_bytes_is_a_named_error(
    small: SmallAgency, tmp_path: Path
) -> None:
    small.write("calls.csv.gz", csv_bytes(CALL_HEADER, CALLS * 50))
    packed = bytearray((small.data / "calls.csv.gz").read_bytes())
    packed[40:60] = bytes(byte ^ 0xFF for byte in packed[40:60])
    (small.data / "calls.csv.gz").write_bytes(packed)
    with pytest.raises(SourceError, match=r"SRC-GZIP.* calls\.csv\.gz"):
        fetch_files(small.agency, "calls", small.interval, tmp_path)


@pytest.mark.parametrize(
    ("kind", "content", "problem"),
    [
        ("csv", csv_bytes(CALL_HEADER, CALLS).replace(b"\n", b"\r"), "is not a line of CSV"),
        ("json", b'[{"number": "T-0001", "": "Ada"}]', "has a key that is blank"),
        ("json", b'[{"number": "T-0001", " ": "Ada"}]', "has a key that is blank"),
        ("jsonl", b'{"number": "T-0001", "Ada \\"x\\"": 1}', "has a key that is blank or holds"),
    ],
)
def test_a_file_that_duckdb_cannot_be_asked_for_is_a_named_error(
    small: SmallAgency, tmp_path: Path, kind: str, content: bytes, problem: str
) -> None:
    small.settings["sources"]["calls"]["format"] = kind
    small.settings["sources"]["calls"]["columns"] = {
        name: {"from": "number", "format": "%Y"}
        for name in ("call_reference", "received_at", "final_type_code")
    }
    small.write_settings()
    small.write(f"calls.{kind}", content)
    (file,), _ = fetch_files(small.agency, "calls", small.interval, tmp_path)
    with pytest.raises(SourceError, match=f"SRC-FORMAT.* calls.{kind} {problem}") as caught:
        read_raw_rows(connect(), "calls", small.agency.sources["calls"], file, 0)
    assert "Ada" not in str(caught.value)


def test_a_header_with_a_line_break_is_a_named_error(small: SmallAgency, tmp_path: Path) -> None:
    content = csv_bytes([*CALL_HEADER, "seen\nby"], [[*call, "Ada"] for call in CALLS])
    small.write("calls.csv", content)
    (file,), _ = fetch_files(small.agency, "calls", small.interval, tmp_path)
    with pytest.raises(SourceError, match=r"SRC-COLUMNS.* calls.csv is not a whole header"):
        read_raw_rows(connect(), "calls", small.agency.sources["calls"], file, 0)


@pytest.mark.parametrize(("kind", "blank"), [("csv", ""), ("csv", " "), ("parquet", " ")])
def test_a_column_without_a_name_is_a_named_error(
    small: SmallAgency, tmp_path: Path, kind: str, blank: str
) -> None:
    """The library pandas writes its row numbers so, if nobody tells it not to."""
    header = [*CALL_HEADER[:2], blank, *CALL_HEADER[2:]]
    rows = [[*row[:2], "7", *row[2:]] for row in CALLS]
    small.settings["sources"]["calls"]["format"] = kind
    small.write_settings()
    small.write(f"calls.{kind}", csv_bytes(header, rows))
    if kind == "parquet":
        table = pa.table([list(column) for column in zip(*rows, strict=True)], names=header)
        pq.write_table(table, small.data / "calls.parquet")
    (file,), _ = fetch_files(small.agency, "calls", small.interval, tmp_path)
    told = rf"SRC-COLUMNS.* calls\.{kind} has a column without a name: number 3 of 11\n"
    with pytest.raises(SourceError, match=told) as caught:
        read_raw_rows(connect(), "calls", small.agency.sources["calls"], file, 0)
    assert ("`header`" in caught.value.fix) == (kind == "csv")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_file_without_its_header_is_told_without_its_first_row(
    small: SmallAgency, tmp_path: Path, kind: str
) -> None:
    rows = csv_bytes(CALLS[0], CALLS[1:])
    small.settings["sources"]["calls"]["format"] = kind
    small.write_settings()
    small.write(f"calls.{kind}", rows if kind == "csv" else json.dumps({"Ada Example": 1}).encode())
    (file,), _ = fetch_files(small.agency, "calls", small.interval, tmp_path)
    with pytest.raises(SourceError, match="SRC-COLUMNS") as caught:
        read_raw_rows(connect(), "calls", small.agency.sources["calls"], file, 0)
    no_header = "its first line, of 10 fields, is not a header"
    assert (no_header if kind == "csv" else "its 1 columns have other names") in str(caught.value)
    assert ("name its columns in `header`" in caught.value.fix) is (kind == "csv")
    assert not re.search("ada|960001|hit", str(caught.value), re.IGNORECASE)


def test_a_header_with_another_name_in_it_is_told_whole(small: SmallAgency, tmp_path: Path) -> None:
    header = ["Log No", *(name.title() for name in CALL_HEADER[1:])]
    small.write("calls.csv", csv_bytes(header, CALLS))
    (file,), _ = fetch_files(small.agency, "calls", small.interval, tmp_path)
    with pytest.raises(SourceError, match=f"has no column number .*; it has {', '.join(header)}"):
        read_raw_rows(connect(), "calls", small.agency.sources["calls"], file, 0)


def test_a_column_that_is_there_twice_is_told_alone(small: SmallAgency, tmp_path: Path) -> None:
    small.write("calls.csv", csv_bytes([*CALL_HEADER, "number"], [[*r, r[0]] for r in CALLS]))
    (file,), _ = fetch_files(small.agency, "calls", small.interval, tmp_path)
    with pytest.raises(SourceError, match="has a column twice: number\n"):
        read_raw_rows(connect(), "calls", small.agency.sources["calls"], file, 0)


def test_an_unexpected_column_is_told(small: SmallAgency, tmp_path: Path) -> None:
    small.write("calls.csv", csv_bytes([*CALL_HEADER, "Blood Group"], [[*r, "A"] for r in CALLS]))
    (file,), _ = fetch_files(small.agency, "calls", small.interval, tmp_path)
    con = connect()
    assert read_raw_rows(con, "calls", small.agency.sources["calls"], file, 0) == ["blood_group"]


def test_data_root_is_relative_to_the_agencys_folder(small: SmallAgency) -> None:
    assert load_agency("testville").root == str(small.data.resolve())


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_refused_line_is_told_as_it_stands_in_the_file(
    small: SmallAgency, tmp_path: Path, newline: bytes, mark: bytes
) -> None:
    lines = csv_bytes(CALL_HEADER, CALLS).splitlines()
    lines.insert(3, b"T-0100,only two")
    small.write("calls.csv", mark + newline.join(lines) + newline)
    (file,), _ = fetch_files(small.agency, "calls", small.interval, tmp_path)
    con = connect()
    read_raw_rows(con, "calls", small.agency.sources["calls"], file, 0)
    refused = con.execute("select line, rule_id, original from refused").fetchall()
    assert refused == [(4, "READ-WIDTH", "T-0100,only two")]
    assert con.execute("select count(*) from raw").fetchone() == (5,)


BADLY_QUOTED = 'T-{n:04d},2026-01-05 10:00,,THEFT,THEFT,NONE,N,,,"He said "stop" to me{more}"'


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("more", ["", " and went" * 2000])
def test_a_badly_quoted_text_is_refused_without_the_rows_after_it(
    small: SmallAgency, tmp_path: Path, newline: str, more: str
) -> None:
    good = [line.decode() for line in csv_bytes(CALL_HEADER, CALLS).splitlines()]
    bad = [BADLY_QUOTED.format(n=n, more=more) for n in range(100, 103)]
    # the last one swallows the rest
    tail = ['T-0200,2026-01-05 10:00,,THEFT,THEFT,NONE,N,,,"oh', *good[2:4] * 200]
    lines = [*good[:3], bad[0], good[3], *bad[1:], *good[4:], *tail]
    small.write("calls.csv", (newline.join(lines) + newline).encode())
    refused, rows = read_and_refused(small, tmp_path)
    assert refused == [("READ-QUOTE", line) for line in [*bad, newline.join(tail)]]
    assert rows == 5


def test_an_unclosed_quote_keeps_the_rows_up_to_the_one_that_closes_it(
    small: SmallAgency, tmp_path: Path
) -> None:
    good = [line.decode() for line in csv_bytes(CALL_HEADER, CALLS).splitlines()]
    swallowed = ['T-0200,2026-01-05 10:00,,THEFT,THEFT,NONE,N,,,"oh', good[2], good[1]]
    assert '"' in good[1]
    small.write("calls.csv", "\n".join([good[0], *swallowed, *good[3:]]).encode())
    assert read_and_refused(small, tmp_path) == ([("READ-QUOTE", "\n".join(swallowed))], 3)


def read_and_refused(small: SmallAgency, scratch: Path) -> tuple[list[tuple[str, str]], int]:
    """Rule and text of the rows of calls.csv that cannot be read, and how many others there are."""
    (file,), _ = fetch_files(small.agency, "calls", small.interval, scratch)
    con = connect()
    read_raw_rows(con, "calls", small.agency.sources["calls"], file, 0)
    refused = con.execute("select rule_id, original from refused order by line").fetchall()
    return refused, scalar(con, "select count(*) from raw")


def write_in(small: SmallAgency, encoding: str, content: bytes) -> None:
    """Deliver calls.csv, and say in agency.yaml that it has this encoding."""
    small.settings["sources"]["calls"]["encoding"] = encoding
    small.write_settings()
    small.write("calls.csv", content)


@pytest.mark.parametrize("encoding", ["windows-1252", "iso-8859-15", "utf-16", "utf-8-sig"])
def test_a_file_in_another_encoding_has_the_same_text(
    small: SmallAgency, tmp_path: Path, encoding: str
) -> None:
    told = "Zoë said “no”: £5" if encoding != "iso-8859-15" else "Zoë said no: 5 €"
    content = csv_bytes(CALL_HEADER, [[*CALLS[0][:-1], told], *CALLS[1:]]).decode()
    write_in(small, encoding, content.encode(encoding))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (file,), _ = fetch_files(small.agency, "calls", small.interval, scratch)
    assert file.sha256 == hashlib.sha256(content.encode(encoding)).hexdigest()  # as delivered
    assert file.path.read_bytes() == content.encode()
    assert list(scratch.iterdir()) == [file.path]
    assert read_and_refused(small, scratch) == ([], len(CALLS))


def test_a_byte_that_the_encoding_does_not_have_refuses_its_row_alone(
    small: SmallAgency, tmp_path: Path
) -> None:
    good, bad = csv_bytes(CALL_HEADER, CALLS), ",".join([*CALLS[2][:-1], "caf?"]).encode()
    write_in(small, "windows-1252", good + bad.replace(b"?", b"\x81") + b"\n")
    ((rule, original),), count = read_and_refused(small, tmp_path)
    assert (rule, count) == ("READ-ENCODING", len(CALLS))
    assert original == bad.decode().replace("?", r"\x81")


def test_a_file_that_is_in_no_way_of_its_encoding_is_refused_whole(
    small: SmallAgency, tmp_path: Path
) -> None:
    content = csv_bytes(CALL_HEADER, CALLS).decode().encode("utf-16")
    write_in(small, "utf-16", content[:-1])  # it ends within a character
    with pytest.raises(SourceError, match=r"SRC-ENCODING.* calls\.csv is not a text in utf-16"):
        fetch_calls(small, tmp_path / "scratch")


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"encoding": "windows-1525"}, "'windows-1525' is not an encoding"),
        ({"encoding": "hex"}, "'hex' is not an encoding"),  # Python's, and of no text
        ({"encoding": "utf-16", "format": "parquet"}, "only CSV and JSON files are text"),
    ],
)
def test_an_encoding_that_cannot_be_is_told_by_its_key(
    small: SmallAgency, setting: dict[str, str], told: str
) -> None:
    small.settings["sources"]["calls"] |= setting
    small.write_settings()
    with pytest.raises(AgencyError, match=told):
        _ = small.agency


def fetch_calls(small: SmallAgency, scratch: Path) -> list[str]:
    """Names of the files of `calls` that an extraction would read."""
    scratch.mkdir(exist_ok=True)
    fetched, _ = fetch_files(small.agency, "calls", small.interval, scratch)
    return [file.name for file in fetched]


def make_socket(place: Path) -> None:
    # the name of a socket has room for 100 letters, which a folder of pytest may exceed
    with socket.socket(socket.AF_UNIX) as made, tempfile.TemporaryDirectory() as short:
        made.bind(f"{short}/s")
        Path(f"{short}/s").rename(place)


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        Path.mkdir,
        make_socket,
        lambda place: os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, 5)),  # as /dev/zero
        lambda place: place.symlink_to(place.name),
        lambda place: place.symlink_to("nothing"),
    ],
    ids=["pipe", "folder", "socket", "device", "link to itself", "link to nothing"],
)
def test_what_is_no_file_is_never_opened(
    small: SmallAgency,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], object],
) -> None:
    make(small.data / "calls_2.csv")
    open_file = LocalFileSystem._open

    def open_no_other(filesystem: LocalFileSystem, path: str, *more: Any, **named: Any) -> Any:
        assert path.endswith("/calls.csv")  # opening a pipe would never end
        return open_file(filesystem, path, *more, **named)

    monkeypatch.setattr(LocalFileSystem, "_open", open_no_other)
    with pytest.raises(SourceError, match=r"SRC-NOT-A-FILE.* calls_2\.csv is a folder, a pipe"):
        fetch_calls(small, tmp_path / "scratch")


def test_links_may_lead_anywhere_below_the_root_and_nowhere_else(
    small: SmallAgency, tmp_path: Path
) -> None:
    (small.data / "old").mkdir()
    (small.data / "calls.csv").rename(small.data / "old" / "first.csv")
    (small.data / "calls.csv").symlink_to("old/first.csv")
    real_root = small.data.rename(tmp_path / "mounted")
    small.data.symlink_to(real_root)  # the root itself may be a link
    assert fetch_calls(small, tmp_path / "inside") == ["calls.csv"]
    outside = tmp_path / "mounted_of_others"  # it begins with the same letters
    outside.mkdir()
    shutil.copy(real_root / "old" / "first.csv", outside / "calls.csv")
    for lead_out in (
        lambda: (small.data / "calls_2.csv").symlink_to(outside / "calls.csv"),
        lambda: (small.data / "calls_2.csv").symlink_to("/dev/zero"),
    ):
        lead_out()
        with pytest.raises(SourceError, match=r"SRC-OUTSIDE.* calls_2\.csv leads to /"):
            fetch_calls(small, tmp_path / "link")
        (small.data / "calls_2.csv").unlink()
    small.settings["sources"]["calls"]["files"] = [{"path": "../mounted_of_others/calls.csv"}]
    small.write_settings()
    with pytest.raises(SourceError, match="SRC-OUTSIDE"):
        fetch_calls(small, tmp_path / "path")


def test_a_file_that_unpacks_to_more_than_its_limit_is_refused_before_it_fills_the_disk(
    small: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GB counts a million bytes here, so that the test takes no room."""
    monkeypatch.setattr(files, "_GB", 1_000_000)
    scratch = tmp_path / "scratch"

    def fetch_unpacked(size: int) -> int:
        small.write("calls.csv.gz", b"0" * size)  # packs to a thousandth
        try:
            fetch_calls(small, scratch)
        finally:
            made = scratch / "0000"
            written = made.stat().st_size if made.exists() else 0
        return written

    assert fetch_unpacked(1_000_000) == 1_000_000  # so much any file may have
    with pytest.raises(SourceError, match=r"SRC-SIZE.* calls\.csv\.gz has more than 1\.0 GB"):
        fetch_unpacked(4_000_000)
    assert (scratch / "0000").stat().st_size <= 1_000_000
    with pytest.raises(SourceError, match=r"SRC-SIZE.* more than 9\.\d GB"):
        fetch_unpacked(50_000_000)  # 200 times what it packs to
    small.settings["sources"]["calls"]["unpacked_gb"] = 3
    small.write_settings()
    assert fetch_unpacked(2_900_000) == 2_900_000  # the agency's own limit counts alone
    with pytest.raises(SourceError, match=r"SRC-SIZE.* more than 3\.0 GB"):
        fetch_unpacked(3_100_000)
    small.write("calls.csv", b"0" * 3_100_000)  # also of a file that is not packed
    with pytest.raises(SourceError, match=r"SRC-SIZE.* more than 3\.0 GB"):
        fetch_calls(small, scratch)


def test_a_file_must_leave_as_much_room_as_it_takes(
    small: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 3000
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    monkeypatch.setattr(files, "_LOOK_BYTES", 1)
    small.write("calls.csv", b"0" * 3000)
    assert fetch_calls(small, tmp_path / "scratch") == ["calls.csv"]
    small.write("calls.csv", b"0" * 3001)
    with pytest.raises(SourceError, match=r"DISK-FULL.* no room for calls\.csv"):
        fetch_calls(small, tmp_path / "plain")
    assert not list((tmp_path / "plain").iterdir())  # it was seen before anything was written
    small.write("calls.csv.gz", b"0" * 3001)  # this is seen as it is unpacked
    with pytest.raises(SourceError, match=r"DISK-FULL.* no room for calls\.csv\.gz"):
        fetch_calls(small, tmp_path / "packed")


@pytest.mark.parametrize("name", ["calls.csv", "calls.csv.gz"])
def test_a_file_that_grows_while_it_is_copied_is_read_later(
    small: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    small.write(name, csv_bytes(CALL_HEADER, CALLS))
    open_file = LocalFileSystem._open

    def open_and_grow(filesystem: LocalFileSystem, path: str, *more: Any, **named: Any) -> Any:
        with Path(path).open("ab") as file:
            file.write(b"T-0006,2026-01-05")
        return open_file(filesystem, path, *more, **named)

    monkeypatch.setattr(LocalFileSystem, "_open", open_and_grow)
    with pytest.raises(SourceBusyError, match=rf"SRC-MOVED.* {re.escape(name)} changed while"):
        fetch_calls(small, tmp_path / "scratch")


@pytest.mark.parametrize("name", ["calls.csv", "calls.csv.gz"])
def test_a_disk_that_fills_up_meanwhile_is_named_and_no_damaged_file(
    small: SmallAgency, tmp_path: Path, name: str
) -> None:
    """/dev/full takes nothing, as a full disk does."""
    small.write(name, csv_bytes(CALL_HEADER, CALLS))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    full = scratch / ("0000" if name.endswith(".gz") else "0000.raw")
    full.symlink_to("/dev/full")
    with pytest.raises(SourceError, match=f"DISK-FULL.* no room for {re.escape(name)}"):
        fetch_calls(small, scratch)
