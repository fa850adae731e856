"""What all DAGs share: names, owners, tags, assets, and the fields of the trigger form."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, Param
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert

from cdi.agency.model import Agency
from cdi_airflow.notifier import Notifier
from cdi_airflow.scheduling import RunCreated


def dag_arguments(agency: Agency, step: str, kind: str) -> dict[str, Any]:
    """Give the arguments that each DAG of an agency has.

    Args:
        agency: Whose DAG.
        step: `extract`, `build`, ...; the DAG is ``<agency>__<step>``.
        kind: `interval` (a failed run is cleared, a gap backfilled) or `now` (a new run is started
            instead).
    """
    return {
        "dag_id": f"{agency.agency}__{step}",
        "dag_display_name": f"{agency.name}: {step}",
        "max_active_runs": 1,  # a backfill may run more at once, which the landing allows
        "tags": [f"agency:{agency.agency}", f"step:{step}", kind, "impact:tier_1"],
        "default_args": {
            "owner": agency.owner.name,
            "retries": 2,
            "retry_delay": timedelta(seconds=30),
            "on_failure_callback": Notifier("failed"),
        },
    }


def lateness_deadline(agency: Agency) -> DeadlineAlert:
    """Make the deadline after which people are told that a source is late.

    The strictest freshness limit of the agency's sources counts, from when the run was created.
    Only a success of the run stops the message: it also comes if the run failed and nobody mended
    it.
    """
    hours = min(source.max_age_hours for source in agency.sources.values())
    return DeadlineAlert(
        name="A source is late",
        reference=RunCreated(),
        interval=timedelta(hours=hours),
        # the executor calls it, so that no triggerer is needed
        callback=SyncCallback(Notifier, kwargs={"what": "late"}),
    )


def agency_asset(agency: Agency, name: str) -> Asset:
    """Make the asset of an agency that one DAG updates and another waits for."""
    return Asset(
        name=f"{agency.agency}_{name}",
        uri=f"cdi://{agency.agency}/{name}",
        group=agency.agency,
        extra={"owner": agency.owner.name},
    )


def moment_field(description: str) -> Param:
    """Make a field for date and time in the trigger form; it may stay blank."""
    return Param(None, type=["null", "string"], format="date-time", description=description)


def day_field(description: str) -> Param:
    """Make a field for a day in the trigger form; it may stay blank."""
    return Param(None, type=["null", "string"], format="date", description=description)
