"""Erases references of awkward forms from the simulated force, and looks for what is left.

Some calls of the source get awkward numbers, everywhere in the source; logs, an access log and a
database of Airflow name them too. They are erased one after another, as `.venv/bin/cdi erase` does,
but a version is published once, after the last. The search and the comparison read every file by
its own library, and by bytes; they share no code with `cdi.erasure`.
"""

import csv
import gzip
import html
import io
import json
import random
import re
import shutil
import sqlite3
import string
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import duckdb
import pyarrow.parquet as pq

from cdi import paths
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.erasure.look import wanted_of
from cdi.errors import CdiError
from cdi.files import sha256_of_file, write_json
from cdi.keys import decrypt_text
from cdi.landing.tombstones import things_of_reference
from cdi.local.run import default_interval
from cdi.publish.access import note_access
from cdi.sql import ident
from cdi.steps.retain import _publish_remaining, take_out_reference
from cdi.steps.run import run_directly
from cdi_force.generate import ensure_force

NAME = paths.SIMULATED
_CASES = (
    "NM/2026/000{0}", "NM/2026/000{0}/2", "nm 2026 9{0}07", "100%/2026/5{0}", "O'Neil\"7{0}7",
    "Über-Größe-1{0}2", "🚓-4{0}21-x", "\uff14\uff15\uff16\uff10\uff17\uff18{0}", "000{0}0417",
    "7{0}", "7{0}0", "A&B<7{0}>-1234", "2026-01-0{0}", "2026010{0}", "1e{0}5", "-{0}.50E+10",
    "X" * 52 + "-{0}123456", "NM-2026-000{0}", "a\\b{0}\\n1234", "=1+{0}234567",
)  # fmt: skip
_LANDED = ("landing/", "decisions/", "audit/")
Say = Callable[[str], None]


def make_references(count: int) -> list[str]:
    """Make so many awkward references, each another."""
    return [_CASES[n % len(_CASES)].format(1 + n // len(_CASES)) for n in range(count)]


def prove_erasure(say: Say, *, references: int, seed: int) -> dict[str, Any]:
    """Erase awkward references; the figures go to ``<state>/erasure.json`` too.

    Args:
        say: Is told each step as it begins.
        references: How many.
        seed: Of what is chosen at random.

    Returns:
        What was left, and what else was changed, file by file.

    Raises:
        CdiError: PROOF-STATE if a reference is not in the landing before it is erased.
    """
    home = paths.home()
    # an earlier trial erased the references, and what is landed again comes without them
    shutil.rmtree(home / "erasure", ignore_errors=True)
    with paths.environment(CDI_HOME=str(home / "erasure")):
        say("the force, with awkward numbers")
        ensure_force(lambda _: None)
        awkward = _plant(references, random.Random(seed))  # noqa: S311 - to be the same each time
        agency = load_agency(NAME)
        run_directly(NAME, default_interval(agency))
        _leave_traces(awkward)
        before = _Content(agency.agency, awkward)
        _check_is_planted(before, awkward)
        planted = {name: sorted(found) for name, found in before.found.items()}
        refused = {}
        for number, reference in enumerate(awkward, 1):
            say(f"erasing {number} of {len(awkward)}")
            try:
                _erase(agency, reference, f"request {number}", say)
            except Exception as error:
                refused[reference] = f"{type(error).__name__}: {error}"
        say("publishing")
        _publish_remaining(agency, lambda _: None)
        after = _Content(agency.agency, awkward)
    figures = {
        "is_simulated": True,
        "references": len(awkward),
        "files_before": len(planted),
        "refused": refused,
        "left": {name: sorted(found) for name, found in after.found.items()},
        "changed": _compare(before, after),
    }
    write_json(home / "erasure.json", figures)
    return figures


def _erase(agency: Agency, reference: str, reason: str, say: Say) -> None:
    """Do as `cdi.steps.retain.erase_reference` does, up to the publication."""
    things = things_of_reference(agency, reference)
    take_out_reference(agency, things, wanted_of(agency, things), reason, say)


# ---------------------------------------------------------------------- planting


def _plant(count: int, chance: random.Random) -> list[str]:
    """Give calls of the source awkward numbers; the same each time."""
    sources = paths.simulated_sources()
    numbers = {
        row[0]
        for file in sorted(sources.glob("calls-*.csv.gz"))
        for row in _read_rows(file)[1:]
        if row
    }
    awkward = make_references(count)
    chosen = dict(zip(chance.sample(sorted(numbers), count), awkward, strict=True))
    pattern = re.compile("|".join(map(re.escape, chosen)))
    for file in sorted(sources.glob("*.csv.gz")):
        rows = [
            [pattern.sub(lambda match: chosen[match[0]], cell) for cell in row]
            for row in _read_rows(file)
        ]
        text = io.StringIO(newline="")
        csv.writer(text, delimiter="|", lineterminator="\n").writerows(rows)
        content = text.getvalue().encode(errors="surrogateescape")
        file.write_bytes(gzip.compress(content, mtime=0))
    return awkward


def _check_is_planted(before: "_Content", awkward: list[str]) -> None:
    """Refuse a landing without a reference: that nothing is left of it would prove nothing."""
    landed = (forms for name, forms in before.found.items() if name.startswith("landing/"))
    found: set[str] = set().union(*landed)
    absent = [name for name in awkward if found.isdisjoint(form.lower() for form in written(name))]
    if absent:
        raise CdiError(
            "PROOF-STATE",
            f"before anything is erased, the landing does not hold {', '.join(absent)}",
            "choose another --seed",
        )


def _read_rows(file: Path) -> list[list[str]]:
    # the force spoils some rows by a byte that is no UTF-8
    text = gzip.decompress(file.read_bytes()).decode(errors="surrogateescape")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter="|"))


