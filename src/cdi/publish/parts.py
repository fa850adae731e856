"""The parts of a published version: what a whole version has, and who may see which part."""

import re
from dataclasses import dataclass

from cdi.report import docs_site

# A whole version has these files too, which are for programs: no page shows them.
NOT_SHOWN = ("version.json",)

# one segment of a path: it hides nothing and leads nowhere else
_SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"


@dataclass(frozen=True)
class Part:
    """A part of a version that has a page or a download.

    Attributes:
        path: A file or a folder below the version's folder; a folder stands for all files of
            these kinds in it.
        title: Its name, for people.
        meaning: What is in it, in a sentence.
        is_restricted: Whether it tells of single calls; a count of one crime does.
        start: For a folder: the page to begin with.
        sheets: For a folder: the downloads that it always has.
        kinds: For a folder: how the names of its files may end.
        for_managers: Whether it holds everything, so that only those who manage the agency get it.
        is_optional: Whether a version may be without it.
    """

    path: str
    title: str
    meaning: str
    is_restricted: bool = False
    start: str = ""
    sheets: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("html", "csv", "xlsx")
    for_managers: bool = False
    is_optional: bool = False

    @property
    def link(self) -> str:
        """The page that people begin with."""
        return f"{self.path}/{self.start}" if self.start else self.path

    @property
    def files(self) -> tuple[str, ...]:
        """The files of this part that each whole version has."""
        if self.is_optional:
            return ()
        return (self.link, *(f"{self.path}/{sheet}" for sheet in self.sheets))

    def has(self, path: str) -> bool:
        """Whether a path below the version's folder belongs to this part."""
        if not self.start:
            return path == self.path
        kinds = "|".join(self.kinds)
        pattern = rf"{re.escape(self.path)}/(?:{_SEGMENT}/)*{_SEGMENT}\.(?:{kinds})"
        return re.fullmatch(pattern, path) is not None


PARTS = (
    Part("report.html", "Report", "What share of reported crime was recorded, and what changed."),
    Part("figures.json", "Figures", "Each figure of the report: its base, and its query."),
    Part(
        "explore.html",
        "Explore",
        "Counts of reported crimes, which you filter; small counts are shown as they are.",
        is_restricted=True,
    ),
    Part(
        "worklist",
        "Worklist",
        "Logs that appear to report a crime and have no record, a page for each; as a sheet too.",
        is_restricted=True,
        start="index.html",
        sheets=("worklist.csv", "worklist.xlsx"),
    ),
    Part(
        "open",
        "Open extract",
        "What may leave the agency: counts for the public, with small numbers protected.",
        start="index.html",
        sheets=("open.duckdb", "datapackage.json", "README.md"),
        kinds=("html", "csv", "parquet", "duckdb", "json", "md"),
    ),
    Part(
        "matching.html",
        "Match report",
        "How logs and crime records were linked, and how reliably.",
    ),
    Part("validation.html", "Data quality", "What each data-quality rule found."),
    Part("dictionary.html", "Dictionary", "Every table and column of the published file."),
    Part("dbt_docs.html", "dbt documentation", "Every model, its SQL and what it is made of."),
    Part(
        docs_site.FOLDER,
        "Documentation",
        "Guides for each reader, the rules and a glossary, with a search.",
        start="index.html",
        kinds=("html", "css", "js", "json", "xml", "png", "svg", "webp"),
        is_optional=True,
    ),
    Part(
        "recording.duckdb",
        "Tables",
        "All tables in one file, for DuckDB; a copy of it is for this agency only.",
        is_restricted=True,
        for_managers=True,
    ),
)


def find_part(path: str) -> Part | None:
    """Find the part that a path belongs to; None if the path is not to be shown."""
    return next((part for part in PARTS if part.has(path)), None)


def list_files_of_whole_version() -> list[str]:
    """List the files that each published version has, below its folder."""
    return [*NOT_SHOWN, *(file for part in PARTS for file in part.files)]
