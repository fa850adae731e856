"""Versions of what is learnt from an agency's own data, kept beside the landing.

``weights/<agency>/<kind>/<version>/`` holds ``weights.json`` and the kind's own files. A version
appears by one rename and is never changed. It is named after a hash of its files, so that learning
the same again makes no new version. A build uses the newest version of each kind, and its results
name that version.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.errors import StateError
from cdi.files import read_json, remove_durably, rename_durably, write_json

KINDS = ("links", "text")
DESCRIPTION = "weights.json"


@dataclass(frozen=True)
class Weights:
    """One version on disk.

    Attributes:
        folder: Holds ``weights.json`` and the kind's files.
        described: Content of ``weights.json``: kind, version, seq (its place in the order of
            learning), as_of, learnt_from (fingerprint of the data it was learnt from), counts.
    """

    folder: Path
    described: Mapping[str, Any]

    @property
    def version(self) -> str:
        """Name of the version."""
        return str(self.described["version"])

    @property
    def as_of(self) -> datetime:
        """The date of the data that it was learnt from."""
        return datetime.fromisoformat(self.described["as_of"])


def find_newest_weights(agency: str, kind: str, as_of: datetime | None = None) -> Weights | None:
    """Find the version that was learnt last; None if there is none.

    Args:
        agency: Name of the agency.
        kind: One of `KINDS`.
        as_of: Leave out versions that were learnt from data of a later date.
    """
    versions = [
        version
        for version in _read_versions(agency, kind)
        if as_of is None or version.as_of <= as_of
    ]
    return max(versions, key=_place_in_order, default=None)


def read_weights(agency: str, kind: str, version: str) -> Weights:
    """Read a version by its name."""
    folder = paths.weights(agency) / kind / version
    return _read_folder(folder)


def verify_weights(weights: Weights) -> None:
    """Compare a version with its name, which is a hash of its files.

    Raises:
        StateError: WEIGHTS-DAMAGED if a file is not as it was learnt.
    """
    if _sha256_of_folder(weights.folder)[:12] != weights.version:
        raise StateError(
            "WEIGHTS-DAMAGED",
            f"what was learnt in {weights.folder} is not as it was written",
            "restore the folder from the backup, or remove it: training learns it again",
        )


def save_weights(
    agency: str,
    kind: str,
    as_of: datetime,
    learnt_from: str,
    write: Callable[[Path], Mapping[str, int]],
) -> Weights:
    """Keep what was learnt as a version, unless the newest version has the same content.

    Args:
        agency: Name of the agency.
        kind: One of `KINDS`.
        as_of: The date of the data that it was learnt from.
        learnt_from: Fingerprint of the data.
        write: Writes the kind's files into the folder that it is given, the same bytes for the same
            knowledge, and returns the counts that describe them.

    Returns:
        The new version, or the newest one if it has the same content.
    """
    home = paths.weights(agency) / kind
    folder = home / ".next"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    counts = dict(write(folder))
    version = _sha256_of_folder(folder)[:12]
    newest = find_newest_weights(agency, kind)
    if newest is not None and newest.version == version:
        shutil.rmtree(folder)
        return newest
    described = {
        "kind": kind,
        "version": version,
        "seq": 1 + max(map(_place_in_order, _read_versions(agency, kind)), default=0),
        "as_of": as_of.isoformat(),
        "learnt_from": learnt_from,
        "counts": counts,
    }
    write_json(folder / DESCRIPTION, described, sort_keys=True)
    target = home / version
    # This version existed and was superseded: make it anew, so that it is the newest.
    if target.exists():
        remove_durably(target)
    rename_durably(folder, target)
    return Weights(target, described)


def _place_in_order(weights: Weights) -> int:
    return int(weights.described["seq"])


def _read_versions(agency: str, kind: str) -> list[Weights]:
    files = (paths.weights(agency) / kind).glob(f"[!.]*/{DESCRIPTION}")
    return [_read_folder(file.parent) for file in files]


def _read_folder(folder: Path) -> Weights:
    keys = ("kind", "version", "seq", "as_of", "learnt_from", "counts")
    fix = "restore the folder from the backup, or remove it: training learns it again"
    return Weights(folder, read_json(folder / DESCRIPTION, keys, fix))


def _sha256_of_folder(folder: Path) -> str:
    """Hash the names and the bytes of all files of a folder, without what describes them."""
    digest = hashlib.sha256()
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != DESCRIPTION]
    for file in sorted(files):
        digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
