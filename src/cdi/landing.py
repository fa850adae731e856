"""The landing: immutable, checked batches; the truth that every build starts from (design 5.2).

``landing/<agency>/<dataset>/``
    ``batches/<id>/``  accepted: ``rows.parquet``, ``quarantine.parquet``, ``manifest.json`` and
    ``validation.json``; never changed again
    ``pending/<id>/``  extracted, and kept as it is until its check has ended
    ``checking/<id>/``  the working copy of a pending batch while its check runs; left behind if the
    check is killed
    ``refused/<id>/``  a `fail` rule of border 1 was broken; kept for the person who must look

A batch appears by one rename. Every row read is accepted, quarantined with a rule id, an exact
duplicate after column mapping, or erased (design 5.3); the manifest counts each per file. Rows of a
shared file that belong to another dataset (`rows` in agency.yaml) are counted as ``left_out``. Only
an erasure or a retention limit changes a batch later (`forget`): one file at a time, each by a
rename, the manifest last.
"""

import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths, privacy, sources, tombstones
from cdi.agency import model
from cdi.agency.datasets import (
    BY_PEOPLE,
    DATASETS,
    HASHED,
    LINEAGE,
    MOMENTS,
    PERSONAL,
    Column,
    output_columns,
)
from cdi.agency.interval import Interval
from cdi.agency.key_rules import key_expression
from cdi.agency.load import check_patterns, load_agency
from cdi.agency.model import Agency, ColumnMap, Source
from cdi.files import sha256_of_json, wait_for_lock
from cdi.keys import decrypt_text, derive_key, encrypt_texts, set_hash_key
from cdi.sources import FetchedFile
from cdi.sql import Params, connect, fetch_dicts, ident, scalar

QUARANTINE_COLUMNS = {
    "row_id": "VARCHAR",
    "source_file": "VARCHAR",
    "source_line": "BIGINT",
    "rule_id": "VARCHAR",
    "detail": "VARCHAR",
    "original_masked": "VARCHAR",
    "original_encrypted": "VARCHAR",
}


FATES = ("read", "accepted", "quarantined", "duplicates", "erased")  # the first is all the others


@dataclass(frozen=True)
class Batch:
    """One batch on disk."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def rows(self) -> Path:
        """Accepted rows."""
        return self.folder / "rows.parquet"

    @property
    def quarantine(self) -> Path:
        """Refused rows, with rule id."""
        return self.folder / "quarantine.parquet"


def read_batch(folder: Path) -> Batch:
    """Read a batch's manifest."""
    return Batch(folder, json.loads((folder / "manifest.json").read_text(encoding="utf-8")))


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write a batch's manifest."""
    text = json.dumps(manifest, indent=2, sort_keys=True)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")


def batches(agency: str, dataset: str) -> list[Batch]:
    """The accepted batches of a dataset, in the order of their acceptance."""
    folder = paths.landing(agency, dataset) / "batches"
    found = [read_batch(file.parent) for file in folder.glob("*/manifest.json")]
    return sorted(found, key=lambda batch: batch.manifest["seq"])


def _code_sha256() -> str:
    """What turns bytes into rows: a change of it extracts anew."""
    modules = ("datasets", "landing", "privacy", "sources", "tombstones")
    here = Path(__file__).parent
    return sha256_of_json([(here / f"{name}.py").read_text(encoding="utf-8") for name in modules])


def _source_fingerprint(agency: Agency, dataset: str, files: list[FetchedFile]) -> str:
    return sha256_of_json(
        {
            "files": [(f.name, f.sha256, f.as_of) for f in files],
            "source": agency.sources[dataset].model_dump(by_alias=True),
            "key_rules": {k: [r.model_dump() for r in v] for k, v in agency.key_rules.items()},
            "timezone": agency.timezone,
            "code": _code_sha256(),
            "key": derive_key(agency.agency, "fingerprint").hex()[:16],
        }
    )


def _reference_batch(agency: Agency, dataset: str, interval: Interval) -> Batch | None:
    """The batch that new content must differ from to count as new."""
    return _counterpart(
        agency.agency,
        dataset,
        agency.sources[dataset].delivery,
        (interval.start.isoformat(), interval.end.isoformat()),
    )


