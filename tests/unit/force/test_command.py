"""The command that makes the simulated force, as `make run` and `make ui` call it first."""

import os
import subprocess
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner

from cdi import paths
from cdi.errors import BusyError
from cdi.files import take_lock
from cdi_force import generate
from cdi_force.__main__ import app
from tests.conftest import SAMPLE


@pytest.fixture
def made(state: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each call to make the simulated force; nothing is made."""
    asked: list[str] = []

    def ensure_force(_: object) -> dict[str, dict[str, int]]:
        asked.append(paths.variant())
        return {"rows": {}}

    monkeypatch.setattr(generate, "ensure_force", ensure_force)
    monkeypatch.delenv("CDI_AGENCIES", raising=False)
    for name in ("SCENARIO", "MONTHS", "SEED"):
        monkeypatch.setenv(name, "")  # restored after the command has set it
    return asked


def call(*options: str) -> str:
    """What the command prints; it must end well."""
    done = CliRunner().invoke(app, list(options), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_force_is_made_before_a_run(made: list[str]) -> None:
    assert "SIMULATED" in call("--before-run", "--months", "2")
    assert made == ["calibrated_2017-2-1"]


def test_no_force_is_made_before_a_run_that_the_registry_does_not_have(
    made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDI_AGENCIES", str(SAMPLE.parent))
    assert call("--before-run") == ""
    assert made == []


def test_no_force_is_made_before_a_run_of_other_data(
    made: list[str], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDI_DATA", str(state))
    assert call("--before-run") == ""
    assert made == []


def test_who_wants_the_same_force_meanwhile_waits_and_makes_none(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    second = Thread(target=generate.ensure_force)

    def make_force(_: object, __: object, sources: Path, truth: Path, ___: object) -> Any:
        made.append(sources)
        second.start()
        with pytest.raises(BusyError), take_lock(paths.home(), "the force"):
            pass
        for folder in (sources, truth):
            folder.mkdir(parents=True)
        return {}

    monkeypatch.setattr(generate, "make_force", make_force)
    generate.ensure_force()
    second.join()
    assert len(made) == 1
    assert (paths.simulated_sources() / "SIMULATED.txt").is_file()


@pytest.mark.parametrize(
    ("arguments", "is_made"),
    [
        (("run",), True),
        (("run", "AGENCY=nopd"), False),
        (("run", "DATA=folder"), False),
        (("ui",), True),
        (("ui", "DATA=folder"), False),
    ],
)
def test_make_asks_for_the_force_before_it_starts_airflow(
    arguments: tuple[str, ...], is_made: bool
) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        ["make", "--dry-run", *arguments],
        cwd=paths.REPO,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    before, airflow, _ = done.stdout.partition(f".venv/bin/cdi {arguments[0]}")
    assert airflow
    assert ("-m cdi_force --before-run" in before) is is_made
