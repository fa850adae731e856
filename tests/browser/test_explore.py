"""The page "Explore" in Chromium: its filters, its address, its CSV, and that it asks nobody."""

import csv
import io
import json
import threading
from collections.abc import Iterator
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from cdi.report.explore import render_explore_page, write_script_policy
from tests.browser.conftest import SIZES, watched

WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RELEASE = {
    "agency_name": "Testville (SIMULATED)", "as_of": datetime(2017, 6, 30, 23),
    "timezone": "Europe/London",
    "is_simulated": True, "ruleset_version": "2026.5",
}  # fmt: skip
PLANTED = '</script><b id="planted">'
FORMULA = '=1+"1"'
GROUPS = {
    "burglary": ("Burglary", 4, True), "theft": ("Theft", 6, True), "fraud": ("Fraud", 12, False),
}  # fmt: skip
# district, offence group, month, outcome, whether in the frame, crimes
COUNTED = (
    ("North", "burglary", 5, "recorded", True, 1000),
    ("North", "burglary", 6, "unrecorded", True, 200),
    ("North", "theft", 6, "recorded", False, 40),
    ("North", "fraud", 6, "recorded", True, 7),
    (FORMULA, "theft", 5, "recorded", True, 3),
    (PLANTED, "theft", 2, "unrecorded", True, 1),
    ("unknown", "theft", 6, "too_recent", True, 10),
)


