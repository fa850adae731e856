"""Read what a published version shows in a browser, and keep the log of who looked at what.

Only the parts of `cdi.publish.parts` are shown. The restricted parts tell of single calls. So each
look at one of them is written down before its content leaves, as a line of
``access/<agency>.jsonl``, to which lines are only added. The plugin `cdi_airflow.views` uses both.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.files import append_line, read_json_lines
from cdi.publish.parts import find_part


def current_folder(agency: str) -> Path | None:
    """Find the folder of the current version; None if there is none.

    The link is followed once: all that is read below this folder is of one version.
    """
    try:
        return (paths.published(agency) / "current").resolve(strict=True)
    except FileNotFoundError:
        return None


def read_part(version: Path, path: str) -> bytes | None:
    """Read a file of a part; None if the version does not have it, or if it is not to be shown.

    Args:
        version: A version's own folder, from `current_folder`.
        path: The file, below this folder.
    """
    file = version / path
    try:
        if find_part(path) is None or not file.resolve().is_relative_to(version):
            return None
        return file.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def refused_pages(agency: str, dataset: str) -> list[Path]:
    """List the validation pages of a dataset's refused batches, the newest first."""
    pages = (paths.landing(agency, dataset) / "refused").glob("*/validation.html")
    return sorted(pages, key=lambda page: page.parent.name, reverse=True)


def note_access(agency: str, who: str, what: str, version: str) -> None:
    """Write one access down; it is on the disk when this returns.

    Args:
        agency: The agency whose data is looked at.
        who: The user's name in Airflow.
        what: The path below the version's folder.
        version: The version's name.

    Raises:
        OSError: If it cannot be written; then nothing may be shown.
    """
    file = paths.access(agency)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    line = json.dumps({"at": now, "who": who, "what": what, "version": version})
    append_line(file, line, mode=0o600)


def read_access_log(agency: str) -> Iterator[dict[str, Any]]:
    """Read what was looked at, oldest first."""
    yield from read_json_lines(
        paths.access(agency), "restore the file from the backup, or move it away and keep it"
    )
