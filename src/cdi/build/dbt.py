"""Run dbt in a process of its own, and read what it says of its run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.build.version import Version
from cdi.errors import BuildError
from cdi.files import read_json

# With more landed rows than this, one model is built at a time: two models side by side would need
# more memory than a build may have, and one alone keeps all cores busy anyway.
LARGE = 10_000_000


def run_dbt(
    version: Version, private: Path, models: tuple[str, ...] = (), *, is_learning: bool = False
) -> None:
    """Run one `dbt build`, in a process of its own so that no lock on the file outlives it.

    Args:
        version: What is built.
        private: The DuckDB file, with its landing opened.
        models: If given, only these models and what they need are built, all of them in the file,
            and nothing is tested.
        is_learning: Whether links are learnt from the models: pairs whose truth a reference proves
            are compared as well.

    Raises:
        BuildError: BUILD-DBT if dbt fails.
    """
    target = target_folder(version, models)
    # What dbt parsed before names files of the checkout that it ran in. If the checkout was moved
    # since, dbt would look for files that are not there, so it parses the project again.
    checkout = target / "project_folder.txt"
    if target.is_dir() and (
        not checkout.is_file() or checkout.read_text(encoding="utf-8") != str(paths.DBT_PROJECT)
    ):
        shutil.rmtree(target)
    target.mkdir(parents=True, exist_ok=True)
    checkout.write_text(str(paths.DBT_PROJECT), encoding="utf-8")
    (target / "run_results.json").unlink(missing_ok=True)
    # dbt leaves out each test that touches an excluded seed, so what is built is named instead
    selection = ["--select", "path:models", "path:seeds", "--exclude", "tag:learning"]
    if models:
        variables = json.dumps({"is_part": True, "is_learning": is_learning})
        selection = ["--exclude-resource-type", "test", "--vars", variables]
        selection += ["--select", *(f"+{model}" for model in models)]
    # dbt's own log need not repeat each statement: these stand in compiled/ and run/ already
    log_options = ["--no-use-colors", "--log-path", str(target), "--log-level-file", "info"]
    folders = {
        "--project-dir": paths.DBT_PROJECT,
        "--profiles-dir": paths.DBT_PROJECT,
        "--target-path": target,
    }
    folder_options = [str(part) for option in folders.items() for part in option]
    thread_options = ["--threads", "1"] if version.row_count > LARGE else []
    # The name without its folder is the same in every build, so dbt need not parse its project
    # again for another one; dbt runs in the folder where the file is.
    environment = {**os.environ, "CDI_BUILD_FILE": private.name}
    process = subprocess.run(
        [
            *(sys.executable, "-m", "dbt.cli.main", *log_options, "build", *folder_options),
            *("--exclude-resource-type", "unit_test", *selection, *thread_options),
        ],
        cwd=private.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise BuildError(
            "BUILD-DBT",
            f"dbt build failed for {version.agency.agency}:\n"
            + describe_failures(target, process.stdout),
            f"read {target / 'dbt.log'}; the published version is untouched",
        )


def target_folder(version: Version, models: tuple[str, ...] = ()) -> Path:
    """The folder that dbt writes to: one for each agency and choice of models."""
    return paths.home() / "dbt" / ".".join((version.agency.agency, *models))


def read_results(target: Path) -> list[dict[str, Any]]:
    """Read what dbt said of each model, seed and test of its last run in this folder, if it ran."""
    file = target / "run_results.json"
    return list(read_json(file)["results"]) if file.is_file() else []


def describe_failures(target: Path, output: str) -> str:
    """What failed, in dbt's words; the end of its output if it failed before it ran anything.

    The rows that a failed test found are in the lines that the macro tell_broken_rules logs.
    """
    lines = [
        f"    {result['unique_id']}: {result['message']}"
        for result in read_results(target)
        if result["status"] in ("error", "fail")
    ]
    lines += [f"    {rule}" for rule in re.findall(r"broken rule of .*", output)]
    return "\n".join(lines) or output[-2000:]


def read_manifest(version: Version) -> dict[str, Any]:
    """Read what dbt knows of the project since the build."""
    return dict(read_json(target_folder(version) / "manifest.json"))
