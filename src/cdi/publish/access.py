"""What a published version shows in a browser, and the log of who looked at what is restricted.

`PARTS` is the fixed list of what is served; nothing else is. The restricted parts speak of single
calls: each access is one line of ``access/<agency>.jsonl``, which only grows and is on the disk
before the content leaves. The plugin `cdi_airflow.views` serves by both.
"""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.publish.parts import find_part


def current_folder(agency: str) -> Path | None:
    """The current version's own folder (the link followed once), or None."""
    try:
        return (paths.published(agency) / "current").resolve(strict=True)
    except FileNotFoundError:
        return None


def read_part(version: Path, path: str) -> bytes | None:
    """The content of a part's file; None if the version has none such.

    Args:
        version: A version's own folder, from `current_folder`.
        path: Below it.
    """
    file = version / path
    try:
        if find_part(path) is None or not file.resolve().is_relative_to(version):
            return None
        return file.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def refused_pages(agency: str, dataset: str) -> list[Path]:
    """Pages of a dataset's refused batches, the newest first."""
    found = (paths.landing(agency, dataset) / "refused").glob("*/validation.html")
    return sorted(found, key=lambda page: page.parent.name, reverse=True)


def note_access(agency: str, who: str, what: str, version: str) -> None:
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


def read_access_log(agency: str) -> Iterator[dict[str, Any]]:
    """What was looked at, oldest first."""
    file = paths.access(agency)
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)
