"""`make run`: runs an agency's DAGs in a real scheduler, and shows them live."""

import contextlib
import os
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from rich.console import Console
from rich.markup import escape

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.agency.presence import list_agencies_with_data
from cdi.build.dbt import Done, count_done
from cdi.build.version import is_current, plan_version
from cdi.errors import CdiError
from cdi.learning import links, text
from cdi.local import airflow
from cdi.local.airflow import Client
from cdi.local.display import Show, Task, moving_clock, show_step
from cdi.steps.run import is_up_to_date

STEPS = {
    "start": "start Airflow (scheduler, DAG processor, API server)",
    "extract": "extract what is new, and check it",
    "build": "learn what is not learnt yet, build, check and publish a version",
}
# What is learnt before the first build, by the models that dbt builds for it.
LESSONS = {
    (text.MODEL,): "learning how logs are read",
    links.MODELS: "learning how records and logs are compared",
}
TRIGGER_SECONDS = 60.0
ENDED = {"success", "failed"}
ORDERS = {
    "extract": ("extract", "check", "landed"),
    "build": ("build", "check", "release", "confirm", "report", "publish"),
}


class RunFailedError(CdiError):
    """A DAG run failed."""


def default_interval(agency: Agency) -> Interval:
    """Give the agency's coverage, or else its last whole day."""
    if agency.coverage:
        return Interval.of_days(agency, agency.coverage.start, agency.coverage.end)
    today: date = datetime.now(agency.zone).date()
    return Interval.of_days(agency, today - timedelta(days=1), today)


def run_agency(name: str, console: Console) -> None:
    """Run an agency's DAGs once and show how far they are.

    Args:
        name: The agency.
        console: Where to print.

    Raises:
        CdiError: If the agency, a source, a rule or Airflow fails; the message says what to do.
    """
    agency = load_agency(name)
    # The product makes no data. Without this, the run would fail a minute later, in Airflow.
    if agency.root == str(paths.simulated_sources()) and not paths.simulated_sources().is_dir():
        raise RunFailedError(
            "RUN-NOT-SIMULATED",
            f"the simulated force has not been made: there is no {agency.root}",
            "make run makes it first; or make simulate, and run again",
        )
    interval = default_interval(agency)
    days = interval.days(agency)
    console.print(f"[bold]{escape(agency.name)}[/bold]: {days[0]} to {days[-1]}")
    places = f"data from {_tell_places(agency)}"
    console.print(places, highlight=False, soft_wrap=True, markup=False)
    with show_step(console, "Looking for new data"):
        is_current_already = is_up_to_date(name, interval)
    if is_current_already:
        console.print("Nothing changed since the published version; nothing was run.\n")
    else:
        _run_dags(agency, interval, console)


def _tell_places(agency: Agency) -> str:
    """Where an agency is read from: the folder of its files, its connections, its portals."""
    places = []
    for dataset, source in agency.sources.items():
        if dataset in BY_PEOPLE:
            continue
        if not source.is_live:
            places.append(agency.root)
        elif source.connection:
            places.append(f"{source.kind} ({source.connection})")
        else:
            places.append(source.kind)
    return ", ".join(dict.fromkeys(places))


def _run_dags(agency: Agency, interval: Interval, console: Console) -> None:
    with contextlib.ExitStack() as stack:
        with show_step(console, name_step("start")):
            client = stack.enter_context(_open_airflow(airflow.RUN_COMPONENTS, dag_ids(agency)))
        try:
            Progress(client, console).follow(agency, interval)
        finally:  # also before an error is printed, as it takes a while
            with show_step(console, "Stopping Airflow"):
                stack.close()
    console.print("Airflow stopped; no process is left.\n")


@contextlib.contextmanager
def start_airflow(console: Console, components: tuple[str, ...]) -> Iterator[Client]:
    """Open an Airflow (`cdi.local.airflow.open_airflow`), and show a clock until it is healthy.

    Args:
        console: Where the clock is shown.
        components: Which processes to start.

    Yields:
        A client, logged in.
    """
    with contextlib.ExitStack() as stack:
        with moving_clock(console, "waiting until Airflow is healthy"):
            client = stack.enter_context(_open_airflow(components, ()))
        yield client


@contextlib.contextmanager
def _open_airflow(components: tuple[str, ...], dag_ids: tuple[str, ...]) -> Iterator[Client]:
    """Open an Airflow with the DAGs of the agencies that have data, and with those to unpause.

    CDI_SHOWN names other agencies.
    """
    asked = {dag_id.partition("__")[0] for dag_id in dag_ids}
    shown = os.environ.get("CDI_SHOWN") or ",".join(sorted({*list_agencies_with_data(), *asked}))
    with (
        paths.environment(CDI_SHOWN=shown),
        airflow.open_airflow(components, dag_ids) as client,
    ):
        yield client


