"""How a desk that runs alone is told where it is, and who signs its people in (docs/server.md)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cdi import paths
from cdi.errors import CdiError

URL = "CDI_DESK_URL"
ISSUER = "CDI_DESK_OIDC_ISSUER"
CLIENT_ID = "CDI_DESK_OIDC_CLIENT_ID"
SECRET_FILE = "CDI_DESK_OIDC_SECRET_FILE"  # noqa: S105
RIGHTS = "CDI_DESK_OIDC_CLAIM"
NAME = "CDI_DESK_OIDC_NAME"
SCOPE = "CDI_DESK_OIDC_SCOPE"


@dataclass(frozen=True)
class OidcSettings:
    """What the environment says about the log-in by OpenID Connect.

    Attributes:
        url: The address at which people open the desk, without a slash at its end.
        issuer: The provider's address, as its own metadata gives it.
        client_id: By which the provider knows the desk.
        client_secret: What the desk proves this with; None for a public client.
        rights_claim: The claim that holds rights, such as `cdi:<agency>:decide`.
        name_claim: The claim that holds the name which stands in decisions.
        scope: What the provider is asked for.
    """

    url: str
    issuer: str
    client_id: str
    client_secret: str | None
    rights_claim: str
    name_claim: str
    scope: str

    @property
    def host(self) -> str:
        """Host and port of the public address."""
        return urlsplit(self.url).netloc

    @property
    def root(self) -> str:
        """The path below which the proxy serves the desk; blank if it is the whole host."""
        return urlsplit(self.url).path


def read_oidc_settings(environment: Mapping[str, str] = os.environ) -> OidcSettings:
    """Read the settings of the log-in.

    Raises:
        CdiError: DESK-OIDC if one is missing or cannot be used.
    """
    scope = environment.get(SCOPE) or "openid profile"
    if "openid" not in scope.split():
        raise _settings_error(f"{SCOPE} lacks `openid`", f"set it to `openid {scope}`")
    return OidcSettings(
        url=_read_address(environment, URL),
        issuer=_read_address(environment, ISSUER),
        client_id=_read(environment, CLIENT_ID),
        client_secret=_read_secret(environment.get(SECRET_FILE)),
        rights_claim=environment.get(RIGHTS) or "groups",
        name_claim=environment.get(NAME) or "preferred_username",
        scope=scope,
    )


def _read(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise _settings_error(
            f"{name} is not set",
            f"set it as docs/server.md says, or try the desk by `{paths.CDI} desk` without --oidc",
        )
    return value


def _read_address(environment: Mapping[str, str], name: str) -> str:
    """Read an address; without TLS anybody on the way could take over a session."""
    value = _read(environment, name).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.netloc or parts.query or parts.fragment:
        raise _settings_error(
            f"{name} is {value}, which is not an address that begins with https://",
            "give the address that people open in the browser"
            if name == URL
            else "give the issuer that the provider's metadata name",
        )
    return value


def _read_secret(file: str | None) -> str | None:
    if not file:
        return None
    try:
        secret = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _settings_error(
            f"the file {file} of {SECRET_FILE} cannot be read ({error.__class__.__name__})",
            "see that it is there and that this account may read it",
        ) from None
    if not secret:
        raise _settings_error(
            f"the file {file} of {SECRET_FILE} is empty",
            "write the client's secret into it, or unset the variable for a public client",
        )
    return secret


def _settings_error(problem: str, fix: str) -> CdiError:
    return CdiError("DESK-OIDC", problem, fix)
