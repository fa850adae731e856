"""Runs the worker of a force: it takes the force's tasks from the centre, and does them at home.

All data stay in the state folder of this machine. The centre is told which task began and ended,
and of its note the outline (`cdi_airflow.notes`). docs/islands.md says how the centre is set up.
"""

import contextlib
import importlib.util
import json
import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from cdi import paths
from cdi.errors import CdiError
from cdi.local.airflow import house_environment
from cdi.local.edge_keys import read_or_make_key

MODULE = "cdi_airflow.edge_worker"
_PROVIDER = "airflow.providers.edge3"
# How often a task asks the centre before it gives up, with pauses that grow: some five minutes, as
# the worker itself does. By Airflow's own five it would not outlive a restart of the centre.
_PATIENCE = {"AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "12"}


def connections_file() -> Path:
    """Where a force may keep the connections to its own sources, as JSON by connection id."""
    return paths.secrets() / "connections.json"


def worker_environment(centre: str, *, push_logs: bool) -> dict[str, str]:
    """Make the environment of a force's worker.

    It has no secret of the centre's, no address of its database and no account there. Connections
    to the force's own sources are read from this machine: the file `connections_file`,
    AIRFLOW_CONN_<ID>, or a secrets backend that this process's environment names. For one that is
    not there Airflow asks the centre, whose guard (`cdi_airflow.edge_guard`) says that it has none.

    Args:
        centre: Where people find the centre's Airflow, e.g. ``https://airflow.example.org``.
        push_logs: Whether the logs of tasks go to the centre, where they may name files, references
            and what an error quoted.

    Raises:
        CdiError: EDGE-CENTRE if this is no address of a web server.
    """
    parts = urlsplit(centre)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CdiError(
            "EDGE-CENTRE",
            f"{centre!r} is not an address of the centre",
            "give it as people open it: --centre https://airflow.example.org",
        )
    centre = centre.rstrip("/")
    settings = {
        "core__execution_api_server_url": f"{centre}/execution/",
        "edge__api_url": f"{centre}/edge_worker/v1/rpcapi",
        "edge__push_logs": push_logs,
        "logging__base_log_folder": paths.home() / "airflow" / "logs",
    }
    connections = connections_file()
    if connections.exists():
        settings |= {
            "workers__secrets_backend": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
            "workers__secrets_backend_kwargs": json.dumps(
                {"connections_file_path": str(connections)}
            ),
        }
    plugins = [str(paths.REPO / "plugins"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **_PATIENCE,
        **os.environ,
        "PYTHONPATH": os.pathsep.join(plugins),
        **house_environment(settings),
    }


def pid_file() -> Path:
    """Where the running worker writes the number of its process."""
    return paths.home() / "airflow" / "edge-worker.pid"


def worker_command(queue: str, concurrency: int) -> list[str]:
    """Give the command of a worker, by which the centre knows it as ``<queue>.<this machine>``."""
    name = f"{queue}.{socket.gethostname()}"
    options = ["--edge-hostname", name, "--concurrency", str(concurrency), "--pid", str(pid_file())]
    return [sys.executable, "-m", MODULE, queue, *options]


def become_worker(queue: str, centre: str, *, concurrency: int, push_logs: bool) -> None:
    """Become the worker of a queue; this process is its from here on.

    Args:
        queue: The queue, as `runs_on` of the agency names it.
        centre: See `worker_environment`.
        concurrency: How many tasks it does at once.
        push_logs: See `worker_environment`.

    Raises:
        CdiError: EDGE-KEY, EDGE-CENTRE; EDGE-PROVIDER if Airflow's edge provider is not installed.
    """
    if importlib.util.find_spec(_PROVIDER) is None:
        raise CdiError(
            "EDGE-PROVIDER",
            "Airflow's edge provider is not installed here",
            "use the image of this project, or install requirements/server.txt",
        )
    read_or_make_key(queue)
    environment = worker_environment(centre, push_logs=push_logs)
    (paths.home() / "airflow" / "logs").mkdir(parents=True, exist_ok=True)
    # A worker that was killed leaves its file, and in a container the next one often has the same
    # number, which the provider takes for a worker that runs. A file with our own number is stale.
    with contextlib.suppress(FileNotFoundError, ValueError):
        if int(pid_file().read_text(encoding="utf-8")) == os.getpid():
            pid_file().unlink()
    command = worker_command(queue, concurrency)
    os.execve(command[0], command, environment)  # noqa: S606 -- a fixed program
