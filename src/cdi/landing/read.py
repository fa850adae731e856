"""Where rows come from: one module per kind of source."""

import csv
import io
import mmap
import re
from collections import Counter

import duckdb

from cdi.agency.model import Source
from cdi.errors import SourceError
from cdi.sources.files import FetchedFile
from cdi.sql import Params, ident


def normalise_header(name: str) -> str:
    """Headers are compared without case, and blanks and underscores alike."""
    return re.sub(r"[\s_]+", "_", name.strip().lower())


def read_raw_rows(
    con: duckdb.DuckDBPyConnection, source: Source, file: FetchedFile, number: int
) -> list[str]:
    """Read one file as text into ``raw`` and its unreadable rows into ``refused``.

    ``raw`` is replaced: ``row_no`` and the source's columns, all VARCHAR, under normalised names.
    To ``refused`` (made if absent) rows are added: file_no, line, rule_id, detail, original.
    ``left_out`` is replaced: the ``row_no`` of rows that by `rows` are none of the dataset's.

    Args:
        con: DuckDB connection.
        source: Format, delimiter and columns.
        file: What to read.
        number: Number of the file in its batch.

    Returns:
        Source columns that are neither mapped nor listed under `ignored`.

    Raises:
        SourceError: SRC-DELIMITER, SRC-COLUMNS, SRC-FORMAT, each naming the file.
    """
    con.execute(
        "create table if not exists refused (file_no integer, line bigint, rule_id varchar, "
        "detail varchar, original varchar)"
    )
    readers = {
        "csv": _read_csv, "json": _read_json, "jsonl": _read_jsonl, "parquet": _read_parquet
    }  # fmt: skip
    columns = readers[source.format](con, source, file, number)
    _leave_out(con, source)
    known = {normalise_header(name) for name in [*_wanted_columns(source), *source.ignored]}
    return [name for name in columns if name not in known]


