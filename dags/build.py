"""Build: one DAG per agency, from the landing to a published version.

1. **build** makes a new private DuckDB file with one `dbt build`. It is skipped if nothing
   changed since the published version.
2. **check** runs the rules of border 2 (docs/rules.md) on it; a broken `fail` rule ends the run,
   and the published version stays as it is.
3. **release** and **confirm** are skipped, unless the run was triggered with `asks` and a rule that
   may be released is broken: then one person proposes under *Required Actions*, another confirms.
4. **report** writes the report into the version's folder.
5. **publish** makes the folder the current version by a rename: readers never see half of it.

It runs when batches were landed or weights learnt; if many were, there is one build.
*Now processing*: it always builds the newest state, so after a failure start a new run rather than
clearing an old one. To build an earlier state of knowledge, trigger it with `as_of`.
"""

from airflow.sdk import DAG, Param, chain

from cdi.agency.model import Agency
from cdi_airflow.house import agency_asset, dag_arguments, make_dags, moment_field
from cdi_airflow.operators import StepOperator
from cdi_airflow.release import ConfirmRelease, ProposeRelease

ASKS = "Wait for two people (Required Actions) if a broken rule may be released."


def make_dag(agency: Agency) -> DAG:
    """Make the build DAG of an agency."""
    with DAG(
        **dag_arguments(agency, "build", kind="now"),
        doc_md=__doc__,
        schedule=agency_asset(agency, "landing") | agency_asset(agency, "weights"),
        params={
            "as_of": moment_field("UTC; what was known then. Blank: the newest state landed."),
            "asks": Param(False, type="boolean", description=ASKS),
        },
    ) as dag:
        name = {"agency": agency.agency}
        wanted = {**name, "as_of": "{{ params.as_of or '' }}"}
        build = StepOperator(
            task_id="build", step="build.make_build", arguments=wanted, tells_run=True
        )
        built = {**name, "version": build.output}
        asking = {**built, "asks": "{{ params.asks or '' }}"}
        check = StepOperator(task_id="check", step="build.check_marts", arguments=asking)
        release = ProposeRelease(task_id="release", **built)
        confirm = ConfirmRelease(task_id="confirm", proposal=release.output, **built)
        report = StepOperator(
            task_id="report",
            step="build.write_report",
            arguments=built,
            trigger_rule="none_failed_min_one_success",  # check held, or both people said yes
        )
        publish = StepOperator(
            task_id="publish",
            step="build.publish_version",
            arguments=built,
            tells_run=True,
            outlets=[agency_asset(agency, "published")],
        )
        chain(build, check, release, confirm, report, publish)
        check >> report
    return dag


globals().update(make_dags("build", make_dag))
