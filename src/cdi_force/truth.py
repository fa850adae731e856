"""What the pipeline must find, written to a folder that the pipeline never reads.

``crimes.parquet``   one row per crime that was reported, with what became of it, in the end and as
                     known at as_of
``logs.parquet``     one row per log: how many crimes it reports, how many were recorded, and how
                     many a reader of the log at its best would name (`posterior`)
``hardness.json``    how often each difficulty occurs
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cdi_force.clock import HOUR
from cdi_force.details import APRIL_2015, NEVER
from cdi_force.posterior import crimes_due, crimes_named, is_in_frame
from cdi_force.year import (
    CLEAN,
    DUPLICATE,
    FATES,
    FRAME,
    FRAME_NO_CRIME,
    JUSTIFIED,
    MISTYPED,
    ODD,
    TOLD,
    UNIVERSES,
    UNRECORDED,
    WRONGLY_CANCELLED,
    Table,
    Year,
    take_rows,
)


def call_ids(year: Year) -> NDArray[np.str_]:
    """Write the numbers of the logs as the extract does."""
    prefix = year.scenario.settings.force.log_prefix
    days = np.datetime_as_string(year.logs["local_day"].astype("datetime64[D]"))
    numbers = np.char.zfill(year.logs["serial"].astype(str), 4)
    joined = np.char.add(np.char.add(np.char.replace(days, "-", ""), "-"), numbers)
    return np.asarray(np.char.add(f"{prefix}-", joined))


def _tell_outcomes(year: Year, crimes: Table) -> tuple[NDArray[Any], NDArray[Any]]:
    """Tell the outcome of each crime, in the end and as known at as_of."""
    outcome_final = np.array(FATES)[crimes["fate"]]
    limit = np.where(crimes["reported"] < APRIL_2015, 72, 24) * HOUR
    open_outcome = np.where(crimes["reported"] + limit > year.as_of, "too_recent", "unrecorded")
    cancelled = np.full(len(outcome_final), NEVER)
    with_record = np.flatnonzero(crimes["record"] >= 0)
    cancelled[with_record] = year.records["cancelled"][crimes["record"][with_record]]
    is_recorded = crimes["has_record"] & (crimes["recorded"] < year.as_of)
    outcome_as_of = np.where(is_recorded, "recorded", open_outcome)
    is_cancelled = is_recorded & (cancelled < year.as_of)
    outcome_as_of = np.where(is_cancelled, outcome_final, outcome_as_of)
    # These were reported, and there was a legitimate reason for no record.
    outcome_as_of = np.where(crimes["is_reasoned"], "justified", outcome_as_of)
    return outcome_final, outcome_as_of


def _list_reported_crimes(year: Year, first: int) -> Table:
    """List the reported crimes of the window, also those with a reason for no record."""
    logs, crimes = year.logs, dict(year.crimes)
    crimes["is_reasoned"] = np.zeros(len(crimes["offence"]), bool)
    rows = np.flatnonzero((logs["kind"] == FRAME_NO_CRIME) & (logs["account"] == TOLD))
    n = len(rows)
    reasoned: Table = {
        "offence": logs["offence"][rows],
        "universe": np.full(n, FRAME, np.int8),
        "fate": np.full(n, JUSTIFIED, np.int8),
        "is_da": logs["is_da"][rows],
        "ordinal": np.ones(n, np.int8),
        "has_record": np.zeros(n, bool),
        "log": rows,
        "recorded": np.zeros(n, np.int64),
        "reported": logs["received"][rows],
        "is_decidable": np.ones(n, bool),
        "is_said": np.ones(n, bool),
        "is_before": np.zeros(n, bool),
        "record": np.full(n, -1, np.int64),
        "is_reasoned": np.ones(n, bool),
    }
    all_crimes = {name: np.concatenate([crimes[name], reasoned[name]]) for name in reasoned}
    return take_rows(all_crimes, np.flatnonzero(all_crimes["reported"] >= first))


def write_truth(year: Year, before: Year, folder: Path, first: int) -> dict[str, Any]:
    """Write the truth of a window to files.

    Args:
        year: With phrases and extracts drawn.
        before: Another year of the same law, from which the best reader learns.
        folder: Made if absent.
        first: Seconds since 1970; what was reported before is left out.

    Returns:
        The hardness counts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings, logs, records = year.scenario.settings, year.logs, year.records
    ids = call_ids(year)
    crimes = _list_reported_crimes(year, first)
    offence = crimes["offence"]
    outcome_final, outcome_as_of = _tell_outcomes(year, crimes)
    record = np.maximum(crimes["record"], 0)
    has_record = crimes["record"] >= 0
    has_log = crimes["log"] >= 0
    log = take_rows(logs, np.maximum(crimes["log"], 0))
    prefix = settings.force.occurrence_prefix
    numbers = np.char.add(prefix, np.char.zfill(records["number"].astype(str), 9))
    groups = np.array([o.group for o in settings.offences])
    table = {
        "call_id": pa.array(ids[np.maximum(crimes["log"], 0)], mask=~has_log),
        "crime_id": pa.array(numbers[record], mask=~has_record),
        "ordinal": pa.array(crimes["ordinal"]),
        "universe": pa.array(np.array(UNIVERSES)[crimes["universe"]]),
        "offence": pa.array(np.array([o.key for o in settings.offences])[offence]),
        "offence_group": pa.array(groups[offence]),
        "is_rape": pa.array(np.array([o.is_rape for o in settings.offences])[offence]),
        "is_domestic_abuse": pa.array(crimes["is_da"]),
        "reported_at": pa.array(crimes["reported"].astype("datetime64[s]")),
        "recorded_at": pa.array(crimes["recorded"].astype("datetime64[s]"), mask=~has_record),
        "outcome_final": pa.array(outcome_final),
        "outcome_as_of": pa.array(outcome_as_of),
        "has_reference": pa.array(np.where(has_record, records["has_reference"][record], False)),
        "is_decidable": pa.array(crimes["is_decidable"]),
        "half": pa.array(np.array(["A", "B"])[log["half"]], mask=~has_log),
        "is_readable": pa.array(
            (~has_log | (log["breakage"] == 0)) & (~has_record | (records["breakage"][record] == 0))
        ),
    }
    pq.write_table(pa.table(table), folder / "crimes.parquet", compression="zstd")
    _write_logs(year, before, ids, folder, first)
    counts = _count_hard_things(year, crimes, first)
    text = json.dumps(counts, indent=2)
    (folder / "hardness.json").write_text(text + "\n", encoding="utf-8")
    return counts


