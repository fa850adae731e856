"""Where things are: the repository's own folders, and the state under CDI_HOME.

Environment:
    CDI_HOME: state folder (default ``var/`` in the repository).
    CDI_AGENCIES: folder of agency folders (default ``agencies/``), so that nobody forks.
    CDI_DATA: overrides `data_root` of every agency of this process (``make run DATA=...``).
"""

import os
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
DBT_PROJECT = REPO / "dbt_project"
EXPECTATIONS = REPO / "expectations"


def home() -> Path:
    """The state folder."""
    return Path(os.environ.get("CDI_HOME") or REPO / "var").resolve()


def agencies_folder() -> Path:
    """The folder that holds one folder per agency."""
    return Path(os.environ.get("CDI_AGENCIES") or REPO / "agencies").resolve()


def landing(agency: str, dataset: str) -> Path:
    """The landing of one dataset: ``batches/``, ``pending/`` and ``refused/``."""
    return home() / "landing" / agency / dataset


def published(agency: str) -> Path:
    """The published folder: ``versions/<id>/`` and the link ``current``."""
    return home() / "published" / agency


def secrets() -> Path:
    """Keys; what is lost here cannot be made again."""
    return home() / "secrets"
