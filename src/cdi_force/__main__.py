"""Make the simulated force: `.venv/bin/python -m cdi_force --help`."""

import os
from typing import Annotated

import typer

from cdi import paths
from cdi.agency.load import agency_names
from cdi.console import (
    MonthsOption,
    ScenarioOption,
    SeedOption,
    choose_variant,
    console,
    run_app,
    say_simulated,
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def simulate(
    scenario: ScenarioOption = None,
    months: MonthsOption = None,
    seed: SeedOption = None,
    before_run: Annotated[
        bool,
        typer.Option(
            "--before-run",
            help="As `make run` and `make ui` do: only if the registry has the simulated agency "
            "and CDI_DATA names no other data; told in one line.",
        ),
    ] = False,
) -> None:
    """Make the simulated force's source files and its truth, unless they are there."""
    choose_variant(scenario, months, seed)
    # another registry may not have the simulated force, and making it takes minutes
    if before_run and (paths.SIMULATED not in agency_names() or os.environ.get("CDI_DATA")):
        return
    from cdi_force.generate import ensure_force  # takes a second to import

    with console.status("simulating") as status:
        manifest = ensure_force(lambda step: status.update(f"simulating: {step}"))
    if before_run:
        console.print(f"[bold black on yellow] SIMULATED [/] {paths.variant()}", highlight=False)
        return
    say_simulated()
    for dataset, rows in manifest["rows"].items():
        console.print(f"{dataset:<12}{rows:>11,} rows", highlight=False)
    console.print(f"sources     {paths.simulated_sources()}", highlight=False, soft_wrap=True)
    console.print(f"truth       {paths.truth()}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run_app(app)
