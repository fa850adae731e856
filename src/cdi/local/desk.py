"""Run the desk alone: for a trial on this machine, or behind the proxy of an organisation."""

import secrets
import socket

import uvicorn
from rich.console import Console

from cdi.desk.oidc import make_oidc_desk
from cdi.desk.oidc_settings import read_oidc_settings
from cdi.desk.trial import make_trial_desk
from cdi.errors import CdiError

HOST = "127.0.0.1"


def serve_trial(port: int, console: Console) -> None:
    """Serve the desk with the trial log-in until Ctrl-C.

    Args:
        port: Of this machine; 0 takes any free one.
        console: Where address and code are printed.

    Raises:
        CdiError: DESK-PORT if the port cannot be taken.
    """
    code = secrets.token_hex(4)
    port = _find_port(HOST, port)
    console.print(f"The desk is at http://{HOST}:{port}/", highlight=False)
    console.print(f"Sign in with the code [bold]{code}[/bold]; it holds until Ctrl-C.")
    uvicorn.run(make_trial_desk(code), host=HOST, port=port, log_level="warning")


def serve_oidc(host: str, port: int, console: Console) -> None:
    """Serve the desk with the log-in of an organisation until Ctrl-C.

    It speaks plain HTTP, so a proxy with TLS must stand before it. Its address is that of the
    settings, and what a proxy's headers say of it is not used.

    Args:
        host: The address of this machine at which the proxy reaches the desk.
        port: Of that address; 0 takes any free one.
        console: Where the address is printed.

    Raises:
        CdiError: DESK-OIDC if a setting is missing or cannot be used; DESK-PORT if the port cannot
            be taken.
    """
    settings = read_oidc_settings()
    port = _find_port(host, port)
    console.print(f"The desk is at {settings.url}/", highlight=False, soft_wrap=True)
    console.print(f"The proxy reaches it at http://{host}:{port}/", highlight=False)
    uvicorn.run(
        make_oidc_desk(settings),
        host=host,
        port=port,
        root_path=settings.root,
        proxy_headers=False,
        server_header=False,
        log_level="warning",
    )


def _find_port(host: str, port: int) -> int:
    """Prove that a port can be taken, before its address is printed; 0 finds any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise CdiError(
            "DESK-PORT",
            f"the desk cannot be at port {port} of {host}: {error.strerror}",
            "end the other desk if one is running, or give another port; --port 0 takes a free one",
        ) from error
