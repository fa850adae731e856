"""How a run ends in the terminal: the first sentence of the report, and what to do next."""

from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from cdi import paths
from cdi.agency.model import Agency
from cdi.build.version import read_current
from cdi.console import say_simulated
from cdi.files import read_json, write_json
from cdi.report.figures import read_summary
from cdi.report.wording import local_time
from cdi.variant import list_settings


def print_summary(agency: Agency, console: Console, **pages: Path) -> None:
    """Print the finding of the published version, and three commands; also in ``<state>/run.json``.

    Args:
        agency: Whose version; nothing is printed if none is published.
        console: Where to print.
        **pages: Other pages to open, by the word that is printed before each.
    """
    version = read_current(agency.agency)
    if version is None:
        return
    folder = paths.current(agency.agency)
    files: dict[str, Path] = {
        "report": folder / "report.html",
        "worklist": folder / "worklist" / "index.html",
        "validation": folder / "validation.html",
        "database": folder / "recording.duckdb",
        "open": folder / "open",
    }
    headline = read_json(folder / "figures.json", ["headline"])["headline"]
    if agency.is_simulated:
        say_simulated(console)
    console.print(f"\n[bold]{escape(headline)}[/bold]", highlight=False, soft_wrap=True)
    as_of = local_time(datetime.fromisoformat(version["as_of"]), agency)
    console.print(f"Data as of {as_of}; version {version['version']}\n", highlight=False)
    chosen = "" if agency.agency == paths.SIMULATED else f" AGENCY={agency.agency}"
    # a new shell does not know which force was simulated here
    settings = list_settings(paths.variant()) if paths.has_variants(agency.agency) else ""
    commands = {
        "Open": _shorten(files["report"]),
        "Decide": f"make ui {settings}".rstrip(),
        "Ask": f"make shell{chosen}",
        **{word: _shorten(page) for word, page in pages.items()},
    }
    for what, how in commands.items():
        console.print(f"{what:<8} {how}", highlight=False, soft_wrap=True, markup=False)
    summary = {
        "agency": agency.agency,
        "version": version["version"],
        "as_of": version["as_of"],
        "headline": headline,
        **read_summary(files["database"]),
        "files": {label: str(file) for label, file in files.items()},
    }
    write_json(paths.home() / "run.json", summary)


def _shorten(file: Path) -> str:
    """A path as people type it: from the folder where they are, if it is below that."""
    return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)
