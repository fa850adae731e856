"""What all DAGs share: names, owners, tags, assets, and the fields of the trigger form."""

import hashlib
import logging
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, Param, get_parsing_context
from airflow.sdk.configuration import conf
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE
from cdi.agency.load import BrokenAgency, agency_names, describe_error, load_each_agency
from cdi.agency.model import MOST_LETTERS, Agency
from cdi_airflow.notifier import Notifier
from cdi_airflow.operators import BrokenAgencyOperator
from cdi_airflow.scheduling import BoundedIntervals, RunCreated

LOG = logging.getLogger(__name__)
BROKEN = "__broken"  # the end of the id of a DAG that stands in for one that cannot be made
SHOWN_LETTERS = 4000  # of what is wrong with an agency
# what the DAG of each step does, for people
TITLES = {
    "extract": "extract new data",
    "build": "build and publish",
    "train": "learn from the data",
    "audit": "draw an audit",
    "alert": "warn before deadlines",
    "retain": "remove what is too old",
}
# by the kind of a DAG, a tag that says what to do after a failure
RERUNS = {"interval": "failed: clear the run", "now": "failed: start a new run"}


def make_dags(step: str, make_dag: Callable[[Agency], DAG | None]) -> dict[str, DAG]:
    """Make the DAG of each agency, so that an error in one leaves the others as they are.

    An agency that is broken, or whose DAG Airflow refuses, gets another DAG in its place, which
    says what is wrong. In the process of a task, its own agency is looked at and no other.

    Args:
        step: `extract`, `build`, ...
        make_dag: Makes an agency's DAG; None if the agency has none of this step.

    Returns:
        The DAGs by their ids. Airflow finds them once they stand in the module of the DAG file.
    """
    dags = []
    for agency in load_each_agency(_choose_agencies(step)):
        if isinstance(agency, BrokenAgency):
            dags.append(_make_broken_dag(agency, step))
            continue
        try:
            dag = make_dag(agency)
            if dag is not None:
                dag.validate()  # Airflow would give the whole file up for it
                dags.append(dag)
        except Exception as error:  # whatever it is, it is of this agency alone
            LOG.exception("%s gets no DAG %s", agency.agency, step)
            broken = BrokenAgency(agency.agency, describe_error(error))
            dags.append(_make_broken_dag(broken, step))
    return {dag.dag_id: dag for dag in dags}


def _choose_agencies(step: str) -> list[str]:
    """Name the agencies whose DAGs are wanted: all that are shown, or that of a task's own DAG.

    Each task is a process that reads its DAG file anew. With 200 agencies that took seconds, for
    199 DAGs that nobody asked for.
    """
    names = agency_names()
    wanted = get_parsing_context().dag_id or ""
    own = wanted.removesuffix(BROKEN).removesuffix(f"__{step}")
    return [own] if own in names else [name for name in names if paths.is_shown(name)]


def _make_broken_dag(broken: BrokenAgency, step: str) -> DAG:
    """Make the DAG that stands in for the DAG of a broken agency, and says what is wrong.

    The one for the extraction runs each day and fails, so that people are told: the agency's own
    DAGs stand still, and miss no deadline either.
    """
    why = broken.problem[:SHOWN_LETTERS]
    name = re.sub(r"[^A-Za-z0-9_-]", "_", broken.agency_id)[:MOST_LETTERS]
    if name != broken.agency_id:  # two of them must not become one
        name = f"{name[:60]}_{hashlib.sha256(broken.agency_id.encode()).hexdigest()[:8]}"
    with DAG(
        dag_id=f"{name}__{step}{BROKEN}",
        dag_display_name=f"{name}: {TITLES.get(step, step)} (broken)",
        doc_md=f"The folder of this agency must be corrected:\n\n```text\n{why}\n```\n",
        schedule="@daily" if step == "extract" else None,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        auto_register=False,
        tags=[f"agency:{name}", f"step:{step}", "broken"],
        default_args={"on_failure_callback": Notifier("failed")},
    ) as dag:
        BrokenAgencyOperator(task_id="why", why=why)
    return dag


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
        "dag_display_name": f"{agency.name}: {TITLES[step]}",
        "auto_register": False,  # half a DAG must not come to stay; see `make_dags`
        "max_active_runs": 1,  # a backfill may run more at once, which the landing allows
        "tags": [f"agency:{agency.agency}", f"step:{step}", RERUNS[kind]],
        "default_args": {
            "owner": agency.owner.name,
            **task_arguments(agency.task_hours),
            **choose_workers(agency),
        },
    }


def choose_workers(agency: Agency) -> dict[str, str]:
    """Give the arguments that send an agency's tasks to its own workers, if it has any.

    Where Airflow has several executors, these tasks are given to the one that is not its first:
    the first runs what is to run here.
    """
    if agency.runs_on is None:
        return {}
    names = [name.strip() for name in conf.get("core", "executor").split(",")]
    executor = {"executor": re.split("[.:]", names[1])[-1]} if len(names) > 1 else {}
    return {"queue": agency.runs_on, **executor}


def task_arguments(hours: int) -> dict[str, Any]:
    """Give the arguments that each task has.

    Args:
        hours: After so long it is stopped.
    """
    return {
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "execution_timeout": timedelta(hours=hours),
        "on_failure_callback": Notifier("failed"),
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


def extraction_schedule(agency: Agency) -> BoundedIntervals:
    """Make the timetable of an agency's extraction; a publication that is finished has an end."""
    return BoundedIntervals(
        agency.cron, agency.timezone, since=agency.first_moment, until=agency.last_moment
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


def interval_fields() -> dict[str, Param]:
    """Make the fields by which a person names another interval than that of the run."""
    blank = "UTC; blank: the run's own interval"
    return {name: moment_field(blank) for name in ("interval_start", "interval_end")}


def approval_field() -> Param:
    """Make the field by which a person says that two people will be asked for a release."""
    why = "If a check fails, wait for two people to approve publication (Required Actions)."
    return Param(False, type="boolean", description=why)


def day_field(description: str) -> Param:
    """Make a field for a day in the trigger form; it may stay blank."""
    return Param(None, type=["null", "string"], format="date", description=description)
