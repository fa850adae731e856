"""The sample site is whole: each link leads to a file of it, and no page asks another host."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from cdi import paths
from cdi.errors import CdiError
from cdi.files import write_json
from cdi_proofs.sample_site import make_sample_site
from tests.conftest import SmallAgency

NOT_OURS = "dbt_docs.html"  # dbt writes it; the policy in its head forbids each request
REQUESTED = {"src", "srcset", "poster", "data", "background", "action", "formaction"}


class Page(HTMLParser):
    """Collects where a page leads, what it makes a browser request, and the places in it."""

    def __init__(self, text: str) -> None:
        """Read the page."""
        super().__init__()
        self.links: list[str] = []
        self.requests: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the addresses of an element."""
        for name, value in attrs:
            if name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in REQUESTED or name == "href":
                self.requests.append(value or "")
            elif name == "id":
                self.places.add(value or "")

    def handle_data(self, data: str) -> None:
        """Styles may name files too."""
        if "@import" in data or "url(http" in data:
            self.requests.append(data)


def problems_of(site: Path) -> list[str]:
    """Links that lead nowhere or out of the folder, and requests to another host."""
    read = {
        file.resolve(): Page(file.read_text(encoding="utf-8"))
        for file in site.rglob("*.html")
        if file.name != NOT_OURS
    }
    problems = []
    for file, page in read.items():
        for link in page.links:
            address = urlsplit(link)
            if address.scheme in ("https", "mailto", "data"):  # nothing is fetched before a click
                continue
            target = (file.parent / unquote(address.path)).resolve() if address.path else file
            if address.path.endswith("/"):
                target /= "index.html"
            is_there = target.is_file() and target.is_relative_to(site.resolve())
            place = unquote(address.fragment)
            if "=" in place:  # filters of the page Explore, which its script reads
                place = ""
            if not is_there or (place and target in read and place not in read[target].places):
                problems.append(f"{file.relative_to(site.resolve())}: {link}")
        problems += [
            f"{file.relative_to(site.resolve())} requests {request}"
            for request in page.requests
            if not request.startswith(("#", "data:")) and not is_of_site(site, file, request)
        ]
    return problems


def is_of_site(site: Path, file: Path, request: str) -> bool:
    """Whether a page requests a file of the site, as the documentation does."""
    address = urlsplit(request)
    asked = (file.parent / unquote(address.path)).resolve()
    return not address.netloc and asked.is_file() and asked.is_relative_to(site.resolve())


def test_each_link_of_the_site_resolves_and_nothing_is_requested(ran: SmallAgency) -> None:
    names = ["One Police (SIMULATED)", "Two Police (SIMULATED)"]
    write_json(paths.home() / "peers.json", [{"agency": n, "is_simulated": True} for n in names])
    (paths.home() / "peers.html").write_text("<p>Peers</p>", encoding="utf-8")
    site = make_sample_site("testville")
    assert problems_of(site) == []
    index = (site / "index.html").read_text(encoding="utf-8")
    assert "SIMULATED" in index and "invented" in index
    links = Page(index).links
    for part in ("report.html", "explore.html", "worklist/index.html", "open/index.html"):
        assert f"testville/{part}" in links
    assert {"peers.html", "desk/testville/index.html"} <= {*links}
    assert list((site / "testville" / "worklist" / "logs").glob("*.html"))
    assert not list(site.rglob("recording.duckdb"))
    assert all(file.stat().st_mode & 0o044 == 0o044 for file in site.rglob("*"))

    log = next((site / "testville" / "worklist" / "logs").glob("*.html"))
    log.write_text('<img src="https://elsewhere.invalid/x.png"><a href="gone.html">x</a>')
    name = f"testville/worklist/logs/{log.name}"
    assert f"{name}: gone.html" in problems_of(site)
    assert f"{name} requests https://elsewhere.invalid/x.png" in problems_of(site)


def test_the_site_takes_nothing_that_is_real(
    ran: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(paths.home() / "peers.json", [{"agency": "nopd", "is_simulated": False}])
    (paths.home() / "peers.html").write_text("<p>Peers</p>", encoding="utf-8")
    with pytest.raises(CdiError, match=r"SITE-NOT-SIMULATED.*compares real agencies"):
        make_sample_site("testville")
    monkeypatch.delenv("CDI_AGENCIES")
    with pytest.raises(CdiError, match=r"SITE-NOT-SIMULATED.*is not a simulated agency"):
        make_sample_site("nopd")
    assert not (paths.home() / "sample-site").exists()


def test_without_a_published_version_the_site_names_the_next_step(state: Path) -> None:
    with pytest.raises(CdiError, match="SITE-UNPUBLISHED") as raised:
        make_sample_site(paths.SIMULATED)
    assert "make run" in raised.value.fix
