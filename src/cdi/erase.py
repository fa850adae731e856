"""Erasure and retention: what must go is taken out of every place where it stands.

`erase` takes a reference and its text out of landing, audits, decisions, what was learnt, logs and
all kept versions, and leaves a tombstone (`cdi.landing.tombstones`) that keeps it out of later extractions.
`retain` takes out what is older than `retention_days` of agency.yaml. Both then publish a new
version and remove the older ones. Killed in the middle, either can be run again.

Not touched: ``sources/`` and ``truth/``, which stand for the simulated police's own systems.
"""

import contextlib
import csv
import mmap
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openpyxl import load_workbook

from cdi import paths, pipeline, traces
from cdi.agency.datasets import BY_PEOPLE, DATASETS, DECISIONS, MOMENTS, READINGS
from cdi.agency.interval import Interval
from cdi.agency.key_rules import key_expression
from cdi.agency.model import Agency
from cdi.audit.register import erase_from_register
from cdi.build.version import plan_version, read_current
from cdi.errors import CdiError
from cdi.files import take_lock, wait_for_lock
from cdi.landing import tombstones
from cdi.landing.batches import Batch, accepted_batches, read_batch
from cdi.landing.extract import adopt_source, is_source_unchanged
from cdi.landing.forget import Forgotten, forget_in_batch
from cdi.landing.tombstones import (
    add_tombstone,
    columns_that_take_row,
    hash_references,
    read_hashes,
    things_of_reference,
)
from cdi.learning import weights
from cdi.sql import SQLITE_LOCK_SECONDS, Params, connect, ident, literal
from cdi.traces import Wanted

Say = Callable[[str], None]
# parts of a text by which it is looked for: of plain characters, so that no file type writes them
# in another way, and long enough to be nobody else's
_PLAIN = re.compile(r"[A-Za-z0-9 ]{30,}")
# shared by all agencies, and plain text: logs, dbt's own files, who looked at what
_PACKED = (".gz", ".zip", ".xlsx", ".parquet", ".duckdb", ".db", ".msgpack", ".gpickle")


@dataclass
class _Gone:
    """What an erasure or a retention run takes out.

    Attributes:
        ids: References in capitals, canonical and as typed, by thing.
        also: Keyed hashes of these, where they are in no tombstone.
        wanted: For bytes; None where there are too many to look for one by one.
    """

    ids: dict[str, set[str]]
    also: set[str] = field(default_factory=set)
    wanted: Wanted | None = None

    def has(self, text: object) -> bool:
        """Whether a cell is one of the references, as typed; a sheet marks text with a quote."""
        typed = str(text or "").strip().lstrip("'").upper()
        return any(typed in some for some in self.ids.values())

    def without(self, text: str) -> str:
        """A text with the references replaced."""
        if self.wanted is None:
            return text
        return self.wanted.pattern.sub(tombstones.ERASED.encode(), text.encode()).decode()


# ---------------------------------------------------------------------- the two commands


def look(agency: Agency, reference: str) -> dict[Path, str]:
    """What `erase` would touch: the files that hold the reference or its text, and where in them.

    Args:
        agency: Whose reference.
        reference: Of a call or a crime record, as people type it.
    """
    return dict(traces.find(agency.agency, _wanted(agency, things_of_reference(agency, reference))))


