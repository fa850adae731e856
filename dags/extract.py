"""Extraction: one DAG per agency, from its sources to accepted batches in the landing.

For each dataset of the agency:

1. **extract** copies the source files of the data interval, maps and types them, hashes personal
   data, and writes a pending batch. Nothing new at the source: skipped.
2. **check** runs the rules of border 1 (docs/rules.md). Rows that break a quarantining rule move to
   quarantine; a broken `fail` rule refuses the whole batch. Otherwise the batch is accepted.

Then **landed** tells the build DAG, once per run, that there is something new.

*Interval processing*: rerun a failed run by clearing it; fill a gap with a backfill (the same
interval twice is a no-op). Other dates: trigger with `interval_start` and `interval_end`.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, Param, TaskGroup
from airflow.timetables.interval import CronDataIntervalTimetable
from cdi_airflow.operators import ExtractOperator, StepOperator

from cdi import agencies

MOMENT = {"type": ["null", "string"], "format": "date-time"}
START = "{{ params.interval_start or data_interval_start.isoformat() }}"
END = "{{ params.interval_end or data_interval_end.isoformat() }}"

for agency in agencies.valid():
    landing = Asset(name=f"{agency.agency}_landing", uri=f"cdi://{agency.agency}/landing")
    with DAG(
        dag_id=f"{agency.agency}__extract",
        dag_display_name=f"{agency.name}: extract",
        doc_md=__doc__,
        schedule=CronDataIntervalTimetable(agency.schedule, timezone=agency.timezone),
        start_date=datetime.combine(agency.start_date, datetime.min.time(), agency.zone),
        end_date=agency.last_moment,  # a finished publication has no runs after its period
        catchup=False,  # gaps are filled by a backfill, on purpose
        max_active_runs=1,  # a dataset's batches are accepted one after another
        default_args={"owner": agency.owner.name, "retries": 2, "retry_delay": timedelta(minutes=1)},
        params={
            "interval_start": Param(None, **MOMENT, description="UTC; else the run's interval"),
            "interval_end": Param(None, **MOMENT, description="UTC; else the run's interval"),
        },
        tags=[f"agency:{agency.agency}", "step:extract", "impact:tier_1", "interval"],
    ):
        landed = EmptyOperator(
            task_id="landed", outlets=[landing], trigger_rule="none_failed_min_one_success"
        )
        for dataset, source in agency.sources.items():
            with TaskGroup(group_id=dataset):
                extract = ExtractOperator(
                    task_id="extract", agency=agency.agency, dataset=dataset,
                    connection=source.connection, interval_start=START, interval_end=END,
                )  # fmt: skip
                check = StepOperator(
                    task_id="check", step="check_landing",
                    arguments={"agency": agency.agency, "dataset": dataset,
                               "batch_id": extract.output},
                )  # fmt: skip
            extract >> check >> landed
