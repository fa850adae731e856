"""The charts of the report: what their captions say."""

import re
from datetime import date
from typing import Any

import duckdb
import yaml

from cdi.report.charts import Drawing, Figure
from cdi.report.contract import DECLARED, SQL, Contract
from cdi.report.findings import Findings
from cdi.sql import read_query


def draw(figure_id: str, rows: list[dict[str, Any]], **values: Any) -> Figure:
    """The chart of a figure, from rows and values that no query gave."""
    groups = yaml.safe_load(DECLARED.read_text(encoding="utf-8"))
    with duckdb.connect() as con:
        queries = [group["query"] for group in groups if "query" in group]
        contract = Contract(con, version="v1", is_simulated=False, skipped=queries)
    contract.give(figure_id, rows)
    contract.values |= values
    figure = Findings(Drawing(is_simulated=False), contract).draw_all()[figure_id]
    assert figure
    return figure


def test_the_chart_of_districts_says_the_rate_of_the_whole_agency() -> None:
    district = {
        "due_count": 100, "recorded_count": 80, "recording_rate": 0.8, "estimated_low": 0.7,
        "estimated_high": 0.85, "compared": "alike", "common_rate": 0.815,
    }  # fmt: skip
    rows = [
        district | {"district": name, "estimated_rate": rate}
        for name, rate in (("North", 0.79), ("South", 0.81))
    ]
    figure = draw("districts", rows)
    (said,) = re.findall(r"<desc>(.*?)</desc>", figure.svg)
    assert said.endswith("South 81.0% (70.0% to 85.0%); the whole agency 81.5%.")
    assert figure.rows[1][3:6] == ("80.0%", "81.0%", "70.0% to 85.0%")
    assert figure.columns[5] == "95% limits"  # those of weeks are of 90%


def test_the_csv_of_districts_has_no_rate_but_those_that_its_columns_tell_apart() -> None:
    """The page calls the plain rate the rate, and so must its CSV file."""
    with duckdb.connect() as con:
        con.execute(
            "create table district_rates as select 'frame' as universe, unnest(['N', 'S']) as "
            "district, 0.8 as recording_rate, 0.81 as estimated_rate, 0.7 as estimated_low, "
            "0.85 as estimated_high, 100 as due_count"
        )
        answer = con.execute(read_query(SQL / "districts.sql"))
        named = {column[0] for column in answer.description}
    assert {name for name in named if "rate" in name} == {"recording_rate", "estimated_rate"}


def test_no_caption_says_of_an_axis_that_begins_at_0_that_it_does_not() -> None:
    week = {
        "nowcast_rate": None, "nowcast_low": None, "nowcast_high": None, "chart_centre": 0.4,
        "chart_low": 0.0, "chart_high": 0.8, "is_signal": False, "is_mature": True,
        "has_changed_delays": False, "due_count": 5, "recorded_count": 2,
    }  # fmt: skip
    figure = draw(
        "weeks",
        [
            week | {"reported_week_on": date(2017, 1, day), "rate_so_far": rate}
            for day, rate in ((2, 0.0), (9, 0.8))
        ],
    )
    assert ">0%</text>" in figure.svg  # the axis begins there
    assert "does not begin" not in figure.caption
    assert figure.caption.endswith("; mind where the axis begins")


def test_worst_and_best_are_those_of_the_rates_that_are_known() -> None:
    rows = [
        {"domain": name, "label": name.title(), "kind": "audited", "rate": rate, "low": rate - 0.1,
         "high": rate + 0.1, "crimes": 50}
        for name, rate in (("violence", 0.7), ("theft", 0.8))
    ]  # fmt: skip
    known = {"worst_rate": 0.7, "worst_label": "violence", "best_label": "theft"}
    assert draw("groups", rows, **known).title == (
        "Of the rates that are known well enough, the lowest is for violence and the highest for "
        "theft"
    )


def test_the_result_under_which_the_most_crimes_are_lost_is_not_said_to_lose_most_of_them() -> None:
    lost = [
        {"label": "Closed: Crime recorded", "crimes": 35, "kind": "lost"},
        {"label": "Closed: No crime", "crimes": 33, "kind": "lost"},
        {"label": "Closed in other ways", "crimes": 32, "kind": "lost"},
    ]
    assert draw("lost", lost).title == (
        "More crimes are lost where the log was closed as “Crime recorded” than under any other "
        "result"
    )
    lost[2]["crimes"] = 40
    assert draw("lost", lost).title == (
        "More crimes are lost here than elsewhere: closed in other ways"
    )


def test_audits_are_listed_by_the_months_whose_logs_they_read() -> None:
    audit = {"label": "January to March 2017", "rate": 0.8, "low": 0.7, "high": 0.9}
    figure = draw("history", [audit | {"audited_crimes": 40}], change_lower=None)
    assert figure.title == "There is no earlier audit of other days that gives a rate"
    assert figure.columns[0] == "Logs of"
    assert figure.rows[0][0] == "January to March 2017"
