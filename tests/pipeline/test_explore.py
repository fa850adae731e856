"""The page "Explore" of a version: its counts equal those of the tables and of the report."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import SmallAgency

# Nothing is shared with the query of the page: `recording_rate` counts by sets of its own.
COUNT = """
    select
        breakdown,
        case breakdown
            when 'district' then district
            when 'offence_group' then offence_group
            when 'month' then left(reported_month, 7)
        end as value,
        recorded_count, wrongly_cancelled_count, unrecorded_count, justified_count,
        too_recent_count, source_missing_count
    from recording_rate
    where universe = $universe and ruleset = 'standard'
        and breakdown in ('total', 'district', 'offence_group', 'month')
"""
OUTCOMES = (
    *("recorded", "wrongly_cancelled", "unrecorded", "justified", "too_recent"),
    "source_missing",
)
OF_BREAKDOWN = {"district": "district", "offence_group": "offence", "month": "month"}


def read_cells(page: str) -> list[dict[str, Any]]:
    """The cells of the page, with codes in place of numbers."""
    (cube,) = re.findall(r'<script type="application/json" id="cube">(.*?)</script>', page, re.S)
    lists = {
        name: re.findall(r'<option value="([^"]+)"', options)
        for name, options in re.findall(r'<select id="(\w+)"(.*?)</select>', page, re.S)
    }
    names = ("district", "offence", "month", "outcome")
    return [
        {name: lists[name][place] for name, place in zip(names, cell, strict=False)}
        | {"is_in_frame": bool(cell[4]), "count": cell[5]}
        for cell in json.loads(cube)["cells"]
    ]


def assert_cube_equals_table(published: Path) -> int:
    """Compare all sums of the page with the table; give the total of the frame."""
    page = (published / "explore.html").read_text(encoding="utf-8")
    cells = read_cells(page)
    total = 0
    with duckdb.connect(str(published / "recording.duckdb"), read_only=True) as con:
        for universe in ("frame", "all"):
            expected, found = Counter[tuple[str, str | None, str]](), Counter()
            for breakdown, value, *counts in con.execute(COUNT, {"universe": universe}).fetchall():
                for outcome, count in zip(OUTCOMES, counts, strict=True):
                    expected[breakdown, value, outcome] += count
            for cell in cells:
                if universe == "frame" and not cell["is_in_frame"]:
                    continue
                for breakdown, name in OF_BREAKDOWN.items():
                    # fraud counts in its own row alone
                    if cell["offence"] != "fraud" or name == "offence":
                        found[breakdown, cell[name], cell["outcome"]] += cell["count"]
                if cell["offence"] != "fraud":
                    found["total", None, cell["outcome"]] += cell["count"]
            assert +found == +expected
            assert found.total() > 0
            if universe == "frame":
                total = sum(n for (breakdown, *_), n in found.items() if breakdown == "total")
    assert f'<strong id="count">{total:,} reported crime' in page
    return total


def read_reported(published: Path) -> int:
    """The first figure of the report's chart "Where crimes are lost"."""
    report = (published / "report.html").read_text(encoding="utf-8")
    section = report.partition('<h2 id="lost">')[2]
    found = re.search(r'<th scope="row">Reported crimes</th><td class="n">([\d,]+)</td>', section)
    assert found is not None
    return int(found[1].replace(",", ""))


@pytest.mark.parametrize("agency", ["ran", "told"])
def test_the_counts_equal_the_table_and_the_report(
    agency: str, request: pytest.FixtureRequest
) -> None:
    small: SmallAgency = request.getfixturevalue(agency)
    assert assert_cube_equals_table(small.published) == read_reported(small.published)


def test_the_page_the_report_and_bi_tools_call_an_outcome_by_one_name(ran: SmallAgency) -> None:
    page = (ran.published / "explore.html").read_text(encoding="utf-8")
    options = re.search(r'<select id="outcome"(.*?)</select>', page, re.S)
    assert options is not None
    names = set(re.findall(r'<option value="\w+">([^<]+)', options[1]))
    with duckdb.connect(str(ran.published / "recording.duckdb"), read_only=True) as con:
        shown = con.execute("select distinct outcome_name from bi_reported_crimes").fetchall()
    assert {"No record needed", "Still in time", "Suspected missed"} <= names
    assert {name for (name,) in shown} == names
    report = (ran.published / "report.html").read_text(encoding="utf-8")
    losses = re.findall(r'<th scope="row">([^<]+)', report.partition('<h2 id="lost">')[2])
    assert losses[:3] == ["Reported crimes", "No record needed", "Still in time"]


def test_the_counts_of_real_data_equal_the_table_and_the_report(nopd_home: Path) -> None:
    published = nopd_home / "published" / "nopd" / "current"
    total = assert_cube_equals_table(published)
    assert total == read_reported(published)
    assert total > 1_000
