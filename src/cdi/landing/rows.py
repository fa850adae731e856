"""From source rows to landed rows: map, type, hash and mask the columns; divide and count the rows."""

from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from cdi.agency import model
from cdi.agency.datasets import DATASETS, HASHED, MOMENTS, PERSONAL, Column, output_columns
from cdi.agency.interval import Interval
from cdi.agency.key_rules import key_expression
from cdi.agency.model import Agency, ColumnMap, Source
from cdi.keys import encrypt_texts, set_hash_key
from cdi.landing import tombstones
from cdi.landing.batches import (
    QUARANTINE_COLUMNS,
    content_sha256,
    newest_as_of,
    sum_counts,
    write_parquet,
)
from cdi.landing.masks import (
    age_band_expression,
    hash_expression,
    mask_shape,
    mask_shape_expression,
    mask_text_expression,
)
from cdi.landing.read import normalise_header, read_raw_rows
from cdi.landing.tombstones import (
    forget_name_expressions,
    is_about_erased_expression,
    open_tombstones,
    read_tombstones,
    texts_with_erased,
)
from cdi.sources.files import FetchedFile
from cdi.sql import Params, connect, fetch_dicts, ident, scalar

# ---------------------------------------------------------------------- rows


def write_rows(
    agency: Agency, dataset: str, interval: Interval, files: list[FetchedFile], target: Path
) -> dict[str, Any]:
    """Map, type and split all files; write Parquet; return the manifest's counts."""
    source = agency.sources[dataset]
    con = connect(target / "work.duckdb")
    set_hash_key(con, agency.agency)
    known = read_tombstones(agency.agency)
    open_tombstones(con, agency.agency)
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
        unexpected = read_raw_rows(con, source, file, number)
        as_of = (file.as_of or interval.end).astimezone(UTC)
        gone = _type_rows(con, agency, dataset, file, as_of.replace(tzinfo=None))
        counts = _split_rows(con, agency, dataset, file, gone)
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
    content = content_sha256(con)
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
        **sum_counts(counted),
    }


def _value_expression(mapping: ColumnMap, bound: Params) -> str:
    """SQL for the source's text, trimmed; blank is null."""
    text = f"nullif(trim(raw.{ident(normalise_header(mapping.source))}), '')"
    if mapping.extract:
        text = f"nullif(regexp_extract({text}, {bound.bind(mapping.extract)}, 1), '')"
    return text


def _time_expression(agency: Agency, mapping: ColumnMap, bound: Params, *, is_moment: bool) -> str:
    """SQL for the time that a text tells: as a moment (TIMESTAMPTZ), or as local time."""
    text = _value_expression(mapping, bound)
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


def _typed_expression(
    agency: Agency, column: Column, mapping: ColumnMap, bound: Params, as_of: datetime
) -> str:
    """SQL for the typed value of a column whose text may fail to be one."""
    text = _value_expression(mapping, bound)
    if column.kind == "timestamp":
        return f"timezone('UTC', {_time_expression(agency, mapping, bound, is_moment=True)})"
    if column.kind == "birth_date":
        day = f"cast({_time_expression(agency, mapping, bound, is_moment=False)} as date)"
        # nobody is born after the file was made; only here can it be seen
        return f"case when {day} between date '1880-01-01' and {bound.bind(as_of)} then {day} end"
    if column.kind == "age":
        return age_band_expression(f"try_cast(try_cast({text} as double) as integer)")
    if column.kind == "boolean":
        return f"list_contains({bound.bind(list(mapping.true_values))}, {text})"
    return f"try_cast({text} as double)"


