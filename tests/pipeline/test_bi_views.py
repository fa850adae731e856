"""The views for BI tools: keys that join, unique names of columns, sums that give the rate."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
import yaml

from cdi import paths


@pytest.fixture
def con(told_once: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file of a small agency, some of whose calls tell of crimes."""
    file = told_once / "published" / "testville" / "current" / "recording.duckdb"
    with duckdb.connect(str(file), read_only=True) as opened:
        yield opened


def bi_models() -> dict[str, dict[str, Any]]:
    """What the project declares of each view, by its name."""
    models = (
        yaml.safe_load(file.read_text(encoding="utf-8"))["models"][0]
        for file in sorted((paths.DBT_PROJECT / "models" / "bi").glob("*.yml"))
    )
    return {model["name"]: model for model in models}


def foreign_keys() -> list[tuple[str, str, str, str]]:
    """View and column of each declared key that joins, and the view and column that it joins to."""
    keys = []
    for name, model in bi_models().items():
        for constraint in model["constraints"]:
            if constraint["type"] == "foreign_key":
                (column,) = constraint["columns"]
                other, other_column = constraint["expression"].rstrip(")").split(" (")
                keys.append((name, column, other, other_column))
    return keys


def test_each_declared_key_joins_and_the_comment_says_to_what(
    con: duckdb.DuckDBPyConnection,
) -> None:
    keys = foreign_keys()
    assert len(keys) == 9
    comments = {
        (table, column): text
        for table, column, text in con.execute(
            "select table_name, column_name, comment from duckdb_columns() "
            "where schema_name = 'main' and starts_with(table_name, 'bi_')"
        ).fetchall()
    }
    for view, column, other, other_column in keys:
        counts = con.execute(
            f"select count({column}), count(*) filter (where {column} not in "
            f"(select {other_column} from {other})) from {view}"
        ).fetchone()
        assert counts is not None and counts[1] == 0, (view, column)
        assert comments[view, column].endswith(f"Joins to {other}.{other_column}.")
    said = {key for key, text in comments.items() if "Joins to" in text}
    assert said == {(view, column) for view, column, _, _ in keys}


def test_each_primary_key_identifies_a_row(con: duckdb.DuckDBPyConnection) -> None:
    for name, model in bi_models().items():
        (columns,) = [c["columns"] for c in model["constraints"] if c["type"] == "primary_key"]
        assert model["data_tests"][0]["table_rules"]["arguments"]["key"] == columns
        counts = con.execute(
            f"select count(*), count(distinct ({', '.join(columns)})) from {name}"
        ).fetchone()
        assert counts is not None and counts[0] == counts[1] > 0, name


def test_no_column_name_is_in_two_views_except_for_keys(con: duckdb.DuckDBPyConnection) -> None:
    repeated = con.execute(
        "select column_name from duckdb_columns() where schema_name = 'main' and "
        "starts_with(table_name, 'bi_') group by column_name having count(*) > 1 order by all"
    ).fetchall()
    assert repeated == [("crime_record_id",), ("log_id",)]


def test_the_views_count_what_the_tables_count(con: duckdb.DuckDBPyConnection) -> None:
    """Whatever rows a tool adds, the sums are those of the rate by month, district and group."""
    of_one_crime = con.execute(
        "select is_in_frame, sum(crime_recorded_count), sum(crime_due_count) "
        "from bi_reported_crimes group by all order by all"
    ).fetchall()
    of_cells = con.execute(
        "select is_rate_in_frame, sum(recorded_count), sum(due_count) "
        "from bi_recording_rate group by all order by all"
    ).fetchall()
    assert of_one_crime == of_cells
    for ruleset, prefix in (("standard", ""), ("strict", "strict_"), ("inclusive", "inclusive_")):
        for universe, condition in (("frame", "is_rate_in_frame"), ("all", "true")):
            sums = con.execute(
                f"select sum({prefix}recorded_count), sum({prefix}due_count) "
                f"from bi_recording_rate where {condition}"
            ).fetchone()
            rate = con.execute(
                "select if(withheld_reason is null, recorded_count, null), "
                "if(withheld_reason is null, rate_base_count, null) from recording_rate where "
                "breakdown = 'total' and universe = $universe and ruleset = $ruleset",
                {"universe": universe, "ruleset": ruleset},
            ).fetchone()
            assert sums == rate, (ruleset, universe)


