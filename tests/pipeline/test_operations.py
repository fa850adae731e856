"""What operators read: the index, how fresh the data is, and the validation page of real runs."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from html import unescape

import duckdb
import pytest

from cdi import paths
from cdi.agency.asked import note_asked
from cdi.errors import GateError
from cdi.people.decisions import waive_check
from cdi.publish.overview import describe_freshness, describe_published
from cdi.render import render
from cdi.report.headline import read_version_headline
from cdi.steps.build import check_marts, make_build
from cdi.steps.run import land_directly
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes
from tests.postgres import read_by_sql

NOW = datetime(2026, 1, 8, 12, tzinfo=UTC)


def text_of(page: str) -> str:
    """The words of a page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_the_headline_is_that_of_the_tables(ran: SmallAgency) -> None:
    headline = read_version_headline(ran.published / "recording.duckdb")
    with duckdb.connect(str(ran.published / "recording.duckdb"), read_only=True) as con:
        counts = con.execute(
            "select count(*) filter (where hours_left > 0), count(*) filter (where hours_left <= 0)"
            " from unrecorded_crimes where is_likely and status <> 'dismissed'"
        ).fetchone()
        (low, high), = con.execute(
            "select low_rate, high_rate from recording_range "
            "where universe = 'frame' and breakdown = 'total'"
        ).fetchall()  # fmt: skip
    assert (headline.in_time, headline.overdue) == counts
    assert headline.rate is None  # no audit has taught the software
    assert (headline.low, headline.high) == (low, high)
    assert headline.line.endswith(f"{counts[0]} in time · {counts[1]} overdue")


def test_the_index_leads_with_the_figure_and_hides_what_has_no_data(
    ran: SmallAgency,
) -> None:
    described = describe_published("testville")
    page = render(
        "pages.html.j2",
        agencies=[described],
        may_read_logs=["testville"],
        may_manage=[],
        has_peers=False,
        is_simulated=False,
    )
    assert described.headline is not None
    assert described.headline.recorded in text_of(page)
    # 7 January in London is the same in UTC; the zone is named
    assert "data as of 7 January 2026, midnight (times of Europe/London)" in text_of(page)
    assert 'href="testville/report.html"' in page
    assert 'href="desk/testville/"' in page
    assert "recording.duckdb" not in page  # for those who manage the agency
    for file in ran.data.iterdir():
        file.unlink()
    assert describe_published("testville").has_data  # as it is published


def test_an_agency_without_data_comes_last_and_says_what_will_be_there(
    small: SmallAgency,
) -> None:
    for file in small.data.iterdir():
        file.unlink()
    described = describe_published("testville")
    assert not described.has_data
    values = {"may_read_logs": [], "may_manage": [], "has_peers": False, "is_simulated": False}
    page = text_of(render("pages.html.j2", agencies=[described], **values))
    assert "1 agency without data" in page
    fresh = describe_freshness("testville", NOW)
    page = text_of(render("operations.html.j2", agencies=[fresh], now="now", is_simulated=False))
    assert "Nothing is published yet: run testville__extract" in page
    assert "calls, crime records: not yet" in page


def test_operators_read_age_backlog_and_what_failed(ran: SmallAgency) -> None:
    fresh = describe_freshness("testville", datetime.now(UTC))
    assert fresh.problem == ""
    headline = describe_published("testville").headline
    assert headline is not None
    assert (fresh.in_time, fresh.overdue) == (headline.in_time, headline.overdue)
    assert not fresh.is_late  # invented data stands still
    # in one line, unless a minute ended between the two
    assert ", ".join(datasets for datasets, at in fresh.asked if at) == "calls, crime records"
    assert fresh.stopped == ()

    ran.write("calls.csv", csv_bytes(CALL_HEADER, CALLS[:1]))
    with pytest.raises(GateError, match="FILE-07"):
        ran.extract_and_check()
    fresh = describe_freshness("testville", datetime.now(UTC))
    (stopped,) = fresh.stopped
    assert [failure.rule_id for failure in stopped.failures] == ["FILE-07"]
    assert fresh.failures["FILE-07"] == 1
    html = render("operations.html.j2", agencies=[fresh], now="now", is_simulated=False)
    assert "A failed check stops Testville (made up)." in text_of(html)
    assert "FILE-07 : 1" in text_of(html)
    assert f'href="../testville/{stopped.page}"' in html
    assert "approved" not in text_of(html)

    (name,) = (name for _, _, name in describe_published("testville").refused)
    assert name == "Calls, 5 to 6 January 2026 (extraction 2 of these days)"
    assert stopped.name == name
    refused = paths.landing("testville", "calls") / "refused"
    (file,) = refused.glob("*/validation.html")
    page = text_of(file.read_text(encoding="utf-8"))
    assert "0 of 1 files have at least 50% as many rows as the previous delivery; all must" in page
    assert f"Refused: {name}" in page
    assert f"Found: {1 / len(CALLS):.6g}" in page  # and not all digits of a float

    waive_check(ran.agency, "FILE-07", "as agreed", "1207", "1311")
    fresh = describe_freshness("testville", datetime.now(UTC))
    page = text_of(render("operations.html.j2", agencies=[fresh], now="now", is_simulated=False))
    assert f"{name} : FILE-07 (approved: run it again)" in page
    ran.extract_and_check()
    assert describe_freshness("testville", datetime.now(UTC)).stopped == ()
    assert describe_published("testville").refused == ()


