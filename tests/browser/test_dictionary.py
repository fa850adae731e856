"""The dictionary, and dbt's docs, as files opened in a browser."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.conftest import SIZES, watched

WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.fixture(scope="module")
def folder(ran_once: Path) -> Path:
    """The current version's folder of a small agency."""
    return ran_once / "published" / "testville" / "current"


@pytest.mark.parametrize("size", SIZES)
def test_the_dictionary_stands_alone_and_is_accessible(
    browser: Browser, folder: Path, size: str
) -> None:
    page = browser.new_page(viewport=SIZES[size])  # type: ignore[arg-type]
    problems = watched(page)
    page.goto((folder / "dictionary.html").as_uri())
    expect(page.get_by_role("heading", name="fct_reported_crimes", exact=True)).to_be_visible()
    page.get_by_role("link", name="weekly_rates", exact=True).first.click()
    expect(page.get_by_role("heading", name="weekly_rates", exact=True)).to_be_in_viewport()
    found = Axe().run(page, options=WCAG)
    assert found.violations_count == 0, found.generate_report()
    assert problems == []
    page.close()


def test_dbts_docs_open_at_a_model_and_ask_no_other_host(browser: Browser, folder: Path) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{(folder / 'dbt_docs.html').as_uri()}#!/model/model.cdi.recording_rate")
    expect(page.get_by_text("Share of reported crime that was recorded")).to_be_visible()
    assert asked
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    page.close()
