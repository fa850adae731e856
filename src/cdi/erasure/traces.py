"""Where something still stands: a search of the state folder that looks into what is packed.

Every file is searched by its name and its bytes, and what gzip, zip (and so XLSX), Parquet, DuckDB
and SQLite files hold packed. The encrypted originals of refused rows are decrypted for it.
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
from cdi.sql import connect, ident

# each agency has its own folder in these; what they hold of others is others'
_BY_AGENCY = ("landing", "published", "weights", "decisions", "audit")
# the simulated police's own systems, and keys
EXEMPT = ("sources", "truth", "secrets")


@dataclass(frozen=True)
class Wanted:
    """What is looked for, whatever its case.

    Attributes:
        names: References: whole words only, so that T-1 is not found in T-12.
        texts: Parts of texts.
    """

    names: frozenset[str]
    texts: frozenset[str] = frozenset()

    @property
    def pattern(self) -> re.Pattern[bytes]:
        """All of it, in bytes; group 1 is what was found."""
        names, texts = ("|".join(map(re.escape, sorted(some))) for some in (self.names, self.texts))
        whole = rf"(?<![0-9A-Za-z])(?:{names})(?![0-9A-Za-z])"
        return re.compile(f"(?i)({whole}{'|' + texts if texts else ''})".encode())

    def is_in(self, content: bytes | mmap.mmap) -> bool:
        """Whether bytes hold any of it as it stands, in capitals or in small letters.

        This is for what is long and packed: looking for literal bytes is a hundred times faster
        than a pattern.
        """
        words = self.names | self.texts
        forms = {form.encode() for word in words for form in (word, word.upper(), word.lower())}
        has_any = any(content.find(form) >= 0 for form in forms)
        return has_any and self.pattern.search(content) is not None


def files_of_agency(agency: str) -> Iterator[Path]:
    """The files of the state folder that may hold something of an agency.

    Its own folders and what all share, without the simulated police's own systems and other
    agencies' files: theirs may have the same number for something else.
    """
    home = paths.home()
    own = [
        paths.landing(agency, "calls").parent, paths.published(agency), paths.weights(agency),
        paths.decisions(agency), paths.audit(agency),
    ]  # fmt: skip
    own += [f for f in home.iterdir() if f.is_dir() and f.name not in (*_BY_AGENCY, *EXEMPT)]
    others = {name for name in agency_names() if name != agency}
    found = [f for folder in own for f in folder.rglob("*")]
    for file in sorted({*found, *home.iterdir()}):
        parts = {part.split(".")[0] for part in file.relative_to(home).parts}
        if file.is_file() and not file.is_symlink() and not parts & others:
            yield file


def find_traces(agency: str, wanted: Wanted) -> Iterator[tuple[Path, str]]:
    """The files that hold what is wanted, each with where in it.

    Args:
        agency: Whose state.
        wanted: What is looked for.
    """
    for file in files_of_agency(agency):
        place = find_in_file(agency, file, wanted)
        if place is not None:
            yield file, place


def find_in_file(agency: str, file: Path, wanted: Wanted) -> str | None:
    """Where in a file it stands; None if it does not."""
    if wanted.pattern.search(str(file.relative_to(paths.home())).encode()):
        return "name of the file"
    with contextlib.suppress(FileNotFoundError):  # a running Airflow removes files of its own
        if file.stat().st_size == 0:
            return None
        with file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, prot=mmap.PROT_READ) as seen:
            packed = next((places for is_such, places in _PACKED if is_such(seen[:16])), None)
            if wanted.is_in(seen) if packed else wanted.pattern.search(seen):
                return "bytes of the file"
        return next(packed(agency, file, wanted), None) if packed else None
    return None


def _in_gzip(agency: str, file: Path, wanted: Wanted) -> Iterator[str]:
    with contextlib.suppress(OSError, EOFError, zlib.error), gzip.open(file) as content:
        if wanted.is_in(content.read()):
            yield "content"


def _in_zip(agency: str, file: Path, wanted: Wanted) -> Iterator[str]:
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if wanted.is_in(archive.read(name)):
                yield f"member {name}"


def _in_parquet(agency: str, file: Path, wanted: Wanted) -> Iterator[str]:
    with connect() as con, contextlib.suppress(duckdb.Error):
        con.execute(f"create view rows as from read_parquet('{_quoted(file)}')")
        yield from _in_tables(con, agency, [("main", "rows")], wanted)


def _in_duckdb(agency: str, file: Path, wanted: Wanted) -> Iterator[str]:
    with connect(file, read_only=True) as con:
        tables = con.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        yield from _in_tables(con, agency, tables, wanted)


def _quoted(file: Path) -> str:
    return str(file).replace("'", "''")


def _in_tables(
    con: duckdb.DuckDBPyConnection,
    agency: str,
    tables: Iterable[tuple[str, str]],
    wanted: Wanted,
) -> Iterator[str]:
    # RE2 cannot look behind; within one column's text this is the same
    names, texts = (
        "|".join(re.escape(word) for word in sorted(some)) for some in (wanted.names, wanted.texts)
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
            if any(_in_token(agency, token, wanted) for (token,) in tokens if token):
                yield f"{table}.original_encrypted"


def _in_token(agency: str, token: str, wanted: Wanted) -> bool:
    try:
        return bool(wanted.pattern.search(decrypt_text(agency, token).encode()))
    except InvalidToken:  # another key's
        return False


def _in_sqlite(agency: str, file: Path, wanted: Wanted) -> Iterator[str]:
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as con:
        for table, column in sqlite_columns(con):
            for (value,) in con.execute(
                f'select cast("{column}" as blob) from "{table}" where "{column}" is not null'
            ):
                if wanted.pattern.search(value):
                    yield f"{table}.{column}"
                    break


def sqlite_columns(con: sqlite3.Connection) -> list[tuple[str, str]]:
    """Tables and columns of a SQLite file."""
    tables = con.execute("select name from sqlite_master where type = 'table'").fetchall()
    return [
        (table, row[1])
        for (table,) in tables
        for row in con.execute(f'pragma table_info("{table}")').fetchall()
    ]


_Places = Callable[[str, Path, Wanted], Iterator[str]]
_PACKED: Sequence[tuple[Callable[[bytes], bool], _Places]] = (
    (lambda head: head.startswith(b"\x1f\x8b"), _in_gzip),
    (lambda head: head.startswith(b"PK\x03\x04"), _in_zip),
    (lambda head: head.startswith(b"PAR1"), _in_parquet),
    (lambda head: head[8:12] == b"DUCK", _in_duckdb),
    (lambda head: head.startswith(b"SQLite format 3"), _in_sqlite),
)
