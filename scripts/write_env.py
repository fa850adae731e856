"""Write the `.env` that docker-compose.yaml needs, with random secrets.

`.env.example` says which: each of its lines ``NAME=`` gets a value. An existing file is never
overwritten, since a running installation cannot do without its secrets.

Usage:
    python3 scripts/write_env.py [--output PATH]
"""

import argparse
import base64
import os
import secrets
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
EXAMPLE = REPO / ".env.example"


def new_secret(name: str) -> str:
    """Make a random value that is safe in URLs, in JSON and in a `.env` file.

    Args:
        name: The variable. A Fernet key must be 32 bytes in base64; for others any value will do.
    """
    if name == "CDI_FERNET_KEY":
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_urlsafe(32)


def fill_example(example: str) -> str:
    """Give each empty variable a secret; comments and all else stay as they are.

    Args:
        example: Text of `.env.example`.
    """
    lines = []
    for line in example.splitlines():
        name, equals, value = line.partition("=")
        is_empty = equals and not value and not name.startswith("#")
        lines.append(line + new_secret(name) if is_empty else line)
    return "\n".join(lines) + "\n"


def write_new_file(output: Path) -> None:
    """Write the file with mode 600.

    Args:
        output: The file to write.

    Raises:
        FileExistsError: If there is one already.
    """
    text = fill_example(EXAMPLE.read_text(encoding="utf-8"))
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def main() -> int:
    """Run from the command line.

    Returns:
        The exit code: 1 if the file exists.
    """
    parser = argparse.ArgumentParser(description="Write .env with random secrets (mode 600).")
    parser.add_argument("--output", type=Path, default=REPO / ".env", metavar="PATH")
    output: Path = parser.parse_args().output
    try:
        write_new_file(output)
    except FileExistsError:
        sys.stderr.write(
            f"{output} exists and was left as it is: the installation needs its secrets. "
            "To start anew, move it away first.\n"
        )
        return 1
    sys.stdout.write(f"{output} written (mode 600). Back it up in a safe place.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
