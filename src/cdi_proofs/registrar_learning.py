"""What decisions would teach the text model, if it learnt from them: an experiment.

The product's model learns from audits alone. Here it is given decisions as well, as if they were
readings of auditors, and a version is published with what it makes of them.
"""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cdi.agency.model import Agency
from cdi.build.make import build_part
from cdi.build.version import plan_version
from cdi.desk.standing import CONFIRMED, PROPOSED
from cdi.learning import text
from cdi.learning.weights import save_weights
from cdi.paths import readings
from cdi.sql import connect, fetch_dicts, read_query
from cdi_proofs.registrar_desk import Decision

FEATURES = "int_disclosure__text_features"
LABELS = pa.schema({"call_id": pa.string(), "crimes": pa.int64(), "copies": pa.int64()})
SQL = Path(__file__).parent / "sql"

# By log: how many crimes it reports that should be recorded, and as how many examples it stands.
Labels = Mapping[str, tuple[int, int]]


def label_logs(con: duckdb.DuckDBPyConnection, decisions: Sequence[Decision]) -> dict[str, int]:
    """Say how many crimes each decided log reports, by its records and what was confirmed.

    Args:
        con: As from `cdi_proofs.compared.compare_with_truth`.
        decisions: What was decided; a log with a proposal is left out, as it is not decided yet.
    """
    recorded = con.execute(
        "select call_id, count(*) from fct_reported_crimes "
        "where outcome_standard in ('recorded', 'wrongly_cancelled') group by all"
    ).fetchall()
    counts = Counter(dict(recorded))
    counts.update(each.crime["call_id"] for each in decisions if each.kind == CONFIRMED)
    left_out = {each.crime["call_id"] for each in decisions if each.kind == PROPOSED}
    return {
        call_id: counts[call_id]
        for call_id in sorted({each.crime["call_id"] for each in decisions} - left_out)
    }


def weigh_logs(
    con: duckdb.DuckDBPyConnection,
    labels: Mapping[str, int],
    share: float,
    rng: np.random.Generator,
) -> dict[str, tuple[int, int]]:
    """Let each log stand for as many as an audited log does, by the inverse of its chance.

    The chance that a log of the list was drawn by lot is known, and so is that of an audit to read
    a log with, or without, a crime code. A log that was drawn half as often as the audit would
    have drawn it stands twice; parts of a number are drawn at random.

    Args:
        con: As from `cdi_proofs.compared.compare_with_truth`.
        labels: Crimes of each log of the sample.
        share: Share of the list that was drawn.
        rng: Random numbers.
    """
    audited = dict(con.execute(read_query(SQL / "registrar_audited.sql")).fetchall())
    is_in_frame = dict(
        con.execute("select call_id, is_in_frame from published.main.fct_calls").fetchall()
    )
    weighed = {}
    for call_id, crimes in labels.items():
        copies = int(rng.random() + audited[is_in_frame[call_id]] / share)
        if copies:
            weighed[call_id] = (crimes, copies)
    return weighed


def learn_text_with(agency: Agency, labels: Labels) -> None:
    """Learn a version of the text model from audits and from labels; the next build uses it.

    Args:
        agency: The agency.
        labels: Of the logs that people decided.
    """
    # Without readings all logs are unread, so that their features are made.
    for folder in readings(agency.agency).glob("text-*"):
        shutil.rmtree(folder)
    version = plan_version(agency)
    with build_part(version, text.MODEL, FEATURES) as part:
        _add_lessons(part, labels)

        def write(folder: Path) -> Mapping[str, int]:
            counts = text.write_text_model(part, folder)
            _keep_one_score(folder / "audited.parquet")
            return counts

        save_weights(agency.agency, "text", version.as_of, version.learns_from, write)


def _add_lessons(part: Path, labels: Labels) -> None:
    rows = [
        {"call_id": call_id, "crimes": crimes, "copies": copies}
        for call_id, (crimes, copies) in labels.items()
    ]
    with connect(part) as con:
        con.register("labels", pa.Table.from_pylist(rows, LABELS))
        con.execute(read_query(SQL / "registrar_lessons.sql"))


def _keep_one_score(file: Path) -> None:
    """Keep one of the scores of a log that stands as several examples; they are all the same."""
    table = pq.read_table(file)
    ids = np.array(table["call_id"].to_pylist(), dtype=str)
    pq.write_table(table.take(pa.array(np.unique(ids, return_index=True)[1])), file)


def score_month(
    con: duckdb.DuckDBPyConnection, starts_on: Any, listed: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Compare what the text model says of the newest logs with what is true of them.

    Args:
        con: As from `cdi_proofs.compared.compare_with_truth`.
        starts_on: First day of the month that nobody decided anything of.
        listed: The logs that the worklist showed, before anything was decided.

    Returns:
        Of the listed logs and of all others without a record: how many there are, how many hide a
        missed crime, how many were expected to, and the Brier score.
    """
    rows = fetch_dicts(
        con,
        read_query(SQL / "registrar_readings.sql"),
        {"starts_at": starts_on, "listed": list(listed)},
    )
    return {
        ("listed" if row["is_listed"] else "others"): {
            "logs": row["logs"],
            "missed": int(row["missed"]),
            "expected": round(row["expected"], 2),
            "brier": round(row["brier"], 5),
        }
        for row in rows
    }
