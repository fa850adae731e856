"""The documentation as a site with a search: the folder ``docs/`` of each version.

Zensical makes the site from the Markdown of ``docs/``, as ``docs/mkdocs.yml`` says, and from the
few files beside it that the pages link to. A link to a file that is not on the site becomes plain
text. The site is the same for all agencies, so it is made once for each state of its sources, and
each version gets links to its files. It asks no other host for anything, and its search works from
the disk as well as behind the log-in.
"""

import base64
import hashlib
import logging
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import version as installed_version
from pathlib import Path
from urllib.parse import urlsplit

from cdi import paths
from cdi.build.prepare import SUMS, find_or_make
from cdi.build.version import Version
from cdi.errors import BuildError
from cdi.files import hash_files, remove_folder, sha256_of_file, sha256_of_json, write_text

FOLDER = "docs"
START = f"{FOLDER}/index.html"
# Pages of the repository that lie beside docs/, and their names on the site.
PAGES_BESIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "dags/README.md": "dags.md",
}
# What Zensical writes and the site does not need: the theme that is not chosen, a page for servers.
NOT_NEEDED = ("assets/stylesheets/classic", "404.html")
# What the pages may do in a browser, beside `POLICY_FILE`'s hashes of their inline scripts.
POLICY_FILE = "policy.txt"
_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; script-src 'self'"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\[\]]*)\]\((?P<target>[^()\s]+)\)")
_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>(.*?)</script>", re.S)


def write_docs_site(version: Version) -> None:
    """Put the site into a version, if the documentation is installed.

    Args:
        version: What was built.

    Raises:
        BuildError: DOCS-SITE if the site cannot be made.
    """
    if not paths.DOCS_SETTINGS.is_file():
        logging.getLogger(__name__).warning(
            "there is no %s: version %s has no documentation", paths.DOCS_SETTINGS, version.name
        )
        return
    copy_docs_site(version.folder / FOLDER)


def copy_docs_site(target: Path) -> None:
    """Put the site into a folder, and make it first if its sources have changed.

    What is in the folder is removed: an earlier try may have been killed half-way.

    Raises:
        BuildError: DOCS-SITE if the site cannot be made.
    """
    made = find_or_make(f"{FOLDER}-{_fingerprint()}", _make_site)
    remove_folder(target)
    ignore_sums = shutil.ignore_patterns(SUMS)
    shutil.copytree(made, target, ignore=ignore_sums, copy_function=_link_or_copy)


def read_policy(version: Path) -> str | None:
    """Read what the site of a version may do in a browser; None if the version has no site.

    Args:
        version: The version's folder.
    """
    file = version / FOLDER / POLICY_FILE
    return file.read_text(encoding="utf-8") if file.is_file() else None


def site_page(file: str) -> str | None:
    """Name the page of the site that a file of the repository becomes, as Markdown.

    Args:
        file: Path in the repository.

    Returns:
        Path in the sources of the site; None if the file is not on the site.
    """
    if file in PAGES_BESIDE:
        return PAGES_BESIDE[file]
    below = file.removeprefix(f"{FOLDER}/")
    return below if below != file and (paths.REPO / file).is_file() else None


def rewrite_links(text: str, file: str) -> str:
    """Let the links of a page lead to other pages of the site, or make plain text of them.

    Args:
        text: Markdown.
        file: The page's path in the repository.
    """
    place = posixpath.dirname(site_page(file) or "")

    def rewrite(link: re.Match[str]) -> str:
        target = urlsplit(link["target"])
        if target.scheme or not target.path:
            return link[0]
        linked = posixpath.normpath(posixpath.join(posixpath.dirname(file), target.path))
        page = site_page(linked)
        if page is None:
            is_named = linked.split("/")[-1] in link["text"]
            return link["text"] if link["image"] or is_named else f"{link['text']} (`{linked}`)"
        anchor = f"#{target.fragment}" if target.fragment else ""
        return f"{link['image']}[{link['text']}]({posixpath.relpath(page, place or '.')}{anchor})"

    return _LINK.sub(rewrite, text)


def _fingerprint() -> str:
    """Hash all that the site follows from."""
    beside = [paths.REPO / name for name in PAGES_BESIDE]
    sources = [
        hash_files(paths.DOCS, ("**/[!.]*",)),
        *(sha256_of_file(file) if file.is_file() else "" for file in beside),
        sha256_of_file(Path(__file__)),
        installed_version("zensical"),
    ]
    return sha256_of_json(sources)[:16]


def _make_site(folder: Path) -> Iterable[str]:
    """Make the site in an empty folder; returns the names of its files."""
    with tempfile.TemporaryDirectory() as name:
        stage = Path(name)
        _stage_sources(stage)
        _run_zensical(stage)
        site = stage / "site"
        for unneeded in NOT_NEEDED:
            path = site / unneeded
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        pages = [file.read_text(encoding="utf-8") for file in sorted(site.rglob("*.html"))]
        write_text(site / POLICY_FILE, write_policy(pages))
        shutil.copytree(site, folder, dirs_exist_ok=True)
    return [str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()]


def _stage_sources(stage: Path) -> None:
    """Copy what the site is made of, with links that hold there."""
    docs = stage / FOLDER
    shutil.copytree(paths.DOCS, docs, ignore=shutil.ignore_patterns(paths.DOCS_SETTINGS.name))
    shutil.copy(paths.DOCS_SETTINGS, stage)
    files = [f"{FOLDER}/{page.relative_to(docs)}" for page in docs.rglob("*.md")]
    for file in (*files, *PAGES_BESIDE):
        page = site_page(file)
        if page is not None and (paths.REPO / file).is_file():
            text = (paths.REPO / file).read_text(encoding="utf-8")
            write_text(docs / page, rewrite_links(text, file))


def _run_zensical(stage: Path) -> None:
    """Make the site; a broken link, an unknown anchor or a page without a place is an error."""
    settings = ("--config-file", paths.DOCS_SETTINGS.name)
    command = (sys.executable, "-m", "zensical", "build", "--strict", *settings)
    run = subprocess.run(command, cwd=stage, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        problems = _COLOUR.sub("", run.stderr).partition("Traceback")[0].strip()
        raise BuildError(
            "DOCS-SITE",
            f"the site of the documentation cannot be made:\n{problems}",
            f"correct the page that is named, and try it by {paths.CDI} docs --site <folder>",
        )


def write_policy(pages: Iterable[str]) -> str:
    """Write a Content-Security-Policy that lets the scripts of some pages run, and no others.

    Args:
        pages: HTML.
    """
    scripts = sorted({script for page in pages for script in _SCRIPT.findall(page)})
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    hashes = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
    return " ".join((_POLICY, *hashes))


def _link_or_copy(source: str, target: str) -> None:
    """Give a file a second name: all versions share one copy; another disk gets its own."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
