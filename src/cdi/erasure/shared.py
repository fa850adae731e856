"""Overwrite an erased reference in the files that all agencies share: logs, dbt's files, databases."""

import contextlib
import mmap
import sqlite3
from pathlib import Path

from cdi import paths
from cdi.agency.model import Agency
from cdi.erasure.take_out import Say
from cdi.erasure.traces import Wanted, files_of_agency, find_in_file, sqlite_columns
from cdi.landing import tombstones
from cdi.sql import SQLITE_LOCK_SECONDS

# shared by all agencies, and plain text: logs, dbt's own files, who looked at what
_PACKED = (".gz", ".zip", ".xlsx", ".parquet", ".duckdb", ".db", ".msgpack", ".gpickle")


# ---------------------------------------------------------------------- what all agencies share


def clean_shared_files(agency: Agency, wanted: Wanted, say: Say) -> None:
    """Logs, dbt's files, the access log, Airflow's database: the bytes are written over.

    Length and place stay, so that whoever has a log open goes on writing to it.
    """
    owned = [paths.landing(agency.agency, "calls").parents[0], paths.published(agency.agency),
             paths.weights(agency.agency), paths.audit(agency.agency),
             paths.decisions(agency.agency)]  # fmt: skip
    cleaned = 0
    for file in files_of_agency(agency.agency):
        if any(file.is_relative_to(folder) for folder in owned):
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
    with (
        file.open("r+b") as handle,
        mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_WRITE) as content,
    ):
        for found in list(wanted.pattern.finditer(content)):
            start, end = found.span(1)
            content[start:end] = b"x" * (end - start)


def _is_sqlite(file: Path) -> bool:
    with file.open("rb") as handle:
        return handle.read(15) == b"SQLite format 3"


def _clean_sqlite(file: Path, wanted: Wanted) -> None:
    """Task notes, XComs and the like, and the free pages where older ones stood."""

    def clean(value: str | bytes) -> str | bytes:
        raw = value.encode() if isinstance(value, str) else value
        made = wanted.pattern.sub(tombstones.ERASED.encode(), raw)
        return made.decode() if isinstance(value, str) else made

    with contextlib.closing(sqlite3.connect(file, timeout=SQLITE_LOCK_SECONDS)) as con:
        con.create_function("clean", 1, clean, deterministic=True)
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
