"""Keys by which the workers of a force prove to the centre who they are.

A force makes its key at home and keeps the private half there. The centre has a list of public
halves, ``<state>/edge/trusted.json`` (a JWKS, RFC 7517), in which the id of a key is the queue that
its owner may work for. So a key that was stolen opens one queue, and the centre ends that by taking
the key off its list.
"""

import base64
import json
import re
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cdi import paths
from cdi.errors import CdiError
from cdi.files import read_json, write_json
from cdi.keys import read_or_make_secret

_QUEUE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")  # as `runs_on` in agency.yaml
_KEY_BYTES = 32


def key_file(queue: str) -> Path:
    """Where a force keeps its private key."""
    return paths.secrets() / "edge" / f"{queue}.pem"


def trusted_file() -> Path:
    """Where the centre keeps the public keys that it trusts."""
    return paths.home() / "edge" / "trusted.json"


def read_or_make_key(queue: str) -> dict[str, str]:
    """Read the key of a queue's workers; on first use it is made, with mode 600.

    Args:
        queue: The queue, as `runs_on` of the agency names it.

    Returns:
        The public half, for the centre.

    Raises:
        CdiError: EDGE-KEY if this is not the name of a queue, or the file holds no such key.
    """
    _check_queue(queue)
    file = key_file(queue)
    text = read_or_make_secret(file, _make_private_key)
    try:
        private = serialization.load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise CdiError(
            "EDGE-KEY",
            f"{file} holds no private key of the kind Ed25519",
            "restore it, or remove it and have the centre trust a new key",
        )
    return {
        "kid": queue,
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
        "x": base64.urlsafe_b64encode(private.public_key().public_bytes_raw()).decode().rstrip("="),
    }


def _make_private_key() -> str:
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def trust_key(text: str) -> str:
    """Let the owner of a key work for the queue that the key names.

    Args:
        text: The public key as the force has sent it, a JWK (RFC 8037).

    Returns:
        The queue.

    Raises:
        CdiError: EDGE-KEY if it is no such key, or another key is trusted for the queue.
    """
    key = _read_public_key(text)
    trusted = {old["kid"]: old for old in read_trusted()}
    queue = key["kid"]
    if trusted.get(queue, key) != key:
        raise CdiError(
            "EDGE-KEY",
            f"another key is trusted for the queue {queue}",
            f"find out which of them is the force's; then `{paths.CDI} edge distrust {queue}`",
        )
    _write_trusted(trusted | {queue: key})
    return queue


def distrust_key(queue: str) -> bool:
    """Take a key off the list, from the next request on; returns whether it was there."""
    trusted = {old["kid"]: old for old in read_trusted()}
    was_there = trusted.pop(queue, None) is not None
    if was_there:
        _write_trusted(trusted)
    return was_there


def read_trusted() -> list[dict[str, Any]]:
    """Read the keys that the centre trusts.

    Raises:
        StateError: STATE-DAMAGED if the file is no list of keys.
    """
    file = trusted_file()
    keys: list[dict[str, Any]] = read_json(file, ["keys"])["keys"] if file.exists() else []
    return keys


def is_trusted(queue: str) -> bool:
    """Whether the centre trusts a key for a queue."""
    return any(key["kid"] == queue for key in read_trusted())


def _write_trusted(keys: dict[str, dict[str, Any]]) -> None:
    trusted_file().parent.mkdir(parents=True, exist_ok=True)
    write_json(trusted_file(), {"keys": [keys[queue] for queue in sorted(keys)]})


def _read_public_key(text: str) -> dict[str, str]:
    try:
        key = json.loads(text)
        fields = {name: str(key[name]) for name in ("kid", "kty", "crv", "alg", "use", "x")}
        raw = base64.urlsafe_b64decode(fields["x"] + "=")
    except (ValueError, TypeError, KeyError):
        fields, raw = {}, b""
    is_right = (fields.get("kty"), fields.get("crv")) == ("OKP", "Ed25519")
    if not is_right or len(raw) != _KEY_BYTES:
        raise CdiError(
            "EDGE-KEY",
            "this is not a public key as a force prints it",
            f"take the whole line that `{paths.CDI} edge key <queue>` prints at the force",
        )
    _check_queue(fields["kid"])
    return fields


def _check_queue(queue: str) -> None:
    if not _QUEUE.fullmatch(queue):
        raise CdiError(
            "EDGE-KEY",
            f"{queue!r} is not the name of a queue",
            "use `runs_on` of the agency: small letters, digits, _ and -",
        )
