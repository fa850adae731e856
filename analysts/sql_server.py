"""Answer SQL of other machines on the published version, by Quack, DuckDB's own protocol.

    make sql-server [AGENCY=nopd]

It listens on this machine alone: a proxy in front of it has the certificate (docs/analysts.md). The
token is CDI_SQL_TOKEN, or a new one that it prints. It serves the version that was current when it
started, so start it again after a version was published.
"""

import contextlib
import os
import secrets
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

import duckdb

# A client may send one statement that reads. It may not call Quack's own functions, which can stop
# the server, and not the functions that run a text as SQL, as the text could be put together from
# the pieces of such a name. DuckDB finds a function by its whole name, also in quotation marks and
# before a comment, so the bare name is forbidden everywhere. The settings of logs and profiles are
# functions too: a place for the log that the server may not write to ends the server.
ONLY_READS = r"""
    create macro only_reads(connection_id, query) as
        regexp_matches(
            query,
            '^\s*(explain\s+(analyze\s+)?)?(select|from|with|describe|show|summarize)\b', 'i'
        )
        and not regexp_matches(
            query,
            'quack_|\bquery(_table)?\b|json_\w+_(sql|plan)\b|able_(logging|profiling)\b|;\s*\S', 'i'
        )
"""
MEMORY = "2GB"
SHORTEST_TOKEN = 24


def load_extension(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load one of DuckDB's signed extensions from its package, so that nothing is fetched."""
    package = files(f"duckdb_extension_{name}")
    con.load_extension(
        str(package / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension")
    )


def serve(file: Path, address: str, token: str) -> duckdb.DuckDBPyConnection:
    """Serve a file read-only until the connection that this returns is closed.

    Args:
        file: A published DuckDB file.
        address: Where to listen, e.g. quack:localhost:9494.
        token: What each client must show.
    """
    con = duckdb.connect(str(file), read_only=True)
    for name in ("httpfs", "quack"):
        load_extension(con, name)
    # The published file cannot hold the rule, and beside it only another file can be attached.
    with tempfile.TemporaryDirectory() as folder:
        guard = Path(folder) / "guard.duckdb"
        with duckdb.connect(str(guard)) as rules:
            rules.execute(ONLY_READS)
        con.execute(f"attach '{guard}' as guard (read_only)")
    con.execute("set global quack_authorization_function = 'guard.main.only_reads'")
    con.execute("set global memory_limit = ?", [MEMORY])
    con.execute("call quack_serve(?, token => ?)", [address, token])
    con.execute("set global enable_external_access = false")
    con.execute("set global lock_configuration = true")
    return con


def main() -> int:
    """Serve the current version of the agency that the command line names, until Ctrl-C."""
    agency = sys.argv[1] if len(sys.argv) > 1 else "simulated"
    folder = Path(os.environ.get("CDI_HOME") or "var") / "published" / agency / "current"
    file = folder.resolve() / "recording.duckdb"
    if not file.is_file():
        sys.stderr.write(f"Nothing is published for {agency}: make run AGENCY={agency}\n")
        return 1
    token = os.environ.get("CDI_SQL_TOKEN") or secrets.token_urlsafe(SHORTEST_TOKEN)
    if len(token) < SHORTEST_TOKEN:
        sys.stderr.write(f"CDI_SQL_TOKEN needs at least {SHORTEST_TOKEN} characters.\n")
        return 1
    address = f"quack:localhost:{os.environ.get('CDI_SQL_PORT', '9494')}"
    with serve(file, address, token):
        sys.stdout.write(
            f"Serving {folder.resolve().name} of {agency}, read-only. In DuckDB:\n\n"
            f"  attach '{address}' as recording (token '{token}');\n"
            "  from recording.release;\n\nCtrl-C stops it.\n"
        )
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)
    return 0


if __name__ == "__main__":
    sys.exit(main())
