"""What agency.yaml says of files, their rows and their columns, as validated models."""

import itertools
import re
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Strict(BaseModel):
    """A part of agency.yaml: a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class SourceFile(Strict):
    """Files of one kind."""

    path: str = Field(
        min_length=1,
        description="glob relative to data_root; {date:%Y-%m-%d} is the day of a daily file",
    )
    as_of: datetime | Annotated[str, Field(pattern=r"\{date")] | None = Field(
        default=None,
        description="local time at which the content was true, of a daily file such as "
        "'{date:%Y-%m-%d} 06:45'; default: the end of the day or interval",
    )

    @field_validator("path")
    @classmethod
    def _check_path(cls, value: str) -> str:
        if re.search(r"[{}]", re.sub(r"\{date(:[^{}]*)?\}", "", value)):
            raise ValueError("only {date} and e.g. {date:%Y-%m-%d} may be in braces")
        return value

    @property
    def is_daily(self) -> bool:
        """Whether the path names a file for each day."""
        return "{date" in self.path

    @property
    def is_of_one_day(self) -> bool:
        """Whether each day has a file of its own; all days of a month share `{date:%Y-%m}`."""
        first, second = (self.path.format(date=date(2026, 1, day)) for day in (1, 2))
        return first != second

    def as_of_day(self, day: date) -> datetime:
        """The local time at which the file of a day was true: the end of it, if none is given."""
        if isinstance(self.as_of, str):
            return datetime.fromisoformat(self.as_of.format(date=day))
        return datetime.combine(day + timedelta(days=1), datetime.min.time())

    @model_validator(mode="after")
    def _check_as_of(self) -> "SourceFile":
        if self.as_of is not None and self.is_daily != isinstance(self.as_of, str):
            raise ValueError(
                "as_of: of a file for each day it has {date} as the path has, e.g. "
                "'{date:%Y-%m-%d} 06:45'; of any other it has none"
            )
        try:
            self.as_of_day(date(2026, 1, 2))
        except (ValueError, KeyError, IndexError):
            raise ValueError(
                f"as_of: '{self.as_of}' gives no local time; write '{{date:%Y-%m-%d}} 06:45'"
            ) from None
        return self


def has_offset(form: str) -> bool:
    """Whether a strptime format reads an offset from UTC (``%z``)."""
    return "%z" in form.replace("%%", "")


# The text forms of typed times, as `cdi.landing.read` writes them: the agency's time, and a moment.
TYPED_TIMES = ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f%z")


# Words that stand for a format: how many of them since 1970 are a second.
EPOCHS = {"epoch_s": 1, "epoch_ms": 1000}
# The word for the number in which Excel keeps a local time: days since 30 December 1899.
EXCEL_SERIAL = "excel_serial"
NAMED_FORMATS = (*EPOCHS, EXCEL_SERIAL)

# An hour and a minute of which a program removed the leading zeros, as from a number: 930, or 5.
UNPADDED_TIME, PADDED_TIME = "%-H%M", "%H%M"

# How many digits a number has in strptime formats; where two of them touch, it has all of them.
_DIGITS = {"Y": 4, "y": 2, "m": 2, "d": 2, "j": 3, "H": 2, "I": 2, "M": 2, "S": 2}


def touching_digits_pattern(form: str) -> str | None:
    """Give the regular expression of a text that a format with touching numbers may read.

    DuckDB takes as many digits as it can: with `%H%M` it reads 115, a quarter past one without its
    zero, as 11:05.

    Args:
        form: A format of strptime.

    Returns:
        The expression for the whole text (RE2); None if no two numbers touch in the format.
    """
    pattern = ""
    has_touching = False
    parts = re.findall(r"%-?.|\s+|[^%\s]+", form)
    for is_number, group in itertools.groupby(parts, _is_number):
        run = list(group)
        if is_number and len(run) > 1:
            pattern += f"[0-9]{{{sum(_DIGITS[part[-1]] for part in run)}}}"
            has_touching = True
        else:
            pattern += "".join(map(_part_pattern, run))
    return pattern if has_touching else None


def _is_number(part: str) -> bool:
    return part.startswith("%") and part[-1] in _DIGITS


def _part_pattern(part: str) -> str:
    """Give the regular expression for a part of a strptime format, apart from touching numbers."""
    if part.isspace():
        return r"\s*"
    return ".+?" if part.startswith("%") and part != "%%" else re.escape(part.replace("%%", "%"))


class ColumnMap(Strict):
    """Where a canonical column comes from; a plain string in agency.yaml means ``from`` alone."""

    sources: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        alias="from", min_length=1, description="a column, or several whose values are joined"
    )
    join: str | None = Field(
        default=None, description="what separates the values of several columns; default: a blank"
    )
    format: tuple[str, ...] = Field(
        default=(),
        description="strptime formats, epoch_s, epoch_ms or excel_serial, tried in order; a typed "
        "time needs none",
    )
    extract: str | None = Field(default=None, description="regular expression; group 1 is used")
    true_values: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The source's column; the first, if there are several."""
        return self.sources[0]

    @field_validator("sources", "format", mode="before")
    @classmethod
    def _wrap_single(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("format")
    @classmethod
    def _check_format(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for form in value:
            if "%" not in form and form not in NAMED_FORMATS:
                raise ValueError(
                    f"'{form}' is not a format; give one of strptime such as '%Y-%m-%d %H:%M:%S', "
                    f"{' or '.join(EPOCHS)} for a number since 1970, or {EXCEL_SERIAL} for "
                    "Excel's number of a day"
                )
        return value

    @model_validator(mode="after")
    def _check_join(self) -> "ColumnMap":
        if self.join is not None and len(self.sources) == 1:
            raise ValueError("join: give several columns under `from`, or leave it out")
        return self


class RowFilter(Strict):
    """Which rows of a file belong to the dataset, where a file holds rows of several datasets."""

    source: str = Field(alias="from", min_length=1)
    matches: str = Field(min_length=1, description="regular expression for the whole trimmed text")
