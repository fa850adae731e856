"""The desk as it is run for real: in Airflow's API server, and alone behind a proxy with TLS.

Both have the same people with the same rights, and two agencies: `testville`, and `otherville`,
which is a copy of it.
"""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import jwt
import pytest

from cdi import paths
from cdi.desk.people import Right
from cdi.local.airflow import airflow_environment, free_port
from tests.conftest import REPO, SmallAgency, tell_more
from tests.desk import Clerk, read_forms
from tests.slow.conftest import wait_for

ALL = tuple(Right)
DECIDES = (Right.SEE, Right.DECIDE, Right.SECOND)
# `ANNA` is another account than `anna` where the log-in lets that be, and else the same.
PEOPLE: dict[str, dict[str, tuple[Right, ...]]] = {
    "viewer": {"testville": (Right.SEE,)},
    "anna": {"testville": DECIDES},
    "ANNA": {"testville": DECIDES},
    "berta": {"testville": DECIDES},
    "both": {"testville": ALL, "otherville": ALL},
    "mixed": {"testville": (Right.SEE,), "otherville": ALL},
    "outsider": {"otherville": ALL},
}
PASSWORD = "a password of the tests"
ROOT = "/desk"  # where the proxy serves the desk
CLIENT_SECRET = "a client's secret of the tests"


class House:
    """A desk that runs, and how people sign in at it."""

    base: str  # the address that people open, without a path
    path: str  # of the desk

    def sign_in(self, name: str, agency: str = "testville") -> Clerk:
        """Sign somebody in, in a browser of their own."""
        raise NotImplementedError

    def sign_out(self, clerk: Clerk) -> None:
        """Sign somebody out; their browser keeps its cookies nevertheless."""
        raise NotImplementedError

    def expire(self, clerk: Clerk) -> None:
        """Let somebody's session be too old."""
        raise NotImplementedError

    def client(self) -> httpx.Client:
        """A browser in which nobody is signed in."""
        raise NotImplementedError

    def stranger(self) -> Clerk:
        """Somebody who is not signed in."""
        return Clerk(self.client(), "testville", self.path)


