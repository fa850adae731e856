"""The simulated force's systems behind real SQL: a PostgreSQL on loopback with their tables.

    .venv/bin/python -m cdi_force.database COMMAND...

starts a PostgreSQL server in a temporary folder, loads the simulated force's files into it, tells
COMMAND by ``AIRFLOW_CONN_SIMULATED_SQL`` where it is, and stops it when COMMAND ends. The server's
programs come from the system (Debian's package `postgresql`); its data are a copy and are not kept.
"""

import contextlib
import gzip
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from adbc_driver_postgresql import dbapi

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE, DATASETS
from cdi.agency.load import load_agency
from cdi.agency.model import Agency, Source
from cdi.console import console
from cdi.errors import CdiError
from cdi.sql import connect, ident, literal

CONNECTION = "simulated_sql"
READER = "cdi_reader"  # the login of the product, which may only read
_START_SECONDS = 60
# Types of the columns in the database, by the kinds of the canonical columns; all others are texts.
_TYPES = {"timestamp": "timestamp", "birth_date": "date", "number": "double"}


class DatabaseError(CdiError):
    """The server could not be started."""


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL server.

    Attributes:
        port: Its port on 127.0.0.1.
        password: That of its superuser `postgres`.
        folder: Its data, which are gone when it stops.
    """

    port: int
    password: str
    folder: Path

    def open(self) -> "dbapi.Connection":
        """Open a connection that may write."""
        return dbapi.connect(
            f"host=127.0.0.1 port={self.port} user=postgres password={self.password} "
            "dbname=postgres"
        )


def find_program(name: str) -> str:
    """Find a program of PostgreSQL; Debian keeps those of its server outside the search path.

    Raises:
        DatabaseError: DATABASE-ABSENT if it is not on this machine.
    """
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None
    )
    if found is None:
        raise DatabaseError(
            "DATABASE-ABSENT",
            f"the program {name} of PostgreSQL is not on this machine",
            "install the system's package postgresql, e.g. apt-get install postgresql",
        )
    return found


@contextlib.contextmanager
def run_postgres(*settings: str) -> Iterator[Server]:
    """Start a PostgreSQL server on loopback, and stop it afterwards.

    Args:
        settings: Settings such as `timezone=America/New_York`.

    Yields:
        The server, which answers.

    Raises:
        DatabaseError: DATABASE-ABSENT if it is not on this machine, DATABASE-START if it does not
            answer.
    """
    programs = {name: find_program(name) for name in ("initdb", "postgres", "pg_isready")}
    with tempfile.TemporaryDirectory(prefix="cdi-postgres-") as temporary:
        server = Server(_find_free_port(), secrets.token_urlsafe(24), Path(temporary))
        user = _choose_user(server.folder)
        secret = server.folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(server.password, encoding="utf-8")
        if user:
            shutil.chown(secret, user)
        # its own folder, as the present one may be closed to that user
        home, environment = server.folder, {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        data = str(server.folder / "data")
        subprocess.run(
            [programs["initdb"], "-D", data, "-U", "postgres", "--no-sync", "--encoding=UTF8",
             "--auth=scram-sha-256", f"--pwfile={secret}"],
            check=True, capture_output=True, user=user, cwd=home, env=environment,
        )  # fmt: skip
        options = [option for setting in ("fsync=off", *settings) for option in ("-c", setting)]
        log = server.folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [programs["postgres"], "-D", data, "-k", "", "-h", "127.0.0.1",
                 "-p", str(server.port), *options],
                stdout=output, stderr=subprocess.STDOUT, user=user, cwd=home, env=environment,
            )  # fmt: skip
        try:
            _wait_for_answer(programs["pg_isready"], server, process, log)
            yield server
        finally:
            # PostgreSQL ends its clients' connections and stops
            process.send_signal(signal.SIGINT)
            process.wait()


def _choose_user(folder: Path) -> str | None:
    """The user of the server, who owns its folder: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    shutil.chown(folder, "nobody")
    return "nobody"


