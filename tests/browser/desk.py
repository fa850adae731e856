"""People at the desk in Chromium, without a mouse: for tests of its pages."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from cdi.local.airflow import free_port
from tests.browser.conftest import PATIENCE, SIZES, watched
from tests.browser.test_pages import NARROWEST, WCAG_22_AA
from tests.slow.conftest import wait_for


@dataclass
class Desk:
    """A running desk: where it is, and the code of its trial log-in."""

    url: str
    code: str
    home: Path


@contextmanager
def run_desk(home: Path, env: Mapping[str, str], output: Path) -> Iterator[Desk]:
    """Run the command `cdi desk`.

    Args:
        home: The state folder.
        env: Environment of the command.
        output: The file that takes what it prints.
    """
    port = free_port()
    command = [str(Path(sys.executable).with_name("cdi")), "desk", "--port", str(port)]
    with output.open("w") as told:
        process = subprocess.Popen(command, env=env, stdout=told)
    try:
        wait_for("the code", lambda: "Sign in with the code" in output.read_text(), 60)
        text = output.read_text()
        assert f"The desk is at http://127.0.0.1:{port}/" in text
        code = re.search(r"the code (\w+)", text)
        assert code is not None
        wait_for("the desk", lambda: is_up(port), 60)
        yield Desk(f"http://127.0.0.1:{port}", code[1], home)
    finally:
        process.terminate()
        process.wait()


def is_up(port: int) -> bool:
    """Whether something listens at a port of this machine."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Keyboard:
    """Somebody who has no mouse; counts what would be clicks."""

    page: Page
    clicks: int = 0
    problems: list[str] = field(default_factory=list)

    def go_to(self, selector: str) -> None:
        """Press Tab until an element has the focus, as somebody does who sees the page."""
        self.page.wait_for_selector(selector, state="attached")
        for _ in range(300):
            if self.page.evaluate("s => document.activeElement?.matches(s) ?? false", selector):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{selector} is not reached by Tab on {self.page.url}")

    def press(self, selector: str) -> None:
        """Activate a link or a button."""
        self.go_to(selector)
        self.clicks += 1
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def choose(self, selector: str, letters: str) -> None:
        """Choose from a list by the first letters of an entry."""
        self.go_to(selector)
        self.clicks += 2
        self.page.keyboard.type(letters)

    def check_page(self, shots: Path, name: str) -> None:
        """Look at the page: axe finds nothing, and nothing scrolls sideways."""
        size = self.page.viewport_size
        assert size is not None
        self.page.screenshot(path=shots / f"desk-{name}-{size['width']}.png", full_page=True)
        assert self.page.locator("h1").count() == 1
        assert self.page.locator("script").count() == 0
        found = Axe().run(self.page, options={"runOnly": {"type": "tag", "values": WCAG_22_AA}})
        assert len(found.response["passes"]) > 5
        assert [
            (rule["id"], [node["html"][:200] for node in rule["nodes"]])
            for rule in found.response["violations"]
        ] == []
        for width in (size["width"], NARROWEST):
            self.page.set_viewport_size({"width": width, "height": size["height"]})
            assert self.page.evaluate("document.documentElement.scrollWidth") <= width
        self.page.set_viewport_size(size)


def open_desk(browser: Browser, desk: Desk, size: str, shots: Path, name: str) -> Keyboard:
    """Sign in by keyboard, in a browser without scripts of its own, with separate cookies."""
    context = browser.new_context(viewport=SIZES[size])  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    keyboard = Keyboard(page)
    keyboard.problems = watched(page)
    page.goto(desk.url)
    keyboard.check_page(shots, "sign-in")
    keyboard.go_to("#name")
    page.keyboard.type(name)
    keyboard.go_to("#typed")
    page.keyboard.type(desk.code)
    keyboard.press("main button")
    return keyboard
