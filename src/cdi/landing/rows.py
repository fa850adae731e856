"""Turns source rows into landed rows: maps, types, hashes and masks columns; counts the rows.

The work is done in a database that is removed at the end. For each source file it has the tables
``raw`` (the text as delivered) and ``refused`` (rows that could not be read), see
`cdi.landing.read`, then ``typed`` (the landing's columns) and ``fate`` (what becomes of each typed
row). The tables ``rows`` and ``quarantine`` collect the whole batch.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from cdi.agency.datasets import (
    DATASETS,
    HASHED,
    MOMENTS,
    PERSONAL,
    Column,
    number_expressions,
    output_columns,
)
from cdi.agency.interval import Interval
from cdi.agency.key_rules import key_expression
from cdi.agency.model import Agency, Source
from cdi.errors import SourceError
from cdi.keys import encrypt_texts, set_hash_key
from cdi.landing.batches import (
    QUARANTINE_COLUMNS,
    find_copy,
    hash_content,
    newest_as_of,
    sum_counts,
    write_batch_table,
)
from cdi.landing.masks import (
    hash_expression,
    mask_shape,
    mask_shape_expression,
    mask_text_expression,
    prepare_masks,
)
from cdi.landing.originals import originals_with_erased
from cdi.landing.read import list_unexpected, normalise_header, read_raw_rows
from cdi.landing.tombstones import (
    forget_name_expressions,
    has_tombstones,
    is_about_erased_expression,
    open_tombstones,
)
from cdi.landing.values import typed_expression, value_expression
from cdi.sources.files import FetchedFile
from cdi.sql import Params, connect, create_table, fetch_dicts, ident, naive_utc, scalar

# No system has longer references. What is longer is something else, and nobody could search for
# it, type it or name a page by it.
MOST_LETTERS = 100


def write_rows(
    agency: Agency, dataset: str, interval: Interval, files: list[FetchedFile], target: Path
) -> dict[str, Any]:
    """Read all files of a batch and write its Parquet files.

    Args:
        agency: The agency.
        dataset: A key of ``agency.sources``.
        interval: The data interval.
        files: The files, at least one.
        target: The folder of the batch.

    Returns:
        The manifest, without the id of the batch.
    """
    source = agency.sources[dataset]
    # A database file, not one in memory: the tables of a delivery may be larger than the memory.
    con = connect(target / "work.duckdb")
    set_hash_key(con, agency.agency)
    prepare_masks(con)
    tombstones = open_tombstones(con, agency.agency)
    columns = output_columns(dataset)
    create_table(con, "rows", columns)
    create_table(con, "quarantine", QUARANTINE_COLUMNS)
    counted: list[dict[str, Any]] = []
    for number, file in enumerate(files):
        con.execute("drop table if exists refused")
        unexpected = read_raw_rows(con, dataset, source, file, number)
        as_of = _read_as_of(f"{agency.agency}/{dataset}", file, interval)
        left_out = _type_rows(con, agency, dataset, file, naive_utc(as_of))
        origin = {"name": file.name, "sha256": file.sha256, "as_of": as_of.isoformat()}
        is_copy = find_copy(counted, origin) is not None
        counts = _split_rows(con, agency, dataset, file, left_out, is_copy=is_copy)
        counted.append(
            {
                "file_no": number,
                **origin,
                "unexpected_columns": [
                    *unexpected,
                    *list_unexpected(source, file.unexpected),
                ],
                "left_out": scalar(con, "select count(*) from left_out"),
                **counts,
            }
        )
    for table in ("rows", "quarantine"):
        write_batch_table(con, table, target / f"{table}.parquet")
    content = hash_content(con)
    con.close()
    (target / "work.duckdb").unlink()
    return {
        "agency": agency.agency,
        "dataset": dataset,
        "delivery": source.delivery,
        "is_live": source.is_live,
        "rows_per_key": source.rows_per_key,
        "interval_start": interval.start.isoformat(),
        "interval_end": interval.end.isoformat(),
        "as_of": max(file["as_of"] for file in counted),
        "extracted_at": datetime.now(UTC).isoformat(),  # shown to people, used in no calculation
        "columns": columns,
        "files": counted,
        "content_sha256": content,
        "tombstones": tombstones,
        **sum_counts(counted),
    }


def _read_as_of(name: str, file: FetchedFile, interval: Interval) -> datetime:
    """Read at which moment (UTC) a file's content was true, and refuse one that is still to come.

    The newest state of a snapshot counts. One file that claims to be of next year would hide all
    that is delivered until then.

    Args:
        name: Agency and dataset, for the error.
        file: The file.
        interval: The interval that it was fetched for.

    Raises:
        SourceError: SRC-FUTURE if the moment is more than a day after now.
    """
    as_of = (file.as_of or interval.end).astimezone(UTC)
    if as_of > datetime.now(UTC) + timedelta(days=1):
        raise SourceError(
            "SRC-FUTURE",
            f"{name}: {file.name} tells the state of {as_of:%Y-%m-%d %H:%M} UTC, which is to come",
            "correct `as_of` in agency.yaml, the interval of the run, or the clock that is wrong",
        )
    return as_of


def _output_expressions(
    agency: Agency, dataset: str, column: Column, bound: Params, as_of: datetime
) -> dict[str, str]:
    """SQL for each of the landing's columns that one canonical column becomes."""
    source = agency.sources[dataset]
    mapping = source.columns.get(column.name)
    if mapping is None:
        return {name: f"cast(null as {kind})" for name, kind in column.outputs.items()}
    text = value_expression(mapping, bound)
    if column.kind == "reference":
        return {
            column.name: text,
            column.key_name: key_expression(agency, column.thing, text, bound),
        }
    if column.kind in HASHED:
        is_date = column.kind == "birth_date"
        value = (
            typed_expression(agency, dataset, column, mapping, bound, as_of) if is_date else text
        )
        return {
            **{name: hash_expression(kind, value) for name, kind in column.hashes.items()},
            f"has_{column.name}": f"{value} is not null",
        }
    if column.kind == "free_text":
        mapped = [other for other in DATASETS[dataset] if other.name in source.columns]
        own_values, own_addresses = (
            [
                value_expression(source.columns[other.name], bound)
                for other in mapped
                if other.kind in kinds
            ]
            for kinds in (("name", "phone"), ("address",))
        )
        return {f"{column.name}_masked": mask_text_expression(text, own_values, own_addresses)}
    if column.kind in ("text", "code"):
        return {column.name: text}
    return {
        next(iter(column.outputs)): typed_expression(agency, dataset, column, mapping, bound, as_of)
    }


