"""The log-in by OpenID Connect: the organisation's own log-in signs people in at the desk.

Authlib does the protocol: authorization code flow with PKCE, state and nonce. What it must remember
until the person comes back is in a signed cookie that lasts ten minutes. After that the desk has a
session of its own (`cdi.desk.sessions`), and keeps no token of the provider.
"""

import logging
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse
from joserfc.errors import JoseError
from starlette.middleware.sessions import SessionMiddleware

from cdi.desk.alone import (
    SIGN_IN,
    SessionDoor,
    add_health,
    add_sign_out,
    clean_target,
)
from cdi.desk.app import make_desk
from cdi.desk.forms import read_desk_key
from cdi.desk.oidc_settings import OidcSettings
from cdi.desk.pages import show_message
from cdi.desk.people import Right
from cdi.desk.sessions import begin_session, end_session, set_cookie
from cdi.desk.visit import HEADERS
from cdi.render import render

LOG = logging.getLogger(__name__)

COME_BACK, SIGNED_OUT = "/signed-in", "/signed-out"
SIGN_IN_SECONDS = 600
ANSWER_SECONDS = 30  # how long to wait for the provider
COOKIE = "cdi_desk_sign_in"
# By keys that the provider alone has. Not `none`, nor those that whoever knows the client's secret
# could sign with.
SIGNATURES = {
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
}
LONGEST_NAME = 100


class RefusedError(Exception):
    """The provider signed somebody in whom the desk cannot let in; it says why, for people."""


def make_oidc_desk(settings: OidcSettings) -> Callable[..., Awaitable[None]]:
    """Make a desk whose people sign in by OpenID Connect, as an ASGI application.

    Args:
        settings: Where the desk is, and who signs its people in.
    """
    app = make_desk(SessionDoor())
    add_health(app)
    add_sign_out(app, then=SIGNED_OUT)
    log_in = LogIn(settings)
    for path, endpoint in (
        (SIGN_IN, log_in.begin),
        (COME_BACK, log_in.finish),
        (SIGNED_OUT, log_in.show_signed_out),
    ):
        app.add_api_route(path, endpoint, methods=["GET"], response_model=None)
    app.add_middleware(
        SessionMiddleware,
        secret_key=read_desk_key(),
        session_cookie=COOKIE,
        max_age=SIGN_IN_SECONDS,
        path=settings.root or "/",
        https_only=True,
    )
    return PublicAddress(app, settings)


class PublicAddress:
    """Tells the application at which address people open it, as an ASGI application.

    The settings say so, and no header of a request is believed: neither `Host`, nor
    `X-Forwarded-Host` or `X-Forwarded-Proto`. So it does not matter who sends them.
    """

    def __init__(self, app: FastAPI, settings: OidcSettings) -> None:
        """Take the application and its address."""
        self._app = app
        self._host = settings.host.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on as one that was sent to the public address."""
        if scope["type"] == "http":
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope = scope | {"scheme": "https", "headers": [(b"host", self._host), *others]}
        await self._app(scope, receive, send)


class LogIn:
    """The pages to sign in: to the provider, back from it, and out."""

    def __init__(self, settings: OidcSettings) -> None:
        """Register the desk as a client; the provider is asked with the first log-in."""
        self._settings = settings
        self._provider = OAuth().register(
            name="provider",
            server_metadata_url=f"{settings.issuer}/.well-known/openid-configuration",
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            client_kwargs={
                "scope": settings.scope,
                "code_challenge_method": "S256",
                "timeout": ANSWER_SECONDS,
            },
        )

    async def begin(self, request: Request, to: str = "", again: bool = False) -> Response:
        """Lead to the provider; `again` asks for the password although somebody is signed in."""
        back = f"{self._settings.url}{COME_BACK}"
        how = {"prompt": "login"} if again else {}
        try:
            await self._load_metadata()
            answer = await self._provider.authorize_redirect(request, back, **how)
        except (httpx2.HTTPError, ValueError, RuntimeError) as error:
            return _show_unreachable(request, error)
        request.session["to"] = clean_target(to)
        answer.headers.update(HEADERS)
        return answer

    async def finish(self, request: Request) -> Response:
        """Let in whoever comes back from the provider, and lead to the page that was asked for."""
        target = clean_target(str(request.session.pop("to", "")))
        try:
            claims = await self._fetch_claims(request)
            name = read_name(claims, self._settings.name_claim)
        except (AuthlibBaseError, JoseError) as error:
            return _show_failure(request, error)
        except RefusedError as error:
            return _show(request, "You cannot be let in", str(error), 403)
        except (httpx2.HTTPError, ValueError, RuntimeError) as error:
            return _show_unreachable(request, error)
        rights = read_rights(claims, self._settings.rights_claim)
        await run_in_threadpool(end_session, request)
        word = await run_in_threadpool(begin_session, name, rights)
        answer = RedirectResponse(f"{self._settings.root}/{target}", 303, HEADERS)
        set_cookie(answer, word, is_secure=True)
        return answer

    async def show_signed_out(self, request: Request) -> Response:
        """Say that the desk's session has ended, and offer to sign out of the provider too."""
        try:
            leave = (await self._load_metadata()).get("end_session_endpoint")
        except (httpx2.HTTPError, ValueError, RuntimeError):
            leave = None
        if leave:
            back = {
                "client_id": self._settings.client_id,
                "post_logout_redirect_uri": f"{self._settings.url}{SIGNED_OUT}",
            }
            leave = f"{leave}{'&' if '?' in leave else '?'}{urlencode(back)}"
        page = render(
            "desk_signed_out.html.j2",
            is_simulated=False,
            person=None,
            leave=leave,
            sign_in=f"{self._settings.root}{SIGN_IN}?again=1",
        )
        return HTMLResponse(page, 200, HEADERS)

    async def _fetch_claims(self, request: Request) -> Mapping[str, Any]:
        """Fetch what the provider says about the person, by the code that they brought back."""
        metadata = await self._load_metadata()
        expected = {
            "iss": {"essential": True, "value": metadata["issuer"]},
            "aud": {"essential": True, "value": self._settings.client_id},
        }
        token = await self._provider.authorize_access_token(request, claims_options=expected)
        claims: dict[str, Any] = dict(token.get("userinfo") or {})
        if not claims.get("sub"):
            raise RefusedError("The log-in of your organisation did not say who you are.")
        wanted = {self._settings.rights_claim, self._settings.name_claim}
        if not wanted <= claims.keys() and metadata.get("userinfo_endpoint"):
            more = await self._provider.userinfo(token=token)
            # A provider may give somebody else's if it is made to; OpenID Connect Core 5.3.2.
            if more.get("sub") == claims["sub"]:
                claims = {**more, **claims}
        return claims

    async def _load_metadata(self) -> Mapping[str, Any]:
        """Load what the provider says about itself; it is fetched once.

        Raises:
            RuntimeError: If they are of another issuer.
        """
        metadata: dict[str, Any] = await self._provider.load_server_metadata()
        if f"{metadata.get('issuer')}".rstrip("/") != self._settings.issuer:
            raise RuntimeError(f"the metadata are of another issuer: {metadata.get('issuer')!r}")
        offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        metadata["id_token_signing_alg_values_supported"] = sorted(SIGNATURES & set(offered))
        return metadata


