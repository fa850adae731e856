"""What follows from the code alone: what dbt makes of it, and the site of the documentation.

dbt makes the parsed project and a file with the tables of the rules. All this is the same for each
agency and each day, so it is made once for each state of the code, and each build starts from it. A
build neither parses the project nor loads the seeds.
"""

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version as installed_version
from pathlib import Path

from cdi import paths
from cdi.build.dbt import call_dbt
from cdi.errors import StateError
from cdi.files import (
    hash_files,
    read_json,
    remove_folder,
    sha256_of_file,
    sync_folder,
    sync_tree,
    write_json,
)
from cdi.sql import STORAGE_VERSION, connect, literal, write_database

# dbt takes the project as parsed only if its settings are the same, so the file has one name in all
# builds; dbt runs in the folder where it is.
FILE_NAME = "recording.duckdb"

# What builds use of the folder; another state of the code has another folder.
_USED = (FILE_NAME, "partial_parse.msgpack", "run_results.json")

# The checksums of what is used of a folder. No key is needed: what lies there follows from the
# code, and whoever can write there can change the code as well.
SUMS = "sums.json"

# What was not used for so long is of a code that nobody runs any more.
KEPT_SECONDS = 7 * 24 * 3600


def prepare_project(variables: str = "{}") -> Path:
    """Find what dbt makes of this code, or make it.

    Args:
        variables: dbt's variables, as JSON: dbt parses the project anew for others.

    Returns:
        The folder: `FILE_NAME` holds the tables of the rules, and a build copies it. Beside it are
        dbt's partial_parse.msgpack, and the run_results.json of the seeds.

    Raises:
        BuildError: BUILD-DBT if dbt fails.
        duckdb.Error: If the disk is too full for the tables of the rules.
    """

    def make(folder: Path) -> Iterable[str]:
        file = folder / FILE_NAME
        with connect() as con:  # a file keeps the storage version that it was made with
            con.execute(
                f"attach {literal(str(file))} as private (storage_version '{STORAGE_VERSION}')"
            )
        call_dbt("the rules", file, folder, "seed", "--vars", variables)
        with write_database(file):  # dbt closed it, and does not tell of a disk that was full then
            pass
        return _USED

    return find_or_make(_fingerprint(variables), make)


def find_or_make(name: str, make: Callable[[Path], Iterable[str]]) -> Path:
    """Find a folder of `paths.prepared`, or make it if it is missing or damaged.

    Two builds may make it at the same time: each works in a folder of its own, and one of the two
    takes its place.

    Args:
        name: The name of the folder. It must change with all that the content follows from.
        make: Fills an empty folder, and returns which of its files are used.

    Returns:
        The folder, whose files have the content that they were made with.
    """
    home = paths.prepared()
    folder = home / name
    if folder.is_dir() and is_whole(folder):
        os.utime(folder)
        return folder
    home.mkdir(parents=True, exist_ok=True)
    _remove_unused(home)
    made = Path(tempfile.mkdtemp(dir=home, prefix="."))
    try:
        write_json(made / SUMS, {used: sha256_of_file(made / used) for used in make(made)})
        sync_tree(made)  # or a power cut could leave the name and lose the files
        with contextlib.suppress(OSError):  # another build was first
            made.rename(folder)
        sync_folder(home)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def is_whole(folder: Path) -> bool:
    """Compare what is used with its checksums; a damaged folder is removed, to be made again."""
    with contextlib.suppress(StateError, OSError):
        sums = read_json(folder / SUMS)
        if sums and all(sha256_of_file(folder / name) == sums[name] for name in sums):
            return True
    logging.getLogger(__name__).warning(
        "[PREPARED-DAMAGED] %s is not as it was made; it is made again. Check the disk.", folder
    )
    remove_folder(folder)
    return False


def _fingerprint(variables: str) -> str:
    """Hash all that can change what dbt makes of the code."""
    patterns = ("*.yml", "models/**/*", "macros/*", "seeds/*")
    parts = [
        hash_files(paths.DBT_PROJECT, patterns),
        str(paths.DBT_PROJECT),  # what dbt parsed names the files that it read
        *(installed_version(name) for name in ("dbt-core", "dbt-duckdb", "duckdb")),
        STORAGE_VERSION,
        *_USED,
        variables,
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _remove_unused(home: Path) -> None:
    """Remove what no build has used for a week, and what a killed build left."""
    for folder in home.iterdir():
        if folder.stat().st_mtime < time.time() - KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
