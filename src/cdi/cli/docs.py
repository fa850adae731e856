"""The command that generates pages of docs/; it imports them when it runs, which takes a second."""

import typer

from cdi import paths
from cdi.console import console

app = typer.Typer()


@app.command(rich_help_panel="Develop")
def docs() -> None:
    """Generate docs/rules.md, docs/recording-decisions.md and docs/dictionary.md."""
    from cdi.docs.decisions import render_decisions_page
    from cdi.docs.dictionary import PAGE, render_dictionary_page
    from cdi.docs.rules import render_rules_page

    for name, page in (
        ("rules.md", render_rules_page()),
        ("recording-decisions.md", render_decisions_page()),
        (PAGE.name, render_dictionary_page()),
    ):
        file = paths.REPO / "docs" / name
        file.write_text(page, encoding="utf-8")
        console.print(f"written {file}")
