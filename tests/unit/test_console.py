"""The end of a command line: by a signal, it stops what it started."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import time
import typer
from cdi.console import run_app

app = typer.Typer()


@app.command()
def wait() -> None:
    try:
        print("started", flush=True)
        time.sleep(60)
    finally:
        print("what was started is stopped", flush=True)


run_app(app)
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name)
def test_a_kill_and_a_closed_terminal_stop_what_the_program_started(
    ending: signal.Signals,
) -> None:
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(ending)
        assert process.stdout.read() == "what was started is stopped\n"
    assert process.returncode == 128 + ending
