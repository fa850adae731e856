"""Asks what key rules make of the newest rows of a source; no value of a person."""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from cdi.agency.code_maps import CODED_COLUMNS
from cdi.agency.datasets import DATASETS, MOMENTS, TIMES, Column
from cdi.agency.key_rules import key_expression
from cdi.agency.mapping import EXCEL_SERIAL, PADDED_TIME, UNPADDED_TIME, ColumnMap
from cdi.agency.model import Agency, Source
from cdi.landing.read import ROW_NO, read_raw_rows
from cdi.landing.values import TYPED, parsed_expression, typed_expression, value_expression
from cdi.onboarding.findings import (
    MOST_REFUSED,
    Finding,
    count_rows,
    judge_refused,
    write_share,
)
from cdi.onboarding.reading import take_refused
from cdi.sources.files import FetchedFile
from cdi.sql import Params, ident, scalar

_LEAST_READ = 0.95  # below, CALL-01 and its like warn at each run
_WITH_COMMA = "[+-]?[0-9]+,[0-9]+"  # a number with a decimal comma, which no run reads
_SERIAL = "[0-9]{5}([.][0-9]+)?"  # a day from 1927 on, as Excel counts them


@dataclass(frozen=True)
class Loaded:
    """The newest rows of a source, in a table that has the dataset's name.

    It has the columns that `list_needed` names, as text, and the `*_key` of each reference.

    Attributes:
        columns: The canonical columns of the table.
        row_count: Number of rows.
        unexpected: The source's columns that are neither mapped nor ignored.
        refused: How many rows cannot be read, by the rule that refuses them.
    """

    columns: tuple[Column, ...]
    row_count: int
    unexpected: tuple[str, ...]
    refused: dict[str, int]

    def has(self, name: str) -> bool:
        """Whether the table has a canonical column."""
        return any(column.name == name for column in self.columns)


def list_needed(dataset: str, source: Source) -> dict[str, Column]:
    """List the mapped columns that these questions need: references and codes with a map.

    Args:
        dataset: The dataset.
        source: What agency.yaml says of it.
    """
    codes = {code for columns in CODED_COLUMNS.values() for code in columns.get(dataset, ())}
    return {
        column.name: column
        for column in DATASETS[dataset]
        if column.name in source.columns and (column.kind == "reference" or column.name in codes)
    }


def load_rows(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, source: Source, file: FetchedFile
) -> Loaded:
    """Read a file as the landing would, and keep what these questions need in a table.

    Args:
        con: A DuckDB connection in memory.
        agency: The agency.
        dataset: The dataset; the table of that name is made anew.
        source: The source, with the mappings alone that can be read.
        file: The file.

    Raises:
        SourceError: See `cdi.landing.read.read_raw_rows`.
    """
    # A file that was refused before this one leaves its rows, under the same number of a file.
    con.execute("drop table if exists refused")
    unexpected = read_raw_rows(con, dataset, source, file, 0)
    refused = take_refused(con)
    needed = list_needed(dataset, source)
    bound = Params()
    texts = {name: value_expression(source.columns[name], bound) for name in needed}
    keys = {
        column.key_name: key_expression(agency, column.thing, texts[column.name], bound)
        for column in needed.values()
        if column.kind == "reference"
    }
    selected = "".join(f", {sql} as {ident(name)}" for name, sql in (texts | keys).items())
    con.execute(
        f"create or replace table {ident(dataset)} as select {ROW_NO} as row_no{selected} from raw",
        bound.values,
    )
    row_count = scalar(con, f"select count(*) from {ident(dataset)}")
    return Loaded(tuple(needed.values()), row_count, tuple(unexpected), refused)


def check_values(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, row_count: int
) -> Iterator[Finding]:
    """Say which share of the rows a run refuses for a value that is missing or cannot be read.

    Args:
        con: The connection in which `load_rows` was called last for this dataset.
        agency: The agency.
        dataset: The dataset.
        row_count: How many rows it has.
    """
    for column in DATASETS[dataset]:
        mapping = agency.sources[dataset].columns.get(column.name)
        is_typed = column.kind in TYPED
        if mapping is None or not (column.is_required or is_typed):
            continue
        bound = Params()
        text = value_expression(mapping, bound)
        value = text
        if is_typed:
            value = typed_expression(agency, dataset, column, mapping, bound, "now()")
        what, rules = "no readable value", "TYPE-REQUIRED or TYPE-VALUE"
        condition = f"{value} is null"
        if not column.is_required:
            what, rules = "a value that cannot be read", "TYPE-VALUE"
            condition += f" and {text} is not null"
        causes = _list_causes(column, mapping, text, bound)
        counts = "".join(f", count(*) filter (where {condition})" for condition in causes)
        query = f"select count(*){counts} from raw where {condition}"
        lost, *explained = con.execute(query, bound.used_in(query)).fetchone() or (0,)
        if not lost:
            continue
        fixes = [fix for fix, count in zip(causes.values(), explained, strict=True) if count]
        fix = fixes[0] if fixes else "correct the mapping, or have these values delivered"
        yield Finding(
            judge_refused(lost, row_count),
            f"sources.{dataset}.columns.{column.name}",
            f"{write_share(lost, row_count)} of the rows have {what}: {rules} refuses them, and "
            f"FILE-03 stops a file above {MOST_REFUSED:.0%}",
            fix,
        )