def erase(agency: Agency, reference: str, reason: str, say: Say) -> None:
    """Erase a call or a crime record.

    Args:
        agency: Whose.
        reference: As people type it.
        reason: Kept with the tombstone and in the audit register.
        say: Is told what was done, line by line.

    Raises:
        CdiError: ERASE-REASON if the reason names it, ERASE-UNKNOWN if it stands nowhere and was
            not erased before, ERASE-LEFT if a trace is left.
    """
    things = things_of_reference(agency, reference)
    wanted = _wanted(agency, things)
    if wanted.pattern.search(reason.encode()):
        raise CdiError(
            "ERASE-REASON",
            "the reason holds the reference, and the reason is kept",
            "name the request instead, e.g. --reason 'request 12 of 2026'",
        )
    hashes = hash_references(agency.agency, things)
    was_erased = bool(hashes & set(read_hashes(agency.agency)))
    if not was_erased and next(traces.find(agency.agency, wanted), None) is None:
        raise CdiError(
            "ERASE-UNKNOWN",
            f"{agency.agency} has no trace of '{reference}' (looked for as "
            f"{', '.join(sorted(wanted.names))})",
            "check the reference: a tombstone for a wrong one would keep a future log out",
        )
    at = datetime.now(UTC).replace(microsecond=0)
    add_tombstone(agency.agency, hashes, reason, at)
    gone = _Gone({thing: set(wanted.names) for thing in things}, wanted=wanted)
    _take_out(agency, gone, reason, say)
    _clean_shared(agency, wanted, say)
    _publish_without(agency, say)
    left = dict(traces.find(agency.agency, wanted))
    if left:
        told = "\n    ".join(f"{file}: {where}" for file, where in left.items())
        raise CdiError(
            "ERASE-LEFT",
            f"{len(left)} files still hold it:\n    {told}",
            "remove these files or have their writer end, and run the same command again",
        )
    say(
        f"nothing of it is left below {paths.home()}, also not packed "
        f"({len(wanted.names)} forms of the reference and {len(wanted.texts)} parts of its text "
        f"looked for; not in {', '.join(traces.EXEMPT)})"
    )


def retain(agency: Agency, say: Say) -> bool:
    """Remove what is older than the agency's limits.

    Args:
        agency: With `retention_days` at one of its sources.
        say: Is told what was done, line by line.

    Returns:
        Whether anything was removed.

    Raises:
        BusyError: BUILD-BUSY if a build runs. What was begun by then, or by a run that was killed,
            the next one finishes.
    """
    limits = {name: source.retention_days for name, source in agency.sources.items()}
    if not any(limits.values()):
        say(f"no source of {agency.agency} has retention_days: nothing to remove")
        return False
    until = plan_version(agency).as_of.replace(tzinfo=None)
    calls = _expired_calls(agency, until)
    hashes = hash_references(agency.agency, {"call": calls})
    reason = f"retention: as of {until:%Y-%m-%d}"
    unfinished = _unfinished(agency)
    was_unfinished = unfinished.exists()
    is_removed = _take_out(agency, _Gone({"call": calls}, hashes), reason, say, until)
    if not is_removed and not was_unfinished:
        unfinished.unlink()
        say(f"nothing is older than its limit, as of {until:%Y-%m-%d}")
        return False
    add_tombstone(agency.agency, set(), reason, datetime.now(UTC).replace(microsecond=0))
    _publish_without(agency, say)
    return True


# ---------------------------------------------------------------------- what to look for


def _wanted(agency: Agency, things: dict[str, set[str]]) -> Wanted:
    """All forms of a reference, as people typed them, and the parts of its own texts."""
    names = {name for some in things.values() for name in some}
    for thing, known in things.items():
        for typed, key in _typed(agency, thing):
            if key in known or typed.upper() in known:
                names.add(typed)
    return Wanted(frozenset(names), frozenset(_texts(agency, things)))


def _batches(agency: Agency, dataset: str) -> list[Batch]:
    """Every batch of a dataset that is on disk, whatever became of it."""
    files = paths.landing(agency.agency, dataset).glob("*/[!.]*/manifest.json")
    return [read_batch(file.parent) for file in sorted(files)]