def _write_logs(year: Year, before: Year, ids: NDArray[np.str_], folder: Path, first: int) -> None:
    logs = year.logs
    crime_counts = crimes_named(year, before)
    due, recorded = crimes_due(year)
    table = pa.table(
        {
            "call_id": ids,
            "primary_call_id": ids[logs["primary"]],
            "is_duplicate": logs["kind"] == DUPLICATE,
            "is_in_frame": is_in_frame(year),
            "half": np.array(["A", "B"])[logs["half"]],
            "received_at": logs["received"].astype("datetime64[s]"),
            "crimes_due": due,
            "crimes_recorded": recorded,
            "posterior": crime_counts,
            "is_readable": logs["breakage"] == 0,
        }
    )
    started = logs["received"][logs["primary"]] >= first
    pq.write_table(table.filter(started), folder / "logs.parquet", compression="zstd")


def _count_hard_things(year: Year, crimes: Table, first: int) -> dict[str, Any]:
    """Count each difficulty among the logs, crimes and records of the window."""
    logs, records = year.logs, year.records
    started = logs["received"][logs["primary"]] >= first
    within = take_rows(logs, np.flatnonzero(started))
    due = take_rows(crimes, np.flatnonzero((crimes["fate"] != JUSTIFIED) & (crimes["log"] >= 0)))
    frame = due["universe"] == FRAME
    serious = (
        due["is_da"]
        | np.array([o.is_rape for o in year.scenario.settings.offences])[due["offence"]]
    )
    of_log = take_rows(logs, due["log"])
    crime_logs = np.bincount(due["log"], minlength=1)
    with_record = np.flatnonzero(
        (records["crime"] >= 0) & (records["log"] >= 0) & started[np.maximum(records["log"], 0)]
    )
    record = take_rows(records, with_record)
    is_written_back = np.zeros(len(logs["kind"]), bool)
    is_written_back[records["log"][records["is_written_back"]]] = True
    mistyped = record["form"] == MISTYPED

    def count_of(mask: NDArray[Any], total: int) -> dict[str, float]:
        count = int(mask.sum())
        return {"count": count, "of": int(total), "share": round(count / max(1, total), 5)}

    return {
        "duplicate_logs": count_of(within["kind"] == DUPLICATE, len(within["kind"])),
        "duplicates_unmarked": count_of(
            within["is_unmarked"], int((within["kind"] == DUPLICATE).sum())
        ),
        "logs_with_2_to_4_crimes": count_of(crime_logs > 1, int((crime_logs > 0).sum())),
        "reopened_late": count_of(
            (due["ordinal"] == 1) & (of_log["reopened"] > 0), int(due["has_record"].sum())
        ),
        "record_before_log": count_of(due["is_before"], int(due["has_record"].sum())),
        "undecidable_frame": count_of(frame & (of_log["account"] != TOLD), int(frame.sum())),
        "undecidable_hidden": count_of(~frame & (of_log["account"] != TOLD), int((~frame).sum())),
        "undecidable_serious": count_of(serious & (of_log["account"] != TOLD), int(serious.sum())),
        "further_crime_unsaid": count_of(
            ~due["is_said"] & (of_log["account"] == TOLD), len(due["offence"])
        ),
        "wrongly_cancelled": count_of(due["fate"] == WRONGLY_CANCELLED, int(frame.sum())),
        "never_recorded": count_of(due["fate"] == UNRECORDED, len(due["offence"])),
        "no_usable_reference": count_of(~record["has_reference"], len(with_record)),
        "mistyped_reference": count_of(mistyped, len(with_record)),
        "mistyped_without_case_reference": count_of(
            mistyped & ~is_written_back[record["log"]], len(with_record)
        ),
        "odd_reference": count_of(record["form"] == ODD, len(with_record)),
        "reference_to_duplicate": count_of(
            record["has_reference"] & (record["target"] != record["log"]), len(with_record)
        ),
        "made_up_reference": count_of(
            ~record["has_reference"] & (record["form"] == CLEAN), len(with_record)
        ),
        "missed_with_non_crime_occurrence": count_of(
            logs["is_non_crime"]
            & (np.bincount(due["log"][due["fate"] == UNRECORDED], minlength=len(logs["kind"])) > 0),
            int((due["fate"] == UNRECORDED).sum()),
        ),
        "crime_told_later": count_of(within["is_told_later"], len(within["kind"])),
        "name_typing_error": count_of(record["has_error"], len(with_record)),
        "address_typed_anew": count_of(record["is_typed_anew"], len(with_record)),
        "offence_place_differs": count_of(record["is_elsewhere"], len(with_record)),
        "reported_when_recorded": count_of(record["is_late_entry"], len(with_record)),
        "unparseable_calls": count_of(within["breakage"] > 0, len(within["kind"])),
        "unparseable_records": count_of(record["breakage"] > 0, len(with_record)),
        "half_b": count_of(within["half"] == 1, len(within["kind"])),
        "clock_change_nights": _count_clock_change_logs(year, first),
    }


def _count_clock_change_logs(year: Year, first: int) -> dict[str, int]:
    """Count the logs received in the hour before and after each clock change of the window."""
    changes = np.flatnonzero(np.diff(year.clock.offsets)) + 1
    change_times = year.clock.start + changes * HOUR
    change_times = change_times[(change_times >= first) & (change_times < year.clock.end)]
    received = year.logs["received"]
    near_count = sum(
        int(((received >= a - HOUR) & (received < a + HOUR)).sum()) for a in change_times
    )
    return {"nights": len(change_times), "logs_within_an_hour": near_count}
