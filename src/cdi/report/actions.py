"""The actions that an agency has set itself, with their measured effect."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from cdi.audit.intervals import change_in_points
from cdi.sql import fetch_dicts, read_query, scalar

MEASURED_EFFECT = Path(__file__).parent / "sql" / "measured_effect.sql"
AS_OF = "select cast(timezone(timezone, timezone('UTC', as_of)) as date) from release"  # local day


def measure_actions(
    con: duckdb.DuckDBPyConnection, actions: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Actions with their effect: the change from the last audit before to the first after.

    Args:
        con: A published (or private) file.
        actions: As `cdi.agency.code_maps.read_actions` reads them.

    Returns:
        The actions, each with `change_points`, `lower_limit` and `upper_limit`, or with
        `unmeasured`, why there are none; `state` is done, overdue or open at the file's as_of.
    """
    as_of: date = scalar(con, AS_OF)
    rows = []
    for action in actions:
        done_on, effects = action["done_on"], []
        if done_on:
            values = {"domain": action["domain"], "done": done_on}
            effects = [
                change_in_points(pair.pop("rate_before"), pair.pop("rate_after")) | pair
                for pair in fetch_dicts(con, read_query(MEASURED_EFFECT), values)
            ]
        is_late = action["due_on"] is not None and action["due_on"] < as_of
        row = dict(action)
        row["state"] = "done" if done_on else "overdue" if is_late else "open"
        row |= effects[0] if effects else {}
        if effects:
            row["unmeasured"] = None
        else:
            row["unmeasured"] = "no audit before and after it yet" if done_on else "not done yet"
        rows.append(row)
    return rows