def _type_rows(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, file: FetchedFile, as_of: datetime
) -> int:
    """Make the table `typed` from `raw`.

    It has `row_no`, the landing's columns, and in `absent`, `untyped` and `too_long` the names of
    the canonical columns that lack a required value, whose text is not of their type, or whose
    reference is too long.

    Returns:
        How many rows were left out, as they are about something erased or older than their limit.
    """
    source = agency.sources[dataset]
    bound = Params()
    selected: dict[str, str] = {}
    untyped, absent, too_long = [], [], []
    for column in DATASETS[dataset]:
        selected |= _output_expressions(agency, dataset, column, bound, as_of)
        mapping = source.columns.get(column.name)
        if mapping is None:
            continue
        text = value_expression(mapping, bound)
        name = bound.bind(column.name)
        if column.kind in ("timestamp", "birth_date", "age", "number"):
            value = typed_expression(agency, dataset, column, mapping, bound, as_of)
            untyped.append(f"case when {text} is not null and {value} is null then {name} end")
        if column.is_required:
            absent.append(f"case when {text} is null then {name} end")
        if column.kind == "reference":
            too_long.append(f"case when len({text}) > {MOST_LETTERS} then {name} end")
    columns = ", ".join(f"{sql} as {ident(name)}" for name, sql in selected.items())
    query = (
        f"create or replace table typed as select row_no, {columns}, "
        f"list_filter([{', '.join(absent)}]::varchar[], lambda c: c is not null) as absent, "
        f"list_filter([{', '.join(untyped)}]::varchar[], lambda c: c is not null) as untyped, "
        f"list_filter([{', '.join(too_long)}]::varchar[], lambda c: c is not null) as too_long "
        "from raw"
    )
    con.execute(query, bound.used_in(query))
    until = newest_as_of(agency.agency, dataset, as_of)
    left_out = leave_out_rows(
        con, agency, dataset, "typed", list(selected), until=until, as_of=as_of
    )
    # Hash and numbers come last: they must be those of the content without erased names.
    numbers = "".join(
        f"{sql} as {ident(name)}, " for name, sql in number_expressions(dataset).items()
    )
    con.execute(
        "create or replace table typed as select *, "
        f"{numbers}{row_hash_expression(list(selected))} as row_hash, "
        "$file || ':' || lpad(cast(row_no as varchar), 9, '0') as row_id, "
        "$file as source_file, $as_of::timestamp as source_as_of from typed",
        {"file": file.name, "as_of": as_of},
    )
    return left_out


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
    *,
    until: datetime,
    as_of: datetime | None = None,
) -> int:
    """Delete the rows that are erased or too old, and take erased names out of the others.

    Args:
        con: A connection after `cdi.landing.tombstones.open_tombstones`.
        agency: The agency, with its key rules and retention limits.
        dataset: The dataset of the rows.
        table: A table with the landing's columns.
        columns: These columns, without lineage.
        until: What the retention limit counts back from, in UTC without a zone.
        as_of: The time of rows that have none of their own; default: their `source_as_of`.

    Returns:
        How many rows were deleted.
    """
    bound = Params()
    source = agency.sources[dataset]
    conditions = []
    some_are_erased = has_tombstones(con)
    if some_are_erased or scalar(con, "select len(getvariable('expired')) > 0"):
        conditions.append(is_about_erased_expression(dataset))
    if source.retention_days is not None:
        limit = bound.bind(until - timedelta(days=source.retention_days))
        times = [name for name in MOMENTS.get(dataset, ()) if name in columns]
        times.append(f"{bound.bind(as_of)}::timestamp" if as_of else "source_as_of")
        conditions.append(f"coalesce({', '.join(times)}) < {limit}")
    if not conditions:
        return 0
    before = scalar(con, f"select count(*) from {table}")
    query = f"delete from {table} where {' or '.join(conditions)}"
    con.execute(query, bound.used_in(query))
    forgetting = forget_name_expressions(agency, dataset, columns, bound) if some_are_erased else {}
    if forgetting:
        replaced = ", ".join(f"{sql} as {ident(name)}" for name, sql in forgetting.items())
        query = f"create or replace table {table} as select * replace ({replaced}) from {table}"
        con.execute(query, bound.used_in(query))
    return int(before - scalar(con, f"select count(*) from {table}"))


