"""The secret key of each agency: reading or making it, keyed hashes, and encryption.

The key lies in ``<state>/secrets/``, never in a database. A key for each purpose is derived from
it, so that a hash made for one purpose reveals nothing about a hash made for another.
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
from cdi.files import sync_folder

_KEY_BYTES = 32
_BLOCK_BYTES = 64  # HMAC pads its key to the block size of SHA-256


def read_agency_key(agency_id: str) -> bytes:
    """Read the agency's secret key (32 bytes); on first use it is made, with mode 600.

    Raises:
        CdiError: SECRET-KEY if the file holds no such key, or if it is missing although batches
            were landed with it.
    """
    file = paths.secrets() / f"{agency_id}.key"
    if not file.is_file() and any((paths.home() / "landing" / agency_id).glob("**/batches/*")):
        raise _make_key_error(agency_id, f"{file} is gone")
    text = read_or_make_secret(file, lambda: random_source.token_hex(_KEY_BYTES) + "\n").strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise _make_key_error(agency_id, f"{file} holds no key of {_KEY_BYTES} bytes")
    return key


def _make_key_error(agency_id: str, problem: str) -> CdiError:
    return CdiError(
        "SECRET-KEY",
        f"{problem}; hashes made with another key would not equal those in the landing",
        "restore the key from the backup; if it is lost, put aside what was made with it, as "
        "docs/runbook.md says under SECRET-KEY (landing, weights, the access log, and the seals of "
        "what people wrote), and extract all again",
    )


def read_or_make_secret(file: Path, make: Callable[[], str]) -> str:
    """Read a file of secrets; if it is absent, make it first, with mode 600.

    Several processes may do this at once: the first wins, and all of them read its secret.

    Args:
        file: A file below ``secrets/``.
        make: Returns the text of a new file.
    """
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A temporary file has mode 600 from the start. Giving it a second name (a hard link) either
        # makes the whole file appear, or fails because another process was first; then the other
        # process's secret counts.
        with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=".") as temporary:
            temporary.write(make())
            temporary.flush()
            os.fsync(temporary.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(temporary.name, file)
        sync_folder(file.parent)
    return file.read_text(encoding="utf-8", errors="replace")


def derive_key(agency_id: str, purpose: str) -> bytes:
    """Derive the key of one purpose (`hash`, `variants`, `encrypt`, `fingerprint`, `erase`).

    Raises:
        CdiError: SECRET-KEY, see `read_agency_key`.
    """
    return hmac.digest(read_agency_key(agency_id), purpose.encode(), hashlib.sha256)


def set_hash_key(con: duckdb.DuckDBPyConnection, agency_id: str, purpose: str = "hash") -> None:
    """Set the variables of a connection that `hmac_expression` reads; no table holds the key.

    Raises:
        CdiError: SECRET-KEY, see `read_agency_key`.
    """
    # HMAC (RFC 2104) hashes twice, each time with the padded key XORed with a constant of its own.
    key = derive_key(agency_id, purpose).ljust(_BLOCK_BYTES, b"\0")
    for name, pad in (("inner", 0x36), ("outer", 0x5C)):
        con.execute(f"set variable {purpose}_{name} = ?::blob", [bytes(byte ^ pad for byte in key)])


def hmac_expression(text: str, purpose: str = "hash") -> str:
    """SQL for the HMAC-SHA256 (hex) of a text, which is not normalised; null stays null.

    Args:
        text: SQL expression of the text.
        purpose: Purpose of the key; see `set_hash_key`.
    """
    inner = f"unhex(sha256(getvariable('{purpose}_inner') || encode({text})))"
    return f"sha256(getvariable('{purpose}_outer') || {inner})"


def encrypt_texts(agency_id: str, texts: list[str]) -> list[str]:
    """Encrypt the original texts of refused rows (Fernet).

    Raises:
        CdiError: SECRET-KEY, see `read_agency_key`.
    """
    fernet = _make_fernet(agency_id)
    return [fernet.encrypt(text.encode()).decode("ascii") for text in texts]


def decrypt_text(agency_id: str, token: str) -> str:
    """Decrypt one original text.

    Raises:
        CdiError: SECRET-KEY, see `read_agency_key`.
        cryptography.fernet.InvalidToken: If it was encrypted with another key.
    """
    return _make_fernet(agency_id).decrypt(token.encode("ascii")).decode()


def _make_fernet(agency_id: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(derive_key(agency_id, "encrypt")))
