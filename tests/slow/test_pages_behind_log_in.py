"""The pages at a real Airflow API server: who is let in, what is served, what is written down."""

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cdi import paths
from cdi.errors import GateError
from cdi.landing.batches import accepted_batches
from cdi.local.airflow import NOTES_USER, free_port, prepare_airflow, run_processes
from cdi.publish.access import read_access_log
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes
from tests.slow.conftest import wait_for

WORKLIST = "worklist/index.html"


class Server:
    """A running API server, and clients of its users."""

    def __init__(self, port: int, home: Path) -> None:
        """Read the passwords that Airflow wrote."""
        self.home = home
        self.url = f"http://127.0.0.1:{port}"

    def client(self, user: str | None = None, token: str | None = None) -> httpx.Client:
        """A client logged in as a user, or with a token, or neither."""
        client = httpx.Client(base_url=self.url, timeout=300)
        if user:
            known = json.loads((self.home / "airflow" / "passwords.json").read_text())
            body = {"username": user, "password": known[user]}
            answer = client.post("/auth/token", json=body)
            answer.raise_for_status()
            # as a browser has it
            client.cookies.set("_token", answer.json()["access_token"])
        if token:
            client.headers["Authorization"] = f"Bearer {token}"
        return client


@pytest.fixture(scope="module")
def server(ran_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The API server alone, an agency with a published version, and a refused batch."""
    home = tmp_path_factory.mktemp("state")
    shutil.copytree(ran_once, home, symlinks=True, dirs_exist_ok=True)
    registry = tmp_path_factory.mktemp("agencies")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDI_HOME", str(home))
        patch.setenv("CDI_AGENCIES", str(registry))
        patch.delenv("CDI_DATA", raising=False)
        small = SmallAgency(registry / "testville")
        version = small.published.resolve()
        (version / "dbt_docs.html").write_text("<!doctype html><p>dbt_docs.html", encoding="utf-8")
        small.write("calls.csv", csv_bytes(CALL_HEADER, CALLS[:1]))
        with pytest.raises(GateError):
            small.extract_and_check()
        port = free_port()
        env = prepare_airflow(port)
        users = env["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"]
        env["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] = f"{users},vera:viewer"
        with run_processes(env, ("api-server",)):
            found = Server(port, home)

            def answers() -> bool:
                try:
                    return found.client().get("/api/v2/monitor/health").is_success
                except httpx.HTTPError:
                    return False

            wait_for("the API server", answers)
            yield found


@pytest.mark.parametrize(
    "path",
    ["", "operations/", "peers/", "testville/", "testville/report.html", f"testville/{WORKLIST}",
     "dag/testville__build", "testville/nothing.html", "nowhere/report.html"],
)  # fmt: skip
def test_without_a_log_in_nothing_is_told(server: Server, path: str) -> None:
    answer = server.client().get(f"/cdi/{path}")
    assert answer.status_code == 401
    assert answer.text == "Not authenticated"
    assert server.client(token="made.up.token").get(f"/cdi/{path}").status_code == 403
    cookie = server.client()
    cookie.cookies.set("_token", "made.up.token")
    assert cookie.get(f"/cdi/{path}").status_code in (401, 403)


def test_a_token_of_another_installation_is_refused(server: Server) -> None:
    import jwt

    claims = {"sub": "admin", "role": "ADMIN", "teams": [], "exp": 4102444800, "iat": 1,
              "nbf": 1, "aud": "apache-airflow"}  # fmt: skip
    forged = jwt.encode(claims, "x" * 64, algorithm="HS512")
    assert server.client(token=forged).get("/cdi/testville/report.html").status_code == 403


def test_open_parts_are_served_whole_and_kept_nowhere(server: Server) -> None:
    published = paths.published("testville") / "current"
    client = server.client("vera")
    for name in ("report.html", "validation.html"):
        answer = client.get(f"/cdi/testville/{name}")
        assert answer.status_code == 200
        assert answer.content == (published / name).read_bytes()
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
    assert client.get("/cdi/testville/explore.html").status_code == 403
    answer = client.get("/cdi/testville/figures.json")
    assert answer.json() == json.loads((published / "figures.json").read_text(encoding="utf-8"))
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"].startswith("attachment;")
    answer = client.get("/cdi/testville/dbt_docs.html")
    assert "sandbox allow-scripts" in answer.headers["content-security-policy"]


def test_the_documentation_runs_its_own_scripts_and_no_others(server: Server) -> None:
    client = server.client("vera")
    folder = paths.published("testville") / "current" / "docs"
    page = client.get("/cdi/testville/docs/glossary.html")
    policy = page.headers["content-security-policy"]
    assert policy == (folder / "policy.txt").read_text(encoding="utf-8")
    for script in re.findall(r"<script>(.*?)</script>", page.text, re.S):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    (bundle,) = re.findall(r'src="\./(assets/javascripts/bundle[^"]+)"', page.text)
    (style,) = re.findall(r'href="\./(assets/stylesheets/[^"]+)"', page.text)
    for path, kind in (
        (bundle, "text/javascript"),
        (style, "text/css"),
        ("search.json", "application/json"),
        ("pictures/audit-draws.svg", "image/svg+xml"),
    ):
        answer = client.get(f"/cdi/testville/docs/{path}")
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith(kind)
        assert "content-disposition" not in answer.headers
    assert client.get("/cdi/testville/docs/policy.txt").status_code == 404
    assert server.client().get("/cdi/testville/docs/index.html").status_code == 401
    assert 'href="../testville/docs/runbook.html"' in client.get("/cdi/operations/").text


def test_indexes_lead_to_what_is_there(server: Server) -> None:
    client = server.client("vera")
    page = client.get("/cdi/")
    assert 'href="testville/"' in page.text
    assert "SIMULATED" in page.text
    page = client.get("/cdi/dag/testville__extract", follow_redirects=True)
    assert page.url.path == "/cdi/testville/"
    assert page.headers["cache-control"] == "no-store"
    for link in ("report.html", "explore.html", WORKLIST, "validation.html"):
        assert f'href="{link}"' in page.text
    assert "Why the rate changed" not in page.text  # a first version has none before it
    version = json.loads((paths.published("testville") / "current" / "version.json").read_text())
    assert version["version"] in page.text
    assert client.get("/cdi/dag/somebody_elses").status_code == 404
    assert client.get("/cdi/peers/").status_code == 404  # nothing was sent and compared


def test_operators_read_how_each_agency_stands(server: Server) -> None:
    page = server.client("vera").get("/cdi/operations/").text
    assert 'href="../testville/"' in page
    assert "A failed check stops Testville (made up)." in page  # the refused batch
    assert 'href="../testville/validation.html#FILE-07"' in page
    assert "does not change" in page


def test_the_whole_file_is_given_to_who_manages_and_the_look_is_written(server: Server) -> None:
    link = "testville/recording.duckdb"
    assert link not in server.client("vera").get("/cdi/").text
    assert server.client("vera").get(f"/cdi/{link}").status_code == 403
    client = server.client("admin")
    assert f'href="{link}"' in client.get("/cdi/").text
    answer = client.get(f"/cdi/{link}")
    assert (
        answer.content == (paths.published("testville") / "current/recording.duckdb").read_bytes()
    )
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["cache-control"] == "no-store"
    assert list(read_access_log("testville"))[-1]["what"] == "recording.duckdb"


def test_a_refused_batch_says_why(server: Server) -> None:
    client = server.client("vera")
    (refused,) = (paths.landing("testville", "calls") / "refused").iterdir()
    link = f"refused/calls/{refused.name}/validation.html"
    assert f'href="{link}"' in client.get("/cdi/testville/").text
    assert "FILE-07" in client.get(f"/cdi/testville/{link}").text
    (accepted,) = accepted_batches("testville", "calls")
    for other in (accepted.manifest["batch_id"] + "x", "..", "."):
        answer = client.get(f"/cdi/testville/refused/calls/{other}/validation.html")
        assert answer.status_code == 404


@pytest.mark.parametrize(
    "path",
    ["testville/version.json", "testville/recording.duckdb.wal",
     "testville/worklist/nothing.html", "testville/%2e%2e/%2e%2e/secrets/testville.key",
     "testville/worklist/%2e%2e/%2e%2e/version.json", "nowhere/report.html"],
)  # fmt: skip
def test_what_is_not_there_or_not_listed_is_told_in_words(server: Server, path: str) -> None:
    answer = server.client("admin").get(f"/cdi/{path}")
    assert answer.status_code == 404
    assert answer.text.startswith(("There is no", "The published version of testville has no"))
    assert answer.headers["cache-control"] == "no-store"


def test_restricted_parts_need_more_than_a_look_and_each_look_is_written(server: Server) -> None:
    before = list(read_access_log("testville"))
    for path in (WORKLIST, "worklist/worklist.csv", "explore.html"):
        assert server.client("vera").get(f"/cdi/testville/{path}").status_code == 403
    assert list(read_access_log("testville")) == before
    client = server.client("admin")
    answer = client.get(f"/cdi/testville/{WORKLIST}")
    assert answer.status_code == 200
    assert 'href="logs/T-0002.html#1"' in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    explore = client.get("/cdi/testville/explore.html")
    (script,) = re.findall(r"<script>(.*?)</script>", explore.text, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = explore.headers["content-security-policy"].split("; ")
    assert {f"script-src 'sha256-{digest}'", "connect-src 'none'", "default-src 'none'"} <= set(
        policy
    )
    sheet = client.get("/cdi/testville/worklist/worklist.csv")
    assert sheet.headers["content-disposition"] == 'attachment; filename="testville-worklist.csv"'
    version = (paths.published("testville") / "current").resolve().name
    new = list(read_access_log("testville"))[len(before) :]
    assert [(e["who"], e["what"], e["version"]) for e in new] == [
        ("admin", WORKLIST, version), ("admin", "explore.html", version),
        ("admin", "worklist/worklist.csv", version),
    ]  # fmt: skip


def test_the_account_of_notes_may_write_notes_and_do_nothing_else(server: Server) -> None:
    before = list(read_access_log("testville"))
    run = "/api/v2/dags/testville__build/dagRuns/a_run"
    refused = [
        *(("GET", f"/cdi/testville/{path}") for path in (WORKLIST, "report.html", "")),
        ("GET", "/cdi/"),
        ("GET", "/api/v2/dags"),
        ("GET", "/api/v2/version"),
        ("PATCH", "/api/v2/dags/testville__build?update_mask=note"),
        ("POST", "/api/v2/dags/testville__build/dagRuns"),
        ("DELETE", run),
        ("PATCH", run),
        ("PATCH", f"{run}?update_mask=state"),
        ("PATCH", f"{run}?update_mask=note&update_mask=state"),
        ("PATCH", f"{run}/taskInstances/publish"),
        ("PATCH", f"{run}/taskInstances/confirm/-1/hitlDetails?update_mask=note"),
    ]
    by_cookie = server.client(NOTES_USER)
    by_head = server.client(token=by_cookie.cookies["_token"])
    for client in (by_cookie, by_head):
        for method, path in refused:
            answer = client.request(method, path)
            assert (answer.status_code, answer.text[:9]) == (403, NOTES_USER), (method, path)
    assert list(read_access_log("testville")) == before
    # Airflow itself answers these: it knows no such run. That notes are written, other tests prove.
    for path in (run, f"{run}/taskInstances/publish"):
        answer = by_head.patch(path, params={"update_mask": "note"}, json={"note": "a note"})
        assert answer.status_code == 404, answer.text
    # and other tokens are Airflow's to refuse or to let in, as before
    refusal = server.client(token="no token").get("/api/v2/dags")
    assert (refusal.status_code, refusal.json()) == (403, {"detail": "Invalid JWT token"})
    token = server.client("admin").cookies["_token"]
    assert server.client(token=token).get("/api/v2/dags").status_code == 200


def test_what_cannot_be_written_down_is_not_shown(server: Server) -> None:
    log = paths.access("testville")
    log.parent.mkdir(exist_ok=True)
    aside = log.with_suffix(".aside")
    if log.exists():
        log.rename(aside)
    log.mkdir()
    try:
        answer = server.client("admin").get(f"/cdi/testville/{WORKLIST}")
        assert answer.status_code == 503
        assert WORKLIST not in answer.text
        assert server.client("admin").get("/cdi/testville/report.html").status_code == 200
    finally:
        log.rmdir()
        if aside.exists():
            aside.rename(log)


def test_a_new_version_is_served_without_a_restart(server: Server) -> None:
    client = server.client("admin")
    link = paths.published("testville") / "current"
    first = link.resolve()
    other = first.with_name("other")
    other.mkdir()
    try:
        (other / "report.html").write_text("the newer one", encoding="utf-8")
        swap = link.with_name("swap")
        swap.symlink_to(other)
        swap.replace(link)
        assert client.get("/cdi/testville/report.html").text == "the newer one"
    finally:
        link.unlink()
        link.symlink_to(first)


def test_the_ui_is_told_of_menu_entry_and_tab(server: Server) -> None:
    client = server.client("admin")
    token = client.cookies["_token"]
    found = client.get("/api/v2/plugins", headers={"Authorization": f"Bearer {token}"}).json()
    (ours,) = [p for p in found["plugins"] if p["name"] == "cdi_pages"]
    assert {(v["destination"], v["href"]) for v in ours["external_views"]} == {
        ("nav", "/cdi/"), ("dag", "/cdi/dag/{DAG_ID}"),
    }  # fmt: skip
