"""The frame of an audit: the logs of a period with what is predicted of each before the draw.

For each log the published version says how many crimes are recorded and how many should be, by the
standard ruleset. How many more may be missed, and with what variance, is learnt from earlier audits
only, and never from what the police decided. Predictions may be bad: then the interval is wider, as
long as they are not much too sure of themselves; hence `LEAST_CHANCE`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cdi.errors import AuditError
from cdi.sql import connect, fetch_dicts, read_query

Floats = NDArray[np.float64]

SQL = Path(__file__).parent / "sql"
MATURE_DAYS = 30  # days after which hardly any record of a call is still to come
HALF_DAY = timedelta(hours=12)
LEAST_LOGS = 200  # logs audited earlier; from fewer nothing is learnt
LEAST_CASES = 8  # of these logs, how many must have a missed crime
# No chance is taken to be nearer to 0 or 1 than this, nor nearer than three of the audited logs of
# its universe: of logs that are taken for certain too few are drawn, and then the interval does not
# know of rare misses that stand for many logs.
LEAST_CHANCE, LEAST_OF_AUDITED = 0.01, 3
# Probability of a missed crime where nothing can be learnt: in a suspected log, and in any other.
UNLEARNT = {True: 0.5, False: 0.05}
CLIP = 1e-4  # probabilities are kept this far from 0 and 1, which have no logit
# Rate that is assumed at least: with a rate of 0 all variances would be 0, and all logs equal.
LEAST_RATE = 0.01
# Outcomes, by the standard ruleset, of crimes that should be recorded.
DUE = ("recorded", "wrongly_cancelled", "unrecorded")


@dataclass(frozen=True)
class Period:
    """What an audit is about.

    Attributes:
        universe: `frame` (logs with a crime code) or `all`.
        starts_at: Calls received from this time on, UTC.
        ends_at: Calls received before this time, UTC.
    """

    universe: str
    starts_at: datetime
    ends_at: datetime

    @property
    def name(self) -> str:
        """Name in folders and in the register: universe and local days.

        The period starts and ends at local midnight, which is late in the day before in UTC east of
        Greenwich. Half a day later the date is the local one in UTC too.
        """
        starts, ends = self.starts_at + HALF_DAY, self.ends_at + HALF_DAY
        return f"{self.universe}_{starts:%Y%m%d}_{ends:%Y%m%d}"

    def overlaps(self, name: str) -> bool:
        """Tell whether another period is of the same universe and has days in common.

        Args:
            name: Of the other period.
        """
        universe, starts, ends = name.split("_")
        _, own_starts, own_ends = self.name.split("_")
        return universe == self.universe and starts < own_ends and own_starts < ends


@dataclass(frozen=True)
class Frame:
    """Logs that may be drawn, with predictions.

    Attributes:
        logs: One row per log, in order of call_id: call_id, row_hash, district, initial_type_code;
            recorded and due, by the published version; missed, the expected number of missed
            crimes; variance, that of y - R m about its prediction (crimes recorded less rate times
            crimes due).
        crimes: One row per crime that the published version counts as due: position (of its log in
            `logs`), offence_group, is_rape, is_domestic_abuse, is_recorded.
    """

    logs: pa.Table
    crimes: pa.Table

    def column(self, name: str) -> Floats:
        """Give a column of the logs as numbers.

        Args:
            name: Of the column.
        """
        return np.asarray(self.logs[name].to_numpy(zero_copy_only=False), float)

    @property
    def is_flagged(self) -> NDArray[np.bool_]:
        """Logs that the published version suspects of hiding a crime."""
        return self.column("due") > self.column("recorded")

    def has(self, flag: str) -> NDArray[np.bool_]:
        """Tell which logs have a crime with a flag.

        Args:
            flag: is_rape or is_domestic_abuse.
        """
        positions = np.asarray(self.crimes["position"])[np.asarray(self.crimes[flag])]
        has_flag = np.zeros(len(self.logs), bool)
        has_flag[positions] = True
        return has_flag


@dataclass(frozen=True)
class Published:
    """What predictions are made from.

    Attributes:
        logs: One row per log of the period, in order of call_id.
        crimes: One row per crime that the published version counts as due in them.
        audited: One row per log audited earlier.
    """

    logs: pa.Table
    crimes: pa.Table
    audited: pa.Table


def read_published(recording: Path, period: Period) -> Published:
    """Read a period from a published file.

    Args:
        recording: A recording.duckdb.
        period: Must have ended `MATURE_DAYS` before the version's as_of.

    Raises:
        AuditError: AUDIT-IMMATURE if records of the period may still come in; AUDIT-EMPTY if it has
            no logs.
    """
    due = {"due": list(DUE)}
    values = due | {
        "starts_at": period.starts_at,
        "ends_at": period.ends_at,
        "universe": period.universe,
    }
    with connect(recording, read_only=True) as con:
        as_of = fetch_dicts(con, "select as_of from release")[0]["as_of"]
        if period.ends_at > as_of - timedelta(days=MATURE_DAYS):
            raise AuditError(
                "AUDIT-IMMATURE",
                f"the period ends on {period.ends_at:%Y-%m-%d} and the version is as of "
                f"{as_of:%Y-%m-%d}: records may still come in",
                f"audit a period that ended {MATURE_DAYS} days before the version's as_of",
            )
        logs = _fetch_table(con, "predicted_logs", values)
        crimes = _fetch_table(con, "predicted_crimes", values)
        audited = _fetch_table(con, "audited_earlier", due)
    if not len(logs):
        raise AuditError(
            "AUDIT-EMPTY", f"{recording} has no logs in {period.name}", "choose another period"
        )
    return Published(logs, crimes, audited)


def _fetch_table(con: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, Any]) -> pa.Table:
    return con.sql(read_query(SQL / f"{query}.sql"), params=values).to_arrow_table()


def predict_frame(published: Published) -> Frame:
    """Predict how many crimes are missed in each log, learning from earlier audits.

    Args:
        published: What the published version says.
    """
    logs, crimes = published.logs, published.crimes
    expected, variance = _predict_missed(_as_features(logs), _as_features(published.audited))
    ids = np.array(logs["call_id"].to_pylist(), dtype=str)
    position = np.searchsorted(ids, np.array(crimes["call_id"].to_pylist(), dtype=str))
    kept = ["call_id", "row_hash", "district", "initial_type_code", "recorded", "due"]
    return Frame(
        logs.select(kept)
        .append_column("missed", pa.array(expected))
        .append_column("variance", pa.array(variance)),
        crimes.drop_columns(["call_id"]).append_column("position", pa.array(position)),
    )


def _as_features(table: pa.Table) -> dict[str, Floats]:
    """Turn the columns of logs into features; probabilities become log odds."""
    names = set(table.column_names) - {"call_id", "row_hash", "district", "initial_type_code"}
    features = {
        name: np.asarray(table[name].to_numpy(zero_copy_only=False), float) for name in names
    }
    for name in ("crime_probability", "second_probability"):
        share = np.clip(features[name], CLIP, 1 - CLIP)
        features[name] = np.log(share / (1 - share))
    features.setdefault("suspected", features["due"] - features["recorded"])
    return features


def _predict_missed(logs: dict[str, Floats], audited: dict[str, Floats]) -> tuple[Floats, Floats]:
    """Predict the number of missed crimes of each log, and the variance of y - R m."""
    # If enough of the logs audited earlier are in this published version, only these teach: of them
    # it is known what the version suspects.
    is_in_calls = audited["is_in_calls"] > 0
    has_suspected = bool(is_in_calls.sum() >= LEAST_LOGS)
    if has_suspected:
        audited = {name: values[is_in_calls] for name, values in audited.items()}
    expected, variance = np.zeros(len(logs["due"])), np.zeros(len(logs["due"]))
    # Two models: a log without a record misses a crime if it has any, a log with a record only if
    # it has a second one.
    for is_recorded, probability in ((False, "crime_probability"), (True, "second_probability")):
        names = [probability, "is_in_frame", *(["suspected"] if has_suspected else [])]
        to_predict, to_learn = ((part["recorded"] > 0) == is_recorded for part in (logs, audited))
        missed = (audited["due"] - audited["recorded"])[to_learn]
        if len(missed) < LEAST_LOGS or (missed > 0).sum() < LEAST_CASES:
            is_suspected = logs["suspected"][to_predict] > 0
            chance = np.where(is_suspected, UNLEARNT[True], UNLEARNT[False])
            mean, mean_square = 1.0, 1.0
        else:
            chance = _fit_and_predict(
                np.column_stack([audited[name][to_learn] for name in names]),
                missed > 0,
                np.column_stack([logs[name][to_predict] for name in names]),
            )
            # number of missed crimes of a log that misses any
            mean = float(missed[missed > 0].mean())
            mean_square = float((missed[missed > 0] ** 2).mean())
        expected[to_predict] = chance * mean
        variance[to_predict] = chance * mean_square - (chance * mean) ** 2
    recorded = logs["recorded"].sum()
    rate = recorded / max(1.0, recorded + expected.sum())
    # y is known before the audit and m varies with the missed crimes, so y - R m varies R times as
    # much as they do.
    return expected, max(LEAST_RATE, rate) ** 2 * variance


def _fit_and_predict(features: Floats, is_case: NDArray[np.bool_], logs: Floats) -> Floats:
    """Predict the probability of a missed crime by logistic regression.

    It is kept away from 0 and 1 by what the audited logs of the same universe can show: of n logs
    without a miss, hardly less than 3 in n (the rule of three).
    """
    from sklearn.linear_model import LogisticRegression  # takes a second or more to import

    model = LogisticRegression(C=10.0, max_iter=1000).fit(features, is_case)
    chance = model.predict_proba(logs)[:, 1]
    is_in_frame = features[:, 1] > 0
    alike = np.where(logs[:, 1] > 0, is_in_frame.sum(), (~is_in_frame).sum())
    least = np.clip(LEAST_OF_AUDITED / np.maximum(alike, 1), LEAST_CHANCE, 0.5)
    return np.asarray(np.clip(chance, least, 1 - least))
