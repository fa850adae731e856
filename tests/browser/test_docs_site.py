"""The documentation of a version in Chromium: it finds words, asks nobody and is accessible."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SIZES, watched

WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# axe would read the style sheets again, which a browser refuses for files
RULES = {"runOnly": {"type": "tag", "values": WCAG_22_AA}, "preload": False}
# one with code and pictures, one with wide tables, and the first
PAGES = ("index.html", "chief-officer.html", "rules.html")


def search_docs(page: Page, word: str) -> None:
    """Look for a word on the site, and open the glossary from what was found."""
    # a button on a desktop, an icon on a phone
    ways = page.locator(".md-search__button, label[for=__search]")
    ways.locator("visible=true").first.click()
    page.get_by_role("combobox", name="Search").fill(word)
    page.get_by_role("option", name="Glossary").click()
    page.wait_for_url("**/glossary.html*")
    expect(page.get_by_role("article")).to_contain_text(word)


@pytest.mark.parametrize("size", SIZES)
def test_the_documentation_is_accessible_and_its_search_works_from_the_disk(
    browser: Browser, published: Path, shots: Path, size: str
) -> None:
    page = browser.new_page(viewport=SIZES[size])  # type: ignore[arg-type]
    problems = watched(page)
    for name in PAGES:
        page.goto((published / "docs" / name).as_uri())
        page.screenshot(path=shots / f"docs-{name.partition('.')[0]}-{size}.png")
        found = Axe().run(page, options=RULES)
        assert len(found.response["passes"]) > 10
        assert [
            (rule["id"], rule["nodes"][0]["html"]) for rule in found.response["violations"]
        ] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
    search_docs(page, "tombstone")
    assert problems == []
    page.close()
