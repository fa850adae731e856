"""Where things are: the repository's own folders, and the state under CDI_HOME.

Environment:
    CDI_HOME: state folder (default ``var/`` in the repository).
    CDI_AGENCIES: folder of agency folders (default ``agencies/``), so that nobody forks.
    CDI_DATA: overrides `data_root` of every agency of this process (``make run DATA=...``).
    SCENARIO, MONTHS, SEED: which of its years the simulated force shows (docs/simulation.md).
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
# what a person types: the environment of a checkout is not on the search path, the image's is
CDI = ".venv/bin/cdi" if Path(sys.prefix).resolve() == REPO / ".venv" else "cdi"
DBT_PROJECT = REPO / "dbt_project"
EXPECTATIONS = REPO / "expectations"
SIMULATED = "simulated"  # the agency that has the simulated sources
DEFAULT_SCENARIO = "calibrated_2017"


@contextmanager
def environment(**names: str) -> Iterator[None]:
    """Set variables of the environment for all that runs within the block."""
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def home() -> Path:
    """The state folder."""
    return Path(os.environ.get("CDI_HOME") or REPO / "var").resolve()


def agencies_folder() -> Path:
    """The folder that holds one folder per agency."""
    return Path(os.environ.get("CDI_AGENCIES") or REPO / "agencies").resolve()


def variant() -> str:
    """Which simulated force is meant: ``<scenario>-<months>-<seed>``."""
    scenario = Path(os.environ.get("SCENARIO") or DEFAULT_SCENARIO).name
    return f"{scenario}-{os.environ.get('MONTHS') or 3}-{os.environ.get('SEED') or 1}"


def landing(agency: str, dataset: str) -> Path:
    """The landing of one dataset: ``batches/``, ``pending/``, ``checking/`` and ``refused/``.

    Each simulated force has its own: they are different forces under one name.
    """
    folder = home() / "landing" / agency
    return (folder / variant() if agency == SIMULATED else folder) / dataset


def weights(agency: str) -> Path:
    """What was learnt from the agency's data, one folder per kind; see `cdi.learning.weights`."""
    folder = home() / "weights" / agency
    return folder / variant() if agency == SIMULATED else folder


def decisions(agency: str) -> Path:
    """What people decided about the agency's calls and records: CSV files that only grow."""
    folder = home() / "decisions" / agency
    return folder / variant() if agency == SIMULATED else folder


def tombstones(agency: str) -> Path:
    """What was erased, as keyed hashes: see `cdi.landing.tombstones`."""
    return landing(agency, "erased.jsonl")


def simulated_sources() -> Path:
    """What the simulated force's systems export."""
    return home() / "sources" / variant()


def truth() -> Path:
    """What is true of the simulated force; the pipeline never reads it."""
    return home() / "truth" / variant()


def published(agency: str) -> Path:
    """The published folder: ``versions/<id>/`` and the link ``current``."""
    return home() / "published" / agency


def released(agency: str) -> Path:
    """Quarters of the open extract as they were released; to be backed up, see `open_extract`."""
    folder = home() / "released" / agency
    return folder / variant() if agency == SIMULATED else folder


def audit(agency: str) -> Path:
    """Draws and their register; to be backed up, as a draw cannot be made again."""
    folder = home() / "audit" / agency
    return folder / variant() if agency == SIMULATED else folder


def access(agency: str) -> Path:
    """Who looked at which restricted page, when: lines that are only added to."""
    return home() / "access" / f"{agency}.jsonl"


def secrets() -> Path:
    """Keys; what is lost here cannot be made again."""
    return home() / "secrets"