def _typed(agency: Agency, thing: str) -> Iterator[tuple[str, str]]:
    """Every reference to such a thing, as it was typed and in its canonical form."""
    for dataset in agency.sources:
        columns = [c for c in DATASETS[dataset] if c.kind == "reference" and c.thing == thing]
        for batch in _batches(agency, dataset):
            for column in columns:
                if column.name in batch.manifest["columns"]:
                    with connect() as con:
                        yield from con.execute(
                            f"select distinct {ident(column.name)}, {ident(column.key_name)} "
                            f"from read_parquet(?) where {ident(column.name)} is not null",
                            [str(batch.rows)],
                        ).fetchall()
    for file in _written_by_people(agency):
        typed = {
            row[column.name]
            for row in _rows(file)
            for column in DATASETS[DECISIONS] + DATASETS[READINGS]
            if column.kind == "reference" and column.thing == thing and row.get(column.name)
        }
        with connect() as con:
            bound = Params()
            key = key_expression(agency, thing, "t", bound)
            query = f"select t, {key} from (select unnest($typed::varchar[]) as t)"
            yield from con.execute(query, bound.values | {"typed": sorted(typed)}).fetchall()


def _texts(agency: Agency, things: dict[str, set[str]]) -> Iterator[str]:
    """Long parts of the texts of what is erased that no other row has."""
    found: set[str] = set()
    others: list[str] = []
    for dataset in agency.sources:
        texts = [n for c in DATASETS[dataset] if c.kind == "free_text" for n in c.outputs]
        about = [c for c in columns_that_take_row(dataset) if c.thing in things]
        if not texts or not about:
            continue
        is_about = " or ".join(
            f"list_contains($names, coalesce({ident(c.key_name)}, upper({ident(c.name)})))"
            for c in about
        )
        for batch in _batches(agency, dataset):
            with connect() as con:
                for text in texts:
                    named = {"names": sorted(set().union(*things.values()))}
                    rows = con.execute(
                        f"select {text} from read_parquet({literal(str(batch.rows))}) "
                        f"where ({is_about}) and {text} is not null", named,
                    ).fetchall()  # fmt: skip
                    found |= {part.strip() for (row,) in rows for part in _PLAIN.findall(row)}
                    others.append(
                        f"select {text} as t from read_parquet({literal(str(batch.rows))}) "
                        f"where not coalesce({is_about}, false)"
                    )
    if not found:
        return
    with connect() as con:
        query = (
            f"select part from (select unnest($parts::varchar[]) as part) anti join "
            f"({' union all '.join(others)}) as other on contains(lower(other.t), lower(part))"
        )
        given = {"parts": sorted(found), "names": sorted(set().union(*things.values()))}
        yield from (str(part) for (part,) in con.execute(query, given).fetchall())


def _expired_calls(agency: Agency, until: datetime) -> set[str]:
    """Calls of which every row is older than the limit of their dataset."""
    days = agency.sources["calls"].retention_days
    files = [str(batch.rows) for batch in accepted_batches(agency.agency, "calls")]
    if days is None or not files:
        return set()
    moment = f"coalesce({', '.join(MOMENTS['calls'])}, source_as_of)"
    with connect() as con:
        rows = con.execute(
            "select coalesce(call_key, upper(call_reference)) as call_id "
            "from read_parquet($files, union_by_name = true) "
            f"group by all having max({moment}) < $limit",
            {"files": files, "limit": until - timedelta(days=days)},
        ).fetchall()
    return {str(call_id) for (call_id,) in rows}


# ---------------------------------------------------------------------- taking out


def _unfinished(agency: Agency) -> Path:
    """There from the first removal until no published version holds what was removed."""
    return paths.published(agency.agency) / ".unfinished"


def _take_out(
    agency: Agency, gone: _Gone, reason: str, say: Say, until: datetime | None = None
) -> bool:
    """Out of all that is the agency's own, save the published versions.

    The landing comes last and its calls last of all: they tell a run after a kill what is too old.

    Returns:
        Whether there was anything.
    """
    name = agency.agency
    with take_lock(paths.published(name), name), take_lock(paths.weights(name), name):
        _unfinished(agency).touch()
        counts = {
            "rows of files that people wrote": _from_people(agency, gone),
            "logs in frozen audit frames": erase_from_register(
                name, gone.ids.get("call", ()), datetime.now(UTC).replace(tzinfo=None), reason
            ),
            "lines of worksheets": sum(
                _from_sheet(file, gone) for file in sorted(paths.audit(name).glob("*/worksheets/*"))
            ),
            "versions of what was learnt": _from_weights(agency, gone),
            **_from_landing(agency, gone, until),
        }
    for what, count in counts.items():
        if count:
            say(f"{count:>6,}  {what}")
    return any(counts.values())


