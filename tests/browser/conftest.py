"""A real Chromium, and Airflow after a run of the simulated force."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from rich.console import Console

from cdi import paths
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.local import airflow as local_airflow
from cdi.local.airflow import Client, open_airflow, read_password
from cdi.local.run import Progress, dag_ids, default_interval
from cdi.people.decisions import add_decision
from tests.slow.conftest import MONTH
from tests.slow.conftest import airflow as airflow  # a fixture
from tests.slow.conftest import published_month as published_month  # another

# milliseconds: other work may run on the machine, and Playwright by itself waits for five seconds
PATIENCE = 120_000
expect.set_options(timeout=PATIENCE)
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium of the system."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of screenshots: CDI_SCREENSHOTS, to look at them."""
    folder = Path(os.environ.get("CDI_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def published(published_month: Path) -> Path:
    """The version of a month of the simulated force, without Airflow."""
    return (published_month / "published" / paths.SIMULATED / "current").resolve()


@dataclass
class Ui:
    """Airflow's UI after one run."""

    client: Client
    password: str
    home: Path
    shots: Path


def confirm_first(agency: Agency) -> None:
    """Somebody confirms the first log of the worklist, which brings about a second version."""
    file = paths.published(agency.agency) / "current" / "recording.duckdb"
    with duckdb.connect(str(file), read_only=True) as con:
        row = con.execute("select call_id from unrecorded_crimes order by list_place").fetchone()
    assert row is not None
    decision = {"decision_kind": "confirmed", "call_reference": row[0], "decided_by": "1207"}
    add_decision(agency, decision)


@pytest.fixture(scope="module")
def ui(
    published_month: Path, tmp_path_factory: pytest.TempPathFactory, shots: Path
) -> Iterator[Ui]:
    """Run a published month of the simulated force through Airflow, and leave Airflow up.

    It is stopped at the end of the module: an idle Airflow still takes its share of the machine.
    """
    home = tmp_path_factory.mktemp("ui") / "state"
    shutil.copytree(published_month, home, symlinks=True)
    with pytest.MonkeyPatch.context() as patch, MONTH.selected():
        patch.setenv("CDI_HOME", str(home))
        for name in ("CDI_DATA", "CDI_AGENCIES"):
            patch.delenv(name, raising=False)
        agency = load_agency("simulated")
        confirm_first(agency)
        with open_airflow(local_airflow.UI_COMPONENTS, dag_ids(agency)) as client:
            Progress(client, Console(quiet=True)).follow(agency, default_interval(agency))
            yield Ui(client, read_password(), home, shots)


def logged_in(browser: Browser, url: str, password: str, size: str = "desktop") -> Page:
    """A page behind the log-in."""
    page = browser.new_page(viewport=SIZES[size])  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.get_by_label("Username").fill("admin")
    page.locator("input[type=password]").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/auth/login" not in url)
    return page


def watched(page: Page) -> list[str]:
    """Collect a page's console errors and requests to other hosts."""
    found: list[str] = []
    page.on("console", lambda m: found.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))

    def foreign(url: str) -> bool:
        return not url.startswith(("file:", "data:", "blob:", "http://127.0.0.1"))

    page.on("request", lambda r: found.append(r.url) if foreign(r.url) else None)
    return found
