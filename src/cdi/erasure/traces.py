"""Search the state folder for what must be erased, also inside compressed files and databases.

Each file is searched by its name and by its bytes. Files of gzip, zip (and so XLSX), Parquet,
DuckDB and SQLite are opened and their content is searched; the encrypted originals of refused rows
are decrypted for it.
"""

import contextlib
import csv
import gzip
import mmap
import re
import sqlite3
import sys
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
from cryptography.fernet import InvalidToken
from openpyxl import load_workbook

from cdi import paths
from cdi.agency.key_rules import capitals
from cdi.agency.load import agency_names
from cdi.erasure.places import (
    AIRFLOW_COLUMNS,
    NEVER_REFERENCES,
    PAGE_FOLDERS,
    TIME,
    is_folder_of_another_agency,
    is_of_another_agency,
    page_names,
    written_forms,
)
from cdi.keys import decrypt_text
from cdi.landing.tombstones import ERASED, is_common
from cdi.report import docs_site
from cdi.sql import connect, ident, literal, scalar

# In these folders each agency has a folder of its own.
_BY_AGENCY = (
    *("landing", "published", "weights", "readings", "decisions", "audit", "released", "alerts"),
    *("asked", "checks"),
)
# These are not searched: they stand for the simulated police's own systems, hold the keys, or are
# the documentation, whose examples have invented numbers and which is the same for all agencies.
EXEMPT = ("sources", "truth", "secrets", docs_site.FOLDER)
_DOCUMENTATION = re.compile(
    rf"published/[^/]+/(?:\.next|versions/[^/]+)/{docs_site.FOLDER}/|prepared/{docs_site.FOLDER}-"
)

# Before a word stands no letter or digit, unless it belongs to an escape of a URL or of JSON.
_STARTS = r"(?:(?<![0-9A-Za-z])|(?<=%[0-9A-F]{2})|(?<=\\[bfnrt])|(?<=\\u[0-9A-F]{4}))"
_ENDS = r"(?![0-9A-Za-z])"


@dataclass(frozen=True)
class Wanted:
    """What is looked for, in capitals and in small letters.

    Attributes:
        names: References, canonical and as typed. In texts and in bytes, all their written forms
            are looked for as whole words, unless they are too common (`is_common`).
        texts: Parts of texts.
        others: References of the agency that stay and of which a name is a part, as of AB/1/2.
        columns: Columns of tables that may hold the names.
        agency: The agency's id; in shared files, lines of other agencies are passed over.
    """

    names: frozenset[str]
    texts: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()
    agency: str = ""

    @cached_property
    def common(self) -> frozenset[str]:
        """The names that are looked for in fields alone."""
        return frozenset(name for name in self.names if is_common(name))

    @cached_property
    def forms(self) -> frozenset[str]:
        """What is looked for in bytes, except parts of texts and pages."""
        distinct = self.names - self.common
        written = frozenset().union(*(written_forms(name) for name in distinct))
        return written | {stem for stem in page_names(distinct) if not is_common(stem)}

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """A pattern of bytes that finds any of it: group 1, or else it is to be passed over."""
        numbers = {form for form in self.forms if form.isdigit()}
        # longer references that stay, before what they begin with; fractions are no references
        kept = frozenset().union(*(written_forms(other) for other in self.others))
        kept |= page_names(self.others) - self.forms
        wanted = [
            *_as_words(self.forms - numbers),
            *_as_words(numbers, r"(?<![0-9]\.)", r"(?!\.[0-9])"),
            *map(re.escape, sorted(self.texts)),
            # the page of a call, however common its name is
            *(
                rf"(?<={re.escape(folder)}){re.escape(stem)}_*(?=\.html)"
                for folder in PAGE_FOLDERS
                for stem in sorted(page_names(self.names))
            ),
        ]
        parts = [*NEVER_REFERENCES, *_as_words(kept), f"({'|'.join(wanted)})", TIME]
        return re.compile(f"(?i){'|'.join(parts)}".encode())

    def matches(
        self, content: bytes | mmap.mmap, *, is_shared: bool = False
    ) -> Iterator[re.Match[bytes]]:
        """Find each place in bytes; what is wanted there is group 1.

        Args:
            content: The bytes.
            is_shared: Whether lines of other agencies are to be passed over.
        """
        for match in self.pattern.finditer(content):
            if match[1] is None:
                continue
            if is_shared:
                start = content.rfind(b"\n", 0, match.start()) + 1
                end = content.find(b"\n", match.end())
                line = content[start : end if end >= 0 else len(content)]
                if is_of_another_agency(self.agency, line):
                    continue
            yield match

    def is_in(self, content: bytes | mmap.mmap, *, is_shared: bool = False) -> bool:
        """Whether bytes hold any of it."""
        return next(self.matches(content, is_shared=is_shared), None) is not None

    def is_in_packed(self, content: bytes | mmap.mmap) -> bool:
        """Whether long bytes hold any of it: as it is written, all capitals or all small letters.

        Looking for literal bytes first is a hundred times faster than the pattern; the pattern then
        only confirms that it is a whole word.
        """
        literals = {
            form.encode()
            for word in self.forms | self.texts | page_names(self.names)
            for form in (word, word.upper(), word.lower())
        }
        return any(content.find(form) >= 0 for form in literals) and self.is_in(content)

    def clean(self, text: str) -> str:
        """Replace what is wanted in a text; bytes that are not UTF-8 stay as they are."""
        content = text.encode(errors="surrogateescape")
        return self.pattern.sub(
            lambda match: match[0] if match[1] is None else ERASED.encode(), content
        ).decode(errors="surrogateescape")

    def is_field(self, value: object) -> bool:
        """Whether a field that holds a reference holds one of the names."""
        return is_one_of(value, self._names_in_capitals)

    @cached_property
    def _names_in_capitals(self) -> frozenset[str]:
        return frozenset(capitals(name) for name in self.names)


