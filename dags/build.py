"""Build: one DAG per agency, from the landing to a published version.

1. **build** makes a new private DuckDB file with one `dbt build`. Nothing changed since the
   published version: skipped.
2. **check** runs the rules of border 2 (docs/rules.md) on it; a broken `fail` rule ends the run,
   and the published version stays as it is.
3. **release** and **confirm** are skipped, unless the run was triggered with `asks` and a rule that
   may be released is broken: then one person proposes under *Required Actions*, another confirms.
4. **report** writes the report into the version's folder.
5. **publish** makes the folder the current version by a rename: readers never see half of it.

Runs when batches were landed or weights learnt; many of them, one build. *Now processing*: it
always builds the newest state, so after a failure start a new run rather than clearing an old one.
An earlier state of knowledge: trigger with `as_of`.
"""

from airflow.sdk import DAG, Param, chain

from cdi.agency.load import load_valid_agencies
from cdi_airflow.house import asset, dag_arguments, moment
from cdi_airflow.operators import StepOperator
from cdi_airflow.release import ConfirmRelease, ProposeRelease

ASKS = "Wait for two people (Required Actions) if a broken rule may be released."

for agency in load_valid_agencies():
    with DAG(
        **dag_arguments(agency, "build", kind="now"),
        doc_md=__doc__,
        schedule=asset(agency, "landing") | asset(agency, "weights"),
        params={
            "as_of": moment("UTC; what was known then. Blank: the newest state landed."),
            "asks": Param(False, type="boolean", description=ASKS),
        },
    ):
        name = {"agency": agency.agency}
        known = {**name, "as_of": "{{ params.as_of or '' }}"}
        # the note of the run says if there was nothing to build; publish writes over it
        build = StepOperator(
            task_id="build", step="build.make_build", arguments=known, tells_run=True
        )
        made = {**name, "version": build.output}
        asks = "{{ params.asks or '' }}"
        check = StepOperator(
            task_id="check", step="build.check_marts", arguments={**made, "asks": asks}
        )
        release = ProposeRelease(task_id="release", **made)
        confirm = ConfirmRelease(task_id="confirm", proposal=release.output, **made)
        report = StepOperator(
            task_id="report",
            step="build.write_report",
            arguments=made,
            trigger_rule="none_failed_min_one_success",  # check held, or both people said yes
        )
        publish = StepOperator(
            task_id="publish", step="build.publish_version", arguments=made, tells_run=True,
            outlets=[asset(agency, "published")],
        )  # fmt: skip
        chain(build, check, release, confirm, report, publish)
        check >> report
