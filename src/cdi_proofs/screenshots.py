"""The pictures of README.md: the first screens of a demonstration, taken by Chromium.

They are taken from the state that `make run` left. Nobody decides anything at the desk here: its
page is opened, and the log is free again after the claim has run out.
"""

import base64
import contextlib
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin

import uvicorn

from cdi.agency.load import load_agency
from cdi.desk.trial import make_trial_desk
from cdi.errors import CdiError
from cdi.local.airflow import free_port
from cdi.sql import connect, scalar
from cdi_proofs.published import find_published

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTH, HEIGHT = 1280, 760
LARGEST = 150_000  # bytes of a picture, so that a page with three of them opens at once
QUALITY, MARGIN = 70, 24
# the first log whose crime can still be recorded in time; a rape is nothing for a README
CALL = """
    select call_id from unrecorded_crimes
    where status = 'suspected' and is_likely and not is_rape and hours_left > 0
    order by list_place limit 1
"""


def take_screenshots(agency: str, folder: Path) -> list[Path]:
    """Take a picture of the report, of a log at the desk, and of the page of the open extract.

    Args:
        agency: A simulated agency with a published version.
        folder: Where the pictures are written.

    Raises:
        CdiError: SITE-NOT-SIMULATED, SITE-UNPUBLISHED, PICTURES-CHROMIUM if there is no browser,
            PICTURES-LARGE if a picture is too large to be shown in a README.
    """
    from playwright.sync_api import sync_playwright  # of the dev environment

    version = _find_version(agency)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise CdiError("PICTURES-CHROMIUM", "there is no chromium", "install it, and run again")
    with connect(version / "recording.duckdb", read_only=True) as con:
        call = scalar(con, CALL)
    addresses = {
        "report": (version / "report.html").as_uri(),
        "desk": f"{agency}/log?call={quote(str(call))}",
        "open": (version / "open" / "index.html").as_uri(),
    }
    code = secrets.token_hex(8)
    with _serve_desk(code) as desk, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(desk)
        page.select_option("#name", "registrar")
        page.fill("#typed", code)
        page.click("main button")
        files = []
        for name, address in addresses.items():
            page.goto(urljoin(f"{desk}/", address))
            # a log is shown down to the form in which people decide
            form = page.locator("section.crime").first.bounding_box() if name == "desk" else None
            height = form["y"] + form["height"] + MARGIN if form else HEIGHT
            files.append(_take_picture(page, folder / f"{name}.webp", height))
        browser.close()
    return files


def _take_picture(page: "Page", file: Path, height: float) -> Path:
    """Write the top of a page as WebP, which Playwright's own function cannot."""
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}
    options = {"format": "webp", "quality": QUALITY, "clip": clip, "captureBeyondViewport": True}
    answer = page.context.new_cdp_session(page).send("Page.captureScreenshot", options)
    picture = base64.b64decode(answer["data"])
    if len(picture) > LARGEST:
        raise CdiError(
            "PICTURES-LARGE",
            f"{file} would have {len(picture):,} bytes, more than {LARGEST:,}",
            f"show less of the page: HEIGHT or QUALITY in {Path(__file__).name}",
        )
    file.write_bytes(picture)
    return file


def _find_version(agency: str) -> Path:
    loaded = load_agency(agency)
    if not loaded.is_simulated:
        raise CdiError(
            "SITE-NOT-SIMULATED", f"{agency} is not a simulated agency", "name another one"
        )
    return find_published(agency).resolve()


@contextlib.contextmanager
def _serve_desk(code: str) -> Iterator[str]:
    """Serve the desk to this machine alone for the length of the block; gives its address."""
    port = free_port()
    config = uvicorn.Config(make_trial_desk(code), host="127.0.0.1", port=port, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