def is_one_of(cell: object, references: Collection[str]) -> bool:
    """Whether a cell is one of some references as people type it.

    Args:
        cell: Of a sheet; an apostrophe before it marks it as text.
        references: Canonical or as typed, in capitals.
    """
    typed = capitals(str(cell or "").strip().lstrip("'"))
    return bool(typed) and typed in references


def read_csv_rows(file: Path, errors: str = "replace") -> list[list[str]]:
    """Read the cells of a CSV file row by row, the header first and without blank lines.

    Other programs write such files too, so a row may have any number of cells, of any length.

    Args:
        file: The file.
        errors: What becomes of bytes that are not UTF-8, as `open` names it.
    """
    csv.field_size_limit(sys.maxsize)
    with file.open(newline="", encoding="utf-8-sig", errors=errors) as handle:
        return [row for row in csv.reader(handle) if row]


def _as_words(forms: Iterable[str], before: str = "", after: str = "") -> list[str]:
    """Make a pattern of forms as whole words, the longest first; none without forms."""
    longest_first = sorted(forms, key=lambda form: (-len(form), form))
    words = "|".join(map(re.escape, longest_first))
    return [rf"{_STARTS}{before}(?:{words}){after}{_ENDS}"] if words else []


def folders_of_agency(agency: str) -> list[Path]:
    """List the folders of the state that are an agency's own."""
    return [
        paths.landing(agency, "calls").parent,
        paths.published(agency),
        paths.weights(agency),
        paths.readings(agency),
        paths.decisions(agency),
        paths.audit(agency),
        paths.released(agency),
    ]


def files_of_agency(agency: str) -> Iterator[Path]:
    """Find the files of the state folder that may hold something of an agency.

    These are its own folders and what all agencies share. Other agencies' files are left out, as
    another agency may use the same number for something else.
    """
    home = paths.home()
    shared = [f for f in home.iterdir() if f.is_dir() and f.name not in (*_BY_AGENCY, *EXEMPT)]
    folders = folders_of_agency(agency) + shared
    others = {name for name in agency_names() if name != agency}
    below = [file for folder in folders for file in folder.rglob("*")]
    for file in sorted({*below, *home.iterdir()}):
        # in shared folders, a file or folder of another agency begins with its name
        parts = {part.split(".")[0] for part in file.relative_to(home).parts}
        if not file.is_file() or file.is_symlink() or parts & others:
            continue
        if _DOCUMENTATION.match(file.relative_to(home).as_posix()):
            continue
        if not is_folder_of_another_agency(agency, file.relative_to(home)):
            yield file