def _counterpart(
    agency: str, dataset: str, delivery: str, interval: tuple[str, str]
) -> Batch | None:
    """A snapshot replaces whatever came before; changes are compared within their interval."""
    accepted = batches(agency, dataset)
    if delivery == "snapshot":
        return max(accepted, key=lambda b: (b.manifest["as_of"], b.manifest["seq"]), default=None)
    same = [b for b in accepted if _interval_of(b) == interval]
    return same[-1] if same else None


def _interval_of(batch: Batch) -> tuple[str, str]:
    return batch.manifest["interval_start"], batch.manifest["interval_end"]


def extract(
    agency: Agency,
    dataset: str,
    interval: Interval,
    storage_options: Mapping[str, Any] | None = None,
) -> Batch | None:
    """Extract one dataset for one interval into a pending batch.

    Args:
        agency: The agency.
        dataset: A key of ``agency.sources``.
        interval: Data interval, UTC.
        storage_options: For fsspec, from the Airflow connection.

    Returns:
        The pending batch, to be checked and accepted; None if the sources hold nothing new, or
        nobody has decided or audited anything yet.

    Raises:
        AgencyError: If agency.yaml has a regular expression that is none.
        SourceError: If a file is absent, damaged or not what agency.yaml says; nothing is landed.
    """
    check_patterns(agency)
    # a backfill runs many intervals at once: each has its own folder, which a killed one leaves
    folder = paths.landing(agency.agency, dataset) / "pending"
    working = folder / f".{_name(interval)}"
    shutil.rmtree(working, ignore_errors=True)
    scratch, target = working / "fetched", working / "batch"
    scratch.mkdir(parents=True)
    target.mkdir()
    try:
        files, absent = sources.fetch(agency, dataset, interval, scratch, storage_options)
        if not files:
            return None
        fingerprint = _source_fingerprint(agency, dataset, files)
        newest = _reference_batch(agency, dataset, interval)
        if newest and newest.manifest["source_fingerprint"] == fingerprint:
            return None
        manifest = _write_rows(agency, dataset, interval, files, target)
        if newest and newest.manifest["content_sha256"] == manifest["content_sha256"]:
            return None
        batch_id = _batch_id(agency, dataset, interval)
        manifest |= {
            "batch_id": batch_id,
            "source_fingerprint": fingerprint,
            "absent_files": absent,
        }
        write_manifest(target, manifest)
        shutil.rmtree(folder / batch_id, ignore_errors=True)
        return read_batch(target.rename(folder / batch_id))
    finally:
        shutil.rmtree(working)


def read_file(agency: Agency, dataset: str, file: Path, folder: Path) -> Batch:
    """Read one local file as an extraction would, into a batch that stays outside the landing.

    Args:
        agency: Whose file.
        dataset: What it holds.
        file: The file, decompressed.
        folder: An empty folder for the batch.
    """
    now = datetime.now(UTC)
    fetched = FetchedFile(file.name, file, hashlib.sha256(file.read_bytes()).hexdigest(), None)
    write_manifest(folder, _write_rows(agency, dataset, Interval(now, now), [fetched], folder))
    return read_batch(folder)


def adopt(agency: Agency, dataset: str) -> None:
    """Take the source as it stands for what the newest batch was read from.

    For what people of this house write: an erasure changes source and batch alike.
    """
    known = batches(agency.agency, dataset)
    with tempfile.TemporaryDirectory(prefix="cdi-") as scratch:
        now = datetime.now(UTC)
        files, _ = sources.fetch(agency, dataset, Interval(now, now), Path(scratch))
    if known and files:
        batch = max(known, key=lambda b: (b.manifest["as_of"], b.manifest["seq"]))
        read_from = {"source_fingerprint": _source_fingerprint(agency, dataset, files)}
        _replace_manifest(batch.folder, batch.manifest | read_from)


def is_unchanged(
    agency: Agency,
    dataset: str,
    interval: Interval,
    storage_options: Mapping[str, Any] | None = None,
) -> bool:
    """Whether the sources hold nothing new for the interval; writes nothing to the landing."""
    newest = _reference_batch(agency, dataset, interval)
    if newest is None and dataset not in BY_PEOPLE:
        return False
    with tempfile.TemporaryDirectory(prefix="cdi-") as scratch:
        files, _ = sources.fetch(agency, dataset, interval, Path(scratch), storage_options)
        if newest is None or not files:
            return not files
        return bool(
            newest.manifest["source_fingerprint"] == _source_fingerprint(agency, dataset, files)
        )


def _name(interval: Interval) -> str:
    return f"{interval.start:%Y%m%dT%H%M}_{interval.end:%Y%m%dT%H%M}"


