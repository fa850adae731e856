"""Run the desk alone, as a web server of this machine."""

import secrets

import uvicorn
from rich.console import Console

from cdi.desk.trial import make_trial_desk
from cdi.local.airflow import free_port

HOST = "127.0.0.1"


def serve_trial(port: int, console: Console) -> None:
    """Serve the desk with the trial log-in until Ctrl-C.

    Args:
        port: Of this machine; 0 takes any free one.
        console: Where address and code are printed.
    """
    code = secrets.token_hex(4)
    port = port or free_port()
    console.print(f"The desk is at http://{HOST}:{port}/", highlight=False)
    console.print(f"Sign in with the code [bold]{code}[/bold]; it holds until Ctrl-C.")
    uvicorn.run(make_trial_desk(code), host=HOST, port=port, log_level="warning")
