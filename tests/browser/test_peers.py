"""The page of `cdi peers` in Chromium: alone, as wide as the screen, accessible."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from cdi.report.peers import compare_agencies, render_peers_page

WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def released(name: str, rate: float | None, *, is_simulated: bool) -> dict[str, Any]:
    """What an agency has released, as `peers.read` gives it."""
    return {
        "agency": name, "agency_name": name, "is_simulated": is_simulated, "rate": rate,
        "withheld_reason": None if rate else "no quarter is released yet",
        "first_quarter": "2016-Q2" if rate else None, "last_quarter": "2017-Q1" if rate else None,
        "due_count": 5000 if rate else None, "effective_count": 4000.0 if rate else None,
    }  # fmt: skip


MOMENT = datetime(2017, 10, 2, 6, tzinfo=UTC)
# As the table `reporting` and trend.sql of `cdi.national` give it.
REPORTING = [
    {"agency": f"force{at}", "state": state, "as_of": moment, "sent_at": moment, "problem": problem}
    for at, (state, moment, problem) in enumerate(
        (
            ("reported", MOMENT, None),
            ("late", MOMENT, "its newest data are older than 10 days"),
            ("silent", None, "nothing was sent yet"),
        )
    )
]
TREND = [
    {
        "is_simulated": is_simulated, "quarter": "2017-Q1", "agency_count": 6, "due_count": 30_000,
        "recorded_count": 24_000, "rate": 0.8,
    }
    for is_simulated in (False, True)
]  # fmt: skip


@pytest.mark.parametrize("width", [1280, 390])
def test_the_funnel_of_peers_stands_alone_and_is_accessible(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    rates = (0.80, 0.81, 0.79, 0.805, 0.795, 0.60, None)
    found = [
        released(f"{'simulated' if kind else 'force'}{at}", rate, is_simulated=kind)
        for kind in (False, True)
        for at, rate in enumerate(rates)
    ]
    file = tmp_path / "peers.html"
    rendered = render_peers_page(compare_agencies(found), REPORTING, TREND)
    file.write_text(rendered, encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: asked.append(message.text))
    page.goto(file.as_uri())
    assert asked == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("tbody").first.locator("th").all_inner_texts() == [
        "force1", "force2", "force0"
    ]  # fmt: skip
    told = "1 of 3 agencies have reported in time, 1 late. 1 is left out of the figures below."
    assert told in page.inner_text("main")
    assert page.get_by_text("24,000").count() == 2
    real, made_up = page.locator("figure svg[role=img]").all()
    assert "SIMULATED" not in (real.text_content() or "")
    assert "SIMULATED" in (made_up.text_content() or "")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    checked = Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG_22_AA}})
    assert len(checked.response["passes"]) > 10
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in checked.response["violations"]] == []
    page.screenshot(path=tmp_path / "peers.png", full_page=True)
    page.close()


def test_a_nation_reads_its_figures_before_the_list_of_who_has_reported(
    browser: Browser, tmp_path: Path
) -> None:
    """Of twelve agencies the one that is left out is named, and the others are folded away."""
    first = REPORTING[0] | {"state": "reported", "problem": None}
    rows = [first | {"agency": f"force{number}"} for number in range(11)]
    rows.append(first | {"agency": "force11", "state": "withdrawn", "problem": "a code map"})
    file = tmp_path / "peers.html"
    file.write_text(render_peers_page([], rows), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    seen = page.inner_text("main")
    assert "11 of 12 agencies have reported in time. 1 is left out of the figures below." in seen
    assert "a code map" in seen
    assert "force7" not in seen
    page.get_by_text("The 11 whose figures are below").click()
    assert "force7" in page.inner_text("main")
    page.close()