def _leave_traces(awkward: list[str]) -> None:
    """Leave looks, logs of Airflow, packed logs and a database with freed pages."""
    logs = paths.home() / "airflow" / "logs" / f"dag_id={NAME}__build"
    logs.mkdir(parents=True)
    lines = [f"looked at {form} today\n" for name in awkward for form in sorted(written(name))]
    (logs / "task.log").write_text("".join([*lines, "nothing of anybody\n"]), encoding="utf-8")
    for name in awkward:
        note_access(NAME, "ada", f"worklist/logs/{page(name)}.html", "v1", "daily work")
    note_access(NAME, "ada", "worklist/index.html", "v1", "daily work")
    file = paths.home() / "airflow" / "airflow.db"
    with closing(sqlite3.connect(file)) as con, con:
        con.execute("create table xcom (dag_id text, key text, value json)")
        rows = [(f"{NAME}__build", "note", json.dumps(name)) for name in awkward]
        con.executemany("insert into xcom values (?, ?, ?)", [*rows, *rows])
        con.execute("delete from xcom where rowid <= ?", [len(rows)])
        con.execute("insert into xcom values ('elsewhere__build', 'note', '\"all is well\"')")


# ---------------------------------------------------------------------- the search


def page(reference: str) -> str:
    """The name of a call's page, written apart from the product's own rule."""
    plain = f"{string.ascii_letters}{string.digits}-"
    capitals = reference.replace("ß", "ẞ").upper()  # Python's would be SS
    return re.sub("_+", "_", "".join(c if c in plain else "_" for c in capitals))


def written(reference: str) -> set[str]:
    """How the reference may be written: raw, in URLs, in JSON, in HTML, as a page's name."""
    dumped = json.dumps(reference)[1:-1]
    forms = {
        reference,
        quote(reference, safe=""),
        quote(reference),
        quote_plus(reference),
        dumped,
        dumped.replace("/", "\\/"),
        json.dumps(reference, ensure_ascii=False)[1:-1],
        html.escape(reference),
        page(reference),
    }
    return {form for form in forms if form.strip("_-")}


def is_searchable(form: str) -> bool:
    """Whether a form is rare enough to be looked for in texts; docs/privacy.md names the others."""
    letters, digits = (sum(test(c) for c in form) for test in (str.isalpha, str.isdigit))
    is_date = re.fullmatch(r"(?:19|20)\d{2}-?\d{2}-?\d{2}", form)
    return len(form) > 4 and digits > 0 and (letters > 0 or digits > 5) and not is_date


