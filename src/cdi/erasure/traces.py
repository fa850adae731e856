"""Search the state folder for what must be erased, also inside compressed files and databases.

Each file is searched by its name and by its bytes. Files of gzip, zip (and so XLSX), Parquet,
DuckDB and SQLite are opened and their content is searched; the encrypted originals of refused rows
are decrypted for it.
"""

import contextlib
import gzip
import mmap
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
from cryptography.fernet import InvalidToken

from cdi import paths
from cdi.agency.load import agency_names
from cdi.keys import decrypt_text
from cdi.sql import connect, ident, literal

# In these folders each agency has a folder of its own.
_BY_AGENCY = ("landing", "published", "weights", "readings", "decisions", "audit")
# These are not searched: they stand for the simulated police's own systems, and hold the keys.
EXEMPT = ("sources", "truth", "secrets")


@dataclass(frozen=True)
class Wanted:
    """What is looked for, in capitals and in small letters.

    Attributes:
        names: Forms of references. Only whole words count, so that T-1 is not found in T-12.
        texts: Parts of texts.
    """

    names: frozenset[str]
    texts: frozenset[str] = frozenset()

    @property
    def pattern(self) -> re.Pattern[bytes]:
        """A pattern of bytes that finds any of it; what was found is group 1."""
        names, texts = (
            "|".join(map(re.escape, sorted(words))) for words in (self.names, self.texts)
        )
        whole = rf"(?<![0-9A-Za-z])(?:{names})(?![0-9A-Za-z])"
        return re.compile(f"(?i)({whole}{'|' + texts if texts else ''})".encode())

    def is_in(self, content: bytes | mmap.mmap) -> bool:
        """Whether bytes hold any of it: as it is written here, all capitals or all small letters.

        This is for long contents of packed files. Looking for literal bytes first is a hundred
        times faster than the pattern; the pattern then only confirms that it is a whole word.
        """
        words = self.names | self.texts
        forms = {form.encode() for word in words for form in (word, word.upper(), word.lower())}
        has_any = any(content.find(form) >= 0 for form in forms)
        return has_any and self.pattern.search(content) is not None


def folders_of_agency(agency: str) -> list[Path]:
    """List the folders of the state that are an agency's own."""
    return [
        paths.landing(agency, "calls").parent,
        paths.published(agency),
        paths.weights(agency),
        paths.readings(agency),
        paths.decisions(agency),
        paths.audit(agency),
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
        if file.is_file() and not file.is_symlink() and not parts & others:
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
    if wanted.pattern.search(str(file.relative_to(paths.home())).encode()):
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
            if wanted.is_in(content) if search else wanted.pattern.search(content):
                return "bytes of the file"
        return next(search(agency, file, wanted), None) if search else None
    return None


def _search_gzip(agency: str, file: Path, wanted: Wanted) -> Iterator[str]:
    with contextlib.suppress(OSError, EOFError, zlib.error), gzip.open(file) as content:
        if wanted.is_in(content.read()):
            yield "content"


def _search_zip(agency: str, file: Path, wanted: Wanted) -> Iterator[str]:
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if wanted.is_in(archive.read(name)):
                yield f"member {name}"


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
    # the character before a name is part of the match here, which finds the same columns.
    names, texts = (
        "|".join(map(re.escape, sorted(words))) for words in (wanted.names, wanted.texts)
    )
    pattern = rf"(?i)(^|[^0-9a-z])({names})([^0-9a-z]|$)" + (f"|{texts}" if texts else "")
    for schema, table in tables:
        whole = f"{ident(schema)}.{ident(table)}"
        columns = [
            str(name)
            for name, kind, *_ in con.execute(f"describe {whole}").fetchall()
            if any(part in kind for part in ("VARCHAR", "JSON", "BLOB"))
        ]
        for column in columns:
            text = f"cast({ident(column)} as varchar)"
            if con.execute(
                f"select 1 from {whole} where regexp_matches({text}, $pattern) limit 1",
                {"pattern": pattern},
            ).fetchone():
                yield f"{table}.{column}"
        if "original_encrypted" in columns:
            tokens = con.execute(f"select original_encrypted from {whole}").fetchall()
            if any(_is_in_token(agency, token, wanted) for (token,) in tokens if token):
                yield f"{table}.original_encrypted"


def _is_in_token(agency: str, token: str, wanted: Wanted) -> bool:
    try:
        return bool(wanted.pattern.search(decrypt_text(agency, token).encode()))
    except InvalidToken:  # it was encrypted with a key that is no longer there
        return False


def _search_sqlite(agency: str, file: Path, wanted: Wanted) -> Iterator[str]:
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as con:
        for table, column in sqlite_columns(con):
            for (value,) in con.execute(
                f'select cast("{column}" as blob) from "{table}" where "{column}" is not null'
            ):
                if wanted.pattern.search(value):
                    yield f"{table}.{column}"
                    break


def sqlite_columns(con: sqlite3.Connection) -> list[tuple[str, str]]:
    """List the tables of a SQLite file with each of their columns."""
    tables = con.execute("select name from sqlite_master where type = 'table'").fetchall()
    return [
        (table, row[1])
        for (table,) in tables
        for row in con.execute(f'pragma table_info("{table}")').fetchall()
    ]


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
