"""The desk alone: no address is told that somebody else has taken."""

import io
import socket
from types import SimpleNamespace

import pytest
from rich.console import Console

from cdi.errors import CdiError
from cdi.local import desk


@pytest.mark.parametrize("is_trial", [True, False])
def test_a_port_that_is_taken_is_told_before_any_address(
    is_trial: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SimpleNamespace(url="https://desk.example.org", root="")
    monkeypatch.setattr(desk, "read_oidc_settings", lambda: settings)
    monkeypatch.setattr(desk, "make_oidc_desk", lambda _: "an app")
    started: list[int] = []
    monkeypatch.setattr(desk.uvicorn, "run", lambda app, **options: started.append(options["port"]))
    told = io.StringIO()

    def serve(port: int) -> None:
        console = Console(file=told, width=200)
        if is_trial:
            desk.serve_trial(port, console)
        else:
            desk.serve_oidc("127.0.0.1", port, console)

    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(CdiError, match=rf"DESK-PORT.*{taken}[^$]*--port 0"):
            serve(taken)
        assert (told.getvalue(), started) == ("", [])
        serve(0)
    (port,) = started
    assert port not in (0, taken)
    assert f"http://127.0.0.1:{port}/" in told.getvalue()
