"""Run dbt in a process of its own, and read what it says of its run."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from cdi import paths
from cdi.build.version import Version
from cdi.errors import BuildError, StateError, find_machine_failure
from cdi.files import read_json

# With more landed rows than this, one model is built at a time: two models side by side would need
# more memory than a build may have, and one alone keeps all cores busy anyway.
LARGE = 10_000_000

# How much memory a build may take before it writes to disk: for each byte of the landed files, and
# in bytes at least and at most. The reading of texts takes some 300 MiB besides, of which DuckDB's
# limit does not know.
MEMORY_PER_BYTE = 2.5
LEAST_MEMORY = 350_000_000
MOST_MEMORY = 3_000_000_000
# The variable of the environment by which people set another limit, as DuckDB writes it (`6GB`).
MEMORY_LIMIT = "CDI_MEMORY_LIMIT"

REBUILD = "run the build again, which lets dbt write it anew"

# A line of dbt's log that says how a model or test ended. Hooks are counted apart.
_ENDED = re.compile(r"\]: \d+ of (\d+) (?!START |OK hook)")

# dbt's variables in a build that makes only some models. All that it makes stands in its file.
# Where links are learnt from the models, pairs whose truth a reference proves are compared as well.
PART = '{"is_part": true}'
LEARNING = '{"is_part": true, "is_learning": true}'


class Done(NamedTuple):
    """How far a run of dbt is.

    Attributes:
        ended: How many models and tests have ended.
        total: Of how many.
        models: What the run is for, if it makes only some models (`run_dbt`).
    """

    ended: int
    total: int
    models: tuple[str, ...] = ()


def run_dbt(
    version: Version,
    private: Path,
    prepared: Path,
    models: tuple[str, ...] = (),
    variables: str = "{}",
) -> None:
    """Run one `dbt build` of the models; see `cdi.build.prepare` for the seeds.

    Args:
        version: What is built.
        private: The DuckDB file, with its landing opened.
        prepared: What dbt made of the code, with the same variables.
        models: If given, only these models and what they need are built, and nothing is tested.
        variables: dbt's variables.

    Raises:
        BuildError: BUILD-DBT if dbt fails.
    """
    target = target_folder(version, models)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    if models:
        untested = ["--exclude-resource-type", "seed", "unit_test", "test", "exposure"]
        unread = "--no-write-json"  # dbt's artifacts, of which a fifth of its own work is made
        selected = [f"+{model}" for model in models]
        selection = [*untested, unread, "--vars", variables, "--select", *selected]
    else:
        # Tests of the seeds come out the same in every build, so only `make test` runs them. Models
        # are selected, and seeds are not excluded by a selector, because dbt would then leave out
        # each test of a model that refers to a seed.
        untested = ["--exclude-resource-type", "seed", "unit_test", "exposure"]
        selection = [*untested, "--select", "path:models", "--exclude", "tag:learning"]
    if version.row_count > LARGE:
        selection += ["--threads", "1"]
    parsed = ["--partial-parse-file-path", str(prepared / "partial_parse.msgpack")]
    limit = os.environ.get(MEMORY_LIMIT) or choose_memory_limit(version.landed_bytes)
    call_dbt(
        version.agency.agency, private, target, "build", *parsed, *selection, memory_limit=limit
    )


def choose_memory_limit(landed_bytes: int) -> str:
    """Choose how much memory a build takes before it writes to disk.

    A small force shall not take what only a large one needs: DuckDB keeps what it has read as long
    as its limit allows.

    Args:
        landed_bytes: The size of the landed files that are built from.

    Returns:
        The limit, as DuckDB reads it.
    """
    limit = min(MOST_MEMORY, max(LEAST_MEMORY, MEMORY_PER_BYTE * landed_bytes))
    return f"{limit / 1_000_000:.0f}MB"


def call_dbt(
    what: str, file: Path, target: Path, command: str, *options: str, memory_limit: str = ""
) -> None:
    """Call dbt in a process of its own, so that no lock on the file outlives it.

    Args:
        what: What is made, for the error.
        file: The DuckDB file that dbt works in.
        target: The folder that dbt writes to.
        command: What dbt does.
        *options: More options of the command.
        memory_limit: The memory of its database; by default that of `profiles.yml`.

    Raises:
        BuildError: BUILD-DBT if dbt fails.
        MachineError: DISK-FULL and the like if dbt tells that it failed for such a cause.
    """
    # dbt's own log need not repeat each statement: these stand in compiled/ and run/ already
    log_options = ["--no-use-colors", "--log-path", str(target), "--log-level-file", "info"]
    folders = {
        "--project-dir": paths.DBT_PROJECT,
        "--profiles-dir": paths.DBT_PROJECT,
        "--target-path": target,
    }
    folder_options = [str(part) for option in folders.items() for part in option]
    process = start_dbt(
        [*log_options, command, *folder_options, *options],
        file.parent,
        {**os.environ, "CDI_BUILD_FILE": file.name, MEMORY_LIMIT: memory_limit},
    )
    if process.returncode:
        told = describe_failures(target, process.stdout)
        if failure := find_machine_failure(f"{told}\n{process.stdout}\n{process.stderr}"):
            raise failure
        raise BuildError(
            "BUILD-DBT",
            f"dbt {command} failed for {what}:\n{told}",
            f"read {target / 'dbt.log'}; the published version is untouched",
        )


def start_dbt(
    told: list[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run dbt in a process of its own until it ends.

    Args:
        told: dbt's arguments.
        folder: The folder that dbt works in.
        environment: Its environment.

    Returns:
        Its exit code, and what it printed.
    """
    return subprocess.run(
        [sys.executable, "-m", "cdi.build.dbt_process", *told],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def target_folder(version: Version, models: tuple[str, ...] = ()) -> Path:
    """The folder that dbt writes to: one for each agency and choice of models."""
    return paths.home() / "dbt" / ".".join((version.agency.agency, *models))


def count_done(agency: str, since: float) -> Done | None:
    """Count in dbt's newest log how many models and tests have ended, and of how many.

    Before the whole build, dbt may build parts to learn from. Each has a log of its own.

    Args:
        agency: Whose build.
        since: When the build was asked for, in seconds as `time.time` counts them.

    Returns:
        None as long as dbt has ended nothing since then.
    """
    logs = (paths.home() / "dbt").glob("*/dbt.log")
    try:
        written = [(log.stat().st_mtime, log) for log in logs if _split_name(log)[0] == agency]
        last, newest = max(written, default=(0.0, None))
        if newest is None or last < since:
            return None
        totals = _ENDED.findall(newest.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:  # dbt's folder was made anew between the looks
        return None
    return Done(len(totals), int(totals[-1]), _split_name(newest)[1]) if totals else None


def _split_name(log: Path) -> tuple[str, tuple[str, ...]]:
    """The agency and the models that the folder of a log is named after (`target_folder`)."""
    agency, *models = log.parent.name.split(".")
    return agency, tuple(models)


def read_results(target: Path) -> list[dict[str, Any]]:
    """Read what dbt said of each model, seed and test of its last run in this folder, if it ran."""
    file = target / "run_results.json"
    return list(read_json(file, ["results"], REBUILD)["results"]) if file.is_file() else []


def describe_failures(target: Path, output: str) -> str:
    """What failed, in dbt's words; the end of its output if it failed before it ran anything.

    The rows that a failed test found are in the lines that the macro tell_broken_rules logs.
    """
    results: list[dict[str, Any]] = []
    with contextlib.suppress(StateError):  # dbt could not write it, e.g. as the disk is full
        results = read_results(target)
    lines = [
        f"    {result['unique_id']}: {result['message']}"
        for result in results
        if result["status"] in ("error", "fail")
    ]
    lines += [f"    {rule}" for rule in re.findall(r"broken rule of .*", output)]
    return "\n".join(lines) or output[-2000:]


def read_manifest(version: Version) -> dict[str, Any]:
    """Read what dbt knows of the project since the build."""
    return read_json(target_folder(version) / "manifest.json", fix=REBUILD)
