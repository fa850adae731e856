"""Keeps refused rows: their shape for people to see, and the whole of them encrypted."""

from collections import Counter
from typing import Any

import duckdb

from cdi.agency.datasets import DATASETS, PERSONAL, output_columns
from cdi.agency.model import Agency, Source
from cdi.keys import encrypt_texts
from cdi.landing.masks import mask_shape, mask_shape_expression
from cdi.landing.originals import originals_with_erased
from cdi.landing.read import FILE_NO, ROW_NO, normalise_header
from cdi.landing.tombstones import has_tombstones
from cdi.landing.values import MOST_LETTERS
from cdi.sources.files import FetchedFile
from cdi.sql import fetch_dicts, ident

# stands in a published refused row for a value that is not shown
HIDDEN = "[hidden]"


def hidden_headers(source: Source, dataset: str) -> frozenset[str]:
    """List the source's columns, normalised, of which a refused row shows no value.

    These are the columns that hold personal data, also where another column is read from them: a
    record's number that a pattern takes out of a log's text, for example. What a pattern takes
    a part of may be such a text too, unless another column of the dataset takes it whole.
    """
    kinds = {column.name: column.kind for column in DATASETS[dataset]}
    personal: set[str] = set()
    taken_in_part: set[str] = set()
    taken_whole: set[str] = set()
    for name, mapping in source.columns.items():
        headers = map(normalise_header, mapping.sources)
        if kinds[name] in PERSONAL:
            personal.update(headers)
        elif mapping.extract:
            taken_in_part.update(headers)
        else:
            taken_whole.update(headers)
    return frozenset(personal | (taken_in_part - taken_whole))


def hidden_columns(source: Source, dataset: str) -> frozenset[str]:
    """List the landing's columns that are read from `hidden_headers` and would show what they hold.

    The landing keeps hashes, bands and masks of personal data, which are not among them.
    """
    hidden = hidden_headers(source, dataset)
    landed = output_columns(dataset)
    return frozenset(
        name
        for column in DATASETS[dataset]
        if column.kind not in PERSONAL
        and (mapping := source.columns.get(column.name))
        and hidden.intersection(map(normalise_header, mapping.sources))
        for name in (*column.outputs, column.number_name)
        if name in landed
    )


def hidden_expression(value: str) -> str:
    """SQL that hides a value; a blank or absent one is shown as it is."""
    text = f"cast({value} as varchar)"
    return f"case when trim({text}) <> '' then '{HIDDEN}' else {text} end"


def published_expression(refused: str, hidden: str) -> str:
    """SQL for what is published of a refused row, whatever the code or mapping of its time showed.

    Args:
        refused: SQL for the row as the landing shows it. It is JSON, or else only the shape of a
            line that could not be read.
        hidden: SQL for the list of the names whose values are hidden.
    """
    value = hidden_expression("json_extract_string(e.value, '$')")
    return f"""
        case
            when list_has_any(try(json_keys({refused})), {hidden})
            then cast(to_json(map_from_entries(list_transform(
                map_entries(cast(cast({refused} as json) as map(varchar, json))),
                lambda e: struct_pack(k := e.key, v := case
                    when list_contains({hidden}, e.key) then to_json({value}) else e.value
                end)
            ))) as varchar)
            else {refused}
        end
    """


def quarantine_typed(
    con: duckdb.DuckDBPyConnection, agency: Agency, source: Source, dataset: str
) -> Counter[int]:
    """Quarantine the rows that could not be typed, or whose key has two different contents.

    Returns:
        How many of each file were left out, as they hold an erased reference.
    """
    kinds = {column.name: column.kind for column in DATASETS[dataset]}
    # In a row with a value of the wrong type, or with a reference that is none, the fields may be
    # shifted, so that a name may stand where a code should. Of such a row only the shape is shown.
    shape = mask_shape_expression("raw.{0}")
    too_long = f"case when len(t.too_long) > 0 then left({shape}, {MOST_LETTERS})"
    hidden = hidden_headers(source, dataset)
    originals = {
        ident(normalise_header(header)): f"{too_long} else raw.{{0}} end"
        if kinds[name] == "reference"
        else f"case when len(t.untyped || t.too_long) > 0 then {shape} else raw.{{0}} end"
        for name, mapping in source.columns.items()
        if kinds[name] not in PERSONAL
        for header in mapping.sources
        if normalise_header(header) not in hidden
    }
    originals |= {
        ident(normalise_header(header)): hidden_expression("raw.{0}")
        for name, mapping in source.columns.items()
        if kinds[name] not in PERSONAL
        for header in mapping.sources
        if normalise_header(header) in hidden
    }
    packed = ", ".join(f"{name} := {sql.format(name)}" for name, sql in originals.items())
    delivered = [name for name, *_ in con.execute("describe delivered").fetchall()]
    whole = ", ".join(f"{ident(name)} := raw.{ident(name)}" for name in delivered[2:])
    rows = fetch_dicts(
        con,
        f"""
        select t.file_no, t.row_id, t.source_file, t.row_no as source_line, f.fate as rule_id,
            f.detail, cast(to_json(struct_pack({packed})) as varchar) as original_masked,
            cast(to_json(struct_pack({whole})) as varchar) as original
        from fate as f join typed as t using (file_no, row_no)
        join delivered as raw on raw.{FILE_NO} = f.file_no and raw.{ROW_NO} = f.row_no
        where f.fate not in ('accepted', 'duplicate')
        """,
    )
    return _insert_quarantine(con, agency, dataset, rows)


def quarantine_unreadable(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, file: FetchedFile
) -> int:
    """Quarantine the rows that could not be read; returns how many were left out as erased."""
    rows = fetch_dicts(
        con,
        "select file_no, $file || ':line ' || line as row_id, $file as source_file, "
        "line as source_line, rule_id, detail, original from refused",
        {"file": file.name},
    )
    for row in rows:
        row["original_masked"] = mask_shape(row["original"])
    return _insert_quarantine(con, agency, dataset, rows).total()


def _insert_quarantine(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, rows: list[dict[str, Any]]
) -> Counter[int]:
    """Encrypt the originals of refused rows and insert them into `quarantine`.

    Returns:
        How many of each file were left out, as they hold an erased reference.
    """
    holds_erased = [False] * len(rows)
    if rows and has_tombstones(con):
        originals = [row["original"] for row in rows]
        holds_erased = originals_with_erased(con, agency, dataset, originals)
    left_out: Counter[int] = Counter()
    kept = []
    for row, is_erased in zip(rows, holds_erased, strict=True):
        number = row.pop("file_no")
        if is_erased:
            left_out[number] += 1
        else:
            kept.append(row)
    if kept:
        tokens = encrypt_texts(agency.agency, [row.pop("original") for row in kept])
        for row, token in zip(kept, tokens, strict=True):
            row["original_encrypted"] = token
        con.execute(
            "insert into quarantine by name select unnest($rows, recursive := true)", {"rows": kept}
        )
    return left_out