def _batch_id(agency: Agency, dataset: str, interval: Interval) -> str:
    name = _name(interval)
    accepted = batches(agency.agency, dataset)
    version = 1 + sum(batch.manifest["batch_id"].startswith(name) for batch in accepted)
    return f"{name}_v{version}"


def begin_check(batch: Batch) -> Batch:
    """Copy a pending batch, for its check to change, in place of what a killed check left.

    The pending one stays until the copy is accepted or refused: killed at any point, a check that
    is repeated finds what the first found.

    Args:
        batch: A pending batch.
    """
    home = paths.landing(batch.manifest["agency"], batch.manifest["dataset"])
    target = home / "checking" / batch.folder.name
    with wait_for_lock(home):  # an erasure changes file by file
        remove(target)
        copied = target.with_name(f".{target.name}")
        shutil.copytree(batch.folder, copied, ignore=shutil.ignore_patterns(".*"))
        return read_batch(copied.rename(target))


def remove(folder: Path) -> None:
    """Remove a batch, if it is there; by a rename first, so that nobody meets half of it."""
    hidden = folder.with_name(f".{folder.name}")
    shutil.rmtree(hidden, ignore_errors=True)  # of a process that was killed
    if folder.is_dir():
        shutil.rmtree(folder.rename(hidden))


def accept(batch: Batch) -> Batch | None:
    """Move a checked batch into the landing, by one rename.

    Batches are accepted one after another (a lock per dataset), as their order of arrival counts.

    Returns:
        The batch at its final place; its manifest has `seq`, its place in the order of arrival.
        None if the same content was accepted while this batch was checked; it is dropped then.
    """
    manifest = batch.manifest
    home = paths.landing(manifest["agency"], manifest["dataset"])
    (home / "batches").mkdir(parents=True, exist_ok=True)
    with wait_for_lock(home):
        if manifest.get("tombstones", 0) < len(tombstones.lines(manifest["agency"])):
            # something was erased while this batch was checked
            forget(load_agency(manifest["agency"]), batch, _as_of(batch))
            batch = read_batch(batch.folder)
            manifest = batch.manifest
        twin = _counterpart(
            manifest["agency"], manifest["dataset"], manifest["delivery"], _interval_of(batch)
        )
        pending = home / "pending" / manifest["batch_id"]
        if twin and twin.manifest["content_sha256"] == manifest["content_sha256"]:
            remove(batch.folder)
            remove(pending)
            return None
        accepted = batches(manifest["agency"], manifest["dataset"])
        seq = 1 + (accepted[-1].manifest["seq"] if accepted else 0)
        _replace_manifest(batch.folder, manifest | {"seq": seq})
        for file in batch.folder.iterdir():
            file.chmod(0o444)
        accepted_as = batch.folder.rename(home / "batches" / manifest["batch_id"])
        remove(pending)
        return read_batch(accepted_as)


def recount(batch: Batch, moved: Mapping[str, int]) -> Batch:
    """Count rows that the check moved from accepted to quarantined.

    Args:
        batch: A batch that is being checked, whose Parquet files were rewritten.
        moved: Number of moved rows by source file.
    """
    files = [
        file
        | {
            "accepted": file["accepted"] - moved.get(file["name"], 0),
            "quarantined": file["quarantined"] + moved.get(file["name"], 0),
        }
        for file in batch.manifest["files"]
    ]
    total = sum(moved.values())
    manifest = batch.manifest | {
        "files": files,
        "accepted": batch.manifest["accepted"] - total,
        "quarantined": batch.manifest["quarantined"] + total,
    }
    _replace_manifest(batch.folder, manifest)
    return Batch(batch.folder, manifest)


def refuse(batch: Batch) -> Path:
    """Keep a batch that failed its check where no build looks, replacing an earlier try."""
    home = paths.landing(batch.manifest["agency"], batch.manifest["dataset"])
    target = home / "refused" / batch.manifest["batch_id"]
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    refused_as = batch.folder.rename(target)
    remove(home / "pending" / batch.manifest["batch_id"])
    return refused_as


# ---------------------------------------------------------------------- forgetting


