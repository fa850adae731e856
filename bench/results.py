"""Measuring, and the one file of results: ``<state>/bench/results.json``.

A list of ``{name, rows, wall_s, cpu_s, peak_mib, compared_to, ratio}``. `rows` counts what was
worked on by table; `ratio` is wall time as a multiple of that of the result named in `compared_to`.
"""

import json
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


@dataclass(frozen=True)
class Cost:
    """What a piece of work cost.

    Attributes:
        wall_s: Seconds by the clock.
        cpu_s: Seconds of all cores, user and system, of the process and its children.
        peak_mib: Peak of the resident memory of the process and its children together.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float


class Peak:
    """Peak of the resident memory of a process and its children, in MiB; by default of this one."""

    def __init__(self, pid: int | None = None) -> None:
        """Name the process to watch."""
        self._watched = psutil.Process(pid)

    def __enter__(self) -> "Peak":
        """Start to watch."""
        self.mib, self._is_over = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(0.1):
            total = 0
            try:
                for process in (self._watched, *self._watched.children(recursive=True)):
                    total += process.memory_info().rss
            except psutil.Error:
                continue  # it ended meanwhile
            self.mib = max(self.mib, total / 2**20)


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> Cost:
    """Run a command as a process of its own and measure it, imports included.

    Args:
        command: Program and arguments.
        env: Environment variables to add.

    Raises:
        subprocess.CalledProcessError: If it fails.
    """
    started = time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, **(env or {})})
    with Peak(process.pid) as peak:
        _, status, used = os.wait4(process.pid, 0)  # its use of the CPU, and its children's
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(wall, used.ru_utime + used.ru_stime, peak.mib)


def file() -> Path:
    """The file of results."""
    return paths.home() / "bench" / "results.json"


def read() -> list[dict[str, Any]]:
    """The results so far."""
    return list(json.loads(file().read_text(encoding="utf-8"))) if file().is_file() else []


def keep(
    name: str, rows: Mapping[str, int], cost: Cost, compared_to: str | None = None
) -> dict[str, Any]:
    """Add a result to the file; it replaces an earlier one of its name.

    Args:
        name: What was measured.
        rows: Rows worked on, by table.
        cost: What it cost.
        compared_to: Name of the result that it is compared with, measured before.

    Returns:
        The result as kept.
    """
    others = [row for row in read() if row["name"] != name]
    base = {row["name"]: row for row in others}[compared_to] if compared_to else None
    row = {
        "name": name,
        "rows": dict(rows),
        "wall_s": round(cost.wall_s, 2),
        "cpu_s": round(cost.cpu_s, 2),
        "peak_mib": round(cost.peak_mib),
        "compared_to": compared_to,
        "ratio": round(cost.wall_s / base["wall_s"], 2) if base else None,
    }
    file().parent.mkdir(parents=True, exist_ok=True)
    file().write_text(json.dumps([*others, row], indent=2) + "\n", encoding="utf-8")
    return row
