"""Extraction: one DAG per agency, from its sources to accepted batches in the landing.

For each dataset of the agency:

1. **extract** copies the source files of the data interval, maps and types them, hashes personal
   data, and writes a pending batch. Nothing new at the source: skipped. Files that are late are
   waited for as long as `wait_hours` in agency.yaml says.
2. **check** runs the rules of border 1 (docs/rules.md). Rows that break a quarantining rule move to
   quarantine; a broken `fail` rule refuses the whole batch. Otherwise the batch is accepted.

Then **landed** starts the build DAG, once per run, if there is something new.

*Interval processing*: rerun a failed run by clearing it; fill a gap with a backfill (the same
interval twice is a no-op). Other dates: trigger with `interval_start` and `interval_end`.
"""

from airflow.sdk import DAG, TaskGroup

from cdi.agency.model import Agency
from cdi_airflow import house
from cdi_airflow.operators import AnyNewOperator, ExtractOperator, StepOperator


def make_dag(agency: Agency) -> DAG:
    """Make the extract DAG of an agency."""
    with DAG(
        **house.dag_arguments(agency, "extract", kind="interval"),
        doc_md=__doc__,
        schedule=house.extraction_schedule(agency),
        catchup=False,  # gaps are filled by a backfill, on purpose
        deadline=house.lateness_deadlines(agency),
        params=house.interval_fields(),
    ) as dag:
        landed = AnyNewOperator(
            task_id="landed",
            outlets=[house.agency_asset(agency, "landing")],
            otherwise="nothing new: the sources equal what was landed before",
        )
        for dataset, source in agency.sources.items():
            names = {"agency": agency.agency, "dataset": dataset}
            with TaskGroup(group_id=dataset):
                extract = ExtractOperator(
                    task_id="extract",
                    connection=source.connection,
                    wait_hours=source.wait_hours,
                    **names,
                )
                check = StepOperator(
                    task_id="check",
                    step="extract.check_landing",
                    arguments={**names, "batch_id": extract.output},
                )
            extract >> check >> landed
    return dag


globals().update(house.make_dags("extract", make_dag))
