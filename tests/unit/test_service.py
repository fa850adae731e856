"""The local Airflow's own state: its secrets."""

import secrets
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cdi import paths, service


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
