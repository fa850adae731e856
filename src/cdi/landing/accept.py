"""A batch on its way into the landing: begin its check, then accept or refuse it."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from cdi import paths
from cdi.agency.load import load_agency
from cdi.files import wait_for_lock
from cdi.landing.batches import (
    Batch,
    accepted_batches,
    batch_as_of,
    find_counterpart,
    interval_of,
    read_batch,
    remove_batch,
    replace_manifest,
)
from cdi.landing.forget import forget_in_batch
from cdi.landing.tombstones import read_tombstones


def begin_check(batch: Batch) -> Batch:
    """Copy a pending batch, for its check to change, in place of what a killed check left.

    The pending one stays until the copy is accepted or refused: killed at any point, a check that
    is repeated finds what the first found.

    Args:
        batch: A pending batch.
    """
    home = paths.landing(batch.manifest["agency"], batch.manifest["dataset"])
    target = home / "checking" / batch.folder.name
    with wait_for_lock(home):  # an erasure changes file by file
        remove_batch(target)
        copied = target.with_name(f".{target.name}")
        shutil.copytree(batch.folder, copied, ignore=shutil.ignore_patterns(".*"))
        return read_batch(copied.rename(target))


def accept_batch(batch: Batch) -> Batch | None:
    """Move a checked batch into the landing, by one rename.

    Batches are accepted one after another (a lock per dataset), as their order of arrival counts.

    Returns:
        The batch at its final place; its manifest has `seq`, its place in the order of arrival.
        None if the same content was accepted while this batch was checked; it is dropped then.
    """
    manifest = batch.manifest
    home = paths.landing(manifest["agency"], manifest["dataset"])
    (home / "batches").mkdir(parents=True, exist_ok=True)
    with wait_for_lock(home):
        if manifest.get("tombstones", 0) < len(read_tombstones(manifest["agency"])):
            # something was erased while this batch was checked
            forget_in_batch(load_agency(manifest["agency"]), batch, batch_as_of(batch))
            batch = read_batch(batch.folder)
            manifest = batch.manifest
        twin = find_counterpart(
            manifest["agency"], manifest["dataset"], manifest["delivery"], interval_of(batch)
        )
        pending = home / "pending" / manifest["batch_id"]
        if twin and twin.manifest["content_sha256"] == manifest["content_sha256"]:
            remove_batch(batch.folder)
            remove_batch(pending)
            return None
        accepted = accepted_batches(manifest["agency"], manifest["dataset"])
        seq = 1 + (accepted[-1].manifest["seq"] if accepted else 0)
        replace_manifest(batch.folder, manifest | {"seq": seq})
        for file in batch.folder.iterdir():
            file.chmod(0o444)
        accepted_as = batch.folder.rename(home / "batches" / manifest["batch_id"])
        remove_batch(pending)
        return read_batch(accepted_as)


def recount_batch(batch: Batch, moved: Mapping[str, int]) -> Batch:
    """Count rows that the check moved from accepted to quarantined.

    Args:
        batch: A batch that is being checked, whose Parquet files were rewritten.
        moved: Number of moved rows by source file.
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
    """Keep a batch that failed its check where no build looks, replacing an earlier try."""
    home = paths.landing(batch.manifest["agency"], batch.manifest["dataset"])
    target = home / "refused" / batch.manifest["batch_id"]
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    refused_as = batch.folder.rename(target)
    remove_batch(home / "pending" / batch.manifest["batch_id"])
    return refused_as
