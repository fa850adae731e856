"""What `make run` shows on a terminal while it waits."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, active_count
from typing import Any, cast

import pytest
from rich.console import Console

from cdi import paths
from cdi.build.dbt import Done, count_done
from cdi.local import airflow, display
from cdi.local.airflow import Client, stretch
from cdi.local.display import moving_clock, show_step
from cdi.local.run import Progress, RunFailedError, name_step, run_agency, start_airflow
from tests.conftest import SmallAgency


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
        self.attempt = (1, datetime.fromtimestamp(0, UTC))  # its number, and when it began

    def runs(self, dag_id: str) -> dict[str, str]:
        """The run's state; the second time it takes 31 seconds."""
        self.polls += 1
        if self.polls == 2:
            self.screen.seconds += 31
            self.has_moved = self.screen.shows("0:00:31")
        return {"run": "running" if self.polls == 1 else "success"}

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The run's only task."""
        number, began = self.attempt
        return [
            {
                "task_id": "build",
                "state": "running",
                "try_number": number,
                "start_date": began.isoformat(),
                "duration": None,
                "note": None,
            }
        ]


def test_the_clock_moves_while_a_poll_waits() -> None:
    screen = Screen()
    client = SlowClient(screen)
    progress = Progress(cast("Client", client), screen.console)
    with show_step(screen.console, name_step("build")) as show:
        progress._watch_run("testville__build", "run", show)
    assert client.has_moved
    assert screen.getvalue().startswith("Step 3 of 3: learn what is not learnt yet")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_step_ends_with_its_tasks_and_names_no_dag(is_terminal: bool) -> None:
    screen = Screen(is_terminal)
    task = {"task_id": "build", "state": "running", "duration": None, "note": "43 of 77 models"}
    ended = {**task, "state": "success", "duration": 12.04, "note": "122 models"}
    with (
        pytest.raises(RunFailedError),
        show_step(screen.console, name_step("build")) as show,
    ):
        show([task])
        show([task])
        show([ended])
        raise RunFailedError("RUN-FAILED", "what", "fix")
    last = screen.getvalue().splitlines()[-1].split()
    if is_terminal:
        assert last == ["build", "success", "12.0", "122", "models"]
    else:
        assert last[-2:] == ["build:", "success"]
        assert screen.getvalue().count("running") == 1
    assert "testville__build" not in screen.getvalue()


def test_without_a_terminal_a_line_comes_now_and_then_while_nothing_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(display, "SECONDS_BETWEEN_NOTES", 0.05)
    screen = Screen(is_terminal=False)
    states = {
        None: "still working",
        "queued": "calls.extract: waits for its turn",
        "running": "calls.extract: still running",
        "up_for_retry": "calls.extract: waits for its next try: [DISK-FULL] no [/room] left",
    }
    threads = active_count()
    with show_step(screen.console, name_step("start")) as show:
        for state, told in states.items():
            note = "[DISK-FULL] no [/room] left\n  Next step" if state == "up_for_retry" else None
            show([{"task_id": "calls.extract", "state": state, "duration": None, "note": note}])
            assert screen.shows(told)
    # nothing is printed after the end of the step; a thread of another test may have ended too
    assert active_count() <= threads


@pytest.mark.parametrize(
    ("state", "note", "told"),
    [
        ("failed", "[SRC-CUT] calls.csv ends in the middle of a row", "failed: [SRC-CUT] calls"),
        ("up_for_retry", "[DISK-FULL] no room", "up_for_retry: [DISK-FULL] no room"),
        ("up_for_retry", None, "up_for_retry: see its log"),
    ],
)
def test_without_a_terminal_a_failure_is_printed_with_its_reason(
    state: str, note: str | None, told: str
) -> None:
    screen = Screen(is_terminal=False)
    task = {"task_id": "calls.extract", "state": state, "duration": 1.0, "note": note}
    with show_step(screen.console, name_step("extract")) as show:
        show([task])
        show([task])
    assert screen.getvalue().count(f"calls.extract: {told}") == 1


