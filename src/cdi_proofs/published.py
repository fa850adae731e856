"""A published version of the simulated force, for a proof to look at."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cdi import paths
from cdi.agency.load import load_agency
from cdi.errors import CdiError
from cdi.local.run import default_interval
from cdi.steps.run import is_up_to_date, run_directly
from cdi.variant import Variant
from cdi_force.generate import ensure_force


def run_simulated(say: Callable[[str], None]) -> None:
    """Make the chosen simulated force and publish it, without Airflow; nothing if it is published.

    Args:
        say: Is told each step as it begins.
    """
    ensure_force(lambda step: say(f"simulating: {step}"))
    interval = default_interval(load_agency(paths.SIMULATED))
    say("looking for what is new")
    if not is_up_to_date(paths.SIMULATED, interval):
        say("extracting, building, checking, publishing")
        run_directly(paths.SIMULATED, interval)


def find_published(agency_id: str) -> Path:
    """Find the published version of an agency.

    Args:
        agency_id: The agency.

    Returns:
        The link `current`.

    Raises:
        CdiError: SITE-UNPUBLISHED if there is none.
    """
    version = paths.current(agency_id)
    if not (version / "version.json").is_file():
        raise CdiError(
            "SITE-UNPUBLISHED", f"no version of {agency_id} is published", "make run first"
        )
    return version


@contextmanager
def publish_alone(home: Path, variant: Variant) -> Iterator[Path]:
    """Publish a force in a state folder of its own, which is removed at the end.

    For a process that publishes nothing else: it changes the environment for good.

    Args:
        home: The state folder.
        variant: Which force.

    Yields:
        The folder of the published version; the force's truth is in `paths.truth()` meanwhile.
    """
    os.environ["CDI_HOME"] = str(home)
    for name in ("CDI_DATA", "CDI_AGENCIES"):
        os.environ.pop(name, None)
    with variant.selected():
        run_simulated(lambda told: None)
        yield paths.current(paths.SIMULATED)
    shutil.rmtree(home)
