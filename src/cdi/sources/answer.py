"""What an API answered: its body, whose shape is checked where it is read, and its clock."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from cdi.errors import SourceError


@dataclass(frozen=True)
class Answer:
    """A complete answer in JSON that is no error.

    Attributes:
        name: What was asked, for errors.
        body: The parsed JSON; numbers with a point are text, so that none is rounded.
        headers: The headers.
    """

    name: str
    body: Any
    headers: httpx.Headers

    @property
    def now(self) -> datetime:
        """The server's clock (UTC) when it answered.

        Raises:
            SourceError: SRC-HTTP if the answer does not tell it.
        """
        now = read_date(self.headers.get("Date", ""))
        if now is None:
            raise SourceError(
                "SRC-HTTP",
                f"{self.name}: the answer has no header Date that is a time",
                "have the portal's owner set it; it says when the content was true",
            )
        return now

    def at(self, *place: str | int) -> Any:
        """What stands at a place of the body.

        Args:
            place: Keys of objects and positions in lists, from the outside to the inside.

        Raises:
            SourceError: SRC-HTTP if the answer has no such place.
        """
        value = self.body
        for key in place:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                raise self._miss("value", place) from None
        return value

    def rows(self, *place: str | int) -> list[dict[str, Any]]:
        """The list of objects that stands at a place of the body.

        Args:
            place: As in `at`.

        Raises:
            SourceError: SRC-HTTP if there is no such list.
        """
        rows = self.at(*place)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self._miss("list of objects", place)
        return rows

    def number(self, *place: str | int) -> int:
        """The whole number that stands at a place of the body, be it as text or not.

        Args:
            place: As in `at`.

        Raises:
            SourceError: SRC-HTTP if there is no such number.
        """
        try:
            return int(self.at(*place))
        except (TypeError, ValueError):
            raise self._miss("whole number", place) from None

    def _miss(self, what: str, place: tuple[str | int, ...]) -> SourceError:
        where = ".".join(map(str, place)) or "the body"
        return SourceError(
            "SRC-HTTP",
            f"{self.name}: the answer has no {what} at {where}",
            "check the address in agency.yaml; the portal may have a new version",
        )


def read_date(text: str) -> datetime | None:
    """Read a time as headers have it.

    Args:
        text: Value of a header, e.g. ``Fri, 27 Nov 2026 17:00:00 GMT``.

    Returns:
        The time in UTC; None if the text is no time.
    """
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None
