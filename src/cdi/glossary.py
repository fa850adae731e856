"""The words that pages explain, from one list: `glossary.yaml`.

A page links a word where it first uses it to a short list at its own foot, so that it can be read
without any other page, and on paper. The page docs/glossary.md is the whole list.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from cdi.files import parse_yaml

LIST = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Word:
    """A word and what it means.

    Attributes:
        name: The word, as the pages use it.
        meaning: In a few plain words; a full stop follows where it is shown.
        others: Other names of the same thing, also those of tables.
        more: What only the documentation says, as Markdown.
    """

    name: str
    meaning: str
    others: tuple[str, ...] = ()
    more: str = ""

    @property
    def anchor(self) -> str:
        """The id of its place on a page."""
        return "word-" + self.name.lower().replace(" ", "-")


@functools.cache
def read_glossary() -> dict[str, Word]:
    """Read all words by name, in the order of the list."""
    entries = parse_yaml(LIST.read_text(encoding="utf-8"))
    words = [
        Word(entry["word"], entry["meaning"], tuple(entry.get("others", ())), entry.get("more", ""))
        for entry in entries
    ]
    return {word.name: word for word in words}


class Words:
    """The words that one page explains."""

    def __init__(self) -> None:
        """Begin with none."""
        self._used: dict[str, Word] = {}

    def link_first(self, name: str, text: str = "") -> str:
        """Link a word to its meaning where a page first uses it; give plain text after that.

        Args:
            name: The word, as it is in the glossary; an unknown one is an error.
            text: How the sentence writes it, if not by its name.
        """
        word = read_glossary()[name]
        if name in self._used:
            return text or name
        self._used[name] = word
        return Markup('<a class="term" href="#{}">{}</a>').format(word.anchor, text or name)

    @property
    def used(self) -> list[Word]:
        """The words that were used so far, in the order of the alphabet."""
        return sorted(self._used.values(), key=lambda word: word.name.lower())
