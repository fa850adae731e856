"""What a published version shows in a browser, and the log of who looked at what is restricted.

`PARTS` is the fixed list of what is served; nothing else is. The restricted parts speak of single
calls: each access is one line of ``access/<agency>.jsonl``, which only grows and is on the disk
before the content leaves. The plugin `cdi_airflow.views` serves by both.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdi import paths

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


def part_of(path: str) -> Part | None:
    """The part that a path belongs to; None if the list has no such path."""
    return next((part for part in PARTS if part.has(path)), None)


def current(agency: str) -> Path | None:
    """The current version's own folder (the link followed once), or None."""
    try:
        return (paths.published(agency) / "current").resolve(strict=True)
    except FileNotFoundError:
        return None


def read(version: Path, path: str) -> bytes | None:
    """The content of a part's file; None if the version has none such.

    Args:
        version: A version's own folder, from `current`.
        path: Below it.
    """
    file = version / path
    try:
        if part_of(path) is None or not file.resolve().is_relative_to(version):
            return None
        return file.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def refused(agency: str, dataset: str) -> list[Path]:
    """Pages of a dataset's refused batches, the newest first."""
    found = (paths.landing(agency, dataset) / "refused").glob("*/validation.html")
    return sorted(found, key=lambda page: page.parent.name, reverse=True)


def note(agency: str, who: str, what: str, version: str) -> None:
    """Write one access down, on the disk when this returns.

    Args:
        agency: Whose data.
        who: The user's name in Airflow.
        what: Path below the version's folder.
        version: The version's name.

    Raises:
        OSError: If it cannot be written; then nothing may be shown.
    """
    file = paths.access(agency)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    line = json.dumps({"at": now, "who": who, "what": what, "version": version}) + "\n"
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        # one call: lines of two processes never mix; a disk that is full takes part of it
        if os.write(handle, line.encode()) != len(line.encode()):
            raise OSError(f"{file} took only a part of the line")
        os.fsync(handle)
    finally:
        os.close(handle)


def entries(agency: str) -> Iterator[dict[str, Any]]:
    """What was looked at, oldest first."""
    file = paths.access(agency)
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)
