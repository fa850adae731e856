"""How well the words of logs are read: on the agency's own audited logs, and where it was measured.

What was measured elsewhere stands in ``readings.yaml``, so that no page shows what simulated words
promise without what real words kept.
"""

from pathlib import Path
from typing import Any

import duckdb
import yaml

from cdi.sql import fetch_dicts

MEASURED = Path(__file__).with_suffix(".yaml")
READERS = {"lexicon": "lexicon alone", "text_model": "text model alone", "both": "both agree"}
UNIVERSES = {"frame": "with a crime code", "other": "without a crime code"}


def list_readings(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """List how well words were read, the agency's own logs first.

    Args:
        con: A version's file.

    Returns:
        Rows with `texts`, `reader`, `precision`, `recall` (fractions; None of nothing), `crimes`
        (how many the recall is of; None if not stated) and `is_simulated` (None for own logs).
    """
    own = [
        {
            "texts": f"this agency's audited logs {UNIVERSES[row['universe']]}",
            "reader": READERS[row["reader"]],
            "precision": row["precision"],
            "recall": row["recall"],
            "crimes": row["crime_count"],
            "is_simulated": None,
        }
        for row in fetch_dicts(con, "from text_quality order by universe, reader")
    ]
    return own + [_measure_share(row) for row in yaml.safe_load(MEASURED.read_text("utf-8"))]


def _measure_share(row: dict[str, Any]) -> dict[str, Any]:
    """Turn counts into shares; what was measured as a share stays one."""
    shares: dict[str, Any] = {"crimes": None}
    for name in ("precision", "recall"):
        value = row[name]
        if isinstance(value, list):
            part, whole = value
            value = part / whole
            if name == "recall":
                shares["crimes"] = whole
        shares[name] = value
    return row | shares
