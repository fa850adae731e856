"""What each rule said in the last runs, so that a failure of yesterday is not forgotten today.

One file of lines for each dataset, and one for the versions (`MARTS`); a line is one check of a
batch or a version, with the verdict of each rule. It holds ids of rules, names of batches and
versions, and times: nothing of a row. It can be deleted, and begins anew then.
"""

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.files import wait_for_lock, write_text
from cdi.quality.results import HOLDS, verdict_of

MARTS = "marts"
SHOWN_RUNS = 30
KEPT_DAYS = 30


@dataclass(frozen=True)
class CheckRun:
    """One check of a batch or a version.

    Attributes:
        at: When, in UTC.
        name: The batch or the version.
        verdicts: What each rule said, by rule id; see `cdi.quality.results.verdict_of`.
    """

    at: datetime
    name: str
    verdicts: Mapping[str, str]


def add_run(
    agency_id: str, about: str, name: str, results: Iterable[Mapping[str, Any]], now: datetime
) -> None:
    """Write a check down, and remove what is older than `KEPT_DAYS` and not among the newest.

    Args:
        agency_id: The agency.
        about: The dataset of the batch, or `MARTS`.
        name: The batch or the version.
        results: As `cdi.quality.checks` makes them.
        now: When it was checked, in UTC.
    """
    folder = paths.check_history(agency_id)
    run = CheckRun(now, name, {result["rule_id"]: verdict_of(result) for result in results})
    with wait_for_lock(folder):
        file = folder / f"{about}.jsonl"
        runs = [*_read_file(file), run]
        if len(runs) > 1 and (runs[-2].name, runs[-2].verdicts) == (run.name, run.verdicts):
            runs.pop(-2)  # the same check was repeated
        newest = len(runs) - SHOWN_RUNS
        kept = [
            run
            for place, run in enumerate(runs)
            if place >= newest or run.at >= now - timedelta(days=KEPT_DAYS)
        ]
        write_text(file, "".join(f"{json.dumps(asdict(run), default=str)}\n" for run in kept))


def read_runs(agency_id: str) -> list[CheckRun]:
    """Read all checks that are kept of an agency, the oldest first."""
    files = sorted(paths.check_history(agency_id).glob("*.jsonl"))
    return sorted((run for file in files for run in _read_file(file)), key=lambda run: run.at)


def list_verdicts(runs: Iterable[CheckRun], rule_id: str) -> list[str]:
    """List what a rule said in its last `SHOWN_RUNS` runs, the oldest first."""
    said = [run.verdicts[rule_id] for run in runs if rule_id in run.verdicts]
    return said[-SHOWN_RUNS:]


def count_failures(runs: Iterable[CheckRun], now: datetime) -> dict[str, int]:
    """Count for each rule in how many checks of the last `KEPT_DAYS` it did not hold.

    What two people released counts too. Rules that only count (severity `info`) do not.
    """
    since = now - timedelta(days=KEPT_DAYS)
    counts = Counter(
        rule_id
        for run in runs
        if run.at >= since
        for rule_id, verdict in run.verdicts.items()
        if verdict not in (HOLDS, "info")
    )
    return dict(counts.most_common())


def _read_file(file: Path) -> list[CheckRun]:
    """Read the lines of a file; one that cannot be read is left out, as no result needs it."""
    runs = []
    with contextlib.suppress(FileNotFoundError):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                entry = json.loads(line)
                at = datetime.fromisoformat(entry["at"]).astimezone(UTC)
                runs.append(CheckRun(at, str(entry["name"]), dict(entry["verdicts"])))
    return runs
