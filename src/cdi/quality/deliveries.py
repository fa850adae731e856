"""Compare the files of a batch with each other and with the deliveries before, by their manifests.

What a usual delivery is, the accepted ones say: how many rows come on a Monday, how much a snapshot
has ever shrunk. The first deliveries have nothing to be compared with, and FILE-28 says so.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Any

from cdi.agency.datasets import BY_PEOPLE
from cdi.agency.model import Agency
from cdi.landing.batches import Batch, find_copy
from cdi.sources.files import is_of_one_day

LEAST_DELIVERIES = 3  # so many say what is usual
MOST_DELIVERIES = 8  # older ones say how it was
LEAST_USUAL_ROWS = 50  # of fewer, half is no accident

DELIVERY_COLUMNS = {
    "share_of_usual": "double",
    "share_of_smallest": "double",
    "comparable_count": "bigint",
    "copy_of": "varchar",
    "repeat_of": "varchar",
}


def describe_deliveries(
    agency: Agency, batch: Batch, earlier: Sequence[Batch]
) -> dict[str, dict[str, Any]]:
    """Describe each file of a batch beside the others and beside those before.

    Args:
        agency: The agency.
        batch: The batch that is checked.
        earlier: The accepted batches of the dataset, in the order of their acceptance.

    Returns:
        By the file's name, a value for each of `DELIVERY_COLUMNS`. Null means that there is nothing
        to compare with, or nothing to tell. Of changes, only files of a day have a usual size: one
        that grows through a month, say, has none, and does not count with the day on which it came.
        The days of a live source are not compared: each reading looks at many, and each of them is
        counted by the source.
    """
    manifest = batch.manifest
    files = {file["name"]: dict.fromkeys(DELIVERY_COLUMNS) for file in manifest["files"]}
    if manifest["delivery"] == "days" or manifest["dataset"] in BY_PEOPLE:
        return files
    sizes, own_sizes = _size_deliveries(agency, earlier), _size_deliveries(agency, [batch])
    shrinkage = _measure_shrinkage(batch, earlier)
    sized = [file["name"] for file in _list_sized_files(agency, batch)]
    for file in manifest["files"]:
        as_of = _delivery_of(batch, file)
        has_usual_size = file["name"] in sized
        usual = _usual_sizes(agency, as_of, sizes | own_sizes) if has_usual_size else []
        is_large = len(usual) >= LEAST_DELIVERIES and median(usual) >= LEAST_USUAL_ROWS
        files[file["name"]] = {
            "share_of_usual": own_sizes[as_of] / median(usual) if is_large else None,
            "share_of_smallest": shrinkage,
            "comparable_count": len(usual) if has_usual_size else None,
            "copy_of": find_copy(manifest["files"], file),
            "repeat_of": _find_repeated(batch, earlier, file),
        }
    return files


def _delivery_of(batch: Batch, file: dict[str, Any]) -> str:
    """The time that tells which delivery a file belongs to; a snapshot is one, whole."""
    as_of: str = (batch.manifest if batch.manifest["delivery"] == "snapshot" else file)["as_of"]
    return as_of


def list_daily_files(agency: Agency, batch: Batch) -> list[dict[str, Any]]:
    """List the files of a batch of changes that are of one day; no file of any other batch is.

    Args:
        agency: The agency.
        batch: The batch.
    """
    manifest = batch.manifest
    return [
        file
        for file in manifest["files"]
        if manifest["delivery"] == "changes"
        and is_of_one_day(
            agency, manifest["dataset"], file["name"], datetime.fromisoformat(file["as_of"])
        )
    ]


def _list_sized_files(agency: Agency, batch: Batch) -> list[dict[str, Any]]:
    """List the files that have a usual size: those of a day, and all of a snapshot."""
    if batch.manifest["delivery"] == "snapshot":
        return list(batch.manifest["files"])
    return list_daily_files(agency, batch)


def _size_deliveries(agency: Agency, batches: Sequence[Batch]) -> dict[str, int]:
    """Count the rows read of each delivery; one that came again takes the place of the first."""
    sizes: dict[str, int] = {}
    for batch in batches:
        files = _list_sized_files(agency, batch)
        sizes |= dict.fromkeys((_delivery_of(batch, file) for file in files), 0)
        for file in files:
            sizes[_delivery_of(batch, file)] += file["read"]
    return sizes


def _usual_sizes(agency: Agency, as_of: str, sizes: dict[str, int]) -> list[int]:
    """List the sizes of the newest deliveries of the same weekday and hour, but for this one."""

    def weekday_and_hour(moment: str) -> tuple[int, int]:
        local = datetime.fromisoformat(moment).astimezone(agency.zone)
        return local.weekday(), local.hour

    alike = [
        time
        for time in sorted(sizes)
        if time != as_of and weekday_and_hour(time) == weekday_and_hour(as_of)
    ]
    return [sizes[time] for time in alike[-MOST_DELIVERIES:]]


def _measure_shrinkage(batch: Batch, earlier: Sequence[Batch]) -> float | None:
    """Compare what a snapshot keeps of the one before with the least that one ever kept."""
    if batch.manifest["delivery"] != "snapshot":
        return None
    counts = [before.manifest["read"] for before in earlier[-MOST_DELIVERIES:]]
    shares = [after / before for before, after in pairwise(counts) if before]
    if len(shares) < LEAST_DELIVERIES or counts[-1] < LEAST_USUAL_ROWS:
        return None
    return float(batch.manifest["read"] / counts[-1] / min(1, *shares))


def _find_repeated(batch: Batch, earlier: Sequence[Batch], file: dict[str, Any]) -> str | None:
    """Find the newest file of another moment that has the same bytes.

    Days may come together, so that the other day's file stands before this one in the batch.
    """
    files = batch.manifest["files"]
    before = [file for each in earlier for file in each.manifest["files"]]
    for other in reversed([*before, *files[: files.index(file)]]):
        if other["sha256"] == file["sha256"] and other["as_of"] != file["as_of"]:
            return str(other["name"])
    return None
