"""What a form of the desk must show before it is believed.

A browser sends its cookies with a form of any other site too. So a form must come from a page of
the desk (its `Origin`), and carry a token that the desk gave to this person, for this agency, and
to this log-in alone where the desk has its own (`Person.session`). A token is good for one
decision: the reference of the decision is made from it, and no reference comes twice
(`cdi.people.decisions`). A form that is sent again finds that it is written already.
"""

import hashlib
import secrets
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import Request
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from cdi import paths
from cdi.desk.visit import DeskError, Visit
from cdi.keys import read_or_make_secret

NOT_FROM_HERE = "This form was not sent by a page of the desk."
NOTHING_SAVED = "Nothing was saved"
FORM_SECONDS = 8 * 3600  # a shift


class FormError(Exception):
    """A form that is not believed; it says why, in a sentence for people."""


def make_token(visit: Visit) -> str:
    """Make the token of a form that a page shows."""
    return _serializer().dumps([visit.person.session, visit.agency_id, secrets.token_hex(8)])


def check_form(visit: Visit, token: str) -> str:
    """Make sure that a form is one that the desk gave to this person.

    Args:
        visit: The request that brought it.
        token: The token in it.

    Returns:
        The reference of the decision that this form, and no other, can write.

    Raises:
        DeskError: 403 if it came from another site.
        FormError: If its token is missing, forged, too old, or somebody else's.
    """
    if not comes_from_here(visit.request):
        raise DeskError(403, NOTHING_SAVED, NOT_FROM_HERE)
    try:
        session, form_agency, nonce = _serializer().loads(token, max_age=FORM_SECONDS)
    except SignatureExpired:
        raise FormError("This page was open for too long. Load it again.") from None
    except (BadSignature, ValueError, TypeError):
        raise FormError("This form was not made by the desk.") from None
    if (session, form_agency) != (visit.person.session, visit.agency_id):
        raise FormError("This form was made for another log-in. Load the page again.")
    return f"D{hashlib.sha256(str(nonce).encode()).hexdigest()[:12]}"


def comes_from_here(request: Request) -> bool:
    """Whether a form was sent by a page of this host: browsers say where a form comes from.

    A proxy before the desk must hand the name of the host on, as it does by default or by
    `proxy_set_header Host $host`.
    """
    origin = request.headers.get("origin") or request.headers.get("referer") or ""
    return urlsplit(origin).netloc == request.headers.get("host")


def find_page_before(request: Request) -> str:
    """Find the page of a log on which a refused form was, as a way from the form's own address.

    Args:
        request: The request that brought the form.

    Returns:
        The way with what chooses the log, and its filters; blank if a browser does not say which
        page it was, or if it was no page of a log.
    """
    before = urlsplit(request.headers.get("referer", ""))
    page = before.path.rpartition("/")[2]
    if request.method != "POST" or before.netloc != request.headers.get("host"):
        return ""
    if page not in ("log", "audit-log"):
        return ""
    query = dict(parse_qsl(before.query))
    query.pop("done", None)  # what was decided before this form
    return f"{page}?{urlencode(query)}"


def read_desk_key() -> str:
    """Read the key that forms are signed with, and what a log-in must remember; make it first."""
    file = paths.secrets() / "desk.key"
    return read_or_make_secret(file, lambda: secrets.token_hex(32) + "\n").strip()


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(read_desk_key(), salt="form")
