"""Real servers on loopback, for tests of what reads from them."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def find_tool(name: str) -> str:
    """The path of a program of PostgreSQL; Debian keeps its server's outside the search path."""
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None
    )
    if found is None:
        pytest.skip(f"{name} is not on this machine: install the package postgresql")
    return found


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def open_postgres(folder: Path, password: str) -> Iterator[int]:
    """Start PostgreSQL in an empty folder; stop it afterwards.

    Args:
        folder: The folder, which the server's user must be able to enter.
        password: That of the superuser `postgres`.

    Yields:
        Its port on 127.0.0.1.
    """
    home, port = folder / "postgres", free_port()
    home.mkdir()
    secret = home / "password"
    secret.write_text(password, encoding="utf-8")
    options: dict[str, object] = {"env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        for path in (home, secret):
            shutil.chown(path, "nobody")
        options |= {"user": "nobody", "extra_groups": []}
    subprocess.run(
        [find_tool("initdb"), "-D", str(home / "data"), "-U", "postgres", "--no-sync",
         "--auth=scram-sha-256", f"--pwfile={secret}"],
        check=True, capture_output=True, cwd=home, **options,
    )  # fmt: skip
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [find_tool("postgres"), "-D", str(home / "data"), "-k", "", "-h", "127.0.0.1",
             "-p", str(port), "-c", "fsync=off", "-c", "timezone=America/New_York"],
            stdout=log, stderr=subprocess.STDOUT, cwd=home, **options,
        )  # fmt: skip
    try:
        _wait_for_postgres(server, port, home)
        yield port
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait_for_postgres(server: "subprocess.Popen[bytes]", port: int, home: Path) -> None:
    ready = [find_tool("pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
    until = time.monotonic() + 60
    while subprocess.run(ready, capture_output=True, check=False).returncode:
        assert server.poll() is None, (home / "log").read_text(encoding="utf-8")
        assert time.monotonic() < until, "PostgreSQL did not answer within a minute"
        time.sleep(0.1)
