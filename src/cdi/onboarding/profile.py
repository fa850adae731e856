"""What each column of a sample holds: how full, how many values, which shape, what personal data.

A profile has figures and shapes (digits as 9, letters as A), and no value of the column.
"""

import re
from dataclasses import dataclass

import duckdb

from cdi.onboarding.reading import Sample
from cdi.onboarding.rules import SQL, read_rules
from cdi.onboarding.times import TimeReading, read_times
from cdi.sql import fetch_dicts, ident, read_query

MOST_ROWS = 50_000  # more would say the same, and take longer
# A column in which one value in twenty looks personal is one in which personal data is typed.
PERSONAL_SHARE = 0.05
_POINT_SHARE = 0.9
# What a column of times of day shows: six digits and colons, as many references also have.
_TIME_OF_DAY = re.compile(r"99?:99(:99(\.9+)?)?")


@dataclass(frozen=True)
class ColumnProfile:
    """What a column of a sample holds.

    Attributes:
        name: Its name in the sample's table.
        header: Its name as delivered.
        filled_share: The share of rows that have a value.
        filled_count: The number of profiled rows that have one.
        distinct_count: The number of different values among them.
        shape: The most frequent shape, with 9 for a digit and A for a letter.
        shape_share: The share of values that have this shape.
        number_share: The share of values that are numbers.
        comma_share: The share of values that would be numbers without a comma.
        least_number: The least number, if there is any.
        greatest_number: The greatest number.
        digit_share: The share of values that have a digit.
        personal_word: What personal data its name announces; or blank.
        personal_shape: What personal data the shape of its values tells; or blank.
        time: How its values are read as times; None if they are none.
        point: Expressions that take longitude and latitude out of its values, if they are points.
    """

    name: str
    header: str
    filled_share: float
    filled_count: int
    distinct_count: int
    shape: str
    shape_share: float
    number_share: float
    comma_share: float
    least_number: float | None
    greatest_number: float | None
    digit_share: float
    personal_word: str
    personal_shape: str
    time: TimeReading | None
    point: tuple[str, str] | None

    @property
    def personal(self) -> str:
        """What personal data it holds, by its name or by the shape of its values; or blank."""
        return self.personal_word or self.personal_shape

    @property
    def distinct_share(self) -> float:
        """The share of values that stand in one row only, if each is as frequent as another."""
        return self.distinct_count / self.filled_count if self.filled_count else 0.0

    @property
    def is_decimal(self) -> bool:
        """Whether the values are numbers with a fraction, such as coordinates."""
        has_points = self.number_share > PERSONAL_SHARE and "." in self.shape
        return has_points or self.comma_share > PERSONAL_SHARE

    @property
    def is_excel_serial(self) -> bool:
        """Whether the values may be Excel's numbers of days, of the years 1927 to 2050."""
        return (
            self.time is None
            and self.number_share > 1 - PERSONAL_SHARE
            and (self.least_number or 0) >= 10_000
            and (self.greatest_number or 0) < 55_153
        )

    @property
    def is_reference(self) -> bool:
        """Whether the values could be the numbers of calls or records: many, of one shape."""
        return (
            self.time is None
            and not self.is_decimal
            and not self.personal_shape
            and self.personal_word not in ("free text", "phone", "email", "address")
            and self.digit_share > 1 - PERSONAL_SHARE
            and self.shape_share >= 0.2  # several systems, or a serial without its zeros
            and 4 <= self.shape.count("9") <= len(self.shape) <= 30
            and " AAA" not in self.shape  # words: a place or a text with a number
            and not _TIME_OF_DAY.fullmatch(self.shape)
            and (self.distinct_count >= 500 or self.distinct_share >= 0.3)
        )


def split_words(header: str) -> list[str]:
    """Split a column's name into lower-case words: `TimeCreate` is time, create."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", header)
    return re.findall(r"[a-z]+|\d+", parted.lower())


def profile_columns(
    con: duckdb.DuckDBPyConnection, sample: Sample, is_day_first: bool | None = None
) -> list[ColumnProfile]:
    """Profile each column of a sample.

    Args:
        con: The connection that has the sample's table.
        sample: The sample.
        is_day_first: As for `read_times`.

    Returns:
        The profiles, in the order of the file.
    """
    step = -(-sample.row_count // MOST_ROWS)
    con.execute(f"create or replace temp view source_rows as from {ident(sample.table)}")
    con.execute(
        f"create or replace temp table cells as {read_query(SQL / 'cells.sql')}", {"step": step}
    )
    row_count = -(-sample.row_count // step) if step > 1 else sample.row_count
    figures = {row["name"]: row for row in fetch_dicts(con, read_query(SQL / "profile.sql"))}
    personal = _find_personal_shapes(con)
    points = _find_points(con)
    profiles = []
    for name, header in sample.headers.items():
        row = figures.get(name)
        profiles.append(
            ColumnProfile(
                name=name,
                header=header,
                filled_share=row["filled_count"] / row_count if row else 0.0,
                filled_count=row["filled_count"] if row else 0,
                distinct_count=row["distinct_count"] if row else 0,
                shape=row["shape"] if row else "",
                shape_share=row["shape_share"] if row else 0.0,
                number_share=row["number_share"] if row else 0.0,
                comma_share=row["comma_share"] if row else 0.0,
                least_number=row["least_number"] if row else None,
                greatest_number=row["greatest_number"] if row else None,
                digit_share=row["digit_share"] if row else 0.0,
                personal_word=name_personal_words(header),
                personal_shape=personal.get(name, ""),
                time=read_times(con, name, sample.types[name], row["shape"], is_day_first)
                if row
                else None,
                point=points.get(name),
            )
        )
    return profiles


def name_personal_words(header: str) -> str:
    """Say what personal data a column's name announces; blank if none."""
    words = set(split_words(header)) | {re.sub(r"[^a-z]", "", header.lower())}
    rules = read_rules("personal_words")
    return next((rule["what"] for rule in rules if rule["word"] in words), "")


def _find_personal_shapes(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Find the columns whose values have the shape of personal data, and say of which."""
    personal: dict[str, str] = {}
    for rule in read_rules("personal_shapes"):
        for name in _find_columns(con, rule["pattern"], PERSONAL_SHARE):
            personal.setdefault(name, rule["what"])
    return personal


def _find_points(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, str]]:
    """Find the columns whose values are points, with what takes the two degrees out of them."""
    return {
        name: (rule["longitude"], rule["latitude"])
        for rule in read_rules("point_forms")
        for name in _find_columns(con, rule["pattern"], _POINT_SHARE)
    }


def _find_columns(con: duckdb.DuckDBPyConnection, pattern: str, least_share: float) -> list[str]:
    """Find the columns of which a share of the different values has a form as a whole."""
    rows = con.execute(
        "select name from (select distinct name, value from cells) group by name "
        "having avg(cast(regexp_full_match(value, $pattern) as integer)) >= $least_share",
        {"pattern": pattern, "least_share": least_share},
    ).fetchall()
    return [name for (name,) in rows]
