"""What `make run` shows while it works: the step it is at, the step's tasks, a clock that moves."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from threading import Event, Thread
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

STYLES = {
    "success": "green",
    "skipped": "dim",
    "running": "cyan",
    "failed": "bold red",
    "upstream_failed": "red",
    "up_for_retry": "yellow",
}
FAILURES = {"failed", "up_for_retry"}  # a reason is printed with these
WAITING = {
    "scheduled": "waits for its turn",
    "queued": "waits for its turn",
    "running": "still running",
    "up_for_retry": "waits for its next try",
}
SECONDS_BETWEEN_NOTES = 30  # where nothing can be drawn again
Task = dict[str, Any]  # as `cdi.local.airflow.Client.tasks` gives it
Show = Callable[[Sequence[Task]], None]


def moving_clock(console: Console, text: str = "") -> Progress:
    """Make a clock: a spinner, a text and the time since it began.

    It is worked out whenever the screen is drawn, so it moves on while this program waits for an
    answer. Without a terminal it shows nothing.

    Args:
        console: Where it is shown, and whose clock counts.
        text: What the program waits for.
    """
    clock = Progress(
        SpinnerColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    clock.add_task(text, total=None)
    return clock


@contextlib.contextmanager
def show_step(console: Console, what: str) -> Iterator[Show]:
    """Print which step begins, and let a clock move until it ends.

    Args:
        console: Where.
        what: The number of the step, and what is done in it.

    Yields:
        Shows the tasks of the step as they are now: on a terminal as a table that changes,
        otherwise as a line for each task that started or ended, and a line now and then while
        nothing changes.
    """
    console.print(what, style="bold", highlight=False, soft_wrap=True)
    if not console.is_terminal:
        lines = _Lines(console)
        with lines.repeat():
            yield lines.show
        return
    clock = moving_clock(console)
    shown: list[Table] = []
    try:
        with Live(clock, console=console, refresh_per_second=8, transient=True) as live:

            def show(tasks: Sequence[Task]) -> None:
                shown[:] = [make_table(tasks)]
                live.update(Group(*shown, clock))

            yield show
    finally:
        for table in shown:  # it stays, also if the step failed
            console.print(table)


class _Lines:
    """Prints the changes of tasks line by line, for a place where nothing can be drawn again."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.started = self.last = time.monotonic()
        self.printed: dict[str, str] = {}
        self.tasks: Sequence[Task] = ()

    def show(self, tasks: Sequence[Task]) -> None:
        """Print a line for each task whose state has changed; if it failed, with the reason."""
        self.tasks = tasks
        for task in tasks:
            name, state = task["task_id"], task["state"]
            if state in STYLES and self.printed.get(name) != state:
                self.printed[name] = state
                reason = _first_line(task) or "see its log" if state in FAILURES else ""
                self._print(name, state, reason)

    @contextlib.contextmanager
    def repeat(self) -> Iterator[None]:
        """Say what is waited for whenever nothing was printed for `SECONDS_BETWEEN_NOTES`.

        A thread says it, because the program may itself be waiting for an answer.
        """
        ended = Event()

        def speak() -> None:
            while not ended.wait(self.last + SECONDS_BETWEEN_NOTES - time.monotonic()):
                if time.monotonic() - self.last >= SECONDS_BETWEEN_NOTES:
                    self._print_waiting()

        thread = Thread(target=speak, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _print_waiting(self) -> None:
        """Print how far each task is that has begun and has not ended."""
        waiting = [task for task in self.tasks if task["state"] in WAITING]
        for task in waiting:
            self._print(task["task_id"], WAITING[task["state"]], _first_line(task))
        if not waiting:
            self._print("still working")

    def _print(self, *parts: str) -> None:
        self.last = time.monotonic()
        text = ": ".join(filter(None, parts))
        self.console.print(
            f"{self.last - self.started:6.1f} s  {text}",
            highlight=False,
            markup=False,  # a note may have brackets
            soft_wrap=True,
        )


def _first_line(task: Task) -> str:
    """The first line of a task's note; blank if it has none."""
    note: str = task["note"] or ""
    return note.split("\n", 1)[0]


def make_table(tasks: Sequence[Task]) -> Table:
    """Make a table of the tasks of one run.

    Args:
        tasks: In the order in which they are shown.
    """
    table = Table(box=None, pad_edge=False)
    for heading in ("task", "state", "seconds", "note"):
        table.add_column(heading)
    for task in tasks:
        state = task["state"] or "waiting"
        seconds = f"{task['duration']:.1f}" if task["duration"] else ""
        table.add_row(
            task["task_id"], Text(state, STYLES.get(state, "")), seconds, Text(_first_line(task))
        )
    return table
