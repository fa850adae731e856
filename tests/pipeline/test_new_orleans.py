"""The figures of New Orleans 2022, against those measured by hand on the same files.

Expected values are those of the data's description (unique items, crime types by its word list).
"""

import json
from pathlib import Path

import duckdb
import pytest


def share(con: duckdb.DuckDBPyConnection, flag: str, where: str) -> tuple[int, float]:
    """Number of calls and the percentage of them with a flag, one decimal."""
    row = con.execute(
        f"select count(*), round(100 * avg({flag}::int), 1) from fct_calls where {where}"
    ).fetchone()
    assert row is not None
    return row


def test_calls_and_crime_types(nopd: duckdb.DuckDBPyConnection) -> None:
    assert share(nopd, "has_report", "true") == (6528, 37.1)
    assert share(nopd, "has_report", "is_crime_type_word_list") == (2268, 86.2)
    assert share(nopd, "has_crime_report", "is_crime_type_word_list") == (2268, 85.0)


@pytest.mark.parametrize(
    ("disposition", "calls", "percent"),
    [("RTF", 1962, 99.0), ("GOA", 244, 1.2), ("NAT", 12, 25.0), ("VOI", 10, 0.0),
     ("DUP", 34, 2.9), ("UNF", 6, 83.3)],
)  # fmt: skip
def test_report_by_disposition(
    nopd: duckdb.DuckDBPyConnection, disposition: str, calls: int, percent: float
) -> None:
    where = f"is_crime_type_word_list and disposition_code = '{disposition}'"
    assert share(nopd, "has_report", where) == (calls, percent)


@pytest.mark.parametrize(
    ("name", "percent"),
    [("SIMPLE BATTERY", 81.7), ("SIMPLE BATTERY DOMESTIC", 67.9), ("SIMPLE ASSAULT", 55.2),
     ("DISCHARGING FIREARM", 30.1), ("AGGRAVATED ASSAULT", 82.4), ("AUTO THEFT", 93.4),
     ("SIMPLE BURGLARY VEHICLE", 87.4), ("THEFT", 84.3), ("ARMED ROBBERY WITH GUN", 98.0),
     ("AGGRAVATED BATTERY BY SHOOTING", 90.9)],
)  # fmt: skip
def test_report_by_type(nopd: duckdb.DuckDBPyConnection, name: str, percent: float) -> None:
    calls, found = share(nopd, "has_report", f"final_type_name = '{name}'")
    assert calls > 0
    assert found == percent


def test_our_own_map_differs_from_the_word_list_in_few_types(
    nopd: duckdb.DuckDBPyConnection,
) -> None:
    """The README of agencies/nopd names each; 177 calls are added and 8 taken away."""
    added, taken = nopd.execute(
        "select count(*) filter (is_crime_type and not is_crime_type_word_list), "
        "count(*) filter (is_crime_type_word_list and not is_crime_type) from fct_calls"
    ).fetchone() or (0, 0)
    assert (added, taken) == (177, 8)


def test_rows_per_file(nopd_home: Path) -> None:
    """583 exact duplicates as delivered, 948 once the footage columns are left out."""
    manifest = next((nopd_home / "landing" / "nopd" / "calls").glob("batches/*/manifest.json"))
    file = json.loads(manifest.read_text(encoding="utf-8"))["files"][0]
    assert file["read"] == 7476
    assert file["duplicates_before_mapping"] == 583
    assert file["duplicates"] == 948
    assert file["accepted"] == 6528


def test_the_newest_report_file_wins_per_item(nopd: duckdb.DuckDBPyConnection) -> None:
    """2,425 items stand in the newer file; the rest of the 12,917 in the older one alone."""
    files = dict(
        nopd.execute(
            "select source_file, count(*) from staging.stg_crime_records group by 1"
        ).fetchall()
    )
    assert files["electronic_police_report_2022_rtcc_sample.csv.gz"] == 2425
    both = 12917 + 2425 - sum(files.values())
    assert both == 618
    superseded = nopd.execute(
        "select sum(superseded_count) from conservation where source_file like '%q1_full%'"
    ).fetchone()
    assert superseded is not None and superseded[0] > both


def test_goa_and_nat_justify_nothing_and_dup_voi_unf_do(nopd: duckdb.DuckDBPyConnection) -> None:
    outcomes = nopd.execute(
        "select disposition_code, outcome, count(*) from fct_reported_crimes "
        "where crime_record_id is null and outcome is not null group by all"
    ).fetchall()
    by_disposition: dict[str, set[str]] = {}
    for disposition, outcome, _ in outcomes:
        by_disposition.setdefault(disposition, set()).add(outcome)
    assert by_disposition["GOA"] == by_disposition["NAT"] == {"unrecorded"}
    for disposition in ("DUP", "VOI", "UNF"):
        assert by_disposition[disposition] == {"justified"}


def test_race_and_gender_are_nowhere(nopd_home: Path) -> None:
    files = list((nopd_home / "landing").rglob("rows.parquet"))
    assert len(files) == 2
    for file in files:
        columns = duckdb.execute("describe from read_parquet(?)", [str(file)]).fetchall()
        assert not [name for name, *_ in columns if "race" in name or "gender" in name]


def test_received_times_are_utc(nopd: duckdb.DuckDBPyConnection) -> None:
    """A0011722 was created on 1 January 2022 at 1:07 in New Orleans, six hours behind UTC."""
    row = nopd.execute(
        "select received_at::varchar from fct_calls where call_id = 'A-00117-22'"
    ).fetchone()
    assert row == ("2022-01-01 07:07:00",)
