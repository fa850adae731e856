"""The page docs/glossary.md: every word that pages explain."""

from cdi.glossary import read_glossary
from cdi.render import render


def render_glossary_page() -> str:
    """Render the page from the list of words."""
    return render("glossary.md.j2", glossary=read_glossary().values())
