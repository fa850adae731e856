"""What agency.yaml can say of files that do not look like a table with a header and plain columns.

Each made-up file is landed, and what stands in the landing is compared with what was written.
"""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdi.agency.mapping import SourceFile
from cdi.errors import AgencyError, SourceError
from cdi.landing.batches import Batch
from cdi.landing.extract import extract_dataset
from cdi.landing.values import parsed_expression
from cdi.sources.files import fetch_files
from cdi.sql import Params, connect
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes


def land(small: SmallAgency) -> Batch:
    small.write_settings()
    batch = extract_dataset(small.agency, "calls", small.interval).batch
    assert batch is not None
    return batch


def landed(batch: Batch, query: str) -> list[tuple[Any, ...]]:
    return duckdb.execute(query.format(rows=f"read_parquet('{batch.rows}')")).fetchall()


def map_column(small: SmallAgency, name: str, mapping: Any) -> None:
    small.settings["sources"]["calls"]["columns"][name] = mapping


def problem(small: SmallAgency) -> str:
    small.write_settings()
    with pytest.raises(AgencyError) as caught:
        _ = small.agency
    return str(caught.value)


def test_columns_may_be_named_as_our_own_numbers_of_rows_and_files(small: SmallAgency) -> None:
    header = ["Row No" if name == "number" else name for name in CALL_HEADER]
    header = ["file_no" if name == "district" else name for name in header]
    small.write("calls.csv", csv_bytes(header, CALLS))
    map_column(small, "call_reference", "Row No")
    map_column(small, "district", "File No")
    assert landed(land(small), "select call_reference, district from {rows} order by all") == [
        (row[0], row[CALL_HEADER.index("district")]) for row in CALLS
    ]


def test_a_text_that_many_rows_have_is_masked_by_the_names_beside_it(small: SmallAgency) -> None:
    """Rows of one text share its mask only where the caller beside it is the same."""
    callers = ["Zorbat Quell", "zorbat quell", "", "Vintner Oaks", "Quell Vintner"]
    header = [*CALL_HEADER, "more"]
    place = CALL_HEADER.index("caller")
    rows = [
        [*row[:place], caller, "", "quell said the vintner is drunk", "again"]
        for row, caller in zip(CALLS, callers, strict=True)
    ]
    rows[2][-2] = ""  # blank in one of two columns
    small.write("calls.csv", csv_bytes(header, rows))
    map_column(small, "log_text", {"from": ["text", "more"]})
    assert landed(land(small), "select log_text_masked from {rows} order by call_key") == [
        ("[name] said the vintner is drunk again",),
        ("[name] said the vintner is drunk again",),
        ("again",),
        ("quell said the [name] is drunk again",),
        ("[name] said the [name] is drunk again",),
    ]


def test_a_column_may_be_made_of_several_without_the_blank_ones(small: SmallAgency) -> None:
    rows = [[*row, kind] for row, kind in zip(CALLS, ["ALARM", "", " ", "A", "B"], strict=True)]
    small.write("calls.csv", csv_bytes([*CALL_HEADER, "Sub Type"], rows))
    map_column(small, "final_type_code", {"from": ["closed_as", "sub_type"], "join": "/"})
    map_column(small, "initial_type_code", {"from": ["closed_as", "sub_type"]})
    batch = land(small)
    assert batch.manifest["files"][0]["unexpected_columns"] == ["opened_as"]
    assert landed(
        batch, "select final_type_code, initial_type_code from {rows} order by call_key"
    ) == [
        ("ASSAULT/ALARM", "ASSAULT ALARM"),
        ("ASSAULT", "ASSAULT"),
        ("NOISE", "NOISE"),
        ("THEFT/A", "THEFT A"),
        ("THEFT/B", "THEFT B"),
    ]


def test_date_and_time_may_stand_in_two_columns(small: SmallAgency) -> None:
    rows = [[row[0], *row[1].split(), *row[2:]] for row in CALLS]
    rows[1][2] = ""  # without a time of day the second format reads it
    rows[2][1] = ""  # a time of day alone is no time
    header = [CALL_HEADER[0], "day", "clock", *CALL_HEADER[2:]]
    small.write("calls.csv", csv_bytes(header, rows))
    formats = ["%Y-%m-%d %H:%M", "%Y-%m-%d"]
    map_column(small, "received_at", {"from": ["day", "clock"], "format": formats})
    batch = land(small)
    assert landed(batch, "select received_at from {rows} order by call_key limit 2") == [
        (datetime(2026, 1, 5, 10, 0),),
        (datetime(2026, 1, 5),),
    ]
    assert duckdb.execute(
        f"select rule_id, detail, original_masked like '%clock%' from '{batch.quarantine}'"
    ).fetchall() == [("TYPE-VALUE", "received_at", True)]


