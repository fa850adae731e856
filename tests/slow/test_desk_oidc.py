"""The log-in by OpenID Connect: a real provider, a real proxy, and what goes wrong between them."""

import asyncio
import re
import time
from base64 import b64decode
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx
import itsdangerous
import itsdangerous.timed
import pytest

from cdi.desk.forms import read_desk_key
from cdi.desk.oidc import SIGN_IN_SECONDS, LogIn, make_oidc_desk
from cdi.desk.oidc_settings import OidcSettings
from cdi.people.decisions import read_decisions
from tests.conftest import SmallAgency
from tests.desk import words_of
from tests.slow.desk_houses import (
    CLIENT_SECRET,
    ROOT,
    BehindProxy,
    behind_proxy,
    forget,
    two_agencies,
)

ASSAULT = "T-0002"


def run_apart(asked: Coroutine[Any, Any, Any]) -> Any:
    """Wait for a coroutine in a thread of its own: Playwright leaves a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, asked).result()


@pytest.fixture(scope="module")
def small(
    tmp_path_factory: pytest.TempPathFactory, told_once: Any
) -> Iterator[SmallAgency]:  # fmt: skip
    folder = tmp_path_factory.mktemp("houses")
    with two_agencies(folder / "state", folder / "agencies", told_once) as found:
        yield found


@pytest.fixture(scope="module")
def house(
    small: SmallAgency, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BehindProxy]:  # fmt: skip
    with behind_proxy(tmp_path_factory.mktemp("house")) as found:
        yield found


def begin(house: BehindProxy, client: httpx.Client, path: str = "/sign-in") -> str:
    """Press the button to sign in; gives the address of the provider that it leads to."""
    answer = client.get(f"{ROOT}{path}", follow_redirects=False)
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(f"{house.issuer}/oauth/authorize?")
    return str(answer.headers["location"])


def change(address: str, **parameters: str) -> str:
    """Change what an address says."""
    given = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    return f"{address.partition('?')[0]}?{urlencode(given | parameters)}"


def come_back(house: BehindProxy, client: httpx.Client, address: str, name: str = "anna") -> str:
    """Sign in at the provider; gives the address by which it sends the browser back."""
    back: list[str] = []

    def look(response: httpx.Response) -> None:
        location = response.headers.get("location", "")
        if location.startswith(f"{house.base}{ROOT}/signed-in"):
            back.append(location)
            # the browser is stopped here
            response.headers["location"] = f"{house.base}{ROOT}/health"

    client.event_hooks = {"response": [look]}
    page = client.get(address)
    page = house.pass_provider(client, page, name)
    client.event_hooks = {}
    assert len(back) == 1, page.text
    return back[0]


def is_signed_in(client: httpx.Client) -> bool:
    return "cdi_desk" in client.cookies


def test_cookies_go_by_tls_alone_and_no_script_reads_them(house: BehindProxy) -> None:
    client = house.client()
    heads: list[str] = []
    client.event_hooks = {
        "response": [lambda r: heads.extend(r.headers.get_list("set-cookie"))
                     if str(r.url).startswith(house.base) else None]
    }  # fmt: skip
    house.pass_provider(client, client.get(f"{ROOT}/"), "anna")
    kept = {head.partition("=")[0]: head.lower() for head in heads if '=""' not in head}
    assert set(kept) == {"cdi_desk", "cdi_desk_sign_in"}
    for head in kept.values():
        assert {"secure", "httponly", "samesite=lax"} <= set(head.split("; "))


def test_all_addresses_are_public_ones(house: BehindProxy) -> None:
    clerk = house.sign_in("anna")
    pages = [clerk.get(), clerk.get("log", call=ASSAULT), clerk.get("search", q="R99")]
    for page in pages:
        for link in re.findall(r'(?:href|action)="([^"#]+)', page.text):
            assert urljoin(str(page.url), link).startswith(f"{house.base}{ROOT}/"), link
        for step in page.history:
            location = urljoin(str(step.url), step.headers["location"])
            assert location.startswith(f"{house.base}{ROOT}/"), location
    answer = clerk.client.get(f"{ROOT}/testville", follow_redirects=False)
    assert answer.headers["location"] == f"{house.base}{ROOT}/testville/"
    sent = {name: values[0] for name, values in parse_qs(urlsplit(
        begin(house, house.client())).query).items()}  # fmt: skip
    assert sent["redirect_uri"] == f"{house.base}{ROOT}/signed-in"
    assert (sent["response_type"], sent["code_challenge_method"]) == ("code", "S256")
    assert sent.keys() >= {"state", "nonce", "code_challenge"}


def test_what_headers_say_of_the_address_is_not_believed(
    house: BehindProxy, small: SmallAgency
) -> None:
    clerk = house.sign_in("anna")
    form = clerk.find_form(clerk.open_log(ASSAULT), "confirmed")
    fields = {name: value for name, value in form.items() if name != "action"}
    lies = {
        "Host": "elsewhere.example",
        "X-Forwarded-Host": "elsewhere.example",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Prefix": "/elsewhere",
        "Forwarded": "host=elsewhere.example;proto=http",
    }
    cookie = {"Cookie": f"cdi_desk={clerk.client.cookies['cdi_desk']}"}
    # past the proxy, from this machine and from another of its addresses
    for address in ("127.0.0.1", "127.0.0.9"):
        transport = httpx.HTTPTransport(local_address=address)
        direct = httpx.Client(
            base_url=f"http://127.0.0.1:{house.desk_port}", transport=transport, timeout=300
        )
        answer = direct.get("/testville", headers=lies | cookie)
        assert answer.headers["location"] == f"{house.base}{ROOT}/testville/"
        answer = direct.get("/sign-in", headers=lies)
        assert "elsewhere" not in answer.headers["location"]
        for origin in ("https://elsewhere.example", "http://elsewhere.example"):
            head = lies | cookie | {"Origin": origin}
            assert direct.post("/testville/decide", data=fields, headers=head).status_code == 403
    assert list(read_decisions(small.agency)) == []
    # and through the proxy
    answer = clerk.client.get(
        f"{ROOT}/testville", headers={k: lies[k] for k in lies if k != "Host"},
        follow_redirects=False,
    )  # fmt: skip
    assert answer.headers["location"] == f"{house.base}{ROOT}/testville/"


def test_who_signs_in_gets_the_page_that_was_asked_for(house: BehindProxy) -> None:
    for path in (f"testville/log?call={ASSAULT}", "testville/?district=N&text=punched"):
        client = house.client()
        page = house.pass_provider(client, client.get(f"{ROOT}/{path}"), "anna")
        assert str(page.url) == f"{house.base}{ROOT}/{path}"
        assert page.status_code == 200


@pytest.mark.parametrize(
    "target",
    ["//elsewhere.example/", "https://elsewhere.example/", "/elsewhere", "\\\\elsewhere.example",
     "../elsewhere", "%2e%2e/elsewhere", "javascript:alert(1)", "testville/..//elsewhere.example",
     "testville\r\nLocation: https://elsewhere.example/"],
)  # fmt: skip
def test_nobody_is_led_elsewhere_after_signing_in(house: BehindProxy, target: str) -> None:
    client = house.client()
    address = begin(house, client, f"/sign-in?{urlencode({'to': target})}")
    answer = client.get(come_back(house, client, address), follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{ROOT}/")


@pytest.mark.parametrize("what", ["state", "nonce", "code_challenge"])
def test_a_changed_request_lets_nobody_in(house: BehindProxy, what: str) -> None:
    client = house.client()
    changed = change(begin(house, client), **{what: "A" * 43})
    answer = client.get(come_back(house, client, changed))
    assert answer.status_code == 400
    assert "You were not signed in" in words_of(answer.text)
    assert not is_signed_in(client)
    # and the same browser can sign in afterwards
    answer = client.get(come_back(house, client, begin(house, client)))
    assert answer.status_code == 200
    assert is_signed_in(client)


def test_an_answer_is_good_once_and_in_the_browser_that_asked(house: BehindProxy) -> None:
    client = house.client()
    back = come_back(house, client, begin(house, client))
    kept = client.cookies["cdi_desk_sign_in"]
    # a link that somebody sends, to have others work under his name
    other = house.client()
    begin(house, other)
    for browser in (other, house.client()):
        answer = browser.get(back)
        assert answer.status_code == 400
        assert not is_signed_in(browser)
    for bad in (change(back, state="made up"), change(back, code="made up")):
        thief = house.client()
        thief.cookies.set("cdi_desk_sign_in", kept, domain="127.0.0.1", path=ROOT)
        assert thief.get(bad).status_code == 400
        assert not is_signed_in(thief)
    assert client.get(back, follow_redirects=False).status_code == 303
    # again, with all that the browser had the first time
    again = house.client()
    again.cookies.set("cdi_desk_sign_in", kept, domain="127.0.0.1", path=ROOT)
    for browser in (client, again):
        assert browser.get(back).status_code == 400
    assert not is_signed_in(again)


def test_signing_in_takes_ten_minutes_at_most(
    house: BehindProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = house.client()
    back = come_back(house, client, begin(house, client))
    signer = itsdangerous.TimestampSigner(read_desk_key())
    content = signer.unsign(client.cookies["cdi_desk_sign_in"])
    assert b"_state_provider_" in b64decode(content)
    before = time.time() - SIGN_IN_SECONDS - 5
    with monkeypatch.context() as patch:
        patch.setattr(itsdangerous.timed.time, "time", lambda: before)
        old = signer.sign(content).decode()
    late = house.client()
    late.cookies.set("cdi_desk_sign_in", old, domain="127.0.0.1", path=ROOT)
    answer = late.get(back)
    assert answer.status_code == 400
    assert "took longer than ten minutes" in words_of(answer.text)
    assert client.get(back, follow_redirects=False).status_code == 303


def test_who_is_refused_is_told_why(house: BehindProxy) -> None:
    client = house.client()
    page = house.pass_provider(client, client.get(f"{ROOT}/"), "nobody", answer="deny")
    assert (page.status_code, is_signed_in(client)) == (403, False)
    assert "did not let you in to the desk" in words_of(page.text)
    client = house.client()
    page = house.pass_provider(client, client.get(f"{ROOT}/"), "nameless")
    assert (page.status_code, is_signed_in(client)) == (403, False)
    assert "did not give a name that decisions can show" in words_of(page.text)
    # whatever an address says of an error is not shown
    page = client.get(f"{ROOT}/signed-in?error=access_denied&error_description=Call+0900")
    assert page.status_code == 403
    assert "0900" not in page.text


def test_who_has_no_rights_sees_nothing(house: BehindProxy) -> None:
    client = house.client()
    page = house.pass_provider(client, client.get(f"{ROOT}/"), "nobody")
    assert page.status_code == 200
    assert "You cannot see the logs of any agency" in words_of(page.text)
    assert client.get(f"{ROOT}/testville/").status_code == 404


def test_a_form_holds_for_one_log_in(house: BehindProxy, small: SmallAgency) -> None:
    forget("testville")
    one, two = house.sign_in("anna"), house.sign_in("anna")
    form = one.find_form(one.open_log(ASSAULT), "confirmed")
    theirs = two.find_form(two.open_log(ASSAULT), "confirmed")
    assert one.send(form, token=theirs["token"]).status_code == 403
    assert list(read_decisions(small.agency)) == []


def test_signing_out_ends_the_session_and_offers_to_sign_out_of_the_provider(
    house: BehindProxy,
) -> None:
    clerk = house.sign_in("anna")
    client = clerk.client
    foreign = client.post(f"{ROOT}/sign-out", headers={"Origin": "https://elsewhere.example"})
    assert foreign.status_code == 403
    assert clerk.get().status_code == 200
    page = client.post(f"{ROOT}/sign-out", headers={"Origin": house.base})
    assert page.url.path == f"{ROOT}/signed-out"
    links = [link.replace("&amp;", "&") for link in re.findall(r'<a[^>]* href="([^"]+)', page.text)]
    # the next one at this machine is asked for a password, though the provider knows the last one
    (again,) = [link for link in links if "/sign-in" in link]
    address = begin(house, client, again.removeprefix(ROOT))
    assert parse_qs(urlsplit(address).query)["prompt"] == ["login"]
    assert client.get(address).url.path == "/auth/password"
    (leave,) = [link for link in links if link.startswith(f"{house.issuer}/oauth/end_session?")]
    page = client.get(leave)
    assert page.status_code == 200
    assert "desk" in words_of(page.text)


def test_the_health_is_told_to_anybody_and_nothing_else(house: BehindProxy) -> None:
    direct = httpx.Client(base_url=f"http://127.0.0.1:{house.desk_port}")
    for client, path in ((house.client(), f"{ROOT}/health"), (direct, "/health")):
        answer = client.get(path)
        assert (answer.text, dict(client.cookies)) == ("ok", {})
    assert "server" not in answer.headers


def settings_for(house: BehindProxy, issuer: str) -> OidcSettings:
    """A desk in this process, whose provider is elsewhere."""
    return OidcSettings(
        house.base, issuer, "desk", CLIENT_SECRET, "groups", "preferred_username", "openid"
    )


def test_a_provider_that_cannot_be_used_is_told(
    house: BehindProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(house.certificate))
    port = urlsplit(house.issuer).port

    async def ask(issuer: str) -> httpx.Response:
        app = make_oidc_desk(settings_for(house, issuer))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url=house.base, timeout=300
        ) as client:
            return await client.get("/sign-in")

    assert run_apart(ask(house.issuer)).status_code == 302
    for issuer in (
        f"https://127.0.0.1:{port}",  # whose metadata name another issuer
        f"{house.issuer}/nowhere",
        f"https://localhost:{house.desk_port}",  # no TLS there
    ):
        answer = run_apart(ask(issuer))
        assert answer.status_code == 503, issuer
        assert "did not answer as it should" in words_of(answer.text)


def test_only_what_the_provider_alone_can_sign_is_believed(
    house: BehindProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(house.certificate))
    metadata = f"{house.issuer}/.well-known/openid-configuration"
    offered = httpx.get(metadata, verify=house.trust, timeout=300).json()
    assert "none" in offered["id_token_signing_alg_values_supported"]
    log_in = LogIn(settings_for(house, house.issuer))
    taken = run_apart(log_in._load_metadata())["id_token_signing_alg_values_supported"]
    assert taken == ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]