def _leave_out(con: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Move the rows of ``raw`` that are none of the dataset's to ``left_out``."""
    con.execute("create or replace table left_out (row_no bigint)")
    if source.rows is None:
        return
    text = f"trim({ident(normalise_header(source.rows.source))})"
    con.execute(
        "insert into left_out select row_no from raw "
        f"where not coalesce(regexp_full_match({text}, $matches), false)",
        {"matches": source.rows.matches},
    )
    con.execute("delete from raw where row_no in (select row_no from left_out)")


def _wanted_columns(source: Source) -> dict[str, str]:
    """Source columns that are read, and what for."""
    wanted = {m.source: name for name, m in source.columns.items()}
    return wanted if source.rows is None else {source.rows.source: "rows"} | wanted


def _check_columns(source: Source, file: FetchedFile, columns: list[str]) -> None:
    wanted = _wanted_columns(source)
    missing = [f"{s} (for {name})" for s, name in wanted.items() if normalise_header(s)
               not in columns]  # fmt: skip
    if missing:
        # where the header was forgotten, these are a caller's name and what was said
        if 2 * len(missing) <= len(wanted):
            told = f"it has {', '.join(columns)}"
        elif source.format == "csv":
            told = f"its first line, of {len(columns)} fields, is no header"
        else:
            told = f"its {len(columns)} columns have other names"
        raise SourceError(
            "SRC-COLUMNS",
            f"{file.name} has no column {', '.join(missing)}; {told}",
            "correct sources.*.columns in agency.yaml, or have the file delivered again",
        )
    twice = sorted(name for name, count in Counter(columns).items() if count > 1)
    if twice:
        raise SourceError(
            "SRC-COLUMNS", f"{file.name} has a column twice: {', '.join(twice)}",
            "have the file delivered with distinct headers",
        )  # fmt: skip


def _read_csv(
    con: duckdb.DuckDBPyConnection, source: Source, file: FetchedFile, number: int
) -> list[str]:
    columns = _csv_header(source, file)
    _check_columns(source, file, columns)
    # the reject tables go on from file to file, and a clean file makes no scan of its own in them
    con.execute("drop table if exists reject_errors; drop table if exists reject_scans")
    bound = Params()
    # DuckDB lets a surplus field pass if it is null, and with it a row that a stray delimiter
    # shifted and whose last field is blank; hence no text reads as null
    query = f"""
        create or replace table raw as
        select row_number() over () as row_no, *
        from read_csv({bound.bind(str(file.path))},
            columns = {bound.bind(dict.fromkeys(columns, "VARCHAR"))},
            delim = {bound.bind(source.delimiter)},
            auto_detect = false, header = true, quote = '"', escape = '"', nullstr = '\x01',
            null_padding = false, store_rejects = true, rejects_limit = 0, max_line_size = 4194304)
        """
    try:
        con.execute(query, bound.values)
    except duckdb.Error as error:
        raise SourceError(
            "SRC-FORMAT",
            f"{file.name} cannot be read as CSV: {str(error).splitlines()[0]}",
            "have the file delivered with one kind of line end and quotes around text that has any",
        ) from None
    _keep_rejects(con, file, number)
    return columns


def _csv_header(source: Source, file: FetchedFile) -> list[str]:
    with file.path.open("rb") as handle:
        first = handle.readline()
    try:
        text = first.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SourceError(
            "SRC-FORMAT", f"the header of {file.name} is not UTF-8",
            "have the file delivered as UTF-8",
        ) from None  # fmt: skip
    try:
        names = next(csv.reader(io.StringIO(text), delimiter=source.delimiter), [])
    except csv.Error:  # old Macs' line ends make one line of the whole file
        raise SourceError(
            "SRC-FORMAT", f"the header of {file.name} is no line of CSV",
            r"have the file delivered with the line ends \n or \r\n",
        ) from None  # fmt: skip
    other = [d for d in ",;\t|" if d != source.delimiter and text.count(d) >= len(names)]
    if len(names) == 1 and len(source.columns) > 1 and other:
        raise SourceError(
            "SRC-DELIMITER",
            f"{file.name} is not delimited by {source.delimiter!r}; it looks like {other[0]!r}",
            "set `delimiter` in agency.yaml, or have the file delivered as before",
        )
    return [normalise_header(name) for name in names]


READ_RULES = {
    "MISSING COLUMNS": "READ-WIDTH",
    "TOO MANY COLUMNS": "READ-WIDTH",
    "UNQUOTED VALUE": "READ-QUOTE",
    "INVALID ENCODING": "READ-ENCODING",
    "LINE SIZE OVER MAXIMUM": "READ-LENGTH",
}


# from a quote, up to the one that closes it and on to the end of that line; else a line
_ROW = re.compile(rb'"(?:[^"]++|"")*+(?:"[^\r\n]*+)?|[\r\n]*+[^\r\n]*+')
_TOLD = 10_000  # bytes of a refused row that DuckDB tells


def _keep_rejects(con: duckdb.DuckDBPyConnection, file: FetchedFile, number: int) -> None:
    """Move DuckDB's reject table to ``refused``, with the bytes as they stand in the file."""
    rejects = con.execute(
        "select line, line_byte_position - 1, max(strlen(csv_line)), "
        "min(byte_position - 1) filter (error_type = 'UNQUOTED VALUE'), "
        "arg_min(error_type, column_idx), arg_min(error_message, column_idx) "
        "from reject_errors group by all order by line"
    ).fetchall()
    if not rejects:
        return
    with (
        file.path.open("rb") as handle,
        mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        for line, start, length, quote, error_type, message in rejects:
            end = start + length
            # an unclosed quote swallows lines, often all to the end of the file
            if length in (0, _TOLD) and (found := _ROW.match(content, quote or start)):
                end = found.end()
            original = content[start:end].strip(b"\r\n")
            con.execute(
                "insert into refused values (?, ?, ?, ?, ?)",
                [number, line, READ_RULES.get(error_type, "READ-OTHER"), message,
                 original.decode("utf-8", "backslashreplace")],
            )  # fmt: skip


def _read_jsonl(
    con: duckdb.DuckDBPyConnection, source: Source, file: FetchedFile, number: int
) -> list[str]:
    """One JSON object a line; a line that is none is refused with its text."""
    try:
        con.execute(
            r"""
            create or replace temp table json_lines as
            select row_number() over () as line, line as original,
                try_cast(line as json) as content
            from read_csv($path, columns = {'line': 'VARCHAR'}, auto_detect = false,
                header = false, delim = '\0', quote = '', escape = '', max_line_size = 4194304)
            where trim(line) <> ''
            """,
            {"path": str(file.path)},
        )
    except duckdb.Error as error:
        raise SourceError(
            "SRC-FORMAT",
            f"{file.name} cannot be read line by line: {str(error).splitlines()[0]}",
            "have the file delivered with one kind of line end, one JSON object a line",
        ) from None
    return _read_objects(con, source, file, number)


def _read_json(
    con: duckdb.DuckDBPyConnection, source: Source, file: FetchedFile, number: int
) -> list[str]:
    """One array of JSON objects; an element that is none is refused with its text."""
    try:
        con.execute(
            """
            create or replace temp table json_lines as
            with parsed as (select cast(content as json[]) as rows from read_text($path))
            select
                unnest(range(1, len(rows) + 1)) as line,
                cast(unnest(rows) as varchar) as original,
                unnest(rows) as content
            from parsed
            """,
            {"path": str(file.path)},
        )
    except duckdb.Error:  # its message would tell rows
        raise SourceError(
            "SRC-FORMAT",
            f"{file.name} is not one whole JSON array",
            "have the file delivered again, or set `format: jsonl` if it has one object a line",
        ) from None
    return _read_objects(con, source, file, number)


def _read_objects(
    con: duckdb.DuckDBPyConnection, source: Source, file: FetchedFile, number: int
) -> list[str]:
    """Make ``raw`` of the objects in json_lines (line, original, content), and refuse the rest."""
    con.execute(
        "insert into refused select $number, line, 'READ-JSON', 'not a JSON object', original "
        "from json_lines where coalesce(json_type(content), '') <> 'OBJECT'",
        {"number": number},
    )
    keys = con.execute(
        "select distinct unnest(json_keys(content)) as k from json_lines "
        "where json_type(content) = 'OBJECT' order by k"
    ).fetchall()
    columns = {normalise_header(key): key for (key,) in keys}
    # neither can be asked for in DuckDB
    if "" in columns or any('"' in key for key in columns.values()):
        raise SourceError(
            "SRC-FORMAT", f"{file.name} has a key that is blank or holds a quotation mark",
            "have the file delivered with names as keys",
        )  # fmt: skip
    _check_columns(source, file, list(columns))
    bound = Params()
    values = ", ".join(
        f"json_extract_string(content, {bound.bind(chr(36) + '.' + ident(key))}) as {ident(name)}"
        for name, key in columns.items()
    )
    con.execute(
        f"create or replace table raw as select row_number() over (order by line) as row_no, "
        f"{values} from json_lines where json_type(content) = 'OBJECT'",
        bound.values,
    )
    return list(columns)


def _read_parquet(
    con: duckdb.DuckDBPyConnection, source: Source, file: FetchedFile, number: int
) -> list[str]:
    """Parquet is typed by its writer; values become text, so that one mapping serves all."""
    try:
        described = con.execute("describe from read_parquet(?)", [str(file.path)]).fetchall()
    except duckdb.Error as error:
        raise SourceError(
            "SRC-FORMAT", f"{file.name} cannot be read as Parquet: {error}",
            "have the file delivered again; nothing of it was taken",
        ) from None  # fmt: skip
    columns = {normalise_header(row[0]): row[0] for row in described}
    _check_columns(source, file, list(columns))
    values = ", ".join(
        f"cast({ident(actual)} as varchar) as {ident(name)}" for name, actual in columns.items()
    )
    con.execute(
        f"create or replace table raw as select row_number() over () as row_no, {values} "
        f"from read_parquet($path)",
        {"path": str(file.path)},
    )
    return list(columns)
