"""The end of a command line: by a signal it stops what it started, and an error is told whole."""

import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cdi import cli

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


FAILURE = """
import typer
from cdi.console import run_app
from cdi.errors import CdiError

app = typer.Typer()


@app.command()
def fail() -> None:
    raise CdiError("KEY-RULE", "no number is like [a-z][/-][0-9]", "write [bold] or :star:")


run_app(app)
"""


def test_an_error_is_told_with_all_its_brackets() -> None:
    done = subprocess.run([sys.executable, "-c", FAILURE], capture_output=True, text=True)
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert told.startswith("Error ")
    assert "no number is like [a-z][/-][0-9]" in told
    assert "write [bold] or :star:" in told


@pytest.mark.parametrize("arguments", [["nopd"], ["--agency", "nopd"]])
def test_run_takes_an_agency_by_its_name_alone(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    monkeypatch.setattr(cli, "run_agency", lambda agency, console: ran.append(agency))
    monkeypatch.setattr(cli, "print_summary", lambda agency, console: ran.append(agency.agency))
    result = CliRunner().invoke(cli.app, ["run", *arguments])
    assert result.exit_code == 0, result.output
    assert ran == ["nopd", "nopd"]


@pytest.mark.parametrize(
    "arguments", [["nopd"], ["--agency", "nopd"], ["nopd", "--agency", "nopd"]]
)
def test_the_prompt_and_the_check_take_an_agency_by_its_name_alone(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENCY", "simulated")  # what is typed counts more
    checked = CliRunner().invoke(cli.app, ["check-agency", *arguments])
    assert checked.exit_code == 0, checked.output
    assert "nopd is valid" in " ".join(checked.output.split())
    opened: list[list[str]] = []
    noted: list[str] = []
    monkeypatch.setattr(cli, "note_command", lambda agency, *_: noted.append(agency))
    monkeypatch.setattr(cli.os, "execv", lambda _, command: opened.append(command))
    monkeypatch.setattr("cdi.local.shell.shell_command", lambda agency, **_: ["duckdb", agency])
    shown = CliRunner().invoke(cli.app, ["shell", *arguments])
    assert shown.exit_code == 0, shown.output
    assert noted == ["nopd"]
    assert opened == [["duckdb", "nopd"]]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "nopd", "--agency", "simulated"], "two agencies are named, nopd and simulated"),
        (["shell", "nopd", "--agency", "simulated"], "two agencies are named, nopd and simulated"),
        (["check-agency"], "no agency is named"),
    ],
)
def test_a_command_takes_one_agency(
    arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AGENCY", raising=False)
    monkeypatch.setattr(cli, "run_agency", lambda *_: pytest.fail("it ran"))
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("│", "").split())


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("run", "default: calibrated_2017."),
        ("ui", "default: 7."),
        ("desk", "same data; default: 1."),
        ("alerts", "default: now."),
        ("restore", "Name of the snapshot; default: the newest."),
        ("audit plan", "First day after the period; give it with --from."),
        ("decide", "`link` and `null_link` say whether a record belongs to a call"),
        ("decide", "E.g. .venv/bin/cdi decide nopd confirmed --call A-12345-22 --by 1207"),
        ("explain", "E.g. .venv/bin/cdi explain simulated"),
        ("feedback", "E.g. .venv/bin/cdi feedback simulated --month 2017-06 --output"),
        ("compare", "E.g. .venv/bin/cdi compare nopd"),
    ],
)
def test_help_says_what_holds_by_default_and_how_a_command_is_typed(
    command: str, said: str
) -> None:
    shown = CliRunner().invoke(cli.app, [*command.split(), "--help"], env={"COLUMNS": "100"})
    assert said in " ".join(shown.output.replace("│", " ").split())