def read_name(claims: Mapping[str, Any], claim: str) -> str:
    """Read the name that stands in decisions.

    Args:
        claims: What the provider says about the person.
        claim: Which of them is the name.

    Raises:
        RefusedError: If it is missing or cannot stand in a decision.
    """
    given = claims.get(claim)
    # Two ways to write the same letters must not make two people of one.
    name = unicodedata.normalize("NFKC", given).strip() if isinstance(given, str) else ""
    if not name or not name.isprintable() or len(name) > LONGEST_NAME:
        raise RefusedError(
            f"The log-in of your organisation did not give a name that decisions can show "
            f"(the claim {claim}). Contact whoever manages the log-ins."
        )
    return name


def read_rights(claims: Mapping[str, Any], claim: str) -> dict[str, set[Right]]:
    """Read somebody's rights by agency; entries that are no rights of the desk are passed over.

    Args:
        claims: What the provider says about the person.
        claim: Which of them holds the rights, such as `cdi:<agency>:decide`.
    """
    given = claims.get(claim)
    entries = given if isinstance(given, list) else [given]
    rights: dict[str, set[Right]] = {}
    for entry in entries:
        system, _, right = str(entry).partition(":")
        agency, _, right = right.rpartition(":")
        if system == "cdi" and agency and right in list(Right):
            rights.setdefault(agency, set()).add(Right(right))
    return rights


def _show_failure(request: Request, error: AuthlibBaseError | JoseError) -> Response:
    """Say what to do after a log-in that failed; what the answer said of it is not shown."""
    LOG.warning("DESK-OIDC: a log-in failed: %.200r", str(error))
    if error.error == "access_denied":
        return _show(
            request,
            "You were not signed in",
            "The log-in of your organisation did not let you in to the desk. If you did not stop "
            "it yourself, ask whoever manages the log-ins.",
            403,
        )
    return _show(
        request,
        "You were not signed in",
        "This log-in was begun in another browser, took longer than ten minutes, or was used "
        "already. Go back to the desk to sign in again. If it happens again, contact operations.",
        400,
    )


def _show_unreachable(request: Request, error: Exception) -> Response:
    LOG.error("DESK-OIDC: the provider cannot be used: %s: %.200s", type(error).__name__, error)
    return _show(
        request,
        "You cannot sign in now",
        "The log-in of your organisation did not answer as it should. Try again in a minute. If "
        "it happens again, tell operations.",
        503,
    )


def _show(request: Request, title: str, sentence: str, status: int) -> Response:
    return HTMLResponse(show_message(request, title, sentence), status, HEADERS)
