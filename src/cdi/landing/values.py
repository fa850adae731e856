"""SQL for the values of source columns: their text, and what a text means as a time or number."""

from itertools import groupby

from cdi.agency.datasets import Column
from cdi.agency.mapping import (
    EPOCHS,
    EXCEL_SERIAL,
    NAMED_FORMATS,
    UNPADDED_TIME,
    ColumnMap,
    has_offset,
    touching_digits_pattern,
)
from cdi.agency.model import Agency
from cdi.landing.masks import age_band_expression
from cdi.landing.read import normalise_header
from cdi.sql import Params, ident

# No system has longer references. What is longer is something else, and nobody could search for
# it, type it or name a page by it.
MOST_LETTERS = 100

_EXCEL_ZERO = "timestamp '1899-12-30'"

# Kinds of columns that are read from a text; if it cannot be read, the row is refused (TYPE-VALUE).
TYPED = ("timestamp", "birth_date", "age", "number")


def value_expression(mapping: ColumnMap, bound: Params) -> str:
    """SQL for the text of the source's column, trimmed; a blank text is null.

    Of several columns, the texts that are not blank are joined.
    """
    texts = [f"nullif(trim(raw.{ident(normalise_header(name))}), '')" for name in mapping.sources]
    text = texts[0]
    if len(texts) > 1:
        separator = bound.bind(" " if mapping.join is None else mapping.join)
        text = f"nullif(concat_ws({separator}, {', '.join(texts)}), '')"
    if mapping.extract:
        text = f"nullif(regexp_extract({text}, {bound.bind(mapping.extract)}, 1), '')"
    return text


def _time_expression(
    agency: Agency, dataset: str, mapping: ColumnMap, bound: Params, *, is_moment: bool
) -> str:
    """SQL for the time in a text, as a moment (TIMESTAMPTZ) or as the agency's local time.

    Formats with an offset from UTC (`%z`) are tried apart from those without one: if a single
    format of a list has it, DuckDB reads the times without an offset as UTC.
    """
    text = value_expression(mapping, bound)
    times = []
    all_formats = agency.sources[dataset].time_formats(mapping)
    for with_offset, formats in groupby(all_formats, is_moment_format):
        # DuckDB's %z does not read the Z that stands for UTC.
        readable = f"regexp_replace({text}, 'Z$', '+00')" if with_offset else text
        time = parsed_expression(readable, list(formats), bound)
        # With an offset this is a moment, without one it is local time; timezone() turns each of
        # them into the other.
        needs_turning = with_offset != is_moment
        times.append(f"timezone({bound.bind(agency.timezone)}, {time})" if needs_turning else time)
    # DuckDB reads these two words whatever the format is; PostgreSQL has times of that name.
    return f"nullif(nullif(coalesce({', '.join(times)}), 'infinity'), '-infinity')"


def skipped_expression(agency: Agency, dataset: str, mapping: ColumnMap, bound: Params) -> str:
    """SQL for whether a text is a local time in the hour that a clock change skips.

    No clock shows such a time. DuckDB takes the hour as not yet
    changed, so that the moment, written as local time again, is another time.

    Args:
        agency: The agency, with its zone.
        dataset: The dataset of the column.
        mapping: The source's columns that it is read from.
        bound: The parameters of the query.
    """
    formats = [
        form for form in agency.sources[dataset].time_formats(mapping) if not is_moment_format(form)
    ]
    if not formats:
        return "false"
    local = parsed_expression(value_expression(mapping, bound), formats, bound)
    zone = bound.bind(agency.timezone)
    return f"timezone({zone}, timezone({zone}, {local})) <> {local}"


def is_moment_format(form: str) -> bool:
    """Whether a format reads a moment, and no local time.

    Args:
        form: A format of strptime, or a word of `NAMED_FORMATS`.
    """
    return has_offset(form) or form in EPOCHS


def parsed_expression(text: str, formats: list[str], bound: Params) -> str:
    """SQL for the time in a text by one of the formats; null if none of them reads it.

    Args:
        text: SQL for the text.
        formats: Formats of strptime, or words of `NAMED_FORMATS`.
        bound: The parameters of the query.
    """
    times: list[str] = []
    for is_plain, group in groupby(formats, _is_plain):
        if is_plain:
            times.append(f"try_strptime({text}, {bound.bind(list(group))})")
        else:
            times += [_special_expression(text, form, bound) for form in group]
    return f"coalesce({', '.join(times)})"


def _is_plain(form: str) -> bool:
    """Whether DuckDB reads a format without help."""
    return form not in NAMED_FORMATS and touching_digits_pattern(form) is None


def _special_expression(text: str, form: str, bound: Params) -> str:
    """SQL for the time in a text by a format that DuckDB does not read, or would read wrongly."""
    number = f"try_cast({text} as double)"
    if form in EPOCHS:
        seconds = f"{number} / {EPOCHS[form]}"
        # `to_timestamp` fails for what no calendar has; these are the years up to 5138.
        return f"case when abs({seconds}) < 1e11 then to_timestamp({seconds}) end"
    if form == EXCEL_SERIAL:
        # Excel has a 29 February 1900, which is its day 60; its last day is in the year 9999. A
        # fraction of a day is not exact, so it is rounded to the second.
        seconds = f"to_seconds(cast(round({number} * 86400) as bigint))"
        return f"case when {number} >= 61 and {number} < 2958465 then {_EXCEL_ZERO} + {seconds} end"
    if form.endswith(UNPADDED_TIME):
        # Zeros are put before up to three digits, and then the last four digits are kept.
        text = rf"regexp_replace({text}, '(^|[^0-9])([0-9]{{1,3}})$', '\1000\2')"
        text = rf"regexp_replace({text}, '(^|[^0-9])0*([0-9]{{4}})$', '\1\2')"
    pattern = bound.bind(touching_digits_pattern(form))
    time = f"try_strptime({text}, {bound.bind([form])})"
    return f"case when regexp_full_match({text}, {pattern}) then {time} end"


def typed_expression(
    agency: Agency,
    dataset: str,
    column: Column,
    mapping: ColumnMap,
    bound: Params,
    as_of: str,
) -> str:
    """SQL for the value of a typed column; null where the text is not such a value.

    Args:
        agency: The agency, with its zone.
        dataset: The dataset of the column.
        column: The canonical column.
        mapping: The source's columns that it is read from.
        bound: The parameters of the query.
        as_of: SQL for the moment at which the row's file was true.
    """
    text = value_expression(mapping, bound)
    if column.kind == "timestamp":
        moment = _time_expression(agency, dataset, mapping, bound, is_moment=True)
        return f"timezone('UTC', {moment})"
    if column.kind == "birth_date":
        local = _time_expression(agency, dataset, mapping, bound, is_moment=False)
        day = f"cast({local} as date)"
        # A date of birth after the file's own time is an error. It must be found here, because
        # only the hash is kept.
        return f"case when {day} between date '1880-01-01' and {as_of} then {day} end"
    if column.kind == "age":
        return age_band_expression(f"try_cast(try_cast({text} as double) as integer)")
    if column.kind == "boolean":
        return f"list_contains({bound.bind(list(mapping.true_values))}, {text})"
    return f"try_cast({text} as double)"
