"""Stubs of connections, for drivers whose servers are not at hand: what was asked is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

Answer = list[tuple[Any, ...]] | Exception


@dataclass
class StubConnection:
    """A connection and its cursor in one; it answers by the first words that a statement holds.

    Attributes:
        answers: Rows, or an error that is raised, by words of a statement.
        batches: The rows of the large query, in batches.
        description: What a cursor tells of its columns.
        asked: The statements in their order, with the values that were bound.
        is_closed: Whether it was closed.
    """

    answers: Mapping[str, Answer]
    batches: list[pa.RecordBatch] = field(default_factory=list)
    description: list[tuple[Any, ...]] = field(default_factory=list)
    asked: list[tuple[str, list[Any]]] = field(default_factory=list)
    is_closed: bool = False
    found: list[tuple[Any, ...]] = field(default_factory=list)

    def cursor(self) -> "StubConnection":
        """A cursor."""
        return self

    def execute(self, statement: str, values: list[Any] | None = None) -> None:
        """Keep a statement, and look for its answer."""
        self.asked.append((statement, values or []))
        answer = next((rows for words, rows in self.answers.items() if words in statement), [])
        if isinstance(answer, Exception):
            raise answer
        self.found = answer

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The answer to the last statement."""
        return self.found

    def arrow_batch(self, size: int) -> pa.RecordBatch:
        """The next batch of the last statement, as `mssql_python.Cursor` gives it."""
        assert 0 < size <= 20_000
        return self.batches.pop(0)

    def fetch_df_batches(
        self, statement: str, values: list[Any], *, size: int, fetch_decimals: bool
    ) -> Any:
        """The batches of a statement, as `oracledb.Connection` gives them."""
        assert 0 < size <= 20_000
        assert fetch_decimals
        self.execute(statement, values)
        return iter(self.batches)

    def setautocommit(self, value: bool) -> None:
        """Keep the change among the statements."""
        self.asked.append((f"autocommit {value}", []))

    def close(self) -> None:
        """Close it."""
        self.is_closed = True

    @property
    def statements(self) -> list[str]:
        """The statements alone."""
        return [statement for statement, _ in self.asked]


def connecting(connection: StubConnection, given: dict[str, Any]) -> Callable[..., StubConnection]:
    """Make a stand-in of a driver's `connect`, which keeps its arguments in `given`."""

    def connect(**arguments: Any) -> StubConnection:
        given.update(arguments)
        return connection

    return connect