def test_a_time_may_be_a_number_since_1970(small: SmallAgency) -> None:
    """1 July 2026, 12:00 UTC is 1782907200; the agency's clock shows 13:00 then."""
    numbers = ["1782907200", "1782907200.5", "1.7829072E9", "9" * 30, "noon"]
    rows = [
        [row[0], number, f"{number}000", *row[3:]]
        for row, number in zip(CALLS, numbers, strict=True)
    ]
    rows[1][2] = "1782907200500"
    rows[2][2] = "1.7829072E12"
    small.write("calls.csv", csv_bytes(CALL_HEADER, rows))
    map_column(small, "received_at", {"from": "received", "format": "epoch_s"})
    map_column(small, "closed_at", {"from": "closed", "format": ["%Y-%m-%d", "epoch_ms"]})
    batch = land(small)
    noon, half = datetime(2026, 7, 1, 12), datetime(2026, 7, 1, 12, 0, 0, 500_000)
    assert landed(batch, "select received_at, closed_at from {rows} order by call_key") == [
        (noon, noon),
        (half, half),
        (noon, noon),
    ]
    assert batch.manifest["quarantined"] == 2


def read_times(*values: str, form: str) -> list[datetime | None]:
    """What a format makes of texts."""
    bound = Params()
    query = f"select {parsed_expression('value', [form], bound)} from (select unnest($v) as value)"
    with connect() as con:
        rows = con.execute(query, {**bound.values, "v": list(values)}).fetchall()
    return [time for (time,) in rows]


# 60 is Excel's 29 February 1900, which no calendar has.
NO_SERIALS = ("noon", "60", "nan", "inf", "9" * 30, "-5")


def test_a_time_may_be_a_serial_number_of_excel() -> None:
    """By Microsoft's pages on DATEVALUE and NOW, 39448 is 1 January 2008 and .125 is 3 o'clock."""
    times = read_times("39448", "39448.125", "39448.4236111111", *NO_SERIALS, form="excel_serial")
    assert times == [
        datetime(2008, 1, 1),
        datetime(2008, 1, 1, 3),
        datetime(2008, 1, 1, 10, 10),  # 10 hours of 24 and 10 minutes of 1,440
        *[None] * len(NO_SERIALS),
    ]


@pytest.mark.parametrize(
    ("form", "whole", "cut"),
    [
        ("%H%M", "0115", "115"),
        ("%Y-%m-%d %H%M", "2026-01-05 0115", "2026-01-05 115"),
        ("%Y-%m-%d %I%M%p", "2026-01-05 0115AM", "2026-01-05 115AM"),
        ("%d%m%Y %H:%M", "05012026 01:15", "5012026 01:15"),
        ("%Y%m%dT%H%M%S.%f", "20260105T011500.0", "20260105T11500.0"),
    ],
)
def test_touching_numbers_without_their_zeros_are_not_read(form: str, whole: str, cut: str) -> None:
    """DuckDB alone would read 115 as 11:05."""
    time, none = read_times(whole, cut, form=form)
    assert time is not None
    assert (time.hour, time.minute, none) == (1, 15, None)


def test_a_format_may_say_that_the_zeros_of_a_time_are_lost() -> None:
    values = [f"2026-01-05 {time}" for time in ("5", "45", "115", "1930", "0", "0930", "99", "")]
    times = read_times(*values, form="%Y-%m-%d %-H%M")
    assert [time and (time.hour, time.minute) for time in times] == [
        (0, 5), (0, 45), (1, 15), (19, 30), (0, 0), (9, 30), None, None,
    ]  # fmt: skip


