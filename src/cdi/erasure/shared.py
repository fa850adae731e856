"""Overwrite an erased reference in files that all agencies share: logs, dbt's files, databases."""

import contextlib
import mmap
import sqlite3
from pathlib import Path

from cdi.agency.model import Agency
from cdi.erasure.take_out import Say
from cdi.erasure.traces import (
    Wanted,
    files_of_agency,
    find_in_file,
    folders_of_agency,
    sqlite_columns,
)
from cdi.landing.tombstones import ERASED
from cdi.sql import SQLITE_LOCK_SECONDS

# Files of these kinds are packed: to write over their bytes would damage them. The only such files
# that all agencies share are databases of SQLite, which are cleaned by SQL.
_PACKED = (".gz", ".zip", ".xlsx", ".parquet", ".duckdb", ".db", ".msgpack", ".gpickle")


def clean_shared_files(agency: Agency, wanted: Wanted, say: Say) -> None:
    """Overwrite what is erased in logs, dbt's files, the access log and Airflow's database.

    Args:
        agency: The agency.
        wanted: What is erased.
        say: Is told how many files were cleaned.
    """
    own_folders = folders_of_agency(agency.agency)
    cleaned = 0
    for file in files_of_agency(agency.agency):
        if any(file.is_relative_to(folder) for folder in own_folders):
            continue
        if find_in_file(agency.agency, file, wanted) is None:
            continue
        if _is_sqlite(file):
            _clean_sqlite(file, wanted)
            cleaned += 1
        elif file.suffix not in _PACKED and not file.name.endswith(("-wal", "-shm")):
            _write_over(file, wanted)
            cleaned += 1
    if cleaned:
        say(f"{cleaned:>6,}  logs and other shared files, where it was written over")


def _write_over(file: Path, wanted: Wanted) -> None:
    """Write over the bytes where they stand, in the file itself.

    A cleaned copy under the same name would not do: a process that has a log open would go on
    writing to the old file, which has no name any more, and its further lines would be lost. As the
    length stays the same, its place in the file stays right too.
    """
    with (
        file.open("r+b") as handle,
        mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_WRITE) as content,
    ):
        # All places are found first: the content must not change under a search.
        for match in list(wanted.pattern.finditer(content)):
            start, end = match.span(1)
            content[start:end] = b"x" * (end - start)
        content.flush()  # to the disk


def _is_sqlite(file: Path) -> bool:
    with file.open("rb") as handle:
        return handle.read(15) == b"SQLite format 3"


def _clean_sqlite(file: Path, wanted: Wanted) -> None:
    """Clean a database (Airflow's task notes, XComs and the like), with what it has deleted.

    SQLite only marks deleted and replaced content as free; its bytes stay in the file. So
    `secure_delete` writes zeros over what is replaced here, and `vacuum` writes the file again
    without the pages that were freed before. The write-ahead log holds older pages as well, until
    it is moved into the file and cut to nothing.
    """

    def replace_wanted(value: str | bytes) -> str | bytes:
        content = value.encode() if isinstance(value, str) else value
        cleaned = wanted.pattern.sub(ERASED.encode(), content)
        return cleaned.decode() if isinstance(value, str) else cleaned

    with contextlib.closing(sqlite3.connect(file, timeout=SQLITE_LOCK_SECONDS)) as con:
        con.create_function("clean", 1, replace_wanted, deterministic=True)
        con.execute("pragma secure_delete = on")
        for table, column in sqlite_columns(con):
            is_text = f"typeof(\"{column}\") in ('text', 'blob')"
            con.execute(
                f'update "{table}" set "{column}" = clean("{column}") '
                f'where {is_text} and clean("{column}") is not "{column}"'
            )
        con.commit()
        con.execute("vacuum")
        con.execute("pragma wal_checkpoint(truncate)")
