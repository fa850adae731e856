"""Reads a source file of any format into tables of text; rows that cannot be read are refused."""

import csv
import io
import mmap
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import duckdb

from cdi.agency.datasets import DATASETS, NEWER, TIMES
from cdi.agency.model import Source
from cdi.errors import SourceError
from cdi.landing.counting import (
    check_content,
    check_parquet_rows,
    count_byte_order_mark,
    count_content,
    count_table_content,
)
from cdi.sources.files import FetchedFile
from cdi.sql import Params, ident, parquet_types, read_query, relation, scalar

SQL = Path(__file__).parent / "sql"
DELIMITERS = ",;\t|"
MAX_ROW_BYTES = 4 << 20  # no row of a log is longer
BUFFER_BYTES = 16 * MAX_ROW_BYTES  # DuckDB's own choice
_REFUSED_COLUMNS = {
    "file_no": "INTEGER",
    "line": "BIGINT",
    "rule_id": "VARCHAR",
    "detail": "VARCHAR",
    "original": "VARCHAR",
}
# Refused rows are inserted together, as one by one they take milliseconds each; but so few together
# that they fit into memory, as a row may be long.
_REFUSED_TOGETHER = 10_000
_REFUSED_LETTERS = 16 << 20
_REJECTED_BYTES = 10_000  # DuckDB tells this many bytes of a refused row, and no more

_PIECE_LETTERS = 1 << 20  # a text is read in pieces, as it may be larger than the memory
_ESCAPED_BYTE = r"\\x[89a-f][0-9a-f]"

# rules by DuckDB's types of errors; any other type is READ-OTHER
READ_RULES = {
    "MISSING COLUMNS": "READ-WIDTH",
    "TOO MANY COLUMNS": "READ-WIDTH",
    "UNQUOTED VALUE": "READ-QUOTE",
    "INVALID ENCODING": "READ-ENCODING",
    "LINE SIZE OVER MAXIMUM": "READ-LENGTH",
}

# What DuckDB says of a row that ends too early.
_CUT = ("MISSING COLUMNS", "UNQUOTED VALUE")

# A refused row. If it starts at a quotation mark, it ends where the line ends on which the mark is
# closed; otherwise it is one line. Nothing is tried twice (`++`, `*+`), as an unclosed mark may run
# through a file of many megabytes.
_ROW = re.compile(rb'"(?:[^"]++|"")*+(?:"[^\r\n]*+)?|[\r\n]*+[^\r\n]*+')


# The columns with the number of a row in its file, and of the file in its batch. No source has
# columns of these names, as blanks in a header count as underscores.
ROW_NO = ident("row no")
FILE_NO = ident("file no")


def normalise_header(name: str) -> str:
    """Normalise a header: case does not count, and blanks count as underscores."""
    return re.sub(r"[\s_]+", "_", name.strip().lower())


def read_raw_rows(
    con: duckdb.DuckDBPyConnection, dataset: str, source: Source, file: FetchedFile, number: int
) -> list[str]:
    """Read one file into tables of text.

    The table ``raw`` is made anew: `ROW_NO` and the source's columns under normalised names, all
    VARCHAR. The rows that cannot be read are added to ``refused`` (file_no, line, rule_id, detail,
    original). The table ``left_out`` is made anew: the `ROW_NO` of the rows that, by `rows` in
    agency.yaml, do not belong to the dataset.

    Args:
        con: DuckDB connection.
        dataset: The dataset that the file holds.
        source: Format, delimiter and columns of the source.
        file: The file.
        number: Number of the file in its batch.

    Returns:
        The source's columns that are neither mapped nor listed under `ignored`.

    Raises:
        SourceError: SRC-DELIMITER, SRC-COLUMNS, SRC-FORMAT, SRC-CUT, SRC-UNCOUNTED, each naming the
            file.
    """
    refused = ", ".join(f"{name} {kind}" for name, kind in _REFUSED_COLUMNS.items())
    con.execute(f"create table if not exists refused ({refused})")
    readers = {
        "csv": _read_csv,
        "json": _read_json,
        "jsonl": _read_jsonl,
        "parquet": _read_parquet,
    }
    columns = readers["parquet" if source.is_live else source.format](con, source, file, number)
    for header in _list_newer_headers(source):
        if header not in columns:
            con.execute(f"alter table raw add column {ident(header)} varchar")
    if source.is_typed:
        _check_time_formats(con, dataset, source, file)
    _leave_out_rows(con, source)
    return list_unexpected(source, columns)


