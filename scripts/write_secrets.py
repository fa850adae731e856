"""Write the folder of secrets that docker-compose.yaml needs, each a file with a random value.

The folder is its owner's alone (mode 700). The files in it have mode 644, since Docker shows each
of them in a container with the mode that it has here, and the user of the image must be able to
read it. An existing folder is never changed, since a running installation cannot do without its
secrets.

Usage:
    python3 scripts/write_secrets.py [--output FOLDER]
"""

import argparse
import base64
import secrets
import sys
import tempfile
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


def write_folder(output: Path) -> None:
    """Write all secrets, or none.

    Args:
        output: The folder to make.

    Raises:
        FileExistsError: If there is one already.
    """
    if output.exists():
        raise FileExistsError(output)
    folder = Path(tempfile.mkdtemp(prefix=f"{output.name}-", dir=output.parent))  # mode 700
    for name in NAMES:
        file = folder / name
        file.write_text(make_secret(name), encoding="utf-8")
        file.chmod(0o644)
    folder.rename(output)


def main() -> int:
    """Run from the command line.

    Returns:
        The exit code: 1 if the folder exists.
    """
    parser = argparse.ArgumentParser(description="Write a folder of random secrets (mode 700).")
    parser.add_argument("--output", type=Path, default=REPO / "secrets", metavar="FOLDER")
    output: Path = parser.parse_args().output
    try:
        write_folder(output)
    except FileExistsError:
        sys.stderr.write(
            f"{output} exists and was left as it is: the installation needs its secrets. "
            "To start anew, move it away first.\n"
        )
        return 1
    sys.stdout.write(f"{output} written (mode 700). Back it up in a safe place.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
