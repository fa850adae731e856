"""`make run`: runs an agency's DAGs in a real scheduler, shows them live, and prints a summary."""

import contextlib
import os
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from rich import progress
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.agency.presence import list_agencies_with_data
from cdi.build.version import is_current, plan_version, read_current
from cdi.errors import CdiError
from cdi.files import write_json
from cdi.local import airflow
from cdi.local.airflow import Client
from cdi.report.figures import read_summary, summary_text
from cdi.steps.run import is_up_to_date

STYLES = {
    "success": "green",
    "skipped": "dim",
    "running": "cyan",
    "failed": "bold red",
    "upstream_failed": "red",
    "up_for_retry": "yellow",
}
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
    """Run an agency's DAGs once and print what came out.

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
    console.print(f"[bold]{agency.name}[/bold]: {days[0]} to {days[-1]}")
    console.print(f"data from {_tell_places(agency)}", highlight=False, soft_wrap=True)
    if is_up_to_date(name, interval):
        console.print("Nothing changed since the published version; nothing was run.\n")
    else:
        _run_dags(agency, interval, console)
    print_summary(agency, console)


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
    console.print("Starting Airflow (scheduler, DAG processor, API server)")
    with start_airflow(console, airflow.RUN_COMPONENTS, dag_ids(agency)) as client:
        Progress(client, console).follow(agency, interval)
        console.print("Stopping Airflow")
    console.print("Airflow stopped; no process is left.\n")


@contextlib.contextmanager
def start_airflow(
    console: Console, components: tuple[str, ...], dag_ids: tuple[str, ...] = ()
) -> Iterator[Client]:
    """Open an Airflow (`cdi.local.airflow.open_airflow`), and show a clock until it is healthy.

    Only the agencies that have data get DAGs, unless CDI_SHOWN says otherwise, and those of the
    DAGs to unpause.

    Args:
        console: Where the clock is shown.
        components: Which processes to start.
        dag_ids: DAGs to unpause.

    Yields:
        A client, logged in.
    """
    asked = {dag_id.partition("__")[0] for dag_id in dag_ids}
    shown = os.environ.get("CDI_SHOWN") or ",".join(sorted({*list_agencies_with_data(), *asked}))
    with contextlib.ExitStack() as stack:
        stack.enter_context(paths.environment(CDI_SHOWN=shown))
        with moving_clock(console, "waiting until Airflow is healthy"):
            client = stack.enter_context(airflow.open_airflow(components, dag_ids))
        yield client


def moving_clock(console: Console, text: str = "") -> progress.Progress:
    """Make a clock: a spinner, a text and the time since it began.

    It is worked out whenever the screen is drawn, so it moves on while this program waits for an
    answer. Without a terminal it shows nothing.

    Args:
        console: Where it is shown, and whose clock counts.
        text: What the program waits for.
    """
    clock = progress.Progress(
        progress.SpinnerColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("{task.description}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    clock.add_task(text, total=None)
    return clock


def dag_ids(agency: Agency) -> tuple[str, str, str]:
    """Name the DAGs of an agency; the build is first, so that it listens when batches land."""
    name = agency.agency
    return f"{name}__build", f"{name}__extract", f"{name}__train"


class Progress:
    """Follows the runs of an agency's DAGs and shows their tasks."""

    def __init__(self, client: Client, console: Console) -> None:
        """Start without any run."""
        self.client = client
        self.console = console
        self.printed_states: dict[tuple[str, str], str] = {}
        self.is_live = console.is_terminal
        self.clock = moving_clock(console)
        self.started = time.monotonic()

    def follow(self, agency: Agency, interval: Interval) -> None:
        """Run the extraction, and the build that it triggers (or that is due anyway).

        Raises:
            RunFailedError: RUN-FAILED with the note of the failed task.
        """
        build_id, extract_id, _ = dag_ids(agency)
        before = self.client.runs(build_id)
        conf = {
            "interval_start": interval.start.isoformat(),
            "interval_end": interval.end.isoformat(),
        }
        run_id = self.client.trigger(extract_id, conf)
        self._watch_run(extract_id, run_id)
        tasks = {t["task_id"]: t["state"] for t in self.client.tasks(extract_id, run_id)}
        if tasks["landed"] == "success":
            build_run = self._wait_for_new_run(build_id, set(before))
        elif is_current(plan_version(agency)):
            self.console.print("Nothing changed since the published version.")
            return
        else:
            build_run = self.client.trigger(build_id, {})
        self._watch_run(build_id, build_run)

    def _wait_for_new_run(self, dag_id: str, earlier_runs: set[str]) -> str:
        until = time.monotonic() + 60
        with self.clock:
            while time.monotonic() < until:
                new_runs = sorted(set(self.client.runs(dag_id)) - earlier_runs)
                if new_runs:
                    return new_runs[0]
                time.sleep(0.3)
        raise RunFailedError(
            "RUN-NOT-TRIGGERED",
            f"{dag_id} was not started within a minute, although there is something new to read",
            f"read {paths.home() / 'airflow' / 'logs' / 'scheduler.log'}",
        )

    def _watch_run(self, dag_id: str, run_id: str) -> None:
        if self.is_live:
            with Live(
                self.clock, console=self.console, refresh_per_second=8, transient=True
            ) as live:
                state = self._poll_run(dag_id, run_id, live)
            self.console.print(self._make_table([(dag_id, run_id)]))
        else:
            state = self._poll_run(dag_id, run_id, None)
        if state != "success":
            self._raise_failure(dag_id, run_id)

    def _poll_run(self, dag_id: str, run_id: str, live: Live | None) -> str:
        while True:
            state = self.client.runs(dag_id)[run_id]
            if live is not None:
                live.update(Group(self._make_table([(dag_id, run_id)]), self.clock))
            else:
                self._tell_changes(dag_id, run_id)
            if state in ENDED:
                return state
            time.sleep(1)  # each look costs the API server as much as a task's heartbeat

    def _tell_changes(self, dag_id: str, run_id: str) -> None:
        """Print a line for each task that started or ended, for want of a terminal."""
        for task in self._sorted_tasks(dag_id, run_id):
            key = (run_id, task["task_id"])
            state = task["state"]
            if state in STYLES and self.printed_states.get(key) != state:
                self.printed_states[key] = state
                self.console.print(
                    f"{time.monotonic() - self.started:6.1f} s  {dag_id}  {task['task_id']}: "
                    f"{state}",
                    highlight=False,
                )

    def _sorted_tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """List a run's tasks in the order of the flow."""
        order = ORDERS[dag_id.rpartition("__")[2]]
        return sorted(
            self.client.tasks(dag_id, run_id),
            key=lambda task: order.index(task["task_id"].rpartition(".")[2]),
        )

    def _make_table(self, runs: list[tuple[str, str]]) -> Table:
        table = Table(box=None, pad_edge=False)
        for heading in ("DAG", "task", "state", "seconds", "note"):
            table.add_column(heading)
        for dag_id, run_id in runs:
            for task in self._sorted_tasks(dag_id, run_id):
                state = task["state"] or "waiting"
                seconds = f"{task['duration']:.1f}" if task["duration"] else ""
                first_line = (task["note"] or "").split("\n", 1)[0]
                style = STYLES.get(state, "")
                table.add_row(
                    dag_id, task["task_id"], Text(state, style), seconds, Text(first_line)
                )
        return table

    def _raise_failure(self, dag_id: str, run_id: str) -> None:
        failed_tasks = [t for t in self.client.tasks(dag_id, run_id) if t["state"] == "failed"]
        notes = "\n".join(f"{t['task_id']}: {t['note'] or 'see its log'}" for t in failed_tasks)
        logs = paths.home() / "airflow" / "logs" / f"dag_id={dag_id}"
        raise RunFailedError(
            "RUN-FAILED",
            f"{dag_id} failed; the published version is untouched.\n{notes}",
            f"correct what is named above and run again; full logs: {logs}",
        )


def print_summary(agency: Agency, console: Console) -> None:
    """Print the published figures and the places of the files; also in ``<state>/run.json``."""
    version = read_current(agency.agency)
    if version is None:
        return
    folder = paths.published(agency.agency) / "current"
    figures = read_summary(folder / "recording.duckdb")
    if agency.is_simulated:
        console.print("[bold black on yellow] SIMULATED [/] invented data; no real force")
    console.print(summary_text(figures), highlight=False, soft_wrap=True)
    files: dict[str, Path] = {
        "report": folder / "report.html",
        "worklist": folder / "worklist" / "index.html",
        "validation": folder / "validation.html",
        "database": folder / "recording.duckdb",
        "open": folder / "open",
    }
    console.print(f"\nas of {version['as_of'][:16]} UTC, version {version['version']}")
    for label, file in files.items():
        console.print(f"{label:<11} {file}", highlight=False, soft_wrap=True)
    console.print(f"{'decide':<11} {paths.CDI} desk", highlight=False, soft_wrap=True)
    summary = {
        "agency": agency.agency,
        "version": version["version"],
        "as_of": version["as_of"],
        **figures,
        "files": {label: str(file) for label, file in files.items()},
    }
    write_json(paths.home() / "run.json", summary)
