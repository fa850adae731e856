"""`make run` on a busy machine: does it end, and how long does it take?

Processes that only count keep the machine busy while `make run MONTHS=1` runs in an empty state
folder. Example: .venv/bin/python bench/busy_run.py --busy 20
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdi import paths

COUNT = "while True: pass"


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep so many processes counting for the length of the block."""
    started = [subprocess.Popen([sys.executable, "-c", COUNT]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def main() -> None:
    """Run, and print wall time, exit code, load and the end of what the run said."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busy", type=int, default=20, help="How many processes only count.")
    parser.add_argument("--months", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="busy-run-") as home, busy(chosen.busy):
        print(f"{chosen.busy} busy processes, {os.cpu_count()} cores", flush=True)
        started, loads, output = time.monotonic(), [], Path(home) / "make-run.log"
        with output.open("w") as told:
            run = subprocess.Popen(
                [str(shutil.which("make")), "run", f"MONTHS={chosen.months}"],
                cwd=paths.REPO,
                env={**os.environ, "CDI_HOME": str(Path(home) / "state")},
                stdout=told,
                stderr=subprocess.STDOUT,
            )
            try:
                while run.poll() is None:
                    loads.append(os.getloadavg()[0])
                    time.sleep(5)
            finally:
                run.terminate()
                run.wait()
        seconds = time.monotonic() - started
        print("\n".join(output.read_text(encoding="utf-8").splitlines()[-12:]))
    print(
        f"exit code {run.returncode} after {seconds:.0f} s; load at the end {loads[-1]:.0f}, "
        f"at most {max(loads):.0f}"
    )
    sys.exit(run.returncode)


if __name__ == "__main__":
    main()
