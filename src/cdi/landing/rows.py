"""Turns source rows into landed rows: maps, types, hashes and masks columns; counts the rows.

The work is done in a database that is removed at the end. For each source file it has the tables
``raw`` (the text as delivered) and ``refused`` (rows that could not be read), see
`cdi.landing.read`. Files of the same columns are then worked on together: ``delivered`` has their
text, ``typed`` the landing's columns, ``fate`` what becomes of each typed row. The tables ``rows``
and ``quarantine`` collect the whole batch.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from cdi.agency.datasets import (
    DATASETS,
    HASHED,
    MOMENTS,
    NEWER,
    VARIANTS,
    Column,
    number_expressions,
    output_columns,
    variant_columns,
)
from cdi.agency.interval import Interval
from cdi.agency.key_rules import key_expression
from cdi.agency.model import Agency
from cdi.errors import SourceError
from cdi.keys import set_hash_key
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
    mask_text_expression,
    prepare_masks,
    variants_expression,
)
from cdi.landing.quarantine import quarantine_typed, quarantine_unreadable
from cdi.landing.read import (
    FILE_NO,
    ROW_NO,
    list_unexpected,
    normalise_header,
    read_raw_rows,
)
from cdi.landing.tombstones import (
    forget_name_expressions,
    has_tombstones,
    is_about_erased_expression,
    open_tombstones,
)
from cdi.landing.values import (
    MOST_LETTERS,
    TYPED,
    skipped_expression,
    typed_expression,
    value_expression,
)
from cdi.landing.variants import prepare_variants
from cdi.sources.files import FetchedFile
from cdi.sql import Params, connect, create_table, ident, naive_utc, scalar

# Files of the same columns are typed together until they have about so many rows. DuckDB compiles
# all patterns of the masks anew in each query, and that takes as long as to mask 3,000 rows.
ROWS_AT_A_TIME = 500_000


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

    Raises:
        SourceError: SRC-FUTURE if a file shows a state that is still to come; those of
            `read_raw_rows`.
    """
    source = agency.sources[dataset]
    # A database file, not one in memory: the tables of a delivery may be larger than the memory.
    con = connect(target / "work.duckdb")
    set_hash_key(con, agency.agency)
    prepare_masks(con)
    prepare_variants(con, agency.agency)
    tombstones = open_tombstones(con, agency.agency)
    columns = output_columns(dataset)
    create_table(con, "rows", columns)
    create_table(con, "quarantine", QUARANTINE_COLUMNS)
    counted: list[dict[str, Any]] = []
    typed_before = 0
    for number, file in enumerate(files):
        con.execute("drop table if exists refused")
        unexpected = read_raw_rows(con, dataset, source, file, number)
        if number > typed_before and not _fits_delivered(con):
            _count_typed(con, agency, dataset, counted, typed_before)
            typed_before = number
        as_of = _read_as_of(f"{agency.agency}/{dataset}", file, interval)
        origin = {"name": file.name, "sha256": file.sha256, "as_of": as_of.isoformat()}
        unreadable = scalar(con, "select count(*) from refused")
        erased = quarantine_unreadable(con, agency, dataset, file)
        counted.append(
            {
                "file_no": number,
                **origin,
                "unexpected_columns": [
                    *unexpected,
                    *list_unexpected(source, file.unexpected),
                ],
                "left_out": scalar(con, "select count(*) from left_out"),
                "read": unreadable,
                "accepted": 0,
                "duplicates": 0,
                "duplicates_before_mapping": 0,
                "skipped_hour_rows": 0,
                "quarantined": unreadable - erased,
                "erased": erased,
            }
        )
        delivered = f"select {number} as {FILE_NO}, * from raw"
        con.execute(f"create table if not exists delivered as {delivered} limit 0")
        con.execute(f"insert into delivered by name {delivered}")
    _count_typed(con, agency, dataset, counted, typed_before)
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
            f"{name}: {file.name} shows the state of {as_of:%Y-%m-%d %H:%M} UTC, which is in the "
            "future",
            "correct `as_of` in agency.yaml, the interval of the run, or the clock that is wrong",
        )
    return as_of


