"""The desk in Chromium, by keyboard alone: sign in, decide three logs, find a fourth.

A click is counted for each activation of a link or a button, and two for a list: to open it and to
choose. From the page of a log to the next one it may take three.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import Browser

from cdi import paths
from cdi.agency.load import load_agency
from cdi.people.decision_file import read_decisions
from tests.browser.conftest import SIZES
from tests.browser.desk import Desk, open_desk, run_desk
from tests.slow.conftest import MONTH, environment

MOST_CLICKS = 3


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> str:
    """Name of a size of the screen."""
    return str(request.param)


@contextmanager
def run_desk_of(published_month: Path, folder: Path) -> Iterator[Desk]:
    """Run a desk of a copy of a published month, in an empty folder."""
    home = folder / "home"
    shutil.copytree(published_month, home, symlinks=True)
    with pytest.MonkeyPatch.context() as patch, MONTH.selected():
        patch.setenv("CDI_HOME", str(home))
        for name in ("CDI_DATA", "CDI_AGENCIES"):
            patch.delenv(name, raising=False)
        with run_desk(home, environment(home), folder / "output") as running:
            yield running


@pytest.fixture
def desk(published_month: Path, tmp_path: Path) -> Iterator[Desk]:
    """A desk of its own, at which a test may decide."""
    with run_desk_of(published_month, tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def read_desk(published_month: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk at which nobody decides."""
    with run_desk_of(published_month, tmp_path_factory.mktemp("desk")) as running:
        yield running


def find_rape(home: Path) -> str:
    """A log of the list in which nothing but a rape is suspected."""
    file = home / "published" / paths.SIMULATED / "current" / "recording.duckdb"
    with duckdb.connect(str(file), read_only=True) as con:
        row = con.execute(
            "select call_id from unrecorded_crimes group by call_id "
            "having bool_and(is_rape and status = 'suspected') order by min(list_place) limit 1"
        ).fetchone()
    assert row is not None
    return str(row[0])


def test_a_newcomer_decides_three_logs_and_finds_a_fourth_by_keyboard(
    browser: Browser, desk: Desk, size: str, shots: Path
) -> None:
    first = open_desk(browser, desk, size, shots, "reader.one")
    page = first.page
    assert "can still be recorded in time" in page.inner_text("main")
    first.check_page(shots, "queue")
    assert first.clicks == 1  # signed in; the queue is there

    # a first decision is three clicks away from the log-in
    first.press("a.go")
    one = page.locator("h1").inner_text()
    first.check_page(shots, "log")
    before = first.clicks
    while page.locator("h1").inner_text() == one:  # each crime of the log
        first.press("button[accesskey=c]")
        assert page.locator(".banner.good").count() == 1
    assert first.clicks - before <= MOST_CLICKS
    first.check_page(shots, "next-log")

    two = page.locator("h1").inner_text()
    before = first.clicks
    decided = 0
    while page.locator("h1").inner_text() == two:
        first.choose("select[name=reason_code]", "The caller was")
        first.press("button[accesskey=d]")
        decided += 1
    assert (first.clicks - before) / decided <= MOST_CLICKS

    # a rape takes two people, each in a browser of their own
    rape = find_rape(desk.home)
    first.go_to("#q")
    page.keyboard.type(rape)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator("h1").inner_text() == rape
    before = first.clicks
    first.choose("select[name=reason_code]", "The caller was")
    first.press("button[accesskey=d]")
    assert first.clicks - before <= MOST_CLICKS
    assert "waits for a second person" in page.inner_text(".banner.good")
    second = open_desk(browser, desk, size, shots, "reader.two")
    second.press("nav[aria-label=Lists] a[href*=proposed]")
    before = second.clicks
    with second.page.expect_navigation():
        second.go_to(f"ol.logs a[href*='{rape}']")
        second.page.keyboard.press("Enter")
    second.check_page(shots, "second-person")
    second.press("button[accesskey=d]")
    assert second.clicks - before <= MOST_CLICKS

    # a fourth log is found by its number
    second.go_to("#q")
    second.page.keyboard.type(one)
    with second.page.expect_navigation():
        second.page.keyboard.press("Enter")
    assert second.page.locator("h1").inner_text() == one
    assert "reader.one: crime 1 confirmed" in " ".join(second.page.inner_text("main").split())
    second.check_page(shots, "decided-log")

    rows = read_decisions(load_agency(paths.SIMULATED))
    kinds = {(row["call_reference"], row["decision_kind"]) for row in rows}
    assert {(one, "confirmed"), (two, "dismissed"), (rape, "proposed")} <= kinds
    (both,) = [row for row in rows if row["call_reference"] == rape and row["second_person"]]
    assert (both["decided_by"], both["second_person"]) == ("reader.one", "reader.two")
    assert first.problems == second.problems == []


def test_enter_in_a_field_decides_nothing(
    browser: Browser, desk: Desk, size: str, shots: Path
) -> None:
    """Only a button does: a form with several would press its first one, which confirms."""
    reader = open_desk(browser, desk, size, shots, "reader.one")
    reader.press("a.go")
    page, log = reader.page, reader.page.url
    reader.go_to("button[value=confirmed]")  # it comes first, and the fields follow
    for field in ("select[name=reason_code]", "textarea[name=note]"):
        reader.go_to(field)
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        page.wait_for_timeout(500)
        assert page.url == log
    page.keyboard.type("he says so himself")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    reader.press("button[value=confirmed]")
    (row,) = read_decisions(load_agency(paths.SIMULATED))
    assert (row["decision_kind"], row["reason"]) == ("confirmed", "he says so himself")
    assert reader.problems == []


def test_what_is_refused_is_said_on_a_page_that_everybody_can_read(
    browser: Browser, read_desk: Desk, size: str, shots: Path
) -> None:
    viewer = open_desk(browser, read_desk, size, shots, "viewer")
    viewer.page.goto(f"{read_desk.url}/{paths.SIMULATED}/start")
    assert "does not have the right" in viewer.page.inner_text("main")
    viewer.check_page(shots, "refused")
    viewer.page.goto(f"{read_desk.url}/{paths.SIMULATED}/search?q=nothing")
    assert "Nothing was found" in viewer.page.inner_text("h1")
    viewer.check_page(shots, "not-found")
