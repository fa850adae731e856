"""The command line `.venv/bin/cdi`; its commands stand in the panels that `make help` has too."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from cdi import paths
from cdi.agency.load import agency_names, load_agency
from cdi.cli import agency, audit, docs, edge, operate, people
from cdi.console import (
    AgencyOption,
    MonthsOption,
    NamedAgency,
    ReasonOption,
    ScenarioOption,
    SeedOption,
    choose_agency,
    choose_variant,
    console,
    run_app,
)
from cdi.local import airflow
from cdi.local.airflow import read_password
from cdi.local.run import run_agency, start_airflow
from cdi.local.summary import print_summary
from cdi.publish.access import NO_REASON, note_command

app = typer.Typer(
    help="Finds the crimes that people reported to the police and nobody recorded.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


DataOption = Annotated[
    str | None,
    typer.Option("--data", help="Folder or URL of the sources, instead of that in agency.yaml."),
]


def _choose_data(data: str | None) -> None:
    """Take the sources from another place, in this process and in Airflow's."""
    if data:
        os.environ["CDI_DATA"] = data if "://" in data else str(Path(data).resolve())


def main() -> None:
    """Entry point of the command `cdi`."""
    run_app(app)


@app.command(rich_help_panel=people.PANEL)
def run(
    context: typer.Context,
    named: NamedAgency = None,
    agency: AgencyOption = paths.SIMULATED,
    data: DataOption = None,
    scenario: ScenarioOption = None,
    months: MonthsOption = None,
    seed: SeedOption = None,
) -> None:
    """Run an agency's DAGs once through a real Airflow scheduler, and print what it found.

    E.g. .venv/bin/cdi run nopd
    """
    chosen = choose_agency(context, named, agency)
    choose_variant(scenario, months, seed)
    _choose_data(data)
    run_agency(chosen, console)
    print_summary(load_agency(chosen), console)


@app.command(rich_help_panel=people.PANEL)
def ui(
    data: DataOption = None,
    scenario: ScenarioOption = None,
    months: MonthsOption = None,
    seed: SeedOption = None,
) -> None:
    """Start Airflow, print its URL and log-in, and leave it up until Ctrl-C."""
    choose_variant(scenario, months, seed)
    _choose_data(data)
    console.print("Starting Airflow")
    with start_airflow(console, airflow.UI_COMPONENTS) as client:
        console.print(f"Airflow is up at {client.url}")
        console.print(f"log in as [bold]admin[/bold], password [bold]{read_password()}[/bold]")
        hidden = [name for name in agency_names() if not paths.is_shown(name)]
        if hidden:
            console.print(
                f"Not shown, because they have no data yet: {', '.join(hidden)} "
                "(CDI_SHOWN=all shows them)",
                highlight=False,
                soft_wrap=True,
            )
        console.print("Ctrl-C stops it.")
        try:
            while True:
                time.sleep(5)
                client.demand_processes()
        except KeyboardInterrupt:
            console.print("Stopping")


@app.command(rich_help_panel=people.PANEL)
def shell(
    context: typer.Context,
    named: NamedAgency = None,
    agency: AgencyOption = paths.SIMULATED,
    reason: ReasonOption = NO_REASON,
) -> None:
    """Open a read-only SQL prompt on the published version; piped queries are answered too.

    Its tables show single logs, so the access is logged first.
    """
    from cdi.local.shell import shell_command

    chosen = choose_agency(context, named, agency)
    command = shell_command(chosen, is_greeting=sys.stdin.isatty())
    note_command(chosen, "recording.duckdb, by the SQL prompt", reason)
    os.execv(command[0], command)  # noqa: S606 -- a fixed program


# The panels of `cdi --help` stand in the order in which their first commands are added.
app.add_typer(people.app)
app.add_typer(audit.audit, name="audit", rich_help_panel="Audit")
app.add_typer(operate.app)
app.add_typer(edge.edge, name="edge", rich_help_panel=edge.PANEL)
app.add_typer(agency.agency, name="agency", rich_help_panel=agency.PANEL)
app.add_typer(docs.app)
