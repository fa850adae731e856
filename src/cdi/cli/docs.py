"""The command that generates pages of docs/; it imports them when it runs, which takes a second."""

from pathlib import Path
from typing import Annotated

import typer

from cdi import paths
from cdi.console import say_line

app = typer.Typer()


@app.command(rich_help_panel="Develop")
def docs(
    site: Annotated[
        Path | None,
        typer.Option(help="A folder: build the site of docs/ there, and write no page of docs/."),
    ] = None,
) -> None:
    """Generate the pages rules, recording-decisions, dictionary and glossary of docs/."""
    if site is not None:
        _build_site(site)
        return
    from cdi.docs.decisions import render_decisions_page
    from cdi.docs.dictionary import PAGE, render_dictionary_page
    from cdi.docs.glossary import render_glossary_page
    from cdi.docs.rules import render_rules_page

    for name, page in (
        ("rules.md", render_rules_page()),
        ("recording-decisions.md", render_decisions_page()),
        (PAGE.name, render_dictionary_page()),
        ("glossary.md", render_glossary_page()),
    ):
        file = paths.REPO / "docs" / name
        file.write_text(page, encoding="utf-8")
        say_line(f"written {file}")


def _build_site(folder: Path) -> None:
    """Build the site that each published version has; a site that is there is replaced."""
    from cdi.report.docs_site import START, copy_docs_site

    site = folder / Path(START).parent
    copy_docs_site(site)
    say_line(f"The site is in {site}: open {folder / START} in a browser.")