def find_traces(agency: str, wanted: Wanted) -> Iterator[tuple[Path, str]]:
    """Find the files that hold what is wanted, each with the place in it.

    Args:
        agency: The agency whose files, and whose shared files, are searched.
        wanted: What is looked for.
    """
    for file in files_of_agency(agency):
        place = find_in_file(agency, file, wanted)
        if place is not None:
            yield file, place


def find_in_file(agency: str, file: Path, wanted: Wanted) -> str | None:
    """Find the place in a file where it stands; None if the file does not hold it."""
    below = file.relative_to(paths.home())
    if wanted.is_in(str(below).encode()):
        return "name of the file"
    # A running Airflow may remove a file of its own between the listing and the search.
    with contextlib.suppress(FileNotFoundError):
        if file.stat().st_size == 0:
            return None
        with (
            file.open("rb") as handle,
            mmap.mmap(handle.fileno(), 0, prot=mmap.PROT_READ) as content,
        ):
            search = next((search for is_such, search in _SEARCHES if is_such(content[:16])), None)
            if search is None:
                if wanted.is_in(content, is_shared=below.parts[0] not in _BY_AGENCY):
                    return "bytes of the file"
                is_sheet = file.suffix == ".csv" and below.parts[0] in _BY_AGENCY
                search = _search_csv if is_sheet and wanted.common else None
            # A database of SQLite may hold it for another agency, see `_search_sqlite`.
            elif search is not _search_sqlite and wanted.is_in_packed(content):
                return "bytes of the file"
        return next(search(agency, file, wanted), None) if search else None
    return None


def _search_csv(agency: str, file: Path, wanted: Wanted) -> Iterator[str]:
    header, *rows = read_csv_rows(file) or [[]]
    for row in rows:
        for name, value in zip(header, row, strict=False):
            if name in wanted.columns and wanted.is_field(value):
                yield f"column {name}"


def _search_gzip(agency: str, file: Path, wanted: Wanted) -> Iterator[str]:
    with contextlib.suppress(OSError, EOFError, zlib.error), gzip.open(file) as content:
        if wanted.is_in_packed(content.read()):
            yield "content"


def _search_zip(agency: str, file: Path, wanted: Wanted) -> Iterator[str]:
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if wanted.is_in_packed(archive.read(name)):
                yield f"member {name}"
    if wanted.common and file.suffix == ".xlsx":
        with contextlib.closing(load_workbook(file, read_only=True)) as book:
            for sheet in book:
                if any(
                    wanted.is_field(cell)
                    for (cell,) in sheet.iter_rows(max_col=1, values_only=True)
                ):
                    yield f"sheet {sheet.title}"


def _search_parquet(agency: str, file: Path, wanted: Wanted) -> Iterator[str]:
    with connect() as con, contextlib.suppress(duckdb.Error):
        con.execute(f"create view rows as from read_parquet({literal(str(file))})")
        yield from _search_tables(con, agency, [("main", "rows")], wanted)


def _search_duckdb(agency: str, file: Path, wanted: Wanted) -> Iterator[str]:
    with connect(file, read_only=True) as con:
        tables = con.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        yield from _search_tables(con, agency, tables, wanted)


def _search_tables(
    con: duckdb.DuckDBPyConnection,
    agency: str,
    tables: Iterable[tuple[str, str]],
    wanted: Wanted,
) -> Iterator[str]:
    """Search each column of text of some tables; yields the first places that hold it."""
    # DuckDB's regular expressions cannot look behind a place, as the pattern of `Wanted` does. So
    # they only choose the values that are worth a closer look.
    words = sorted(wanted.forms | wanted.texts)
    pattern = f"(?i){'|'.join(map(re.escape, words))}"
    names = [capitals(name) for name in sorted(wanted.names)]
    for schema, table in tables:
        whole = f"{ident(schema)}.{ident(table)}"
        columns = [
            str(name)
            for name, kind, *_ in con.execute(f"describe {whole}").fetchall()
            if any(part in kind for part in ("VARCHAR", "JSON", "BLOB"))
        ]
        for column in columns:
            text = f"cast({ident(column)} as varchar)"
            is_field = f"upper(trim({text})) in (select unnest($names::varchar[]))"
            is_named = column in wanted.columns and scalar(
                con, f"select count(*) from {whole} where {is_field}", {"names": names}
            )
            values = f"select distinct {text} from {whole} where regexp_matches({text}, $pattern)"
            if is_named or (words and _has_value(con, values, {"pattern": pattern}, wanted)):
                yield f"{table}.{column}"
        if "original_encrypted" in columns:
            tokens = con.execute(f"select original_encrypted from {whole}").fetchall()
            if any(_is_in_token(agency, token, wanted) for (token,) in tokens if token):
                yield f"{table}.original_encrypted"


