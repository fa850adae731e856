"""The pages of a version in Chromium: they stand alone, fit, are accessible, and print."""

import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from pypdf import PdfReader

from tests.browser.conftest import SIZES, watched
from tests.number_contract import find_differences, find_problems, read_figures

WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PAPER = 687  # CSS pixels between the margins of A4: 210 mm less 2 x 14 mm
NARROWEST = 320  # WCAG 1.4.10: no scrolling sideways at this width
PAGES = (
    *("report.html", "explore.html", "worklist/index.html", "worklist/logs", "matching.html"),
    "validation.html",
)
# The only page with a script: its counts, as JSON, and what filters them (`test_explore.py`).
SCRIPTS = {"explore": 2}
SECTIONS = (
    "Main points", "Things you need to know", "Is it getting better?", "Where crimes are lost",
    "Why crimes were missed", "By offence group", "By week", "By district", "How soon it is",
    "Service given to vulnerable victims", "Cancellations and N100", "Actions",
    "Other ways of counting", "Data quality", "For analysts",
)  # fmt: skip
# what is on the screen and takes the keyboard: of radio buttons with one name the chosen one
FOCUSABLE = """
() => [...document.querySelectorAll(
    'a[href], summary, [tabindex="0"], input, select, button')].filter(
    e => e.checkVisibility() && !e.closest('details:not([open]) > :not(summary)')
        && (e.type !== 'radio' || e.checked))
"""


def path_of(published: Path, name: str) -> Path:
    """A page; of the logs the first."""
    return min((published / name).iterdir()) if name.endswith("logs") else published / name


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> str:
    """Name of a size of the screen."""
    return str(request.param)


@pytest.fixture(params=PAGES)
def page(
    request: pytest.FixtureRequest, browser: Browser, published: Path, size: str
) -> Iterator[Page]:
    """Each page at each size, with what went wrong in `problems`."""
    opened = browser.new_page(viewport=SIZES[size])
    problems = watched(opened)
    opened.goto(path_of(published, request.param).as_uri())
    yield opened
    assert problems == []
    opened.close()


def test_a_page_stands_alone_and_fits(page: Page, size: str, shots: Path) -> None:
    name = re.sub(r"[^a-z]+", "-", Path(page.url.partition("#")[0]).stem.lower()).strip("-")
    page.screenshot(path=shots / f"{name}-{size}.png", full_page=True)
    assert page.locator("h1").count() == 1
    assert page.locator(".simulated").inner_text() == "SIMULATED"
    assert page.locator("script").count() == SCRIPTS.get(name, 0)
    assert page.locator("iframe, link[rel=stylesheet], img[src^=http]").count() == 0
    # wide tables scroll in their own box
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
    page.set_viewport_size({"width": NARROWEST, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROWEST


@pytest.mark.parametrize("size", ["desktop"], indirect=True)  # the paper has a size of its own
def test_paper_cuts_nothing_off(page: Page) -> None:
    page.emulate_media(media="print")
    page.set_viewport_size({"width": PAPER, "height": 900})
    # Chromium makes the whole page small for a single table that is wider than the paper.
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER
    boxes = page.locator("details > :nth-child(2)")
    heights = boxes.evaluate_all("all => all.map(box => box.getBoundingClientRect().height)")
    assert all(heights), "a closed box is printed with what is in it"


def test_a_page_has_no_violation_of_wcag_22_aa(page: Page) -> None:
    # a closed part is checked as well
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG_22_AA}})
    assert len(found.response["passes"]) > 10
    assert [
        (rule["id"], [node["html"][:200] for node in rule["nodes"]])
        for rule in found.response["violations"]
    ] == []


def test_everything_is_reached_by_keyboard(page: Page) -> None:
    count = page.evaluate(f"({FOCUSABLE})().length")
    assert count > 2
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(count + 2):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(f"({FOCUSABLE})().indexOf(document.activeElement)"))
    assert set(range(count)) - reached == set()
    summary = page.locator("summary").first
    if summary.count():
        summary.focus()
        page.keyboard.press("Enter")
        assert page.locator("details").first.get_attribute("open") is not None


def test_the_report_shows_the_published_figures(browser: Browser, published: Path) -> None:
    with duckdb.connect(str(published / "recording.duckdb"), read_only=True) as con:
        row = con.execute(
            "select recorded_count, recording_rate from recording_rate where breakdown = 'total' "
            "and offence_group = 'all' and universe = 'frame' and ruleset = 'standard'"
        ).fetchone()
    assert row is not None
    page = browser.new_page()
    page.goto((published / "report.html").as_uri())
    headline = page.locator(".headline").inner_text()
    assert f"our best estimate is {100 * row[1]:.1f}%, {row[0]:,} of the" in headline
    assert "an estimate, not audited" in page.inner_text("main")
    charts = page.locator("figure svg[role=img]")
    assert charts.count() >= 4
    for chart in charts.all():
        assert (chart.get_attribute("aria-label") or "").startswith("SIMULATED")
        assert "SIMULATED" in (chart.text_content() or "")
    page.close()


def test_the_report_names_no_log(published: Path) -> None:
    with duckdb.connect(str(published / "recording.duckdb"), read_only=True) as con:
        calls = [row[0] for row in con.execute("select call_id from fct_calls").fetchall()]
    assert len(calls) > 1_000
    for name in ("report.html", "explore.html", "matching.html", "validation.html"):
        text = (published / name).read_text(encoding="utf-8")
        assert not set(re.findall(r"NMP-\d{8}-\d{4}", text)) & set(calls)


