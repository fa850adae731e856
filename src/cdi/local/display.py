"""What `make run` shows while it works: the step it is at, the step's tasks, a clock that moves."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
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
        otherwise as a line for each task that started or ended.
    """
    console.print(what, style="bold", highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield _Lines(console).show
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
        self.started = time.monotonic()
        self.printed: dict[str, str] = {}
        self.last = self.started

    def show(self, tasks: Sequence[Task]) -> None:
        """Print a line for each task whose state has changed, and now and then how far one is."""
        for task in tasks:
            name, state = task["task_id"], task["state"]
            if state in STYLES and self.printed.get(name) != state:
                self.printed[name] = state
                self._print(f"{name}: {state}")
            elif state == "running" and time.monotonic() - self.last > SECONDS_BETWEEN_NOTES:
                note = (task["note"] or "").split("\n", 1)[0]
                self._print(f"{name}: {note or 'still running'}")

    def _print(self, text: str) -> None:
        self.last = time.monotonic()
        self.console.print(f"{self.last - self.started:6.1f} s  {text}", highlight=False)


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
        note = (task["note"] or "").split("\n", 1)[0]
        table.add_row(task["task_id"], Text(state, STYLES.get(state, "")), seconds, Text(note))
    return table
