"""The log-in by OpenID Connect: its settings, names and rights, and where people are led to."""

from pathlib import Path
from typing import Any

import pytest

from cdi.desk.alone import clean_target
from cdi.desk.oidc import RefusedError, read_name, read_rights
from cdi.desk.oidc_settings import read_oidc_settings
from cdi.desk.people import Right
from cdi.errors import CdiError

LEAST = {
    "CDI_DESK_URL": "https://desk.example.org/desk/",
    "CDI_DESK_OIDC_ISSUER": "https://log-in.example.org",
    "CDI_DESK_OIDC_CLIENT_ID": "desk",
}


def test_the_least_that_must_be_said() -> None:
    settings = read_oidc_settings(LEAST)
    assert (settings.url, settings.host, settings.root) == (
        "https://desk.example.org/desk", "desk.example.org", "/desk",
    )  # fmt: skip
    assert settings.client_secret is None
    assert (settings.rights_claim, settings.name_claim, settings.scope) == (
        "groups", "preferred_username", "openid profile",
    )  # fmt: skip
    whole = read_oidc_settings(LEAST | {"CDI_DESK_URL": "https://desk.example.org:8443"})
    assert (whole.host, whole.root) == ("desk.example.org:8443", "")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"CDI_DESK_URL": ""}, "CDI_DESK_URL is not set"),
        ({"CDI_DESK_OIDC_ISSUER": " "}, "CDI_DESK_OIDC_ISSUER is not set"),
        ({"CDI_DESK_OIDC_CLIENT_ID": ""}, "CDI_DESK_OIDC_CLIENT_ID is not set"),
        ({"CDI_DESK_URL": "http://desk.example.org"}, "begins with https://"),
        ({"CDI_DESK_URL": "desk.example.org"}, "begins with https://"),
        ({"CDI_DESK_OIDC_ISSUER": "http://log-in.example.org"}, "begins with https://"),
        ({"CDI_DESK_OIDC_ISSUER": "https://log-in.example.org?a=b"}, "begins with https://"),
        ({"CDI_DESK_OIDC_SCOPE": "profile groups"}, "lacks `openid`"),
        ({"CDI_DESK_OIDC_SECRET_FILE": "/nowhere/secret"}, "/nowhere/secret"),
    ],
)
def test_what_is_missing_or_wrong_is_named(changes: dict[str, str], named: str) -> None:
    with pytest.raises(CdiError, match=named) as raised:
        read_oidc_settings(LEAST | changes)
    assert raised.value.rule_id == "DESK-OIDC"
    assert raised.value.fix


def test_a_secret_is_read_from_its_file_and_stands_in_no_error(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("of the client\n", encoding="utf-8")
    given = LEAST | {"CDI_DESK_OIDC_SECRET_FILE": str(file)}
    assert read_oidc_settings(given).client_secret == "of the client"
    file.write_text("\n", encoding="utf-8")
    with pytest.raises(CdiError, match="is empty"):
        read_oidc_settings(given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["cdi:north:see", "cdi:north:decide", "cdi:south:see"],
         {"north": {Right.SEE, Right.DECIDE}, "south": {Right.SEE}}),
        ("cdi:north:manage", {"north": {Right.MANAGE}}),
        (["cdi:north:audit"], {"north": {Right.AUDIT}}),
        (["cdi:north:second", "staff", "cdi:north:admin", "cdi::see", "cdi:north", "CDI:north:see",
          "xcdi:north:see", "cdi:north:SEE", None, 7, {"cdi:north:see": True}],
         {"north": {Right.SECOND}}),
        ([], {}), (None, {}), ({"north": "see"}, {}),
    ],
)  # fmt: skip
def test_rights_are_read_and_all_else_is_passed_over(
    given: Any, expected: dict[str, set[Right]]
) -> None:
    assert read_rights({"groups": given}, "groups") == expected


def test_no_claim_gives_no_right() -> None:
    assert read_rights({"roles": ["cdi:north:see"]}, "groups") == {}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("anna", "anna"), (" anna ", "anna"), ("Zoë", "Zoë"), ("Zoe\u0308", "Zoë"),
        ("ａｎｎａ", "anna"),  # noqa: RUF001
    ],
)  # fmt: skip
def test_a_name_is_written_in_one_way(given: str, name: str) -> None:
    assert read_name({"preferred_username": given}, "preferred_username") == name


@pytest.mark.parametrize(
    "given", [None, "", "  ", 7, ["anna"], "an\nna", "an\u200bna", "an\u202ena", "a" * 101]
)
def test_who_has_no_name_is_refused(given: Any) -> None:
    with pytest.raises(RefusedError, match="preferred_username"):
        read_name({"preferred_username": given, "sub": "7"}, "preferred_username")


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "testville/",
        "testville/log?call=T-0002&by=order",
        "north_2/search?q=a%2Fb",
        "?list=passed",
    ],
)
def test_a_page_of_the_desk_is_a_target(typed: str) -> None:
    assert clean_target(typed) == typed


@pytest.mark.parametrize(
    "typed",
    ["/", "//else.example", "https://else.example", "..", "../x", "a/../b", "a//b", "a\\b",
     "%2e%2e/x", "a b", "a\n", "a?b\nc", "é/", "a?" + "x" * 1001],
)  # fmt: skip
def test_all_else_is_none(typed: str) -> None:
    assert clean_target(typed) == ""
