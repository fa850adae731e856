"""Renders self-contained HTML and Markdown pages from the folder ``templates/``."""

import functools
import shlex
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from cdi import paths
from cdi.clock import local_moment
from cdi.glossary import Words
from cdi.shares import write_percent

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
    environment.globals["docs_link"] = _link_docs
    environment.filters["count"] = lambda n: NOTHING if n is None else f"{n:,}"
    environment.filters["percent"] = lambda x, *decimals: (
        NOTHING if x is None else write_percent(x, *decimals)
    )
    environment.filters["local"] = local_moment
    # a number of a log in a command: it may have blanks, or signs that a shell would act on
    environment.filters["shell"] = shlex.quote
    # "over 1,200 rows": a large number is rounded down to hundreds
    environment.filters["over"] = lambda n: f"{n - n % 100 if n >= 1000 else n:,}"
    return environment


@jinja2.pass_context
def _link_docs(context: jinja2.runtime.Context, text: str, page: str) -> str:
    """Link to a page of the documentation; plain text where a page has no documentation near it.

    A template sets `docs_root` to the way from its page to the folder of the version.

    Args:
        context: Of the template.
        text: Of the link.
        page: Below ``docs/``, with an anchor if it has one.
    """
    root = context.get("docs_root")
    if root is None or not paths.DOCS_SETTINGS.is_file():
        return text
    return Markup('<a href="{}docs/{}">{}</a>').format(root, page, text)


def render(template: str, **values: Any) -> str:
    """Render a template; values are escaped in HTML, and an unknown name is an error.

    The words that a template explains (`term`) are listed at the foot of the page (`words`).
    """
    words = Words()
    return (
        _make_environment()
        .get_template(template)
        .render(term=words.link_first, words=words, **values)
    )
