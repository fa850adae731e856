"""Asks of a live source which columns it has, of which types, and what that means for a run."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

import pyarrow as pa

from cdi.agency.datasets import DATASETS, TIMES
from cdi.agency.model import Source
from cdi.landing.read import list_unexpected
from cdi.onboarding.findings import Finding, count_rows

Columns = Mapping[str, pa.DataType]
_NEAR = 0.6  # closed_local and closed_time are as near as this
_MOST_NEAR = 3


def is_time(kind: pa.DataType) -> bool:
    """Whether a type is a date, or a date and time."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def describe_unfit(kind: pa.DataType) -> str:
    """Say why a type is none of a plain value: bytes, JSON, XML, a list; blank if it is one.

    Args:
        kind: The type as the reader tells it. Portals have no such types: what is neither a time
            nor a number there is text.
    """
    if isinstance(kind, pa.JsonType):
        return "JSON"
    if isinstance(kind, pa.OpaqueType):
        name = kind.type_name
        return name.upper() if name.lower() in ("xml", "json", "jsonb") else ""
    if pa.types.is_nested(kind):
        return "a list or a structure"
    is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return "bytes" if is_bytes or pa.types.is_fixed_size_binary(kind) else ""


def check_columns(dataset: str, source: Source, present: Columns) -> Iterator[Finding]:
    """Say which columns are missing, of an unfit type, or known to nobody.

    Args:
        dataset: The source's dataset.
        source: What agency.yaml says of it.
        present: What the source has.
    """
    place = f"sources.{dataset}.columns"
    missing = list_missing(source, present)
    for name, column in missing.items():
        yield Finding("stop", f"{place}.{name}", *_describe_missing(column, source, present))
    yield from _check_types(dataset, source, present)
    if not missing:
        yield Finding("fine", place, f"all {len(source.columns)} mapped columns are there")
    yield from describe_unexpected(dataset, list_unexpected(source, present))


def describe_unexpected(dataset: str, unexpected: Sequence[str]) -> Iterator[Finding]:
    """Say which columns are known to nobody, if there are any.

    Args:
        dataset: The dataset.
        unexpected: Columns that are neither mapped nor ignored.
    """
    if unexpected:
        yield Finding(
            "look",
            f"sources.{dataset}.ignored",
            f"{count_rows(len(unexpected), 'column')} neither mapped nor ignored: "
            f"{', '.join(unexpected)}",
            "map them, or list them under `ignored` (FILE-04 would report them each day)",
        )


def list_missing(source: Source, present: Columns) -> dict[str, str]:
    """List the columns that a source lacks, by the canonical column that needs each.

    Case counts, as a live source is asked for a column by its very name.
    """
    return {
        name: column
        for name, mapping in source.columns.items()
        for column in mapping.sources
        if column not in present
    }


def _describe_missing(column: str, source: Source, present: Columns) -> tuple[str, str]:
    """Say that a column is missing, which names are near, and what to write."""
    lower = {name.lower(): name for name in present}
    near = [
        lower[name] for name in get_close_matches(column.lower(), lower, max(len(lower), 1), _NEAR)
    ]
    free = list_unexpected(source, near)  # what is mapped already is rarely meant
    near = [*free, *(name for name in near if name not in free)][:_MOST_NEAR]
    told = f"there is no column {column}"
    if near:
        return f"{told}; near: {', '.join(near)}", f"write {near[0]} if that is it"
    return f"{told}, nor one whose name is near", f"choose among {', '.join(present)}"


def _check_types(dataset: str, source: Source, present: Columns) -> Iterator[Finding]:
    moment = source.moment(dataset) if source.delivery == "days" else None
    for column in DATASETS[dataset]:
        mapping = source.columns.get(column.name)
        key = f"sources.{dataset}.columns.{column.name}"
        for name in mapping.sources if mapping else ():
            if name not in present:
                continue
            kind = present[name]
            if unfit := describe_unfit(kind):
                yield Finding(
                    "look",
                    key,
                    f"{name} is {unfit} and no plain value; a run would read it as text",
                    "have the source's view give the value itself, or take it out by `extract`",
                )
            elif mapping and column.kind in TIMES and not is_time(kind):
                yield from _check_time_as_text(key, name, kind, mapping.format, moment)


def _check_time_as_text(
    key: str, name: str, kind: pa.DataType, formats: tuple[str, ...], moment: str | None
) -> Iterator[Finding]:
    if name == moment:
        yield Finding(
            "stop",
            key,
            f"{name} is a {kind} and no time, so no day can be asked for (SRC-MOMENT)",
            "map a column with times, have the source's view cast it to one, or read the source's "
            "file instead (`files`)",
        )
    elif not formats:
        yield Finding(
            "stop",
            f"{key}.format",
            f"missing, as {name} is a {kind} and no time (SRC-FORMAT)",
            "give its strptime format, e.g. '%Y-%m-%d %H:%M:%S'",
        )
