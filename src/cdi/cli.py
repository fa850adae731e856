"""The command line: `cdi --help`."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cdi import agencies, paths, runner, service
from cdi.errors import CdiError

app = typer.Typer(
    help="Finds, in police data, the crimes that people reported and nobody recorded.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()

AgencyOption = Annotated[
    str, typer.Option("--agency", envvar="AGENCY", help="Folder below agencies/ (CDI_AGENCIES).")
]
DataOption = Annotated[
    str | None,
    typer.Option("--data", help="Folder or URL of the sources, in place of agency.yaml's."),
]


def main() -> None:
    """Entry point: expected errors are told without a traceback."""
    try:
        app()
    except CdiError as error:
        Console(stderr=True).print(f"[bold red]Error[/bold red] {error}", highlight=False)
        sys.exit(1)


@app.command()
def run(agency: AgencyOption = "sample", data: DataOption = None) -> None:
    """Run an agency's DAGs once through a real Airflow scheduler and print the figures."""
    if data:
        os.environ["CDI_DATA"] = str(Path(data).resolve()) if "://" not in data else data
    runner.run(agency, console)


@app.command()
def ui(data: DataOption = None) -> None:
    """Start Airflow and leave it up until Ctrl-C; prints URL and log-in."""
    if data:
        os.environ["CDI_DATA"] = str(Path(data).resolve()) if "://" not in data else data
    console.print("Starting Airflow")
    with service.airflow(service.UI_COMPONENTS) as client:
        console.print(f"Airflow is up at {client.url}")
        console.print(f"log in as [bold]admin[/bold], password [bold]{service.password()}[/bold]")
        console.print("Ctrl-C stops it.")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            console.print("Stopping")


@app.command("check-agency")
def check_agency(agency: AgencyOption) -> None:
    """Validate an agency's folder and say which source files it finds."""
    loaded = agencies.load(agency)
    console.print(f"{loaded.folder} is valid: {', '.join(loaded.sources)}")


@app.command()
def docs() -> None:
    """Generate docs/rules.md from the rules themselves."""
    from cdi.quality import pages

    file = paths.REPO / "docs" / "rules.md"
    file.write_text(pages.rules_catalogue(), encoding="utf-8")
    console.print(f"written {file}")


if __name__ == "__main__":
    main()
