"""The secret key of each agency: reading or making it, keyed hashes, and encryption.

The key lies in ``<state>/secrets/`` and never in a database. From it one key per purpose is derived,
so that a hash made for one purpose says nothing about a hash made for another.
"""

import base64
import contextlib
import hashlib
import hmac
import os
import secrets as random_source
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
from cryptography.fernet import Fernet

from cdi import paths
from cdi.errors import CdiError

_KEY_BYTES = 32
_BLOCK = 64  # bytes; SHA-256's block, which HMAC pads its key to


def read_agency_key(agency: str) -> bytes:
    """The agency's secret (32 bytes), made on first use with mode 600.

    Raises:
        CdiError: SECRET-KEY if the file holds no such key, or is gone while there is a landing.
    """
    file = paths.secrets() / f"{agency}.key"
    if not file.is_file() and any((paths.home() / "landing" / agency).glob("**/batches/*")):
        raise _refuse_without_key(agency, f"{file} is gone")
    text = read_or_make_secret(file, lambda: random_source.token_hex(_KEY_BYTES) + "\n").strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise _refuse_without_key(agency, f"{file} holds no key of {_KEY_BYTES} bytes")
    return key


def _refuse_without_key(agency: str, what: str) -> CdiError:
    return CdiError(
        "SECRET-KEY",
        f"{what}, and hashes by another would not equal those of the landing",
        f"restore it from the back-up; if it is lost, move {paths.home() / 'landing' / agency} "
        "away, remove the file and extract all anew",
    )


def read_or_make_secret(file: Path, make: Callable[[], str]) -> str:
    """Read a file of secrets, made on first use: whole or not at all, once, with mode 600.

    Args:
        file: Below ``secrets/``.
        make: Its text, if there is no such file yet.
    """
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=".") as made:  # mode 600
            made.write(make())
            made.flush()
            os.fsync(made.fileno())
            with contextlib.suppress(FileExistsError):  # another was first: its secret counts
                os.link(made.name, file)
    return file.read_text(encoding="utf-8", errors="replace")


def derive_key(agency: str, purpose: str) -> bytes:
    """A key for one purpose (`hash`, `encrypt`, `fingerprint`, `erase`), from the agency's own."""
    return hmac.digest(read_agency_key(agency), purpose.encode(), hashlib.sha256)


def set_hash_key(con: duckdb.DuckDBPyConnection, agency: str, purpose: str = "hash") -> None:
    """Give a connection the padded keys that `hmac_expression` reads; they are in no table."""
    key = derive_key(agency, purpose).ljust(_BLOCK, b"\0")
    for name, pad in (("inner", 0x36), ("outer", 0x5C)):
        con.execute(f"set variable {purpose}_{name} = ?::blob", [bytes(byte ^ pad for byte in key)])


def hmac_expression(text: str, purpose: str = "hash") -> str:
    """SQL for HMAC-SHA256 (hex) of a text as it stands; null stays null.

    Args:
        text: SQL expression.
        purpose: Of the key, see `set_hash_key`.
    """
    inner = f"unhex(sha256(getvariable('{purpose}_inner') || encode({text})))"
    return f"sha256(getvariable('{purpose}_outer') || {inner})"


def encrypt_texts(agency: str, texts: list[str]) -> list[str]:
    """Encrypt the original texts of refused rows (Fernet)."""
    box = _fernet_of(agency)
    return [box.encrypt(text.encode()).decode("ascii") for text in texts]


def decrypt_text(agency: str, token: str) -> str:
    """Read back one encrypted original.

    Raises:
        cryptography.fernet.InvalidToken: If the key is another one.
    """
    return _fernet_of(agency).decrypt(token.encode("ascii")).decode()


def _fernet_of(agency: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(derive_key(agency, "encrypt")))
