"""What a version is: the batches, settings and code that it is built from, under one name.

A version is version from the landing before a build, and read back from its folder afterwards.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.agency.datasets import READINGS
from cdi.agency.model import Agency
from cdi.errors import BuildError
from cdi.files import sha256_of_json
from cdi.landing.batches import Batch, accepted_batches
from cdi.learning import weights as learning_weights
from cdi.learning.weights import Weights, find_newest_weights, read_weights


@dataclass(frozen=True)
class Version:
    """What a build would read, and the name of what it would make.

    Attributes:
        agency: The agency.
        as_of: UTC; the state of knowledge that the build speaks of.
        batches: The accepted batches it reads, by dataset.
        fingerprint: sha256 over all that determines the result.
        weights: What was learnt from the agency's data, by kind.
        learns_from: sha256 over all that determines what would be learnt from the same state.
    """

    agency: Agency
    as_of: datetime
    batches: dict[str, list[Batch]]
    fingerprint: str
    weights: dict[str, Weights] = field(default_factory=dict)
    learns_from: str = ""

    @property
    def name(self) -> str:
        """Name of the version: as_of and the fingerprint's start."""
        return f"{self.as_of:%Y%m%dT%H%M}-{self.fingerprint[:10]}"

    @property
    def rows(self) -> int:
        """How many rows the batches have."""
        return sum(batch.manifest["accepted"] for some in self.batches.values() for batch in some)

    @property
    def folder(self) -> Path:
        """The private folder that the version is built in."""
        return paths.published(self.agency.agency) / ".next"

    @property
    def file(self) -> Path:
        """The private DuckDB file."""
        return self.folder / "recording.duckdb"


def plan_version(agency: Agency, as_of: datetime | None = None) -> Version:
    """Choose batches and as_of, and compute the fingerprint.

    Args:
        agency: The agency.
        as_of: UTC; default: the newest state that an accepted batch speaks of.

    Raises:
        BuildError: BUILD-NO-DATA if no calls were landed (up to as_of).
    """
    found = {name: accepted_batches(agency.agency, name) for name in agency.sources}
    if as_of is not None:
        found = {
            name: [b for b in some if _first_as_of(b) <= as_of] for name, some in found.items()
        }
    if not found["calls"]:
        raise BuildError(
            "BUILD-NO-DATA",
            f"no accepted batch of {agency.agency}/calls" + (f" up to {as_of}" if as_of else ""),
            f"extract first: make run AGENCY={agency.agency}, or look into refused batches",
        )
    newest = max(batch_as_of(b) for some in found.values() for b in some)
    chosen = as_of or newest
    state = {
        "batches": {
            name: [
                (b.manifest["batch_id"], b.manifest["seq"], b.manifest["content_sha256"])
                for b in some
            ]
            for name, some in found.items()
        },
        "as_of": chosen.isoformat(),
        "code": hash_code_parts(agency),
    }
    learnt = {
        kind: find_newest_weights(agency.agency, kind, as_of) for kind in learning_weights.KINDS
    }
    known = {kind: version for kind, version in learnt.items() if version is not None}
    made_of: dict[str, Any] = {"weights": {k: w.version for k, w in known.items()}}
    if found.get(READINGS):  # before there are findings a draw changes nothing
        from cdi.audit.register import register_fingerprint

        made_of["audit"] = register_fingerprint(agency.agency)
    fingerprint = sha256_of_json(state | made_of)
    return Version(agency, chosen, found, fingerprint, known, sha256_of_json(state))


def resume_version(agency: Agency, version: str) -> Version:
    """The plan of the build that stands in the private folder, for the steps after it.

    It is read back, not computed anew: a batch that was landed meanwhile belongs to the next build.

    Args:
        agency: The agency.
        version: The version that must stand there.

    Raises:
        BuildError: BUILD-GONE if another build, or none, stands there.
    """
    folder = paths.published(agency.agency) / ".next"
    found: dict[str, Any] = {"version": "none"}
    if (folder / "version.json").is_file():
        found = read_description(folder)
    if found["version"] != version:
        raise BuildError(
            "BUILD-GONE",
            f"the private build of {agency.agency} is {found['version']}, not {version}",
            "run the build again",
        )
    return Version(
        agency,
        datetime.fromisoformat(found["as_of"]),
        {
            name: [
                b for b in accepted_batches(agency.agency, name) if b.manifest["batch_id"] in ids
            ]
            for name, ids in found["batches"].items()
        },
        found["fingerprint"],
        {
            kind: read_weights(agency.agency, kind, version)
            for kind, version in found["weights"].items()
        },
    )


def batch_as_of(batch: Batch) -> datetime:
    return datetime.fromisoformat(batch.manifest["as_of"])


def _first_as_of(batch: Batch) -> datetime:
    return min(datetime.fromisoformat(file["as_of"]) for file in batch.manifest["files"])


def hash_code_parts(agency: Agency) -> dict[str, str]:
    """All that is not data and can change a result, by part: a sha256 each."""
    dbt = paths.DBT_PROJECT
    parts: dict[str, tuple[Path, tuple[str, ...]]] = {
        "rules": (dbt, ("seeds/*",)),
        "models": (dbt, ("dbt_project.yml", "models/**/*", "macros/*", "tests/*")),
        "checks": (paths.EXPECTATIONS, ("**/*.yaml",)),
        "library": (Path(__file__).parents[1], ("**/*.py", "**/*.j2")),
        "agency": (agency.folder, ("agency.yaml", "*.csv")),
    }
    found = {}
    for part, (folder, patterns) in parts.items():
        digest = hashlib.sha256()
        for file in sorted({f for p in patterns for f in folder.glob(p) if f.is_file()}):
            if file.parent.name == "unit_tests":
                continue  # a test changes no result
            digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
        found[part] = digest.hexdigest()
    return found


def read_description(folder: Path) -> dict[str, Any]:
    """What a version's folder says of itself (version.json)."""
    return dict(json.loads((folder / "version.json").read_text(encoding="utf-8")))


def read_current(agency: str) -> dict[str, Any] | None:
    """What the published version says of itself, or None if there is none."""
    folder = paths.published(agency) / "current"
    is_whole = (folder / "version.json").is_file() and (folder / "recording.duckdb").is_file()
    return read_description(folder) if is_whole else None


def is_current(version: Version) -> bool:
    """Whether the published version is what this plan would make."""
    published = read_current(version.agency.agency)
    return published is not None and published["fingerprint"] == version.fingerprint
