"""Verify what is kept of an agency: landing, weights, published version, access log."""

import getpass
import json
from datetime import UTC, datetime

from cdi import paths
from cdi.agency.model import Agency
from cdi.erasure.take_out import Say
from cdi.errors import CdiError, StateError
from cdi.files import append_line, find_damaged_files, wait_for_lock
from cdi.landing.batches import accepted_batches, replace_manifest, verified_batches
from cdi.landing.seals import forget_newest, link_anew, note_newest, verify_batch
from cdi.learning.weights import KINDS, find_newest_weights, verify_weights
from cdi.publish.access import prove_access_log


def verify_agency(agency: Agency, say: Say) -> None:
    """Compare every byte that is kept of an agency with what was written.

    Args:
        agency: The agency.
        say: Is told what was compared, line by line.

    Raises:
        StateError: LANDING-DAMAGED, LANDING-GAP, WEIGHTS-DAMAGED, PUBLISHED-DAMAGED.
        CdiError: ACCESS-CHAIN.
    """
    name = agency.agency
    for dataset in agency.sources:
        batches = verified_batches(name, dataset)
        sealed = sum("seal" in batch.manifest for batch in batches)
        say(f"{sealed:>6,}  batches of {dataset} are as they were accepted")
        if sealed < len(batches):
            say(f"{len(batches) - sealed:>6,}  older ones were never sealed")
    for kind in KINDS:
        if learnt := find_newest_weights(name, kind):
            verify_weights(learnt)
            say(f"     1  version of what was learnt ({kind}) is as it was written")
    current = paths.published(name) / "current"
    if current.is_dir():
        if damaged := find_damaged_files(current):
            raise StateError(
                "PUBLISHED-DAMAGED",
                f"of {current.resolve()}, {', '.join(damaged)} is not as it was published",
                "run the build: it makes the version again",
            )
        say("     1  published version is as it was published")
    say(f"{prove_access_log(name).chained:>6,}  lines of the access log follow each other")


def accept_loss(agency: Agency, reason: str) -> None:
    """Go on without batches that were lost for good: the others are bound to each other anew.

    What is there must be undamaged. The loss is written down in ``losses.jsonl`` of each dataset.

    Args:
        agency: The agency.
        reason: Why nothing can be restored, in words.

    Raises:
        CdiError: VERIFY-REASON without a reason.
        StateError: LANDING-DAMAGED if a batch that is there is damaged.
    """
    if not reason.strip():
        raise CdiError("VERIFY-REASON", "a loss is taken over for a reason", "give it by --reason")
    for dataset in agency.sources:
        home = paths.landing(agency.agency, dataset)
        if not home.is_dir():
            continue
        with wait_for_lock(home):
            batches = accepted_batches(agency.agency, dataset)
            for batch in batches:
                verify_batch(batch)
            for batch, manifest in zip(batches, link_anew(batches), strict=True):
                if manifest != batch.manifest:
                    replace_manifest(batch.folder, manifest)
            linked = [
                batch
                for batch in accepted_batches(agency.agency, dataset)
                if "link" in batch.manifest
            ]
            if linked:
                note_newest(linked[-1])
            else:
                forget_newest(agency.agency, dataset)
            entry = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "by": getpass.getuser()}
            append_line(home / "losses.jsonl", json.dumps(entry | {"reason": reason}))