def rendered() -> str:
    """The page of these counts."""
    rows = [
        {
            "district": district, "offence_group": offence,
            "reported_month_on": date(2017, month, 1), "outcome": outcome,
            "is_in_frame": is_in_frame, "crime_count": count,
        }
        | dict(
            zip(("offence_group_name", "sort_order", "is_headline"), GROUPS[offence], strict=True)
        )
        for district, offence, month, outcome, is_in_frame, count in COUNTED
    ]  # fmt: skip
    return render_explore_page(rows, RELEASE, "testville", "v1")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page as a file."""
    file = tmp_path_factory.mktemp("explore") / "explore.html"
    file.write_text(rendered(), encoding="utf-8")
    return file


@pytest.fixture(params=SIZES)
def page(request: pytest.FixtureRequest, browser: Browser, file: Path) -> Iterator[Page]:
    """The page at each size; nothing may go wrong on it, and nobody may be asked."""
    opened = browser.new_page(viewport=SIZES[request.param])
    problems = watched(opened)
    opened.goto(file.as_uri())
    yield opened
    assert problems == []
    assert opened.locator("#planted").count() == 0
    opened.close()


def said(page: Page) -> tuple[str, str]:
    """What the live region says: the count and the base."""
    return page.inner_text("#count"), page.inner_text("#base")


def wait_for_count(page: Page, count: str) -> None:
    """Wait for a count: the page hears of a new address a moment later."""
    expect(page.locator("#count")).to_have_text(count)


def bars(page: Page, breakdown: str) -> dict[str, tuple[str, float]]:
    """The rows of a table: the count, and how long the bar beside it is, in percent."""
    return {
        row.locator("th").inner_text(): (
            row.locator("td.n").inner_text(),
            round(float((row.locator("rect").get_attribute("width") or "").removesuffix("%")), 2),
        )
        for row in page.locator(f"#by-{breakdown} tbody tr").all()
    }


def choose(page: Page, **values: str) -> None:
    """Choose in the filters, which the address then keeps."""
    for name, value in values.items():
        page.select_option(f"#{name}", value)
        assert f"{name}={value}" in page.url


def test_before_a_filter_the_page_shows_the_base_of_the_report(page: Page) -> None:
    assert page.locator("[role=status] #count, [role=status] #base").count() == 2
    assert said(page) == (
        "1,214 reported crimes",  # 1000 + 200 + 3 + 1 + 10
        "Base: reported crimes in crime-coded logs, standard ruleset; fraud left out.",
    )
    assert bars(page, "district") == {
        "North": ("1,200", 100), FORMULA: ("3", 0.25), "unknown": ("10", 0.83),
        PLANTED: ("1", 0.08),
    }  # fmt: skip
    assert list(bars(page, "month")) == ["February 2017", "May 2017", "June 2017"]
    assert list(bars(page, "offence")) == ["Burglary", "Theft"]
    assert page.locator("tfoot:visible td.n").all_inner_texts() == ["1,214"] * 4
    assert page.locator("caption:visible").all_inner_texts() == [
        f"SIMULATED: Reported crimes by {name}"
        for name in ("district", "offence group", "month", "outcome")
    ]
    assert not page.locator("#without-script").is_visible()
    assert not page.locator("#none").is_visible()


def test_filters_count_and_stand_in_the_address(page: Page, browser: Browser) -> None:
    choose(page, district="North", month="2017-06")
    wait_for_count(page, "200 reported crimes")
    choose(page, logs="all")
    assert said(page) == (
        "240 reported crimes",
        "Base: reported crimes in all logs, standard ruleset; fraud left out; "
        "district: North; month: June 2017.",
    )
    assert bars(page, "outcome") == {"Suspected missed": ("200", 100), "Recorded": ("40", 20)}
    again = browser.new_page()
    again.goto(page.url)
    assert said(again) == said(page)
    assert again.locator("#district").input_value() == "North"
    again.close()
    page.go_back()
    wait_for_count(page, "200 reported crimes")
    assert page.locator("#logs").input_value() == "frame"
    page.go_back()
    page.go_back()
    wait_for_count(page, "1,214 reported crimes")
    page.go_forward()
    wait_for_count(page, "1,200 reported crimes")
    page.get_by_role("link", name="Clear the filters").click()
    wait_for_count(page, "1,214 reported crimes")


def test_fraud_counts_only_where_it_is_asked_for(page: Page) -> None:
    choose(page, offence="fraud")
    assert said(page) == (
        "7 reported crimes",
        "Base: reported crimes in crime-coded logs, standard ruleset; offence group: Fraud.",
    )


def test_a_name_is_chosen_by_keyboard_and_taken_back(page: Page) -> None:
    link = page.locator("#by-district").get_by_role("link", name=PLANTED)
    link.focus()
    page.keyboard.press("Enter")
    wait_for_count(page, "1 reported crime")
    assert page.locator("#district").input_value() == PLANTED
    assert page.evaluate("document.activeElement.textContent") == f"{PLANTED}: show all"
    page.keyboard.press("Enter")
    wait_for_count(page, "1,214 reported crimes")
    assert page.locator("#district").input_value() == ""
    # the link that skips the header leaves the filters as they are
    choose(page, outcome="unrecorded")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("location.hash.includes('outcome=unrecorded')")
    assert page.evaluate("document.activeElement.id") == "main"
    wait_for_count(page, "201 reported crimes")


def test_an_address_that_is_not_understood_filters_nothing(page: Page) -> None:
    page.goto(f"{page.url}#district=Nowhere&offence=%3Cb%3E&logs=x&__proto__=y&month")
    wait_for_count(page, "1,214 reported crimes")
    page.goto(f"{page.url.partition('#')[0]}#district=North&month=2017-02")
    wait_for_count(page, "0 reported crimes")
    assert page.locator("#none").is_visible()
    assert bars(page, "district") == {}


def read_csv(page: Page) -> tuple[str, bytes]:
    """The name and the content of the CSV that the page saves."""
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV of what is shown").click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_the_csv_has_what_is_shown(page: Page) -> None:
    choose(page, offence="theft", logs="all")
    name, content = read_csv(page)
    assert name == "testville-explore.csv"
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.endswith(b"\r\n")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert sum(int(row["crime_count"]) for row in rows) == 54 == int(said(page)[0].split()[0])
    assert [(row["district"], row["crime_count"], row["is_in_frame"]) for row in rows] == [
        ("North", "40", "false"), (f"'{FORMULA}", "3", "true"), (PLANTED, "1", "true"),
        ("unknown", "10", "true"),
    ]  # fmt: skip
    assert rows[0] == {
        "district": "North", "offence_group": "theft", "offence_group_name": "Theft",
        "reported_month_on": "2017-06-01", "outcome": "recorded", "is_in_frame": "false",
        "crime_count": "40", "version": "v1", "data": "SIMULATED",
    }  # fmt: skip


def test_the_page_is_accessible_and_fits(page: Page) -> None:
    for hash_ in ("", "#logs=all&district=North", "#logs=frame&district=North&month=2017-02"):
        page.goto(page.url.partition("#")[0] + hash_)
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG_22_AA}})
        assert [rule["id"] for rule in found.response["violations"]] == []
        assert len(found.response["passes"]) > 10
    width = (page.viewport_size or {})["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_prints_its_counts_and_no_filters(page: Page) -> None:
    choose(page, district="North")
    page.emulate_media(media="print")
    assert page.locator("#count").is_visible()
    assert page.locator("#by-month svg").first.is_visible()
    assert not page.locator("#district").is_visible()
    assert not page.get_by_role("button").first.is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_without_javascript_it_shows_the_totals_and_says_so(browser: Browser, file: Path) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(file.as_uri())
    assert page.get_by_text("The filters need JavaScript").is_visible()
    assert page.locator("#without-script tfoot td").all_inner_texts() == ["1,214", "1,254"]
    assert page.locator("select:visible, #csv:visible").count() == 0
    page.close()


@pytest.fixture
def served(file: Path) -> Iterator[tuple[str, list[str]]]:
    """The page from a server with the plugin's policy; and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Give the page, whatever is asked for."""
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            policy = f"default-src 'none'; style-src 'unsafe-inline'; {write_script_policy()}"
            self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(file.read_bytes())

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/cdi/testville/explore.html", asked
        server.shutdown()


