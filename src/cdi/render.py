"""Renders self-contained HTML and Markdown pages from the folder ``templates/``."""

import functools
from pathlib import Path
from typing import Any

import jinja2

from cdi import paths
from cdi.clock import local_moment

NOTHING = "\u2013"  # an en dash is shown where there is no figure


@functools.cache
def _make_environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["cdi"] = paths.CDI
    environment.filters["count"] = lambda n: NOTHING if n is None else f"{n:,}"
    environment.filters["percent"] = lambda x: NOTHING if x is None else f"{100 * x:.1f}%"
    environment.filters["local"] = local_moment
    # "over 1,200 rows": a large number is rounded down to hundreds
    environment.filters["over"] = lambda n: f"{n - n % 100 if n >= 1000 else n:,}"
    return environment


def render(template: str, **values: Any) -> str:
    """Render a template; values are escaped in HTML, and an unknown name is an error."""
    return _make_environment().get_template(template).render(**values)
