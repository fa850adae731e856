"""A sample of a source: its rows as text in a table of DuckDB, and what its columns are called.

All other modules of this room know a source as a `Sample` alone. A live source becomes one by
filling such a table with the rows that it read, and by naming its columns and their types.
"""

import codecs
import csv
import glob
import gzip
import io
import re
import shutil
import zlib
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb

from cdi.agency.model import Source
from cdi.errors import SourceError
from cdi.landing.read import DELIMITERS, ROW_NO, normalise_header, read_raw_rows
from cdi.scratch import scratch_folder
from cdi.sources.files import PIECE_BYTES, FetchedFile, Utf8Bytes
from cdi.sql import Params, ident, parquet_types, scalar

_FORMATS = {".csv": "csv", ".txt": "csv", ".json": "json", ".jsonl": "jsonl", ".parquet": "parquet"}
_WESTERN = "windows-1252"  # what programs of Windows write in Western Europe and America
_OTHER_BYTES = re.compile("[\udc80-\udcff]")  # how Python holds bytes that are not UTF-8
# What stands in a row and in no header: a number of a phone or of a person, a time, an e-mail
# address, a coordinate. A file without a header would otherwise show its first row as names.
_VALUE = re.compile(r"[\d\W_]*\d{3}[\d\W_]*|\d[\d\W]*[T ]?\d{1,2}:\d{2}.*|[^\s@]+@[^\s@]+\.\w+")


@dataclass(frozen=True)
class Sample:
    """The rows of a source, and how agency.yaml names where they come from.

    Attributes:
        dataset: `calls` or `crime_records`.
        table: The table with the rows: `ROW_NO`, and a text column for each of `headers`; a blank
            is null.
        headers: The name of each column as delivered, by its name in the table.
        types: The source's own type of each column (`VARCHAR`, if it has none), by the same name.
        row_count: How many rows there are.
        refused: How many rows could not be read, by the rule that refused them.
        folder: The folder of the file; None for a live source.
        place: The keys of agency.yaml that say where the rows are: path, format, encoding and
            delimiter of a file; of a live source its kind and connection.
    """

    dataset: str
    table: str
    headers: dict[str, str]
    types: dict[str, str]
    row_count: int
    refused: dict[str, int]
    folder: Path | None
    place: dict[str, Any]

    @property
    def is_live(self) -> bool:
        """Whether it is of a database or an API, which is read in days."""
        return self.folder is None

    def is_same_source(self, other: "Sample") -> bool:
        """Whether another sample is of the same file, table or data set."""
        return (self.folder, self.place) == (other.folder, other.place)


def read_file_sample(con: duckdb.DuckDBPyConnection, dataset: str, path: Path) -> Sample:
    """Read a local file as the landing would read it: CSV, JSON, JSONL or Parquet, plain or .gz.

    Args:
        con: A DuckDB connection in memory; a table with the name of the dataset is made in it.
        dataset: `calls` or `crime_records`.
        path: The file.

    Returns:
        The sample.

    Raises:
        SourceError: SRC-NOT-FOUND, SRC-GZIP, SRC-ENCODING, SRC-EMPTY, SRC-FORMAT or SRC-COLUMNS.
    """
    path = _follow_link(path)
    name, kind = path.name.removesuffix(".gz"), _choose_format(path)
    with scratch_folder() as folder:
        plain = folder / name
        _copy_plain(path, plain)
        encoding = None if kind == "parquet" else _guess_encoding(plain)
        if encoding:
            _make_utf8(plain, encoding, path.name)
        delimiter = _find_delimiter(plain) if kind == "csv" else ","
        if kind == "csv":
            _check_headers(path, _split_first_line(plain, delimiter))
        source = Source.model_validate(
            {
                "files": [{"path": path.name}],
                "format": kind,
                "delimiter": delimiter,
                "delivery": "snapshot",
                "columns": {},
            }
        )
        names = read_raw_rows(con, dataset, source, FetchedFile(path.name, plain, "", None), 0)
        headers, types = _read_headers(con, source, plain)
        refused = take_refused(con)
    _check_headers(path, list(headers.values()))
    keep_rows(con, dataset, names)
    _check_headers_are_no_values(con, dataset, path, headers)
    place: dict[str, Any] = {"path": glob.escape(path.name)}
    if kind != "csv":
        place["format"] = kind
    if encoding:
        place["encoding"] = encoding
    if delimiter != ",":
        place["delimiter"] = delimiter
    return Sample(
        dataset=dataset,
        table=dataset,
        headers={column: headers.get(column, column) for column in names},
        types={column: types.get(column, "VARCHAR") for column in names},
        row_count=scalar(con, f"select count(*) from {ident(dataset)}"),
        refused=refused,
        folder=path.parent,
        place=place,
    )