def _output_expressions(
    agency: Agency, dataset: str, column: Column, bound: Params, as_of: str
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
        return {f"{column.name}_masked": f"{_masks_of(column)}.masked"}
    if column.kind in ("text", "code"):
        return {column.name: text}
    return {
        next(iter(column.outputs)): typed_expression(agency, dataset, column, mapping, bound, as_of)
    }


def _mask_texts(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, column: Column, bound: Params
) -> str:
    """Make a table of a column's masked texts, and return the SQL that joins it to `raw`.

    Masking is the dearest part of an extraction, and many entries of logs are the same words. So
    rows with the same text, and the same names, phones and addresses beside it, share a mask.
    """
    mapped = agency.sources[dataset].columns
    beside = [
        other
        for other in DATASETS[dataset]
        if other.name in mapped and other.kind in ("name", "phone", "address")
    ]
    own_values, own_addresses, own_phones = (
        [value_expression(mapped[other.name], bound) for other in beside if other.kind in kinds]
        for kinds in (("name", "phone"), ("address",), ("phone",))
    )
    text = value_expression(mapped[column.name], bound)
    masked = mask_text_expression(text, own_values, own_addresses, own_phones)
    headers = {
        ident(normalise_header(header))
        for read in (column, *beside)
        for header in mapped[read.name].sources
    }
    names = ", ".join(sorted(headers))
    table = _masks_of(column)
    query = (
        f"create or replace table {table} as select {names}, {masked} as masked "
        f"from (select distinct {names} from delivered) as raw"
    )
    con.execute(query, bound.used_in(query))
    same = " and ".join(f"{table}.{name} is not distinct from raw.{name}" for name in headers)
    return f" join {table} on {same}"


def _masks_of(column: Column) -> str:
    """Name of the table that `_mask_texts` makes."""
    return ident(f"masks_of_{column.name}")


def _fits_delivered(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the rows in `raw` may join those in `delivered`, which are typed together."""
    columns = con.execute("describe delivered").fetchall()[1:]  # without FILE_NO
    rows = scalar(con, "select count(*) from delivered")
    return bool(rows < ROWS_AT_A_TIME and con.execute("describe raw").fetchall() == columns)


def _type_rows(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, files: list[dict[str, Any]]
) -> None:
    """Make the table `typed` from `delivered`.

    It has `file_no`, `row_no`, the landing's columns, and in `absent`, `untyped` and `too_long` the
    names of the canonical columns that lack a required value, whose text is not of their type, or
    whose reference is too long; `is_skipped` says whether a time is in an hour that a clock change
    skips. Rows that are about something erased or older than their limit are
    not in it.
    """
    source = agency.sources[dataset]
    bound = Params()
    selected: dict[str, str] = {}
    variants = {name: f"cast(null as {VARIANTS})" for name in variant_columns(dataset)}
    untyped, absent, too_long, skipped = [], [], [], ["false"]
    joins = ""
    place = f"raw.{FILE_NO} - {bound.bind(files[0]['file_no'])} + 1"
    names = bound.bind([file["name"] for file in files])
    moments = bound.bind([naive_utc(datetime.fromisoformat(file["as_of"])) for file in files])
    as_of = f"{moments}[{place}]"
    for column in DATASETS[dataset]:
        selected |= _output_expressions(agency, dataset, column, bound, as_of)
        mapping = source.columns.get(column.name)
        if mapping is None:
            continue
        if column.kind == "free_text":
            joins += _mask_texts(con, agency, dataset, column, bound)
        text = value_expression(mapping, bound)
        for variant, part in column.variants.items():
            variants[variant] = variants_expression(part, text)
        name = bound.bind(column.name)
        if column.kind in TYPED:
            value = typed_expression(agency, dataset, column, mapping, bound, as_of)
            untyped.append(f"case when {text} is not null and {value} is null then {name} end")
        if column.kind == "timestamp":
            skipped.append(skipped_expression(agency, dataset, mapping, bound))
        if column.is_required:
            absent.append(f"case when {text} is null then {name} end")
        if column.kind == "reference":
            too_long.append(f"case when len({text}) > {MOST_LETTERS} then {name} end")
    columns = ", ".join(f"{sql} as {ident(name)}" for name, sql in (selected | variants).items())
    query = (
        f"create or replace table typed as select {FILE_NO} as file_no, {ROW_NO} as row_no, "
        f"{columns}, "
        f"list_filter([{', '.join(absent)}]::varchar[], lambda c: c is not null) as absent, "
        f"list_filter([{', '.join(untyped)}]::varchar[], lambda c: c is not null) as untyped, "
        f"list_filter([{', '.join(too_long)}]::varchar[], lambda c: c is not null) as too_long, "
        f"{' or '.join(skipped)} as is_skipped, "
        f"{names}[{place}] as source_file, {as_of} as source_as_of "
        f"from delivered as raw{joins}"
    )
    con.execute(query, bound.used_in(query))
    leave_out_rows(
        con, agency, dataset, "typed", list(selected), until=newest_as_of(agency.agency, dataset)
    )
    # Hash and numbers come last: they must be those of the content without erased names.
    numbers = "".join(
        f"{sql} as {ident(name)}, " for name, sql in number_expressions(dataset).items()
    )
    con.execute(
        "create or replace table typed as select *, "
        f"{numbers}{row_hash_expression(list(selected))} as row_hash, "
        "source_file || ':' || lpad(cast(row_no as varchar), 9, '0') as row_id from typed"
    )


def row_hash_expression(columns: list[str]) -> str:
    """SQL for the hash of a row's content.

    A row without any of the newer columns keeps the hash that it had before there were such.
    """
    content = ", ".join(f"{ident(name)} := {ident(name)}" for name in columns)
    hashed = f"sha256(cast(to_json(struct_pack({content})) as varchar))"
    newer = ", ".join(ident(name) for name in columns if name in NEWER)
    if not newer:
        return hashed
    before = row_hash_expression([name for name in columns if name not in NEWER])
    return f"if(coalesce({newer}) is null, {before}, {hashed})"


def leave_out_rows(
    con: duckdb.DuckDBPyConnection,
    agency: Agency,
    dataset: str,
    table: str,
    columns: list[str],
    *,
    until: datetime | None,
) -> int:
    """Delete the rows that are erased or too old, and take erased names out of the others.

    Args:
        con: A connection after `cdi.landing.tombstones.open_tombstones`.
        agency: The agency, with its key rules and retention limits.
        dataset: The dataset of the rows.
        table: A table with the landing's columns and `source_as_of`.
        columns: The landing's columns, without lineage.
        until: What the retention limit counts back from, in UTC without a zone; it counts from the
            time of the row's own file if that is later, or if this is None.

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
        newest = f"greatest(source_as_of, {bound.bind(until)}::timestamp)"
        limit = f"{newest} - {bound.bind(timedelta(days=source.retention_days))}"
        times = [*(name for name in MOMENTS.get(dataset, ()) if name in columns), "source_as_of"]
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


def _count_typed(
    con: duckdb.DuckDBPyConnection,
    agency: Agency,
    dataset: str,
    counted: list[dict[str, Any]],
    first: int,
) -> None:
    """Type the rows in `delivered`, divide them by what becomes of them, and count by file.

    Args:
        con: A connection with the table `delivered`, which is gone afterwards.
        agency: The agency.
        dataset: The dataset that the files hold.
        counted: What the manifest says of all files of the batch so far.
        first: Where those begin whose rows these are; the counts are added to them.
    """
    files = counted[first:]
    _type_rows(con, agency, dataset, files)
    _decide_fates(con, agency, dataset, [f["file_no"] for f in files if find_copy(counted, f)])
    names = ", ".join(output_columns(dataset))
    con.execute(
        f"insert into rows by name select {names} from typed join fate using (file_no, row_no) "
        "where fate = 'accepted'"
    )
    erased = quarantine_typed(con, agency, agency.sources[dataset], dataset)
    raw = dict(
        (number, counts)
        for number, *counts in con.execute(
            f"select {FILE_NO}, count(*), count(distinct sha256(cast(to_json(r) as varchar))) from "
            f"(select * exclude ({ROW_NO}) from delivered) as r group by all"
        ).fetchall()
    )
    skipped = dict(
        con.execute("select file_no, count(*) from typed where is_skipped group by all").fetchall()
    )
    fates: dict[int, Counter[str]] = {number: Counter() for number in raw}
    for number, fate, count in con.execute(
        "select file_no, fate, count(*) from fate group by all"
    ).fetchall():
        fates[number][fate] = count
    for file in files:
        rows, distinct = raw.get(file["file_no"], (0, 0))
        of_file = fates.get(file["file_no"], Counter())
        refused = of_file.total() - of_file["accepted"] - of_file["duplicate"]
        gone = erased[file["file_no"]]
        file["read"] += rows
        file["accepted"] += of_file["accepted"]
        file["duplicates"] += of_file["duplicate"]
        file["duplicates_before_mapping"] += rows - distinct
        file["skipped_hour_rows"] += skipped.get(file["file_no"], 0)
        file["quarantined"] += refused - gone
        file["erased"] += rows - of_file.total() + gone
    con.execute("drop table delivered")


def _decide_fates(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, copies: list[int]
) -> None:
    """Make the table `fate` (file_no, row_no, fate, detail) of the rows in `typed`.

    A row is accepted, an exact duplicate of another of its file, or refused under a rule id.

    Args:
        con: A connection with the table `typed`.
        agency: The agency.
        dataset: The dataset of the rows.
        copies: Numbers of the files that the batch has under another name as well. There each row
            that could be accepted is an exact duplicate.
    """
    source = agency.sources[dataset]
    key = identity_expression(dataset)
    con.execute(
        f"""
        create or replace table fate as
        with first_of_its_kind as (
            select file_no, min(row_no) as row_no from typed group by file_no, row_hash
        ),
        conflicts as (
            select file_no, {key} as key from typed
            where $one_row_per_key and len(absent || untyped || too_long) = 0
            group by all having count(distinct row_hash) > 1
        ),
        last_of_key as (
            select
                file_no, {key} as key, max(row_no) as row_no, arg_max(row_hash, row_no) as row_hash
            from typed where $last_counts and len(absent || untyped || too_long) = 0
            group by file_no, {key}
        )
        select
            typed.file_no,
            typed.row_no,
            case
                when len(absent) > 0 then 'TYPE-REQUIRED'
                when len(untyped) > 0 then 'TYPE-VALUE'
                when len(too_long) > 0 then 'TYPE-LENGTH'
                when list_contains($copies, typed.file_no) then 'duplicate'
                when last_of_key.row_no = typed.row_no then 'accepted'
                when last_of_key.row_hash = typed.row_hash then 'duplicate'
                when last_of_key.row_no is not null then 'KEY-OLDER'
                when (typed.file_no, typed.row_no) not in (from first_of_its_kind) then 'duplicate'
                when (typed.file_no, {key}) in (from conflicts) then 'KEY-CONFLICT'
                else 'accepted'
            end as fate,
            array_to_string(absent || untyped || too_long, ', ') as detail
        from typed
        left join last_of_key on typed.file_no = last_of_key.file_no and {key} = last_of_key.key
        """,
        {
            "one_row_per_key": source.rows_per_key == "one",
            "last_counts": source.duplicates == "last",
            "copies": copies,
        },
    )