def test_the_worklist_is_filtered_without_a_script(browser: Browser, published: Path) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto((published / "worklist" / "index.html").as_uri())
    page.get_by_label("all", exact=True).last.check()
    rows = page.locator("ol.logs li")
    graver = page.locator("ol.logs li[data-severity=domestic_abuse]")
    assert 0 < graver.count() < rows.count()
    assert all(row.is_visible() for row in rows.all())
    page.get_by_label("domestic abuse").check()
    seen = [row.get_attribute("data-severity") for row in rows.all() if row.is_visible()]
    assert seen == ["domestic_abuse"] * graver.count()
    page.locator("ol.logs li a:visible").first.click()
    assert page.url.partition("#")[0].endswith(".html") and "/logs/" in page.url
    assert page.locator("mark").count() > 0
    page.close()


def test_the_first_40_of_each_list_are_of_the_kind_that_is_chosen(
    browser: Browser, published: Path
) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto((published / "worklist" / "index.html").as_uri())
    rows = page.locator("ol.logs li").evaluate_all("all => all.map(row => ({...row.dataset}))")
    for name in ("severity", "sure"):
        labels = page.locator(f"label:has(input[name={name}])").all_text_contents()
        kinds = Counter(row[name].replace("_", " ") for row in rows)
        offered = [label.strip() for label in labels]
        assert offered[0] == "all"
        assert sorted(offered[1:]) == sorted(f"{kind} ({n:,})" for kind, n in kinds.items())
    severities, evidence = (sorted({row[fact] for row in rows}) for fact in ("severity", "sure"))
    seen = []
    for severity, sure in product(["any", *severities], ["any", *evidence]):
        page.locator(f"#severity-{severity}").check()
        page.locator(f"#sure-{sure}").check()
        fits = "li" + (f"[data-severity={severity}]" if severity != "any" else "")
        fits += f"[data-sure={sure}]" if sure != "any" else ""
        for chosen in page.locator("ol.logs").all():
            count = chosen.locator(fits).count()
            shown = chosen.locator("li:visible").count()
            assert shown == chosen.locator(f"{fits}:visible").count() == min(count, 40)
            said = chosen.evaluate("list => getComputedStyle(list, '::after').content")
            assert ("No log of this list" in said) == (count == 0)
            seen.append(count)
    assert max(seen) > 40 and min(seen) == 0
    page.close()


def test_the_report_prints_with_all_its_sections(browser: Browser, published: Path) -> None:
    page = browser.new_page()
    page.goto((published / "report.html").as_uri())
    page.emulate_media(media="print")
    for title in SECTIONS:
        assert page.locator("h2", has_text=title).first.is_visible(), title
    assert page.locator("details[open]").count() == 0
    # a part of a summary is for screen readers alone
    texts = page.locator("details:has(table) summary").evaluate_all(
        "all => all.map(box => { const seen = box.cloneNode(true); "
        "seen.querySelectorAll('.hidden').forEach(part => part.remove()); "
        "return seen.textContent })"
    )
    cells = page.locator("details tbody tr:last-child th").all_text_contents()
    printed = PdfReader(io.BytesIO(page.pdf(format="A4", print_background=True)))
    page.close()
    assert len(printed.pages) >= 2
    # The boxes are printed with what is in them; lines of a cell are wrapped.
    sheets = ["".join(sheet.extract_text().split()) for sheet in printed.pages]
    whole = unicodedata.normalize("NFKC", "".join(sheets))
    assert len(texts) > 10
    for text in (*texts, *cells):
        assert unicodedata.normalize("NFKC", "".join(text.split())) in whole, text
    # each sheet says SIMULATED
    assert all("SIMULATED" in sheet for sheet in sheets)


@pytest.mark.parametrize("name", ["report.html", "matching.html"])
def test_each_chart_says_its_key_values_beside_what_the_page_says(
    browser: Browser, published: Path, name: str
) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto((published / name).as_uri())
    charts = page.locator("figure").all()
    assert charts
    for chart in charts:
        label = chart.locator("svg").get_attribute("aria-label") or ""
        title = chart.locator("svg > title").text_content() or ""
        caption = chart.locator("figcaption p, figcaption:not(:has(p))").inner_text()
        before, caption, key_values = label.partition(caption.partition(" Table: ")[0])
        assert before.startswith(title) and caption, label
        assert re.search(r"\d", key_values), label
        assert not re.search(r"\b(orange|grey|blue|green|black|red)\b", label, re.IGNORECASE)
    page.close()


def test_each_chart_has_a_finding_and_a_csv(
    browser: Browser, published: Path, tmp_path: Path
) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto((published / "report.html").as_uri())
    charts = page.locator("figure")
    links = page.get_by_role("link", name="Download as CSV", include_hidden=True)
    assert charts.count() == links.count() >= 4
    for chart in charts.all():
        label = chart.locator("svg").get_attribute("aria-label") or ""
        title = chart.locator("h3").inner_text()
        assert label.startswith(f"SIMULATED. {title}")
    page.locator("details:has(a[download])").first.locator("summary").click()
    with page.expect_download() as download:
        links.first.click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.name.startswith("SIMULATED-simulated-") and file.suffix == ".csv"
    assert len(file.read_text(encoding="utf-8").splitlines()) > 1
    page.close()


def test_the_figures_of_the_report_are_in_a_list_with_their_queries(published: Path) -> None:
    page = (published / "report.html").read_text(encoding="utf-8")
    assert find_problems(page, read_figures(published)) == []
    assert find_differences(published) == []
