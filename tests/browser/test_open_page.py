"""The page of the open extract in Chromium: alone, as wide as the screen, accessible."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.conftest import SIZES, watched
from tests.unit.open_extract.test_blocks import FIRST, crimes, sexual
from tests.unit.open_extract.test_folder import CONTACT, release

WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A release with counts, an audit and a contact, and one before the first quarter."""
    home = tmp_path_factory.mktemp("open")
    rows = crimes(FIRST) + sexual(60, 9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDI_HOME", str(home / "state"))
        full = release(home, "full", rows, date(2017, 5, 2), contact=CONTACT, is_audited=True)
        yield {"full": full, "empty": release(home, "empty", rows, date(2017, 4, 2))}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["full", "empty"])
def test_the_open_page_stands_alone_fits_and_is_accessible(
    browser: Browser, folders: dict[str, Path], shots: Path, name: str, size: str
) -> None:
    page = browser.new_page(viewport=SIZES[size])  # type: ignore[arg-type]
    problems = watched(page)
    file = folders[name] / "index.html"
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    page.screenshot(path=shots / f"open-{name}-{size}.png", full_page=True)
    assert asked == [file.as_uri()]
    assert page.locator("h2").first.inner_text() == "What you can learn"
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
    for table in page.locator(".figures").all():  # no figure is outside the screen
        assert table.evaluate("box => box.scrollWidth <= box.clientWidth")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG_22_AA}})
    assert len(found.response["passes"]) > 10
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found.response["violations"]] == []
    assert problems == []
    page.close()


def test_a_reader_downloads_a_table_from_the_page(
    browser: Browser, folders: dict[str, Path], tmp_path: Path
) -> None:
    page = browser.new_page()
    page.goto((folders["full"] / "index.html").as_uri())
    page.get_by_role("link", name="How long it took until a reported crime was recorded").click()
    assert page.url.endswith("#time_to_record")
    with page.expect_download() as download:
        page.get_by_role("link", name="time_to_record.csv").click()
    download.value.save_as(tmp_path / "table.csv")
    original = (folders["full"] / "time_to_record.csv").read_bytes()
    assert (tmp_path / "table.csv").read_bytes() == original
    page.close()
