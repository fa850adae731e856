"""The originals of refused rows: which references their fields hold, and which of them go."""

import json
import re
from typing import Any

import duckdb

from cdi.agency.datasets import DATASETS, THINGS
from cdi.agency.model import Agency
from cdi.landing.read import normalise_header
from cdi.landing.tombstones import fields_with_erased, texts_with_erased

# A row that could not be read has no columns: each of its fields may hold a reference. The line may
# be broken JSON, in which a brace, or a key and its colon, stand before a value.
_BETWEEN_FIELDS = re.compile(r'[,;|\t\r\n{}\[\]]|"\s*:')


def reference_fields(agency: Agency, dataset: str, original: str) -> list[tuple[str, str]]:
    """List the fields of a refused row that hold references, each with what it may refer to.

    Args:
        agency: The agency, with its columns.
        dataset: The dataset of the row.
        original: The row as it was refused: columns as JSON, or a line that could not be read.
    """
    try:
        # A key may be there twice, which is why the row was refused: each of its values counts. The
        # keys are as the file has them.
        row: Any = json.loads(
            original,
            object_pairs_hook=lambda pairs: tuple((normalise_header(k), v) for k, v in pairs),
        )
    except ValueError:
        row = None
    if not isinstance(row, tuple):
        fields = [field.strip().strip("\"'") for field in _BETWEEN_FIELDS.split(original)]
        return [(thing, field) for field in fields if field for thing in THINGS]
    mapped = agency.sources[dataset].columns
    sources = [
        (column.thing, normalise_header(mapped[column.name].source))
        for column in DATASETS[dataset]
        if column.kind == "reference" and column.name in mapped
    ]
    return [
        (thing, str(value))
        for thing, source in sources
        for name, value in row
        if name == source and value
    ]


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
    fields = [reference_fields(agency, dataset, original) for original in originals]
    flat = [field for row in fields for field in row]
    are_erased = iter(fields_with_erased(con, agency, flat))
    # a list, not a generator: `any` would stop before it has taken all fields of a row
    has_field = [any([next(are_erased) for _ in row]) for row in fields]
    has_text = texts_with_erased(con, agency, originals)
    return [field or text for field, text in zip(has_field, has_text, strict=True)]