@pytest.mark.parametrize("header", ["none", "named"])
def test_a_file_may_have_no_header_and_lines_before_its_rows(
    small: SmallAgency, header: str
) -> None:
    text = csv_bytes(CALL_HEADER, CALLS).split(b"\n", 1)[1]
    small.write("calls.csv", b"\xef\xbb\xbfLog of calls\nmade on a Monday, twice\n" + text)
    source = small.settings["sources"]["calls"]
    source |= {"skip_lines": 2, "header": "none" if header == "none" else CALL_HEADER}
    if header == "none":
        numbers = {name: f"column_{place}" for place, name in enumerate(CALL_HEADER, 1)}
        source["columns"] = {
            name: numbers[mapping]
            if isinstance(mapping, str)
            else {**mapping, "from": numbers[mapping["from"]]}
            for name, mapping in source["columns"].items()
        }
    batch = land(small)
    assert landed(batch, "select call_reference, district from {rows} order by 1") == [
        (row[0], row[CALL_HEADER.index("district")]) for row in CALLS
    ]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_byte_order_mark_is_no_part_of_the_first_row(small: SmallAgency, form: str) -> None:
    """As Windows writes it, here before a CSV file without a header and before a JSON array."""
    source = small.settings["sources"]["calls"]
    if form == "csv":
        content = csv_bytes(CALL_HEADER, CALLS).split(b"\n", 1)[1]
        source["header"] = CALL_HEADER
    else:
        content = json.dumps([dict(zip(CALL_HEADER, row, strict=True)) for row in CALLS]).encode()
        source["format"] = "json"
    small.write("calls.csv", b"\xef\xbb\xbf" + content)
    batch = land(small)
    assert (batch.manifest["read"], batch.manifest["quarantined"]) == (5, 0)
    assert landed(batch, "select call_reference from {rows} order by 1") == [
        (row[0],) for row in CALLS
    ]


def test_lines_are_skipped_before_a_header_and_refused_rows_keep_their_line(
    small: SmallAgency,
) -> None:
    small.write("calls.csv", b"Log of calls\n" + csv_bytes(CALL_HEADER, CALLS) + b"short,row\n")
    small.settings["sources"]["calls"]["skip_lines"] = 1
    batch = land(small)
    assert batch.manifest["accepted"] == 5
    assert duckdb.execute(f"select source_line, rule_id from '{batch.quarantine}'").fetchall() == [
        (8, "READ-WIDTH")
    ]


def test_a_header_of_agency_yaml_must_fit_the_first_row(small: SmallAgency, tmp_path: Path) -> None:
    small.write("calls.csv", csv_bytes(CALLS[0], CALLS[1:]))
    small.settings["sources"]["calls"]["header"] = CALL_HEADER[:-1]
    small.write_settings()
    with pytest.raises(SourceError, match=r"SRC-COLUMNS.*has 10 fields.*names 9 columns"):
        extract_dataset(small.agency, "calls", small.interval)


def test_the_last_row_of_a_key_may_count(small: SmallAgency) -> None:
    """T-0001 is updated twice and told once more as it ended; T-0002 is there twice, unchanged."""
    first = CALLS[0]
    updates = [[*first[:4], code, *first[5:]] for code in ("THEFT", "NOISE", "NOISE")]
    small.write("calls.csv", csv_bytes(CALL_HEADER, [*CALLS, CALLS[1], *updates]))
    small.settings["sources"]["calls"]["duplicates"] = "last"
    batch = land(small)
    (file,) = batch.manifest["files"]
    fates = ("read", "accepted", "duplicates", "quarantined")
    assert [file[fate] for fate in fates] == [9, 5, 2, 2]
    assert landed(
        batch,
        "select final_type_code from {rows} where call_key in ('T-0001', 'T-0002') order by 1",
    ) == [("ASSAULT",), ("NOISE",)]
    assert duckdb.execute(
        f"select source_line, rule_id from '{batch.quarantine}' order by 1"
    ).fetchall() == [(1, "KEY-OLDER"), (7, "KEY-OLDER")]


def test_a_daily_file_may_tell_the_state_of_a_time_of_day(
    small: SmallAgency, tmp_path: Path
) -> None:
    """In July, 06:45 in London is 05:45 UTC."""
    small.settings["sources"]["calls"]["files"] = [
        {"path": "calls-{date:%Y%m%d}.csv", "as_of": "{date:%Y-%m-%d} 06:45"}
    ]
    small.write("calls-20260105.csv", csv_bytes(CALL_HEADER, CALLS))
    small.write_settings()
    (file,), absent = fetch_files(small.agency, "calls", small.interval, tmp_path)
    assert file.as_of == datetime(2026, 1, 5, 6, 45, tzinfo=UTC)
    assert absent == ["calls-20260106.csv"]
    daily = SourceFile(path="{date:%Y}", as_of="{date:%Y-%m-%d} 06:45")
    assert daily.as_of_day(date(2026, 7, 1)) == datetime(2026, 7, 1, 6, 45)


