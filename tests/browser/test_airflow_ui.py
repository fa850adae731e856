"""The Airflow UI as an operator sees it: log-in, DAGs, graph, a task's note."""

from playwright.sync_api import Browser, Page

from tests.browser.conftest import SIZES, Ui, watched


def logged_in(browser: Browser, ui: Ui) -> Page:
    """A page behind the log-in."""
    page = browser.new_page(viewport=SIZES["desktop"])
    page.goto(ui.client.url)
    page.get_by_label("Username").fill("admin")
    page.locator("input[type=password]").fill(ui.password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/auth/login" not in url, timeout=60_000)
    return page


def test_the_ui_asks_for_a_log_in(browser: Browser, ui: Ui) -> None:
    page = browser.new_page()
    page.goto(f"{ui.client.url}/dags")
    page.wait_for_url("**/auth/login*", timeout=60_000)
    page.close()


def test_graph_and_note_of_a_run(browser: Browser, ui: Ui) -> None:
    # a first build, and the one that learnt weights bring about
    runs = ui.client.runs("simulated__build")
    assert list(runs.values()) == ["success", "success"]
    run_id = min(runs)
    page = logged_in(browser, ui)
    problems = watched(page)
    page.goto(f"{ui.client.url}/dags")
    page.get_by_text("Northmoor Police (SIMULATED): build").first.wait_for(timeout=60_000)
    page.screenshot(path=ui.shots / "airflow-dags.png")

    page.goto(f"{ui.client.url}/dags/simulated__extract")
    page.get_by_text("landed").first.wait_for(timeout=60_000)
    page.keyboard.press("g")  # Airflow's own shortcut from grid to graph
    page.locator(".react-flow__node").first.wait_for(timeout=60_000)
    page.wait_for_timeout(2000)
    page.screenshot(path=ui.shots / "airflow-graph.png")

    page.goto(f"{ui.client.url}/dags/simulated__build/runs/{run_id}/tasks/build")
    page.wait_for_timeout(3000)
    note = page.get_by_text("fct_calls", exact=False).first
    if not note.is_visible():
        page.get_by_role("button", name="Note").first.click()
    note.wait_for(timeout=60_000)
    page.screenshot(path=ui.shots / "airflow-note.png")
    assert [p for p in problems if "127.0.0.1" not in p and p.startswith("http")] == []
    page.close()