def _written_by_people(agency: Agency) -> list[Path]:
    return [f for name in BY_PEOPLE for f in sorted(Path(agency.root_of(name)).glob("*.csv"))]


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8-sig") as handle:
        return list(csv.DictReader(handle))


def _from_people(agency: Agency, gone: _Gone) -> int:
    """Out of decisions and findings: source and newest batch go on being the same."""
    count = 0
    for dataset in BY_PEOPLE:
        now = datetime.now(UTC)
        was_landed = is_source_unchanged(agency, dataset, Interval(now, now))
        about = [column.name for column in columns_that_take_row(dataset)]
        changed = sum(
            _from_csv(file, gone, about)
            for file in sorted(Path(agency.root_of(dataset)).glob("*.csv"))
        )
        if changed and was_landed:
            adopt_source(agency, dataset)
        count += changed
    return count


def _from_csv(file: Path, gone: _Gone, about: Iterable[str]) -> int:
    """Rows about what is gone; the others lose its name. Under a temporary name, then by rename."""
    rows, kept, changed = _rows(file), [], 0
    for row in rows:
        if any(gone.has(row.get(name)) for name in about):
            changed += 1
            continue
        kept.append({name: gone.without(text or "") for name, text in row.items()})
        changed += kept[-1] != row
    if changed and not kept:
        file.unlink()
    elif changed:
        written = file.with_suffix(".next")
        with written.open("w", newline="", encoding="utf-8") as handle:
            out = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
            out.writeheader()
            out.writerows(kept)
        written.replace(file)
    return changed


def _from_sheet(file: Path, gone: _Gone) -> int:
    """Lines of a worksheet about what is gone; the others lose its name."""
    if file.suffix == ".csv":
        return _from_csv(file, gone, ["call_reference"])
    if file.suffix != ".xlsx":
        return 0
    book, changed = load_workbook(file), 0
    for sheet in book:
        for number in range(sheet.max_row, 0, -1):
            if gone.has(sheet.cell(number, 1).value):
                sheet.delete_rows(number)
                changed += 1
                continue
            for cell in sheet[number]:
                if isinstance(cell.value, str) and gone.without(cell.value) != cell.value:
                    cell.value = gone.without(cell.value)
                    cell.data_type = "s"  # text whatever it begins with, never a formula
                    changed += 1
    if changed:
        written = file.with_suffix(".next")
        book.save(written)
        written.replace(file)
    return changed


def _from_landing(agency: Agency, gone: _Gone, until: datetime | None) -> dict[str, int]:
    """Out of every batch; copies of the source that a killed extraction left go whole."""
    total, copies = Forgotten(), 0
    for dataset in sorted(agency.sources, key=lambda dataset: dataset == "calls"):
        home = paths.landing(agency.agency, dataset)
        if not home.is_dir():
            continue
        with wait_for_lock(home):
            for batch in _batches(agency, dataset):
                # what people wrote of an expired call goes with it; the rest has its own limit
                also = gone.also if dataset in BY_PEOPLE else ()
                total += forget_in_batch(agency, batch, until or _as_of(batch), also)
            for left in home.glob("*/.*/") if gone.wanted else ():
                shutil.rmtree(left)
                copies += 1
    return {
        "accepted rows of the landing": total.rows,
        "accepted rows that named it": total.names,
        "refused rows": total.refused,
        "leftovers of killed extractions": copies,
    }


def _as_of(batch: Batch) -> datetime:
    return datetime.fromisoformat(batch.manifest["as_of"]).astimezone(UTC).replace(tzinfo=None)


