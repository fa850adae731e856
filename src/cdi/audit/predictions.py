"""The frame of an audit: what the published version says of each log before anyone looks.

Of each log of a period: the crimes that it has recorded and should have, by the standard ruleset,
and how many may be missed, with a variance. The last two are learnt from earlier audits only, never
from what the police decided. A prediction may be bad: the estimate stays valid and gets wider.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cdi.audit.estimators import Floats
from cdi.errors import AuditError
from cdi.sql import connect, fetch_dicts

MATURE_DAYS = 30
HALF_DAY = timedelta(hours=12)
LEAST_LOGS = 200  # audited earlier; from fewer nothing is learnt
LEAST_CASES = 8  # audited logs with a missed crime, and without, before features count
# where nothing can be learnt: chance of a missed crime in a log that is suspected, and in another
UNLEARNT = {True: 0.5, False: 0.05}
CLIP = 1e-4
LEAST_RATE = 0.01  # of a period without a recorded crime: its logs are not all equally sure
DUE = "('recorded', 'wrongly_cancelled', 'unrecorded')"

LOGS = f"""
with crimes as (
    select
        crimes.call_id,
        count(*) filter (where crimes.outcome_standard = 'recorded') as recorded,
        count(*) filter (where crimes.outcome_standard in {DUE}) as due
    from fct_reported_crimes as crimes
    inner join rules.offence_groups as groups on crimes.offence_group = groups.offence_group
    where groups.is_headline
    group by crimes.call_id
)

select
    calls.call_id, calls.row_hash, calls.is_in_frame, calls.initial_type_code,
    coalesce(calls.district, 'unknown') as district,
    coalesce(crimes.recorded, 0) as recorded,
    coalesce(crimes.due, 0) as due,
    coalesce(readings.crime_probability, 0) as crime_probability,
    coalesce(readings.second_probability, 0) as second_probability
from fct_calls as calls
left join crimes on calls.call_id = crimes.call_id
left join disclosure.int_disclosure__text_reading as readings on calls.call_id = readings.call_id
where calls.received_at >= $starts_at and calls.received_at < $ends_at
    and (calls.is_in_frame or $universe = 'all')
order by calls.call_id
"""

CRIMES = f"""
select
    calls.call_id, crimes.offence_group, crimes.is_rape, crimes.is_domestic_abuse,
    crimes.outcome_standard = 'recorded' as is_recorded
from fct_reported_crimes as crimes
inner join fct_calls as calls on crimes.call_id = calls.call_id
inner join rules.offence_groups as groups on crimes.offence_group = groups.offence_group
where groups.is_headline and crimes.outcome_standard in {DUE}
    and calls.received_at >= $starts_at and calls.received_at < $ends_at
    and (calls.is_in_frame or $universe = 'all')
order by crimes.reported_crime_id
"""

# logs audited earlier: of another year, read as text only, or of this published version
AUDITED = f"""
with suspected as (
    select
        calls.call_id,
        count(*) filter (where crimes.outcome_standard in {DUE})
        - count(*) filter (where crimes.outcome_standard = 'recorded') as suspected
    from fct_calls as calls
    inner join disclosure.int_disclosure__audit_labels as audited on calls.call_id = audited.call_id
    left join fct_reported_crimes as crimes
        on calls.call_id = crimes.call_id
        and crimes.offence_group in (
            select offence_group from rules.offence_groups where is_headline
        )
    group by calls.call_id
),

codes as (
    select code from codes.call_types where offence_group is not null
)

select
    suspected.call_id is not null as is_in_calls,
    audited.initial_type_code in (from codes) or audited.final_type_code in (from codes)
        as is_in_frame,
    coalesce(suspected.suspected, 0) as suspected,
    audited.crimes as due,
    audited.recorded_crimes as recorded,
    coalesce(readings.crime_probability, 0) as crime_probability,
    coalesce(readings.second_probability, 0) as second_probability
