"""Takes a batch into the landing: begins its check, then accepts or refuses it."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.agency.load import load_agency
from cdi.files import rename_durably, wait_for_lock
from cdi.landing.batches import (
    Batch,
    accepted_batches,
    batch_as_of,
    holds_nothing_new,
    read_batch,
    remove_batch,
    replace_manifest,
)
from cdi.landing.forget import forget_in_batch
from cdi.landing.seals import (
    announce_newest,
    link_manifest,
    note_newest,
    read_newest,
    verify_order,
)
from cdi.landing.tombstones import read_tombstones


def begin_check(batch: Batch) -> Batch:
    """Make the working copy of a pending batch, which its check may change.

    The pending batch stays as it is until the copy is accepted or refused. So a check that was
    killed can be repeated, and finds what the first one would have found.

    Args:
        batch: A pending batch.
    """
    home = paths.landing(batch.manifest["agency"], batch.manifest["dataset"])
    target = home / "checking" / batch.folder.name
    # An erasure replaces the files of a batch one after another; the copy must not fall between.
    with wait_for_lock(home):
        remove_batch(target)  # left by a check that was killed
        copy = target.with_name(f".{target.name}")
        shutil.copytree(batch.folder, copy, ignore=shutil.ignore_patterns(".*"))
        # An erasure looks into it too, also after a power cut.
        return read_batch(rename_durably(copy, target))


def accept_batch(batch: Batch) -> Batch | None:
    """Move a checked batch into the landing, by one rename.

    The lock of the dataset is held meanwhile: batches are numbered in the order of acceptance.

    Args:
        batch: A batch that was checked.

    Returns:
        The accepted batch, whose manifest has `seq`, its number in the order of acceptance. None if
        the same content was accepted while this batch was checked; then this batch is removed.

    Raises:
        StateError: LANDING-GAP if a batch that was accepted earlier is missing.
    """
    manifest = batch.manifest
    home = paths.landing(manifest["agency"], manifest["dataset"])
    (home / "batches").mkdir(parents=True, exist_ok=True)
    with wait_for_lock(home):
        if manifest.get("tombstones", 0) < len(read_tombstones(manifest["agency"])):
            # Something was erased while this batch was checked.
            forget_in_batch(load_agency(manifest["agency"]), batch, batch_as_of(batch))
            batch = read_batch(batch.folder)
            manifest = batch.manifest
        if holds_nothing_new(manifest):
            remove_batch(batch.folder)
            _remove_pending(home, manifest)
            return None
        newest = read_newest(manifest["agency"], manifest["dataset"])
        earlier = accepted_batches(manifest["agency"], manifest["dataset"])
        verify_order(home, earlier, newest)
        last = earlier[-1] if earlier else None
        seq = 1 + (last.manifest["seq"] if last else 0)
        linked = link_manifest(manifest | {"seq": seq}, last)
        replace_manifest(batch.folder, linked)
        for file in batch.folder.iterdir():
            file.chmod(0o400)
        announce_newest(linked)
        folder = rename_durably(batch.folder, home / "batches" / manifest["batch_id"])
        accepted = read_batch(folder)
        note_newest(accepted)
        _remove_pending(home, manifest)
        return accepted


def recount_batch(batch: Batch, moved: Mapping[str, int]) -> Batch:
    """Correct the counts of a batch after its check moved rows from accepted to quarantined.

    Args:
        batch: A batch that is being checked; its Parquet files were replaced already.
        moved: Number of moved rows for each source file.
    """
    files = [
        file
        | {
            "accepted": file["accepted"] - moved.get(file["name"], 0),
            "quarantined": file["quarantined"] + moved.get(file["name"], 0),
        }
        for file in batch.manifest["files"]
    ]
    total = sum(moved.values())
    manifest = batch.manifest | {
        "files": files,
        "accepted": batch.manifest["accepted"] - total,
        "quarantined": batch.manifest["quarantined"] + total,
    }
    replace_manifest(batch.folder, manifest)
    return Batch(batch.folder, manifest)


def refuse_batch(batch: Batch) -> Path:
    """Move a batch that failed its check to where no build looks, in place of an earlier attempt.

    Args:
        batch: A batch that was checked.

    Returns:
        Its new folder.
    """
    home = paths.landing(batch.manifest["agency"], batch.manifest["dataset"])
    target = home / "refused" / batch.manifest["batch_id"]
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    rename_durably(batch.folder, target)
    _remove_pending(home, batch.manifest)
    return target


def _remove_pending(home: Path, manifest: Mapping[str, Any]) -> None:
    """Remove the pending batch that was checked, unless another run has put newer content there."""
    folder = home / "pending" / manifest["batch_id"]
    if not is_newer_pending(folder, manifest):
        remove_batch(folder)


def is_newer_pending(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Find out whether a pending batch holds other content than the batch that was checked.

    Two runs of one interval may extract at once, and the one that is later replaces the pending
    batch while the check of the other goes on.

    Args:
        folder: A pending batch, which may be gone.
        manifest: Of the batch that was checked.
    """
    if not (folder / "manifest.json").is_file():
        return False
    fingerprint = read_batch(folder).manifest["source_fingerprint"]
    return bool(fingerprint != manifest["source_fingerprint"])
