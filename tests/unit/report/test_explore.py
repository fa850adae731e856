"""The page "Explore": what is in it, that nothing planted in it runs, and which script may."""

import base64
import hashlib
import json
import re
from datetime import date, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from cdi.report.explore import read_script, render_explore_page, write_script_policy

RELEASE = {
    "agency_name": "Testville",
    "as_of": datetime(2017, 6, 30, 23),
    "timezone": "Europe/London",
    "is_simulated": True,
    "ruleset_version": "2026.5",
}
PLANTED = '</script><b id="planted">& "it\'s"'


def counted(
    district: str, offence: str, outcome: str, count: int, **changes: Any
) -> dict[str, Any]:
    """A row of the query ``explored_counts``."""
    orders = {"burglary": 4, "theft": 6, "fraud": 12}
    return {
        "district": district, "offence_group": offence, "offence_group_name": offence.capitalize(),
        "sort_order": orders[offence], "is_headline": offence != "fraud",
        "reported_month_on": date(2017, 6, 1), "outcome": outcome, "is_in_frame": True,
        "crime_count": count,
    } | changes  # fmt: skip


ROWS = [
    counted("North", "burglary", "recorded", 40),
    counted("North", "burglary", "unrecorded", 7, reported_month_on=date(2017, 5, 1)),
    counted(PLANTED, "theft", "justified", 5),
    counted(PLANTED, "theft", "recorded", 3, is_in_frame=False),
    counted("North", "fraud", "recorded", 900),
]


class Scripts(HTMLParser):
    """The scripts of a page, as a browser finds them, by their type; and ids of all elements."""

    def __init__(self, page: str) -> None:
        """Read the page."""
        super().__init__()
        self.found: dict[str, str] = {}
        self.ids: list[str | None] = []
        self.policy = ""
        self._type: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what kind of script begins."""
        given = dict(attrs)
        self.ids.append(given.get("id"))
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""
        if tag == "script":
            self._type = given.get("type") or "script"
            assert self._type not in self.found
            assert "src" not in given
            self.found[self._type] = ""

    def handle_endtag(self, tag: str) -> None:
        """Note that it ends."""
        if tag == "script":
            self._type = None

    def handle_data(self, data: str) -> None:
        """Keep what is in it."""
        if self._type:
            self.found[self._type] += data


@pytest.fixture
def page() -> str:
    """The page of some rows, one of which has a district that tries to end the script."""
    return render_explore_page(ROWS, RELEASE, "testville", "v1")


def test_the_policy_allows_the_one_script_of_the_page_by_its_hash(page: str) -> None:
    scripts = Scripts(page)
    assert set(scripts.found) == {"application/json", "script"}
    digest = hashlib.sha256(scripts.found["script"].encode()).digest()
    allowed = f"script-src 'sha256-{base64.b64encode(digest).decode()}'"
    parts = scripts.policy.split("; ")
    assert allowed in parts
    assert {"default-src 'none'", "connect-src 'none'", "form-action 'none'"} <= set(parts)
    assert [part for part in parts if "unsafe" in part] == ["style-src 'unsafe-inline'"]
    assert write_script_policy() == f"{allowed}; connect-src 'none'"
    # before anything that could be planted
    assert page.index("Content-Security-Policy") < page.index("<title>")


def test_what_is_planted_in_a_name_is_text(page: str) -> None:
    scripts = Scripts(page)
    assert "planted" not in scripts.ids
    assert "<b id=" not in page
    evil = [row | {"offence_group_name": PLANTED} for row in ROWS]
    release = RELEASE | {"agency_name": PLANTED, "ruleset_version": PLANTED}
    scripts = Scripts(render_explore_page(evil, release, PLANTED, PLANTED))
    assert "planted" not in scripts.ids
    cube = json.loads(scripts.found["application/json"])
    assert cube["version"] == PLANTED
    assert cube["desk"] == f"../desk/{PLANTED}/"
    assert scripts.found["script"] == read_script()


def test_the_script_writes_no_html_and_sends_nothing() -> None:
    script = read_script()
    for word in (
        "innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function(", "fetch",
        "XMLHttpRequest", "WebSocket", "EventSource", "sendBeacon", "import", "postMessage",
        "localStorage", "cookie", "</script", "<!--",
    ):  # fmt: skip
        assert word not in script
    assert "http" not in script.replace("http://www.w3.org/2000/svg", "").replace(
        'location.protocol.startsWith("http")', ""
    )


def test_the_header_has_the_time_of_the_agency_and_names_the_zone_once(page: str) -> None:
    header = page.partition("<header>")[2].partition("</header>")[0]
    assert (
        "data as of 1 July 2017, midnight (times of Europe/London)" in header
    )  # 23:00 UTC in summer
    assert "UTC" not in header


def test_the_counts_of_the_page_are_those_of_the_rows(page: str) -> None:
    cube = json.loads(Scripts(page).found["application/json"])
    # places in the lists of districts, offence groups, months and outcomes; in the frame; count
    assert cube["cells"] == [
        [1, 0, 1, 2, 1, 40],
        [1, 0, 0, 1, 1, 7],
        [0, 1, 1, 0, 1, 5],
        [0, 1, 1, 2, 0, 3],
        [1, 2, 1, 2, 1, 900],
    ]
    assert cube["kept_apart"] == [2]
    assert cube["data"] == "SIMULATED"
    months = re.findall(r'<option value="(2017-\d\d)">(.*?)</option>', page)
    assert months == [("2017-05", "May 2017"), ("2017-06", "June 2017")]


def test_without_its_script_the_page_shows_totals_without_fraud_and_says_so(page: str) -> None:
    before, hidden = page.split('<div id="with-script" hidden>')
    assert "<select" not in before
    assert "The filters need JavaScript" in before
    assert '<strong id="count">52 reported crimes</strong>' in before  # 40 + 7 + 5
    assert "crime-coded logs, standard ruleset; fraud left out." in before
    totals = dict(
        re.findall(
            r'<th scope="row">([^<]*)</th>(<td class="n">\d+</td><td class="n">\d+</td>)', before
        )
    )
    assert {name: re.findall(r"\d+", cells) for name, cells in totals.items()} == {
        "No record needed": ["5", "5"], "Still in time": ["0", "0"],
        "Cannot be judged": ["0", "0"], "Suspected missed": ["7", "7"],
        "Wrongly cancelled": ["0", "0"],
        "Recorded": ["40", "43"], "Reported crimes": ["52", "55"],
    }  # fmt: skip
    assert "worklist/index.html" in hidden


def test_a_version_without_crime_has_a_page_too() -> None:
    page = render_explore_page([], RELEASE | {"is_simulated": False}, "testville", "v1")
    assert "0 reported crimes" in page
    assert "SIMULATED" not in page
