"""Seals of accepted batches: a build stands on what was accepted, or it says what is damaged.

A disk may flip a bit, a restored backup may lack a folder, and somebody may edit a file. So the
manifest of each accepted batch has

- ``sealed_files``: the sha256 of its other files;
- ``before``: the link of the batch that was accepted before it, blank for the first;
- ``link``: a keyed hash of its place in the order, which an erasure does not change;
- ``seal``: a keyed hash of all the rest of the manifest.

``newest.json`` of the dataset names the batch that was accepted last, since no chain shows that its
end is missing; it is sealed too. The hashes are keyed with the agency's key, so whoever does not
have it cannot seal what they changed. Batches that were accepted before there were seals are taken
as they are, as long as they stand before all sealed ones.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from cdi import paths
from cdi.errors import StateError
from cdi.files import read_json, sha256_of_file, write_json
from cdi.keys import derive_key

_NEWEST = "newest.json"
# Stands in a batch's folder while an erasure replaces its files. If that is killed, the next
# attempt must complete it, even if it finds nothing more to take out and no count differs (where
# rows only lost a name, for instance).
UNFINISHED = ".forgetting"
# The loss comes before the extraction, as nothing is accepted behind a gap.
_ACCEPT_LOSS = (
    f'accept the loss by {paths.CDI} verify <agency> --accept-loss --reason "...", then extract '
    "the same interval again"
)
RESTORE = (
    "restore this folder from the backup; if there is none, remove the folder of this batch, "
    f"{_ACCEPT_LOSS}"
)
_RESTORE_MISSING = f"restore it from the backup; if there is none, {_ACCEPT_LOSS}"


class Sealed(Protocol):
    """A batch on disk; see `cdi.landing.batches.Batch`."""

    @property
    def folder(self) -> Path:
        """Its folder."""

    @property
    def manifest(self) -> dict[str, Any]:
        """Its manifest."""


def seal_manifest(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Seal the manifest of an accepted batch, over the files that are in its folder now.

    Args:
        folder: The batch's folder.
        manifest: Its manifest, with `seq`. One that was accepted before there were seals has no
            `before`, and stays without a link.

    Returns:
        The manifest with its seal.
    """
    sealed = {name: value for name, value in manifest.items() if name != "seal"}
    sealed["sealed_files"] = {
        file.name: sha256_of_file(file)
        for file in sorted(folder.glob("[!.]*"))
        if file.name != "manifest.json"
    }
    sealed["seal"] = _hash(manifest["agency"], sealed)
    return sealed


def link_manifest(manifest: Mapping[str, Any], before: Sealed | None) -> dict[str, Any]:
    """Bind the manifest of a batch that is being accepted to the batch before it.

    Args:
        manifest: The manifest, with `seq`.
        before: The batch that was accepted last.
    """
    return _link(manifest, before.manifest.get("link", "") if before else "")


def announce_newest(manifest: Mapping[str, Any]) -> None:
    """Write down that a batch is about to be accepted, so that a kill leaves no gap.

    Until `note_newest` is called, the batch before it may be the newest as well.

    Args:
        manifest: Of the batch, as `link_manifest` makes it.
    """
    _write_newest(manifest, [manifest["before"], manifest["link"]])


def note_newest(batch: Sealed) -> None:
    """Write down which batch of a dataset was accepted last."""
    _write_newest(batch.manifest, [batch.manifest["link"]])


def _write_newest(manifest: Mapping[str, Any], links: list[str]) -> None:
    agency_id, dataset = manifest["agency"], manifest["dataset"]
    seal = _hash(agency_id, {"links": links, "dataset": dataset})
    write_json(paths.landing(agency_id, dataset) / _NEWEST, {"links": links, "seal": seal})


def forget_newest(agency_id: str, dataset: str) -> None:
    """Remove the note of which batch was accepted last, as none is left."""
    (paths.landing(agency_id, dataset) / _NEWEST).unlink(missing_ok=True)


