"""Training: one DAG per agency, from the landing to weights that the next build reads.

1. **text** learns the words in which the agency's logs report crimes, from codes and from what
   auditors found; without an audit it is skipped.
2. **links** learns how much agreement in time, place, offence, words and person says that a call
   and a record belong together, from the links that references prove. The same landing teaches the
   same: skipped. It waits for **text**, since words are read by what that learnt.

Then **learnt** starts the build DAG, once per run, if there is something new.

*Now processing*: it always learns from the newest state, so after a failure start a new run rather
than clearing an old one. Monthly, and by hand whenever the force's ways of recording change.
"""

from airflow.sdk import DAG

from cdi.agency.model import Agency
from cdi_airflow import house
from cdi_airflow.operators import AnyNewOperator, StepOperator
from cdi_airflow.scheduling import BoundedTriggers

LEARN = {"text": "train.learn_text", "links": "train.learn_links"}


def make_dag(agency: Agency) -> DAG:
    """Make the train DAG of an agency."""
    with DAG(
        **house.dag_arguments(agency, "train", kind="now"),
        doc_md=__doc__,
        # a finished publication learns nothing more by itself
        schedule=BoundedTriggers(
            "0 3 1 * *", agency.timezone, since=agency.first_moment, until=agency.last_moment
        ),
        catchup=False,
    ) as dag:
        learnt = AnyNewOperator(
            task_id="learnt",
            outlets=[house.agency_asset(agency, "weights")],
            otherwise="nothing was learnt: the notes of the tasks say why",
        )
        before = None
        for task, step in LEARN.items():
            learns = StepOperator(
                task_id=task,
                step=step,
                arguments={"agency": agency.agency},
                trigger_rule="none_failed",  # a skipped one before it had nothing to learn
            )
            learns >> learnt
            if before is not None:
                before >> learns
            before = learns
    return dag


globals().update(house.make_dags("train", make_dag))