class _Content:
    """What all files of the state hold: digests, rows of tables, and the references found."""

    def __init__(self, agency: str, awkward: list[str]) -> None:
        self.agency = agency
        self.cells = {form.lower(): name for name in awkward for form in (name, page(name))}
        rare = {form for name in awkward for form in written(name) if is_searchable(form)}
        longest = sorted({form.lower() for form in rare}, key=len, reverse=True)
        text = "|".join(map(re.escape, longest))
        self.pattern = re.compile(f"(?<![0-9a-z])(?:{text})(?![0-9a-z])")
        self.digests: dict[str, str] = {}
        self.rows: dict[str, Counter[str]] = {}
        self.found: dict[str, set[str]] = {}
        for file in sorted(paths.home().rglob("*")):
            name = str(file.relative_to(paths.home()))
            if not file.is_file():
                continue
            if name.split("/")[0] not in ("truth", "secrets", "sources", "scenarios"):
                self._read(name, file)
            self.digests[name] = sha256_of_file(file)

    def _read(self, name: str, file: Path) -> None:
        found = set(self.pattern.findall(f"{name}\n".lower()))
        raw = file.read_bytes()
        for encoding in ("utf-8", "utf-16-le"):
            found |= set(self.pattern.findall(raw.decode(encoding, "ignore").lower()))
        for cells in self._open(file, raw):
            row = json.dumps(cells, default=str, ensure_ascii=False)
            self.rows.setdefault(re.sub(r"versions/[^/]+", "versions/*", name), Counter())[row] += 1
            for cell in cells:
                text = str(cell).lower()
                # as a whole cell, a common form is a reference in what was landed or written only
                is_own = isinstance(cell, str) and text in self.cells and name.startswith(_LANDED)
                found |= {text} if is_own else set(self.pattern.findall(text))
        if found:
            self.found[name] = found

    def _open(self, file: Path, raw: bytes) -> Iterator[list[Any]]:
        """The rows of a file that has any, or the texts of a packed one."""
        if raw[:2] == b"\x1f\x8b":
            yield [gzip.decompress(raw).decode("utf-8", "ignore")]
        elif raw[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                for name in archive.namelist():
                    yield [html.unescape(archive.read(name).decode("utf-8", "ignore"))]
        elif raw[:4] == b"PAR1":
            for row in pq.read_table(file).to_pylist():
                if row.get("original_encrypted"):
                    row["original_encrypted"] = decrypt_text(self.agency, row["original_encrypted"])
                yield list(row.values())
        elif raw[8:12] == b"DUCK" or raw[:15] == b"SQLite format 3":
            yield from _open_database(file)
        elif file.suffix == ".csv":
            yield from csv.reader(io.StringIO(raw.decode("utf-8", "ignore"), newline=""))

    def names(self, row: str) -> bool:
        """Whether a row names one of the references."""
        cells = [str(cell).lower() for cell in json.loads(row)]
        return any(cell in self.cells or self.pattern.search(cell) for cell in cells)


def _open_database(file: Path) -> Iterator[list[Any]]:
    """All rows of a database of SQLite or DuckDB."""
    if file.suffix == ".db":
        with closing(sqlite3.connect(file)) as con:
            tables = con.execute("select name from sqlite_master where type = 'table'").fetchall()
            for (name,) in tables:
                yield from ([name, *row] for row in con.execute(f"select * from {ident(name)}"))
        return
    with duckdb.connect(str(file), read_only=True) as con:
        names = "select schema_name || '.' || table_name from duckdb_tables()"
        for (name,) in con.execute(names).fetchall():
            yield from ([name, *row] for row in con.execute(f"from {name}").fetchall())


def _compare(before: _Content, after: _Content) -> list[str]:
    """Find what was changed and named no reference."""
    problems = [
        f"{name}: changed"
        for name, digest in before.digests.items()
        if name.split("/")[0] in ("sources", "truth", "secrets", "released")
        and after.digests.get(name) != digest
    ]
    for name, rows in before.rows.items():
        if not name.startswith(("landing/", "decisions/", "audit/", "airflow/")):
            continue
        lost = (rows - after.rows.get(name, Counter())).elements()
        problems += [f"{name}: lost {row[:200]}" for row in _first(lost, before)]
    return problems


def _first(rows: Iterable[str], content: _Content) -> list[str]:
    return [row for row in rows if not content.names(row)][:5]
