"""Build: one DAG per agency, from the landing to a published version.

1. **build** makes a new private DuckDB file by one `dbt build`; it is skipped if nothing is new.
2. **check** runs the rules of border 2 (docs/rules.md) on it; a broken `fail` rule ends the run,
   and the published version stays as it is.
3. **release** and **confirm** ask nobody, unless the run was triggered with `wait_for_approval` and
   a rule that may be approved is broken: then one person proposes under *Required Actions*, another
   confirms.
4. **report** writes the report into the version's folder.
5. **publish** makes the folder the current version by a rename: readers never see half of it.

It runs when batches were landed or weights learnt; if many were, there is one build.
*Now processing*: it always builds the newest state, so after a failure start a new run rather than
clearing an old one. To build an earlier state of knowledge, trigger it with `as_of`.
"""

from airflow.sdk import DAG, chain

from cdi.agency.model import Agency
from cdi_airflow import house
from cdi_airflow.operators import StepOperator
from cdi_airflow.release import ConfirmRelease, ProposeRelease


def make_dag(agency: Agency) -> DAG:
    """Make the build DAG of an agency."""
    with DAG(
        **house.dag_arguments(agency, "build", kind="now"),
        doc_md=__doc__,
        schedule=house.agency_asset(agency, "landing") | house.agency_asset(agency, "weights"),
        params={
            "as_of": house.moment_field("UTC; what was known then. Blank: the newest state."),
            "wait_for_approval": house.approval_field(),
        },
    ) as dag:
        name = {"agency": agency.agency}
        state = {**name, "as_of": "{{ params.as_of or '' }}"}
        build = StepOperator(
            task_id="build", step="build.make_build", arguments=state, tells_run=True
        )
        built = {**name, "version": build.output}
        asking = {**built, "wait_for_approval": "{{ params.wait_for_approval or '' }}"}
        check = StepOperator(task_id="check", step="build.check_marts", arguments=asking)
        release = ProposeRelease(task_id="release", **built)
        confirm = ConfirmRelease(task_id="confirm", proposal=release.output, **built)
        report = StepOperator(task_id="report", step="build.write_report", arguments=built)
        publish = StepOperator(
            task_id="publish",
            step="build.publish_version",
            arguments=built,
            tells_run=True,
            outlets=[house.agency_asset(agency, "published")],
        )
        chain(build, check, release, confirm, report, publish)
    return dag


globals().update(house.make_dags("build", make_dag))