def _output_expressions(
    agency: Agency, dataset: str, column: Column, bound: Params, as_of: datetime
) -> dict[str, str]:
    """SQL for each landing column that comes of one canonical column."""
    source = agency.sources[dataset]
    mapping = source.columns.get(column.name)
    if mapping is None:
        return {name: f"cast(null as {kind})" for name, kind in column.outputs.items()}
    text = _value_expression(mapping, bound)
    if column.kind == "reference":
        return {
            column.name: text,
            column.key_name: key_expression(agency, column.thing, text, bound),
        }
    if column.kind in HASHED:
        is_date = column.kind == "birth_date"
        value = _typed_expression(agency, column, mapping, bound, as_of) if is_date else text
        return {
            **{name: hash_expression(kind, value) for name, kind in column.hashes.items()},
            f"has_{column.name}": f"{value} is not null",
        }
    if column.kind == "free_text":
        mapped = [other for other in DATASETS[dataset] if other.name in source.columns]
        own, addresses = (
            [_value_expression(source.columns[c.name], bound) for c in mapped if c.kind in kinds]
            for kinds in (("name", "phone"), ("address",))
        )
        masked = mask_text_expression(text, own, addresses)
        return {f"{column.name}_masked": masked}
    if column.kind in ("text", "code"):
        return {column.name: text}
    return {next(iter(column.outputs)): _typed_expression(agency, column, mapping, bound, as_of)}


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
        selected |= _output_expressions(agency, dataset, column, bound, as_of)
        mapping = source.columns.get(column.name)
        if mapping is None:
            continue
        text = _value_expression(mapping, bound)
        name = bound.bind(column.name)
        if column.kind in ("timestamp", "birth_date", "age", "number"):
            parsed = _typed_expression(agency, column, mapping, bound, as_of)
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
    until = newest_as_of(agency.agency, dataset, as_of)
    gone = leave_out_rows(con, agency, dataset, "typed", list(selected), (until, as_of))
    con.execute(
        "create or replace table typed as select *, "
        f"{row_hash_expression(list(selected))} as row_hash, "
        "$file || ':' || lpad(cast(row_no as varchar), 9, '0') as row_id, "
        "$file as source_file, $as_of::timestamp as source_as_of from typed",
        {"file": file.name, "as_of": as_of},
    )
    return gone


def row_hash_expression(columns: list[str]) -> str:
    """SQL for the hash of a row's content."""
    content = ", ".join(f"{ident(name)} := {ident(name)}" for name in columns)
    return f"sha256(cast(to_json(struct_pack({content})) as varchar))"


def leave_out_rows(
    con: duckdb.DuckDBPyConnection,
    agency: Agency,
    dataset: str,
    table: str,
    columns: list[str],
    moments: tuple[datetime, datetime | None],
) -> int:
    """Leave out rows about what was erased or older than is kept; the others forget its name.

    Args:
        con: With the tombstones (`cdi.landing.tombstones.open_tombstones`).
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
    has_tombstones = tombstones.has_tombstones(con)
    if has_tombstones or scalar(con, "select len(getvariable('expired')) > 0"):
        gone.append(is_about_erased_expression(dataset))
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
    nameless = forget_name_expressions(agency, dataset, columns, bound) if has_tombstones else {}
    if nameless:
        replaced = ", ".join(f"{sql} as {ident(name)}" for name, sql in nameless.items())
        query = f"create or replace table {table} as select * replace ({replaced}) from {table}"
        con.execute(query, bound.used_in(query))
    return int(before - scalar(con, f"select count(*) from {table}"))


def identity_expression(dataset: str) -> str:
    """SQL for what a typed row is about; an unreadable reference stands for itself."""
    parts = [
        f"coalesce({c.key_name}, upper({c.name}))" if c.kind == "reference" else c.name
        for c in DATASETS[dataset]
        if c.is_identity
    ]
    return f"({', '.join(parts)})"


def _split_rows(
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
    key = identity_expression(dataset)
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
    shape = mask_shape_expression("raw.{0}")
    shown = {
        ident(normalise_header(mapping.source)): "raw.{0}"
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
        row["original_masked"] = mask_shape(row["original"])
    return _insert_quarantine(con, agency, rows)


def _insert_quarantine(
    con: duckdb.DuckDBPyConnection, agency: Agency, rows: list[dict[str, Any]]
) -> int:
    found = len(rows)
    if rows and tombstones.has_tombstones(con):
        held = texts_with_erased(con, agency, [row["original"] for row in rows])
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
