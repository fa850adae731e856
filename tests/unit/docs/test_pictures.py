"""Pictures of README.md and docs/: they are there, say what is to be seen, and load at once."""

import re
from pathlib import Path

import pytest

from cdi import paths
from cdi_proofs.screenshots import LARGEST

PAGES = [paths.REPO / "README.md", *sorted((paths.REPO / "docs").rglob("*.md"))]
SHOWN = [
    (page, alt, target)
    for page in PAGES
    for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("page", "alt", "target"), SHOWN)
def test_a_picture_is_there_and_small_and_says_what_it_shows(
    page: Path, alt: str, target: str
) -> None:
    file = page.parent / target
    assert file.is_file()
    assert file.stat().st_size <= LARGEST
    assert len(alt.split()) >= 5


def test_each_picture_is_shown() -> None:
    named = {(page.parent / target).resolve() for page, _, target in SHOWN}
    assert named >= {*(paths.REPO / "docs" / "pictures").iterdir()}
