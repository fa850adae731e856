"""Report and validation page in Chromium: they stand alone, fit a phone and show the figures."""

import duckdb
import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import SIZES, Ui, watched


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["report", "validation"])
def test_a_page_stands_alone_and_fits(browser: Browser, ui: Ui, name: str, size: str) -> None:
    page = browser.new_page(viewport=SIZES[size])
    problems = watched(page)
    page.goto((ui.home / "published" / "simulated" / "current" / f"{name}.html").as_uri())
    page.screenshot(path=ui.shots / f"{name}-{size}.png", full_page=True)
    assert problems == []
    assert page.locator("h1").count() == 1
    assert page.locator("tbody tr").count() > 5
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= SIZES[size]["width"]  # wide tables scroll in their own box
    assert page.locator(".simulated").inner_text() == "SIMULATED"
    page.close()


def test_the_report_shows_the_published_figures(browser: Browser, ui: Ui) -> None:
    folder = ui.home / "published" / "simulated" / "current"
    with duckdb.connect(str(folder / "recording.duckdb"), read_only=True) as con:
        row = con.execute(
            "select recorded_count, recording_rate from recording_rate where breakdown = 'total' "
            "and offence_group = 'all' and universe = 'frame' and ruleset = 'standard'"
        ).fetchone()
    assert row is not None
    page = browser.new_page()
    page.goto((folder / "report.html").as_uri())
    headline = page.locator(".headline").inner_text()
    assert f"{row[0]:,} ({100 * row[1]:.1f}%)" in headline
    assert "not an audited rate" in page.inner_text("main")
    page.close()
