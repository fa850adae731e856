"""What all databases share as sources: the questions as SQL, rows in one form, errors explained."""

import contextlib
import functools
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa

from cdi.agency.interval import Interval
from cdi.errors import SourceError
from cdi.sources.access import Access
from cdi.sources.reader import SourceBusyError, State

LOCAL_TIME = pa.timestamp("us")
MOMENT = pa.timestamp("us", tz="UTC")
LOGIN_SECONDS = 30
_NAMED_TABLES = 5  # so many tables that the login may change are named in the warning


@dataclass(frozen=True)
class Target:
    """What is read from a database.

    Attributes:
        name: What is read, for errors.
        relation: SQL of it: a quoted name, or a query in brackets.
        moment: The column that says from which day a row is; None if all rows are read.
        timezone: The agency's zone, for a moment that is local time.
        clock: SQL for the moment at which the content is true; None for the database's own clock.
    """

    name: str
    relation: str
    moment: str | None
    timezone: str
    clock: str | None = None

    @property
    def is_query(self) -> bool:
        """Whether a query is read, and not a table or view."""
        return self.relation.startswith("(")


@dataclass(frozen=True)
class Column:
    """A column as a database has it.

    Attributes:
        kind: The Arrow type in which its values are read.
        expression: SQL that gives the values in that type, where `{}` is the quoted name.
        native: The database's own name of the type, if a bound value must have the same.
    """

    kind: pa.DataType
    expression: str = "{}"
    native: str = ""


