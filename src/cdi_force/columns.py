"""Columns that several extracts share: times, people, places and the numbers of logs and records.

Numbers of a year's tables become texts here, as Arrow columns; what is put together from several
columns (a log number, an address) is a piece of SQL, which DuckDB works out while it writes.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cdi_force import names
from cdi_force.names import typing_errors
from cdi_force.year import Table, Year

# Behind each surname stands, in the same order, the same name with a typing error.
SURNAMES = names.SURNAMES + typing_errors(names.SURNAMES)


def texts_of(numbers: NDArray[Any], texts: tuple[str, ...] | list[str]) -> pa.DictionaryArray:
    """Turn numbers into the texts that they stand for; a negative number is null."""
    index = pa.array(numbers.astype(np.int32), mask=numbers < 0)
    return pa.DictionaryArray.from_arrays(index, pa.array(list(texts)))


class Columns:
    """The shared columns of one year's extracts."""

    def __init__(self, year: Year) -> None:
        """Read nothing yet.

        Args:
            year: With phrases and details.
        """
        self.year = year
        self.clock = year.clock
        self.force = year.scenario.settings.force

    def local_times(self, moments: NDArray[np.int64], shift: int = 0) -> pa.Array:
        """Local wall-clock times; null for what has not happened by as_of.

        Args:
            moments: Seconds since 1970.
            shift: Seconds by which the system's clock is fast.
        """
        unknown = moments >= self.year.as_of
        local = self.clock.local(np.where(unknown, self.clock.start, moments)) + shift
        return pa.array(local.astype("datetime64[s]"), mask=unknown)

    def person_names(
        self, ids: NDArray[np.int64], is_known: NDArray[Any], has_error: Any = False
    ) -> dict[str, Any]:
        """Surnames and forenames of people, by their numbers.

        Args:
            ids: A large number for each person; equal numbers are one person.
            is_known: Whether the name is given at all.
            has_error: Whether the surname is mistyped.
        """
        count = len(names.SURNAMES)
        # The square of an even share lies nearer to 0, so the first names are the common ones.
        surname = (ids % 999_983) ** 2 // 999_983 * count // 999_983
        surname = np.minimum(surname, count - 1) + np.where(has_error, count, 0)
        forename = ids // 1_000_003 % len(names.FORENAMES)
        return {
            "surname": texts_of(np.where(is_known, surname, -1), SURNAMES),
            "forename": texts_of(np.where(is_known, forename, -1), names.FORENAMES),
        }

    def birth_day(self, ids: NDArray[np.int64], is_known: NDArray[Any]) -> pa.Array:
        """Birth days of people, by their numbers; null where the day is not given."""
        days = (np.datetime64("1935-01-01") + (ids // 7919 % 25_500)).astype("datetime64[D]")
        return pa.array(days, mask=~is_known)

    def place_columns(self, table: Table) -> dict[str, Any]:
        """Address, town, district, beat and grid position of each row."""
        districts = self.force.districts
        street = table["address"] * 31 % len(names.STREETS)
        return {
            "house": pa.array(table["address"] % 173 + 1),
            "street": texts_of(street, names.STREETS),
            "town": texts_of(table["district"].astype(int), [d.name.upper() for d in districts]),
            "sector": pa.array(table["address"] % 9 + 1),
            "unit": pa.array(table["address"] // 9 % 676),
            "district": texts_of(table["district"].astype(int), [d.code for d in districts]),
            "beat": pa.array(table["beat"] + 1),
            "x": pa.array(table["x"]),
            "y": pa.array(table["y"]),
        }

    def log_number(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """Day and serial number of some logs, of which `log_number_sql` makes the number."""
        logs = self.year.logs
        return {
            "day": pa.array(logs["local_day"][rows].astype("datetime64[D]")),
            "serial": pa.array(logs["serial"][rows]),
        }

    def log_number_sql(self, day: str, serial: str) -> str:
        """SQL of a log's number from the columns of its day and serial number."""
        prefix = self.force.log_prefix
        return f"'{prefix}-' || strftime({day}, '%Y%m%d') || '-' || printf('%04d', {serial})"

    def occurrence_sql(self, number: str) -> str:
        """SQL of a record's number, eleven digits: force, year and serial number."""
        return f"'{self.force.occurrence_prefix}' || printf('%09d', {number})"


POSTCODE = (
    "'NM' || sector || ' ' || (unit % 9 + 1) || "
    "chr(cast(65 + unit // 26 % 26 as integer)) || chr(cast(65 + unit % 26 as integer))"
)
ADDRESS = f"house || ' ' || street || ', ' || town || ', ' || {POSTCODE}"
# Another clerk types it anew: two letters of the street swapped, words cut short, parts left out.
SLIPPED_STREET = "street[1] || street[3] || street[2] || street[4:]"
TYPED_STREET = f"case when is_slipped then {SLIPPED_STREET} else street end"
SHORT_WORDS = {
    "ROAD": "RD",
    "STREET": "ST",
    "LANE": "LN",
    "AVENUE": "AVE",
    "CLOSE": "CL",
    "DRIVE": "DR",
}
for whole_word, short_word in SHORT_WORDS.items():
    TYPED_STREET = f"replace({TYPED_STREET}, ' {whole_word}', ' {short_word}')"
TYPED_ADDRESS = f"""case when not is_typed_anew then {ADDRESS} else concat_ws(', ',
    case when flat > 0 then 'FLAT ' || flat end,
    case when next_street is null then case when has_number then house || ' ' else '' end
            || {TYPED_STREET}
        else next_street || ' / ' || {TYPED_STREET} end,
    case when has_town then town end,
    case when has_postcode then {POSTCODE} end) end"""


def stamp_sql(column: str, is_broken: str | None = None) -> str:
    """SQL of a time as the exports write it.

    Args:
        column: The time.
        is_broken: SQL of the condition on which the day does not exist.
    """
    text = f"strftime({column}, '%d/%m/%Y %H:%M:%S')"
    return (
        f"case when {is_broken} then '31/02/' || {text}[7:] else {text} end" if is_broken else text
    )
