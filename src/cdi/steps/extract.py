"""The steps of the extract DAG: extract a dataset, then check it and accept it."""

from contextlib import suppress
from datetime import UTC, datetime

from cdi import paths
from cdi.agency.asked import note_asked
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.build.freshness import find_unfilled
from cdi.clock import day_and_time
from cdi.errors import GateError, SourceError, StateError
from cdi.files import wait_for_lock
from cdi.landing.accept import is_newer_pending
from cdi.landing.batches import FATES, interval_of, read_batch, remove_batch
from cdi.landing.extract import extract_dataset
from cdi.quality.checks import check_batch, count_results, summarise_results
from cdi.quality.samples import describe_refused_rows
from cdi.quality.waivers import refused_folders
from cdi.sources.access import Access
from cdi.sources.fetch import Fetched
from cdi.steps.step import Step

# So many files are named in a task's note; a backfill may bring hundreds.
NAMED_FILES = 20


def extract(agency: str, dataset: str, interval: Interval, access: Access | None = None) -> Step:
    """Extract one dataset into a pending batch; see `cdi.landing.extract.extract_dataset`."""
    loaded = load_agency(agency)
    extraction = extract_dataset(loaded, dataset, interval, access)
    fetched = extraction.fetched
    if not (loaded.sources[dataset].is_live or fetched.files or fetched.absent):
        # Nobody asked the source, so neither its freshness nor an earlier refusal is settled.
        return Step(False, "nothing new: no file is for this interval")
    is_new = extraction.batch is not None
    note_asked(
        agency,
        dataset,
        interval.end,
        is_new=is_new,
        now=datetime.now(UTC),
        clock=fetched.clock,
        newest_day=fetched.newest_day,
    )
    lines = _tell_reading(loaded, dataset, fetched) if loaded.sources[dataset].is_live else []
    if extraction.batch is None:
        _remove_settled(loaded, dataset, (interval.start.isoformat(), interval.end.isoformat()))
        return Step(
            False, "\n".join(["nothing new: the sources equal what was accepted before", *lines])
        )
    manifest = extraction.batch.manifest
    file_count = len(manifest["files"])
    lines += [
        f"{manifest['read']:,} rows read from {file_count:,} file{'' if file_count == 1 else 's'}: "
        f"{manifest['accepted']:,} accepted, {manifest['quarantined']:,} quarantined, "
        f"{manifest['duplicates']:,} exact duplicates, {manifest['erased']:,} erased"
    ]
    if manifest["quarantined"]:
        lines.append(f"quarantined: {describe_refused_rows(extraction.batch)}")
    lines += [
        f"- {file['name']}: {file['read']:,} rows, as of {file['as_of'][:16]} UTC"
        for file in manifest["files"][:NAMED_FILES]
    ]
    counts = {"files": len(manifest["files"]), **{fate: manifest[fate] for fate in FATES}}
    return Step(True, "\n".join(lines), manifest["batch_id"], counts)


def _tell_reading(agency: Agency, dataset: str, fetched: Fetched) -> list[str]:
    """Tell how a live source was read: how much, what changed, and what its owner should know."""
    lines = [
        f"{fetched.rows_read:,} rows came, as many as the source counts: "
        f"{len(fetched.files)} days changed, {len(fetched.confirmed)} are as they were"
    ]
    if fetched.undated:
        lines.append(f"{fetched.undated:,} rows have no time, so no day holds them")
    if fetched.warning:
        lines.append(f"warning: {fetched.warning}")
    newest_day = find_unfilled(agency).get(dataset)
    if newest_day and fetched.clock:
        clock = day_and_time(fetched.clock.astimezone(agency.zone))
        hours = agency.sources[dataset].max_age_hours
        unfilled = SourceError(
            "SRC-UNFILLED",
            f"{agency.agency}/{dataset} answers, but its newest row is of "
            f"{newest_day:%-d %B %Y}, and its own clock says {clock}; {hours} hours are allowed",
            "ask the source's owner whether it is still filled; if it is published late, or has no "
            f"rows for days now and then, give more `max_age_hours` to sources.{dataset}",
        )
        lines.append(f"warning: {unfilled}")
    return lines


def check_landing(agency: str, dataset: str, batch_id: str) -> Step:
    """Check a pending batch and accept it; see `cdi.quality.checks.check_batch`.

    Raises:
        GateError: GATE-LANDING if a rule stops it, GATE-GONE if there is no such pending batch,
            or if another run of the interval was accepted with other content under this name.
    """
    # Two runs of one interval may check at once, and they would share the working copy.
    with wait_for_lock(paths.landing(agency, dataset) / "checking"):
        return _check_landing(load_agency(agency), dataset, batch_id)


def _check_landing(agency: Agency, dataset: str, batch_id: str) -> Step:
    home = paths.landing(agency.agency, dataset)
    pending = home / "pending" / batch_id
    if (home / "batches" / batch_id).is_dir():
        landed = read_batch(home / "batches" / batch_id)
        if is_newer_pending(pending, landed.manifest):
            raise GateError(
                "GATE-GONE",
                f"{home} has accepted a batch {batch_id} that another run extracted earlier, and "
                "accepted batches do not change",
                "clear the task `extract` together with the check, and this content becomes the "
                "next version of the batch",
            )
        # an earlier try of this check was killed right after it had accepted the batch
        remove_batch(pending)
        _remove_settled(agency, dataset, interval_of(landed))
        return Step(True, f"batch {batch_id} was accepted before", batch_id)
    if not (pending / "manifest.json").is_file():
        raise GateError(
            "GATE-GONE",
            f"{home} has no pending batch {batch_id}: it was refused, or extracted again since",
            "clear the task `extract` together with the check",
        )
    batch = read_batch(pending)
    accepted, results = check_batch(agency, batch)
    _remove_settled(agency, dataset, interval_of(batch))
    if accepted is None:
        return Step(False, "nothing new: the same content was accepted meanwhile")
    note = f"accepted as batch {accepted.manifest['seq']}: {accepted.folder}"
    told = f"{note}\n{summarise_results(results)}"
    event = {"batch": batch_id, "rows": accepted.manifest["accepted"]}
    return Step(True, told, batch_id, count_results(results), event)


def _remove_settled(agency: Agency, dataset: str, interval: tuple[str, str]) -> None:
    """Remove the refused batches to which the source has given a good answer since.

    An answer is good if it was accepted or held nothing new. It settles earlier refusals of the
    same interval. A snapshot holds everything, so it also settles those of earlier intervals.
    Otherwise operators would read for ever that a failed check stops the agency.

    Args:
        agency: The agency.
        dataset: The dataset.
        interval: Start and end of the good answer, as a manifest writes them.
    """
    is_snapshot = agency.sources[dataset].delivery == "snapshot"
    for folder in refused_folders(agency.agency, dataset):
        # an erasure replaces the files of a batch one after another
        with wait_for_lock(paths.landing(agency.agency, dataset)), suppress(StateError):
            # one that cannot be read stays, and the page of operations says what is wrong
            refused = interval_of(read_batch(folder))
            if refused == interval or (is_snapshot and refused[1] <= interval[1]):
                remove_batch(folder)
