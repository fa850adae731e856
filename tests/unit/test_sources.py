"""Finding files: intervals over clock changes, daily paths, URLs, formats."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import fsspec
import pytest

from cdi import agencies, sources
from cdi.sources import Interval
from cdi.sql import connect
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes


def test_a_day_of_a_clock_change_has_23_or_25_hours(small: SmallAgency) -> None:
    spring = Interval.of_days(small.agency, date(2026, 3, 29), date(2026, 3, 30))
    autumn = Interval.of_days(small.agency, date(2026, 10, 25), date(2026, 10, 26))
    assert (spring.end - spring.start).total_seconds() == 23 * 3600
    assert (autumn.end - autumn.start).total_seconds() == 25 * 3600
    assert spring.days(small.agency) == [date(2026, 3, 29)]


def test_an_interval_that_starts_within_a_day_leaves_that_day_out(small: SmallAgency) -> None:
    interval = Interval(datetime(2026, 1, 5, 1, tzinfo=UTC), datetime(2026, 1, 7, tzinfo=UTC))
    assert interval.days(small.agency) == [date(2026, 1, 6)]


def test_a_daily_path_takes_the_days_of_the_interval_and_names_absent_ones(
    small: SmallAgency, tmp_path: Path
) -> None:
    small.settings["sources"]["calls"]["files"] = [{"path": "calls-{date:%Y%m%d}.csv"}]
    small.write_settings()
    for day in (4, 5, 7):
        (small.data / f"calls-202601{day:02d}.csv").write_bytes(csv_bytes(CALL_HEADER, CALLS))
    interval = Interval.of_days(small.agency, date(2026, 1, 5), date(2026, 1, 7))
    found, absent = sources.fetch(small.agency, "calls", interval, tmp_path)
    assert [file.name for file in found] == ["calls-20260105.csv"]
    assert absent == ["calls-20260106.csv"]
    # what a daily file says holds to the end of its day
    assert found[0].as_of == datetime(2026, 1, 6, tzinfo=UTC)


def test_a_url_is_read_through_fsspec_with_the_connections_options(
    small: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/exports/calls.csv", csv_bytes(CALL_HEADER, CALLS))
    monkeypatch.setenv("CDI_DATA", "memory://exports")
    found, _ = sources.fetch(small.agency, "calls", small.interval, tmp_path, {"asynchronous": 0})
    assert [file.name for file in found] == ["calls.csv"]
    assert found[0].path.read_bytes() == csv_bytes(CALL_HEADER, CALLS)


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "jsonl"])
def test_all_formats_give_the_same_text(small: SmallAgency, tmp_path: Path, kind: str) -> None:
    content = csv_bytes(CALL_HEADER, CALLS)
    if kind == "jsonl":
        rows = (dict(zip(CALL_HEADER, row, strict=True)) for row in CALLS)
        content = "\n".join(json.dumps(row) for row in rows).encode()
    if kind == "parquet":
        (tmp_path / "x.csv").write_bytes(content)
        duckdb.sql(f"copy (from read_csv('{tmp_path}/x.csv', all_varchar = true)) "
                   f"to '{tmp_path}/x.parquet'")  # fmt: skip
        content = (tmp_path / "x.parquet").read_bytes()
    small.settings["sources"]["calls"]["format"] = kind.removesuffix(".gz")
    small.write_settings()
    small.write(f"calls.{kind}", content)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (file,), _ = sources.fetch(small.agency, "calls", small.interval, scratch)
    con = connect()
    unexpected = sources.read_raw(con, small.agency.sources["calls"], file, 0)
    assert unexpected == []
    names = ", ".join(CALL_HEADER)
    read = con.execute(f"select {names} from raw order by row_no").fetchall()
    assert [[value or "" for value in row] for row in read] == CALLS
    assert con.execute("select count(*) from refused").fetchone() == (0,)


def test_headers_agree_whatever_their_case_blanks_and_underscores() -> None:
    for name in ("Report Type", "report_type", " REPORT  TYPE "):
        assert sources.normalise_header(name) == "report_type"


def test_an_unexpected_column_is_told(small: SmallAgency, tmp_path: Path) -> None:
    small.write("calls.csv", csv_bytes([*CALL_HEADER, "Blood Group"], [[*r, "A"] for r in CALLS]))
    (file,), _ = sources.fetch(small.agency, "calls", small.interval, tmp_path)
    con = connect()
    assert sources.read_raw(con, small.agency.sources["calls"], file, 0) == ["blood_group"]


def test_data_root_is_relative_to_the_agencys_folder(small: SmallAgency) -> None:
    assert agencies.load("testville").root == str(small.data.resolve())


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_refused_line_is_told_as_it_stands_in_the_file(
    small: SmallAgency, tmp_path: Path, newline: bytes, mark: bytes
) -> None:
    lines = csv_bytes(CALL_HEADER, CALLS).splitlines()
    lines.insert(3, b"T-0100,only two")
    small.write("calls.csv", mark + newline.join(lines) + newline)
    (file,), _ = sources.fetch(small.agency, "calls", small.interval, tmp_path)
    con = connect()
    sources.read_raw(con, small.agency.sources["calls"], file, 0)
    refused = con.execute("select line, rule_id, original from refused").fetchall()
    assert refused == [(4, "READ-WIDTH", "T-0100,only two")]
    assert con.execute("select count(*) from raw").fetchone() == (5,)
