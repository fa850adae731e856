"""Commands for a force that does its tasks at home, and for the centre that gives them to it."""

import json
import sys
from typing import Annotated

import typer

from cdi.console import say_line
from cdi.errors import CdiError

PANEL = "Operate"
edge = typer.Typer(
    help="Run a force's tasks at the force: its key, its worker, and whom the centre trusts.",
    no_args_is_help=True,
)
QueueArgument = Annotated[str, typer.Argument(help="The queue: `runs_on` in agency.yaml.")]


@edge.command("key")
def show_key(queue: QueueArgument) -> None:
    """At the force: make the key of its workers, and print the public half for the centre.

    The private half stays in <state>/secrets/edge/. E.g. .venv/bin/cdi edge key northmoor
    """
    from cdi.local.edge_keys import read_or_make_key

    say_line(json.dumps(read_or_make_key(queue)))


@edge.command("trust")
def trust(
    key: Annotated[
        str, typer.Argument(help="The line that the command `key` printed; - reads the input.")
    ] = "-",
) -> None:
    """At the centre: let the owner of a key take the tasks of the queue that it names.

    Make sure by another way, such as a call, that the line came from the force. The API server has
    to be started again, as Airflow reads the list of keys once.
    """
    from cdi.local.edge_keys import trust_key

    queue = trust_key(sys.stdin.read() if key == "-" else key)
    say_line(f"the owner of this key may take the tasks of the queue {queue}")


@edge.command("distrust")
def distrust(queue: QueueArgument) -> None:
    """At the centre: take a key off the list; from now on its owner is refused."""
    from cdi.local.edge_keys import distrust_key

    if not distrust_key(queue):
        raise CdiError("EDGE-KEY", f"no key is trusted for {queue}", "name a queue that has one")
    say_line(f"no key opens the queue {queue} any more")


@edge.command("worker")
def run_worker(
    queue: Annotated[
        str, typer.Argument(envvar="CDI_QUEUE", help="The queue: `runs_on` in agency.yaml.")
    ],
    centre: Annotated[
        str,
        typer.Option(envvar="CDI_CENTRE", help="Where people find the centre's Airflow, as a URL."),
    ],
    concurrency: Annotated[int, typer.Option(min=1, help="Tasks at once.")] = 2,
    push_logs: Annotated[
        bool,
        typer.Option(
            "--push-logs",
            help="Send the logs of tasks to the centre too. They may name files and references.",
        ),
    ] = False,
) -> None:
    """At the force: take the queue's tasks from the centre, and do them on this machine.

    E.g. .venv/bin/cdi edge worker northmoor --centre https://airflow.example.org
    """
    from cdi.local.edge import become_worker

    become_worker(queue, centre, concurrency=concurrency, push_logs=push_logs)
