"""What all DAGs share: names, owners, tags, assets, and the fields of the trigger form."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, Param
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert

from cdi.agency.datasets import BY_PEOPLE
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


def lateness_deadlines(agency: Agency) -> list[DeadlineAlert]:
    """Make the deadlines after which people are told that a source is late.

    Each source has its freshness limit, which counts from when the run was created; sources with
    one limit share a message. Only a success of the run stops the messages: they also come if the
    run failed and nobody mended it.
    """
    sources: dict[int, list[str]] = {}
    for dataset, source in agency.sources.items():
        if dataset not in BY_PEOPLE:  # people may take their time
            sources.setdefault(source.max_age_hours, []).append(dataset)
    return [
        DeadlineAlert(
            name=f"Late: {', '.join(datasets)}",
            reference=RunCreated(),
            interval=timedelta(hours=hours),
            # the executor calls it, so that no triggerer is needed
            callback=SyncCallback(
                Notifier, kwargs={"what": "late", "sources": ", ".join(datasets)}
            ),
        )
        for hours, datasets in sorted(sources.items())
    ]


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
