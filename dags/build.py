"""Build: one DAG per agency, from the landing to a published version.

1. **build** makes a new private DuckDB file with one `dbt build`. Nothing changed since the
   published version: skipped.
2. **check** runs the rules of border 2 (docs/rules.md) on it; a broken `fail` rule ends the run,
   and the published version stays as it is.
3. **report** writes the report into the version's folder.
4. **publish** makes the folder the current version by a rename: readers never see half of it.

Runs when batches were landed or weights learnt; many of them, one build. *Now processing*: it
always builds the newest state, so after a failure start a new run rather than clearing an old one.
An earlier state of knowledge: trigger with `as_of`.
"""

from airflow.sdk import DAG, chain

from cdi import agencies
from cdi_airflow.house import asset, dag_arguments, moment
from cdi_airflow.operators import StepOperator

AFTER_BUILD = {"check": "check_marts", "report": "write_report", "publish": "publish_version"}

for agency in agencies.valid():
    with DAG(
        **dag_arguments(agency, "build", kind="now"),
        doc_md=__doc__,
        schedule=asset(agency, "landing") | asset(agency, "weights"),
        params={"as_of": moment("UTC; what was known then. Blank: the newest state landed.")},
    ):
        build = StepOperator(
            task_id="build",
            step="make_build",
            arguments={"agency": agency.agency, "as_of": "{{ params.as_of or '' }}"},
        )
        steps = [
            StepOperator(
                task_id=task,
                step=step,
                arguments={"agency": agency.agency, "version": build.output},
                outlets=[asset(agency, "published")] if task == "publish" else [],
            )
            for task, step in AFTER_BUILD.items()
        ]
        chain(build, *steps)