def verify_batch(agency_id: str, batch: Sealed) -> None:
    """Compare an accepted batch with its seal.

    Args:
        agency_id: The agency in whose landing it is.
        batch: The batch.

    Raises:
        StateError: LANDING-DAMAGED if a file or the manifest is not as it was accepted.
    """
    manifest = batch.manifest
    if "seal" not in manifest:
        return
    body = {name: value for name, value in manifest.items() if name != "seal"}
    if not hmac.compare_digest(str(manifest["seal"]).encode(), _hash(agency_id, body).encode()):
        raise _damaged(batch, "its manifest was changed, or the agency's key is another one")
    if batch.folder.parent.name == "batches" and batch.folder.name != manifest["batch_id"]:
        raise _damaged(batch, f"it is the batch {manifest['batch_id']}, in another's folder")
    for name, digest in manifest["sealed_files"].items():
        file = batch.folder / name
        if not file.is_file():
            raise _damaged(batch, f"{name} is missing")
        if sha256_of_file(file) != digest:
            raise _damaged(batch, f"{name} is not the file that was accepted")


def read_newest(agency_id: str, dataset: str) -> list[str] | None:
    """Read the link of the batch that was accepted last; None if nothing says which that is.

    These are two links if a batch is being accepted, or was when its process was killed: then
    either may be the last. It is read before the batches are listed. The other way round, a batch
    that is accepted in between would seem to be missing.

    Raises:
        StateError: LANDING-DAMAGED if the note of it was changed: it might name an earlier batch.
    """
    file = paths.landing(agency_id, dataset) / _NEWEST
    if not file.is_file():
        return None
    note = read_json(file, ("links", "seal"), _RESTORE_MISSING)
    if note["seal"] != _hash(agency_id, {"links": note["links"], "dataset": dataset}):
        raise StateError(
            "LANDING-DAMAGED",
            f"{file} was changed, or the agency's key is another one",
            _RESTORE_MISSING,
        )
    return list(note["links"])


def verify_order(home: Path, batches: Sequence[Sealed], newest: list[str] | None) -> None:
    """Prove that no accepted batch of a dataset is missing.

    Args:
        home: The dataset's folder in the landing.
        batches: Its accepted batches, in the order of their acceptance.
        newest: What `read_newest` told before they were listed.

    Raises:
        StateError: LANDING-GAP if one is missing, LANDING-DAMAGED if one has lost its seal.
    """
    links = [batch.manifest["link"] for batch in batches if "link" in batch.manifest]
    before = ""
    for batch in batches[len(batches) - len(links) :]:
        if "link" not in batch.manifest:
            raise _damaged(batch, "it lost its seal")
        if batch.manifest["before"] != before:
            raise _gap(home, f"a batch that was accepted before {batch.folder.name} is missing")
        before = batch.manifest["link"]
    if newest is None and links:
        raise _gap(home, f"{_NEWEST}, which names the batch that was accepted last, is missing")
    if newest is not None and not set(newest) & set(links or [""]):
        raise _gap(home, "the batch that was accepted last is missing")


def link_anew(batches: Sequence[Sealed]) -> list[dict[str, Any]]:
    """Bind the batches that are there to each other, after others were lost for good.

    Args:
        batches: The accepted batches of a dataset, in the order of their acceptance.

    Returns:
        Their manifests, in the same order.
    """
    manifests: list[dict[str, Any]] = []
    before = ""
    for batch in batches:
        manifest = batch.manifest
        if "link" in manifest:
            manifest = _link(manifest, before)
            before = manifest["link"]
        manifests.append(manifest)
    return manifests


def _link(manifest: Mapping[str, Any], before: str) -> dict[str, Any]:
    place = {name: manifest[name] for name in ("agency", "dataset", "batch_id", "seq")}
    place["before"] = before
    return dict(manifest) | {"before": before, "link": _hash(manifest["agency"], place)}


def _hash(agency_id: str, value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True).encode()
    return hmac.new(derive_key(agency_id, "seal"), text, "sha256").hexdigest()


def _damaged(batch: Sealed, problem: str) -> StateError:
    if (batch.folder / UNFINISHED).exists():
        return StateError(
            "LANDING-DAMAGED",
            f"the batch {batch.folder} is in the middle of an erasure",
            "wait for it; if it was stopped, run the erasure or the agency's retain DAG again",
        )
    return StateError("LANDING-DAMAGED", f"the batch {batch.folder}: {problem}", RESTORE)


def _gap(home: Path, problem: str) -> StateError:
    return StateError("LANDING-GAP", f"{home}: {problem}", _RESTORE_MISSING)
