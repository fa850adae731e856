"""The parts of a published version: what each is, and who may see it."""

import re
from dataclasses import dataclass

WHOLE_VERSION = (
    "recording.duckdb",
    "report.html",
    "matching.html",
    "validation.html",
    "dictionary.html",
    "dbt_docs.html",
    "worklist/index.html",
    "worklist/worklist.csv",
    "worklist/worklist.xlsx",
    "open/open.duckdb",
    "open/README.md",
    "version.json",
)


# one segment of a path: nothing hidden, nothing that leads elsewhere
_SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"


@dataclass(frozen=True)
class Part:
    """A part of a version that has a page or a download.

    Attributes:
        path: Below the version's folder; a folder's name stands for all pages and sheets in it.
        title: For people.
        meaning: What is in it, in a sentence.
        is_restricted: Whether it speaks of single calls.
        start: For a folder: the page to begin with.
    """

    path: str
    title: str
    meaning: str
    is_restricted: bool = False
    start: str = ""

    @property
    def link(self) -> str:
        """Where people begin."""
        return f"{self.path}/{self.start}" if self.start else self.path

    def has(self, path: str) -> bool:
        """Whether a path below the version's folder is of this part."""
        if not self.start:
            return path == self.path
        pattern = rf"{re.escape(self.path)}/(?:{_SEGMENT}/)*{_SEGMENT}\.(?:html|csv|xlsx)"
        return re.fullmatch(pattern, path) is not None


PARTS = (
    Part("report.html", "Report", "What share of reported crime was recorded, and what changed."),
    Part(
        "worklist",
        "Worklist",
        "Logs that appear to report a crime and have no record, a page for each; as a sheet too.",
        is_restricted=True,
        start="index.html",
    ),
    Part("matching.html", "Match report", "How calls and crime records were linked, how surely."),
    Part("validation.html", "Data quality", "What each data-quality rule found."),
    Part("dictionary.html", "Dictionary", "Every table and column of the published file."),
    Part("dbt_docs.html", "dbt documentation", "Every model, its SQL and what it is made of."),
)


def find_part(path: str) -> Part | None:
    """The part that a path belongs to; None if the list has no such path."""
    return next((part for part in PARTS if part.has(path)), None)
