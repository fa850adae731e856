"""The mart of districts: the rate of each beside the common rate, with limits.

The limits hold for the district that looks worst too, so they tell a real difference from chance.
They do not know how often codes, words and links are wrong in each district: only an audit can say
that one district records better than another.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from cdi.monitoring.limits import shrink_districts

COLUMNS = {
    "universe": "VARCHAR",
    "district": "VARCHAR",
    "recorded_count": "BIGINT",
    "due_count": "BIGINT",
    "effective_count": "DOUBLE",
    "recording_rate": "DOUBLE",
    "estimated_rate": "DOUBLE",
    "estimated_low": "DOUBLE",
    "estimated_high": "DOUBLE",
    "common_rate": "DOUBLE",
    "compared": "VARCHAR",
    "withheld_reason": "VARCHAR",
}


def district_rates(counts: pa.Table, withheld_reason: str | None) -> list[dict[str, Any]]:
    """Work out the rows of the mart `district_rates`.

    Args:
        counts: Rows of the model `int_outcomes__district_counts`.
        withheld_reason: Why no rate may be shown (model `auditability`), or None.

    Returns:
        One row per universe and district.
    """
    rows: list[dict[str, Any]] = []
    for universe in sorted(set(counts["universe"].to_pylist())):
        districts = [row for row in counts.to_pylist() if row["universe"] == universe]
        effect, due, recorded = (
            np.array([row[name] for row in districts], float)
            for name in ("design_effect", "due_count", "recorded_count")
        )
        # Crimes of one log share their fate, so they tell less than as many separate crimes would:
        # both counts are divided by the design effect.
        effective_recorded, effective_due = recorded / effect, due / effect
        common_rate = float(effective_recorded.sum() / effective_due.sum())
        posterior = shrink_districts(effective_recorded, effective_due)
        for place, row in enumerate(districts):
            low, high = float(posterior.low[place]), float(posterior.high[place])
            counted = {
                name: row[name] for name in ("universe", "district", "recorded_count", "due_count")
            }
            rates = {
                "recording_rate": row["recorded_count"] / row["due_count"],
                "estimated_rate": float(posterior.mean[place]),
                "estimated_low": low,
                "estimated_high": high,
                "common_rate": common_rate,
                "compared": _compare_with_common_rate(low, high, common_rate),
            }
            rows.append(
                counted
                | {
                    "effective_count": float(effective_due[place]),
                    "withheld_reason": withheld_reason,
                }
                | (rates if withheld_reason is None else {})
            )
    return [{name: row.get(name) for name in COLUMNS} for row in rows]


def _compare_with_common_rate(low: float, high: float, common_rate: float) -> str:
    # Where all or nothing was recorded, every district has this very rate, and no limit reaches it.
    if common_rate in (0.0, 1.0):
        return "alike"
    if high < common_rate:
        return "below"
    if low > common_rate:
        return "above"
    return "alike"
