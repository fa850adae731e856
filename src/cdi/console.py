"""What all commands share: the console, the common options, and the mark SIMULATED."""

import os
import signal
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cdi import paths
from cdi.errors import CdiError, name_machine_failures
from cdi.scratch import keep_private
from cdi.variant import MOST_MONTHS, check_is_landed

console = Console()

_AGENCY_HELP = "Name of the agency: a folder in agencies/ (or in CDI_AGENCIES)."
AgencyOption = Annotated[str, typer.Option("--agency", envvar="AGENCY", help=_AGENCY_HELP)]
# For a command that takes an agency either way; `choose_agency` says which one is meant.
NamedAgency = Annotated[
    str | None,
    typer.Argument(metavar="[AGENCY]", help="The same as --agency.", show_default=False),
]


def _check_variant(agency: str) -> str:
    check_is_landed(agency)
    return agency


AgencyArgument = Annotated[str, typer.Argument(help=_AGENCY_HELP, callback=_check_variant)]
ScenarioOption = Annotated[
    str | None,
    typer.Option(
        "--scenario",
        envvar="SCENARIO",
        help="Scenario of the simulated force: the name of a shipped one, or a folder; default: "
        f"{paths.DEFAULT_SCENARIO}.",
    ),
]
MonthsOption = Annotated[
    int | None,
    typer.Option(
        "--months",
        envvar="MONTHS",
        min=1,
        max=MOST_MONTHS,
        help="How many months the simulated force covers, counted back from the scenario's end; "
        f"default: {paths.DEFAULT_MONTHS}.",
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed",
        envvar="SEED",
        min=0,
        help="Seed of the simulation: the same seed, the same data; default: "
        f"{paths.DEFAULT_SEED}.",
    ),
]


ReasonOption = Annotated[
    str,
    typer.Option("--reason", envvar="REASON", help="Why you look at single logs; it is logged."),
]


def choose_agency(context: typer.Context, named: str | None, agency: str) -> str:
    """The agency that a command is about: named alone, by ``--agency`` or by the variable AGENCY.

    Args:
        context: The command's context.
        named: The agency that is named alone, if one is.
        agency: That of the option, of the variable or by default; blank if there is none.

    Raises:
        typer.BadParameter: If two agencies are named, or none.
    """
    is_typed = getattr(context.get_parameter_source("agency"), "name", "") == "COMMANDLINE"
    if named and is_typed and named != agency:
        raise typer.BadParameter(f"two agencies are named, {named} and {agency}: name one of them")
    if not named and not agency:
        raise typer.BadParameter("no agency is named: name a folder in agencies/, e.g. nopd")
    return named or agency


def choose_variant(scenario: str | None, months: int | None, seed: int | None) -> None:
    """Set SCENARIO, MONTHS and SEED for this process and for the processes that it starts."""
    for name, value in (("SCENARIO", scenario), ("MONTHS", months), ("SEED", seed)):
        if value is not None:
            os.environ[name] = str(value)


def say_simulated(console: Console = console) -> None:
    """Print that what follows comes from the simulated force.

    Args:
        console: Where to print it; by default to the terminal.
    """
    console.print("[bold black on yellow] SIMULATED [/] invented data; no real force")


def say_line(line: str) -> None:
    """Print a line as it is: Rich neither reads markup in it, nor colours numbers, nor wraps it."""
    console.print(line, highlight=False, soft_wrap=True, markup=False)


def run_app(app: typer.Typer) -> None:
    """Run a command line, and print an expected error without a traceback.

    A `kill` and a closed terminal end the program as Ctrl-C does, by an exception, so that the
    processes that it started are stopped on the way out. Files that it writes are private.
    """
    keep_private()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    try:
        with name_machine_failures():
            app()
    except CdiError as error:
        # a text, since messages quote patterns and column names, whose brackets are no markup
        message = Text.assemble(("Error", "bold red"), f" {error}")
        Console(stderr=True).print(message, highlight=False)
        sys.exit(1)
