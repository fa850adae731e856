"""Run dbt in a process of its own, and read what it says of its run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.build.version import Version
from cdi.errors import BuildError

# landed rows from which on one model is built at a time: two would need more memory than both may
# have, and each fills all cores anyway
LARGE = 10_000_000


# ---------------------------------------------------------------------- dbt


def run_dbt(version: Version, private: Path, models: tuple[str, ...] = ()) -> None:
    """One `dbt build` in a process of its own: no lock outlives it.

    With models: these and what they need, to learn from; nothing is tested then.
    """
    target = target_folder(version, models)
    # what dbt has parsed names the files of its checkout: another's is not taken over
    checkout = target / "project_folder.txt"
    if target.is_dir() and (
        not checkout.is_file() or checkout.read_text(encoding="utf-8") != str(paths.DBT_PROJECT)
    ):
        shutil.rmtree(target)
    target.mkdir(parents=True, exist_ok=True)
    checkout.write_text(str(paths.DBT_PROJECT), encoding="utf-8")
    (target / "run_results.json").unlink(missing_ok=True)
    # the rules' own tests hold for every build alike: `make test` runs them
    chosen = ["--exclude", "tag:learning", "path:seeds/*.yml,resource_type:test"]
    if models:
        chosen = ["--exclude-resource-type", "test", "--vars", '{"is_learning": true}',
                  "--select", *(f"+{model}" for model in models)]  # fmt: skip
    command = [
        sys.executable, "-m", "dbt.cli.main", "--no-use-colors", "--log-path", str(target),
        "--log-level-file", "info",  # each statement stands in compiled/ and run/ already
        "build", "--project-dir", str(paths.DBT_PROJECT), "--profiles-dir", str(paths.DBT_PROJECT),
        "--target-path", str(target), "--exclude-resource-type", "unit_test", *chosen,
        *(["--threads", "1"] if version.rows > LARGE else []),
    ]  # fmt: skip
    env = {
        **os.environ,
        "CDI_BUILD_FILE": private.name,  # in the folder where dbt runs: one name, one parse for all
    }
    done = subprocess.run(
        command, cwd=private.parent, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildError(
            "BUILD-DBT",
            f"dbt build failed for {version.agency.agency}:\n{_failures(target, done.stdout)}",
            f"read {target / 'dbt.log'}; the published version is untouched",
        )


def target_folder(version: Version, models: tuple[str, ...] = ()) -> Path:
    return paths.home() / "dbt" / ".".join((version.agency.agency, *models))


def read_results(target: Path) -> list[dict[str, Any]]:
    file = target / "run_results.json"
    if not file.is_file():
        return []
    return list(json.loads(file.read_text(encoding="utf-8"))["results"])


def _failures(target: Path, output: str) -> str:
    failed = [r for r in read_results(target) if r["status"] in ("error", "fail")]
    told = [f"    {r['unique_id']}: {r['message']}" for r in failed]
    return "\n".join(told) or output[-2000:]


def read_manifest(version: Version) -> dict[str, Any]:
    """What dbt knows of the project since the build."""
    file = target_folder(version) / "manifest.json"
    return dict(json.loads(file.read_text(encoding="utf-8")))