def dag_ids(agency: Agency) -> tuple[str, str, str]:
    """Name the DAGs of an agency; the build is first, so that it listens when batches land."""
    name = agency.agency
    return f"{name}__build", f"{name}__extract", f"{name}__train"


def name_step(step: str) -> str:
    """Name a step of a run and its number, e.g. ``Step 1 of 3: start Airflow``."""
    return f"Step {list(STEPS).index(step) + 1} of {len(STEPS)}: {STEPS[step]}"


def _tell_done(done: Done) -> str:
    """Tell how far dbt is: with what it learns from, or with the whole build."""
    if not done.models:
        return f"{done.ended} of {done.total} models and tests"
    return f"{LESSONS.get(done.models, 'learning')}, {done.ended} of {done.total} models"


class Progress:
    """Follows the runs of an agency's DAGs and shows their tasks."""

    def __init__(self, client: Client, console: Console) -> None:
        """Start without any run."""
        self.client = client
        self.console = console

    def follow(self, agency: Agency, interval: Interval) -> None:
        """Run the extraction, and the build that it triggers (or that is due anyway).

        Raises:
            RunFailedError: RUN-FAILED with the note of the failed task, RUN-NOT-TRIGGERED if the
                extraction landed something and no build began.
        """
        build_id, extract_id, _ = dag_ids(agency)
        conf = {
            "interval_start": interval.start.isoformat(),
            "interval_end": interval.end.isoformat(),
        }
        with show_step(self.console, name_step("extract")) as show:
            before = self.client.runs(build_id)
            run_id = self.client.trigger(extract_id, conf)
            self._watch_run(extract_id, run_id, show)
            tasks = {t["task_id"]: t["state"] for t in self.client.tasks(extract_id, run_id)}
        has_landed = tasks["landed"] == "success"
        if not has_landed and is_current(plan_version(agency)):
            self.console.print("Nothing changed since the published version.")
            return
        with show_step(self.console, name_step("build")) as show:
            if has_landed:
                build_run = self._wait_for_new_run(build_id, set(before))
            else:
                build_run = self.client.trigger(build_id, {})
            self._watch_run(build_id, build_run, show)

    def _wait_for_new_run(self, dag_id: str, earlier_runs: set[str]) -> str:
        began = time.monotonic()
        while time.monotonic() - began < airflow.stretch(TRIGGER_SECONDS):
            new_runs = sorted(set(self.client.runs(dag_id)) - earlier_runs)
            if new_runs:
                return new_runs[0]
            time.sleep(0.3)
        raise RunFailedError(
            "RUN-NOT-TRIGGERED",
            f"{dag_id} was not started in time, although there is something new to read",
            f"read {paths.home() / 'airflow' / 'logs' / 'scheduler.log'}",
        )

    def _watch_run(self, dag_id: str, run_id: str, show: Show) -> None:
        """Show the tasks of a run until it has ended."""
        since = time.time()
        while True:
            state = self.client.runs(dag_id)[run_id]
            show(self._list_tasks(dag_id, run_id, since))
            if state in ENDED:
                break
            time.sleep(1)  # each look costs the API server as much as a task's heartbeat
        if state != "success":
            self._raise_failure(dag_id, run_id)

    def _list_tasks(self, dag_id: str, run_id: str, since: float) -> list[Task]:
        """List a run's tasks in the order of the flow.

        The note of a running task says which attempt it is, unless it is the first, and how far dbt
        is in it.
        """
        agency, _, kind = dag_id.rpartition("__")
        tasks = self.client.tasks(dag_id, run_id)
        for task in tasks:
            if task["state"] != "running":
                continue
            told = [f"attempt {task['try_number']}"] if task["try_number"] > 1 else []
            if task["task_id"] == "build":
                began = datetime.fromisoformat(task["start_date"]).timestamp()
                if done := count_done(agency, max(since, began)):
                    told.append(_tell_done(done))
            task["note"] = ", ".join(told) or None
        return sorted(
            tasks, key=lambda task: ORDERS[kind].index(task["task_id"].rpartition(".")[2])
        )

    def _raise_failure(self, dag_id: str, run_id: str) -> None:
        failed_tasks = [t for t in self.client.tasks(dag_id, run_id) if t["state"] == "failed"]
        notes = "\n".join(f"{t['task_id']}: {t['note'] or 'see its log'}" for t in failed_tasks)
        logs = paths.home() / "airflow" / "logs" / f"dag_id={dag_id}"
        raise RunFailedError(
            "RUN-FAILED",
            f"{dag_id} failed; the published version is untouched.\n{notes}",
            f"correct what is named above and run again; full logs: {logs}",
        )