@dataclass
class Forgotten:
    """What `forget` took out of a batch.

    Attributes:
        rows: Accepted rows that are gone.
        names: Accepted rows that lost the name of something erased.
        refused: Refused rows that are gone.
    """

    rows: int = 0
    names: int = 0
    refused: int = 0

    def __add__(self, other: "Forgotten") -> "Forgotten":
        """Both together."""
        return Forgotten(
            self.rows + other.rows, self.names + other.names, self.refused + other.refused
        )

    def __bool__(self) -> bool:
        """Whether there was anything."""
        return bool(self.rows or self.names or self.refused)


def forget(agency: Agency, batch: Batch, until: datetime, also: Iterable[str] = ()) -> Forgotten:
    """Take out of a batch on disk what was erased or is older than is kept; count it as erased.

    The caller holds the lock (`locked`). Killed in the middle, it can be done again.

    Args:
        agency: With its key rules and limits.
        batch: Accepted, pending, being checked or refused.
        until: UTC without a zone: what the retention limit counts from.
        also: Keyed hashes of further references, that are in no tombstone.
    """
    with connect() as con:
        tombstones.open_(con, agency.agency, also)
        con.execute("create table rows as from read_parquet(?)", [str(batch.rows)])
        done = _forget_accepted(con, agency, batch, until)
        again = con.execute(
            "delete from rows where row_id in (select row_id from rows qualify row_number() over "
            "(partition by source_file, row_hash order by row_id) > 1) returning source_file"
        ).fetchall()
        con.execute("create table quarantine as from read_parquet(?)", [str(batch.quarantine)])
        done.refused = _forget_refused(con, agency, batch, until)
        manifest = _recounted(con, batch, Counter(file for (file,) in again))
        # of one that was killed: rows that only lost a name change no count
        unfinished = batch.folder / ".forgetting"
        if done or unfinished.exists() or _counts(manifest) != _counts(batch.manifest):
            unfinished.touch()
            for table, file in (("rows", batch.rows), ("quarantine", batch.quarantine)):
                replace_parquet(con, table, file)
            _replace_manifest(batch.folder, manifest)
            unfinished.unlink()
    return done


def _forget_accepted(
    con: duckdb.DuckDBPyConnection, agency: Agency, batch: Batch, until: datetime
) -> Forgotten:
    """Of the table `rows`; a row that lost a name has a new hash, as an extraction gives it."""
    described = con.execute("describe rows").fetchall()
    columns = [str(row[0]) for row in described if row[0] not in LINEAGE]
    gone = _forget_rows(con, agency, batch.manifest["dataset"], "rows", columns, (until, None))
    same = " and ".join(f"r.{ident(name)} is not distinct from o.{ident(name)}" for name in columns)
    con.execute(
        f"create table changed as select r.row_id from rows as r join read_parquet(?) as o "
        f"using (row_id) where not ({same})",
        [str(batch.rows)],
    )
    con.execute(
        f"update rows set row_hash = {_row_hash(columns)} "
        "where row_id in (select row_id from changed)"
    )
    return Forgotten(rows=gone, names=int(scalar(con, "select count(*) from changed")))


def _forget_refused(
    con: duckdb.DuckDBPyConnection, agency: Agency, batch: Batch, until: datetime
) -> int:
    """Of the table `quarantine`: a refused row that holds an erased name goes whole."""
    rows = fetch_dicts(con, "from quarantine")
    old = _too_old(agency, batch, until)
    gone = [row["row_id"] for row in rows if row["source_file"] in old]
    if tombstones.are_open(con):
        texts = [
            decrypt_text(agency.agency, row["original_encrypted"])
            if row["original_encrypted"]
            else row["original_masked"] or ""
            for row in rows
        ]
        held = tombstones.held(con, agency, texts)
        gone += [row["row_id"] for row, is_held in zip(rows, held, strict=True) if is_held]
    con.execute("delete from quarantine where list_contains($gone::varchar[], row_id)",
                {"gone": gone})  # fmt: skip
    return len(set(gone))


def _too_old(agency: Agency, batch: Batch, until: datetime) -> set[str]:
    """Files whose refused rows are not kept: what could not be read has no time of its own."""
    days = agency.sources[batch.manifest["dataset"]].retention_days
    if days is None:
        return set()
    limit = until - timedelta(days=days)
    return {file["name"] for file in batch.manifest["files"] if _naive(file["as_of"]) < limit}


