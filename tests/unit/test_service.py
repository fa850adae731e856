"""The local Airflow's own state: its secrets, and who owns it."""

import os
import secrets
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from cdi import paths, service
from cdi.service import ServiceError


def test_at_first_use_two_at_once_get_the_same_secrets(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = secrets.token_urlsafe

    def slowly(length: int) -> str:
        time.sleep(0.1)
        return make(length)

    monkeypatch.setattr(secrets, "token_urlsafe", slowly)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: service.password(), range(2))
    assert one == other
    (file,) = paths.secrets().iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def owner(home: Path) -> subprocess.Popen[str]:
    """A process that owns the state folder's Airflow and has started a child, whose pid it says."""
    code = (
        "import subprocess, sys, time\n"
        "from cdi import service\n"
        "with service.owned():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'])\n"
        "    print(child.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "CDI_HOME": str(home)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_beside_an_airflow_that_runs_none_is_started_and_nothing_is_stopped(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched: list[int] = []
    monkeypatch.setattr(service, "stop_leftovers", lambda: touched.append(1))
    monkeypatch.setattr(service, "prepare", touched.append)
    with owner(state) as first:
        assert first.stdout is not None
        child = psutil.Process(int(first.stdout.readline()))
        try:
            with (
                pytest.raises(ServiceError, match=f"SERVICE-BUSY.*by process {first.pid}\n"),
                service.airflow(service.RUN_COMPONENTS),
            ):
                pass
            assert touched == []
        finally:
            first.kill()
        first.wait()
        # a child that outlives its owner holds nothing: the next may stop it
        assert child.is_running()
        with service.owned():
            assert touched == [1]
            assert (state / "airflow" / ".lock").read_text() == str(os.getpid())


def test_an_owner_that_has_ended_leaves_the_way_free(state: Path) -> None:
    for _ in range(2):
        with service.owned(), pytest.raises(ServiceError, match="SERVICE-BUSY"), service.owned():
            pass