def _list_causes(column: Column, mapping: ColumnMap, text: str, bound: Params) -> dict[str, str]:
    """List what spreadsheets and programs make of values, each as SQL, and how to put it right.

    Args:
        column: The canonical column.
        mapping: The source's columns that it is read from.
        text: SQL for the text of a value that cannot be read.
        bound: The parameters of the query.
    """
    if column.kind == "number":
        return {
            f"regexp_full_match({text}, '{_WITH_COMMA}')": "have these numbers delivered with a "
            "decimal point, as they have a comma"
        }
    if column.kind not in TIMES:
        return {}
    serial = parsed_expression(text, [EXCEL_SERIAL], bound)
    causes = {
        f"regexp_full_match({text}, '{_SERIAL}') and {serial} is not null": "these look like Excel "
        f"serial dates (45292.5 is noon on 1 January 2024): have them delivered as dates, or give "
        f"`format: {EXCEL_SERIAL}`"
    }
    unpadded = [
        f"{form.removesuffix(PADDED_TIME)}{UNPADDED_TIME}"
        for form in mapping.format
        if form.endswith(PADDED_TIME)
    ]
    if unpadded:
        time = parsed_expression(text, unpadded, bound)
        causes[f"{time} is not null"] = (
            "these look like times without their leading zeros (930 for 09:30, 5 for 00:05): have "
            f"them delivered with four digits, or write {UNPADDED_TIME} for {PADDED_TIME} in "
            "`format`"
        )
    return causes


def check_keys(
    con: duckdb.DuckDBPyConnection, agency: Agency, loaded: dict[str, Loaded]
) -> Iterator[Finding]:
    """Say which share of the references a key rule reads, and of the records has its call.

    Args:
        con: The connection that has the tables.
        agency: The agency.
        loaded: What was read, by dataset.
    """
    for dataset, rows in loaded.items():
        for column in rows.columns:
            if column.kind == "reference":
                yield _check_rules(con, agency, dataset, column)
    calls, records = loaded.get("calls"), loaded.get("crime_records")
    if calls is None or records is None:
        return
    if not (records.has("call_reference") or calls.has("record_reference")):
        yield Finding(
            "look",
            "sources.crime_records.columns.call_reference",
            "no column of a record names its call, nor does one of a call name its record",
            "map one, if the systems have it; else calls are linked by place and time alone",
        )
    elif calls.row_count and records.row_count:
        yield _check_partners(con, agency, calls, records)


def _check_rules(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, column: Column
) -> Finding:
    name, key = ident(column.name), ident(column.key_name)
    count, read = con.execute(
        f"select count({name}), count({key}) from {ident(dataset)}"
    ).fetchone() or (0, 0)
    where = f"sources.{dataset}.columns.{column.name}"
    if not count:
        return Finding("look", where, "no row has one", "see whether it is the right column")
    if not agency.key_rules.get(column.thing):
        told = f"{count_rows(count, 'reference')} are taken as typed, as there is no key rule"
        return Finding("fine", f"key_rules.{column.thing}", told)
    told = f"read {write_share(read, count)} of the references in {where}"
    if read >= _LEAST_READ * count:
        return Finding("fine", f"key_rules.{column.thing}", told)
    return Finding(
        "look",
        f"key_rules.{column.thing}",
        f"{told}; a reference that no rule reads links nothing",
        "add a pattern for the other forms, or correct the mapping",
    )


def _check_partners(
    con: duckdb.DuckDBPyConnection, agency: Agency, calls: Loaded, records: Loaded
) -> Finding:
    """Say which share of the records has its call among those read, named by either side."""
    named = []
    if records.has("call_reference"):
        named.append("records.call_key in (select call_key from calls)")
    if calls.has("record_reference"):
        named.append("records.record_key in (select record_key from calls)")
    count = scalar(
        con,
        "select count(*) from crime_records as records "
        f"where {' or '.join(f'coalesce({condition}, false)' for condition in named)}",
    )
    told = f"{write_share(count, records.row_count)} of the records read have their call there"
    key = "sources.crime_records.columns.call_reference"
    if not records.has("call_reference"):
        key = "sources.calls.columns.record_reference"
    if count or agency.calls == "sample":
        return Finding("fine", key, told)
    return Finding(
        "look",
        key,
        told,
        "compare the forms of both numbers, and write `key_rules` that make them equal",
    )


def check_days_of_keys(
    con: duckdb.DuckDBPyConnection, dataset: str, source: Source
) -> Iterator[Finding]:
    """Say which share of the references with several rows has them on different days.

    Of each day the newest rows win, so with `rows_per_key: many` all rows of a record must be of
    one day.

    Args:
        con: The connection that has the dataset's table, and `moments` with a row for each of it.
        dataset: The dataset.
        source: The source, with `delivery: days`.
    """
    if source.rows_per_key != "many" or not MOMENTS.get(dataset):
        return
    key = next(column for column in DATASETS[dataset] if column.is_identity).name
    total, spread = con.execute(
        "select count(*), count(*) filter (where days > 1) from ("
        f"select count(distinct cast(moment as date)) as days from {ident(dataset)} "
        f"inner join moments using (row_no) where {ident(key)} is not null group by {ident(key)})"
    ).fetchone() or (0, 0)
    where = f"sources.{dataset}.rows_per_key"
    told = f"{write_share(spread, total)} of the references have rows on several days"
    if not spread:
        yield Finding("fine", where, told)
        return
    yield Finding(
        "look",
        where,
        f"{told}; of these only the rows of the newest day would count",
        "map a time that all rows of a record share, or give `delivery: snapshot`",
    )
