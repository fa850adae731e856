"""The steps of the extract DAG: extract a dataset, then check it and accept it."""

from collections.abc import Mapping
from typing import Any

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.errors import GateError
from cdi.landing.batches import read_batch, remove_batch
from cdi.landing.extract import extract_dataset
from cdi.steps.step import Step


def extract(
    agency: str,
    dataset: str,
    interval: Interval,
    storage_options: Mapping[str, Any] | None = None,
) -> Step:
    """Extract one dataset into a pending batch; see `cdi.landing.extract.extract_dataset`."""
    batch = extract_dataset(load_agency(agency), dataset, interval, storage_options)
    if batch is None:
        return Step(False, "nothing new: the sources equal the newest accepted batch")
    m = batch.manifest
    lines = [
        f"{m['read']:,} rows read from {len(m['files'])} files: {m['accepted']:,} accepted, "
        f"{m['quarantined']:,} quarantined, {m['duplicates']:,} exact duplicates, "
        f"{m['erased']:,} erased"
    ]
    lines += [f"- {f['name']}: {f['read']:,} rows, as of {f['as_of'][:16]} UTC"
              for f in m["files"][:20]]  # fmt: skip
    return Step(True, "\n".join(lines), m["batch_id"])


def check_landing(agency: str, dataset: str, batch_id: str) -> Step:
    """Check a pending batch and accept it; see `cdi.quality.checks.check_batch`.

    Raises:
        GateError: GATE-LANDING if a rule stops it, GATE-GONE if there is no such pending batch.
    """
    from cdi.quality.checks import check_batch, summarise_results

    home = paths.landing(agency, dataset)
    if (home / "batches" / batch_id).is_dir():
        remove_batch(home / "pending" / batch_id)  # a check was killed right after it accepted
        return Step(True, f"batch {batch_id} was accepted before", batch_id)
    if not (home / "pending" / batch_id / "manifest.json").is_file():
        raise GateError(
            "GATE-GONE",
            f"{home} has no pending batch {batch_id}: it was refused, or extracted anew",
            "clear the task `extract`, not the check alone",
        )
    batch = read_batch(home / "pending" / batch_id)
    accepted, results = check_batch(load_agency(agency), batch)
    if accepted is None:
        return Step(False, "nothing new: the same content was accepted meanwhile")
    told = f"accepted as batch {accepted.manifest['seq']}: {accepted.folder}"
    return Step(True, f"{told}\n{summarise_results(results)}", batch_id)
