"""The originals of refused rows: which references their fields hold, and which of them go."""

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import duckdb

from cdi.agency.datasets import DATASETS, THINGS
from cdi.agency.mapping import ColumnMap
from cdi.agency.model import Agency
from cdi.landing.read import ROW_NO, normalise_header
from cdi.landing.tombstones import fields_with_erased, texts_with_erased
from cdi.landing.values import value_expression
from cdi.sql import Params, ident

# A row that could not be read has no columns: each of its fields may hold a reference. The line may
# be broken JSON, in which a brace, or a key and its colon, stand before a value.
_BETWEEN_FIELDS = re.compile(r'[,;|\t\r\n{}\[\]]|"\s*:')
# A number is joined of so many columns at most, if the line could not be read: each order of the
# fields is tried. A row that has keys more than once gives so many choices at most.
_MOST_NEIGHBOURS = 4
_MOST_CHOICES = 1_000


def find_references(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, originals: list[str]
) -> list[list[tuple[str, str]]]:
    """Find what may be a reference in each refused row, each with what it may refer to.

    Args:
        con: Any connection.
        agency: The agency, with its columns.
        dataset: The dataset of the rows.
        originals: The rows as they were refused: columns as JSON, or lines that could not be read.
    """
    mapped = agency.sources[dataset].columns
    columns = [c for c in DATASETS[dataset] if c.kind == "reference" and c.name in mapped]
    rows = [_parse_row(original) for original in originals]
    found: list[list[tuple[str, str]]] = []
    for original, row in zip(originals, rows, strict=True):
        if row is None:
            found.append([(thing, field) for field in _fields(original) for thing in THINGS])
        else:
            # A row that broke a rule of its batch was kept with the landing's columns.
            landed = {column.name: column.thing for column in columns}
            found.append([(landed[k], str(v)) for k, v in row if k in landed and v])
    for column in columns:
        mapping = mapped[column.name]
        names = list(dict.fromkeys(map(normalise_header, mapping.sources)))
        values = [
            (place, choice)
            for place, row in enumerate(rows)
            for choice in (
                _choose_values(row, names)
                if row is not None
                else _choose_fields(originals[place], names)
            )
        ]
        for place, text in _read_values(con, mapping, names, values):
            found[place].append((column.thing, text))
    return [list(dict.fromkeys(references)) for references in found]


def _parse_row(original: str) -> tuple[tuple[str, Any], ...] | None:
    """The columns and values of a row as JSON; None of a line that could not be read.

    A key may be there twice, which is why the row was refused: each of its values counts. The keys
    are as the file has them.
    """
    try:
        row: Any = json.loads(
            original,
            object_pairs_hook=lambda pairs: tuple((normalise_header(k), v) for k, v in pairs),
        )
    except ValueError:
        return None
    return row if isinstance(row, tuple) else None


def _fields(original: str) -> list[str]:
    fields = (field.strip().strip("\"'") for field in _BETWEEN_FIELDS.split(original))
    return [field for field in fields if field]


def _choose_values(
    row: Iterable[tuple[str, Any]], names: Sequence[str]
) -> Iterator[tuple[str | None, ...]]:
    """Give each choice of the values that a row has for some columns."""
    values: dict[str, dict[str, None]] = {name: {} for name in names}
    for name, value in row:
        if name in values and value is not None:
            values[name][str(value)] = None
    choices = itertools.product(*(values[name] or (None,) for name in names))
    return itertools.islice(choices, _MOST_CHOICES)


def _choose_fields(original: str, names: Sequence[str]) -> Iterator[tuple[str | None, ...]]:
    """Give each choice of neighbouring fields of a line, in any order, that may be the columns.

    Which field belongs to which column of such a line, nobody knows. A broken object of JSON has
    the names of the columns in it as well.
    """
    count = len(names)
    if count <= _MOST_NEIGHBOURS:
        fields = [field for field in _fields(original) if normalise_header(field) not in names]
        for start in range(len(fields) - count + 1):
            yield from itertools.permutations(fields[start : start + count])


def _read_values(
    con: duckdb.DuckDBPyConnection,
    mapping: ColumnMap,
    names: Sequence[str],
    values: Sequence[tuple[int, tuple[str | None, ...]]],
) -> list[tuple[int, str]]:
    """Read a mapped column from values of its sources, as an extraction does.

    Args:
        con: Any connection.
        mapping: What agency.yaml says of the column.
        names: The normalised names of its sources.
        values: The place of a row, and a value for each name.

    Returns:
        The place of the row and the text; without those that are blank.
    """
    bound = Params()
    text = value_expression(mapping, bound)
    columns = ", ".join(
        f"unnest({bound.bind([choice[n] for _, choice in values])}::varchar[]) as {ident(name)}"
        for n, name in enumerate(names)
    )
    places = bound.bind([place for place, _ in values])
    query = (
        f"select raw.{ROW_NO}, {text} as t "
        f"from (select unnest({places}::bigint[]) as {ROW_NO}, {columns}) as raw "
        "where t is not null"
    )
    return con.execute(query, bound.used_in(query)).fetchall()


def originals_with_erased(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, originals: list[str]
) -> list[bool]:
    """Find out for each refused row whether a field is an erased reference, or a text names one.

    Args:
        con: A connection after `open_tombstones`.
        agency: The agency, with its key rules and columns.
        dataset: The dataset of the rows.
        originals: The rows as they were refused.
    """
    fields = find_references(con, agency, dataset, originals)
    flat = [field for row in fields for field in row]
    are_erased = iter(fields_with_erased(con, agency, flat))
    # a list, not a generator: `any` would stop before it has taken all fields of a row
    has_field = [any([next(are_erased) for _ in row]) for row in fields]
    has_text = texts_with_erased(con, agency, originals)
    return [field or text for field, text in zip(has_field, has_text, strict=True)]
