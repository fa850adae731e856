"""`make run`: one agency's DAGs through a real scheduler, a live display, then a summary."""

import contextlib
import json
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
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.build.version import is_current, plan_version, read_current
from cdi.errors import CdiError
from cdi.local import airflow
from cdi.local.airflow import Client
from cdi.report.figures import read_summary, summary_text
from cdi.steps.run import is_up_to_date

STYLES = {
    "success": "green", "skipped": "dim", "running": "cyan", "failed": "bold red",
    "upstream_failed": "red", "up_for_retry": "yellow",
}  # fmt: skip
ENDED = {"success", "failed"}
ORDERS = {
    "extract": ("extract", "check", "landed"),
    "build": ("build", "check", "release", "confirm", "report", "publish"),
    "train": ("links", "text", "learnt"),
}


class RunFailedError(CdiError):
    """A DAG run that failed."""


def default_interval(agency: Agency) -> Interval:
    """The agency's coverage, or else its last whole day."""
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
    interval = default_interval(agency)
    days = interval.days(agency)
    console.print(f"[bold]{agency.name}[/bold]: {days[0]} to {days[-1]}")
    console.print(f"data from {agency.root}", highlight=False, soft_wrap=True)
    if is_up_to_date(name, interval):
        console.print("Nothing changed since the published version; nothing was run.\n")
    else:
        _run_dags(agency, interval, console)
    print_summary(agency, console)


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
    """`cdi.local.airflow.open_airflow`, with a clock on the screen until it is healthy.

    Args:
        console: Where the clock is shown.
        components: As `cdi.local.airflow.open_airflow` takes them.
        dag_ids: As `cdi.local.airflow.open_airflow` takes them.

    Yields:
        A client, logged in.
    """
    with contextlib.ExitStack() as stack:
        with moving_clock(console, "waiting until Airflow is healthy"):
            client = stack.enter_context(airflow.open_airflow(components, dag_ids))
        yield client


def moving_clock(console: Console, text: str = "") -> progress.Progress:
    """A spinner, a text and the time since, worked out whenever the screen is drawn.

    So it moves on while this program waits for an answer. Without a terminal it shows nothing.

    Args:
        console: Where it is shown, and whose clock counts.
        text: What is waited for.
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
    """The DAGs of an agency; the build first, so that it listens when batches land."""
    name = agency.agency
    return f"{name}__build", f"{name}__extract", f"{name}__train"


class Progress:
    """Follows the runs of an agency's DAGs and shows their tasks."""

    def __init__(self, client: Client, console: Console) -> None:
        """Start with no runs to show."""
        self.client = client
        self.console = console
        self.shown: list[tuple[str, str]] = []
        self.told: dict[tuple[str, str], str] = {}
        self.is_live = console.is_terminal
        self.clock = moving_clock(console)
        self.started = time.monotonic()

    def follow(self, agency: Agency, interval: Interval) -> None:
        """Run the extraction, and the build that it brings about (or that is due anyway).

        Where nothing was learnt from the agency's data yet, this follows, and the build with it.

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
        self._watch(extract_id, run_id)
        tasks = {t["task_id"]: t["state"] for t in self.client.tasks(extract_id, run_id)}
        if tasks["landed"] == "success":
            build_run = self._wait_for_new_run(build_id, set(before))
        elif is_current(plan_version(agency)):
            self.console.print("Nothing changed since the published version.")
            return
        else:
            build_run = self.client.trigger(build_id, {})
        self._watch(build_id, build_run)
        if not plan_version(agency).weights:
            self._learn(agency)

    def _learn(self, agency: Agency) -> None:
        build_id, _, train_id = dag_ids(agency)
        before = self.client.runs(build_id)
        run_id = self.client.trigger(train_id, {})
        self._watch(train_id, run_id)
        tasks = {t["task_id"]: t["state"] for t in self.client.tasks(train_id, run_id)}
        if tasks["learnt"] == "success":
            self._watch(build_id, self._wait_for_new_run(build_id, set(before)))

    def _wait_for_new_run(self, dag_id: str, known: set[str]) -> str:
        until = time.monotonic() + 60
        with self.clock:
            while time.monotonic() < until:
                new = sorted(set(self.client.runs(dag_id)) - known)
                if new:
                    return new[0]
                time.sleep(0.3)
        raise RunFailedError(
            "RUN-NOT-TRIGGERED",
            f"what is new did not start {dag_id} within a minute",
            f"read {paths.home() / 'airflow' / 'logs' / 'scheduler.log'}",
        )

    def _watch(self, dag_id: str, run_id: str) -> None:
        self.shown.append((dag_id, run_id))
        if self.is_live:
            with Live(
                self.clock, console=self.console, refresh_per_second=8, transient=True
            ) as live:
                state = self._poll(dag_id, run_id, live)
            self.console.print(self._table([(dag_id, run_id)]))
        else:
            state = self._poll(dag_id, run_id, None)
        if state != "success":
            self._explain(dag_id, run_id)

    def _poll(self, dag_id: str, run_id: str, live: Live | None) -> str:
        while True:
            state = self.client.runs(dag_id)[run_id]
            if live is not None:
                live.update(Group(self._table([(dag_id, run_id)]), self.clock))
            else:
                self._tell_changes(dag_id, run_id)
            if state in ENDED:
                return state
            time.sleep(0.5)

    def _tell_changes(self, dag_id: str, run_id: str) -> None:
        """Without a terminal: a line per task that ended or started."""
        for task in self._tasks(dag_id, run_id):
            key = (run_id, task["task_id"])
            state = task["state"]
            if state in STYLES and self.told.get(key) != state:
                self.told[key] = state
                self.console.print(
                    f"{time.monotonic() - self.started:6.1f} s  {dag_id}  {task['task_id']}: "
                    f"{state}", highlight=False,
                )  # fmt: skip

    def _tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """A run's tasks in the order of the flow."""
        order = ORDERS[dag_id.rpartition("__")[2]]
        return sorted(
            self.client.tasks(dag_id, run_id),
            key=lambda task: order.index(task["task_id"].rpartition(".")[2]),
        )

    def _table(self, runs: list[tuple[str, str]]) -> Table:
        table = Table(box=None, pad_edge=False)
        for heading in ("DAG", "task", "state", "seconds", "evidence"):
            table.add_column(heading)
        for dag_id, run_id in runs:
            for task in self._tasks(dag_id, run_id):
                state = task["state"] or "waiting"
                seconds = f"{task['duration']:.1f}" if task["duration"] else ""
                first = (task["note"] or "").split("\n", 1)[0]
                style = STYLES.get(state, "")
                table.add_row(dag_id, task["task_id"], Text(state, style), seconds, Text(first))
        return table

    def _explain(self, dag_id: str, run_id: str) -> None:
        failed = [t for t in self.client.tasks(dag_id, run_id) if t["state"] == "failed"]
        told = "\n".join(f"{t['task_id']}: {t['note'] or 'see its log'}" for t in failed)
        logs = paths.home() / "airflow" / "logs" / f"dag_id={dag_id}"
        raise RunFailedError(
            "RUN-FAILED",
            f"{dag_id} failed; the published version is untouched.\n{told}",
            f"mend what is named above and run again; full logs: {logs}",
        )


def print_summary(agency: Agency, console: Console) -> None:
    """Print the published figures and where the files are; also to ``<state>/run.json``."""
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
    made = {"agency": agency.agency, "version": version["version"], "as_of": version["as_of"],
            **figures, "files": {k: str(v) for k, v in files.items()}}  # fmt: skip
    (paths.home() / "run.json").write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
