"""The mart of districts: each beside what all of them say, with limits that hold for the worst too.

It tells a district from chance. How far codes, words and links err in each it does not know: it
takes an audit to say that one district records better than another.
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
        found = shrink_districts(k, n)
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
    return [{name: row.get(name) for name in COLUMNS} for row in rows]
