"""What the other files of an open folder show: Parquet, CSV, the data package and the pages.

The attack reads each format as if it were a release of its own: what one of them withholds and
another one shows is recovered without any arithmetic. On the pages and in ``datapackage.json`` it
looks for numbers that are in no released table. No code is shared with the code that writes them.
"""

import hashlib
import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb

from cdi.sql import connect, literal

FORMATS = ("duckdb", "parquet", "csv")
TYPES = {
    "string": "varchar",
    "integer": "bigint",
    "number": "double",
    "date": "date",
    "boolean": "boolean",
}
MONTHS = "|".join(f"{date(2017, month, 1):%B}" for month in range(1, 13))
# Days, months and quarters are no counts.
TIMES = re.compile(
    rf"\d{{4}}-\d\d-\d\d|\d{{4}}-Q[1-4]|(?:\d{{1,2}} )?(?:{MONTHS}) \d{{4}}|(?:{MONTHS}) to"
)
NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")
# What the pages say of the method: its limits, and how sure an interval is.
METHOD = re.compile(
    r"from 1 to \d+ are withheld|only of \d+ crimes or more|\d+ days after its end"
    r"|95% confidence interval"
)
ROWS = re.compile(r"([\d,]+) rows?:")
SIZE = re.compile(r"([\d,]+) kB")
# How a page writes a share that is 100% or 0% when rounded, and is not all or nothing.
ROUNDED = {"more than 99%": "100%", "less than 1%": "0%"}
SHOWN_ATTRIBUTES = ("aria-label", "title", "alt", "content", "value")


@contextmanager
def open_tables(folder: Path, form: str = "duckdb") -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the tables of an open folder, as one of its formats has them.

    Args:
        folder: The folder ``open/`` of a version.
        form: One of `FORMATS`. The types of CSV columns are those that ``datapackage.json`` says.

    Yields:
        A connection in which each table has its own name.
    """
    if form == "duckdb":
        with connect(folder / "open.duckdb", read_only=True) as con:
            yield con
        return
    package = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    with connect() as con:
        for resource in package["resources"]:
            file = folder / Path(resource["path"]).with_suffix(f".{form}")
            source = f"read_parquet({literal(str(file))})"
            if form == "csv":
                columns = ", ".join(
                    f"{literal(column['name'])}: {literal(TYPES[column['type']])}"
                    for column in resource["schema"]["fields"]
                )
                source = (
                    f"read_csv({literal(str(file))}, header = true, auto_detect = false, "
                    f"delim = ',', quote = '\"', columns = {{{columns}}})"
                )
            con.execute(f"create view {resource['name']} as from {source}")
        yield con


def find_unreleased_numbers(folder: Path) -> dict[str, list[str]]:
    """Find the numbers of the pages and of the data package that are in no released table.

    Days, months and quarters, the limits of the method, the meaning of tables and columns, and
    row counts and sizes that are those of the files are no such numbers.

    Args:
        folder: The folder ``open/`` of a version.

    Returns:
        The numbers by the name of the file; a file without such numbers is left out.
    """
    with open_tables(folder) as con:
        tables = {name: con.execute(f"from {name}").fetchall() for name in _list_tables(con)}
        meanings = _list_meanings(con)
    released = {form for rows in tables.values() for row in rows for form in _write_values(row)}
    row_counts = {f"{len(rows):,}" for rows in tables.values()}
    sizes = {f"{-(-file.stat().st_size // 1000):,}" for file in folder.iterdir()}
    unreleased = {}
    for name, text in {
        "index.html": _read_page(folder / "index.html"),
        "README.md": (folder / "README.md").read_text(encoding="utf-8"),
        "datapackage.json": _read_package(folder),
    }.items():
        for meaning in meanings:
            text = text.replace(meaning, " ")
        found = {count for count in ROWS.findall(text) if count not in row_counts}
        found |= {size for size in SIZE.findall(text) if size not in sizes}
        for pattern in (ROWS, SIZE, METHOD):
            text = pattern.sub(" ", text)
        for words, share in ROUNDED.items():
            text = text.replace(words, share)
        found |= _list_numbers(text) - released
        if found:
            unreleased[name] = sorted(found)
    return unreleased


def _list_tables(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Name the tables of ``open.duckdb``."""
    return [name for (name,) in con.execute("select table_name from duckdb_tables()").fetchall()]


def _list_meanings(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The comments of all tables and columns, the longest first."""
    comments = con.execute(
        "select comment from duckdb_tables() union select comment from duckdb_columns() "
        "where comment is not null"
    ).fetchall()
    meanings = {comment.removeprefix("SIMULATED. ") for (comment,) in comments}
    return sorted(meanings, key=len, reverse=True)


def _list_numbers(text: str) -> set[str]:
    """List the numbers of a text, as they are written; days, months and quarters are left out."""
    return set(NUMBER.findall(TIMES.sub(" ", text)))


def _write_values(row: tuple[Any, ...]) -> set[str]:
    """Each number of a row, in each way in which a page may write it."""
    written: set[str] = set()
    for value in row:
        if isinstance(value, str):
            written |= _list_numbers(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            written |= {str(value), f"{value:,}"}
        elif isinstance(value, float):  # a share is written as a percentage
            written |= {f"{100 * value:.1f}", f"{100 * value:.0f}"}
    return written


def _read_package(folder: Path) -> str:
    """The text of the data package, without sizes and checksums that are those of the files."""
    package = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    del package["$schema"]
    for resource in package["resources"]:
        del resource["encoding"]
        content = (folder / resource["path"]).read_bytes()
        if resource["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}":
            del resource["hash"]
        if resource["bytes"] == len(content):
            del resource["bytes"]
    return json.dumps(package, ensure_ascii=False)


class _Text(HTMLParser):
    """Collects what a page says, also to those who hear it: text and the attributes that are read.

    Attributes:
        parts: The texts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._is_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the attributes of a tag."""
        self._is_style = tag == "style"
        if tag != "meta":
            self.parts += [value or "" for name, value in attrs if name in SHOWN_ATTRIBUTES]

    def handle_endtag(self, tag: str) -> None:
        """Leave the style behind."""
        self._is_style = False

    def handle_data(self, data: str) -> None:
        """Collect text."""
        if not self._is_style:
            self.parts.append(data)

    def handle_comment(self, data: str) -> None:
        """Collect a comment too: it is there for those who look at the source."""
        self.parts.append(data)


def _read_page(file: Path) -> str:
    """The text of a page."""
    reader = _Text()
    reader.feed(file.read_text(encoding="utf-8"))
    return html.unescape(" ".join(reader.parts))


def read_page_tables(file: Path) -> list[dict[str, Any]]:
    """Read the tables of figures on the page, each row by its heading.

    Args:
        file: ``index.html`` of an open folder.

    Returns:
        For each table its caption and its rows: the cells by the name of the row, as written.
    """
    page = file.read_text(encoding="utf-8")
    found = []
    for table in re.findall(r"<table>\s*<caption>(.*?)</table>", page, re.DOTALL):
        caption, _, body = table.partition("</caption>")
        rows = {}
        for row in re.findall(r"<tr>(<th scope=\"row\">.*?)</tr>", body, re.DOTALL):
            heading, *cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
            rows[heading] = [re.sub(r"<[^>]+>", "", cell) for cell in cells]
        found.append({"caption": caption, "rows": rows})
    return found