@pytest.mark.parametrize(
    ("source", "column", "told"),
    [
        ({}, {"from": "closed_as", "join": "/"}, "join: give several columns under `from`"),
        ({}, {"from": []}, "columns.final_type_code.from"),
        ({}, {"from": ["closed_as", ""]}, "columns.final_type_code.from"),
        ({}, {"from": "closed_as", "format": "epoch"}, "'epoch' is not a format"),
        ({"format": "json", "skip_lines": 1}, None, "only CSV files have lines"),
        ({"format": "parquet", "header": "none"}, None, "only CSV files have lines"),
        ({"header": "yes"}, None, "header"),
        ({"skip_lines": -1}, None, "skip_lines"),
        ({"duplicates": "last", "rows_per_key": "many"}, None, "duplicates: last is for"),
        ({"files": [{"path": "c", "as_of": "{date:%Y} 6"}]}, None, "of any other it has none"),
        ({"files": [{"path": "c{date:%Y}", "as_of": "2026-01-07"}]}, None, "as the path has"),
        ({"files": [{"path": "c{date:%Y}", "as_of": "{date:%Y} 6"}]}, None, "no local time"),
        ({"files": [{"path": "c{date:%Y}", "as_of": "{date:%Y} {x}"}]}, None, "no local time"),
        ({"files": [{"path": "c{x}"}]}, None, "may be in braces"),
        ({"files": [{"path": "c{date.__class__}"}]}, None, "may be in braces"),
        ({"files": [{"path": "c{date:%Y"}]}, None, "may be in braces"),
        ({"delimiter": '"'}, None, "delimiter"),
        ({"delimiter": "\n"}, None, "delimiter"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_by_its_key(
    small: SmallAgency, source: dict[str, Any], column: dict[str, Any] | None, told: str
) -> None:
    small.settings["sources"]["calls"] |= source
    if column:
        map_column(small, "final_type_code", column)
    assert told in problem(small)


def test_a_time_of_a_source_with_types_is_one_column(small: SmallAgency) -> None:
    small.settings["sources"]["calls"]["format"] = "parquet"
    map_column(small, "received_at", {"from": ["received", "closed"], "format": "%Y"})
    told = problem(small)
    assert "a time of a database, a portal or a Parquet file is one column" in told
    assert "join a date and a time of day in a view or in `query`" in told


def test_an_agency_says_that_it_has_no_crime_records(small: SmallAgency) -> None:
    sources = small.settings["sources"]
    records = sources.pop("crime_records")
    assert "sources.crime_records: missing" in problem(small)
    small.settings["crime_records"] = "none"
    small.write_settings()
    assert "crime_records" not in small.agency.sources
    sources["crime_records"] = records
    assert "crime_records: none; but sources.crime_records is there" in problem(small)
    del sources["calls"], sources["crime_records"]
    assert "sources.calls: missing" in problem(small)


def test_the_calls_bear_the_record_numbers_and_one_line_says_so(small: SmallAgency) -> None:
    numbers = ["R1", "", "R1", "-", "R22"]
    rows = [[*row, number] for row, number in zip(CALLS, numbers, strict=True)]
    small.write("calls.csv", csv_bytes([*CALL_HEADER, "report"], rows))
    (small.data / "records.csv").unlink()
    del small.settings["sources"]["crime_records"]
    small.settings["crime_records"] = "on_calls"
    assert "needs sources.calls.columns.record_reference" in problem(small)
    map_column(small, "record_reference", {"from": "report"})
    small.settings["sources"]["calls"]["ignored"] = []
    small.write_settings()
    batch = extract_dataset(small.agency, "crime_records", small.interval).batch
    assert batch is not None
    found = landed(
        batch,
        "select record_key, call_key, offence_code, reported_at, district from {rows} "
        "order by call_key",
    )
    received = [datetime.strptime(row[1], "%Y-%m-%d %H:%M") for row in CALLS]
    assert found == [
        (number, f"T-000{place + 1}", CALLS[place][4], received[place], CALLS[place][6])
        for place, number in enumerate(numbers)
        if number.startswith("R")
    ]
    (file,) = batch.manifest["files"]
    assert (file["left_out"], file["unexpected_columns"]) == (2, [])


def test_records_on_calls_are_written_out_where_one_line_cannot_say_it(small: SmallAgency) -> None:
    small.settings["crime_records"] = "on_calls"
    map_column(small, "record_reference", "report")
    assert "but sources.crime_records is there: keep one" in problem(small)
    del small.settings["sources"]["crime_records"]
    map_column(small, "record_reference", {"from": ["year", "report"], "join": "-"})
    assert "write sources.crime_records out" in problem(small)