def identity_expression(dataset: str) -> str:
    """SQL for what a landed row is about, as a struct.

    A reference that no key rule reads stands for itself. The dbt macro `natural_id` says the same
    as a text; a test holds the two together.
    """
    parts = [
        f"coalesce({column.key_name}, upper({column.name}))"
        if column.kind == "reference"
        else column.name
        for column in DATASETS[dataset]
        if column.is_identity
    ]
    return f"({', '.join(parts)})"


def _split_rows(
    con: duckdb.DuckDBPyConnection,
    agency: Agency,
    dataset: str,
    file: FetchedFile,
    left_out: int,
    *,
    is_copy: bool,
) -> dict[str, int]:
    """Divide the rows of a file into accepted, quarantined and exact duplicates, and count them.

    Args:
        con: A connection with the tables `raw`, `typed` and `refused`.
        agency: The agency.
        dataset: The dataset that the file holds.
        file: The file.
        left_out: How many of its rows were left out as erased.
        is_copy: Whether the batch has the same file under another name. Then each row that could be
            accepted is an exact duplicate.
    """
    source = agency.sources[dataset]
    key = identity_expression(dataset)
    con.execute(
        f"""
        create or replace table fate as
        with first_of_its_kind as (select min(row_no) as row_no from typed group by row_hash),
        conflicts as (
            select {key} as key from typed
            where $one_row_per_key and len(absent || untyped || too_long) = 0
            group by all having count(distinct row_hash) > 1
        ),
        last_of_key as (
            select {key} as key, max(row_no) as row_no, arg_max(row_hash, row_no) as row_hash
            from typed where $last_counts and len(absent || untyped || too_long) = 0
            group by {key}
        )
        select
            typed.row_no,
            case
                when len(absent) > 0 then 'TYPE-REQUIRED'
                when len(untyped) > 0 then 'TYPE-VALUE'
                when len(too_long) > 0 then 'TYPE-LENGTH'
                when $is_copy then 'duplicate'
                when last_of_key.row_no = typed.row_no then 'accepted'
                when last_of_key.row_hash = typed.row_hash then 'duplicate'
                when last_of_key.row_no is not null then 'KEY-OLDER'
                when typed.row_no not in (select row_no from first_of_its_kind) then 'duplicate'
                when {key} in (select key from conflicts) then 'KEY-CONFLICT'
                else 'accepted'
            end as fate,
            array_to_string(absent || untyped || too_long, ', ') as detail
        from typed left join last_of_key on {key} = last_of_key.key
        """,
        {
            "one_row_per_key": source.rows_per_key == "one",
            "last_counts": source.duplicates == "last",
            "is_copy": is_copy,
        },
    )
    names = ", ".join(output_columns(dataset))
    con.execute(
        f"insert into rows by name select {names} from typed "
        "where row_no in (select row_no from fate where fate = 'accepted')"
    )
    erased_typed = _quarantine_typed(con, agency, source, dataset)
    erased_unreadable = _quarantine_unreadable(con, agency, dataset, file)
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
        "quarantined": sum(fates.values()) - erased_typed + unreadable - erased_unreadable,
        "erased": left_out + erased_typed + erased_unreadable,
    }


