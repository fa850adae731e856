"""Agencies beside each other: `cdi peers`.

Only figures of whole agencies leave them. Their rates are uncorrected, and agencies' codes and
words are read with more or less success: who is outside the funnel is to be looked at, not judged.
"""

import json
from typing import Any

import numpy as np

from cdi import agencies, build, paths
from cdi.audit import monitoring
from cdi.sql import connect, fetch_dicts

LEAST_AGENCIES = 5  # of a funnel: of fewer no common rate and no over-dispersion can be told
LEAST_DUE = 10  # crimes of an agency whose rate leaves it
LEVELS = (0.95, 0.998)

# of the whole agency: no district, group or week leaves it
AGGREGATE = """
select
    release.agency_name,
    release.is_simulated,
    release.as_of,
    any_value(districts.withheld_reason) as withheld_reason,
    cast(sum(districts.recorded_count) as bigint) as recorded_count,
    cast(sum(districts.due_count) as bigint) as due_count,
    sum(districts.effective_count) as effective_count
from release
left join district_rates as districts on districts.universe = 'frame'
group by all
"""


def read() -> list[dict[str, Any]]:
    """What each agency's published version says of the whole agency, universe `frame`.

    Returns:
        One row per agency that has a version: agency, agency_name, is_simulated, as_of, due_count,
        effective_count, rate; `withheld_reason` in place of figures that may not leave it.
    """
    rows = []
    for agency in agencies.names():
        if build.current(agency) is None:
            continue
        file = paths.published(agency) / "current" / "recording.duckdb"
        with connect(file, read_only=True) as con:
            (row,) = fetch_dicts(con, AGGREGATE)
        recorded, due = row.pop("recorded_count"), row["due_count"] or 0
        if row["withheld_reason"] is None and due < LEAST_DUE:
            row["withheld_reason"] = f"fewer than {LEAST_DUE} mature crimes"
        row["rate"] = None if row["withheld_reason"] else recorded / due
        if row["withheld_reason"]:
            row["due_count"] = row["effective_count"] = None
        rows.append({"agency": agency, **row})
    return rows


def compare(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put agencies into funnels, simulated ones apart from real ones.

    Args:
        found: As from `read`.

    Returns:
        The rows, each with `target`, `phi` (over-dispersion), `z`, limits `low_95`, `high_95`,
        `low_998`, `high_998` and `place`: inside, or outside the 95% or the 99.8% limits; None
        where there are fewer than five agencies of a kind.
    """
    rows = []
    for is_simulated in (False, True):
        of = [row for row in found if row["is_simulated"] == is_simulated]
        shown = [row for row in of if row["rate"] is not None]
        rows += [row | _BLANK for row in of if row["rate"] is None or len(shown) < LEAST_AGENCIES]
        if len(shown) >= LEAST_AGENCIES:
            rows += _funnel(shown)
    return sorted(rows, key=lambda row: row["agency"])


_BLANK = dict.fromkeys(
    ("target", "phi", "z", "low_95", "high_95", "low_998", "high_998", "place"), None
)


def _funnel(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rate, n = (np.array([row[name] for row in shown]) for name in ("rate", "effective_count"))
    made = monitoring.funnel(rate, n)
    limits = {
        f"{side}_{level * 1000:.0f}".removesuffix("0"): values
        for level in LEVELS
        for side, values in zip(("low", "high"), made.limits(n, level), strict=True)
    }
    outside, far = (made.is_outside(level) for level in LEVELS)
    return [
        row
        | {"target": made.target, "phi": made.phi, "z": float(made.z[at])}
        | {name: float(values[at]) for name, values in limits.items()}
        | {"place": "outside 99.8%" if far[at] else "outside 95%" if outside[at] else "inside"}
        for at, row in enumerate(shown)
    ]


def write() -> list[dict[str, Any]]:
    """Compare the published agencies; also to ``<state>/peers.json``."""
    rows = compare(read())
    text = json.dumps(rows, indent=2, default=str)
    paths.home().mkdir(parents=True, exist_ok=True)
    (paths.home() / "peers.json").write_text(text + "\n", encoding="utf-8")
    return rows
