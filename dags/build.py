"""Build: one DAG per agency, from the landing to a published version.

1. **build** makes a new private DuckDB file with one `dbt build`. Nothing changed since the
   published version: skipped.
2. **check** runs the rules of border 2 (docs/rules.md) on it; a broken `fail` rule ends the run, and
   the published version stays as it is.
3. **report** writes the report into the version's folder.
4. **publish** makes the folder the current version by a rename: readers never see half of it.

Runs when batches were landed; many landed batches, one build. *Now processing*: it always builds
the newest state, so after a failure start a new run rather than clearing an old one. An earlier
state of knowledge: trigger with `as_of`.
"""

from datetime import timedelta

from airflow.sdk import DAG, Asset, Param, chain
from cdi_airflow.operators import StepOperator

from cdi import agencies

STEPS = {
    "check": "check_marts",
    "report": "write_report",
    "publish": "publish_version",
}

for agency in agencies.valid():
    with DAG(
        dag_id=f"{agency.agency}__build",
        dag_display_name=f"{agency.name}: build",
        doc_md=__doc__,
        schedule=[Asset(name=f"{agency.agency}_landing", uri=f"cdi://{agency.agency}/landing")],
        max_active_runs=1,  # one private file per agency
        default_args={"owner": agency.owner.name, "retries": 1, "retry_delay": timedelta(seconds=30)},
        params={
            "as_of": Param(
                None, type=["null", "string"], format="date-time",
                description="UTC; what was known then. Else: the newest state landed.",
            ),
        },  # fmt: skip
        tags=[f"agency:{agency.agency}", "step:build", "impact:tier_1", "now"],
    ):
        published = Asset(
            name=f"{agency.agency}_published", uri=f"cdi://{agency.agency}/published"
        )
        made = StepOperator(
            task_id="build", step="make_build",
            arguments={"agency": agency.agency, "as_of": "{{ params.as_of or '' }}"},
        )  # fmt: skip
        chain(made, *[
            StepOperator(
                task_id=task, step=step,
                arguments={"agency": agency.agency, "version": made.output},
                outlets=[published] if task == "publish" else [],
            )
            for task, step in STEPS.items()
        ])  # fmt: skip
