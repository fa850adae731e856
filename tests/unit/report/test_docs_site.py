"""The documentation's site: whole, without a broken link, and without a script of others."""

import base64
import hashlib
import logging
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from cdi import paths
from cdi.agency.model import Agency
from cdi.errors import BuildError
from cdi.publish.parts import find_part
from cdi.report import docs_site
from cdi.report.docs_site import copy_docs_site, read_policy, rewrite_links, write_docs_site
from tests.unit.publish.test_publish import built


@dataclass
class Found(HTMLParser):
    """What a page links to, loads and runs."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    scripts: list[str] = field(default_factory=list)
    handlers: list[str] = field(default_factory=list)
    is_in_script: bool = False

    def __post_init__(self) -> None:
        """Begin with nothing."""
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what a tag links to or loads."""
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        self.handlers += [name for name in given if name.startswith("on")]
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in ("link", "script", "img", "iframe"):
            self.loaded += [given[name] for name in ("href", "src") if name in given]
        if tag == "script" and "src" not in given and "json" not in given.get("type", ""):
            self.is_in_script = True
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        """End a script."""
        self.is_in_script = self.is_in_script and tag != "script"

    def handle_data(self, data: str) -> None:
        """Collect the text of a script."""
        if self.is_in_script:
            self.scripts[-1] += data


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version's folder with the site in it."""
    folder = tmp_path_factory.mktemp("version")
    copy_docs_site(folder / docs_site.FOLDER)
    return folder


@pytest.fixture(scope="module")
def pages(version: Path) -> dict[Path, Found]:
    """Each page of the site, read."""
    found = {}
    for file in (version / docs_site.FOLDER).rglob("*.html"):
        found[file] = Found()
        found[file].feed(file.read_text(encoding="utf-8"))
    return found


def named_pages(nav: list[object]) -> set[str]:
    """The Markdown files that a navigation names."""
    names: set[str] = set()
    for entry in nav:
        (value,) = entry.values() if isinstance(entry, dict) else (entry,)
        names |= named_pages(value) if isinstance(value, list) else {str(value)}
    return names


def test_each_page_of_docs_is_on_the_site_and_in_its_navigation(version: Path) -> None:
    docs = paths.REPO / "docs"
    written = {str(file.relative_to(docs)) for file in docs.rglob("*.md")}
    settings = yaml.safe_load((docs / "mkdocs.yml").read_text(encoding="utf-8"))
    in_navigation = named_pages(settings["nav"])
    beside = {"index.md", "changelog.md", "contributing.md", "security.md", "dags.md"}
    assert len(written) > 30
    assert in_navigation == written | beside
    for page in in_navigation:
        assert (version / "docs" / page).with_suffix(".html").is_file()


def test_each_link_leads_to_a_page_and_a_place_of_the_site(pages: dict[Path, Found]) -> None:
    followed = 0
    broken = []
    for file, found in pages.items():
        for link in {*found.links, *found.loaded}:
            target = urlsplit(link)
            if target.scheme in ("http", "https", "mailto"):
                assert link not in found.loaded, (file, link)
                continue
            page = (file.parent / unquote(target.path)).resolve() if target.path else file
            anchor = unquote(target.fragment)
            known = pages[page].ids if page in pages else set()
            # the theme's links to the top of a page and past its head need no place of ours
            if not page.is_file() or (anchor and anchor not in known | {"__skip"}):
                broken.append((file.name, link))
            followed += 1
    assert broken == []
    assert followed > 1000


def test_what_a_page_loads_is_shown_behind_the_log_in(
    version: Path, pages: dict[Path, Found]
) -> None:
    loaded = {
        str((file.parent / unquote(urlsplit(link).path)).resolve().relative_to(version.resolve()))
        for file, found in pages.items()
        for link in found.loaded
    }
    assert {Path(file).suffix for file in loaded} >= {".css", ".js", ".webp"}
    assert [file for file in sorted(loaded) if find_part(file) is None] == []


def test_the_policy_names_each_inline_script_and_no_other_host(
    version: Path, pages: dict[Path, Found]
) -> None:
    policy = read_policy(version)
    assert policy is not None
    parts = {part.split()[0]: part.split()[1:] for part in policy.split("; ")}
    scripts = {script for found in pages.values() for script in found.scripts}
    assert scripts
    assert set(parts["script-src"]) == {"'self'"} | {
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    }
    assert [found.handlers for found in pages.values() if found.handlers] == []
    assert parts["default-src"] == parts["form-action"] == ["'none'"]
    assert parts["connect-src"] == parts["worker-src"] == ["'self'"]
    assert not re.search(r"https?:|\*|unsafe-eval", policy)


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("README.md", "[a](docs/audit.md#1-draw)", "[a](audit.md#1-draw)"),
        ("docs/audit.md", "[the README](../README.md)", "[the README](index.md)"),
        ("docs/adr/0002-the-rooms.md", "[why](../names.md)", "[why](../names.md)"),
        ("docs/adr/0002-the-rooms.md", "[r](../../README.md)", "[r](../index.md)"),
        ("dags/README.md", "[r](../docs/runbook.md)", "[r](runbook.md)"),
        ("docs/audit.md", "![p](pictures/audit-draws.svg)", "![p](pictures/audit-draws.svg)"),
        ("docs/audit.md", "[the code](../src/cdi/sql.py)", "the code (`src/cdi/sql.py`)"),
        ("docs/audit.md", "[`sql.py`](../src/cdi/sql.py)", "`sql.py`"),
        ("docs/audit.md", "[b](https://example.org/a.md)", "[b](https://example.org/a.md)"),
        ("docs/audit.md", "[c](#5-rate)", "[c](#5-rate)"),
    ],
)
def test_a_link_leads_to_the_site_or_becomes_plain_text(
    file: str, text: str, expected: str
) -> None:
    assert rewrite_links(text, file) == expected


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a site of one page."""
    folder = tmp_path / "repo"
    (folder / "docs").mkdir(parents=True)
    settings = "site_name: Small\nplugins: [search, offline]\nextra: {polyfills: [iframe-worker]}\n"
    (folder / "docs" / "mkdocs.yml").write_text(settings, encoding="utf-8")
    (folder / "README.md").write_text("# Small\n\n[a](docs/nothing.md)\n", encoding="utf-8")
    monkeypatch.setattr(paths, "REPO", folder)
    monkeypatch.setattr(paths, "DOCS", folder / "docs")
    monkeypatch.setattr(paths, "DOCS_SETTINGS", folder / "docs" / "mkdocs.yml")
    monkeypatch.setenv("CDI_PREPARED", str(tmp_path / "prepared"))
    return folder


def test_a_link_to_a_place_that_is_not_there_is_named(repo: Path, tmp_path: Path) -> None:
    (repo / "docs" / "a.md").write_text("# A\n\n[there](#nowhere)\n", encoding="utf-8")
    with pytest.raises(BuildError, match=r"a\.md:3") as refused:
        copy_docs_site(tmp_path / "site")
    assert refused.value.rule_id == "DOCS-SITE"
    assert "\x1b" not in str(refused.value)
    assert list((tmp_path / "prepared").iterdir()) == []


def test_without_the_documentation_a_version_has_none_and_a_log_says_so(
    sample: Agency, repo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (repo / "docs" / "mkdocs.yml").unlink()
    version = built(sample)
    with caplog.at_level(logging.WARNING):
        write_docs_site(version)
    assert f"version {version.name} has no documentation" in caplog.text
    assert not (version.folder / "docs").exists()
    assert read_policy(version.folder) is None