def _from_weights(agency: Agency, gone: _Gone) -> int:
    """What was learnt from an erased log is learnt anew, and what was read in texts read anew."""
    count = 0
    if not any(gone.ids.values()):
        return count
    for kind in weights.KINDS:
        for folder in (paths.weights(agency.agency) / kind).glob("[!.]*/"):
            shutil.rmtree(folder / "readings", ignore_errors=True)
            if _has_learnt_from(folder / "audited.parquet", gone):
                shutil.rmtree(folder)
                count += 1
    return count


def _has_learnt_from(file: Path, gone: _Gone) -> bool:
    if not file.is_file():
        return False
    with connect() as con:
        rows = con.execute("select call_id from read_parquet(?)", [str(file)]).fetchall()
    return any(gone.has(call_id) for (call_id,) in rows)


# ---------------------------------------------------------------------- what all agencies share


def _clean_shared(agency: Agency, wanted: Wanted, say: Say) -> None:
    """Logs, dbt's files, the access log, Airflow's database: the bytes are written over.

    Length and place stay, so that whoever has a log open goes on writing to it.
    """
    owned = [paths.landing(agency.agency, "calls").parents[0], paths.published(agency.agency),
             paths.weights(agency.agency), paths.audit(agency.agency),
             paths.decisions(agency.agency)]  # fmt: skip
    cleaned = 0
    for file in traces.files(agency.agency):
        if any(file.is_relative_to(folder) for folder in owned):
            continue
        if traces.in_file(agency.agency, file, wanted) is None:
            continue
        if _is_sqlite(file):
            _clean_sqlite(file, wanted)
            cleaned += 1
        elif file.suffix not in _PACKED and not file.name.endswith(("-wal", "-shm")):
            _write_over(file, wanted)
            cleaned += 1
    if cleaned:
        say(f"{cleaned:>6,}  logs and other shared files, where it was written over")


def _write_over(file: Path, wanted: Wanted) -> None:
    with (
        file.open("r+b") as handle,
        mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_WRITE) as content,
    ):
        for found in list(wanted.pattern.finditer(content)):
            start, end = found.span(1)
            content[start:end] = b"x" * (end - start)


def _is_sqlite(file: Path) -> bool:
    with file.open("rb") as handle:
        return handle.read(15) == b"SQLite format 3"


def _clean_sqlite(file: Path, wanted: Wanted) -> None:
    """Task notes, XComs and the like, and the free pages where older ones stood."""

    def clean(value: str | bytes) -> str | bytes:
        raw = value.encode() if isinstance(value, str) else value
        made = wanted.pattern.sub(tombstones.ERASED.encode(), raw)
        return made.decode() if isinstance(value, str) else made

    with contextlib.closing(sqlite3.connect(file, timeout=SQLITE_LOCK_SECONDS)) as con:
        con.create_function("clean", 1, clean, deterministic=True)
        con.execute("pragma secure_delete = on")
        for table, column in traces.sqlite_columns(con):
            is_text = f"typeof(\"{column}\") in ('text', 'blob')"
            con.execute(
                f'update "{table}" set "{column}" = clean("{column}") '
                f'where {is_text} and clean("{column}") is not "{column}"'
            )
        con.commit()
        con.execute("vacuum")
        con.execute("pragma wal_checkpoint(truncate)")


# ---------------------------------------------------------------------- published versions


def _publish_without(agency: Agency, say: Say) -> None:
    """Publish a version of what is left, then remove all others."""
    name = agency.agency
    if read_current(name) is not None:
        for kind, step in pipeline.LEARN.items():
            if (paths.weights(name) / kind).is_dir():
                step(name)
        version = pipeline.publish_new(name)
        say(f"published {version}" if version else "the published version is without it already")
    shutil.rmtree(paths.published(name) / ".next", ignore_errors=True)
    kept = (paths.published(name) / "current").resolve()
    removed = 0
    for folder in (paths.published(name) / "versions").glob("*/"):
        if folder != kept:
            shutil.rmtree(folder)
            removed += 1
    _unfinished(agency).unlink(missing_ok=True)
    if removed:
        say(f"{removed:>6,}  older published versions, which held it")
