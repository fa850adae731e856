"""Verify what is kept of an agency, from its landing to its access log."""

import getpass
import json
from datetime import UTC, datetime

from cdi import paths
from cdi.agency.model import Agency
from cdi.build.version import verify_current
from cdi.erasure.take_out import Say
from cdi.errors import CdiError, StateError
from cdi.files import append_line, wait_for_lock
from cdi.landing.batches import accepted_batches, replace_manifest, verified_batches
from cdi.landing.seals import forget_newest, link_anew, note_newest, verify_batch
from cdi.landing.tombstones import read_tombstones
from cdi.learning.weights import KINDS, read_versions, verify_weights
from cdi.publish.access import prove_access_log
from cdi.sealed_files import verify_file


def verify_agency(agency: Agency, say: Say) -> None:
    """Compare every byte that is kept of an agency with what was written.

    Args:
        agency: The agency.
        say: Is told what was compared, line by line.

    Raises:
        StateError: PUBLISHED-DAMAGED, and as `verify_kept`.
        AuditError: As `verify_kept`.
        CdiError: As `verify_kept`.
    """
    verify_kept(agency, say)
    if paths.current(agency.agency).is_dir():
        verify_current(agency.agency)
        say("     1  published version is as it was published")


def verify_kept(agency: Agency, say: Say) -> None:
    """Compare what cannot be made again of an agency with what was written.

    Args:
        agency: The agency.
        say: Is told what was compared, line by line.

    Raises:
        StateError: LANDING-DAMAGED, LANDING-GAP, WEIGHTS-DAMAGED; STATE-DAMAGED if it is a
            tombstone, a decision, a finding or a released quarter.
        AuditError: AUDIT-REGISTER, AUDIT-FRAME, AUDIT-PREDICTIONS, AUDIT-STRATA or AUDIT-SAMPLE.
        CdiError: ACCESS-CHAIN.
    """
    name = agency.agency
    for dataset in agency.sources:
        batches = verified_batches(name, dataset)
        sealed = sum("seal" in batch.manifest for batch in batches)
        say(f"{sealed:>6,}  batches of {dataset} are as they were accepted")
        if sealed < len(batches):
            say(f"{len(batches) - sealed:>6,}  older ones were never sealed")
    _name_abandoned_batches(agency, say)
    for kind in KINDS:
        versions = read_versions(name, kind)
        for learnt in versions:
            verify_weights(learnt)
        say(f"{len(versions):>6,}  versions of what was learnt ({kind}) are as they were written")
    say(f"{len(read_tombstones(name)):>6,}  tombstones are as they were written")
    _verify_files(agency, say)
    _verify_draws(agency, say)
    say(f"{prove_access_log(name).chained:>6,}  lines of the access log follow each other")


def _name_abandoned_batches(agency: Agency, say: Say) -> None:
    """Name the batches of datasets that agency.yaml no longer has, and what to do about them.

    Nobody notices them otherwise, and what they hold of people would be kept for ever.
    """
    for folder in sorted(paths.landing(agency.agency, "calls").parent.glob("*/batches")):
        dataset, count = folder.parent.name, len(list(folder.glob("[!.]*/")))
        if dataset not in agency.sources and count:
            say(
                f"{count:>6,}  batches of {dataset} were not looked at, and no limit of age "
                f"removes them, as agency.yaml has no sources.{dataset}: put it back, or remove "
                f"{folder.parent}"
            )


def _verify_files(agency: Agency, say: Say) -> None:
    """Compare the files of people's decisions and findings, and the released quarters."""
    folders = {
        "decisions": paths.decisions(agency.agency),
        "findings": paths.findings(agency.agency),
        "released quarters": paths.released(agency.agency),
    }
    for what, folder in folders.items():
        sealed = [seal.with_suffix("") for seal in sorted(folder.glob("*.seal"))]
        for file in sealed:
            verify_file(agency.agency, file, may_grow=what == "decisions")
        say(f"{len(sealed):>6,}  files of {what} are as they were written")


def _verify_draws(agency: Agency, say: Say) -> None:
    """Prove each draw of an audit; one that was killed has no files yet."""
    from cdi.audit.draws import load_draw  # numpy and pyarrow take a while
    from cdi.audit.register import Register  # numpy and pyarrow take a while

    lines = Register(agency.agency).entries()
    drawn = [line["draw_id"] for line in lines if line["kind"] == "sample"]
    for draw_id in drawn:
        load_draw(agency.agency, draw_id)
    say(f"{len(drawn):>6,}  draws of audits are as they were drawn")


def accept_loss(agency: Agency, reason: str) -> None:
    """Go on without batches that were lost for good: the others are bound to each other anew.

    What is there must be undamaged. The loss is written down in ``losses.jsonl`` of each dataset
    that lost something.

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
            if _is_whole(agency, dataset):
                continue
            batches = accepted_batches(agency.agency, dataset)
            for batch in batches:
                verify_batch(agency.agency, batch)
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


def _is_whole(agency: Agency, dataset: str) -> bool:
    """Whether a dataset has all of its batches, as they were accepted."""
    try:
        verified_batches(agency.agency, dataset)
    except StateError:
        return False
    return True
