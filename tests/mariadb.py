"""A real MariaDB server on loopback, which tests reach through its ODBC driver."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cdi.sources.access import Access

DRIVER = "MariaDB Unicode"  # as Debian's package odbc-mariadb enters it in odbcinst.ini
DATABASE = "testville"
READER = "reader"
# what a connection string and a URL quote, and a quote of SQL's
PASSWORD = "not ' a ; real %one = }"
_START_SECONDS = 60


@dataclass(frozen=True)
class MariadbServer:
    """A running server.

    Attributes:
        port: Its port on 127.0.0.1.
        root: Password of its user `root`.
    """

    port: int
    root: str

    def connect(self, **options: Any) -> Any:
        """Open a connection of a writer."""
        import arrow_odbc

        return arrow_odbc.connect(
            f"Driver={{{DRIVER}}};Server=127.0.0.1;Port={self.port};Database={DATABASE};"
            "CHARSET=utf8mb4;",
            user="root",
            password=self.root,
            **options,
        )

    @property
    def access(self) -> Access:
        """How the product reaches it: by a login that may only read."""
        return Access(
            "odbc", "127.0.0.1", self.port, READER, PASSWORD, DATABASE,
            {"Driver": DRIVER, "dialect": "mysql"},
        )  # fmt: skip


def find_missing() -> str:
    """Say what of the system's packages is not on this machine; blank if nothing."""
    if not (_find_program("mariadbd") and _find_program("mariadb-install-db")):
        return "MariaDB is not on this machine: apt-get install mariadb-server"
    try:
        import arrow_odbc  # noqa: F401
    except (ImportError, OSError) as error:
        return f"arrow-odbc cannot be loaded ({error}): apt-get install unixodbc"
    known = subprocess.run(["odbcinst", "-q", "-d"], capture_output=True, text=True, check=False)
    if f"[{DRIVER}]" not in known.stdout:
        return "the ODBC driver is not on this machine: apt-get install odbc-mariadb"
    return ""


def _find_program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")


@contextmanager
def mariadb_or_skip() -> Iterator[MariadbServer]:
    """Start MariaDB in a temporary folder, or skip the test where it is not installed."""
    if missing := find_missing():
        pytest.skip(missing)
    with tempfile.TemporaryDirectory(prefix="cdi-mariadb-") as temporary:
        home = Path(temporary)
        user = "nobody" if os.geteuid() == 0 else None
        if user:
            shutil.chown(home, user)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = int(listener.getsockname()[1])
        server = MariadbServer(port, secrets.token_urlsafe(24))
        run = {"user": user, "cwd": home, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}}
        data = f"--datadir={home / 'data'}"
        subprocess.run(
            [_find_program("mariadb-install-db"), "--no-defaults", data, "--skip-test-db",
             "--auth-root-authentication-method=normal"],
            check=True, capture_output=True, **run,
        )  # fmt: skip
        setup = home / "setup.sql"
        setup.touch(mode=0o600)
        quoted = PASSWORD.replace("'", "''")
        setup.write_text(
            f"create database {DATABASE};\n"
            f"alter user root@localhost identified by '{server.root}';\n"
            f"create user {READER}@'%' identified by '{quoted}';\n"
            f"grant select, show view on {DATABASE}.* to {READER}@'%';\n",
            encoding="utf-8",
        )
        if user:
            shutil.chown(setup, user)
        log = home / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [_find_program("mariadbd"), "--no-defaults", data, f"--port={port}",
                 "--bind-address=127.0.0.1", f"--socket={home / 'socket'}",
                 f"--pid-file={home / 'pid'}", f"--init-file={setup}",
                 "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M",
                 "--default-time-zone=-05:00", "--transaction-isolation=READ-COMMITTED"],
                stdout=output, stderr=subprocess.STDOUT, **run,
            )  # fmt: skip
        try:
            _wait_for_answer(server, process, log)
            yield server
        finally:
            process.terminate()
            process.wait()


def _wait_for_answer(server: MariadbServer, process: "subprocess.Popen[bytes]", log: Path) -> None:
    import arrow_odbc

    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            server.connect()
            return
        except arrow_odbc.Error as error:
            if process.poll() is not None or time.monotonic() > until:
                text = log.read_text(encoding="utf-8")[-3000:]
                raise RuntimeError(f"MariaDB did not start: {error}\n{text}") from None
        time.sleep(0.1)
