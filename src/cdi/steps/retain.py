"""Erase a reference, or what is too old: find, take out, clean, learn again, publish, look again.

`erase_reference` takes a reference and its text out of the landing, the audits, the decisions, what
was learnt, the logs and all kept versions. It leaves a tombstone (`cdi.landing.tombstones`), which
keeps it out of later extractions. `remove_expired` takes out what is older than `retention_days` of
agency.yaml. Both then publish a new version and remove the older ones. If either is killed in the
middle, it can be run again.

``sources/`` and ``truth/`` are not touched, as they stand for the simulated police's own systems.
"""

from datetime import UTC, datetime

from cdi import paths
from cdi.agency.key_rules import capitals
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.audit.draws import EXPIRED
from cdi.build.version import read_current
from cdi.erasure.look import (
    check_known,
    expired_calls,
    find_typed_by_people,
    verify_landing,
    wanted_of,
)
from cdi.erasure.shared import clean_shared_files
from cdi.erasure.take_out import Removal, Say, take_out, unfinished_mark
from cdi.erasure.traces import EXEMPT, Wanted, find_traces
from cdi.errors import CdiError
from cdi.files import remove_folder, take_lock
from cdi.landing.batches import accepted_batches, batch_as_of
from cdi.landing.tombstones import add_tombstone, hash_references, things_of_reference
from cdi.steps.run import publish_new
from cdi.steps.step import Step
from cdi.steps.train import LEARN


def erase_reference(agency: Agency, reference: str, reason: str, say: Say) -> None:
    """Erase a call or a crime record.

    Args:
        agency: The agency that uses the reference.
        reference: As people type it.
        reason: Kept with the tombstone and in the audit register.
        say: Is told what was done, line by line.

    Raises:
        CdiError: ERASE-REASON if the reason names the reference, ERASE-UNKNOWN if nothing refers to
            it and it was not erased before, ERASE-LEFT if a trace of it is left.
        StateError: LANDING-DAMAGED if a batch is damaged; nothing is erased then.
    """
    things = things_of_reference(agency, reference)
    wanted = wanted_of(agency, things)
    check_known(agency, reference, things, wanted)
    if wanted.is_in(reason.encode()):
        raise CdiError(
            "ERASE-REASON",
            "the reason holds the reference, and the reason is kept",
            "name the request instead, e.g. --reason 'request 12 of 2026'",
        )
    take_out_reference(agency, things, wanted, reason, say)
    _publish_remaining(agency, say)
    left = dict(find_traces(agency.agency, wanted))
    if left:
        lines = "\n    ".join(f"{file}: {place}" for file, place in left.items())
        raise CdiError(
            "ERASE-LEFT",
            f"{len(left)} files still hold it:\n    {lines}",
            "remove these files, or stop what writes them, and run the same command again",
        )
    if wanted.common:
        say(
            f"{', '.join(sorted(wanted.common))}: too short or too common to be looked for in "
            "texts and logs, so it was erased in fields for references and in names of pages only"
        )
    say(
        f"nothing of it is left below {paths.home()}, nor in any compressed file there "
        f"({len(wanted.forms)} written forms of the reference and {len(wanted.texts)} parts of its "
        f"text were looked for, but not in {', '.join(EXEMPT)})"
    )


def take_out_reference(
    agency: Agency, things: dict[str, set[str]], wanted: Wanted, reason: str, say: Say
) -> None:
    """Take a call or a crime record out of everything but the published versions.

    Args:
        agency: The agency that uses the reference.
        things: What it stands for; see `cdi.landing.tombstones.things_of_reference`.
        wanted: Its forms, from `wanted_of`.
        reason: Kept with the tombstone and in the audit register.
        say: Is told what was done, line by line.
    """
    # The tombstone comes first. From here on, an extraction leaves the reference out, and a batch
    # that is being checked meanwhile loses it when it is accepted.
    hashes = hash_references(agency.agency, things)
    add_tombstone(agency.agency, hashes, reason, datetime.now(UTC).replace(microsecond=0))
    names = {form for name in wanted.names for form in (name, capitals(name))}
    removal = Removal({thing: names for thing in things}, wanted=wanted)
    take_out(agency, removal, reason, say)
    clean_shared_files(agency, wanted, say)


def remove_expired(agency: Agency, say: Say) -> bool:
    """Remove what is older than the agency's limits.

    Args:
        agency: With `retention_days` at one of its sources.
        say: Is told what was done, line by line.

    Returns:
        Whether anything was removed.

    Raises:
        BusyError: BUILD-BUSY if a build runs. The next run finishes what this one had begun, as it
            does after a run that was killed.
        StateError: LANDING-DAMAGED if a batch is damaged; nothing is removed then.
    """
    limits = {name: source.retention_days for name, source in agency.sources.items()}
    if not any(limits.values()):
        say(f"no source of {agency.agency} has retention_days: nothing to remove")
        return False
    # No version is planned for it: a run that was killed may have left a batch between two seals.
    states = [
        batch_as_of(batch)
        for dataset in agency.sources
        for batch in accepted_batches(agency.agency, dataset)
    ]
    if not states:
        say(f"nothing of {agency.agency} was landed: nothing to remove")
        return False
    until = max(states)
    verify_landing(agency)
    calls = expired_calls(agency, until)
    hashes = hash_references(agency.agency, {"call": calls})
    # People type one reference in several ways, and their files hold it as they typed it.
    names = calls | {
        capitals(typed)
        for typed, key in find_typed_by_people(agency, "call")
        if (key or capitals(typed)) in calls
    }
    reason = f"{EXPIRED}{until:%Y-%m-%d}"
    unfinished = unfinished_mark(agency)
    was_unfinished = unfinished.exists()
    is_removed = take_out(agency, Removal({"call": names}, hashes), reason, say, until)
    if not is_removed and not was_unfinished:
        unfinished.unlink()
        say(f"nothing is older than its limit, as of {until:%Y-%m-%d}")
        return False
    # Without hashes: retention_days keep expired rows out of later extractions. But the line counts
    # as an erasure, so that a batch that is being checked meanwhile is looked through once more.
    add_tombstone(agency.agency, set(), reason, datetime.now(UTC).replace(microsecond=0))
    _publish_remaining(agency, say)
    return True


def _publish_remaining(agency: Agency, say: Say) -> None:
    """Publish a version of what is left, then remove all others.

    What was learnt is learnt again before: its newest version may be gone, or have seen what is
    gone.
    """
    name = agency.agency
    if read_current(name) is not None:
        for kind, learn in LEARN.items():
            if (paths.weights(name) / kind).is_dir():
                learn(name)
        version = publish_new(name)
        say(f"published {version}" if version else "the published version does not hold it")
    removed = 0
    with take_lock(paths.published(name), name):
        remove_folder(paths.private(name))
        kept = paths.current(name).resolve()
        for folder in sorted((paths.published(name) / "versions").glob("*/")):
            if folder != kept:
                remove_folder(folder)
                removed += 1
    unfinished_mark(agency).unlink(missing_ok=True)
    if removed:
        say(f"{removed:>6,}  older published versions, which may have held it")


def retain(agency: str) -> Step:
    """Remove what is older than the agency's limits; see `remove_expired`."""
    lines: list[str] = []
    is_new = remove_expired(load_agency(agency), lines.append)
    return Step(is_new, "\n".join(f"- {line.strip()}" for line in lines))
