"""Measuring, and the one file of results: ``<state>/bench/results.json``.

It is a list of ``{name, rows, wall_s, cpu_s, peak_mib, compared_to, ratio}``. `rows` has the number
of rows of each table that was worked on; `ratio` is the wall time as a multiple of that of the
result which `compared_to` names. What a part does not measure is null.
"""

import math
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from cdi import paths
from cdi.files import read_json_list, write_json

NOT_MEASURED = math.nan  # of a cost: 0 would say that it was nothing


@dataclass(frozen=True)
class Cost:
    """What a piece of work cost, each `NOT_MEASURED` where it was not measured.

    Attributes:
        wall_s: Seconds by the clock.
        cpu_s: Seconds of all cores, user and system, of the process and its children.
        peak_mib: The peak of the memory of the process and its children together.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float


class Peak:
    """Watches the memory of a process and its children; `mib` is its peak.

    A page that several processes share counts once, as in what a machine must have. It is measured
    ten times a second, so a shorter peak may be missed.
    """

    def __init__(self, pid: int | None = None) -> None:
        """Name the process to watch; by default it is this one."""
        self._watched = psutil.Process(pid)

    def __enter__(self) -> "Peak":
        """Begin to watch."""
        self.mib, self._is_over = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch_memory, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the watch."""
        self._is_over.set()
        self._thread.join()

    def _watch_memory(self) -> None:
        """Note the largest sum of their shares of memory until the watch ends."""
        while not self._is_over.wait(0.1):
            total = 0
            try:
                for process in (self._watched, *self._watched.children(recursive=True)):
                    total += process.memory_full_info().pss
            except psutil.Error:
                continue  # a process ended meanwhile
            self.mib = max(self.mib, total / 2**20)


def run_measured(command: Sequence[str], env: Mapping[str, str] | None = None) -> Cost:
    """Run a command in a process of its own and measure it, imports included.

    Args:
        command: The program and its arguments.
        env: Environment variables to add.

    Raises:
        subprocess.CalledProcessError: If it fails.
    """
    started = time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, **(env or {})})
    with Peak(process.pid) as peak:
        # Unlike Popen.wait, this tells the use of the CPU, that of its children included.
        _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(wall, used.ru_utime + used.ru_stime, peak.mib)


def results_file() -> Path:
    """The file of results."""
    return paths.home() / "bench" / "results.json"


def read_results() -> list[dict[str, Any]]:
    """Read the results so far."""
    return read_json_list(results_file()) if results_file().is_file() else []


def name_result(*parts: str) -> str:
    """The name of a result: a result of the same name replaces it, so each option is part of it.

    Args:
        parts: What was measured, and each option; those that are as usual are left blank.
    """
    return ", ".join(filter(None, parts))


def keep_result(
    name: str, rows: Mapping[str, float], cost: Cost, compared_to: str | None = None
) -> dict[str, Any]:
    """Add a result to the file; it replaces an earlier result of the same name.

    Args:
        name: What was measured.
        rows: The number of rows of each table that was worked on.
        cost: What it cost.
        compared_to: The name of an earlier result that it is compared with.

    Returns:
        The result as it was kept.
    """
    others = [row for row in read_results() if row["name"] != name]
    base = {row["name"]: row for row in others}[compared_to] if compared_to else None
    row = {
        "name": name,
        "rows": dict(rows),
        "wall_s": _round_measured(cost.wall_s, 2),
        "cpu_s": _round_measured(cost.cpu_s, 2),
        "peak_mib": _round_measured(cost.peak_mib),
        "compared_to": compared_to,
        "ratio": round(cost.wall_s / base["wall_s"], 2) if base else None,
    }
    results_file().parent.mkdir(parents=True, exist_ok=True)
    write_json(results_file(), [*others, row])
    return row


def _round_measured(value: float, digits: int | None = None) -> float | None:
    return None if math.isnan(value) else round(value, digits)