def test_the_views_show_local_time_and_no_code(con: duckdb.DuckDBPyConnection) -> None:
    (zone,) = con.execute("select timezone from release").fetchone() or ("",)
    rows = con.execute(
        "select received_at, received_on, received_local_time from fct_calls "
        "inner join bi_logs on call_id = log_id"
    ).fetchall()
    assert rows
    for received_at, day, local_time in rows:
        local = received_at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        assert (day, local_time) == (local.date(), local)
    columns = con.execute(
        "select column_name from duckdb_columns() where schema_name = 'main' and "
        "starts_with(table_name, 'bi_') and (column_name like '%\\_code' escape '\\' "
        "or column_name like '%\\_at' escape '\\')"
    ).fetchall()
    assert columns == []


def test_the_calendar_is_that_of_python_and_has_whole_years(
    con: duckdb.DuckDBPyConnection,
) -> None:
    as_of, zone = con.execute("select as_of, timezone from release").fetchone() or (None, "")
    as_of = as_of.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    days = con.execute(
        "select date_on, calendar_year, quarter_name, month_on, month_number, month_name, week_on, "
        "weekday_number, weekday_name, is_weekend, performance_year_name, is_month_mature "
        "from bi_dates order by date_on"
    ).fetchall()
    first, last = days[0][0], days[-1][0]
    assert (first.month, first.day, last.month, last.day) == (1, 1, 12, 31)
    assert len(days) == (last - first).days + 1
    for day, *found in days:
        next_month = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
        performance_year = day.year if day.month > 3 else day.year - 1
        assert found == [
            day.year,
            f"{day.year} Q{(day.month + 2) // 3}",
            day.replace(day=1),
            day.month,
            f"{day:%B %Y}",
            day - timedelta(days=day.weekday()),
            day.isoweekday(),
            f"{day:%A}",
            day.weekday() in (5, 6),
            f"{performance_year}/{(performance_year + 1) % 100:02d}",
            datetime.combine(next_month, time()) + timedelta(days=30) <= as_of,
        ]


def test_the_metrics_give_the_rate(con: duckdb.DuckDBPyConnection) -> None:
    """A tool with a semantic layer makes such a query of `dbt_project/models/metrics.yml`."""
    file = paths.DBT_PROJECT / "models" / "metrics.yml"
    declared = yaml.safe_load(file.read_text(encoding="utf-8"))
    (model,) = declared["semantic_models"]
    metrics = {metric["name"]: metric for metric in declared["metrics"]}
    measures = {measure["name"]: measure for measure in model["measures"]}
    dimensions = {dimension["name"]: dimension["expr"] for dimension in model["dimensions"]}

    def sum_of(name: str) -> Any:
        measure = measures[metrics[name]["type_params"]["measure"]]
        (filtered,) = re.findall(
            rf"Dimension\('{model['primary_entity']}__(\w+)'\)", metrics[name]["filter"]
        )
        (view,) = re.findall(r"ref\('(\w+)'\)", model["model"])
        query = (
            f"select {measure['agg']}({measure['expr']}) from {view} where {dimensions[filtered]}"
        )
        (value,) = con.execute(query).fetchone() or (None,)
        return value

    ratio = metrics["rate"]["type_params"]
    found = (sum_of(ratio["numerator"]), sum_of(ratio["denominator"]))
    expected = con.execute(
        "select if(withheld_reason is null, recorded_count, null), "
        "if(withheld_reason is null, rate_base_count, null) from recording_rate "
        "where breakdown = 'total' and universe = 'frame' and ruleset = 'standard'"
    ).fetchone()
    assert found == expected


def test_power_bi_asks_for_each_view_with_all_its_columns(con: duckdb.DuckDBPyConnection) -> None:
    text = (paths.REPO / "analysts" / "powerbi.pq").read_text(encoding="utf-8")
    asked = {
        view: re.findall(r'"(\w+)"', columns)
        for view, columns in re.findall(r'^Read\("(\w+)", \{(.*?)\}\)', text, re.M | re.S)
    }
    assert asked.keys() == bi_models().keys()
    for view, columns in asked.items():
        there = con.execute(f"select column_name from (describe {view})").fetchall()
        assert [(column,) for column in columns] == there
    # each query is named as its heading, and what the measure adds up is there
    assert re.findall(r"^// ---- (\w+)$", text, re.M) == ["Folder", "Read", *sorted(asked)]
    for view, column in re.findall(r"SUM\((\w+)\[(\w+)\]\)", text):
        assert column in asked[view]
