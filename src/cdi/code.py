"""Names the code of this project, so that two machines can tell whether theirs is the same."""

from functools import cache
from importlib.metadata import version as installed_version
from pathlib import Path

from cdi import paths
from cdi.files import hash_files, sha256_of_json

LIBRARY = Path(__file__).parent
_ALL_FILES = ("**/[!.]*",)


def hash_result_code() -> dict[str, str]:
    """Hash all code that can change a result; one sha256 for each part.

    The whole library is one part: its code reads, checks, links, estimates and writes pages, and
    all of these are in a version.
    """
    dbt = paths.DBT_PROJECT
    return {
        "rules": hash_files(dbt, ("seeds/*",)),
        "models": hash_files(dbt, ("dbt_project.yml", "models/**/*", "macros/*", "tests/*")),
        "checks": hash_files(paths.EXPECTATIONS, ("**/*.yaml",)),
        "library": hash_files(LIBRARY, _ALL_FILES),
    }


@cache
def name_code() -> str:
    """Name the code that this process began with, e.g. ``0.1.0+5f0c3a91d2e4``.

    Two machines give the same name if their code is the same to the byte: what makes results, the
    DAGs and the plugins. The release alone would not do, as a checkout changes between releases.
    """
    tasks = [hash_files(paths.REPO / folder, _ALL_FILES) for folder in ("dags", "plugins")]
    return f"{installed_version('cdi')}+{sha256_of_json([hash_result_code(), tasks])[:12]}"
