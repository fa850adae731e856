"""A published version of the simulated force, for a proof to look at."""

from collections.abc import Callable

from cdi import paths
from cdi.agency.load import load_agency
from cdi.local.run import default_interval
from cdi.steps.run import is_up_to_date, run_directly
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
