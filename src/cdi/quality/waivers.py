"""Failed checks that two people decided to let pass: waivers (design 5.14).

A failed check stops a batch (border 1) or a version (border 2). Two people may waive the failure:
they write a decision of the kind `released`, and the next check of the same content goes on.

A waiver names a rule and a content id. The id stands for what broke the rule, i.e. the batch, or
all landed batches except people's decisions, and for how far the rule was broken. So other content,
or a worse failure of the same rule, needs a waiver of its own. Rules with ``releasable: false`` in
their suite, and rules that could not be evaluated, are never waived.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.agency.datasets import DECISIONS
from cdi.agency.model import Agency
from cdi.build.version import Version, read_private_name, resume_version
from cdi.files import sha256_of_json
from cdi.landing.batches import Batch, read_batch
from cdi.landing.extract import read_file_as_batch
from cdi.quality.results import RESULTS_FILE, read_results_file
from cdi.quality.rules import all_rules
from cdi.scratch import scratch_folder
from cdi.sealed_files import verify_file
from cdi.sql import connect, fetch_dicts


@dataclass(frozen=True)
class StoppingFailure:
    """A rule that was broken and stopped a batch or a version.

    Attributes:
        rule_id: The rule.
        content_id: What broke it, and how far; a waiver names this.
        what: The name of the batch or the version, for people.
        told: How it was broken, and why the rule is there.
        is_releasable: Whether two people may waive it.
        waived_by: Who waived it since; blank if nobody did. The next check of the same content
            goes on.
    """

    rule_id: str
    content_id: str
    what: str
    told: str
    is_releasable: bool
    waived_by: str = ""


@dataclass(frozen=True)
class Waiver:
    """What two people decided about a failure.

    Attributes:
        people: Their staff numbers, as published.
        reason: Why they let it pass; masked.
    """

    people: str
    reason: str


def batch_content_id(batch: Batch) -> str:
    """What the failures of a batch are about: its content."""
    return str(batch.manifest["content_sha256"])


def version_content_id(version: Version) -> str:
    """What the failures of a version are about: all that it was built from, except decisions.

    A waiver is itself a decision. When it is landed the version has other decisions than before,
    and the waiver must still hold.
    """
    content = {
        dataset: [batch.manifest["content_sha256"] for batch in batches]
        for dataset, batches in version.batches.items()
        if dataset != DECISIONS
    }
    return sha256_of_json([content, version.as_of.isoformat()])


def apply_waivers(
    agency: Agency, about: str, results: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Mark the failures that two people waived.

    Args:
        agency: The agency.
        about: The content, as `batch_content_id` or `version_content_id` gives it.
        results: As `cdi.quality.checks` makes them; waived failures are marked in place.

    Returns:
        The failures that stop the batch or the version: not waived, and of severity `fail` or not
        evaluated at all.
    """
    failures = [result for result in results if _is_stopping(result)]
    waivers = _read_waivers(agency) if failures else {}
    for result in failures:
        waiver = waivers.get((result["rule_id"], _hash_failure(about, result)))
        if waiver and _may_be_waived(result):
            result |= {"released_by": waiver.people, "release_reason": waiver.reason}
    return [result for result in failures if _is_stopping(result)]


def is_broken(result: dict[str, Any]) -> bool:
    """Whether a result stops a batch or a version, unless two people waive it.

    Args:
        result: Of a rule; a warning stops nothing, but a rule that could not be evaluated does.
    """
    return not result["is_success"] and bool(result["severity"] == "fail" or result["error"])


def _is_stopping(result: dict[str, Any]) -> bool:
    return is_broken(result) and not result.get("released_by")


def refused_folders(agency_id: str, dataset: str) -> list[Path]:
    """List the folders of a dataset's refused batches, the oldest first."""
    # a name with a dot at its beginning is left by a removal that was killed
    return sorted((paths.landing(agency_id, dataset) / "refused").glob("[!.]*"))


def find_stopped(agency: Agency) -> list[StoppingFailure]:
    """Find each failure that stopped a refused batch or the private version of an agency."""
    failures: list[StoppingFailure] = []
    for dataset in agency.sources:
        for folder in refused_folders(agency.agency, dataset):
            batch = read_batch(folder)
            what = f"{dataset}/{batch.manifest['batch_id']}"
            failures += _read_failures(agency, folder, batch_content_id(batch), what)
    name = read_private_name(agency.agency)
    if name and (paths.private(agency.agency) / RESULTS_FILE).is_file():
        failures += find_stopped_of_version(agency, resume_version(agency, name))
    return failures


def find_stopped_of_version(agency: Agency, version: Version) -> list[StoppingFailure]:
    """Find the failures that stopped the private version; there are none if its check passed."""
    return _read_failures(agency, version.folder, version_content_id(version), version.name)


def _read_failures(agency: Agency, folder: Path, about: str, what: str) -> list[StoppingFailure]:
    results = [result for result in read_results_file(folder) if _is_stopping(result)]
    waivers = _read_waivers(agency) if results else {}
    failures = []
    for result in results:
        content_id = _hash_failure(about, result)
        waiver = waivers.get((result["rule_id"], content_id))
        failures.append(
            StoppingFailure(
                result["rule_id"],
                content_id,
                what,
                _explain_failure(result),
                _may_be_waived(result),
                waiver.people if waiver else "",
            )
        )
    return failures


def _explain_failure(result: dict[str, Any]) -> str:
    rows, observed = result["unexpected_count"], result["observed_value"]
    extent = result["error"] or (f"observed {observed}" if rows is None else f"{rows:,} rows")
    return f"{extent}. {result['reason']}"


def _read_waivers(agency: Agency) -> dict[tuple[str, str], Waiver]:
    """Read the waivers in people's files, by rule and content id; the newest one holds.

    The files are read as the landing reads them, because a waiver must count here exactly when it
    will count as a decision: a row that the landing cannot read waives nothing, nor does one about
    which two rows contradict each other, and the reason is masked before it is published.
    """
    waivers: dict[tuple[str, str], Waiver] = {}
    verify_file(agency.agency, paths.decisions_file(agency.agency), may_grow=True)
    for file in sorted(paths.decisions(agency.agency).glob("*.csv")):
        with scratch_folder() as scratch, connect() as con:
            batch = read_file_as_batch(agency, DECISIONS, file, scratch)
            rows = fetch_dicts(
                con,
                """
                select rule_id, content_id, decided_by, second_person, reason_masked
                from read_parquet($rows)
                where decision_kind = 'released' and upper(second_person) <> upper(decided_by)
                    and reason_masked is not null
                order by row_id
                """,
                {"rows": str(batch.rows)},
            )
        waivers |= {
            (row["rule_id"], row["content_id"]): Waiver(
                f"{row['decided_by']}, {row['second_person']}", row["reason_masked"]
            )
            for row in rows
        }
    return waivers


def _may_be_waived(result: dict[str, Any]) -> bool:
    releasable = {rule.rule_id for rule in all_rules() if rule.is_releasable}
    return not result["error"] and result["rule_id"] in releasable


def _hash_failure(about: str, result: dict[str, Any]) -> str:
    """The content id of a failure: what broke which rule, and how far."""
    extent = [result[name] for name in ("rule_id", "unexpected_count", "observed_value")]
    return sha256_of_json([about, *extent])[:16]
