"""The Airflow UI as an operator sees it: log-in, DAGs, graph, notes, and the published pages."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FrameLocator, Page, expect

from cdi.publish import parts
from tests.browser.conftest import PATIENCE, SIZES, Ui, logged_in, watched
from tests.browser.test_docs_site import search_docs

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
NAME = "Northmoor Police (SIMULATED)"


@pytest.fixture(params=SIZES)
def page(request: pytest.FixtureRequest, browser: Browser, ui: Ui) -> Iterator[Page]:
    """A logged-in page, at each size; nothing may be asked of another host."""
    made = logged_in(browser, ui.client.url, ui.password, request.param)
    problems = watched(made)
    yield made
    assert [p for p in problems if p.startswith("http")] == []
    made.close()


def size_of(page: Page) -> str:
    """Name of the page's size."""
    return next(name for name, size in SIZES.items() if size == page.viewport_size)


def shoot(page: Page, ui: Ui, name: str) -> None:
    """Keep a picture for people to look at."""
    page.wait_for_timeout(1500)
    page.screenshot(path=ui.shots / f"airflow-{name}-{size_of(page)}.png")


def test_the_ui_asks_for_a_log_in(browser: Browser, ui: Ui) -> None:
    page = browser.new_page()
    page.goto(f"{ui.client.url}/dags")
    page.wait_for_url("**/auth/login*", timeout=PATIENCE)
    page.close()


def test_list_graph_and_notes_of_a_run(page: Page, ui: Ui) -> None:
    # a decision brought it about
    ((run_id, state),) = ui.client.runs("simulated__build").items()
    assert state == "success"
    page.goto(f"{ui.client.url}/dags")
    page.get_by_text(f"{NAME}: build and publish").first.wait_for()
    shoot(page, ui, "dags")

    if size_of(page) == "desktop":  # beside the details there is no room on a phone
        page.goto(f"{ui.client.url}/dags/simulated__build")
        page.get_by_text("publish", exact=True).first.wait_for()
        page.keyboard.press("g")  # Airflow's own shortcut from grid to graph
        page.locator(".react-flow__node").first.wait_for()
        shoot(page, ui, "graph")

    for path, told, name in (
        (f"runs/{run_id}", "recording rate", "run-note"),
        (f"runs/{run_id}/tasks/build", "fct_calls", "task-note"),
    ):
        page.goto(f"{ui.client.url}/dags/simulated__build/{path}")
        page.wait_for_timeout(3000)
        note = page.get_by_text(told, exact=False).first
        if not note.is_visible():
            page.get_by_role("button", name="Note").first.click()
        note.wait_for()
        shoot(page, ui, name)


def published(page: Page) -> FrameLocator:
    """What a view of ours shows within the UI."""
    return page.frame_locator("iframe[title='Published']")


def why_it_changed(page: Page, ui: Ui) -> None:
    """The last click, and where it leads."""
    published(page).get_by_role("link", name="Why the rate changed").click()
    section = published(page).locator("#run_comparison")
    expect(section).to_be_in_viewport()
    shoot(page, ui, "changes")


def test_three_clicks_lead_to_why_the_rate_changed(browser: Browser, ui: Ui) -> None:
    page = logged_in(browser, ui.client.url, ui.password)
    page.goto(f"{ui.client.url}/dags")
    page.get_by_role("link", name=f"{NAME}: build and publish").first.click()
    # the tab, not the menu's entry
    page.locator("a[href$='/dags/simulated__build/plugin/published']").click()
    heading = published(page).get_by_role("heading", level=1)
    expect(heading).to_have_text(NAME)
    shoot(page, ui, "published")
    why_it_changed(page, ui)
    page.close()


def test_the_menu_leads_there_too_on_a_phone_as_well(page: Page, ui: Ui) -> None:
    page.get_by_role("link", name="Published").first.click()
    published(page).get_by_role("link", name=NAME).click()
    shoot(page, ui, "menu")
    why_it_changed(page, ui)


@pytest.mark.parametrize(
    "path", ["", "simulated/", "operations/"], ids=["agencies", "agency", "operations"]
)
def test_our_index_pages_are_for_everybody(page: Page, ui: Ui, path: str) -> None:
    problems = watched(page)
    page.goto(f"{ui.client.url}/cdi/{path}")
    found: Any = Axe().run(page, options={"runOnly": WCAG})
    assert found.response["violations"] == [], found.generate_report()
    assert problems == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]
    shoot(page, ui, f"index-{path.strip('/') or 'agencies'}")
    # every link by keyboard alone, also those of agencies that are folded away
    page.evaluate("document.querySelectorAll('details').forEach(box => { box.open = true })")
    links = page.locator("a[href]").count()
    assert links >= 1
    reached = set()
    for _ in range(3 * links + 5):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.getAttribute('href')"))
    hrefs = page.locator("a[href]").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert set(hrefs) <= reached
    first = page.locator("a[href]").first
    first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: not re.search(rf"/cdi/{path}$", url))


def test_each_published_part_opens_without_an_error(browser: Browser, ui: Ui) -> None:
    page = logged_in(browser, ui.client.url, ui.password)
    problems = watched(page)
    pages = [part for part in parts.PARTS if part.link.endswith(".html")]
    assert len(pages) == 9  # a run through Airflow publishes all, the optional documentation too
    for part in pages:
        answer = page.goto(f"{ui.client.url}/cdi/simulated/{part.link}")
        assert answer is not None
        assert answer.ok, part.path
        page.wait_for_timeout(500)
        assert len(page.inner_text("body")) > 200
        if part.path != "dbt_docs.html":  # not ours: its own icons have bad addresses
            assert problems == [], part.path  # a breach of the content policy is one
        problems.clear()
    page.goto(f"{ui.client.url}/cdi/simulated/docs/index.html")
    search_docs(page, "tombstone")
    assert problems == []
    page.close()
