"""What a version is: the batches, settings and code that it is built from, under one name.

Before a build a version is planned from the landing; afterwards it is read back from its folder.
"""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.agency.datasets import READINGS
from cdi.agency.model import Agency
from cdi.code import hash_result_code
from cdi.errors import BuildError, StateError
from cdi.files import (
    hash_files,
    read_json,
    sha256_of_file,
    sha256_of_json,
    take_lock,
)
from cdi.landing.batches import Batch, accepted_batches, batch_as_of, verified_batches
from cdi.learning import links, needed_letters
from cdi.learning.weights import (
    KINDS,
    Weights,
    find_newest_weights,
    read_weights,
    verify_weights,
)
from cdi.sealed_files import find_damaged_files


@dataclass(frozen=True)
class Version:
    """What a build reads, and the name of what it makes.

    Attributes:
        agency: The agency.
        as_of: In UTC: the state of knowledge that the version speaks of.
        batches: The accepted batches that it is built from, by dataset.
        fingerprint: A sha256 over all that determines the result.
        weights: What was learnt from the agency's data, by kind.
        learns_from: A sha256 over all that determines what would be learnt from the same state.
    """

    agency: Agency
    as_of: datetime
    batches: dict[str, list[Batch]]
    fingerprint: str
    weights: dict[str, Weights] = field(default_factory=dict)
    learns_from: str = ""

    @property
    def name(self) -> str:
        """The name of the version: its as_of and the start of its fingerprint."""
        return f"{self.as_of:%Y%m%dT%H%M}-{self.fingerprint[:10]}"

    @property
    def row_count(self) -> int:
        """How many accepted rows the batches have."""
        return sum(
            batch.manifest["accepted"] for batches in self.batches.values() for batch in batches
        )

    @property
    def landed_bytes(self) -> int:
        """How many bytes the files of these rows have."""
        return sum(
            batch.rows.stat().st_size for batches in self.batches.values() for batch in batches
        )

    @property
    def folder(self) -> Path:
        """The private folder that the version is built in."""
        return paths.private(self.agency.agency)

    @property
    def file(self) -> Path:
        """The private DuckDB file."""
        return self.folder / "recording.duckdb"


def plan_version(agency: Agency, as_of: datetime | None = None) -> Version:
    """Choose the batches and the as_of of a version, and compute its fingerprint.

    Args:
        agency: The agency.
        as_of: In UTC; by default the newest state that an accepted batch speaks of.

    Raises:
        BuildError: BUILD-NO-DATA if no calls were landed (up to as_of).
        StateError: LANDING-DAMAGED, LANDING-GAP or WEIGHTS-DAMAGED if what it would be built from
            is not what was accepted and learnt.
    """
    batches = {name: verified_batches(agency.agency, name) for name in agency.sources}
    if as_of is not None:
        batches = {
            name: [batch for batch in accepted if _read_first_as_of(batch) <= as_of]
            for name, accepted in batches.items()
        }
    if not batches["calls"]:
        raise BuildError(
            "BUILD-NO-DATA",
            f"no batch of {agency.agency}/calls was accepted"
            + (f" up to {as_of}" if as_of else ""),
            f"extract first: {paths.name_run(agency.agency)}; or look into the refused batches",
        )
    if as_of is None:
        newest = max(batch_as_of(batch) for accepted in batches.values() for batch in accepted)
        chosen_as_of = newest.replace(tzinfo=UTC)
    else:
        chosen_as_of = as_of
    state = {
        "batches": {
            name: [
                (
                    batch.manifest["batch_id"],
                    batch.manifest["seq"],
                    batch.manifest["content_sha256"],
                )
                for batch in accepted
            ]
            for name, accepted in batches.items()
        },
        "as_of": chosen_as_of.isoformat(),
        "code": hash_code_parts(agency),
    }
    newest_weights = {kind: find_newest_weights(agency.agency, kind, as_of) for kind in KINDS}
    weights = {kind: learnt for kind, learnt in newest_weights.items() if learnt is not None}
    for learnt in weights.values():
        verify_weights(learnt)
    if "links" in weights and not links.is_of_these_comparisons(weights["links"]):
        weights.pop("links")
    # What is learnt follows from `state` alone. With the weights in it, each training would make a
    # new state, from which the next training would have to learn again.
    built_from: dict[str, Any] = {
        "weights": {kind: learnt.version for kind, learnt in weights.items()}
    }
    if batches.get(READINGS):  # before there are findings, a draw changes no result
        from cdi.audit.register import register_fingerprint  # numpy and pyarrow take a while

        built_from["audit"] = register_fingerprint(agency.agency)
    return Version(
        agency,
        chosen_as_of,
        batches,
        sha256_of_json(state | built_from),
        weights,
        sha256_of_json(state),
    )


@contextlib.contextmanager
def hold_version(agency: Agency, name: str) -> Iterator[Version]:
    """Keep all other builds of the agency out while a step works with a private version.

    Each step is a process of its own, and no lock outlives its process. So another build may take
    the private folder between two steps, but never in the middle of one: the build that began last
    is the one that is published, and the steps of the other say BUILD-GONE.

    Args:
        agency: The agency.
        name: The name of the version that must stand in the private folder.

    Yields:
        The version.

    Raises:
        BusyError: BUILD-BUSY if another process works in the private folder now.
        BuildError: BUILD-GONE if another build stands there, or none.
    """
    with take_lock(paths.published(agency.agency), agency.agency):
        yield resume_version(agency, name)


