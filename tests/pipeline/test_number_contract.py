"""The number contract of the report: one number per label, and each is what its query gives."""

import csv
import json
import re
import shutil
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from cdi.people.audit import choose_period, draw_period
from cdi.people.worksheets import write_draw_worksheets
from tests.conftest import RECORD_HEADER, RECORDS, SmallAgency, csv_bytes, nopd_in
from tests.number_contract import find_differences, find_problems, read_figures
from tests.pipeline.test_audit_loop import AUDITORS, deliver, published_force

ACTIONS = (
    "action_id,recommendation,owner,due_on,done_on,domain,note\n"
    "A1,Train supervisors,Chief,2026-02-01,,force,\n"
    "A2,Read each closure,Chief,2027-02-01,,force,\n"
)
DAYS = (date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7))


def read_report(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def assert_contract_holds(folder: Path) -> dict[str, dict[str, Any]]:
    """Hold page, figures.json and published file against each other; returns the figures by id."""
    figures = read_figures(folder)
    assert find_problems(read_report(folder), figures) == []
    assert find_differences(folder) == []
    assert all(figure["base"] and ("sql" in figure or "file" in figure) for figure in figures)
    return {figure["id"]: figure for figure in figures}


def says(page: str) -> str:
    """The text of the page's main part."""
    return " ".join(re.sub(r"<[^>]+>", "", page.partition("<main")[2]).split())


# first, as the fixture below sets for the whole file where agencies are
def test_it_holds_for_real_data(nopd_home: Path) -> None:
    with nopd_in(nopd_home):
        folder = nopd_home / "published" / "nopd" / "current"
        figures = assert_contract_holds(folder)
    assert "published_rates" not in figures  # those are of England and Wales


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallAgency]:
    """A force with an audit of each of its two days and two actions."""
    with published_force(tmp_path_factory) as force:
        before = force.published.resolve()
        (force.folder / "actions.csv").write_text(ACTIONS, encoding="utf-8")
        for number, days in enumerate(pairwise(DAYS)):
            period = choose_period(force.agency, "frame", *days)
            draw = draw_period(force.agency, period, AUDITORS, logs=60, seed=number)
            write_draw_worksheets(force.agency, draw)
            deliver(force, draw)
        assert force.run()
        assert before.is_dir()  # the version without an audit is kept
        yield force


def assert_no_rate_is_shown(folder: Path) -> dict[str, dict[str, Any]]:
    """Before a model is trained no single rate is shown; returns the figures by id."""
    figures = assert_contract_holds(folder)
    assert {"crimes_due", "listed_overdue", "lost", "all_reported"} <= set(figures)
    assert not {"rate_software", "rate_audited", "worst_rate", "all_rate"} & set(figures)
    closures = figures["by_closure"]
    place = closures["columns"].index("recording_rate")
    assert {row[place] for row in closures["rows"]} == {None}
    return figures


def test_it_holds_without_an_audit(told: SmallAgency) -> None:
    assert_no_rate_is_shown(told.published)


def test_it_holds_before_the_first_audit(audited: SmallAgency) -> None:
    newest = audited.published.resolve()
    (before,) = (folder for folder in newest.parent.iterdir() if folder != newest)
    assert {"range_low", "range_high"} <= set(assert_no_rate_is_shown(before))


def test_it_holds_with_audits(audited: SmallAgency) -> None:
    figures = assert_contract_holds(audited.published)
    page = says(read_report(audited.published))
    ((rate, low, high, year),) = audited.rows(
        "select recording_rate, lower_limit, upper_limit, unrecorded_year_count from audited_rates "
        "inner join audits using (draw_id) where domain = 'force' and is_headline"
    )
    assert (
        f"recorded {rate:.1%} of reported crime: measured by an audit, with a 95% confidence "
        f"interval from {low:.1%} to {high:.1%}"
    ) in page
    assert f"About {round(year, -2):,} crimes a year are not recorded" in page
    ((points, lower, upper),) = audited.rows(
        "select change_points, lower_limit, upper_limit from audited_changes where domain = 'force'"
    )
    assert lower < 0 < upper
    assert "Neither better nor worse than at the last audit" in page
    assert f"the change is {points:+.1f} points" in page
    assert "which chance explains" in page
    assert len(figures["history"]["rows"]) == 2
    assert "Chance explains the change since the last audit" in page
    assert "1 of 2 actions is overdue: Train supervisors." in page


def test_what_changed_since_the_last_version_is_in_its_file(audited: SmallAgency) -> None:
    compared = json.loads((audited.published / "comparison.json").read_text(encoding="utf-8"))
    wanted = [[p, change, n] for p in ("listed", "links") for change, n in compared[p].items()]
    figures = {figure["id"]: figure for figure in read_figures(audited.published)}
    assert figures.get("compared", {"rows": []})["rows"] == wanted


def test_it_holds_where_a_rate_is_withheld(small: SmallAgency) -> None:
    """No record names its call, so that a call without a record says nothing."""
    records = [[row[0], "", *row[2:]] for row in RECORDS]
    small.write("records.csv", csv_bytes(RECORD_HEADER, records))
    assert small.run()
    assert small.rows("select bool_and(withheld_reason is not null) from recording_rate") == [
        (True,)
    ]
    figures = assert_contract_holds(small.published)
    assert "No recording rate is shown" in says(read_report(small.published))
    assert not {name for name in figures if name.startswith(("rate_", "range_", "newest_"))}


def test_each_chart_gives_its_figures_as_csv(told: SmallAgency) -> None:
    page = read_report(told.published)
    figures = {figure["id"]: figure for figure in read_figures(told.published)}
    links = re.findall(
        r'download="[^"]*-(\w+)\.csv" href="data:text/csv;charset=utf-8,([^"]*)"', page
    )
    assert len(links) == page.count("<figure>") >= 1
    for name, content in links:
        header, *rows = csv.reader(unquote(content).splitlines())
        assert header == figures[name]["columns"]
        assert len(rows) == len(figures[name]["rows"])


@pytest.mark.parametrize(
    ("wanted", "instead", "problem"),
    [
        (r'(data-figure="crimes_due" value=")\d+', r"\g<1>9", "crimes_due: the page says"),
        (r'(data-figure="crimes_due" value="\d+">)\d+', r"\g<1>77", "one label, two numbers"),
        (r'(id="figures".*?<td class="n">)(?=[\d.,%]+</td>)', r"\g<1>1", "one label, two numbers"),
        (r"<h2", "<p>We recorded 4,711.</p><h2", "a number without an id: 4,711"),
        (r"</td></tr>", "</td><td>4,711</td></tr>", "4,711 is in none of its rows"),
        (r'data-figure="lost"', "", "lost is not on the page"),
    ],
)
def test_a_broken_contract_is_noticed(
    told: SmallAgency, wanted: str, instead: str, problem: str
) -> None:
    page = read_report(told.published)
    broken = re.sub(wanted, instead, page, count=1, flags=re.S)
    assert broken != page
    assert problem in " ".join(find_problems(broken, read_figures(told.published)))


def test_a_figure_that_its_query_does_not_give_is_noticed(
    told: SmallAgency, tmp_path: Path
) -> None:
    folder = tmp_path / "changed"
    folder.mkdir()
    shutil.copy(told.published / "recording.duckdb", folder)
    text = (told.published / "figures.json").read_text(encoding="utf-8")
    changed = re.sub(r'("id": "crimes_due".*?"value": )\d+', r"\g<1>99", text, flags=re.S)
    (folder / "figures.json").write_text(changed, encoding="utf-8")
    assert [line.partition(":")[0] for line in find_differences(folder)] == ["crimes_due"]
