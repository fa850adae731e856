"""Districts of an agency, and agencies, compared: the mart of districts and `cdi peers`.

Both tell places from chance. How far codes, words and links err in each they do not know: it takes
an audit to say that one force records better than another.
"""

import json
from typing import Any

import numpy as np
import pyarrow as pa

from cdi import agencies, build, paths
from cdi.audit import monitoring
from cdi.sql import connect, fetch_dicts

LEAST_AGENCIES = 5  # of a funnel: of fewer no common rate and no over-dispersion can be told
LEAST_DUE = 10  # crimes of an agency whose rate leaves it
LEVELS = (0.95, 0.998)

RATES = pa.schema(
    {
        "universe": pa.string(),
        "district": pa.string(),
        "recorded_count": pa.int64(),
        "due_count": pa.int64(),
        "effective_count": pa.float64(),
        "recording_rate": pa.float64(),
        "estimated_rate": pa.float64(),
        "estimated_low": pa.float64(),
        "estimated_high": pa.float64(),
        "common_rate": pa.float64(),
        "compared": pa.string(),
        "withheld_reason": pa.string(),
    }
)

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


def table(counts: pa.Table, withheld_reason: str | None) -> pa.Table:
    """The mart `district_rates`.

    Args:
        counts: The model `int_outcomes__district_counts`.
        withheld_reason: Why no rate is shown (`auditability`), or None.

    Returns:
        One row per universe and district.
    """
    rows: list[dict[str, Any]] = []
    for universe in sorted(set(counts["universe"].to_pylist())):
        of = [row for row in counts.to_pylist() if row["universe"] == universe]
        effect, due, recorded = (
            np.array([row[name] for row in of], float)
            for name in ("design_effect", "due_count", "recorded_count")
        )
        k, n = recorded / effect, due / effect
        common = float(k.sum() / n.sum())
        found = monitoring.districts(k, n)
        for at, row in enumerate(of):
            low, high = float(found.low[at]), float(found.high[at])
            rates = {
                "recording_rate": row["recorded_count"] / row["due_count"],
                "estimated_rate": float(found.mean[at]),
                "estimated_low": low,
                "estimated_high": high,
                "common_rate": common,
                "compared": "below" if high < common else "above" if low > common else "alike",
            }
            rows.append(
                {
                    name: row[name]
                    for name in ("universe", "district", "recorded_count", "due_count")
                }
                | {"effective_count": float(n[at]), "withheld_reason": withheld_reason}
                | (rates if withheld_reason is None else {})
            )
    return pa.Table.from_pylist(rows, RATES)


def peers() -> list[dict[str, Any]]:
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
        found: As from `peers`.

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
    rows = compare(peers())
    text = json.dumps(rows, indent=2, default=str)
    paths.home().mkdir(parents=True, exist_ok=True)
    (paths.home() / "peers.json").write_text(text + "\n", encoding="utf-8")
    return rows