def resume_version(agency: Agency, name: str) -> Version:
    """Read back the version that stands in the private folder, for the steps after its build.

    It is not planned anew: a batch that was landed meanwhile belongs to the next build.

    Args:
        agency: The agency.
        name: The name of the version that must stand there.

    Raises:
        BuildError: BUILD-GONE if another build stands there, or none.
    """
    folder = paths.private(agency.agency)
    private_name = read_private_name(agency.agency)
    if private_name != name:
        raise BuildError(
            "BUILD-GONE",
            f"the private build of {agency.agency} is {private_name or 'none'}, not {name}",
            "run the build again",
        )
    description = read_description(folder)
    return Version(
        agency,
        datetime.fromisoformat(description["as_of"]),
        {
            dataset: [
                batch
                for batch in accepted_batches(agency.agency, dataset)
                if batch.manifest["batch_id"] in batch_ids
            ]
            for dataset, batch_ids in description["batches"].items()
        },
        description["fingerprint"],
        {
            kind: read_weights(agency.agency, kind, learnt_version)
            for kind, learnt_version in description["weights"].items()
        },
    )


def _read_first_as_of(batch: Batch) -> datetime:
    """The as_of of the batch's oldest file: from then on, some of its rows are known."""
    return min(datetime.fromisoformat(file["as_of"]) for file in batch.manifest["files"])


# Settings of agency.yaml that say where work is done, who is told and whose decisions are taken in,
# and cannot change what comes out of what is there.
OUTSIDE_VERSIONS = ("runs_on", "alerts", "deciders")


def hash_code_parts(agency: Agency) -> dict[str, str]:
    """Hash all that is not data and can change a result; one sha256 for each part.

    Of agency.yaml counts what it says, and not how it is laid out or on which machine the work is
    done.
    """
    hashes = hash_result_code()
    settings = agency.model_dump(mode="json", exclude=set(OUTSIDE_VERSIONS))
    hashes["agency"] = sha256_of_json([settings, hash_files(agency.folder, ("*.csv",))])
    return hashes


def hash_reading_code(version: Version) -> dict[str, str]:
    """Hash all that decides what is read in a given text; one sha256 for each kind of reading.

    What the lexicon finds follows from few files, so that most changes of the project leave its
    readings as they are. The text model reads codes and findings of the lexicon too. There is no
    short list of what these follow from, so all code counts.
    """
    lexicon = (
        "seeds/lexicon.csv",
        "seeds/lexicon_terms.csv",
        "macros/lexicon.sql",
        "models/disclosure/int_disclosure__needed_letters.py",
        "models/disclosure/int_disclosure__unread_words.sql",
        "models/disclosure/int_disclosure__new_lexicon_readings.sql",
    )
    # DuckDB's regular expressions and hashes may change with its version
    engine = duckdb.__version__
    rules = hash_files(paths.DBT_PROJECT, lexicon)
    letters = sha256_of_file(Path(needed_letters.__file__))
    hashes = {"lexicon": sha256_of_json([rules, letters, engine])}
    if learnt := version.weights.get("text"):
        code = hash_code_parts(version.agency)
        hashes["text"] = sha256_of_json([learnt.version, code, engine])
    return hashes


# What version.json has since the first release.
DESCRIPTION_KEYS = ("agency", "version", "fingerprint", "as_of", "batches", "weights")


def read_description(folder: Path) -> dict[str, Any]:
    """Read what a version's folder says of itself (version.json).

    Raises:
        StateError: STATE-DAMAGED if it cannot be read.
    """
    return read_json(
        folder / "version.json", DESCRIPTION_KEYS, "run the build, which makes a new version"
    )


def find_description(folder: Path) -> dict[str, Any] | None:
    """Read what a version's folder says of itself; None if it is not there or cannot be read.

    A version that cannot say what it is counts as none, and a log says so: the next build makes a
    new one.
    """
    if not (folder / "version.json").is_file():
        return None
    try:
        return read_description(folder)
    except StateError as error:
        log_damage(error)
        return None


def log_damage(error: StateError) -> None:
    """Tell in the log that a published version is damaged and counts as none."""
    logging.getLogger(__name__).warning(
        "[%s] %s, so it counts as no version. Next step: %s.",
        error.rule_id,
        error.message,
        error.fix,
    )


def read_private_name(agency: str) -> str | None:
    """Read the name of the version in the private folder; None if there is none."""
    description = find_description(paths.private(agency))
    return None if description is None else str(description["version"])


def read_current(agency: str) -> dict[str, Any] | None:
    """Read what the published version says of itself; None if there is no whole version."""
    folder = paths.current(agency)
    return find_description(folder) if (folder / "recording.duckdb").is_file() else None


def verify_current(agency: str) -> None:
    """Compare the published version with what was published; there may be none.

    Raises:
        StateError: PUBLISHED-DAMAGED if a file is not as it was.
    """
    folder = paths.current(agency)
    damaged = find_damaged_files(agency, folder) if folder.is_dir() else []
    if damaged:
        raise StateError(
            "PUBLISHED-DAMAGED",
            f"of {folder.resolve()}, {', '.join(damaged)} is not as it was published",
            "run the build: it makes the version again",
        )


def is_current(version: Version) -> bool:
    """Whether the published version is what a build of this version would make, and undamaged.

    One that is damaged is told in the log and counts as none, so the build makes it again.
    """
    published = read_current(version.agency.agency)
    if published is None or published["fingerprint"] != version.fingerprint:
        return False
    try:
        verify_current(version.agency.agency)
    except StateError as error:
        log_damage(error)
        return False
    return True
