"""What `make run` shows on a terminal while it waits."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest
from rich.console import Console

from cdi import paths
from cdi.local import airflow
from cdi.local.airflow import Client
from cdi.local.run import (
    Progress,
    RunFailedError,
    moving_clock,
    run_agency,
    start_airflow,
)


class Screen(io.StringIO):
    """What is written to the terminal, and a clock that stands where a test puts it."""

    def __init__(self, is_terminal: bool = True) -> None:
        """Show nothing yet."""
        super().__init__()
        self.seconds = 100.0
        self.awaited = "nothing"
        self.has_come = Event()
        self.console = Console(
            file=self,
            force_terminal=is_terminal,
            color_system=None,
            width=100,
            get_time=lambda: self.seconds,
        )

    def write(self, text: str) -> int:
        """Write, and notice the text that is waited for."""
        if self.awaited in text:
            self.has_come.set()
        return super().write(text)

    def shows(self, text: str) -> bool:
        """Whether the text appears from now on; it is waited for."""
        self.has_come.clear()
        self.awaited = text
        return self.has_come.wait(timeout=30)


def test_the_clock_tells_the_time_at_which_it_is_drawn() -> None:
    screen = Screen()
    clock = moving_clock(screen.console, "waiting for the tests")
    screen.seconds += 5
    screen.console.print(clock)
    assert "0:00:05 waiting for the tests" in screen.getvalue()
    screen.seconds += 61
    screen.console.print(clock)
    assert "0:01:06 waiting for the tests" in screen.getvalue()


class SlowClient:
    """A client whose second poll is not answered before the clock on the screen has moved."""

    def __init__(self, screen: Screen) -> None:
        """No poll yet."""
        self.screen = screen
        self.polls = 0
        self.has_moved = False

    def runs(self, dag_id: str) -> dict[str, str]:
        """The run's state; the second time it takes 31 seconds."""
        self.polls += 1
        if self.polls == 2:
            self.screen.seconds += 31
            self.has_moved = self.screen.shows("0:00:31")
        return {"run": "running" if self.polls == 1 else "success"}

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The run's only task."""
        return [{"task_id": "build", "state": "running", "duration": None, "note": None}]


def test_the_clock_moves_while_a_poll_waits() -> None:
    screen = Screen()
    client = SlowClient(screen)
    progress = Progress(cast("Client", client), screen.console)
    progress._watch_run("testville__build", "run")
    assert client.has_moved


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_clock_runs_until_airflow_is_up(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    screen = Screen(is_terminal)
    shown = []

    @contextmanager
    def slow_airflow(*_: Any) -> Iterator[str]:
        if is_terminal:
            screen.seconds += 75
            shown.append(screen.shows("0:01:15 waiting until Airflow is healthy"))
        yield "client"

    monkeypatch.setattr(airflow, "open_airflow", slow_airflow)
    with start_airflow(screen.console, airflow.RUN_COMPONENTS) as client:
        assert cast("str", client) == "client"
        told = len(screen.getvalue())
        assert screen.console._live_stack == []  # the clock is gone
    if is_terminal:
        assert shown == [True]
    else:
        assert told == 0


def test_a_force_that_was_not_made_is_named_before_airflow_starts(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CDI_AGENCIES", raising=False)
    monkeypatch.setattr(airflow, "open_airflow", lambda *_: pytest.fail("Airflow was started"))
    with pytest.raises(RunFailedError, match="RUN-NOT-SIMULATED"):
        run_agency(paths.SIMULATED, Console(quiet=True))
