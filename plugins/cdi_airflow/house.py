"""What all DAGs of the house share: names, owners, tags, assets, the form's fields."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, Param
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert

from cdi.agency.model import Agency
from cdi_airflow.notifier import Notifier
from cdi_airflow.scheduling import RunCreated


def dag_arguments(agency: Agency, step: str, kind: str) -> dict[str, Any]:
    """Arguments that each DAG of an agency has.

    Args:
        agency: Whose DAG.
        step: `extract`, `build`, ...; the DAG is ``<agency>__<step>``.
        kind: `interval` (a failed run is cleared, a gap backfilled) or `now` (a new run is started
            instead).
    """
    return {
        "dag_id": f"{agency.agency}__{step}",
        "dag_display_name": f"{agency.name}: {step}",
        "max_active_runs": 1,  # a backfill sets its own number; the landing takes that
        "tags": [f"agency:{agency.agency}", f"step:{step}", kind, "impact:tier_1"],
        "default_args": {
            "owner": agency.owner.name,
            "retries": 2,
            "retry_delay": timedelta(seconds=30),
            "on_failure_callback": Notifier("failed"),
        },
    }


def deadline(agency: Agency) -> DeadlineAlert:
    """Tells people that a run has not landed its sources within the strictest freshness limit.

    It counts from when the run was created, and ends with the run's success; so it also speaks
    when the run failed and nobody has mended it.
    """
    hours = min(source.max_age_hours for source in agency.sources.values())
    return DeadlineAlert(
        name="A source is late",
        reference=RunCreated(),
        interval=timedelta(hours=hours),
        # by the executor: so no triggerer is needed
        callback=SyncCallback(Notifier, kwargs={"what": "late"}),
    )


def asset(agency: Agency, name: str) -> Asset:
    """The asset of an agency that one DAG makes and another waits for."""
    return Asset(
        name=f"{agency.agency}_{name}",
        uri=f"cdi://{agency.agency}/{name}",
        group=agency.agency,
        extra={"owner": agency.owner.name},
    )


def moment(description: str) -> Param:
    """A date and time in the trigger form that may stay blank."""
    return Param(None, type=["null", "string"], format="date-time", description=description)


def day(description: str) -> Param:
    """A day in the trigger form that may stay blank."""
    return Param(None, type=["null", "string"], format="date", description=description)
