"""Audit: one DAG per agency, from the published version to the auditors' worksheets.

1. **draw** freezes the logs of a period and what the pipeline predicts of them, writes seed, strata
   and chances into the audit register, and draws. By default it takes the newest whole settled
   quarter, and skips one that was drawn already. Days that were drawn before need a reason.
2. **worksheets** writes one XLSX and one CSV file per auditor, with masked text and no prediction.

Auditors read at the desk, or give their sheets back by `.venv/bin/cdi audit findings`. The extract
DAG lands both, and the next build publishes the rate with its interval once every drawn log was
read (docs/audit.md).

*Now processing*: it draws from the newest version; a failed run changes nothing, so after mending
the cause start a new run. Monthly, and by hand for another period, size or kind of log.
"""

from airflow.sdk import DAG, Param

from cdi.agency.model import Agency
from cdi_airflow import house
from cdi_airflow.operators import StepOperator
from cdi_airflow.scheduling import BoundedTriggers


def make_dag(agency: Agency) -> DAG:
    """Make the audit DAG of an agency."""
    with DAG(
        **house.dag_arguments(agency, "audit", kind="now"),
        doc_md=__doc__,
        # a finished publication is audited by hand only
        schedule=BoundedTriggers(
            "0 5 2 * *", agency.timezone, since=agency.first_moment, until=agency.last_moment
        ),
        catchup=False,
        params={
            "logs": Param(1500, type="integer", minimum=1, description="Logs to audit."),
            "universe": Param("frame", enum=["frame", "all"], description="frame: crime-coded."),
            "starts_on": house.day_field("First day; blank: the newest whole settled quarter."),
            "ends_on": house.day_field("First day after the period."),
            "auditors": Param("", type="string", description="Staff numbers; else agency.yaml's."),
            "reason": Param("", type="string", description="Why days drawn before are redrawn."),
        },
    ) as dag:
        names = ("logs", "universe", "starts_on", "ends_on", "auditors", "reason")
        arguments = {name: f"{{{{ params.{name} or '' }}}}" for name in names}
        draw = StepOperator(
            task_id="draw",
            step="audit.draw_audit",
            arguments={"agency": agency.agency, **arguments},
            tells_run=True,
        )
        draw >> StepOperator(
            task_id="worksheets",
            step="audit.write_worksheets",
            arguments={"agency": agency.agency, "draw_id": draw.output},
        )
    return dag


globals().update(house.make_dags("audit", make_dag))
