"""What was read in texts, kept by content: a build reads only what no build before it has read.

``readings/<agency>/<kind>-<fingerprint>/*.parquet`` holds what one kind of reading found. The
fingerprint is that of everything that decides what is found in a given text, so another lexicon or
another version of the text model reads all texts again. Each file is written whole, is never
changed, and is named after its own bytes. A file that was damaged is therefore noticed and put
aside, and its texts are read again. Nothing in a file is personal: it holds hashes of texts, names
of entries of the lexicon, places in a text, and probabilities. The folder can be deleted at any
time; the next build then takes longer and publishes the same.
"""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from cdi import paths
from cdi.files import rename_durably, sha256_of_file, wait_for_lock
from cdi.sql import ident, literal, scalar


@dataclass(frozen=True)
class Kind:
    """A kind of reading.

    Attributes:
        table: The model that holds what a build has read and no build before it.
        key: The columns that say what was read: numbers of texts, or a hash of a log's content.
        columns: DuckDB type of each column, the key among them.
    """

    table: str
    key: tuple[str, ...]
    columns: Mapping[str, str]


KINDS = {
    "lexicon": Kind(
        "int_disclosure__new_lexicon_readings",
        ("text_no", "part"),
        {
            "text_no": "UBIGINT",
            "part": "VARCHAR",
            "entry_place": "BIGINT",
            "lexicon_id": "VARCHAR",
            "places": "STRUCT(start UINTEGER, length UINTEGER)[][]",
            "is_explained_away": "BOOLEAN",
        },
    ),
    "text": Kind(
        "int_disclosure__new_text_readings",
        ("content_hash",),
        {
            "content_hash": "UBIGINT",
            "crime_probability": "DOUBLE",
            "second_probability": "DOUBLE",
            "offence_group": "VARCHAR",
            "second_group": "VARCHAR",
            "pair_count": "BIGINT",
            "known_pair_count": "BIGINT",
        },
    ),
}


def open_readings(
    con: duckdb.DuckDBPyConnection, agency: str, fingerprints: Mapping[str, str]
) -> None:
    """Make a view for each kind over what earlier builds have read.

    Args:
        con: The build's private file, with the schema `landing`.
        agency: Name of the agency.
        fingerprints: By kind. A kind without one reads nothing in this build.
    """
    for name, kind in KINDS.items():
        files = []
        if name in fingerprints:
            files = _list_whole_files(_folder_of_kind(agency, name, fingerprints[name]))
        if files:
            rows = f"from {_read_expression(files)}"
        else:
            nulls = (f"cast(null as {of}) as {ident(name)}" for name, of in kind.columns.items())
            rows = f"select {', '.join(nulls)} where false"
        con.execute(f"create view landing.{name}_readings as {rows}")


def keep_readings(
    con: duckdb.DuckDBPyConnection, agency: str, fingerprints: Mapping[str, str]
) -> None:
    """Move what a build has newly read from its private file to the readings.

    Readings of the same kind under other fingerprints are removed then. If another process has kept
    a reading of the same text meanwhile, that one stays, so that no text is in two files.

    Args:
        con: The build's private file, after dbt.
        agency: Name of the agency.
        fingerprints: By kind, as in `open_readings`.
    """
    for name, fingerprint in fingerprints.items():
        kind = KINDS[name]
        is_there = "select count(*) from duckdb_tables() where table_name = $table"
        if not scalar(con, is_there, {"table": kind.table}):
            continue
        folder = _folder_of_kind(agency, name, fingerprint)
        if scalar(con, f"select count(*) from disclosure.{kind.table}"):
            with wait_for_lock(folder):
                _write_file(con, kind, folder)
        con.execute(f"drop table disclosure.{kind.table}")
        for other in folder.parent.glob(f"{name}-*"):
            if other != folder:
                shutil.rmtree(other)


def _folder_of_kind(agency: str, name: str, fingerprint: str) -> Path:
    return paths.readings(agency) / f"{name}-{fingerprint[:16]}"


def _list_whole_files(folder: Path) -> list[Path]:
    """List the files whose bytes are still those that they are named after."""
    whole = []
    for file in sorted(folder.glob("*.parquet")):
        if sha256_of_file(file) == file.stem:
            whole.append(file)
            continue
        file.replace(file.with_suffix(".damaged"))
        logging.getLogger(__name__).warning(
            "[READINGS-DAMAGED] %s is damaged and was put aside as %s. Its texts are read again "
            "in this build, which takes longer; nothing else is lost. Check the disk.",
            file,
            file.with_suffix(".damaged").name,
        )
    return whole


def _write_file(con: duckdb.DuckDBPyConnection, kind: Kind, folder: Path) -> None:
    """Write the new readings as one file; the caller holds the lock of the folder."""
    columns, key = (", ".join(map(ident, names)) for names in (kind.columns, kind.key))
    query = f"select {columns} from disclosure.{kind.table}"
    if files := sorted(folder.glob("*.parquet")):
        query += f" anti join {_read_expression(files)} as kept using ({key})"
    # only one process writes here at a time, so one that was killed left it under this name
    temporary = folder / ".next"
    con.execute(f"copy ({query}) to {literal(str(temporary))} (format parquet, codec zstd)")
    rename_durably(temporary, folder / f"{sha256_of_file(temporary)}.parquet")


def _read_expression(files: list[Path]) -> str:
    return f"read_parquet([{', '.join(literal(str(file)) for file in files)}])"
