"""Retention: one DAG for each agency that limits how long rows are kept.

1. **retain** takes out of landing, audits, decisions and published versions what is older than
   `retention_days` of agency.yaml, counted back from the newest data, and publishes a version
   without it; where nothing is too old, it is skipped (docs/privacy.md).

*Now processing*: it removes whatever is too old when it runs, so after a failure start a new run
rather than clearing an old one; it finishes what the other began. A build that is running is waited
for, for an hour at most. Monthly. An agency without `retention_days` has no such DAG.
"""

from airflow.sdk import DAG

from cdi.agency.model import Agency
from cdi_airflow import house
from cdi_airflow.operators import StepOperator
from cdi_airflow.scheduling import BoundedTriggers


def make_dag(agency: Agency) -> DAG | None:
    """Make the retain DAG of an agency; None if all its rows are kept."""
    if not any(source.retention_days for source in agency.sources.values()):
        return None
    with DAG(
        **house.dag_arguments(agency, "retain", kind="now"),
        doc_md=__doc__,
        schedule=BoundedTriggers("0 6 3 * *", agency.timezone, since=agency.first_moment),
        catchup=False,
    ) as dag:
        StepOperator(
            task_id="retain",
            step="retain.retain",
            arguments={"agency": agency.agency},
            tells_run=True,
            retries=6,
            retry_delay=600,
        )
    return dag


globals().update(house.make_dags("retain", make_dag))
