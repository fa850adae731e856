"""Versions of what is learnt from an agency's own data, kept beside the landing.

``weights/<agency>/<kind>/<version>/`` holds ``weights.json`` and the kind's own files. A version
appears by one rename and is never changed. It is named after a hash of its files, so that learning
the same again makes no new version. A build uses the newest version of each kind, and its results
name that version. ``newest.json`` beside the versions names it too, so that its loss is noticed.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.errors import StateError
from cdi.files import read_json, remove_durably, rename_durably, write_json
from cdi.sealed_files import is_as_sealed, seal_file, seal_of, write_sealed

KINDS = ("links", "text")
DESCRIPTION = "weights.json"
_NEWEST = "newest.json"
_FIX = (
    "restore the folder from the backup; or remove it, and newest.json and newest.json.seal beside "
    "it: training learns it again"
)


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

    Raises:
        StateError: WEIGHTS-DAMAGED if the version that was learnt last is missing, or if any does
            not say of itself what it said when it was learnt: nobody knows which is the newest.
    """
    versions = [
        version
        for version in read_versions(agency, kind)
        if as_of is None or version.as_of <= as_of
    ]
    return max(versions, key=_place_in_order, default=None)


def read_weights(agency: str, kind: str, version: str) -> Weights:
    """Read a version by its name.

    Raises:
        StateError: WEIGHTS-DAMAGED if it does not say of itself what it said when it was learnt.
    """
    return _read_folder(agency, paths.weights(agency) / kind / version)


def verify_weights(weights: Weights) -> None:
    """Compare a version with its name, which is a hash of its files.

    Raises:
        StateError: WEIGHTS-DAMAGED if a file is not as it was learnt.
    """
    if _sha256_of_folder(weights.folder)[:12] != weights.version:
        raise _damaged(weights.folder)


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

    Raises:
        StateError: WEIGHTS-DAMAGED, see `find_newest_weights`.
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
        _note_newest(agency, newest)
        return newest
    described = {
        "kind": kind,
        "version": version,
        "seq": 1 + max(map(_place_in_order, read_versions(agency, kind)), default=0),
        "as_of": as_of.isoformat(),
        "learnt_from": learnt_from,
        "counts": counts,
    }
    write_json(folder / DESCRIPTION, described, sort_keys=True)
    seal_file(agency, folder / DESCRIPTION)
    target = home / version
    # This version existed and was superseded: make it anew, so that it is the newest.
    if target.exists():
        remove_durably(target)
    rename_durably(folder, target)
    learnt = Weights(target, described)
    _note_newest(agency, learnt)
    return learnt


def remove_weights(folder: Path) -> None:
    """Remove a version for good; nothing says then which was the newest, until one is learnt."""
    for file in (seal_of(folder.parent / _NEWEST), folder.parent / _NEWEST):
        file.unlink(missing_ok=True)
    remove_durably(folder)


def _note_newest(agency: str, weights: Weights) -> None:
    with write_sealed(agency, weights.folder.parent / _NEWEST) as file:
        file.write_text(json.dumps({"version": weights.version}) + "\n", encoding="utf-8")


def _place_in_order(weights: Weights) -> int:
    return int(weights.described["seq"])


def read_versions(agency: str, kind: str) -> list[Weights]:
    """Read all versions of a kind, in no order.

    Raises:
        StateError: WEIGHTS-DAMAGED, see `find_newest_weights`.
    """
    home = paths.weights(agency) / kind
    versions = [_read_folder(agency, file.parent) for file in home.glob(f"[!.]*/{DESCRIPTION}")]
    note = home / _NEWEST
    if not is_as_sealed(agency, note):
        raise _damaged(note)
    if note.is_file():
        newest = str(read_json(note, ["version"], _FIX)["version"])
        if newest not in {version.version for version in versions}:
            raise _damaged(home / newest)
    return versions


def _read_folder(agency: str, folder: Path) -> Weights:
    keys = ("kind", "version", "seq", "as_of", "learnt_from", "counts")
    if not is_as_sealed(agency, folder / DESCRIPTION):
        raise _damaged(folder)
    weights = Weights(folder, read_json(folder / DESCRIPTION, keys, _FIX))
    if weights.version != folder.name:
        raise _damaged(folder)
    return weights


def _damaged(folder: Path) -> StateError:
    return StateError(
        "WEIGHTS-DAMAGED", f"what was learnt, {folder}, is missing or not as it was written", _FIX
    )


def _sha256_of_folder(folder: Path) -> str:
    """Hash the names and the bytes of all files of a folder, without what describes them."""
    digest = hashlib.sha256()
    describing = (DESCRIPTION, seal_of(folder / DESCRIPTION).name)
    files = [file for file in folder.rglob("*") if file.is_file() and file.name not in describing]
    for file in sorted(files):
        digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
