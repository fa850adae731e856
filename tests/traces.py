"""A search of a folder for bytes, written apart from the product's own (`cdi.erasure.traces`)."""

import gzip
import io
import sqlite3
import zipfile
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from cdi.keys import decrypt_text


def kinds_with(home: Path, agency: str, words: list[str]) -> dict[str, str]:
    """Files below `home`, save the simulated police's own, that hold one of the words.

    Args:
        home: State folder.
        agency: Whose key opens refused rows.
        words: Whatever their case.

    Returns:
        Path below home, and the word that was found there first.
    """
    found = {}
    for file in sorted(home.rglob("*")):
        name = str(file.relative_to(home))
        if not file.is_file() or name.split("/")[0] in ("sources", "truth"):
            continue
        content = (name + "\n" + _content(file, agency)).lower()
        for word in words:
            if word.lower() in content:
                found[name] = word
                break
    return found


def _content(file: Path, agency: str) -> str:
    raw = file.read_bytes()
    told = [raw.decode("utf-8", "ignore")]
    if raw[:2] == b"\x1f\x8b":
        told.append(gzip.decompress(raw).decode("utf-8", "ignore"))
    elif raw[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            told += [archive.read(name).decode("utf-8", "ignore") for name in archive.namelist()]
    elif raw[:4] == b"PAR1":
        for row in pq.read_table(file).to_pylist():
            told.append(" ".join(map(str, row.values())))
            if row.get("original_encrypted"):
                told.append(decrypt_text(agency, row["original_encrypted"]))
    elif raw[8:12] == b"DUCK":
        with duckdb.connect(str(file), read_only=True) as con:
            for schema, table in con.execute(
                "select schema_name, table_name from duckdb_tables()"
            ).fetchall():
                told += map(str, con.execute(f'from "{schema}"."{table}"').fetchall())
    elif raw[:15] == b"SQLite format 3":
        with sqlite3.connect(file) as con:
            told += list(con.iterdump())
    return "\n".join(told)