def _recounted(
    con: duckdb.DuckDBPyConnection, batch: Batch, again: Mapping[str, int]
) -> dict[str, Any]:
    """The manifest, with what the tables hold now; what is in neither any more was erased."""
    query = "select source_file, count(*) from {} group by all"
    accepted, quarantined = (
        dict(con.execute(query.format(table)).fetchall()) for table in ("rows", "quarantine")
    )
    files = []
    for file in batch.manifest["files"]:
        now = {
            "accepted": accepted.get(file["name"], 0),
            "quarantined": quarantined.get(file["name"], 0),
            "duplicates": file["duplicates"] + again.get(file["name"], 0),
        }
        left = sum(file[fate] for fate in now) - sum(now.values())
        files.append({**file, **now, "erased": file.get("erased", 0) + left})
    changed = {
        "files": files,
        "content_sha256": _content_sha256(con),
        "tombstones": len(tombstones.lines(batch.manifest["agency"])),
    }
    return {**batch.manifest, **changed, **_totals(files)}


def _counts(manifest: Mapping[str, Any]) -> list[list[int]]:
    return [[file.get(fate, 0) for fate in FATES] for file in manifest["files"]]


def replace_parquet(con: duckdb.DuckDBPyConnection, table: str, file: Path) -> None:
    """Write a table in place of a batch's Parquet file, by a rename."""
    written = file.with_name(f".{file.name}.next")
    written.unlink(missing_ok=True)
    write_parquet(con, f"from {table} order by source_file, row_id", written)
    written.chmod(file.stat().st_mode)
    written.replace(file)


def _replace_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as scratch:
        write_manifest(Path(scratch), manifest)
        file = Path(scratch) / "manifest.json"
        file.chmod((folder / "manifest.json").stat().st_mode)
        file.replace(folder / "manifest.json")


