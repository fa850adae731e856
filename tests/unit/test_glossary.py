"""Pages explain the words that they use, and take them from one list."""

import re

import jinja2
import pytest

from cdi import paths, render
from cdi.docs.glossary import render_glossary_page
from cdi.glossary import Words, read_glossary

TEMPLATES = paths.REPO / "src" / "cdi" / "templates"
USED = re.compile(r'\bterm\("([^"]+)"')


def test_the_page_of_the_glossary_is_current() -> None:
    page = (paths.REPO / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert page == render_glossary_page(), "run `make docs`"


def test_each_word_is_explained_in_one_short_line() -> None:
    words = read_glossary().values()
    assert len(words) > 40
    for word in words:
        assert 10 < len(word.meaning) <= 110, word.name
        assert not word.meaning.endswith("."), word.name
    assert len({word.anchor for word in words}) == len(words)


def test_each_word_of_a_template_is_in_the_list() -> None:
    used = {
        file.name: set(USED.findall(file.read_text(encoding="utf-8")))
        for file in TEMPLATES.glob("*.html.j2")
    }
    assert set().union(*used.values()) <= set(read_glossary())
    for page in (
        *("report", "worklist", "log", "log_body", "matching", "validation", "operations"),
        *("explore", "peers", "open_index", "desk_queue"),
    ):
        assert used[f"{page}.html.j2"], page


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> str:
    """A page that uses two words, one of them twice, and names the documentation."""
    text = (
        '{% extends "base.html.j2" %}{% set docs_root = "../" %}{% block main %}'
        '<p>{{ term("settled", "Old <months>") }} and {{ term("audit") }}, {{ term("audit") }}; '
        '{{ docs_link("how", "audit.html#5-rate") }}</p>{% endblock %}'
    )
    environment = render._make_environment().overlay(
        loader=jinja2.ChoiceLoader(
            [jinja2.DictLoader({"page.html.j2": text}), jinja2.FileSystemLoader(TEMPLATES)]
        )
    )
    monkeypatch.setattr(render, "_make_environment", lambda: environment)
    return render.render("page.html.j2", is_simulated=False)


def test_a_word_is_linked_where_it_is_first_used_and_explained_at_the_foot(page: str) -> None:
    linked = re.findall(r'<a class="term" href="#([^"]+)">([^<]*)</a>', page)
    assert linked == [("word-settled", "Old &lt;months&gt;"), ("word-audit", "audit")]
    foot = page[page.index("Words on this page") :]
    assert re.findall(r'<dt id="([^"]+)">', foot) == ["word-audit", "word-settled"]
    assert f"<dd>{read_glossary()['settled'].meaning}.</dd>" in foot
    assert '<a href="../docs/glossary.html">All words</a>' in foot
    assert '<a href="../docs/audit.html#5-rate">how</a>' in page


def test_without_a_word_or_the_documentation_a_page_has_neither(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "Words on this page" not in render.render(
        "pages.html.j2", agencies=[], is_simulated=False
    )
    monkeypatch.setattr(paths, "DOCS_SETTINGS", paths.REPO / "nothing")
    context = render._make_environment().from_string("").new_context({"docs_root": ""})
    assert render._link_docs(context, "how", "audit.html") == "how"


def test_a_word_that_is_not_in_the_list_is_an_error() -> None:
    with pytest.raises(KeyError, match="frobnicate"):
        Words().link_first("frobnicate")