def list_unexpected(source: Source, columns: Iterable[str]) -> list[str]:
    """List the columns that are neither mapped nor listed under `ignored`.

    Args:
        source: What agency.yaml says of the source.
        columns: Names of columns that the source has. `*` in an ignored name stands for any text.
    """
    wanted = {normalise_header(name) for name in _list_wanted(source)}
    ignored = [normalise_header(name) for name in source.ignored]
    return [
        name
        for name in columns
        if normalise_header(name) not in wanted
        and not any(fnmatchcase(normalise_header(name), pattern) for pattern in ignored)
    ]


def _leave_out_rows(con: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Move the rows of ``raw`` that do not belong to the dataset to ``left_out``."""
    con.execute(f"create or replace table left_out ({ROW_NO} bigint)")
    if source.rows is None:
        return
    text = f"trim({ident(normalise_header(source.rows.source))})"
    con.execute(
        f"insert into left_out select {ROW_NO} from raw "
        f"where not coalesce(regexp_full_match({text}, $matches), false)",
        {"matches": source.rows.matches},
    )
    con.execute(f"delete from raw where {ROW_NO} in (from left_out)")


def _list_wanted(source: Source) -> dict[str, str]:
    """List the source's columns that are read, each with the key of agency.yaml that needs it."""
    wanted = {
        header: name for name, mapping in source.columns.items() for header in mapping.sources
    }
    return wanted if source.rows is None else {source.rows.source: "rows"} | wanted


def _list_newer_headers(source: Source) -> list[str]:
    """List the normalised headers that a file of people may lack, as it was written before them."""
    return [normalise_header(m.source) for name, m in source.columns.items() if name in NEWER]


def _check_columns(source: Source, file: FetchedFile, names: Sequence[str]) -> list[str]:
    """Refuse a file that lacks a column, has one twice, or has one without a name.

    Args:
        source: What agency.yaml says of the source.
        file: The file.
        names: The names of its columns as it has them, by which people look for them in it.

    Returns:
        The normalised names.
    """
    columns = [normalise_header(name) for name in names]
    if "" in columns:
        fix = "have each column delivered with a name"
        if source.format == "csv":
            fix += ", or give `header` and `skip_lines` in agency.yaml"
        raise SourceError(
            "SRC-COLUMNS",
            f"{file.name} has a column without a name: number {columns.index('') + 1} of "
            f"{len(columns)}",
            fix,
        )
    wanted = _list_wanted(source)
    present = {*columns, *_list_newer_headers(source)}
    missing = [
        f"{header} (for {name})"
        for header, name in wanted.items()
        if normalise_header(header) not in present
    ]
    if missing:
        # Where the header line was forgotten, the supposed columns are a caller's name and what was
        # said. So they are shown only if at least half of the wanted columns are among them.
        fix = "correct sources.*.columns in agency.yaml, or have the file delivered again"
        if 2 * len(missing) <= len(wanted):
            what_it_has = f"it has {', '.join(name.strip() for name in names)}"
        elif source.format == "csv":
            what_it_has = f"its first line, of {len(columns)} fields, is not a header"
            fix += "; if it has no header, name its columns in `header` of agency.yaml"
        else:
            what_it_has = f"its {len(columns)} columns have other names"
        raise SourceError(
            "SRC-COLUMNS", f"{file.name} has no column {', '.join(missing)}; {what_it_has}", fix
        )
    spellings: dict[str, list[str]] = {}
    for column, name in zip(columns, names, strict=True):
        spellings.setdefault(column, []).append(name.strip())
    repeated = [
        " and ".join(sorted(set(same))) for _, same in sorted(spellings.items()) if len(same) > 1
    ]
    if repeated:
        raise SourceError(
            "SRC-COLUMNS",
            f"{file.name} has a column twice: {', '.join(repeated)}",
            "have the file delivered with distinct headers; capitals and small letters count as "
            "the same, as do blanks and underscores",
        )
    return columns


def _read_csv(
    con: duckdb.DuckDBPyConnection, source: Source, file: FetchedFile, number: int
) -> list[str]:
    columns = _check_columns(source, file, _read_csv_header(source, file))
    # DuckDB adds to these two tables with each file, and a file without rejects leaves them as they
    # were; so what an earlier file left must go.
    con.execute("drop table if exists reject_errors; drop table if exists reject_scans")
    bound = Params()
    # DuckDB accepts a surplus field if it is null. If blank fields were null, it would accept a row
    # that a stray delimiter shifted and whose last field is blank. Hence null is written as a
    # character that no text holds.
    query = f"""
        create or replace table raw as
        select row_number() over () as {ROW_NO}, *
        from read_csv({bound.bind(str(file.path))},
            columns = {bound.bind(dict.fromkeys(columns, "VARCHAR"))},
            delim = {bound.bind(source.delimiter)},
            auto_detect = false, header = {bound.bind(source.header is None)},
            skip = {bound.bind(source.skip_lines)}, quote = '"', escape = '"', nullstr = '\x01',
            null_padding = false, store_rejects = true, rejects_limit = 0,
            max_line_size = {MAX_ROW_BYTES}, buffer_size = {BUFFER_BYTES})
        """
    try:
        con.execute(query, bound.values)
    except duckdb.Error as error:
        raise SourceError(
            "SRC-FORMAT",
            f"{file.name} cannot be read as CSV: {str(error).splitlines()[0]}",
            "have the file delivered with one kind of line end, and with quotation marks around "
            "text that holds line ends",
        ) from None
    refused = _keep_rejected_rows(con, file, number)
    with file.path.open("rb") as handle:
        lines_before_rows = source.skip_lines + (source.header is None)
        header = sum(count_content(handle.readline()) for _ in range(lines_before_rows))
    if not lines_before_rows:  # or else the first of them begins with the mark
        header = count_byte_order_mark(file.path)
    first = scalar(con, "select min(line) from refused where file_no = $n", {"n": number})
    check_content(
        file,
        header + refused + count_table_content(con, "raw", columns, source.delimiter),
        f", first at line {first:,}" if first else "",
    )
    return columns


def _read_csv_header(source: Source, file: FetchedFile) -> list[str]:
    """Read the column names of a CSV file: from its header line, or from agency.yaml."""
    with file.path.open("rb") as handle:
        for _ in range(source.skip_lines):
            handle.readline()
        first = handle.readline()
    try:
        text = first.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _encoding_error(f"the header of {file.name}") from None
    try:
        names = next(csv.reader(io.StringIO(text), delimiter=source.delimiter), [])
    except csv.Error:  # with the line ends of old Macs, the whole file is one line
        raise SourceError(
            "SRC-FORMAT",
            f"the header of {file.name} is not a line of CSV",
            r"have the file delivered with the line ends \n or \r\n",
        ) from None
    if source.header is None and names and "\n" in names[-1]:
        raise SourceError(
            "SRC-COLUMNS",
            f"the first line of {file.name} is not a whole header: a quotation mark in it is not "
            "closed",
            "have the file delivered with the names of all columns in its first line",
        )
    others = [
        delimiter
        for delimiter in DELIMITERS
        if delimiter != source.delimiter and text.count(delimiter) >= len(names)
    ]
    if len(names) == 1 and len(source.columns) > 1 and others:
        raise SourceError(
            "SRC-DELIMITER",
            f"{file.name} is not delimited by {source.delimiter!r}; it looks like {others[0]!r}",
            "set `delimiter` in agency.yaml, or have the file delivered as before",
        )
    if source.header == "none":
        return [f"column_{number}" for number in range(1, len(names) + 1)]
    if source.header is not None:
        if len(source.header) != len(names):
            raise SourceError(
                "SRC-COLUMNS",
                f"the first row of {file.name} has {len(names)} fields, and `header` in "
                f"agency.yaml names {len(source.header)} columns",
                "correct `header` in agency.yaml, or have the file delivered as before",
            )
        return list(source.header)
    return names


def _keep_rejected_rows(con: duckdb.DuckDBPyConnection, file: FetchedFile, number: int) -> int:
    """Add the rows in DuckDB's reject table to ``refused``, with their bytes from the file.

    Returns:
        How much content they hold (`cdi.landing.counting`).

    Raises:
        SourceError: SRC-CUT if the file ends inside its last row.
    """
    # An error of the whole row, as of its length, has no column; it comes before those that have.
    rejects = con.execute(
        "select line, line_byte_position - 1, max(strlen(csv_line)), "
        "min(byte_position - 1) filter (error_type = 'UNQUOTED VALUE'), "
        "arg_min(error_type, coalesce(column_idx, 0)), "
        "arg_min(error_message, coalesce(column_idx, 0)) "
        "from reject_errors group by all order by line"
    ).fetchall()
    if not rejects:
        return 0
    refused = 0
    kept: list[dict[str, Any]] = []
    letters = 0
    with (
        file.path.open("rb") as handle,
        mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        for line, start, length, quote, error_type, message in rejects:
            end = start + length
            # With one of these lengths, DuckDB did not tell the whole row: an unclosed quotation
            # mark swallows lines, often all up to the end of the file.
            # Sometimes, as with the line ends of Windows, it tells the row before that one.
            if is_row_before := quote is not None and quote >= end:
                start = end
            is_told_whole = length not in (0, _REJECTED_BYTES) and not is_row_before
            if not is_told_whole and (row := _ROW.match(content, quote or start)):
                end = row.end()
            if end == len(content) and content[end - 1] not in b"\r\n" and error_type in _CUT:
                raise _cut_error(file, line)
            text = content[start:end].strip(b"\r\n")
            refused += count_content(text)
            original = text.decode("utf-8", "backslashreplace")
            rule_id = READ_RULES.get(error_type, "READ-OTHER")
            values = (number, line, rule_id, message, original)
            kept.append(dict(zip(_REFUSED_COLUMNS, values, strict=True)))
            letters += len(original)
            if len(kept) >= _REFUSED_TOGETHER or letters >= _REFUSED_LETTERS:
                relation(con, _REFUSED_COLUMNS, kept).insert_into("refused")
                kept, letters = [], 0
    if kept:
        relation(con, _REFUSED_COLUMNS, kept).insert_into("refused")
    return refused


def _encoding_error(what: str) -> SourceError:
    return SourceError(
        "SRC-FORMAT",
        f"{what} is not UTF-8",
        "set `encoding` of the source in agency.yaml, or have the file delivered as UTF-8",
    )


def _cut_error(file: FetchedFile, line: int) -> SourceError:
    return SourceError(
        "SRC-CUT",
        f"{file.name} ends in the middle of a row, at line {line:,}",
        "have the whole file delivered again; nothing of it was taken. If it is whole, have its "
        "last line end like all others",
    )


def _read_jsonl(
    con: duckdb.DuckDBPyConnection, source: Source, file: FetchedFile, number: int
) -> list[str]:
    """Read a file with a JSON object on each line; any other line is refused with its text.

    Blank lines count as nothing. A byte that is not UTF-8 refuses its line alone.
    """
    is_utf8 = _is_utf8(file)
    if not is_utf8:
        file = _escape_bytes(file)
    try:
        _make_json_lines(con, "split_json_lines", file)
    except duckdb.Error as error:
        if not is_utf8:
            raise _encoding_error(file.name) from None
        raise SourceError(
            "SRC-FORMAT",
            f"{file.name} cannot be read line by line: {str(error).splitlines()[0]}",
            "have the file delivered with one kind of line end, and one JSON object on each line",
        ) from None
    # DuckDB reads over the mark, so it is in no line.
    mark = count_byte_order_mark(file.path)
    check_content(file, mark + count_table_content(con, "json_lines", ["original"], ""))
    con.execute("delete from json_lines where trim(original) = ''")
    if not is_utf8 and not scalar(con, "select count(content) from json_lines"):
        raise _encoding_error(file.name)
    # a line with an escaped byte is no JSON, and whole if it is JSON without the byte
    last, is_whole = con.execute(
        "select line, content is not null or "
        "json_valid(regexp_replace(original, $escape, '', 'g')) "
        "from json_lines where line = (select max(line) from json_lines)",
        {"escape": _ESCAPED_BYTE},
    ).fetchone() or (None, None)
    if last and not is_whole and not _ends_with_line_end(file):
        raise _cut_error(file, last)
    if not is_utf8:
        _refuse_escaped(con, number)
    return _read_objects(con, source, file, number)


def _is_utf8(file: FetchedFile) -> bool:
    with file.path.open(encoding="utf-8", newline="") as text:
        try:
            while text.read(_PIECE_LETTERS):
                pass
        except UnicodeDecodeError:
            return False
    return True


def _escape_bytes(file: FetchedFile) -> FetchedFile:
    r"""Write a file anew beside itself, and a byte that is not UTF-8 as in ``\xe9``.

    JSON knows no such escape, so the line cannot be read, and keeps all of its text.
    """
    escaped = file.path.with_name(f"{file.path.name}.escaped")
    with (
        file.path.open(encoding="utf-8", errors="backslashreplace", newline="") as source,
        escaped.open("w", encoding="utf-8", newline="") as target,
    ):
        shutil.copyfileobj(source, target, _PIECE_LETTERS)
    return replace(file, path=escaped)


def _refuse_escaped(con: duckdb.DuckDBPyConnection, number: int) -> None:
    """Refuse the lines of ``json_lines`` that cannot be read as they have an escaped byte."""
    con.execute(
        "insert into refused select $number, line, 'READ-ENCODING', 'a byte is not UTF-8', "
        "original from json_lines where content is null and regexp_matches(original, $escape)",
        {"number": number, "escape": _ESCAPED_BYTE},
    )
    con.execute(
        "delete from json_lines where content is null and regexp_matches(original, $escape)",
        {"escape": _ESCAPED_BYTE},
    )


def _ends_with_line_end(file: FetchedFile) -> bool:
    with file.path.open("rb") as handle:
        handle.seek(-1, io.SEEK_END)
        return handle.read() in b"\r\n"


def _read_json(
    con: duckdb.DuckDBPyConnection, source: Source, file: FetchedFile, number: int
) -> list[str]:
    """Read a file that is one array of JSON objects; any other element is refused with its text."""
    try:
        _make_json_lines(con, "split_json_array", file)
    except duckdb.Error as error:  # DuckDB's message is not shown, as it would quote rows
        if not _is_utf8(file):
            raise _encoding_error(file.name) from None
        if "surrogate in string" in str(error):
            raise SourceError(
                "SRC-FORMAT",
                rf"{file.name} has half a character, as `\ud83d` alone is",
                "have no text cut within a character, and the file delivered again",
            ) from None
        raise SourceError(
            "SRC-FORMAT",
            f"{file.name} is not one whole JSON array",
            "have the file delivered again, or set `format: jsonl` if each line is an object",
        ) from None
    return _read_objects(con, source, file, number)


def _make_json_lines(con: duckdb.DuckDBPyConnection, query: str, file: FetchedFile) -> None:
    """Make the table ``json_lines`` (line, original, content) by a query of the folder ``sql/``."""
    con.execute(
        f"create or replace temp table json_lines as {read_query(SQL / f'{query}.sql')}",
        {"path": str(file.path)},
    )


def _read_objects(
    con: duckdb.DuckDBPyConnection, source: Source, file: FetchedFile, number: int
) -> list[str]:
    """Make ``raw`` from the objects in ``json_lines``, and refuse what is not an object.

    An object that has a key twice is refused too, as only one of the values could be read.
    """
    con.execute(f"insert into refused {read_query(SQL / 'refused_json.sql')}", {"number": number})
    con.execute(
        "delete from json_lines where line in (select line from refused where file_no = $number)",
        {"number": number},
    )
    _check_objects_are_left(con, file, number)
    found = con.execute(
        "select distinct unnest(json_keys(content)) as k from json_lines order by k"
    ).fetchall()
    keys = [str(key) for (key,) in found]
    # DuckDB's JSON paths can name neither a blank key nor one with a quotation mark.
    if any('"' in key or not normalise_header(key) for key in keys):
        raise SourceError(
            "SRC-FORMAT",
            f"{file.name} has a key that is blank or holds a quotation mark",
            "have the file delivered with names as keys",
        )
    columns = _check_columns(source, file, keys)
    bound = Params()
    values = ", ".join(
        f"json_extract_string(content, {bound.bind(f'$.{ident(key)}')}) as {ident(name)}"
        for name, key in zip(columns, keys, strict=True)
    )
    con.execute(
        f"create or replace table raw as select row_number() over (order by line) as {ROW_NO}, "
        f"{values} from json_lines",
        bound.values,
    )
    return columns


def _check_objects_are_left(con: duckdb.DuckDBPyConnection, file: FetchedFile, number: int) -> None:
    """Refuse a file whose objects all have a key twice, as a join of two tables exports them.

    No object is left to name a column, so the columns would be said to be missing.
    """
    ((repeated,),) = con.execute(
        "select max(detail) filter (rule_id = 'READ-KEYS') from refused "
        "where file_no = $number and not exists (from json_lines)",
        {"number": number},
    ).fetchall()
    if repeated:
        raise SourceError(
            "SRC-COLUMNS",
            f"in each object of {file.name} a key is {repeated}",
            "have the file delivered with distinct keys",
        )


def _read_parquet(
    con: duckdb.DuckDBPyConnection, source: Source, file: FetchedFile, number: int
) -> list[str]:
    """Read a Parquet file; its typed values become text, so that one mapping fits all formats.

    A typed time has one text form (`cdi.agency.mapping.TYPED_TIMES`), whatever its fraction of a
    second, and needs no `format` in agency.yaml. A time that is a text there does.
    """
    from pyarrow import parquet  # takes a while to import, and most files are not Parquet

    try:
        described = parquet_types(con, file.path).items()
    except duckdb.Error as error:
        raise SourceError(
            "SRC-FORMAT",
            f"{file.name} cannot be read as Parquet: {error}",
            "have the file delivered again; nothing of it was taken",
        ) from None
    # DuckDB gives another name to a column whose name differs from one before it only by case.
    columns = _check_columns(source, file, parquet.read_schema(file.path).names)
    values = ", ".join(
        f"{_text_expression(ident(name), kind)} as {ident(normalise_header(name))}"
        for name, kind in described
    )
    con.execute(
        f"create or replace table raw as select row_number() over () as {ROW_NO}, {values} "
        f"from read_parquet($path)",
        {"path": str(file.path)},
    )
    check_parquet_rows(con, file)
    return columns


def _check_time_formats(
    con: duckdb.DuckDBPyConnection, dataset: str, source: Source, file: FetchedFile
) -> None:
    """Refuse a file in which a time is a text, if agency.yaml does not say in which format."""
    kinds = {normalise_header(name): kind for name, kind in parquet_types(con, file.path).items()}
    unknown = [
        f"{mapping.source} (for {column.name}) is {kind}"
        for column in DATASETS[dataset]
        if column.kind in TIMES
        and (mapping := source.columns.get(column.name))
        and not mapping.format
        and not _is_time(kind := kinds[normalise_header(mapping.source)])
    ]
    if unknown:
        raise SourceError(
            "SRC-FORMAT",
            f"{file.name} has times that are not typed as such: {', '.join(unknown)}",
            "give their `format` in agency.yaml, e.g. '%Y-%m-%d %H:%M:%S'",
        )


def _is_time(kind: str) -> bool:
    """Whether a DuckDB type is a date, or a date and time."""
    return kind.startswith(("DATE", "TIMESTAMP"))


def _text_expression(value: str, kind: str) -> str:
    """SQL for a typed value as text."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime(timezone('UTC', {value}), '%Y-%m-%d %H:%M:%S.%f+00:00')"
    if _is_time(kind):
        return f"strftime(cast({value} as timestamp), '%Y-%m-%d %H:%M:%S.%f')"
    return f"cast({value} as varchar)"
