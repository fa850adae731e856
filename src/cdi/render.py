"""Rendering of self-contained HTML and Markdown pages from the templates beside this module."""

from pathlib import Path
from typing import Any

import jinja2


def render(template: str, **values: Any) -> str:
    """Render one template; HTML is escaped, an unknown name is an error."""
    html = template.endswith(".html.j2")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda n: "–" if n is None else f"{n:,}"
    environment.filters["percent"] = lambda x: "–" if x is None else f"{100 * x:.1f}%"
    return environment.get_template(template).render(**values)
