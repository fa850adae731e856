"""The command line: `.venv/bin/cdi --help`."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from cdi import paths
from cdi.agency.load import load_agency
from cdi.cli import audit, docs, people
from cdi.console import (
    AgencyOption,
    MonthsOption,
    ScenarioOption,
    SeedOption,
    choose_variant,
    console,
    run_app,
)
from cdi.local import airflow
from cdi.local.airflow import read_password
from cdi.local.run import run_agency, start_airflow

app = typer.Typer(
    help="Finds, in police data, the crimes that people reported and nobody recorded.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


DataOption = Annotated[
    str | None,
    typer.Option("--data", help="Folder or URL of the sources, in place of agency.yaml's."),
]


def _use(data: str | None) -> None:
    """Take the sources from there, in this process and in Airflow's."""
    if data:
        os.environ["CDI_DATA"] = data if "://" in data else str(Path(data).resolve())


def main() -> None:
    """Entry point of the command `cdi`."""
    run_app(app)


@app.command()
def run(
    agency: AgencyOption = paths.SIMULATED,
    data: DataOption = None,
    scenario: ScenarioOption = None,
    months: MonthsOption = None,
    seed: SeedOption = None,
) -> None:
    """Run an agency's DAGs once through a real Airflow scheduler and print the figures."""
    choose_variant(scenario, months, seed)
    _use(data)
    run_agency(agency, console)


@app.command()
def ui(
    data: DataOption = None,
    scenario: ScenarioOption = None,
    months: MonthsOption = None,
    seed: SeedOption = None,
) -> None:
    """Start Airflow and leave it up until Ctrl-C; prints URL and log-in."""
    choose_variant(scenario, months, seed)
    _use(data)
    console.print("Starting Airflow")
    with start_airflow(console, airflow.UI_COMPONENTS) as client:
        console.print(f"Airflow is up at {client.url}")
        console.print(f"log in as [bold]admin[/bold], password [bold]{read_password()}[/bold]")
        console.print("Ctrl-C stops it.")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            console.print("Stopping")


@app.command("check-agency")
def check_agency(agency: AgencyOption) -> None:
    """Validate an agency's folder and say which source files it finds."""
    from cdi.agency.load import check_patterns

    loaded = load_agency(agency)
    check_patterns(loaded)
    console.print(f"{loaded.folder} is valid: {', '.join(loaded.sources)}")


@app.command()
def shell(agency: AgencyOption = paths.SIMULATED) -> None:
    """Open a read-only SQL prompt on the published version; it also answers piped queries."""
    from cdi.local.shell import shell_command

    command = shell_command(agency, is_greeting=sys.stdin.isatty())
    os.execv(command[0], command)  # noqa: S606 -- a fixed program


app.add_typer(people.app)
app.add_typer(audit.audit, name="audit")
app.add_typer(docs.app)
