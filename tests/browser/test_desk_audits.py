"""The desk of auditors and of the registrar in Chromium: what they read, and what they are told."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from cdi import paths
from cdi.audit.draws import Draw
from cdi.render import render
from tests.browser.conftest import SIZES, watched
from tests.browser.desk import Desk, Keyboard, open_desk, run_desk
from tests.desk import sign_in
from tests.pipeline.test_audit_loop import CALLS, force_in, is_crime, is_recorded, number
from tests.pipeline.test_decisions import row, write
from tests.pipeline.test_desk_auditing import (
    ONE,
    draw_logs,
    given_to,
    read_first,
    read_log,
    second_readers,
    truth,
)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, Draw]]:
    """A desk of a force with a confirmed miss, of which logs are drawn that nobody has read."""
    with force_in(tmp_path_factory.mktemp("force")) as force:
        missed = next(number(n) for n in range(CALLS) if is_crime(n) and not is_recorded(n))
        write(force, "a.csv", row("D1", call_reference=missed))
        assert force.run()
        draw = draw_logs(force)
        output = tmp_path_factory.mktemp("desk") / "output"
        with run_desk(paths.home(), os.environ, output) as running:
            yield running, draw


def look(keyboard: Keyboard, shots: Path, name: str) -> None:
    """Look at a page on each screen."""
    for size in SIZES.values():
        keyboard.page.set_viewport_size(size)  # type: ignore[arg-type]
        keyboard.check_page(shots, name)


def test_auditors_and_the_registrar_work_by_keyboard_on_pages_that_everybody_can_read(
    browser: Browser, audited: tuple[Desk, Draw], shots: Path
) -> None:
    desk, draw = audited
    auditor = open_desk(browser, desk, "desktop", shots, ONE)
    page = auditor.page
    assert f"{len(given_to(draw, ONE))} of your" in page.inner_text("main")
    look(auditor, shots, "audits")

    auditor.press("a.go")
    call = page.inner_text("h1")
    look(auditor, shots, "audit-log")
    auditor.press("button[accesskey=s]")  # nothing is filled in
    assert "Nothing is filled in" in page.inner_text("#problems")
    look(auditor, shots, "audit-problem")
    auditor.go_to("#none")
    page.keyboard.press("Space")
    auditor.press("button[accesskey=s]")
    assert f"{call} is saved" in page.inner_text(".banner.good")
    assert page.inner_text("h1") != call

    # Both read all the rest. Of one log the second reader finds a crime more.
    read_first(draw, without=(call,))
    second = second_readers(draw)
    wrong = min(log for log in second if "due_count" in truth(log))
    more = {"due_count": "2", "offence_code_2": "A1", "recorded_code_2": "N"}
    for log, reader in second.items():
        read_log(sign_in(reader), draw, log, **truth(log) | (more if log == wrong else {}))
    registrar = open_desk(browser, desk, "desktop", shots, "registrar")
    registrar.page.goto(f"{desk.url}/testville/audit")
    registrar.press("a.go")
    look(registrar, shots, "audit-differences")
    with registrar.page.expect_navigation():
        registrar.go_to(f"main a[href*='{wrong}']")
        registrar.page.keyboard.press("Enter")
    look(registrar, shots, "audit-difference")

    registrar.page.goto(f"{desk.url}/testville/feedback")
    assert "None of these" in registrar.page.inner_text("table")
    look(registrar, shots, "feedback")
    # Chromium notes the answer to the form that was refused
    assert [problem for problem in auditor.problems if "422" not in problem] == []
    assert registrar.problems == []


def test_who_signed_out_is_told_on_a_page_that_everybody_can_read(
    browser: Browser, shots: Path
) -> None:
    page = browser.new_page()
    keyboard = Keyboard(page, problems=watched(page))
    page.set_content(
        render(
            "desk_signed_out.html.j2",
            is_simulated=False,
            root="",
            person=None,
            sign_out=None,
            leave="https://provider.test/end",
            sign_in="/sign-in",
        )
    )
    look(keyboard, shots, "signed-out")
    assert keyboard.problems == []