from disclosure.int_disclosure__audit_labels as audited
left join suspected on audited.call_id = suspected.call_id
left join disclosure.int_disclosure__text_reading as readings on audited.call_id = readings.call_id
order by audited.call_id
"""


@dataclass(frozen=True)
class Period:
    """What an audit is about.

    Attributes:
        universe: frame (logs with a crime code) or all.
        starts_at: UTC; calls received from here,
        ends_at: to here (excluded).
    """

    universe: str
    starts_at: datetime
    ends_at: datetime

    @property
    def name(self) -> str:
        """As folders and the register have it: local days, known by noon after their midnight."""
        starts, ends = self.starts_at + HALF_DAY, self.ends_at + HALF_DAY
        return f"{self.universe}_{starts:%Y%m%d}_{ends:%Y%m%d}"

    def overlaps(self, name: str) -> bool:
        """Whether another period, by its name, is of the same universe and has days in common."""
        universe, starts, ends = name.split("_")
        _, own_starts, own_ends = self.name.split("_")
        return universe == self.universe and starts < own_ends and own_starts < ends


@dataclass(frozen=True)
class Frame:
    """Logs that may be drawn, and predictions.

    Attributes:
        logs: One row per log, by call_id: call_id, row_hash, district,
            initial_type_code; recorded and due by the
            published version; missed, the expected number of crimes missing, and variance, of
            recorded less rate times due about its prediction.
        crimes: One row per crime that the published version counts as due: position (of its log in
            `logs`), offence_group, is_rape, is_domestic_abuse, is_recorded.
    """

    logs: pa.Table
    crimes: pa.Table

    def column(self, name: str) -> Floats:
        """A column of the logs, as numbers."""
        return np.asarray(self.logs[name].to_numpy(zero_copy_only=False), float)

    @property
    def is_flagged(self) -> NDArray[np.bool_]:
        """Logs that the published version suspects of hiding a crime."""
        return self.column("due") > self.column("recorded")

    def has(self, flag: str) -> NDArray[np.bool_]:
        """Logs with a crime of which is_rape or is_domestic_abuse holds."""
        of = np.asarray(self.crimes["position"])[np.asarray(self.crimes[flag])]
        found = np.zeros(len(self.logs), bool)
        found[of] = True
        return found


@dataclass(frozen=True)
class Published:
    """What predictions are made from.

    Attributes:
        logs: One row per log of the period, by call_id.
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
        period: Mature in it.

    Returns:
        What it says.

    Raises:
        AuditError: AUDIT-IMMATURE if records of the period may still come in; AUDIT-EMPTY if it has
            no logs.
    """
    values = {"starts_at": period.starts_at, "ends_at": period.ends_at, "universe": period.universe}
    with connect(recording, read_only=True) as con:
        as_of = fetch_dicts(con, "select as_of from release")[0]["as_of"]
        if period.ends_at > as_of - timedelta(days=MATURE_DAYS):
            raise AuditError(
                "AUDIT-IMMATURE",
                f"the period ends on {period.ends_at:%Y-%m-%d} and the version is as of "
                f"{as_of:%Y-%m-%d}: records may still come in",
                f"audit a period that ended {MATURE_DAYS} days before the version's as_of",
            )
        logs, crimes = (con.sql(q, params=values).to_arrow_table() for q in (LOGS, CRIMES))
        audited = con.sql(AUDITED).to_arrow_table()
    if not len(logs):
        raise AuditError(
            "AUDIT-EMPTY", f"{recording} has no logs in {period.name}", "choose another period"
        )
    return Published(logs, crimes, audited)


def predict_frame(published: Published) -> Frame:
    """Predict how many crimes each log misses, learning from earlier audits."""
    logs, crimes = published.logs, published.crimes
    expected, variance = _missed(_numbers(logs), _numbers(published.audited))
    ids = np.array(logs["call_id"].to_pylist(), dtype=str)
    position = np.searchsorted(ids, np.array(crimes["call_id"].to_pylist(), dtype=str))
    kept = ["call_id", "row_hash", "district", "initial_type_code", "recorded", "due"]
    return Frame(
        logs.select(kept)
        .append_column("missed", pa.array(expected))
        .append_column("variance", pa.array(variance)),
        crimes.drop_columns(["call_id"]).append_column("position", pa.array(position)),
    )


def _numbers(table: pa.Table) -> dict[str, Floats]:
    names = set(table.column_names) - {"call_id", "row_hash", "district", "initial_type_code"}
    numbers = {n: np.asarray(table[n].to_numpy(zero_copy_only=False), float) for n in names}
    for name in ("crime_probability", "second_probability"):
        share = np.clip(numbers[name], CLIP, 1 - CLIP)
        numbers[name] = np.log(share / (1 - share))
    numbers.setdefault("suspected", numbers["due"] - numbers["recorded"])
    return numbers


def _missed(logs: dict[str, Floats], audited: dict[str, Floats]) -> tuple[Floats, Floats]:
    """Expected missed crimes of each log, and the variance of y - R m."""
    own = audited["is_in_calls"] > 0
    has_own = bool(own.sum() >= LEAST_LOGS)
    known = {name: values[own] for name, values in audited.items()} if has_own else audited
    expected, variance = np.zeros(len(logs["due"])), np.zeros(len(logs["due"]))
    for is_recorded, text in ((False, "crime_probability"), (True, "second_probability")):
        names = [text, "is_in_frame", *(["suspected"] if has_own else [])]
        to, of = ((part["recorded"] > 0) == is_recorded for part in (logs, known))
        more = (known["due"] - known["recorded"])[of]
        if len(more) < LEAST_LOGS or (more > 0).sum() < LEAST_CASES:
            suspected = logs["suspected"][to]
            chance = np.where(suspected > 0, UNLEARNT[True], UNLEARNT[False])
            one, two = 1.0, 1.0
        else:
            chance = _chance(
                np.column_stack([known[name][of] for name in names]),
                more > 0,
                np.column_stack([logs[name][to] for name in names]),
            )
            one, two = float(more[more > 0].mean()), float((more[more > 0] ** 2).mean())
        expected[to] = chance * one
        variance[to] = chance * two - (chance * one) ** 2
    rate = logs["recorded"].sum() / max(1.0, logs["recorded"].sum() + expected.sum())
    return expected, max(LEAST_RATE, rate) ** 2 * variance


def _chance(known: Floats, is_case: NDArray[np.bool_], logs: Floats) -> Floats:
    """Logistic regression; never surer than the audited logs of the same universe can make it."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10.0, max_iter=1000).fit(known, is_case)
    chance = model.predict_proba(logs)[:, 1]
    in_frame = known[:, 1] > 0
    alike = np.where(logs[:, 1] > 0, in_frame.sum(), (~in_frame).sum())
    least = 1 / (alike + 2)
    return np.asarray(np.clip(chance, least, 1 - least))