def test_it_leads_to_the_desk_with_the_filters_that_the_desk_has(
    browser: Browser, served: tuple[str, list[str]]
) -> None:
    url, asked = served
    page = browser.new_page()
    problems = watched(page)
    page.goto(url)
    desk = page.locator("#desk")
    assert desk.is_visible()
    assert desk.get_attribute("href") == "../desk/testville/?"
    choose(page, district="North", offence="theft", month="2017-02", outcome="unrecorded")
    query = "district=North&offence=theft&since=2017-02-01&until=2017-02-28"
    assert desk.get_attribute("href") == f"../desk/testville/?{query}"
    choose(page, district="unknown")
    assert "district" not in (desk.get_attribute("href") or "")
    read_csv(page)
    assert page.locator("a[href='worklist/index.html']").is_visible()
    assert asked == ["/cdi/testville/explore.html"]  # and nothing since
    desk.click()
    assert asked[1:] == ["/cdi/desk/testville/?offence=theft&since=2017-02-01&until=2017-02-28"]
    assert problems == []
    page.close()


def test_a_script_that_was_planted_or_changed_does_not_run(
    browser: Browser, tmp_path: Path
) -> None:
    page = browser.new_page()
    refused: list[str] = []
    page.on("console", lambda m: refused.append(m.text) if m.type == "error" else None)
    file = tmp_path / "explore.html"
    planted = "<script>window.planted = 1</script><img src=x onerror='window.planted = 2'>"
    content = rendered().replace("</main>", f"{planted}</main>")
    file.write_text(content, encoding="utf-8")
    page.goto(file.as_uri())
    assert page.evaluate("window.planted") is None
    wait_for_count(page, "1,214 reported crimes")
    assert len(refused) >= 2
    file.write_text(content.replace('"use strict";', "'use strict';"), encoding="utf-8")
    page.goto(file.as_uri())
    assert page.get_by_text("The filters need JavaScript").is_visible()
    page.close()


def test_the_counts_of_a_version_are_those_of_its_file(browser: Browser, published: Path) -> None:
    with duckdb.connect(str(published / "recording.duckdb"), read_only=True) as con:
        expected = con.execute(
            "select offence_group, count(*) from fct_reported_crimes where outcome = 'unrecorded' "
            "and is_in_frame and offence_group <> 'fraud' group by all"
        ).fetchall()
    page = browser.new_page()
    problems = watched(page)
    page.goto(f"{(published / 'explore.html').as_uri()}#outcome=unrecorded")
    names = json.loads(
        page.evaluate("JSON.stringify([...document.querySelectorAll('#offence option')].map("
                      "o => [o.value, o.text]))")
    )  # fmt: skip
    found = {name: count for name, (count, _) in bars(page, "offence").items()}
    assert found == {dict(names)[code]: f"{count:,}" for code, count in expected}
    assert len(found) > 5
    assert problems == []
    page.close()