def _find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for_answer(
    program: str, server: Server, process: "subprocess.Popen[bytes]", log: Path
) -> None:
    ready = [program, "-h", "127.0.0.1", "-p", str(server.port)]
    until = time.monotonic() + _START_SECONDS
    while subprocess.run(ready, capture_output=True, check=False).returncode:
        if process.poll() is not None or time.monotonic() > until:
            raise DatabaseError(
                "DATABASE-START",
                f"PostgreSQL did not start:\n{log.read_text(encoding='utf-8')[-1000:]}",
                "look at what it says above",
            )
        time.sleep(0.1)


def load_force(server: Server, agency: Agency) -> dict[str, int]:
    """Load the simulated force's files into tables of their own, typed as a system would have them.

    A row that no database would have taken (a field too many, an impossible date) is left out: the
    files have such rows, so that their quarantine is tried. The table `clock` has the moment at
    which the files are true.

    Args:
        server: An empty server.
        agency: The agency that reads the files, which says how they are written.

    Returns:
        Number of rows of each table.
    """
    counts = {}
    with connect() as con, server.open() as database, database.cursor() as cursor:
        for dataset, source in agency.sources.items():
            if dataset in BY_PEOPLE:
                continue
            rows: pa.Table = con.sql(_typed_rows(agency, dataset, source)).to_arrow_table()
            cursor.adbc_ingest(dataset, rows, mode="create")
            counts[dataset] = rows.num_rows
        as_of = agency.last_moment or datetime.now(UTC)
        cursor.execute("create table clock as select $1::timestamptz as as_of", (as_of,))
        cursor.execute(f"create role {READER} login password {literal(server.password)}")
        cursor.execute(f"grant select on all tables in schema public to {READER}")
        database.commit()
    return counts


def _typed_rows(agency: Agency, dataset: str, source: Source) -> str:
    """SQL for the rows of a dataset's files, with their own columns, typed."""
    kinds = {column.name: column.kind for column in DATASETS[dataset]}
    formats = {
        mapping.source: (_TYPES[kinds[name]], mapping.format)
        for name, mapping in source.columns.items()
        if kinds[name] in _TYPES
    }
    files = [str(file) for spec in source.files or () for file in Path(agency.root).glob(spec.path)]
    header = _read_header(Path(files[0]), source.delimiter)
    values, checks = [], []
    for name in header:
        column = f"nullif(trim({ident(name)}), '')"
        kind, form = formats.get(name, ("varchar", ()))
        value = f"try_strptime({column}, {literal(form[0])})" if form else column
        typed = f"try_cast({value} as {kind})"
        values.append(f"{typed} as {ident(name)}")
        checks.append(f"({column} is null or {typed} is not null)")
    return (
        f"select {', '.join(values)} from read_csv({sorted(files)}, all_varchar = true, "
        f"header = true, delim = {literal(source.delimiter)}, quote = '\"', escape = '\"', "
        "auto_detect = false, ignore_errors = true, nullstr = '\x01', "
        f"columns = {dict.fromkeys(header, 'VARCHAR')}) where {' and '.join(checks)}"
    )


def _read_header(file: Path, delimiter: str) -> list[str]:
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rt", encoding="utf-8") as lines:
        return lines.readline().rstrip("\r\n").split(delimiter)


def connection_of(server: Server, login: str = READER) -> str:
    """Write an Airflow connection of a server, as its environment variable holds it."""
    return json.dumps(
        {
            "conn_type": "postgres",
            "host": "127.0.0.1",
            "port": server.port,
            "login": login,
            "password": server.password,
            "schema": "postgres",
        }
    )


def main(command: Sequence[str]) -> int:
    """Run a command beside the simulated force's database.

    Args:
        command: The command and its arguments.

    Returns:
        What the command returned.
    """
    agency = load_agency(paths.SIMULATED)
    with run_postgres() as server:
        counts = load_force(server, agency)
        console.print(
            f"PostgreSQL on 127.0.0.1:{server.port} holds "
            + ", ".join(f"{count:,} {name}" for name, count in counts.items()),
            highlight=False,
            soft_wrap=True,
        )
        environment = os.environ | {f"AIRFLOW_CONN_{CONNECTION.upper()}": connection_of(server)}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