def _quarantine_typed(
    con: duckdb.DuckDBPyConnection, agency: Agency, source: Source, dataset: str
) -> int:
    """Quarantine the rows that could not be typed, or whose key has two different contents.

    Returns:
        How many were left out, as they hold an erased reference.
    """
    kinds = {column.name: column.kind for column in DATASETS[dataset]}
    # In a row with a value of the wrong type, or with a reference that is none, the fields may be
    # shifted, so that a name may stand where a code should. Of such a row only the shape is shown.
    shape = mask_shape_expression("raw.{0}")
    too_long = f"case when len(t.too_long) > 0 then left({shape}, {MOST_LETTERS})"
    originals = {
        ident(normalise_header(header)): f"{too_long} else raw.{{0}} end"
        if kinds[name] == "reference"
        else f"case when len(t.untyped || t.too_long) > 0 then {shape} else raw.{{0}} end"
        for name, mapping in source.columns.items()
        if kinds[name] not in PERSONAL
        for header in mapping.sources
    }
    packed = ", ".join(f"{name} := {sql.format(name)}" for name, sql in originals.items())
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
    return _insert_quarantine(con, agency, dataset, rows)


def _quarantine_unreadable(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, file: FetchedFile
) -> int:
    """Quarantine the rows that could not be read; returns how many hold an erased reference."""
    rows = fetch_dicts(
        con,
        "select $file || ':line ' || line as row_id, $file as source_file, line as source_line, "
        "rule_id, detail, original from refused",
        {"file": file.name},
    )
    for row in rows:
        row["original_masked"] = mask_shape(row["original"])
    return _insert_quarantine(con, agency, dataset, rows)


def _insert_quarantine(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, rows: list[dict[str, Any]]
) -> int:
    """Encrypt the originals of refused rows and insert them into `quarantine`.

    Returns:
        How many were left out, as they hold an erased reference.
    """
    count = len(rows)
    if rows and has_tombstones(con):
        originals = [row["original"] for row in rows]
        holds_erased = originals_with_erased(con, agency, dataset, originals)
        rows = [row for row, holds in zip(rows, holds_erased, strict=True) if not holds]
    if not rows:
        return count
    tokens = encrypt_texts(agency.agency, [row.pop("original") for row in rows])
    for row, token in zip(rows, tokens, strict=True):
        row["original_encrypted"] = token
    con.execute(
        "insert into quarantine by name select unnest($rows, recursive := true)", {"rows": rows}
    )
    return count - len(rows)
