"""Failed checks that two people released (design 5.14): a decision that releases one failure.

A release names a rule and a content: what the rule was broken by, i.e. the batch (border 1) or all
landed batches but the decisions (border 2), and how far. Other content, or a worse failure of the
same rule, is another content and needs another release. Rules with ``releasable: false`` in their
suite, and rules that could not be evaluated, are never released.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.agency.datasets import DECISIONS
from cdi.agency.model import Agency
from cdi.build.version import Version, read_description, resume_version
from cdi.landing.batches import Batch, read_batch
from cdi.landing.extract import read_file_as_batch
from cdi.quality.rules import all_rules
from cdi.sql import connect, fetch_dicts

RESULTS = "validation.json"


@dataclass(frozen=True)
class Held:
    """One rule that stopped a batch or a version.

    Attributes:
        rule_id: The rule.
        content_id: What exactly broke it.
        what: Name of the batch or the version, for people.
        told: How it was broken, and why the rule is there.
        is_releasable: Whether people may release it.
    """

    rule_id: str
    content_id: str
    what: str
    told: str
    is_releasable: bool


def batch_content_id(batch: Batch) -> str:
    """What a batch's failures are about: its content."""
    return str(batch.manifest["content_sha256"])


def version_content_id(version: Version) -> str:
    """What a version's failures are about: all it was built from, save people's decisions.

    The release is itself a decision; when that is landed, it must still hold.
    """
    content = {
        dataset: [batch.manifest["content_sha256"] for batch in some]
        for dataset, some in version.batches.items()
        if dataset != DECISIONS
    }
    return _sha256([content, version.as_of.isoformat()])


def apply_waivers(
    agency: Agency, about: str, results: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Mark the failures that people released.

    Args:
        agency: Whose.
        about: As `batch_content_id` or `version_content_id` says.
        results: As `cdi.quality.checks` makes them; released ones are marked in place.

    Returns:
        The failures that stop: of severity `fail`, or not evaluated at all, and not released.
    """
    failed = [r for r in results if _stops(r)]
    known = _decided(agency) if failed else {}
    for result in failed:
        found = known.get((result["rule_id"], _content_id(about, result)))
        if found and _is_releasable(result):
            result |= {
                "released_by": f"{found['decided_by']}, {found['second_person']}",
                "release_reason": found["reason_masked"],
            }
    return [r for r in failed if _stops(r)]


def _stops(result: dict[str, Any]) -> bool:
    is_broken = not result["is_success"] and (result["severity"] == "fail" or result["error"])
    return bool(is_broken and not result.get("released_by"))


def find_stopped(agency: Agency) -> list[Held]:
    """Every failure that stopped something: the agency's refused batches, its private version."""
    found: list[Held] = []
    for dataset in agency.sources:
        for folder in sorted((paths.landing(agency.agency, dataset) / "refused").glob("*")):
            batch = read_batch(folder)
            what = f"{dataset}/{batch.manifest['batch_id']}"
            found += _held(folder, batch_content_id(batch), what)
    private = paths.published(agency.agency) / ".next"
    if (private / RESULTS).is_file() and (private / "version.json").is_file():
        found += find_stopped_of_version(
            resume_version(agency, read_description(private)["version"])
        )
    return found


def find_stopped_of_version(version: Version) -> list[Held]:
    """The failures that stopped the private version; none if its check went well."""
    return _held(version.folder, version_content_id(version), version.name)


def _held(folder: Path, about: str, what: str) -> list[Held]:
    results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    return [
        Held(r["rule_id"], _content_id(about, r), what, _told(r), _is_releasable(r))
        for r in results
        if _stops(r)
    ]


def _told(result: dict[str, Any]) -> str:
    rows, observed = result["unexpected_count"], result["observed_value"]
    how = result["error"] or (f"observed {observed}" if rows is None else f"{rows:,} rows")
    return f"{how}. {result['reason']}"


def _decided(agency: Agency) -> dict[tuple[str, str], dict[str, Any]]:
    """The releases in people's files, read as the landing reads them; the newest holds."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for file in sorted(paths.decisions(agency.agency).glob("*.csv")):
        with tempfile.TemporaryDirectory(prefix="cdi-") as scratch, connect() as con:
            batch = read_file_as_batch(agency, DECISIONS, file, Path(scratch))
            rows = fetch_dicts(
                con,
                """
                select rule_id, content_id, decided_by, second_person, reason_masked
                from read_parquet($rows)
                where decision_kind = 'released' and upper(second_person) <> upper(decided_by)
                    and reason_masked is not null
                order by decided_at, decision_reference
                """,
                {"rows": str(batch.rows)},
            )
        found |= {(row["rule_id"], row["content_id"]): row for row in rows}
    return found


def _is_releasable(result: dict[str, Any]) -> bool:
    allowed: Iterable[str] = (rule.rule_id for rule in all_rules() if rule.is_releasable)
    return not result["error"] and result["rule_id"] in set(allowed)


def _content_id(about: str, result: dict[str, Any]) -> str:
    extent = [result[name] for name in ("rule_id", "unexpected_count", "observed_value")]
    return _sha256([about, *extent])[:16]


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
