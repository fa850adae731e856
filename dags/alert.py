"""Alert: one DAG for each agency that warns its staff before a time limit passes.

1. **alert** sends two kinds of message by the connections that agency.yaml names under `alerts`: a
   warning of crimes whose time limit ends within the next hours, by district, each crime once; and
   a digest at each change of shift. It leaves out what people decided since the last build. It is
   skipped where there is nothing to report.

No message holds a number of a log, a text or a name (docs/privacy.md). What a connection did not
take is sent by a later run. `.venv/bin/cdi alerts <agency>` prints what would be sent now.

*Now processing*: it reports what is due when it runs, so after a failure the next run sends what
was not sent; there is nothing to clear. Every ten minutes. An agency without
`alerts: {connections: [...]}` has no such DAG.
"""

from airflow.sdk import DAG

from cdi.agency.model import Agency
from cdi_airflow import house
from cdi_airflow.messages import AlertOperator
from cdi_airflow.scheduling import BoundedTriggers


def make_dag(agency: Agency) -> DAG | None:
    """Make the alert DAG of an agency; None if nobody is to be told."""
    if not agency.alerts.connections:
        return None
    with DAG(
        **house.dag_arguments(agency, "alert", kind="now"),
        doc_md=__doc__,
        # the deadlines of a finished publication have passed
        schedule=BoundedTriggers(
            "*/10 * * * *", agency.timezone, since=agency.first_moment, until=agency.last_moment
        ),
        catchup=False,
    ) as dag:
        AlertOperator(
            task_id="alert",
            step="alert.send_alerts",
            arguments={"agency": agency.agency},
            tells_run=True,
        )
    return dag


globals().update(house.make_dags("alert", make_dag))