def write_parquet(con: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    """Write a query's rows to a Parquet file (zstd)."""
    con.execute(f"copy ({query}) to $file (format parquet, compression zstd)", {"file": str(file)})


# ---------------------------------------------------------------------- rows


def _write_rows(
    agency: Agency, dataset: str, interval: Interval, files: list[FetchedFile], target: Path
) -> dict[str, Any]:
    """Map, type and split all files; write Parquet; return the manifest's counts."""
    source = agency.sources[dataset]
    con = connect(target / "work.duckdb")
    set_hash_key(con, agency.agency)
    known = tombstones.lines(agency.agency)
    tombstones.open_(con, agency.agency)
    names = output_columns(dataset)
    con.execute(f"create table rows ({', '.join(f'{n} {t}' for n, t in names.items())})")
    con.execute(
        "create table quarantine ("
        + ", ".join(f"{n} {t}" for n, t in QUARANTINE_COLUMNS.items())
        + ")"
    )
    counted: list[dict[str, Any]] = []
    for number, file in enumerate(files):
        con.execute("drop table if exists refused")
        unexpected = sources.read_raw(con, source, file, number)
        as_of = (file.as_of or interval.end).astimezone(UTC)
        gone = _type_rows(con, agency, dataset, file, as_of.replace(tzinfo=None))
        counts = _split(con, agency, dataset, file, gone)
        counted.append(
            {
                "file_no": number,
                "name": file.name,
                "sha256": file.sha256,
                "as_of": as_of.isoformat(),
                "unexpected_columns": unexpected,
                "left_out": scalar(con, "select count(*) from left_out"),
                **counts,
            }
        )
    for table in ("rows", "quarantine"):
        write_parquet(
            con, f"from {table} order by source_file, row_id", target / f"{table}.parquet"
        )
    content = _content_sha256(con)
    con.close()
    (target / "work.duckdb").unlink()
    return {
        "agency": agency.agency,
        "dataset": dataset,
        "delivery": source.delivery,
        "rows_per_key": source.rows_per_key,
        "interval_start": interval.start.isoformat(),
        "interval_end": interval.end.isoformat(),
        "as_of": max(file["as_of"] for file in counted),
        "extracted_at": datetime.now(UTC).isoformat(),  # told to people; nothing computes with it
        "columns": names,
        "files": counted,
        "content_sha256": content,
        "tombstones": len(known),
        **_totals(counted),
    }


def _totals(files: list[dict[str, Any]]) -> dict[str, int]:
    return {key: sum(int(file[key]) for file in files) for key in FATES}


def _content_sha256(con: duckdb.DuckDBPyConnection) -> str:
    """Over the tables `rows` and `quarantine`, whatever the order of their rows."""
    content = scalar(
        con,
        "select sha256(string_agg(row_hash || source_as_of, '' order by row_hash, source_as_of)) "
        "from rows",
    )
    refused = scalar(
        con,
        "select string_agg(row_id || rule_id || original_masked, '' order by row_id) "
        "from quarantine",
    )
    return sha256_of_json([content, refused])


def _value(mapping: ColumnMap, bound: Params) -> str:
    """SQL for the source's text, trimmed; blank is null."""
    text = f"nullif(trim(raw.{ident(sources.normalise_header(mapping.source))}), '')"
    if mapping.extract:
        text = f"nullif(regexp_extract({text}, {bound.bind(mapping.extract)}, 1), '')"
    return text


def _time(agency: Agency, mapping: ColumnMap, bound: Params, *, is_moment: bool) -> str:
    """SQL for the time that a text tells: as a moment (TIMESTAMPTZ), or as local time."""
    text = _value(mapping, bound)
    times = []
    # apart, as one format with %z in its list makes DuckDB take the local times for UTC
    for has_offset, formats in groupby(mapping.format, model.has_offset):
        # DuckDB's %z knows no Z
        told = f"regexp_replace({text}, 'Z$', '+00')" if has_offset else text
        time = f"try_strptime({told}, {bound.bind(list(formats))})"
        # timezone() makes a moment of local time, and local time of a moment
        is_other = has_offset != is_moment
        times.append(f"timezone({bound.bind(agency.timezone)}, {time})" if is_other else time)
    return f"coalesce({', '.join(times)})"


def _parsed(
    agency: Agency, column: Column, mapping: ColumnMap, bound: Params, as_of: datetime
) -> str:
    """SQL for the typed value of a column whose text may fail to be one."""
    text = _value(mapping, bound)
    if column.kind == "timestamp":
        return f"timezone('UTC', {_time(agency, mapping, bound, is_moment=True)})"
    if column.kind == "birth_date":
        day = f"cast({_time(agency, mapping, bound, is_moment=False)} as date)"
        # nobody is born after the file was made; only here can it be seen
        return f"case when {day} between date '1880-01-01' and {bound.bind(as_of)} then {day} end"
    if column.kind == "age":
        return privacy.age_band_expression(f"try_cast(try_cast({text} as double) as integer)")
    if column.kind == "boolean":
        return f"list_contains({bound.bind(list(mapping.true_values))}, {text})"
    return f"try_cast({text} as double)"


def _outputs(
    agency: Agency, dataset: str, column: Column, bound: Params, as_of: datetime
) -> dict[str, str]:
    """SQL for each landing column that comes of one canonical column."""
    source = agency.sources[dataset]
    mapping = source.columns.get(column.name)
    if mapping is None:
        return {name: f"cast(null as {kind})" for name, kind in column.outputs.items()}
    text = _value(mapping, bound)
    if column.kind == "reference":
        return {
            column.name: text,
            column.key_name: key_expression(agency, column.thing, text, bound),
        }
    if column.kind in HASHED:
        is_date = column.kind == "birth_date"
        value = _parsed(agency, column, mapping, bound, as_of) if is_date else text
        return {
            **{name: privacy.hash_expression(kind, value) for name, kind in column.hashes.items()},
            f"has_{column.name}": f"{value} is not null",
        }
    if column.kind == "free_text":
        mapped = [other for other in DATASETS[dataset] if other.name in source.columns]
        own, addresses = (
            [_value(source.columns[c.name], bound) for c in mapped if c.kind in kinds]
            for kinds in (("name", "phone"), ("address",))
        )
        masked = privacy.mask_text_expression(text, own, addresses)
        return {f"{column.name}_masked": masked}
    if column.kind in ("text", "code"):
        return {column.name: text}
    return {next(iter(column.outputs)): _parsed(agency, column, mapping, bound, as_of)}


def _type_rows(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, file: FetchedFile, as_of: datetime
) -> int:
    """Make `typed`: row_no, the landing's columns, and the columns that could not be typed.

    Returns:
        How many rows are not in it, as they are about what was erased, or older than is kept.
    """
    source = agency.sources[dataset]
    bound = Params()
    selected: dict[str, str] = {}
    untyped, absent = [], []
    for column in DATASETS[dataset]:
        selected |= _outputs(agency, dataset, column, bound, as_of)
        mapping = source.columns.get(column.name)
        if mapping is None:
            continue
        text = _value(mapping, bound)
        name = bound.bind(column.name)
        if column.kind in ("timestamp", "birth_date", "age", "number"):
            parsed = _parsed(agency, column, mapping, bound, as_of)
            untyped.append(f"case when {text} is not null and {parsed} is null then {name} end")
        if column.is_required:
            absent.append(f"case when {text} is null then {name} end")
    columns = ", ".join(f"{sql} as {ident(name)}" for name, sql in selected.items())
    query = (
        f"create or replace table typed as select row_no, {columns}, "
        f"list_filter([{', '.join(absent)}]::varchar[], lambda c: c is not null) as absent, "
        f"list_filter([{', '.join(untyped)}]::varchar[], lambda c: c is not null) as untyped "
        "from raw"
    )
    con.execute(query, bound.used_in(query))
    until = _newest_as_of(agency.agency, dataset, as_of)
    gone = _forget_rows(con, agency, dataset, "typed", list(selected), (until, as_of))
    con.execute(
        "create or replace table typed as select *, "
        f"{_row_hash(list(selected))} as row_hash, "
        "$file || ':' || lpad(cast(row_no as varchar), 9, '0') as row_id, "
        "$file as source_file, $as_of::timestamp as source_as_of from typed",
        {"file": file.name, "as_of": as_of},
    )
    return gone


def _row_hash(columns: list[str]) -> str:
    """SQL for the hash of a row's content."""
    content = ", ".join(f"{ident(name)} := {ident(name)}" for name in columns)
    return f"sha256(cast(to_json(struct_pack({content})) as varchar))"


def _newest_as_of(agency: str, dataset: str, as_of: datetime) -> datetime:
    """The newest state that is known of a dataset: what its retention limit counts from."""
    return max([as_of, *map(_as_of, batches(agency, dataset))])


def _naive(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(UTC).replace(tzinfo=None)


def _as_of(batch: Batch) -> datetime:
    return _naive(batch.manifest["as_of"])


def _forget_rows(
    con: duckdb.DuckDBPyConnection,
    agency: Agency,
    dataset: str,
    table: str,
    columns: list[str],
    moments: tuple[datetime, datetime | None],
) -> int:
    """Leave out rows about what was erased or older than is kept; the others forget its name.

    Args:
        con: With the tombstones (`cdi.tombstones.open_`).
        agency: With its key rules and limits.
        dataset: Of the rows.
        table: Has the landing's columns.
        columns: These, without lineage.
        moments: What the limit counts from; and when rows without a time of their own are from, if
            not `source_as_of`.

    Returns:
        How many rows were left out.
    """
    bound, until = Params(), moments[0]
    source = agency.sources[dataset]
    gone = []
    has_tombstones = tombstones.are_open(con)
    if has_tombstones or scalar(con, "select len(getvariable('expired')) > 0"):
        gone.append(tombstones.is_about(dataset))
    if source.retention_days is not None:
        limit = bound.bind(until - timedelta(days=source.retention_days))
        own = [name for name in MOMENTS.get(dataset, ()) if name in columns]
        other = bound.bind(moments[1]) + "::timestamp" if moments[1] else "source_as_of"
        gone.append(f"coalesce({', '.join([*own, other])}) < {limit}")
    if not gone:
        return 0
    before = scalar(con, f"select count(*) from {table}")
    query = f"delete from {table} where {' or '.join(gone)}"
    con.execute(query, bound.used_in(query))
    nameless = tombstones.nameless(agency, dataset, columns, bound) if has_tombstones else {}
    if nameless:
        replaced = ", ".join(f"{sql} as {ident(name)}" for name, sql in nameless.items())
        query = f"create or replace table {table} as select * replace ({replaced}) from {table}"
        con.execute(query, bound.used_in(query))
    return int(before - scalar(con, f"select count(*) from {table}"))


def identity(dataset: str) -> str:
    """SQL for what a typed row is about; an unreadable reference stands for itself."""
    parts = [
        f"coalesce({c.key_name}, upper({c.name}))" if c.kind == "reference" else c.name
        for c in DATASETS[dataset]
        if c.is_identity
    ]
    return f"({', '.join(parts)})"


def _split(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, file: FetchedFile, gone: int
) -> dict[str, int]:
    """Divide one file's rows into accepted, quarantined and exact duplicates, and count them.

    Args:
        con: With `raw`, `typed` and `refused`.
        agency: Whose file.
        dataset: What it holds.
        file: The file.
        gone: How many of its rows were left out as erased.
    """
    source = agency.sources[dataset]
    key = identity(dataset)
    con.execute(
        f"""
        create or replace table fate as
        with first_of_its_kind as (select min(row_no) as row_no from typed group by row_hash),
        conflicts as (
            select {key} as key from typed
            where $one_row_per_key and len(absent) = 0 and len(untyped) = 0
            group by all having count(distinct row_hash) > 1
        )
        select
            row_no,
            case
                when len(absent) > 0 then 'TYPE-REQUIRED'
                when len(untyped) > 0 then 'TYPE-VALUE'
                when row_no not in (select row_no from first_of_its_kind) then 'duplicate'
                when {key} in (select key from conflicts) then 'KEY-CONFLICT'
                else 'accepted'
            end as fate,
            array_to_string(absent || untyped, ', ') as detail
        from typed
        """,
        {"one_row_per_key": source.rows_per_key == "one"},
    )
    names = ", ".join(output_columns(dataset))
    con.execute(f"insert into rows by name select {names} from typed "
                "where row_no in (select row_no from fate where fate = 'accepted')")  # fmt: skip
    gone_typed = _quarantine_typed(con, agency, source, dataset)
    gone_unreadable = _quarantine_unreadable(con, agency, file)
    fates = dict(con.execute("select fate, count(*) from fate group by all").fetchall())
    unreadable = scalar(con, "select count(*) from refused")
    accepted, duplicates = fates.pop("accepted", 0), fates.pop("duplicate", 0)
    raw_rows, raw_distinct = con.execute(
        "select count(*), count(distinct sha256(cast(to_json(r) as varchar))) "
        "from (select * exclude (row_no) from raw) r"
    ).fetchone() or (0, 0)
    return {
        "read": raw_rows + unreadable,
        "accepted": accepted,
        "duplicates": duplicates,
        "duplicates_before_mapping": raw_rows - raw_distinct,
        "quarantined": sum(fates.values()) - gone_typed + unreadable - gone_unreadable,
        "erased": gone + gone_typed + gone_unreadable,
    }


def _quarantine_typed(
    con: duckdb.DuckDBPyConnection, agency: Agency, source: Source, dataset: str
) -> int:
    """Rows that were read and could not be typed, or whose key has two contents.

    Returns:
        How many were left out, as they hold what was erased.
    """
    kinds = {column.name: column.kind for column in DATASETS[dataset]}
    # a row with a value of another kind may be shifted, and a name stand where a code should
    shape = privacy.mask_shape_expression("raw.{0}")
    shown = {
        ident(sources.normalise_header(mapping.source)): "raw.{0}"
        if kinds[name] == "reference"
        else f"case when len(t.untyped) > 0 then {shape} else raw.{{0}} end"
        for name, mapping in source.columns.items()
        if kinds[name] not in PERSONAL
    }
    packed = ", ".join(f"{name} := {sql.format(name)}" for name, sql in shown.items())
    rows = fetch_dicts(
        con,
        f"""
        select t.row_id, t.source_file, t.row_no as source_line, f.fate as rule_id, f.detail,
            cast(to_json(struct_pack({packed})) as varchar) as original_masked,
            cast(to_json(raw) as varchar) as original
        from fate as f join typed as t using (row_no) join raw using (row_no)
        where f.fate not in ('accepted', 'duplicate')
        """,
    )
    return _insert_quarantine(con, agency, rows)


def _quarantine_unreadable(
    con: duckdb.DuckDBPyConnection, agency: Agency, file: FetchedFile
) -> int:
    rows = fetch_dicts(
        con,
        "select $file || ':line ' || line as row_id, $file as source_file, line as source_line, "
        "rule_id, detail, original from refused",
        {"file": file.name},
    )
    for row in rows:
        row["original_masked"] = privacy.mask_shape(row["original"])
    return _insert_quarantine(con, agency, rows)


def _insert_quarantine(
    con: duckdb.DuckDBPyConnection, agency: Agency, rows: list[dict[str, Any]]
) -> int:
    found = len(rows)
    if rows and tombstones.are_open(con):
        held = tombstones.held(con, agency, [row["original"] for row in rows])
        rows = [row for row, is_held in zip(rows, held, strict=True) if not is_held]
    if not rows:
        return found
    tokens = encrypt_texts(agency.agency, [row.pop("original") for row in rows])
    for row, token in zip(rows, tokens, strict=True):
        row["original_encrypted"] = token
    con.execute(
        "insert into quarantine by name select unnest($rows, recursive := true)", {"rows": rows}
    )
    return found - len(rows)
