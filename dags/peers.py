"""Peers: one DAG for the nation, from what agencies have sent to the national page and file.

1. **compare** fetches the open extract of each agency from the place that CDI_OPEN names, and
   writes `national.duckdb`, `peers.html` and `peers.json` (docs/open-extract.md). Agencies that are
   late, silent or withdrawn, and those whose files are damaged, are named in the task's note and on
   the page.

*Now processing*: it always reads what is there now, so after a failure start a new run. It runs
daily, and when an agency of this Airflow has published. Without CDI_OPEN there is no such DAG.
"""

from airflow.sdk import DAG, AssetAny
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.trigger import CronTriggerTimetable

from cdi import paths
from cdi.agency.load import BrokenAgency, load_each_agency
from cdi_airflow import house
from cdi_airflow.operators import StepOperator

agencies = [each for each in load_each_agency() if not isinstance(each, BrokenAgency)]
if agencies and paths.open_place():
    with DAG(
        dag_id="peers",
        dag_display_name="All agencies: compare peers",
        doc_md=__doc__,
        schedule=AssetOrTimeSchedule(
            timetable=CronTriggerTimetable("0 7 * * *", timezone="UTC"),
            assets=AssetAny(*(house.agency_asset(each, "published") for each in agencies)),
        ),
        catchup=False,
        max_active_runs=1,
        tags=["step:peers", house.RERUNS["now"]],
        default_args=house.task_arguments(hours=1),
    ):
        StepOperator(
            task_id="compare",
            step="peers.compare_sent_extracts",
            arguments={},
            tells_run=True,
        )
