"""Conditions of a scenario: SQL on what is known of each incident, crime or record.

A scenario says where misses fall, which codes are used and where references are missing by rules
such as ``{when: "district = 'S' and hour >= 22", odds: 3}``. Each kind of rule knows what is drawn
before it; `facts` makes the columns.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

ACCOUNTS = ("told", "near_miss", "ambiguous", "bland")
LOG_KINDS = ("crime", "hidden_crime", "no_crime_under_crime_code", "no_crime", "duplicate")

# The columns that a condition may name: their type, and what they are. A test compares
# docs/simulation.md with them.
INCIDENT_FACTS = {
    "kind": ("varchar", "crime, hidden_crime, no_crime_under_crime_code or no_crime"),
    "offence": ("varchar", "the offence's key; nothing for a log that reports no crime"),
    "offence_group": ("varchar", "its group"),
    "is_rape": ("boolean", ""),
    "is_domestic_abuse": ("boolean", ""),
    "account": ("varchar", "told, near_miss, ambiguous or bland"),
    "district": ("varchar", "its code"),
    "beat": ("integer", "1 to 5"),
    "channel": ("varchar", "999, 101, ONLINE, PARTNER, OFFICER or COUNTER"),
    "grade": ("integer", "1 to 4"),
    "day": ("date", "local, as are the next three"),
    "month": ("integer", "1 to 12"),
    "weekday": ("integer", "1 (Monday) to 7"),
    "hour": ("integer", "0 to 23"),
    "is_attended": ("boolean", ""),
    "is_vulnerable": ("boolean", ""),
    "is_repeat": ("boolean", "the victim was a victim shortly before"),
    "call_taker": ("integer", "100 to 139"),
}
CRIME_FACTS = {**INCIDENT_FACTS, "ordinal": ("integer", "the crime's number in its log")}
CODE_FACTS = {
    **INCIDENT_FACTS,
    "opening": ("varchar", "code"),
    "closing": ("varchar", "code"),
    "result": ("varchar", "result code"),
    "is_missed": ("boolean", "a log that reports crime, and none of it is recorded"),
}
RECORD_FACTS = {**CRIME_FACTS, "hours_to_record": ("double", "from report to record")}


class Facts:
    """What is known of each row, as columns that conditions may name."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        """Keep the columns.

        Args:
            columns: Equally long columns by name.
        """
        self.count = len(next(iter(columns.values())))
        self._table = pa.table({**columns, "row_number": np.arange(self.count)})

    def match_rows(self, condition: str) -> NDArray[np.bool_]:
        """Say of each row whether a condition holds; an unknown answer is no.

        Args:
            condition: SQL of DuckDB, over the columns.
        """
        with duckdb.connect(config={"threads": 1}) as con:
            con.register("facts", self._table)
            found = con.execute(
                f"select coalesce({condition}, false) as holds from facts order by row_number"
            ).fetchnumpy()
        return np.asarray(found["holds"], bool)

    def weigh_rows(self, rules: Sequence[Any]) -> NDArray[np.float64]:
        """Multiply for each row the odds of all rules whose condition holds.

        Args:
            rules: Each has `when` and `odds`.
        """
        weight = np.ones(self.count)
        for rule in rules:
            weight *= np.where(self.match_rows(rule.when), rule.odds, 1.0)
        return weight


def find_problem(condition: str, facts: Mapping[str, tuple[str, str]]) -> str | None:
    """Say what is wrong with a condition, or nothing.

    Args:
        condition: SQL.
        facts: The columns that it may name, with type and meaning.
    """
    columns = ", ".join(f'cast(null as {kind}) as "{name}"' for name, (kind, _) in facts.items())
    with duckdb.connect(config={"threads": 1}) as con:
        try:
            con.execute(f"select coalesce({condition}, false) from (select {columns})")
        except duckdb.Error as error:
            return str(error).splitlines()[0]
    return None