class SqlReader(ABC):
    """The questions of a source as SQL; what differs between databases is left to subclasses.

    Args:
        target: What is read.
    """

    def __init__(self, target: Target) -> None:
        """Keep what is read."""
        self._target = target
        self._marks: set[str] = set()

    @abstractmethod
    def quote(self, name: str) -> str:
        """Quote an identifier."""

    @abstractmethod
    def _describe(self) -> Mapping[str, Column]:
        """The columns of what is read; no values are read."""

    @abstractmethod
    def _ask(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a small query."""

    @abstractmethod
    def _stream(self, query: str, values: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        """The rows of a large query, in batches of bounded size."""

    @abstractmethod
    def _now(self) -> datetime:
        """The moment at which the content is true."""

    @abstractmethod
    def _bind(self, column: Column, places: Sequence[int]) -> list[str]:
        """SQL for the two bound values of a window, which have the column's type."""

    def _value(self, column: Column, bound: datetime) -> Any:
        """A bound of the window as the driver takes it; a time that is local has no zone."""
        zone = UTC if column.kind == MOMENT else ZoneInfo(self._target.timezone)
        return bound.astimezone(zone).replace(tzinfo=None)

    def _undated(self, moment: str) -> str:
        """SQL of the condition that a row lacks the moment, by its quoted name."""
        return f"{moment} is null"

    def _content(self) -> str | None:
        """SQL that sums up all rows, where no transaction sees one state alone; else None."""
        return None

    def _list_writable(self) -> Sequence[str]:
        """What the login may write, in words."""
        return ()

    @functools.cached_property
    def _columns(self) -> Mapping[str, Column]:
        return self._describe()

    def columns(self) -> Mapping[str, pa.DataType]:
        """Names and types of all columns."""
        return {name: column.kind for name, column in self._columns.items()}

    def version(self) -> State:
        """The time at which the content is true, and whether the windows counted so far differ."""
        writable = list(self._list_writable())
        shown = ", ".join(writable[:_NAMED_TABLES])
        # one transaction sees one state; without such, `count` has found out whether rows changed
        mark = "" if len(self._marks) < 2 else f"changed {len(self._marks) - 1} times"
        return State(mark, self._now(), f"the login may write: {shown}" if writable else "")

    def count(self, window: Interval) -> int:
        """How many rows of the window the database counts."""
        content = self._content()
        sums = f", {content}" if content else ""
        where, values = self._where(window)
        query = f"select count(*){sums} from {self._target.relation} source{where}"
        ((count, *found),) = self._ask(query, values)
        if content:
            self._marks.add(f"{count} {found}")
        return int(count)

    def count_undated(self) -> int:
        """How many rows lack the moment."""
        undated = self._undated(self.quote(str(self._target.moment)))
        query = f"select count(*) from {self._target.relation} source where {undated}"
        return int(self._ask(query)[0][0])

    def rows(self, window: Interval, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of the window, each column in the type that `columns` tells."""
        schema = pa.schema([(name, self._columns[name].kind) for name in columns])
        selected = ", ".join(self._select(name) for name in columns)
        where, values = self._where(window)
        query = f"select {selected} from {self._target.relation} source{where}"
        for batch in self._stream(query, values):
            yield _cast(batch, schema)

    def _select(self, name: str) -> str:
        quoted = self.quote(name)
        return f"{self._columns[name].expression.format(quoted)} as {quoted}"

    def _where(self, window: Interval) -> tuple[str, list[Any]]:
        """SQL of the condition that a row is of the window, and the values that are bound."""
        if self._target.moment is None:
            return "", []
        column = self._columns[self._target.moment]
        moment = self.quote(self._target.moment)
        start, end = self._bind(column, (1, 2))
        values = [self._value(column, bound) for bound in (window.start, window.end)]
        return f" where {moment} >= {start} and {moment} < {end}", values


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give the columns of a batch their names and types; nothing but parts of a microsecond go."""
    arrays = [
        _cast_array(array, field.type) for array, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _cast_array(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_binary(array.type) or pa.types.is_fixed_size_binary(array.type):
        # bytes need not be text
        array = pa.array([None if value is None else value.hex() for value in array.to_pylist()])
    # a driver gives times in nanoseconds or seconds, too, and moments without their zone
    return array.cast(kind, safe=not pa.types.is_timestamp(kind))


def require_time(now: Any, name: str) -> Any:
    """Refuse a clock that gives no time: nobody knows then when the content was true.

    Args:
        now: What the clock gave. A copy of a database gives null when it has become the original,
            if `clock` asks how far the copying is.
        name: What is read, for errors.

    Returns:
        The time.

    Raises:
        SourceBusyError: SRC-SQL.
    """
    if now is None:
        raise SourceBusyError(
            "SRC-SQL",
            f"{name}: `clock` gives no time",
            "correct `clock` in agency.yaml, or see whether the database is still a copy",
        )
    return now


def as_utc(now: datetime | str | None, name: str) -> datetime:
    """Read the moment that a database's clock gave in UTC, without a zone.

    Args:
        now: The moment.
        name: What is read, for errors.

    Raises:
        SourceBusyError: See `require_time`.
    """
    now = require_time(now, name)
    moment = datetime.fromisoformat(now) if isinstance(now, str) else now
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def import_driver(module: str, package: str, name: str, kind: str) -> ModuleType:
    """Import the driver of a database, which is installed only where it is needed.

    Args:
        module: Name of the driver's module.
        package: Name of its package.
        name: What is read, for errors.
        kind: Type of the Airflow connection.

    Raises:
        SourceError: SRC-DRIVER if it is not installed, or a library of the system is missing.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        raise SourceError(
            "SRC-DRIVER",
            f"{name}: a connection of type {kind} needs the driver {package}, which cannot be "
            f"loaded: {error}",
            f"install it: .venv/bin/uv pip install -c requirements/dev.txt {package} "
            "(docs/server.md says what it needs of the system)",
        ) from None


# What may go wrong: the login is refused, it lacks a right, a query takes too long, a later try may
# succeed, the system lacks the ODBC driver, a text is longer than what is read, other.
Failure = Literal["refused", "denied", "slow", "busy", "absent", "long", "other"]

_OTHER = (
    "SRC-SQL",
    "the database says",
    "correct the relation or query in agency.yaml, or have the database's owner look",
)
# The rule, what is wrong, and the next step.
_EXPLAINED: dict[Failure, tuple[str, str, str]] = {
    "refused": (
        "SRC-ACCESS",
        "the database refuses the login {login}",
        "correct login and password of the Airflow connection",
    ),
    "denied": (
        "SRC-SQL",
        "the login {login} lacks a right that the query needs",
        "have the database's owner grant the right to read the relation to that login",
    ),
    "slow": (
        "SRC-TIMEOUT",
        "the database stopped a query that took too long",
        "ask for an index on the column with the time, or for a longer time-out; or give fewer "
        "`days` in agency.yaml",
    ),
    "absent": (
        "SRC-DRIVER",
        "the system has no such ODBC driver",
        "correct `Driver` in the extra of the Airflow connection (`odbcinst -q -d` lists the "
        "names), or install the database's ODBC driver",
    ),
    "long": (
        "SRC-SQL",
        "a text is longer than what is read",
        "raise `max_text_bytes` in the extra of the Airflow connection",
    ),
    "busy": _OTHER,
    "other": _OTHER,
}


def explain(failure: Failure, said: str, access: Access, name: str) -> SourceError:
    """Explain what a database or its driver says of a failure.

    Args:
        failure: What kind of failure it is.
        said: The driver's message; the connection's secrets are taken out of it.
        access: The connection.
        name: What is read.

    Returns:
        SRC-ACCESS, SRC-TIMEOUT, SRC-DRIVER or SRC-SQL. It is a `SourceBusyError` if a later try may
        succeed.
    """
    rule, wrong, fix = _EXPLAINED[failure]
    kind = SourceBusyError if failure == "busy" else SourceError
    said = access.hide_secrets(said).strip()
    return kind(rule, f"{name}: {wrong.format(login=access.login)}: {said}", fix)


# SQLSTATE classes in which a later try may succeed: no connection, a conflict with another
# transaction, no room, or the operator's doing (a restart).
_PASSING = ("08", "40", "53", "57", "58", "HYT01")


def failure_of_state(state: str) -> Failure:
    """Tell what a SQLSTATE means, as the SQL standard, ODBC and PostgreSQL give it."""
    if state.startswith("28"):
        return "refused"
    if state == "42501":  # insufficient_privilege
        return "denied"
    if state in ("57014", "HYT00"):  # PostgreSQL: query_canceled; ODBC: timeout expired
        return "slow"
    return "busy" if state.startswith(_PASSING) else "other"


@contextlib.contextmanager
def explained(
    errors: tuple[type[Exception], ...],
    classify: Callable[[Any], Failure],
    access: Access,
    name: str,
) -> Iterator[None]:
    """Let a driver's errors come out as those that people read.

    Args:
        errors: The driver's errors.
        classify: Tells what kind of failure an error is.
        access: The connection.
        name: What is read.

    Raises:
        SourceError: See `explain`.
    """
    try:
        yield
    except errors as error:
        raise explain(classify(error), str(error), access, name) from None
