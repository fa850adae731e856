"""Where things are: the repository's own folders, and the state under CDI_HOME.

Environment:
    CDI_HOME: the state folder (default: ``var/`` in the repository).
    CDI_AGENCIES: the folder of agency folders (default: ``agencies/`` in the repository), so that
        an organisation can keep its own agencies elsewhere.
    CDI_PREPARED: the folder of what follows from the code alone (default: ``prepared/`` in the
        state folder), so that several state folders can share it.
    CDI_OPEN: a folder or URL to which agencies send their open extracts, and where the nation reads
        them (default: nothing is sent); see `cdi.national.exchange`.
    CDI_SHOWN: the agencies that get DAGs, with commas between, or `all` (default: all; `make run`
        and `make ui` take those that have data); see `cdi.agency.presence`.
    CDI_DATA: used in place of `data_root` of every agency (``make run DATA=...``).
    SCENARIO, MONTHS, SEED: which simulated force is meant; see `cdi.variant`.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
# What a person types. In a checkout the virtual environment is usually not on the search path; in
# the container image it is.
CDI = ".venv/bin/cdi" if Path(sys.prefix).resolve() == REPO / ".venv" else "cdi"
DBT_PROJECT = REPO / "dbt_project"
EXPECTATIONS = REPO / "expectations"
DOCS = REPO / "docs"  # an installation may be without it
DOCS_SETTINGS = DOCS / "mkdocs.yml"
SIMULATED = "simulated"  # the agency that reads the simulated force's files
SIMULATED_SQL = "simulated_sql"  # the same force, read from a database
DEFAULT_SCENARIO = "calibrated_2017"
DEFAULT_MONTHS = 7
DEFAULT_SEED = 1


@contextmanager
def environment(**names: str) -> Iterator[None]:
    """Set environment variables during the block, then restore them."""
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
    """The folder that holds a folder for each agency."""
    return Path(os.environ.get("CDI_AGENCIES") or REPO / "agencies").resolve()


def is_shown(agency_id: str) -> bool:
    """Whether an agency gets DAGs here."""
    shown = os.environ.get("CDI_SHOWN") or "all"
    return shown == "all" or agency_id in shown.split(",")


def prepared() -> Path:
    """The folder of what follows from the code; see `cdi.build.prepare`. It can be deleted."""
    return Path(os.environ.get("CDI_PREPARED") or home() / "prepared").resolve()


def name_run(agency_id: str) -> str:
    """Name what runs an agency from its sources on, as a next step that people can take."""
    return f"make run AGENCY={agency_id}, or on a server the DAG {agency_id}__extract"


def variant() -> str:
    """Which simulated force is meant: ``<scenario>-<months>-<seed>``."""
    scenario = Path(os.environ.get("SCENARIO") or DEFAULT_SCENARIO).name
    months = os.environ.get("MONTHS") or DEFAULT_MONTHS
    return f"{scenario}-{months}-{os.environ.get('SEED') or DEFAULT_SEED}"


def has_variants(agency_id: str) -> bool:
    """Whether an agency is a simulated force, of which there are as many as variants are chosen."""
    return agency_id in (SIMULATED, SIMULATED_SQL)


def _folder_of(kind: str, agency_id: str) -> Path:
    """The agency's folder of one kind; each simulated force has a subfolder of its own.

    Simulated forces are different forces under one agency name, so their data must not mix.
    """
    folder = home() / kind / agency_id
    return folder / variant() if has_variants(agency_id) else folder


def landing(agency_id: str, dataset: str) -> Path:
    """The landing of a dataset: ``batches/``, ``pending/``, ``checking/`` and ``refused/``."""
    return _folder_of("landing", agency_id) / dataset


def weights(agency_id: str) -> Path:
    """What was learnt from the agency's data, one folder per kind; see `cdi.learning.weights`."""
    return _folder_of("weights", agency_id)


def readings(agency_id: str) -> Path:
    """What was read in the agency's texts, by content; see `cdi.learning.readings`."""
    return _folder_of("readings", agency_id)


def decisions(agency_id: str) -> Path:
    """People's decisions about the agency's calls and records: append-only CSV files."""
    return _folder_of("decisions", agency_id)


def decisions_file(agency_id: str) -> Path:
    """The file to which decisions are added; see `cdi.people.decisions`."""
    return decisions(agency_id) / "decisions.csv"


def desk(agency_id: str) -> Path:
    """What the desk notes while people work: who has which log open. It can be deleted."""
    return _folder_of("desk", agency_id)


def desk_sessions() -> Path:
    """Who is signed in at a desk that runs alone. It can be deleted."""
    return home() / "desk" / "sessions.sqlite"


def tombstones(agency_id: str) -> Path:
    """The file of what was erased, as keyed hashes; see `cdi.landing.tombstones`."""
    return landing(agency_id, "erased.jsonl")


def simulated_sources() -> Path:
    """The files that the simulated force's systems export."""
    return home() / "sources" / variant()


def truth() -> Path:
    """What is true of the simulated force; the pipeline never reads it."""
    return home() / "truth" / variant()


def published(agency_id: str) -> Path:
    """The published folder: ``versions/<id>/`` and the link ``current``."""
    return home() / "published" / agency_id


def current(agency_id: str) -> Path:
    """The link to the published version; it is absent until one is published."""
    return published(agency_id) / "current"


def private(agency_id: str) -> Path:
    """The private folder in which a version is built, until it is published."""
    return published(agency_id) / ".next"


def released(agency_id: str) -> Path:
    """The released quarters of the open extract; back this up (`cdi.open_extract`)."""
    return _folder_of("released", agency_id)


def open_place() -> str | None:
    """Where open extracts are sent to; None if none is sent."""
    return os.environ.get("CDI_OPEN") or None


def national() -> Path:
    """What was made of the open extracts of all agencies. It can be deleted."""
    return home() / "national"


def audit(agency_id: str) -> Path:
    """The audit's draws and their register; back this up, as a draw cannot be made again."""
    return _folder_of("audit", agency_id)


def findings(agency_id: str) -> Path:
    """What auditors found, a CSV file per draw, auditor, and first or second reading."""
    return audit(agency_id) / "findings"


def access(agency_id: str) -> Path:
    """The append-only log of who looked at which restricted page, and when."""
    return home() / "access" / f"{agency_id}.jsonl"


def check_history(agency_id: str) -> Path:
    """What each data-quality rule said of late; see `cdi.quality.history`. It can be deleted."""
    return _folder_of("checks", agency_id)


def asked(agency_id: str) -> Path:
    """When each source was last asked; see `cdi.agency.asked`. It can be deleted."""
    return _folder_of("asked", agency_id)


def alerts(agency_id: str) -> Path:
    """What was sent of late, so that it is not sent again; see `cdi.people.alert_memory`."""
    return _folder_of("alerts", agency_id)


def secrets() -> Path:
    """The folder of secret keys; back this up, as a lost key cannot be made again."""
    return home() / "secrets"
