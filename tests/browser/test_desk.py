"""The desk in Chromium, by keyboard alone: sign in, decide three logs, find a fourth.

A click is counted for each activation of a link or a button, and two for a list: to open it and to
choose. From the page of a log to the next one it may take three.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from cdi import paths
from cdi.local.airflow import free_port
from cdi.people.decision_file import read_decisions
from tests.browser.conftest import SIZES, watched
from tests.browser.test_pages import NARROWEST, WCAG_22_AA
from tests.slow.conftest import MONTH, environment, wait_for

MOST_CLICKS = 3


@dataclass
class Desk:
    """A running desk: where it is, and the code of its trial log-in."""

    url: str
    code: str
    home: Path


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> str:
    """Name of a size of the screen."""
    return str(request.param)


@pytest.fixture
def desk(published_month: Path, tmp_path: Path) -> Iterator[Desk]:
    """The command `cdi desk`, on a copy of a published month."""
    home = tmp_path / "home"
    shutil.copytree(published_month, home, symlinks=True)
    port = free_port()
    with pytest.MonkeyPatch.context() as patch, MONTH.selected():
        patch.setenv("CDI_HOME", str(home))
        for name in ("CDI_DATA", "CDI_AGENCIES"):
            patch.delenv(name, raising=False)
        command = [str(Path(sys.executable).with_name("cdi")), "desk", "--port", str(port)]
        output = tmp_path / "output"
        with output.open("w") as told:
            process = subprocess.Popen(command, env=environment(home), stdout=told)
        try:
            wait_for("the code", lambda: "Sign in with the code" in output.read_text(), 60)
            text = output.read_text()
            assert f"The desk is at http://127.0.0.1:{port}/" in text
            code = re.search(r"the code (\w+)", text)
            assert code is not None
            yield Desk(f"http://127.0.0.1:{port}", code[1], home)
        finally:
            process.terminate()
            process.wait()


@dataclass
class Keyboard:
    """Somebody who has no mouse; counts what would be clicks."""

    page: Page
    clicks: int = 0
    problems: list[str] = field(default_factory=list)

    def go_to(self, selector: str) -> None:
        """Press Tab until an element has the focus, as somebody does who sees the page."""
        self.page.wait_for_selector(selector, state="attached")
        for _ in range(300):
            if self.page.evaluate("s => document.activeElement?.matches(s) ?? false", selector):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{selector} is not reached by Tab on {self.page.url}")

    def press(self, selector: str) -> None:
        """Activate a link or a button."""
        self.go_to(selector)
        self.clicks += 1
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def choose(self, selector: str, letters: str) -> None:
        """Choose from a list by the first letters of an entry."""
        self.go_to(selector)
        self.clicks += 2
        self.page.keyboard.type(letters)

    def check_page(self, shots: Path, name: str) -> None:
        """Look at the page: axe finds nothing, and nothing scrolls sideways."""
        size = self.page.viewport_size
        assert size is not None
        self.page.screenshot(path=shots / f"desk-{name}-{size['width']}.png", full_page=True)
        assert self.page.locator("h1").count() == 1
        assert self.page.locator("script").count() == 0
        found = Axe().run(self.page, options={"runOnly": {"type": "tag", "values": WCAG_22_AA}})
        assert len(found.response["passes"]) > 10
        assert [
            (rule["id"], [node["html"][:200] for node in rule["nodes"]])
            for rule in found.response["violations"]
        ] == []
        for width in (size["width"], NARROWEST):
            self.page.set_viewport_size({"width": width, "height": size["height"]})
            assert self.page.evaluate("document.documentElement.scrollWidth") <= width
        self.page.set_viewport_size(size)


def open_desk(browser: Browser, desk: Desk, size: str, shots: Path, name: str) -> Keyboard:
    """Sign in by keyboard, in a browser without scripts of its own, with separate cookies."""
    context = browser.new_context(viewport=SIZES[size])  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(30_000)
    keyboard = Keyboard(page)
    keyboard.problems = watched(page)
    page.goto(desk.url)
    keyboard.check_page(shots, "sign-in")
    keyboard.go_to("#name")
    page.keyboard.type(name)
    keyboard.go_to("#typed")
    page.keyboard.type(desk.code)
    keyboard.press("main button")
    return keyboard


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

    from cdi.agency.load import load_agency

    rows = read_decisions(load_agency(paths.SIMULATED))
    kinds = {(row["call_reference"], row["decision_kind"]) for row in rows}
    assert {(one, "confirmed"), (two, "dismissed"), (rape, "proposed")} <= kinds
    (both,) = [row for row in rows if row["call_reference"] == rape and row["second_person"]]
    assert (both["decided_by"], both["second_person"]) == ("reader.one", "reader.two")
    assert first.problems == second.problems == []


def test_what_is_refused_is_said_on_a_page_that_everybody_can_read(
    browser: Browser, desk: Desk, size: str, shots: Path
) -> None:
    viewer = open_desk(browser, desk, size, shots, "viewer")
    viewer.page.goto(f"{desk.url}/{paths.SIMULATED}/start")
    assert "does not have the right" in viewer.page.inner_text("main")
    viewer.check_page(shots, "refused")
    viewer.page.goto(f"{desk.url}/{paths.SIMULATED}/search?q=nothing")
    assert "Nothing was found" in viewer.page.inner_text("h1")
    viewer.check_page(shots, "not-found")