def _follow_link(path: Path) -> Path:
    """Give the file as a run may read it: a run follows no link that leads out of its folder."""
    placed, target = path.parent.resolve() / path.name, path.resolve()
    return placed if target.is_relative_to(placed.parent) else target


def _choose_format(path: Path) -> str:
    if not path.is_file():
        raise SourceError(
            "SRC-NOT-FOUND",
            f"{path} is a folder" if path.is_dir() else f"there is no file {path}",
            "give the path of a local file: CSV, JSON, JSONL or Parquet, plain or .gz",
        )
    if "{" in path.name or "}" in path.name:
        raise SourceError(
            "SRC-FORMAT",
            f"the name {path.name} has braces, which stand for a day in agency.yaml",
            "rename the file",
        )
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix not in _FORMATS:
        raise SourceError(
            "SRC-FORMAT",
            f"{path.name} ends in none of {', '.join(_FORMATS)} (or these with .gz)",
            "rename the file after what it is, or export it as one of these",
        )
    return _FORMATS[suffix]


def _copy_plain(path: Path, target: Path) -> None:
    try:
        with path.open("rb") as packed, target.open("wb") as plain:
            is_gzip = path.name.endswith(".gz")
            unpacked = gzip.GzipFile(fileobj=packed) if is_gzip else packed
            shutil.copyfileobj(unpacked, plain, PIECE_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(
            "SRC-GZIP", f"{path.name} is not a complete gzip file: {error}", "copy the file again"
        ) from None
    if target.stat().st_size == 0:
        raise SourceError("SRC-EMPTY", f"{path.name} is empty", "copy the file again")


def _guess_encoding(plain: Path) -> str | None:
    """Guess the encoding of a text file that is not UTF-8.

    Returns:
        None if the file is UTF-8, or UTF-8 with some bytes that are not: their rows are refused.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    is_utf8, has_other_bytes = False, False
    with plain.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        file.seek(0)
        for piece in chain(iter(lambda: file.read(PIECE_BYTES), b""), [b""]):
            text = decoder.decode(piece, final=not piece)
            beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
            other_count = len(_OTHER_BYTES.findall(text)) if beyond_ascii else 0
            has_other_bytes |= other_count > 0
            is_utf8 |= other_count < beyond_ascii
    return _WESTERN if has_other_bytes and not is_utf8 else None


def _make_utf8(plain: Path, encoding: str, name: str) -> None:
    recoded = plain.with_suffix(".utf8")
    with plain.open("rb") as file, recoded.open("wb") as target:
        shutil.copyfileobj(Utf8Bytes(file, encoding, name), target, PIECE_BYTES)
    recoded.replace(plain)


def _find_delimiter(plain: Path) -> str:
    """Find the delimiter that makes the most fields of the first line."""
    return max(DELIMITERS, key=lambda delimiter: len(_split_first_line(plain, delimiter)))


def _split_first_line(plain: Path, delimiter: str) -> list[str]:
    with plain.open("rb") as handle:
        line = handle.readline().decode("utf-8-sig", "replace")
    try:
        return next(csv.reader(io.StringIO(line), delimiter=delimiter), [])
    except csv.Error:
        raise SourceError(
            "SRC-FORMAT",
            "the first line is not a line of CSV: its line ends are not \\n or \\r\\n, or it is a "
            "workbook, or not UTF-8",
            "export the table as CSV in UTF-8, with the line ends \\n or \\r\\n",
        ) from None


def take_refused(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Count the rows that the reader refused, by rule, and forget them before the next source.

    Args:
        con: The connection in which `cdi.landing.read.read_raw_rows` was called.
    """
    counts = con.execute("select rule_id, count(*) from refused group by all order by all")
    refused = dict(counts.fetchall())
    con.execute("drop table refused")
    return refused


def _read_headers(
    con: duckdb.DuckDBPyConnection, source: Source, plain: Path
) -> tuple[dict[str, str], dict[str, str]]:
    """Read the names as delivered and the types, each by the normalised name."""
    if source.format == "csv":
        delivered = _split_first_line(plain, source.delimiter)
        return {normalise_header(name): name.strip() for name in delivered}, {}
    if source.format == "parquet":
        described = parquet_types(con, plain).items()
        headers = {normalise_header(row[0]): row[0] for row in described}
        return headers, {normalise_header(row[0]): row[1] for row in described}
    keys = con.execute("select distinct unnest(json_keys(content)) from json_lines").fetchall()
    return {normalise_header(key): key for (key,) in keys}, {}


def _check_headers(path: Path, headers: list[str]) -> None:
    """Refuse a file whose first row is no header; it may be personal, so it is not shown."""
    values = [name for name in headers if _VALUE.fullmatch(name)]
    blank = [name for name in headers if not name.strip()]
    if values or blank or len(headers) < 2:
        raise SourceError(
            "SRC-COLUMNS",
            f"the first row of {path.name}, of {len(headers)} fields, is not a header: "
            f"{len(values)} of them look like values and {len(blank)} are blank",
            "put a line with the columns' names before the first row, or have the file delivered "
            "with one; a JSON file must hold objects that are rows",
        )


def _check_headers_are_no_values(
    con: duckdb.DuckDBPyConnection, table: str, path: Path, headers: dict[str, str]
) -> None:
    """Refuse a file in which some headers stand in rows too: its first row is one of them.

    Where all of them do, the header is there again between the rows, as in files put together.
    """
    bound = Params()
    counts = ", ".join(
        f"count(*) filter (where {ident(name)} = {bound.bind(header)})"
        for name, header in headers.items()
    )
    row = con.execute(f"select {counts} from {ident(table)}", bound.values).fetchone() or ()
    repeated = sum(count > 0 for count in row)
    if 0 < repeated < len(row):
        raise SourceError(
            "SRC-COLUMNS",
            f"the first row of {path.name} is not a header: {repeated} of its {len(row)} fields "
            "are in other rows too",
            "put a line with the columns' names before the first row",
        )


def keep_rows(con: duckdb.DuckDBPyConnection, table: str, names: list[str]) -> None:
    """Keep the rows that the reader made, with blanks as nulls.

    Args:
        con: The connection in which `cdi.landing.read.read_raw_rows` was called.
        table: The table that is made.
        names: Its columns, by their normalised names.

    Raises:
        SourceError: SRC-EMPTY if there are none.
    """
    values = ", ".join(f"nullif(trim({ident(name)}), '') as {ident(name)}" for name in names)
    con.execute(f"create or replace table {ident(table)} as select {ROW_NO}, {values} from raw")
    con.execute("drop table raw; drop table if exists json_lines")
    if not scalar(con, f"select count(*) from {ident(table)}"):
        raise SourceError(
            "SRC-EMPTY", f"the source of {table} has no row", "give a file that has rows"
        )
