"""What all commands share: the console, the common options, and the word SIMULATED."""

import os
import signal
import sys
from typing import Annotated

import typer
from rich.console import Console

from cdi.errors import CdiError

console = Console()

AgencyOption = Annotated[
    str, typer.Option("--agency", envvar="AGENCY", help="Folder below agencies/ (CDI_AGENCIES).")
]


ScenarioOption = Annotated[
    str | None,
    typer.Option("--scenario", envvar="SCENARIO", help="Simulated force: a name, or a folder."),
]
MonthsOption = Annotated[
    int | None, typer.Option("--months", envvar="MONTHS", min=1, max=24, help="Back from its end.")
]
SeedOption = Annotated[int | None, typer.Option("--seed", envvar="SEED", min=0)]


def choose_variant(scenario: str | None, months: int | None, seed: int | None) -> None:
    """Hand the choice to all that runs from here, in this process and in Airflow's."""
    for name, value in (("SCENARIO", scenario), ("MONTHS", months), ("SEED", seed)):
        if value is not None:
            os.environ[name] = str(value)


def say_simulated() -> None:
    """Say that what follows comes from the simulated force."""
    console.print("[bold black on yellow] SIMULATED [/] invented data; no real force")


def say_line(line: str) -> None:
    """Print a line as it is: its brackets and numbers are no markup, and it is never wrapped."""
    console.print(line, highlight=False, soft_wrap=True, markup=False)


AgencyArgument = Annotated[str, typer.Argument(help="Folder below agencies/ (CDI_AGENCIES).")]


def run_app(app: typer.Typer) -> None:
    """Run a command line: an expected error is told without a traceback.

    A `kill` ends it as Ctrl-C does, by an exception, so that what it started is stopped on the way
    out.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        app()
    except CdiError as error:
        Console(stderr=True).print(f"[bold red]Error[/bold red] {error}", highlight=False)
        sys.exit(1)
