"""Counts a file's content a second time, apart from DuckDB, so that no row can vanish uncounted.

Rows cannot be counted without deciding where a quotation mark closes, and on that two programs may
differ. What the fields hold cannot differ: so what is counted is the content of a file, its bytes
without quotation marks, line ends and spaces (DuckDB drops spaces beside quotation marks). All of
it must be in a row that was read or refused.
"""

import codecs
from pathlib import Path

import duckdb

from cdi.errors import SourceError
from cdi.sources.files import PIECE_BYTES, FetchedFile
from cdi.sql import ident, scalar

_MARKS = (b" ", b'"', b"\r", b"\n")


def count_content(text: bytes) -> int:
    """Count the bytes of a text that are its content."""
    return len(text) - sum(map(text.count, _MARKS))


def count_file_content(path: Path) -> int:
    """Count the content of a file piece by piece, as it may be larger than the memory."""
    with path.open("rb") as file:
        return sum(map(count_content, iter(lambda: file.read(PIECE_BYTES), b"")))


def count_byte_order_mark(path: Path) -> int:
    """Count the bytes of the mark with which some programs of Windows begin a text in UTF-8."""
    with path.open("rb") as file:
        return len(codecs.BOM_UTF8) if file.read(3) == codecs.BOM_UTF8 else 0


def count_table_content(
    con: duckdb.DuckDBPyConnection, table: str, columns: list[str], delimiter: str
) -> int:
    """Count the content of a table of text, with the delimiters between its columns.

    Args:
        con: DuckDB connection.
        table: The table.
        columns: The columns that the file has. A null was one byte (`cdi.landing.read`).
        delimiter: What stood between two columns.
    """
    values = ", ".join(f"coalesce({ident(name)}, chr(1))" for name in columns)
    row = f"concat_ws($delimiter, {values})"
    for mark in _MARKS:
        row = f"replace({row}, chr({mark[0]}), '')"
    query = f"select coalesce(sum(strlen({row})), 0) from {ident(table)}"
    return int(scalar(con, query, {"delimiter": delimiter}))


def check_content(file: FetchedFile, read: int, hint: str = "") -> None:
    """Refuse a file of which the rows hold more or less than the file itself.

    Args:
        file: The file.
        read: How much content the rows hold that were read or refused, with the header.
        hint: Where to look first.

    Raises:
        SourceError: SRC-UNCOUNTED.
    """
    content = count_file_content(file.path)
    if read == content:
        return
    raise SourceError(
        "SRC-UNCOUNTED",
        f"{file.name} holds {content:,} bytes besides spaces and quotation marks, but "
        f"{read:,} are in the rows that were read or refused",
        f"look for a quotation mark that is never closed or a row of many megabytes{hint}; correct "
        "it and have the file delivered again. Nothing of it was taken",
    )


def check_parquet_rows(con: duckdb.DuckDBPyConnection, file: FetchedFile) -> None:
    """Refuse a Parquet file of which ``raw`` has more or fewer rows than it says itself.

    Raises:
        SourceError: SRC-UNCOUNTED.
    """
    from pyarrow import parquet  # takes a while to import, and most files are not Parquet

    count, read = parquet.read_metadata(file.path).num_rows, scalar(con, "select count(*) from raw")
    if count != read:
        raise SourceError(
            "SRC-UNCOUNTED",
            f"{file.name} says that it has {count:,} rows, but {read:,} were read",
            "have the file written and delivered again; nothing of it was taken",
        )
