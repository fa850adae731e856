"""The command line: what it does before Airflow starts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cdi import cli, paths, runner, service
from tests.conftest import SAMPLE


class StartedError(Exception):
    """Airflow would start now."""


@pytest.fixture
def simulated(state: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each call to make the simulated force; nothing is made, and Airflow is not started."""
    asked: list[str] = []

    @contextmanager
    def airflow(*_: object) -> Iterator[None]:
        raise StartedError
        yield

    monkeypatch.setattr(service, "airflow", airflow)
    monkeypatch.setattr(runner, "simulate", lambda _: asked.append("simulated"))
    monkeypatch.delenv("CDI_AGENCIES", raising=False)
    return asked


def start_ui(*options: str) -> None:
    """Run `cdi ui` up to the start of Airflow."""
    done = CliRunner().invoke(cli.app, ["ui", *options])
    assert isinstance(done.exception, StartedError), done.output


def test_the_ui_makes_the_simulated_force_first(simulated: list[str]) -> None:
    start_ui()
    assert simulated == ["simulated"]


def test_the_ui_makes_no_force_that_the_registry_does_not_have(
    simulated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDI_AGENCIES", str(SAMPLE.parent))
    start_ui()
    assert simulated == []


def test_the_ui_makes_no_force_where_the_data_is_elsewhere(
    simulated: list[str], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDI_DATA", str(state))
    start_ui()
    assert simulated == []


def test_a_run_of_an_agency_that_the_registry_does_not_have_simulates_nothing(
    simulated: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDI_AGENCIES", str(SAMPLE.parent))
    done = CliRunner().invoke(cli.app, ["run", "--agency", paths.SIMULATED])
    assert "AGENCY-UNKNOWN" in str(done.exception)
    assert simulated == []