@pytest.mark.parametrize("is_terminal", [True, False])
def test_airflow_is_stopped_before_the_error_of_a_failed_run_and_that_is_said(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    screen = Screen(is_terminal)
    said = []

    @contextmanager
    def stop_slowly(*_: Any) -> Iterator[str]:
        yield "client"
        said.append("Stopping Airflow" in screen.getvalue())

    def fail(*_: Any) -> None:
        raise RunFailedError("RUN-FAILED", "what", "fix")

    monkeypatch.setattr(airflow, "open_airflow", stop_slowly)
    monkeypatch.setattr(Progress, "follow", fail)
    with pytest.raises(RunFailedError, match="RUN-FAILED"):
        run_agency("testville", screen.console)
    assert said == [True]
    assert "no process is left" not in screen.getvalue()


def write_log(folder: Path, count: int, total: int, seconds: float) -> None:
    """Write a log in which dbt has ended so many models; it was written at that time."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "dbt.log"
    line = "02:41:51 [info ] [Thread-1 (]: {} of {} OK created sql table model a . [OK in 0.5s]\n"
    log.write_text("".join(line.format(n + 1, total) for n in range(count)), encoding="utf-8")
    os.utime(log, (seconds, seconds))


def test_the_build_says_what_it_learns_first(state: Path) -> None:
    dbt = state / "dbt"
    write_log(dbt / "testville", 200, 243, seconds=100)
    write_log(dbt / "testville_2.int_disclosure__text_lessons", 1, 9, seconds=900)
    client = SlowClient(Screen())

    def told() -> str | None:
        progress = Progress(cast("Client", client), Console(quiet=True))
        (task,) = progress._list_tasks("testville__build", "", 200)
        note: str | None = task["note"]
        return note

    assert told() is None  # the log of the build before, and one of another agency
    write_log(dbt / "testville.int_disclosure__text_lessons", 3, 31, seconds=300)
    assert told() == "learning how logs are read, 3 of 31 models"
    weights = "int_linkage__learnt_weights.int_linkage__learnt_calibration"
    write_log(dbt / f"testville.{weights}", 12, 40, seconds=400)
    assert told() == "learning how records and logs are compared, 12 of 40 models"
    write_log(dbt / "testville", 2, 243, seconds=500)
    assert told() == "2 of 243 models and tests"
    client.attempt = (2, datetime.fromtimestamp(600, UTC))  # the first was killed
    assert told() == "attempt 2"
    write_log(dbt / "testville", 1, 243, seconds=700)
    assert told() == "attempt 2, 1 of 243 models and tests"


def test_the_build_says_how_far_dbt_is_by_the_log_of_this_build_alone(state: Path) -> None:
    log = state / "dbt" / "testville" / "dbt.log"
    assert count_done("testville", since=0) is None
    log.parent.mkdir(parents=True)
    log.write_text(
        "02:41:50 [info ] [Thread-1 (]: 1 of 243 START sql table model a ......... [RUN]\n"
        "02:41:50 [info ] [Thread-2 (]: 2 of 243 START sql table model b ......... [RUN]\n",
        encoding="utf-8",
    )
    assert count_done("testville", since=0) is None
    with log.open("a", encoding="utf-8") as more:
        more.write(
            "02:41:51 [info ] [Thread-1 (]: 1 of 243 OK created sql table model a . [OK in 0.5s]\n"
            "02:41:51 [info ] [Thread-1 (]: 3 of 243 START test rules_a .............. [RUN]\n"
            "02:41:52 [info ] [Thread-1 (]: 3 of 243 PASS rules_a .................. [PASS in 1s]\n"
            "02:41:53 [info ] [MainThread]: 1 of 3 START hook: cdi.on-run-end.0 ...... [RUN]\n"
            "02:41:53 [info ] [MainThread]: 1 of 3 OK hook: cdi.on-run-end.0 ....... [OK in 0.2s]\n"
        )
    assert count_done("testville", since=0) == Done(2, 243)
    assert count_done("testville", since=log.stat().st_mtime + 1) is None  # the build before


@pytest.mark.parametrize(("load", "seconds"), [(0.5, 120), (2, 120), (20, 1200)])
def test_a_busy_machine_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, load: float, seconds: float
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0, 0))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert stretch(120) == seconds


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
