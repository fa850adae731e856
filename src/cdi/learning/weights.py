"""What is learnt from an agency's own data: immutable, versioned, kept beside the landing.

``weights/<agency>/<kind>/<version>/``  ``weights.json`` and the kind's own files; a version appears
by one rename and is never changed. The version is a hash of the files, so that learning the same
again makes nothing new. A build takes the newest version of each kind and names it.
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

KINDS = ("links", "text")


@dataclass(frozen=True)
class Weights:
    """One version on disk.

    Attributes:
        folder: Holds ``weights.json`` and the kind's files.
        described: Content of ``weights.json``: kind, version, seq (its place in the order of
            learning), as_of, learnt_from (fingerprint of what it was learnt from), counts.
    """

    folder: Path
    described: Mapping[str, Any]

    @property
    def version(self) -> str:
        """The version's name."""
        return str(self.described["version"])

    @property
    def as_of(self) -> datetime:
        """The state of knowledge that it was learnt from."""
        return datetime.fromisoformat(self.described["as_of"])


def find_newest_weights(agency: str, kind: str, as_of: datetime | None = None) -> Weights | None:
    """The version learnt last, or None.

    Args:
        agency: Name of the agency.
        kind: One of `KINDS`.
        as_of: What was learnt from a later state of knowledge is left out.
    """
    known = [w for w in _all(agency, kind) if as_of is None or w.as_of <= as_of]
    return max(known, key=lambda w: int(w.described["seq"]), default=None)


def read_weights(agency: str, kind: str, version: str) -> Weights:
    """A version by its name."""
    folder = paths.weights(agency) / kind / version
    return Weights(folder, json.loads((folder / "weights.json").read_text(encoding="utf-8")))


def save_weights(
    agency: str,
    kind: str,
    as_of: datetime,
    learnt_from: str,
    write: Callable[[Path], Mapping[str, int]],
) -> Weights:
    """Keep what was learnt as a version; nothing new if the newest version says the same.

    Args:
        agency: Name of the agency.
        kind: One of `KINDS`.
        as_of: The state of knowledge that it was learnt from.
        learnt_from: Fingerprint of what it was learnt from.
        write: Writes the kind's files, the same bytes for the same knowledge, into the folder that
            it is given, and returns the counts that describe them.
    """
    home = paths.weights(agency) / kind
    folder = home / ".next"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    counts = dict(write(folder))
    version = _sha256(folder)[:12]
    known = find_newest_weights(agency, kind)
    if known is not None and known.version == version:
        shutil.rmtree(folder)
        return known
    described = {
        "kind": kind,
        "version": version,
        "seq": 1 + max((int(w.described["seq"]) for w in _all(agency, kind)), default=0),
        "as_of": as_of.isoformat(),
        "learnt_from": learnt_from,
        "counts": counts,
    }
    text = json.dumps(described, indent=2, sort_keys=True)
    (folder / "weights.json").write_text(text + "\n", encoding="utf-8")
    target = home / version
    if target.exists():  # learnt before, and something else since: it is the newest again
        shutil.rmtree(target)
    folder.rename(target)
    return Weights(target, described)


def _all(agency: str, kind: str) -> list[Weights]:
    files = (paths.weights(agency) / kind).glob("[!.]*/weights.json")
    return [Weights(file.parent, json.loads(file.read_text(encoding="utf-8"))) for file in files]


def _sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(f for f in folder.rglob("*") if f.is_file()):
        digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