def _has_value(
    con: duckdb.DuckDBPyConnection, query: str, values: dict[str, str], wanted: Wanted
) -> bool:
    """Find out whether one of the values of a query holds it."""
    rows = con.execute(query, values)
    while row := rows.fetchone():
        if wanted.is_in(str(row[0]).encode()):
            return True
    return False


def _is_in_token(agency: str, token: str, wanted: Wanted) -> bool:
    try:
        return wanted.is_in(decrypt_text(agency, token).encode())
    except InvalidToken:  # it was encrypted with a key that is no longer there
        return False


def _search_sqlite(agency: str, file: Path, wanted: Wanted) -> Iterator[str]:
    """Search the columns of Airflow's database that may hold it, or all columns of another one.

    Then its bytes are searched too, since free pages keep what was deleted. Only if a column that
    may not be touched holds the same bytes, as an id or a row of another agency may, this cannot be
    told.
    """
    columns = airflow_columns if is_airflow_database(file) else sqlite_columns
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as con:
        for table, column, is_own in columns(con, agency):
            if _has_cell(con, table, column, is_own, wanted, is_shared=True):
                yield f"{table}.{column}"
        if wanted.is_in_packed(file.read_bytes()) and not any(
            _has_cell(con, *place, wanted, is_shared=False) for place in sqlite_columns(con, agency)
        ):
            yield "free pages of the file"


def _has_cell(
    con: sqlite3.Connection,
    table: str,
    column: str,
    is_own: str,
    wanted: Wanted,
    *,
    is_shared: bool,
) -> bool:
    cells = con.execute(
        f'select cast("{column}" as blob) from "{table}" where {is_own} and "{column}" is not null'
    )
    return any(wanted.is_in(cell, is_shared=is_shared) for (cell,) in cells)


def is_airflow_database(file: Path) -> bool:
    """Whether a file is the database of the local Airflow."""
    return file == paths.home() / "airflow" / "airflow.db"


def airflow_columns(con: sqlite3.Connection, agency: str) -> Iterator[tuple[str, str, str]]:
    """List the columns of Airflow's database that may hold a reference.

    Yields:
        Table, column, and SQL for whether a row is of a run of the agency, or of no agency's.
    """
    existing = {(table, column) for table, column, _ in sqlite_columns(con, agency)}
    for table, (dag, columns) in AIRFLOW_COLUMNS.items():
        is_own = f"coalesce(substr({dag}, 1, {len(agency) + 2}), '{agency}__') = '{agency}__'"
        yield from ((table, column, is_own) for column in columns if (table, column) in existing)


def sqlite_columns(con: sqlite3.Connection, agency: str) -> Iterator[tuple[str, str, str]]:
    """List the tables of a SQLite file with each of their columns; the rows are those of all."""
    tables = con.execute("select name from sqlite_master where type = 'table'").fetchall()
    for (table,) in tables:
        for row in con.execute(f'pragma table_info("{table}")').fetchall():
            yield table, row[1], "true"


# How the content of a packed file is searched, by the first bytes of the file: a name's ending may
# be anything, e.g. where a killed process left a temporary file.
_Search = Callable[[str, Path, Wanted], Iterator[str]]
_SEARCHES: Sequence[tuple[Callable[[bytes], bool], _Search]] = (
    (lambda head: head.startswith(b"\x1f\x8b"), _search_gzip),
    (lambda head: head.startswith(b"PK\x03\x04"), _search_zip),
    (lambda head: head.startswith(b"PAR1"), _search_parquet),
    (lambda head: head[8:12] == b"DUCK", _search_duckdb),
    (lambda head: head.startswith(b"SQLite format 3"), _search_sqlite),
)
