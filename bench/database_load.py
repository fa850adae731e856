"""What it costs to read a police database: log entries with text, from a real PostgreSQL.

The entries of a simulated month are copied until there are as many rows as asked for, each with a
text of its own. Then each of these runs in a process of its own:

- `COPY TO`: psycopg copies all rows to a CSV file, as the limit;
- reading: the rows come through `cdi.sources` into one Parquet file, counted before and after;
- extraction: the same, and then masking, hashing, typing and landing, day by day.

The server's CPU seconds are told beside those of the process, and counted in the last column: with
COPY it is the server that writes CSV. PostgreSQL comes from the system's package. Figures go to
``<state>/bench/results.json``.

    python bench/database_load.py [--rows 5000000]
"""

import shutil
import sys
import time
from typing import Annotated

import psutil
import results
import typer
from rich.console import Console
from rich.table import Table

from cdi import paths
from cdi.agency.load import load_agency
from cdi_force.database import CONNECTION, Server, connection_of, load_force, run_postgres
from cdi_force.generate import ensure_force

COPY_TO = """
import json, os, psycopg2, tempfile
c = json.loads(os.environ["AIRFLOW_CONN_SIMULATED_SQL"])
with psycopg2.connect(host=c["host"], port=c["port"], user=c["login"], password=c["password"],
                      dbname=c["schema"]) as con, tempfile.TemporaryFile() as file:
    con.cursor().copy_expert("copy log_actions to stdout (format csv)", file)
"""
READ = """
import tempfile
from pathlib import Path
from cdi.agency.load import load_agency
from cdi.local.run import default_interval
from cdi.sources.access import read_access
from cdi.sources.fetch import choose_window, open_live
from cdi.sources.spool import spool_window
agency = load_agency("simulated_sql")
source = agency.sources["log_actions"]
columns = list(dict.fromkeys(mapping.source for mapping in source.columns.values()))
window = choose_window(agency, "log_actions", default_interval(agency))
opened = open_live(agency, "log_actions", read_access(source.connection))
with tempfile.TemporaryDirectory() as folder:
    spool = spool_window("log_actions", opened, window, columns, Path(folder))
print(spool.row_count)
"""
EXTRACT = """
from cdi.agency.load import load_agency
from cdi.local.run import default_interval
from cdi.sources.access import read_access
from cdi.steps.extract import extract
agency = load_agency("simulated_sql")
source = agency.sources["log_actions"]
step = extract("simulated_sql", "log_actions", default_interval(agency),
               read_access(source.connection))
print(step.note.splitlines()[0])
"""
ROWS = 5_000_000
console = Console(stderr=True)


def multiply_entries(server: Server, rows: int) -> int:
    """Copy the entries, under other log numbers and with other texts, until there are enough.

    Args:
        server: A server with the simulated force's tables.
        rows: At least so many rows.

    Returns:
        How many rows there are.
    """
    with server.open() as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from log_actions")
        ((count,),) = cursor.fetchall()
        copies = -(-rows // count) - 1
        cursor.execute(
            'insert into log_actions select "Log Number" || \'-\' || copy, "Sequence", '
            '"Date Time", "AuthorId", "Event", "Text" || \' \' || md5(copy || "Text") '
            f"from log_actions, generate_series(1, {copies}) as copy"
        )
        cursor.execute("analyze log_actions")
        connection.commit()
        cursor.execute("select count(*) from log_actions")
        ((total,),) = cursor.fetchall()
    return int(total)


def server_seconds(server: Server) -> float:
    """CPU seconds of the server's processes that have ended: each connection has one."""
    pid = int((server.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
    times = psutil.Process(pid).cpu_times()
    return float(times.children_user + times.children_system)


def main(
    rows: Annotated[int, typer.Option(help="At least so many rows.")] = ROWS,
) -> None:
    """Measure the three, and print rows per CPU second."""
    state = str(paths.home() / "bench" / "database")
    measured = []
    with (
        paths.environment(MONTHS="1", SEED="1", CDI_HOME=state),
        run_postgres("max_wal_size=8GB") as server,
    ):
        with console.status("simulating"):
            ensure_force(lambda step: None)
        with console.status("loading PostgreSQL"):
            load_force(server, load_agency(paths.SIMULATED))
            count = multiply_entries(server, rows)
        environment = {f"AIRFLOW_CONN_{CONNECTION.upper()}": connection_of(server)}
        shutil.rmtree(paths.landing(paths.SIMULATED_SQL, "log_actions"), ignore_errors=True)
        for what, program in (("COPY TO", COPY_TO), ("reading", READ), ("extraction", EXTRACT)):
            console.print(what)
            before = server_seconds(server)
            cost = results.run_measured([sys.executable, "-c", program], env=environment)
            time.sleep(2)  # until the server has seen that its client is gone
            measured.append((what, cost, server_seconds(server) - before))
    table = Table("what", "rows", "CPU s", "server's", "wall s", "peak MiB", "rows per CPU s")
    for what, cost, served in measured:
        option = "" if rows == ROWS else f"at least {rows:,} rows"
        name = results.name_result(f"{what}, PostgreSQL", option)
        kept = results.keep_result(name, {"log_actions": count}, cost)
        table.add_row(
            what, f"{count:,}", str(kept["cpu_s"]), f"{served:.2f}", str(kept["wall_s"]),
            str(kept["peak_mib"]), f"{count / (cost.cpu_s + served):,.0f}",
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
