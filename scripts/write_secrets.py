"""Write the folder of secrets that docker-compose.yaml needs, each a file with a random value.

The folder is its owner's alone (mode 700). The files in it have mode 644, since Docker shows each
of them in a container with the mode that it has here, and the user of the image must be able to
read it. A file that is there is never changed, since a running installation cannot do without its
secrets; into an existing folder only those are written that are missing, as a newer release may
need one more.

Usage:
    python3 scripts/write_secrets.py [--output FOLDER]
"""

import argparse
import base64
import secrets
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
NAMES = (
    "postgres_password",
    "fernet_key",
    "jwt_secret",
    "api_secret_key",
    "admin_password",
    "desk_client_secret",
)


def make_secret(name: str) -> str:
    """Make a random value that is safe in URLs.

    Args:
        name: The secret. A Fernet key must be 32 bytes in base64; for others any value will do.
    """
    if name == "fernet_key":
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_urlsafe(48)  # 64 signs, as long as SHA-512 wants a key


def write_missing(output: Path) -> list[str]:
    """Write the secrets that are not there, each whole or not at all.

    Args:
        output: The folder; it is made if it is not there, and closed to other accounts if it is.

    Returns:
        The names of those that were written.
    """
    output.mkdir(parents=True, exist_ok=True)
    output.chmod(0o700)  # before a secret is in it, and also of a folder that was there
    missing = [name for name in NAMES if not (output / name).exists()]
    for name in missing:
        unfinished = output / f"{name}.unfinished"
        unfinished.write_text(make_secret(name), encoding="utf-8")
        unfinished.chmod(0o644)
        unfinished.rename(output / name)
    return missing


def main() -> int:
    """Run from the command line.

    Returns:
        The exit code: 1 if no secret is missing.
    """
    parser = argparse.ArgumentParser(description="Write a folder of random secrets (mode 700).")
    parser.add_argument("--output", type=Path, default=REPO / "secrets", metavar="FOLDER")
    output: Path = parser.parse_args().output
    written = write_missing(output)
    if not written:
        sys.stderr.write(
            f"{output} has all secrets and was left as it is: the installation needs them. "
            "To start anew, move it away first.\n"
        )
        return 1
    sys.stdout.write(f"written to {output}: {', '.join(written)}. Back it up in a safe place.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
