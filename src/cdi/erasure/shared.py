"""Overwrite an erased reference in files that all agencies share: logs and Airflow's database."""

import contextlib
import json
import mmap
import sqlite3
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.agency.model import Agency
from cdi.erasure.places import FIELDS_WITHOUT_REFERENCES
from cdi.erasure.take_out import Say
from cdi.erasure.traces import (
    Wanted,
    airflow_columns,
    files_of_agency,
    find_in_file,
    is_airflow_database,
)
from cdi.landing.tombstones import ERASED
from cdi.sql import SQLITE_LOCK_SECONDS

_PACKED = (".gz", ".zip")  # to write over the bytes of a packed log would damage it


def clean_shared_files(agency: Agency, wanted: Wanted, say: Say) -> None:
    """Overwrite what is erased in the access log, in Airflow's logs and in its database.

    Args:
        agency: The agency.
        wanted: What is erased.
        say: Is told how many files were cleaned.
    """
    logs = paths.home() / "airflow" / "logs"
    cleaned = 0
    for file in files_of_agency(agency.agency):
        is_log = file.is_relative_to(logs) and file.suffix not in _PACKED
        if is_airflow_database(file):
            cleaned += _clean_airflow(agency.agency, file, wanted)
        elif is_log or file == paths.access(agency.agency):
            cleaned += _write_over(file, wanted)
    if cleaned:
        say(f"{cleaned:>6,}  logs and other shared files, where it was written over")


def _write_over(file: Path, wanted: Wanted) -> bool:
    """Write over the bytes where they stand, in the file itself.

    A cleaned copy under the same name would not do: a process that has a log open would go on
    writing to the old file, which has no name any more, and its further lines would be lost. As the
    length stays the same, its place in the file stays right too.

    Returns:
        Whether the file held it.
    """
    # A running Airflow may remove a file of its own between the listing and this.
    with contextlib.suppress(FileNotFoundError):
        if file.stat().st_size == 0:
            return False
        with (
            file.open("r+b") as handle,
            mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_WRITE) as content,
        ):
            # All places are found first: the content must not change under a search.
            spans = [match.span(1) for match in wanted.matches(content, is_shared=True)]
            for start, end in spans:
                content[start:end] = b"x" * (end - start)
            content.flush()  # to the disk
            return bool(spans)
    return False


def _clean_airflow(agency: str, file: Path, wanted: Wanted) -> bool:
    """Clean Airflow's database (notes of tasks, XComs and the like), with what it has deleted.

    SQLite only marks deleted and replaced content as free; its bytes stay in the file. So
    `secure_delete` writes zeros over what is replaced here, and `vacuum` writes the file again
    without the pages that were freed before. The write-ahead log holds older pages as well, until
    it is moved into the file and cut to nothing. A running Airflow allows all three between two of
    its transactions. If one of them does not end in time, the search afterwards finds what is left.

    Returns:
        Whether the file held it.
    """
    log = file.with_name(f"{file.name}-wal")
    files = [file, *([log] if log.exists() else [])]
    if not any(find_in_file(agency, each, wanted) for each in files):
        return False
    with contextlib.closing(sqlite3.connect(file, timeout=SQLITE_LOCK_SECONDS)) as con:
        con.create_function("clean", 1, lambda value: clean_value(value, wanted))
        con.execute("pragma secure_delete = on")
        for table, column, is_own in airflow_columns(con, agency):
            con.execute(
                f'update "{table}" set "{column}" = clean("{column}") '
                f'where {is_own} and clean("{column}") is not "{column}"'
            )
        con.commit()
        with contextlib.suppress(sqlite3.OperationalError):
            con.execute("vacuum")
            con.execute("pragma wal_checkpoint(truncate)")
    return True


def clean_value(value: Any, wanted: Wanted) -> Any:
    """Clean a value of a database; what was JSON before is JSON afterwards.

    Args:
        value: Text or bytes. SQLite keeps a number in JSON as a number.
        wanted: What is erased.
    """
    text = value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)
    if value is None or not wanted.is_in(text.encode(errors="surrogateescape"), is_shared=True):
        return value
    try:
        cleaned = json.dumps(_clean_json(json.loads(text), wanted))
    except ValueError:
        cleaned = wanted.clean(text)
    return cleaned.encode() if isinstance(value, bytes) else cleaned


def _clean_json(content: Any, wanted: Wanted) -> Any:
    if isinstance(content, dict):
        return {
            wanted.clean(key): value
            if key in FIELDS_WITHOUT_REFERENCES
            else _clean_json(value, wanted)
            for key, value in content.items()
        }
    if isinstance(content, list):
        return [_clean_json(value, wanted) for value in content]
    if isinstance(content, str):
        return wanted.clean(content)
    is_number = isinstance(content, int | float) and not isinstance(content, bool)
    return ERASED if is_number and wanted.is_in(str(content).encode()) else content