@contextmanager
def two_agencies(home: Path, registry: Path, told_once: Path) -> Iterator[SmallAgency]:
    """The state folder of a house, with two agencies that are published."""
    shutil.copytree(told_once, home, symlinks=True, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDI_HOME", str(home))
        patch.setenv("CDI_AGENCIES", str(registry))
        patch.delenv("CDI_DATA", raising=False)
        small = SmallAgency(registry / "testville")
        tell_more(small)
        other = shutil.copytree(small.folder, registry / "otherville")
        settings = (other / "agency.yaml").read_text(encoding="utf-8")
        settings = settings.replace("testville", "otherville").replace("Testville", "Otherville")
        (other / "agency.yaml").write_text(settings, encoding="utf-8")
        version = (paths.published("testville") / "current").resolve()
        copied = paths.published("otherville") / version.relative_to(paths.published("testville"))
        shutil.copytree(version, copied)
        (paths.published("otherville") / "current").symlink_to(copied)
        yield small


def forget(agency: str) -> None:
    """Let nothing be decided or claimed at an agency, as before a test."""
    for folder in (paths.decisions(agency), paths.desk(agency)):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(
    command: list[str], env: dict[str, str], log: Path, is_up: Callable[[], bool]
) -> Iterator[None]:
    """Run a process, wait until it is up, and stop it at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )

    def is_up_or_ended() -> bool:
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")[-3000:]
        with contextlib.suppress(httpx.HTTPError):
            return is_up()
        return False

    try:
        wait_for(f"an answer ({log})", is_up_or_ended)
        yield
    finally:
        process.terminate()
        process.wait(timeout=300)


def need(found: Path | str | None, how: str) -> str:
    """A program that a test cannot do without: it is skipped where that is not installed."""
    if found and Path(found).exists():
        return str(found)
    pytest.skip(f"not installed: {how}")


# ------------------------------------------------------------------ in Airflow


# A role and a user for each person, as an admin makes them in the UI.
MAKE_USERS = """
import json, sys
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
with get_application_builder() as builder:
    manager = builder.sm
    manager.sync_roles()
    for name, pairs in json.load(sys.stdin).items():
        role = manager.add_role("role of " + name)
        for action, resource in pairs:
            manager.add_permission_to_role(role, manager.create_permission(action, resource))
        assert manager.add_user(name, name, "", name + "@example.org", role, sys.argv[1])
"""


def documented_rights() -> dict[Right, list[tuple[str, str]]]:
    """What a role needs for each right of the desk, by the table of docs/server.md."""
    page = (REPO / "docs" / "server.md").read_text(encoding="utf-8")
    found = {}
    for right in Right:
        row = re.search(rf"^\| `{right}` \| (.*?) \|$", page, re.M)
        assert row is not None, right
        found[right] = re.findall(r"`(can_\w+)` on `([^`]+)`", row[1])
    return found


def permissions_of(name: str) -> list[tuple[str, str]]:
    """What the role of a person has."""
    needed = documented_rights()
    pairs = {("can_read", "Website")}
    for agency, rights in PEOPLE[name].items():
        for right in rights:
            pairs |= {
                (action, resource.replace("<agency>", agency)) for action, resource in needed[right]
            }
    return sorted(pairs)


class InAirflow(House):
    """Mounted in Airflow's API server, with users and roles of its FAB auth manager."""

    path = "/cdi/desk"

    def __init__(self, port: int, jwt_secret: str) -> None:
        """Keep where it runs, and what it signs its tokens with."""
        self.base = f"http://127.0.0.1:{port}"
        self._jwt_secret = jwt_secret

    def client(self) -> httpx.Client:
        """A browser in which nobody is signed in."""
        return httpx.Client(base_url=self.base, follow_redirects=True, timeout=300)

    def sign_in(self, name: str, agency: str = "testville") -> Clerk:
        """Get a token from Airflow, and keep it as its log-in page does."""
        client = self.client()
        answer = client.post("/auth/token", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        client.cookies.set("_token", answer.json()["access_token"])
        return Clerk(client, agency, self.path)

    def sign_out(self, clerk: Clerk) -> None:
        """Sign out as the UI does."""
        token = clerk.client.cookies["_token"]
        url = f"{self.base}/api/v2/auth/logout"
        answer = httpx.get(url, cookies={"_token": token}, timeout=300)
        assert answer.is_redirect, answer.text

    def expire(self, clerk: Clerk) -> None:
        """Replace the token by one that ended a minute ago."""
        token = clerk.client.cookies["_token"]
        claims = jwt.decode(token, options={"verify_signature": False})
        claims["exp"] = int(time.time()) - 60
        header = jwt.get_unverified_header(token)
        old = jwt.encode(claims, self._jwt_secret, header["alg"], headers=header)
        clerk.client.cookies.clear()
        clerk.client.cookies.set("_token", old)


@contextmanager
def in_airflow(folder: Path) -> Iterator[House]:
    """Run the API server of what the image has, with its users in a database of its own."""
    server = REPO / ".venv-server" / "bin"
    need(server / "airflow", "make .venv-server/server.stamp")
    port = free_port()
    env = airflow_environment(port) | {
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
        ),
        "PATH": f"{server}{os.pathsep}{os.environ['PATH']}",
    }
    Path(env["AIRFLOW_HOME"]).mkdir(parents=True, exist_ok=True)
    for command, told in (
        ([server / "airflow", "db", "migrate"], ""),
        (
            [server / "python", "-c", MAKE_USERS, PASSWORD],
            json.dumps({name: permissions_of(name) for name in PEOPLE if name != "ANNA"}),
        ),
    ):
        done = subprocess.run(
            command, env=env, input=told, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    house = InAirflow(port, env["AIRFLOW__API_AUTH__JWT_SECRET"])
    health = f"{house.base}/api/v2/monitor/health"
    with running(
        [str(server / "airflow"), "api-server"], env, folder / "api-server.log",
        lambda: httpx.get(health).is_success,
    ):  # fmt: skip
        yield house


# ------------------------------------------------------------------ alone, behind a proxy


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate of this machine, which is its own authority, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [need(shutil.which("openssl"), "openssl"), "req", "-x509", "-newkey", "ec",
         "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate,
         "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
         "-addext", "keyUsage=critical,digitalSignature,keyCertSign"],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def documented_proxy(port: int, desk_port: int, certificate: Path, key: Path) -> str:
    """The `server` of nginx that docs/server.md shows, at the addresses of the test."""
    page = (REPO / "docs" / "server.md").read_text(encoding="utf-8")
    shown = re.search(r"```nginx\n(.*?)```", page, re.S)
    assert shown is not None
    text = shown[1]
    for old, new in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("server_name desk.example.org;", "server_name 127.0.0.1;"),
        ("/etc/ssl/desk.pem", str(certificate)),
        ("/etc/ssl/private/desk.key", str(key)),
        ("http://127.0.0.1:8090/", f"http://127.0.0.1:{desk_port}/"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


class BehindProxy(House):
    """`cdi desk --oidc` behind nginx with TLS, and a provider that signs people in."""

    path = ROOT

    def __init__(self, folder: Path) -> None:
        """Choose the addresses, and make the certificate of all of them."""
        self.certificate, self.key = make_certificate(folder)
        self.port, self.desk_port, self.provider_port = free_port(), free_port(), free_port()
        self.base = f"https://127.0.0.1:{self.port}"
        self.issuer = f"https://localhost:{self.provider_port}"
        self.trust = ssl.create_default_context(cafile=str(self.certificate))

    def client(self) -> httpx.Client:
        """A browser in which nobody is signed in."""
        return httpx.Client(
            base_url=self.base, follow_redirects=True, timeout=300, verify=self.trust
        )

    def sign_in(self, name: str, agency: str = "testville") -> Clerk:
        """Open the desk, and go through the pages of the provider and back."""
        clerk = Clerk(self.client(), agency, self.path)
        answer = self.pass_provider(clerk.client, clerk.client.get(f"{self.path}/"), name)
        assert answer.status_code == 200, answer.text
        assert str(answer.url).startswith(f"{self.base}{self.path}/"), answer.url
        return clerk

    def pass_provider(
        self, client: httpx.Client, page: httpx.Response, name: str, answer: str = "accept"
    ) -> httpx.Response:
        """Give the provider name, password and consent, as far as it asks; ends at the desk."""
        # The provider cannot give somebody two tokens within one second: both would be the same.
        time.sleep(1 - time.time() % 1)
        known = {"login": name, "password": PASSWORD}
        for _ in range(4):
            if not str(page.url).startswith(self.issuer):
                break
            form = next(f for f in read_forms(page.text) if known.keys() & f or "csrf_token" in f)
            action = form.pop("action")
            form |= {field: value for field, value in known.items() if field in form}
            if not known.keys() & form:
                form["answer"] = answer
            # as browsers do; the provider wants to see it
            referer = {"Referer": str(page.url)}
            page = client.post(page.url.join(action), data=form, headers=referer)
        return page

    def sign_out(self, clerk: Clerk) -> None:
        """Press the button."""
        kept = clerk.client.cookies["cdi_desk"]
        answer = clerk.client.post(f"{ROOT}/sign-out", headers={"Origin": self.base})
        assert answer.url.path == f"{ROOT}/signed-out", answer.text
        self.keep_only(clerk, kept)

    def expire(self, clerk: Clerk) -> None:
        """Let it be two hours since anybody at the desk did anything."""
        before = datetime.now(UTC) - timedelta(hours=2)
        with closing(sqlite3.connect(paths.desk_sessions())) as con, con:
            con.execute("update sessions set used_at = ?", [before.timestamp()])
        self.keep_only(clerk, clerk.client.cookies["cdi_desk"])

    def keep_only(self, clerk: Clerk, word: str) -> None:
        """Leave the desk's cookie alone: the provider would sign its people in again unasked."""
        clerk.client.cookies.clear()
        clerk.client.cookies.set("cdi_desk", word, domain="127.0.0.1", path="/")


@contextmanager
def behind_proxy(folder: Path) -> Iterator[BehindProxy]:
    """Run provider, desk and proxy."""
    nginx = need(shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"), "nginx-light")
    python = need(REPO / ".venv-oidc" / "bin" / "python", "make .venv-oidc/oidc.stamp")
    house = BehindProxy(folder)
    public = f"{house.base}{ROOT}"
    people = {
        name: [f"cdi:{agency}:{right}" for agency, held in rights.items() for right in held]
        for name, rights in PEOPLE.items()
    }
    provider = {
        "address": urlsplit(house.issuer).netloc,
        "certificate": str(house.certificate),
        "key": str(house.key),
        "database": str(folder / "provider.sqlite"),
        "people": people | {"nobody": ["staff"], "nameless": people["anna"]},
        "password": PASSWORD,
        "client_id": "desk",
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [f"{public}/signed-in"],
        "post_logout_redirect_uris": [f"{public}/signed-out"],
    }
    (folder / "provider.json").write_text(json.dumps(provider), encoding="utf-8")
    (folder / "client_secret").write_text(f"{CLIENT_SECRET}\n", encoding="utf-8")
    (folder / "nginx.conf").write_text(nginx_configuration(folder, house), encoding="utf-8")
    env = os.environ | {
        "SSL_CERT_FILE": str(house.certificate),
        "CDI_DESK_URL": public,
        "CDI_DESK_OIDC_ISSUER": house.issuer,
        "CDI_DESK_OIDC_CLIENT_ID": "desk",
        "CDI_DESK_OIDC_SECRET_FILE": str(folder / "client_secret"),
        "CDI_DESK_OIDC_SCOPE": "openid profile groups",
    }
    metadata = f"{house.issuer}/.well-known/openid-configuration"
    health = f"http://127.0.0.1:{house.desk_port}/health"
    cdi = Path(sys.executable).with_name("cdi")
    with (
        running(
            [python, str(REPO / "tests" / "oidc_provider.py"), str(folder / "provider.json")],
            dict(os.environ), folder / "provider.log",
            lambda: httpx.get(metadata, verify=house.trust).is_success,
        ),
        running(
            [str(cdi), "desk", "--oidc", "--port", str(house.desk_port)],
            env, folder / "desk.log", lambda: httpx.get(health).text == "ok",
        ),
        running(
            [nginx, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"],
            dict(os.environ), folder / "nginx.log",
            lambda: house.client().get(f"{ROOT}/health").text == "ok",
        ),
    ):  # fmt: skip
        yield house


def nginx_configuration(folder: Path, house: BehindProxy) -> str:
    """The documented proxy, and what it takes to run it here without an account of its own."""
    server = documented_proxy(house.port, house.desk_port, house.certificate, house.key)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"  {kind}_temp_path {folder / kind};\n" for kind in kinds)
    return (
        f"daemon off;\nmaster_process off;\npid {folder / 'nginx.pid'};\nevents {{}}\n"
        f"http {{\n  access_log off;\n{places}{server}}}\n"
    )