def test_a_source_that_answers_and_is_no_longer_filled_is_told(ran: SmallAgency) -> None:
    def read_page() -> str:
        fresh = describe_freshness("testville", NOW)
        return text_of(render("operations.html.j2", agencies=[fresh], now="", is_simulated=False))

    read_by_sql(ran)
    ran.settings["is_simulated"] = False
    ran.write_settings()
    for until, is_told in ((datetime(2026, 1, 9, tzinfo=UTC), False), (NOW.replace(day=9), True)):
        note_asked(
            "testville", "calls", until, is_new=False, now=until, newest_day=date(2026, 1, 6)
        )
        page = read_page()  # 48 hours and 60 after the end of the 6th; 48 are allowed
        assert ("A source is no longer filled: Testville (made up)." in page) is is_told
        assert ("calls: no row after 6 January 2026" in page) is is_told


def test_an_agency_that_cannot_be_read_is_shown_with_its_problem(ran: SmallAgency) -> None:
    tables = ran.published.resolve() / "recording.duckdb"
    tables.unlink()
    tables.write_bytes(b"no tables")
    fresh = describe_freshness("testville", NOW)
    assert "recording.duckdb" in fresh.problem
    assert [dataset for dataset, at in fresh.asked if at]  # the rest is said all the same
    assert describe_published("testville").headline is None
    ran.settings["schedule"] = "every day at noon"
    ran.write_settings()
    broken = describe_freshness("testville", NOW)
    assert "AGENCY-SCHEMA" in broken.problem
    page = text_of(render("operations.html.j2", agencies=[broken], now="now", is_simulated=False))
    assert "Not all can be read of testville. No agency is late" in page
    assert "testville__extract" not in page  # there is no such DAG while the folder is broken
    described = describe_published("testville")
    assert described.parts  # what is published stays there
    values = {"may_read_logs": False, "may_manage": False, "is_simulated": True}
    for agency in (described, replace(described, version=None, headline=None, parts=())):
        page = text_of(render("agency_pages.html.j2", agency=agency, **values))
        assert "The folder of this agency has a mistake, so none of its DAGs runs." in page
        assert "Next step: " in page
        assert "testville__extract" not in page


def test_the_validation_page_names_value_threshold_rows_and_history(
    small: SmallAgency,
) -> None:
    """A district is missing in one of five calls, of which 95% must have one."""
    place = CALL_HEADER.index("district")
    calls = [list(row) for row in CALLS]
    calls[2][place] = ""
    small.write("calls.csv", csv_bytes(CALL_HEADER, calls))
    land_directly("testville", small.interval)
    version = str(make_build("testville").result)
    file = paths.published("testville") / ".next" / "validation.html"
    check_marts("testville", version)
    page = file.read_text(encoding="utf-8")
    words = text_of(page)
    share = 100 - 100 / len(calls)
    assert f"{share:.1f}% of {len(calls)} calls have a district; at least 95% needed" in words
    assert "For example: calls.csv, line 3" in words
    row = re.search(r'<tr id="CALL-12".*?</tr>', page, re.S)
    assert row is not None
    assert 'aria-label="holds 0, warn 1"' in row[0]
    assert "At least 95% of calls have a district." in row[0]
    # each rule that was checked is on the page, and each link leads there
    targets = set(re.findall(r'<tr id="([A-Z]+-\d+)"', page))
    assert set(re.findall(r'href="#([A-Z]+-\d+)"', page)) == targets
    assert page.index("Checks that failed") < page.index("Checks on incoming files")
    for owner in ("Data engineering", "Force crime registrar"):
        assert f"> {owner}</label>" in page
    assert "_v1" not in words
    assert "<script" not in page
    # no value of a row about a person
    assert not any(
        cell in words for call in calls for cell in (call[-1], call[-2]) if len(cell) > 5
    )

    small.write("calls.csv", csv_bytes(CALL_HEADER, CALLS))
    small.extract_and_check()
    check_marts("testville", version)
    page = file.read_text(encoding="utf-8")
    row = re.search(r'<tr id="CALL-12".*?</tr>', page, re.S)
    assert row is not None
    assert 'aria-label="holds 1, warn 1"' in row[0]
    assert re.search(r'class="warn">!</span><span class="good">■</span>', row[0])
